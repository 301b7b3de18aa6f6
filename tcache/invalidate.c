/* SPDX-License-Identifier: MIT
 * Taking blocks out: exactly those that a write overlaps. */
#include "tcache/tb.h"

#include "base/trace.h"

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
    if (!cache->pages[page])
        address_space_code_pages(cache->as)[page] = 0;
}

static void hash_remove(Cache *cache, TranslationBlock *tb)
{
    TranslationBlock **link = cache_hash_head(cache, tb->phys, &tb->state);
    while (*link != tb)
        link = &(*link)->hash_next;
    *link = tb->hash_next;
}

void cache_remove(Cache *cache, TranslationBlock *tb)
{
    hash_remove(cache, tb);
    unlink_page(cache, tb, tb->phys >> GUEST_PAGE_BITS);
    if (tb->second_page != RAM_OFF_NONE)
        unlink_page(cache, tb, tb->second_page >> GUEST_PAGE_BITS);
    chain_unlink(cache, tb);
    JumpCache *jc = &cache->vcpu->jump_cache;
    uint32_t i = tb->state.pc & (JUMP_CACHE_ENTRIES - 1);
    if (jc->code[i] == (uint64_t)(uintptr_t)tb->code)
        jc->tag[i] = 0;
    tb->valid = false;
}

bool cache_overlaps(const TranslationBlock *tb, ram_off_t offset, uint64_t size)
{
    if (tb->phys < offset + size && offset < tb->phys + tb->first_size)
        return true;
    return tb->second_page != RAM_OFF_NONE && tb->second_page < offset + size &&
           offset < tb->second_page + (tb->size - tb->first_size);
}

unsigned cache_invalidate(Cache *cache, ram_off_t offset, uint64_t size)
{
    unsigned removed = 0;
    uint64_t last = (offset + size - 1) >> GUEST_PAGE_BITS;
    for (uint64_t page = offset >> GUEST_PAGE_BITS; page <= last && page < cache->page_count; page++) {
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
