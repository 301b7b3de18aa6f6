/* SPDX-License-Identifier: MIT
 * Finding blocks: by physical place and state, by host address. */
#include "tcache/tb.h"

#include <string.h>

TranslationBlock **cache_hash_head(Cache *cache, ram_off_t phys, const BlockState *state)
{
    uint64_t h = phys * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)state->mode << 17 ^
                 (uint64_t)state->memory << 32;
    return &cache->hash[(h * UINT64_C(0xff51afd7ed558ccd)) >> (64 - TB_HASH_BITS)];
}

static bool same_state(const BlockState *a, const BlockState *b)
{
    return a->pc == b->pc && a->mode == b->mode && a->memory == b->memory &&
           a->cs_base == b->cs_base && a->cs_limit == b->cs_limit;
}

static TranslationBlock *first_match(TranslationBlock *tb, ram_off_t phys, const BlockState *state)
{
    while (tb && !(tb->phys == phys && same_state(&tb->state, state)))
        tb = tb->hash_next;
    return tb;
}

/* The block that is found goes to the front: the lists of libraries' code have one for each
 * process. */
TranslationBlock *cache_find(Cache *cache, ram_off_t phys, const BlockState *state)
{
    TranslationBlock **head = cache_hash_head(cache, phys, state), **link = head;
    while (*link && !((*link)->phys == phys && same_state(&(*link)->state, state)))
        link = &(*link)->hash_next;
    TranslationBlock *tb = *link;
    if (tb && link != head) {
        *link = tb->hash_next;
        tb->hash_next = *head;
        *head = tb;
    }
    return tb;
}

TranslationBlock *cache_find_next(const TranslationBlock *tb)
{
    return first_match(tb->hash_next, tb->phys, &tb->state);
}

static void link_page(Cache *cache, TranslationBlock *tb, unsigned which, ram_off_t offset)
{
    uint64_t page = offset >> GUEST_PAGE_BITS;
    tb->page_next[which] = cache->pages[page];
    cache->pages[page] = tb;
}

/* A page list links blocks through page_next[0] in their first page, [1] in their second. The
 * code mark itself was set before the bytes were read. */
void cache_insert(Cache *cache, TranslationBlock *tb)
{
    TranslationBlock **head = cache_hash_head(cache, tb->phys, &tb->state);
    tb->hash_next = *head;
    *head = tb;
    link_page(cache, tb, 0, tb->phys);
    if (tb_in_second_list(tb))
        link_page(cache, tb, 1, tb->second_page);
    cache_cover_lines(cache, tb);
    tb->valid = true;
    g_ptr_array_add(cache->unit[tb->unit].blocks, tb);
}

TranslationBlock *cache_find_by_host(Cache *cache, const void *host_pc)
{
    if (!code_buf_contains_rx(&cache->buf, host_pc))
        return NULL;
    const size_t offset = (size_t)((const uint8_t *)host_pc - cache->buf.rx) - CODEGEN_JUMP_STUB;
    if (offset >= (size_t)cache->unit[0].size * TB_UNITS)
        return NULL; /* the jump stub */
    const Unit *unit = &cache->unit[offset / cache->unit[0].size];
    guint low = 0, high = unit->blocks->len;
    while (low < high) {
        guint middle = (low + high) / 2;
        const TranslationBlock *tb = g_ptr_array_index(unit->blocks, middle);
        if ((const uint8_t *)host_pc < tb->code)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return NULL;
    TranslationBlock *tb = g_ptr_array_index(unit->blocks, low - 1);
    return (const uint8_t *)host_pc < tb->code + tb->code_size ? tb : NULL;
}

uint64_t tb_pc_of_host(const TranslationBlock *tb, const void *host_pc, uint64_t *sp)
{
    uint32_t offset = (uint32_t)((const uint8_t *)host_pc - tb->code);
    unsigned low = 0, high = tb->pcmap_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (offset < tb->pcmap[middle].host_offset)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return tb->state.pc;
    const CodegenPcEntry *entry = &tb->pcmap[low - 1];
    if (sp)
        *sp = codegen_stack_pointer(*entry, *sp);
    return tb->state.pc + entry->pc_offset;
}

static uint32_t find_tag(Cache *cache, const uint64_t key[3])
{
    GBytes *bytes = g_bytes_new(key, 3 * sizeof *key);
    uint32_t tag = GPOINTER_TO_UINT(g_hash_table_lookup(cache->tags, bytes));
    if (tag) {
        g_bytes_unref(bytes);
        return tag;
    }
    tag = g_hash_table_size(cache->tags) + 1;
    if (tag >= JUMP_TAGS) {
        /* A real-mode guest went through 65,535 code segments: start over. */
        cache_flush(cache);
        cache->counters.evictions++; /* the loop's exit is gone as well */
        g_hash_table_remove_all(cache->tags);
        memset(cache->recent_tags, 0, sizeof cache->recent_tags);
        jump_tables_forget_tags(&cache->jumps);
        tag = 1;
    }
    g_hash_table_insert(cache->tags, bytes, GUINT_TO_POINTER(tag));
    return tag;
}

static bool same_but_pc(const BlockState *a, const BlockState *b)
{
    return a->mode == b->mode && a->cs_base == b->cs_base && a->cs_limit == b->cs_limit &&
           ((a->memory ^ b->memory) & MEMORY_WINDOW) == 0;
}

/* Where the tags for state are, if they are known. */
static RecentTags *recent_tags(Cache *cache, const BlockState *state)
{
    /* Modes that alternate differ in high bits: they must not meet in one place. */
    const uint64_t key =
        state->mode ^ state->cs_base << 20 ^ (uint64_t)(state->memory & MEMORY_WINDOW) << 63;
    return &cache->recent_tags[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - TAG_MEMO_BITS)];
}

static unsigned is_global(const BlockState *state)
{
    return (state->memory & MEMORY_GLOBAL) != 0;
}

void cache_note_tag(Cache *cache, const BlockState *state, uint32_t tag)
{
    RecentTags *recent = recent_tags(cache, state);
    if (!same_but_pc(&recent->state, state))
        *recent = (RecentTags){.state = *state};
    recent->tag[is_global(state)] = tag;
}

uint32_t cache_jump_tag(Cache *cache, const BlockState *state)
{
    const RecentTags *recent = recent_tags(cache, state);
    uint32_t tag = recent->tag[is_global(state)];
    if (tag && same_but_pc(&recent->state, state))
        return tag;
    const uint64_t key[3] = {state->mode, state->cs_base,
                             state->cs_limit | (uint64_t)state->memory << 32};
    tag = find_tag(cache, key);
    cache_note_tag(cache, state, tag);
    return tag;
}

const uint8_t *cache_quick_find(Cache *cache, const BlockState *state, uint32_t *memory,
                                uint32_t *jump_tag)
{
    const RecentTags *recent = recent_tags(cache, state);
    if (!same_but_pc(&recent->state, state))
        return NULL;
    for (unsigned global = 0; global < 2; global++) {
        const uint8_t *code = jump_tables_find(&cache->jumps, recent->tag[global], state->pc);
        if (code) {
            *memory = state->memory | (global ? MEMORY_GLOBAL : 0);
            *jump_tag = recent->tag[global];
            return code;
        }
    }
    return NULL;
}
