/* SPDX-License-Identifier: MIT
 * Taking blocks out: exactly those that a write overlaps. */
#include "tcache/tb.h"

#include <string.h>

#include "base/trace.h"

/* A page whose blocks are overwritten this often keeps its mark when the last of them goes: marking
 * it again costs more than the slow path of a few stores. It loses it after a row of stores that
 * hit nothing; translated code shows one in CACHE_BESIDE_SEEN of those. */
enum { SMC_HOT = 16, SMC_MISSES = 16, PAGE_LINES = GUEST_PAGE_SIZE / CODE_LINE };

/* So many blocks that go together are worth sweeping whole lists for. */
enum { MANY = 16 };

/* So many stores of at most so many bytes to one place make it a hole of the blocks there. */
enum { PATCHED_OFTEN = 3, PATCHED_SIZE = 4 };

static void unmark_page(Cache *cache, uint64_t page)
{
    address_space_code_pages(cache->as)[page] = 0;
    memset(&cache->lines[page * PAGE_LINES], 0, PAGE_LINES);
}

static unsigned page_index(const TranslationBlock *tb, uint64_t page)
{
    return tb->phys >> GUEST_PAGE_BITS == page ? 0 : 1;
}

TranslationBlock *cache_next_in_page(const TranslationBlock *tb, uint64_t page)
{
    return tb->page_next[page_index(tb, page)];
}

/* Blocks that are not valid leave a list together: one by one, many in one list (a guest can map a page at
 * a million addresses) would cost the square of it. A block that has left leads to itself. */

static void sweep_page(Cache *cache, const TranslationBlock *tb, uint64_t page)
{
    if (cache_next_in_page(tb, page) == tb)
        return;
    TranslationBlock **link = &cache->pages[page], *other;
    while ((other = *link)) {
        TranslationBlock **next = &other->page_next[page_index(other, page)];
        if (other->valid) {
            link = next;
            continue;
        }
        *link = *next;
        *next = other;
    }
    if (!cache->pages[page] && cache->smc_hot[page] < SMC_HOT)
        unmark_page(cache, page);
}

static void sweep_hash(Cache *cache, const TranslationBlock *tb)
{
    if (tb->hash_next == tb)
        return;
    TranslationBlock **link = cache_hash_head(cache, tb->phys, &tb->state), *other;
    while ((other = *link)) {
        if (other->valid) {
            link = &other->hash_next;
            continue;
        }
        *link = other->hash_next;
        other->hash_next = other;
    }
}

void cache_cut_off(Cache *cache, TranslationBlock *tb)
{
    chain_unlink(cache, tb);
    jump_tables_remove(&cache->jumps, tb);
    codegen_forget_returns_to(cache->vcpu, tb->code, tb->code_size);
}

void cache_condemn(Cache *cache, TranslationBlock *tb)
{
    if (tb->valid)
        g_ptr_array_add(cache->condemned, tb);
    tb->valid = false;
}

unsigned cache_remove_condemned(Cache *cache)
{
    GPtrArray *blocks = cache->condemned;
    const unsigned count = blocks->len;
    for (guint i = 0; count >= MANY && i < count; i++) /* few are quick to find: newest first in the lists */
        chain_drop_outgoing(cache, g_ptr_array_index(blocks, i));
    for (guint i = 0; i < count; i++)
        cache_cut_off(cache, g_ptr_array_index(blocks, i));
    for (guint i = 0; i < count; i++) {
        const TranslationBlock *tb = g_ptr_array_index(blocks, i);
        sweep_hash(cache, tb);
        sweep_page(cache, tb, tb->phys >> GUEST_PAGE_BITS);
        if (tb_in_second_list(tb))
            sweep_page(cache, tb, tb->second_page >> GUEST_PAGE_BITS);
    }
    g_ptr_array_set_size(blocks, 0);
    return count;
}

/* ---- places that are patched again and again ---- */

