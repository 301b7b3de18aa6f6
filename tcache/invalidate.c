/* SPDX-License-Identifier: MIT
 * Taking blocks out: exactly those that a write overlaps. */
#include "tcache/tb.h"

#include "base/trace.h"

/* A page whose blocks are overwritten this often keeps its mark when the last of them goes: marking
 * it again costs more than the slow path of a few stores. It loses it after a row of stores that
 * hit nothing. */
enum { SMC_HOT = 16, SMC_MISSES = 200, LINE_BITS = 6 };

static void unmark_page(Cache *cache, uint64_t page)
{
    address_space_code_pages(cache->as)[page] = 0;
    cache->lines[page] = 0;
}

static unsigned page_index(const TranslationBlock *tb, uint64_t page)
{
    return tb->phys >> GUEST_PAGE_BITS == page ? 0 : 1;
}

static void unlink_page(Cache *cache, TranslationBlock *tb, uint64_t page)
{
    TranslationBlock **link = &cache->pages[page];
    while (*link != tb)
        link = &(*link)->page_next[page_index(*link, page)];
    *link = tb->page_next[page_index(tb, page)];
    if (!cache->pages[page] && cache->smc_hot[page] < SMC_HOT)
        unmark_page(cache, page);
}

static void hash_remove(Cache *cache, TranslationBlock *tb)
{
    TranslationBlock **link = cache_hash_head(cache, tb->phys, &tb->state);
    while (*link != tb)
        link = &(*link)->hash_next;
    *link = tb->hash_next;
}

void cache_cut_off(Cache *cache, TranslationBlock *tb)
{
    chain_unlink(cache, tb);
    JumpCache *jc = &cache->vcpu->jump_cache;
    uint32_t i = tb->state.pc & (JUMP_CACHE_ENTRIES - 1);
    if (jc->entry[i].code == (uint64_t)(uintptr_t)tb->code)
        jc->entry[i].tag = 0;
    codegen_forget_returns_to(cache->vcpu, tb->code, tb->code_size);
}

void cache_remove(Cache *cache, TranslationBlock *tb)
{
    hash_remove(cache, tb);
    unlink_page(cache, tb, tb->phys >> GUEST_PAGE_BITS);
    if (tb->second_page != RAM_OFF_NONE)
        unlink_page(cache, tb, tb->second_page >> GUEST_PAGE_BITS);
    cache_cut_off(cache, tb);
    tb->valid = false;
}

bool cache_overlaps(const TranslationBlock *tb, ram_off_t offset, uint64_t size)
{
    if (tb->phys < offset + size && offset < tb->phys + tb->first_size)
        return true;
    return tb->second_page != RAM_OFF_NONE && tb->second_page < offset + size &&
           offset < tb->second_page + (tb->size - tb->first_size);
}

/* Lines of a page that bytes [first, last] lie in. */
static uint64_t line_mask(unsigned first, unsigned last)
{
    unsigned low = first >> LINE_BITS, high = last >> LINE_BITS;
    return (~UINT64_C(0) >> (63 - (high - low))) << low;
}

void cache_cover_lines(Cache *cache, const TranslationBlock *tb)
{
    unsigned first = tb->phys & ~GUEST_PAGE_MASK;
    cache->lines[tb->phys >> GUEST_PAGE_BITS] |= line_mask(first, first + tb->first_size - 1);
    if (tb->second_page != RAM_OFF_NONE)
        cache->lines[tb->second_page >> GUEST_PAGE_BITS] |=
            line_mask(0, tb->size - tb->first_size - 1);
}

static void recompute_lines(Cache *cache, uint64_t page)
{
    cache->lines[page] = 0;
    for (TranslationBlock *tb = cache->pages[page]; tb; tb = tb->page_next[page_index(tb, page)])
        cache_cover_lines(cache, tb);
}

/* The usual store beside code: no line of a block is touched. */
static void note_miss(Cache *cache, uint64_t page)
{
    if (cache->pages[page])
        return;
    if (++cache->smc_miss[page] >= SMC_MISSES) {
        cache->smc_hot[page] = 0;
        unmark_page(cache, page);
    }
}

bool cache_store_beside(Cache *cache, ram_off_t offset, uint64_t size)
{
    uint64_t page = offset >> GUEST_PAGE_BITS;
    unsigned first = offset & ~GUEST_PAGE_MASK;
    cache->counters.smc_stores++;
    if (cache->lines[page] & line_mask(first, (unsigned)(first + size - 1)))
        return false;
    note_miss(cache, page);
    return true;
}

bool cache_store(Cache *cache, const TranslationBlock *running, ram_off_t offset, uint64_t size)
{
    uint64_t page = offset >> GUEST_PAGE_BITS;
    if (running && cache_overlaps(running, offset, size)) {
        cache->counters.smc_self++;
        return false;
    }
    unsigned removed = cache_invalidate(cache, offset, size);
    cache->counters.invalidated_store += removed;
    cache->smc_miss[page] = 0;
    if (!removed)
        return true;
    cache->smc_at[page] = offset & ~GUEST_PAGE_MASK;
    if (cache->smc_hot[page] < UINT8_MAX)
        cache->smc_hot[page]++;
    recompute_lines(cache, page);
    if (running) /* else the loop may hold an exit of a block that is gone now */
        cache_take_back(cache, running);
    return true;
}

/* Where an instruction is patched again and again it gets a block of its own: the store before it
 * is in another block then, and as little as can be is translated anew. */
unsigned cache_room_to_patched(const Cache *cache, ram_off_t offset, unsigned room)
{
    const uint64_t page = offset >> GUEST_PAGE_BITS;
    const unsigned from = offset & ~GUEST_PAGE_MASK;
    if (cache->smc_hot[page] < SMC_HOT || cache->smc_at[page] <= from)
        return room;
    return MIN(room, cache->smc_at[page] - from);
}

unsigned cache_invalidate(Cache *cache, ram_off_t offset, uint64_t size)
{
    unsigned removed = 0;
    uint64_t last = (offset + size - 1) >> GUEST_PAGE_BITS;
    for (uint64_t page = offset >> GUEST_PAGE_BITS; page <= last && page < cache->page_count;
         page++) {
        TranslationBlock *tb = cache->pages[page];
        while (tb) {
            TranslationBlock *next = tb->page_next[page_index(tb, page)];
            if (cache_overlaps(tb, offset, size)) {
                cache_remove(cache, tb);
                removed++;
            }
            tb = next;
        }
    }
    if (removed)
        trace(block_invalidate, offset, size, removed);
    return removed;
}
