/* SPDX-License-Identifier: MIT
 * Where code and its descriptions are put, and which goes when the cache is
 * full: units in a ring, second chance. */
#include "tcache/tb.h"

#include <string.h>
#include <sys/mman.h>

#include "base/prefault.h"
#include "base/trace.h"

enum { META_CHUNK = 256 * 1024, MIN_UNIT = 64 * 1024 };

static void free_chunk(gpointer chunk)
{
    munmap(chunk, META_CHUNK);
}

/* Chunks go from unit to unit. */
static uint8_t *new_chunk(Cache *cache)
{
    if (cache->spare_chunks->len > 0)
        return g_ptr_array_steal_index_fast(cache->spare_chunks, cache->spare_chunks->len - 1);
    uint8_t *chunk = mmap(NULL, META_CHUNK, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (chunk == MAP_FAILED)
        g_error("out of memory: no %d KiB for the code cache's tables", META_CHUNK >> 10);
    return chunk;
}

bool cache_init(Cache *cache, VCpu *vcpu, AddressSpace *as, uint64_t bytes, bool nameless,
                GError **error)
{
    uint32_t unit = (uint32_t)(bytes / TB_UNITS) & ~4095u;
    unit = MAX(unit, MIN_UNIT);
    cache->vcpu = vcpu;
    cache->as = as;
    const size_t code_bytes = (size_t)unit * TB_UNITS;
    if (!code_buf_init(&cache->buf, code_bytes + CODEGEN_JUMP_STUB, nameless, vcpu, error))
        return false;
    codegen_emit_jump_stub(cache->buf.rw);
    vcpu->jump_stub = cache->buf.rx;
    for (unsigned i = 0; i < TB_UNITS; i++) {
        Unit *u = &cache->unit[i];
        u->start = CODEGEN_JUMP_STUB + i * unit;
        u->size = unit;
        u->blocks = g_ptr_array_new();
        u->chunks = g_ptr_array_new_with_free_func(free_chunk);
    }
    cache->spare_chunks = g_ptr_array_new_with_free_func(free_chunk);
    cache->page_count = ram_capacity(address_space_ram(as)) >> GUEST_PAGE_BITS;
    cache->pages = g_new0(TranslationBlock *, cache->page_count);
    cache->volatile_links = g_ptr_array_new();
    cache->condemned = g_ptr_array_new();
    cache->lines = g_new0(uint8_t, ram_capacity(address_space_ram(as)) >> CODE_LINE_BITS);
    vcpu->code_lines = (uint64_t)(uintptr_t)cache->lines -
                       ((uint64_t)(uintptr_t)ram_hva(address_space_ram(as), 0) >> CODE_LINE_BITS);
    vcpu->beside_left = CACHE_BESIDE_SEEN;
    cache->smc_at = g_new0(uint16_t, cache->page_count);
    cache->smc_hot = g_new0(uint8_t, cache->page_count);
    cache->smc_miss = g_new0(uint8_t, cache->page_count);
    cache->tags =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    return true;
}

static void free_ir(IrBlock *ir)
{
    if (ir)
        ir_block_destroy(ir);
    g_free(ir);
}

static void free_interp_blocks(Unit *unit)
{
    for (guint i = 0; i < unit->blocks->len; i++) {
        TranslationBlock *tb = g_ptr_array_index(unit->blocks, i);
        free_ir(tb->ir);
        free_ir(tb->shadow_ir);
        g_free(tb->insn_offsets);
    }
}

static void unit_clear(Cache *cache, Unit *unit)
{
    chain_unlink_volatile(cache); /* the list must not outlive its slots */
    for (guint i = 0; i < unit->blocks->len; i++)
        cache_condemn(cache, g_ptr_array_index(unit->blocks, i));
    cache->counters.evicted_blocks += cache_remove_condemned(cache);
    free_interp_blocks(unit);
    g_ptr_array_set_size(unit->blocks, 0);
    while (unit->chunks->len > 0)
        g_ptr_array_add(cache->spare_chunks,
                        g_ptr_array_steal_index_fast(unit->chunks, unit->chunks->len - 1));
    unit->used = 0;
    unit->chunk_left = unit->meta_used = 0;
    unit->marked = false;
}

void cache_destroy(Cache *cache)
{
    for (unsigned i = 0; i < TB_UNITS; i++) {
        if (!cache->unit[i].blocks)
            continue;
        free_interp_blocks(&cache->unit[i]);
        g_ptr_array_free(cache->unit[i].blocks, TRUE);
        g_ptr_array_free(cache->unit[i].chunks, TRUE);
    }
    if (cache->spare_chunks)
        g_ptr_array_free(cache->spare_chunks, TRUE);
    g_free(cache->pages);
    g_free(cache->lines);
    if (cache->volatile_links)
        g_ptr_array_free(cache->volatile_links, TRUE);
    if (cache->condemned)
        g_ptr_array_free(cache->condemned, TRUE);
    g_free(cache->smc_at);
    g_free(cache->smc_hot);
    g_free(cache->smc_miss);
    jump_tables_destroy(&cache->jumps);
    if (cache->tags)
        g_hash_table_unref(cache->tags);
    code_buf_destroy(&cache->buf);
}

bool cache_has_room(Cache *cache, uint32_t size)
{
    Unit *unit = &cache->unit[cache->current];
    if (unit->size - unit->used < size)
        return false;
    if (unit->used + size > unit->backed) {
        const uint32_t step = MIN((uint32_t)PREFAULT_STEP, unit->size - unit->backed);
        uint8_t *rx = cache->buf.rx + unit->start + unit->backed;
        prefault_write(code_buf_to_rw(&cache->buf, rx), step);
        prefault_read(rx, step);
        unit->backed += step;
    }
    return true;
}

void *cache_alloc_meta(Cache *cache, size_t bytes)
{
    Unit *unit = &cache->unit[cache->current];
    bytes = (bytes + 15) & ~(size_t)15;
    if (unit->chunk_left < bytes) {
        g_assert(bytes <= META_CHUNK);
        unit->chunk_at = new_chunk(cache);
        unit->chunk_left = META_CHUNK;
        g_ptr_array_add(unit->chunks, unit->chunk_at);
    }
    void *p = unit->chunk_at;
    unit->chunk_at += bytes;
    unit->chunk_left -= bytes;
    unit->meta_used += bytes;
    return p;
}

void cache_trim_meta(Cache *cache, void *end)
{
    Unit *unit = &cache->unit[cache->current];
    uint8_t *to = (uint8_t *)(((uintptr_t)end + 15) & ~(uintptr_t)15);
    size_t spare = (size_t)(unit->chunk_at - to);
    unit->chunk_at = to;
    unit->chunk_left += spare;
    unit->meta_used -= spare;
}

/* Nothing but the cache itself may still know a block that is taken back. */
static bool may_take_back(const TranslationBlock *tb, const TranslationBlock *running)
{
    return tb != running && !tb->valid && !tb->has_volatile && !tb->ir && !tb->shadow_ir &&
           !tb->insn_offsets;
}

void cache_take_back(Cache *cache, const TranslationBlock *running)
{
    Unit *unit = &cache->unit[cache->current];
    while (unit->blocks->len > 0) {
        TranslationBlock *tb = g_ptr_array_index(unit->blocks, unit->blocks->len - 1);
        if (!may_take_back(tb, running))
            return;
        g_ptr_array_set_size(unit->blocks, (int)unit->blocks->len - 1);
        unit->used = (uint32_t)(tb->code - cache->buf.rx) - unit->start;
        uint8_t *at = (uint8_t *)tb,
                *chunk = g_ptr_array_index(unit->chunks, unit->chunks->len - 1);
        if (at >= chunk && at < unit->chunk_at) {
            const size_t size = (size_t)(unit->chunk_at - at);
            unit->chunk_at = at;
            unit->chunk_left += size;
            unit->meta_used -= size;
        }
        cache->counters.taken_back++;
    }
}

void cache_next_unit(Cache *cache)
{
    unsigned i = cache->current;
    for (unsigned tries = 0; tries < 2 * TB_UNITS; tries++) {
        i = (i + 1) % TB_UNITS;
        if (i == cache->current)
            continue;
        if (!cache->unit[i].marked)
            break;
        cache->unit[i].marked = false;
    }
    if (cache->unit[i].blocks->len > 0) {
        /* Chained blocks record no use: cut every shortcut, so that what is hot marks its unit. */
        jump_tables_flush(&cache->jumps, false);
        unit_clear(cache, &cache->unit[i]);
        trace(cache_evict, i);
        cache->counters.evictions++;
    }
    cache->current = i;
}

void cache_flush(Cache *cache)
{
    jump_tables_flush(&cache->jumps, false);
    for (unsigned i = 0; i < TB_UNITS; i++)
        unit_clear(cache, &cache->unit[i]);
}