static unsigned patched_slot(ram_off_t at)
{
    return (unsigned)(at * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PATCHED_BITS));
}

static void note_patched(Cache *cache, ram_off_t at, uint64_t size)
{
    PatchedPlace *place = &cache->patched[patched_slot(at)];
    if (size > PATCHED_SIZE)
        return;
    if (place->at != at)
        *place = (PatchedPlace){.at = at};
    place->size = MAX(place->size, (uint8_t)size);
    if (place->hits < PATCHED_OFTEN)
        place->hits++;
}

bool cache_is_patched(const void *opaque, ram_off_t offset, unsigned size)
{
    const Cache *cache = opaque;
    for (unsigned i = 0; i < size; i++) {
        const PatchedPlace *place = &cache->patched[patched_slot(offset + i)];
        if (place->at == offset + i && place->hits >= PATCHED_OFTEN && i + place->size <= size)
            return true;
    }
    return false;
}

bool cache_has_patched(const Cache *cache, ram_off_t offset)
{
    return cache->smc_hot[offset >> GUEST_PAGE_BITS] >= PATCHED_OFTEN;
}

/* Does the write change nothing of the block but bytes that it reads when it runs? */
static bool in_hole(const TranslationBlock *tb, ram_off_t offset, uint64_t size)
{
    const ram_off_t from = MAX(offset, tb->phys) - tb->phys;
    const ram_off_t to = MIN(offset + size, tb->phys + tb->first_size) - tb->phys;
    for (unsigned i = 0; i < tb->hole_count; i++)
        if (tb->holes[i].offset <= from && to <= tb->holes[i].offset + tb->holes[i].size)
            return true;
    return false;
}

bool cache_overlaps(const TranslationBlock *tb, ram_off_t offset, uint64_t size)
{
    if (tb->phys < offset + size && offset < tb->phys + tb->first_size)
        return !in_hole(tb, offset, size);
    return tb->second_page != RAM_OFF_NONE && tb->second_page < offset + size &&
           offset < tb->second_page + (tb->size - tb->first_size);
}

static void cover(Cache *cache, ram_off_t first, unsigned size)
{
    for (ram_off_t i = first >> CODE_LINE_BITS; i <= (first + size - 1) >> CODE_LINE_BITS; i++)
        cache->lines[i] = 1;
}

void cache_cover_lines(Cache *cache, const TranslationBlock *tb)
{
    cover(cache, tb->phys, tb->first_size);
    if (tb->second_page != RAM_OFF_NONE)
        cover(cache, tb->second_page, tb->size - tb->first_size);
}

static void recompute_lines(Cache *cache, uint64_t page)
{
    memset(&cache->lines[page * PAGE_LINES], 0, PAGE_LINES);
    for (TranslationBlock *tb = cache->pages[page]; tb; tb = cache_next_in_page(tb, page))
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
    cache->counters.smc_stores += CACHE_BESIDE_SEEN - cache->vcpu->beside_left + 1;
    cache->vcpu->beside_left = CACHE_BESIDE_SEEN;
    const ram_off_t first = offset >> CODE_LINE_BITS, last = (offset + size - 1) >> CODE_LINE_BITS;
    for (ram_off_t i = first; i <= last; i++)
        if (cache->lines[i])
            return false;
    note_miss(cache, offset >> GUEST_PAGE_BITS);
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
    note_patched(cache, offset, size);
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
    uint64_t last = (offset + size - 1) >> GUEST_PAGE_BITS;
    for (uint64_t page = offset >> GUEST_PAGE_BITS; page <= last && page < cache->page_count;
         page++) {
        for (TranslationBlock *tb = cache->pages[page]; tb; tb = cache_next_in_page(tb, page))
            if (cache_overlaps(tb, offset, size))
                cache_condemn(cache, tb);
    }
    const unsigned removed = cache_remove_condemned(cache);
    if (removed)
        trace(block_invalidate, offset, size, removed);
    return removed;
}
