/* SPDX-License-Identifier: MIT
 * Shortcuts between blocks: patched jumps inside a page, the jump cache for all
 * others. Both only ever lead to blocks that are valid where they are reached. */
#include "tcache/tb.h"

static void patch(Cache *cache, ExitSlot *slot, const uint8_t *to)
{
    const uint8_t *rx = slot->owner->code + slot->jump_offset;
    codegen_patch_jump(code_buf_to_rw(&cache->buf, rx), rx, to);
}

void chain_reset(Cache *cache, ExitSlot *slot)
{
    patch(cache, slot, slot->owner->code + slot->stub_offset);
}

void chain_link(Cache *cache, ExitSlot *slot, TranslationBlock *target)
{
    if (slot->target)
        return;
    slot->target = target;
    slot->next_incoming = target->incoming;
    target->incoming = slot;
    patch(cache, slot, target->code + (slot->fp_ready ? target->fp_entry : 0));
    cache->counters.chains++;
}

static void forget_incoming(ExitSlot *slot)
{
    ExitSlot **link = &slot->target->incoming;
    while (*link != slot)
        link = &(*link)->next_incoming;
    *link = slot->next_incoming;
}

void chain_unlink(Cache *cache, TranslationBlock *tb)
{
    for (ExitSlot *slot = tb->incoming; slot; slot = slot->next_incoming) {
        slot->target = NULL;
        chain_reset(cache, slot);
    }
    tb->incoming = NULL;
    for (unsigned i = 0; i < tb->exit_count; i++) {
        if (tb->exits[i].target) {
            forget_incoming(&tb->exits[i]);
            tb->exits[i].target = NULL;
            chain_reset(cache, &tb->exits[i]);
        }
    }
}

void chain_link_volatile(Cache *cache, ExitSlot *slot, TranslationBlock *target)
{
    if (slot->target)
        return;
    chain_link(cache, slot, target);
    slot->owner->has_volatile = true;
    g_ptr_array_add(cache->volatile_links, slot);
}

void chain_unlink_volatile(Cache *cache)
{
    for (guint i = 0; i < cache->volatile_links->len; i++) {
        ExitSlot *slot = g_ptr_array_index(cache->volatile_links, i);
        if (!slot->target)
            continue;
        forget_incoming(slot);
        slot->target = NULL;
        chain_reset(cache, slot);
    }
    g_ptr_array_set_size(cache->volatile_links, 0);
}

void chain_unlink_all(Cache *cache)
{
    for (unsigned i = 0; i < TB_UNITS; i++)
        for (guint k = 0; k < cache->unit[i].blocks->len; k++)
            chain_unlink(cache, g_ptr_array_index(cache->unit[i].blocks, k));
}

void jump_cache_add(Cache *cache, const TranslationBlock *tb, bool global)
{
    JumpCache *jc = &cache->vcpu->jump_cache;
    uint32_t i = tb->state.pc & (JUMP_CACHE_ENTRIES - 1);
    unsigned *count = global ? &cache->jump_global.count : &cache->jump_other.count;
    uint32_t *index = global ? cache->jump_global.index : cache->jump_other.index;
    uint64_t tag = -(tb->state.pc + tb->jump_tag);
    if (jc->entry[i].tag == tag && jc->entry[i].code == (uint64_t)(uintptr_t)tb->code)
        return;
    if (*count == JUMP_JOURNAL)
        jump_cache_flush(cache);
    index[(*count)++] = i;
    jc->entry[i].code = (uint64_t)(uintptr_t)tb->code;
    jc->entry[i].tag = tag;
}

void jump_cache_flush_other(Cache *cache)
{
    JumpCache *jc = &cache->vcpu->jump_cache;
    for (unsigned i = 0; i < cache->jump_other.count; i++)
        jc->entry[cache->jump_other.index[i]].tag = 0;
    cache->jump_other.count = 0;
    cache->counters.jump_cache_flushes++;
}

void jump_cache_flush(Cache *cache)
{
    JumpCache *jc = &cache->vcpu->jump_cache;
    for (unsigned i = 0; i < cache->jump_global.count; i++)
        jc->entry[cache->jump_global.index[i]].tag = 0;
    cache->jump_global.count = 0;
    jump_cache_flush_other(cache);
}
