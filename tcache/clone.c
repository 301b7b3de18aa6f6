/* SPDX-License-Identifier: MIT
 * Blocks made out of the same code at another EIP. Address-space randomisation maps each process's
 * libraries elsewhere: a block that no process uses any more is moved, by changing the fields that
 * hold a pc, with the others of its page, and if all are in use one is copied. Either costs a small
 * part of a translation; moving takes no memory, and keeps the page's chains. */
#include "tcache/engine-priv.h"

#include <string.h>

#include "base/log.h"

/* Away from both ends of the code space, where EIP would wrap. */
enum { LOWEST_PC = 0x10000, CANDIDATES = 4 };
#define HIGHEST_PC UINT64_C(0xfffe0000)

bool clone_is_possible(const Engine *engine, const BlockState *state)
{
    const EngineOptions *options = &engine->options;
    return !(state->memory & MEMORY_GLOBAL) && state->cs_base == 0 &&
           state->cs_limit == UINT32_MAX && state->pc >= LOWEST_PC && state->pc < HIGHEST_PC &&
           !options->interp && !options->count && !engine->check && !engine->icount;
}

static void keep_fields(Cache *cache, TranslationBlock *tb, const void *fields, unsigned count)
{
    const size_t size = count * sizeof(CodegenPcField);
    CodegenPcField *copy = cache_alloc_meta(cache, MAX(size, 1));
    if (count) /* else `fields` may be NULL */
        memcpy(copy, fields, size);
    tb->pc_fields = copy;
    tb->pc_field_count = count;
}

void clone_allow(Engine *engine, TranslationBlock *tb)
{
    keep_fields(&engine->cache, tb, engine->pc_fields->data, engine->pc_fields->len);
    tb->space = engine->vcpu->mmu.paging.cr3;
}

/* ---- is a block still wanted where it is? ---- */

/* Page tables of a process that is gone may be anything: no device is to notice the look. */
static uint64_t read_memory(void *opaque, gpa_t gpa, unsigned size)
{
    uint64_t value = 0;
    return address_space_dma_read(opaque, gpa, &value, size) ? value : 0;
}

/* A guess is enough: a block that was moved too early is made again. Page tables of a process that
 * is gone are empty, or another's. */
static bool is_gone(Engine *engine, uint64_t space, gva_t page, ram_off_t ram_page)
{
    Mmu *mmu = &engine->vcpu->mmu;
    PagingRegs regs = mmu->paging;
    const WalkMemory memory = {read_memory, NULL, engine->cache.as};
    regs.cr3 = space;
    if (space != mmu->paging.cr3 && (regs.cr4 & WALK_CR4_PAE) &&
        !walk_x86_load_pdptes(&regs, &memory))
        return true;
    const WalkResult walk =
        walk_x86_page(&regs, &memory, page, (WalkAccess){WALK_EXEC, true, false});
    return walk.fault || address_space_find(engine->cache.as, walk.gpa).ram_offset != ram_page;
}

static bool block_is_gone(Engine *engine, const TranslationBlock *tb)
{
    MovedCheck *last = &engine->moved_check;
    const gva_t page = tb->state.pc & GUEST_PAGE_MASK;
    const ram_off_t ram_page = tb->phys & GUEST_PAGE_MASK;
    if (last->generation != engine->generation || last->space != tb->space || last->page != page ||
        last->ram_page != ram_page)
        *last = (MovedCheck){engine->generation, tb->space, page, ram_page,
                             is_gone(engine, tb->space, page, ram_page)};
    return last->gone;
}

/* The block to move; NULL: none, but *copy_of may be copied. */
static TranslationBlock *find_source(Engine *engine, const BlockState *state, ram_off_t phys,
                                     TranslationBlock **copy_of)
{
    TranslationBlock *tb = *cache_hash_head(&engine->cache, phys, state);
    *copy_of = NULL;
    for (unsigned seen = 0; tb && seen < CANDIDATES; tb = tb->hash_next) {
        if (tb->phys != phys || tb->state.mode != state->mode ||
            tb->state.memory != state->memory || !tb->pc_fields)
            continue;
        if (block_is_gone(engine, tb))
            return tb;
        *copy_of = *copy_of ? *copy_of : tb;
        seen++;
    }
    return NULL;
}

/* ---- making one of it ---- */

static void move_code(Engine *engine, TranslationBlock *tb, uint64_t delta)
{
    codegen_move(code_buf_to_rw(&engine->cache.buf, tb->code), tb->pc_fields, tb->pc_field_count,
                 (int64_t)delta);
    for (unsigned i = 0; i < tb->exit_count; i++)
        tb->exits[i].target_pc = (uint32_t)(tb->exits[i].target_pc + delta);
    tb->state.pc = (uint32_t)(tb->state.pc + delta);
    tb->space = engine->vcpu->mmu.paging.cr3;
}

/* Neither in the block nor at its first byte, where it would be entered without a look. */
static bool fits_breakpoints(const Engine *engine, uint64_t pc, unsigned size)
{
    return engine_room_to_breakpoint(engine, pc - 1, size + 1) > size;
}

/* Is tb code of the same mapping as `first`? */
static bool lies_with(const TranslationBlock *tb, const TranslationBlock *first)
{
    return tb->pc_fields && tb->space == first->space &&
           (tb->state.pc & GUEST_PAGE_MASK) == (first->state.pc & GUEST_PAGE_MASK) &&
           tb->phys >> GUEST_PAGE_BITS == first->phys >> GUEST_PAGE_BITS &&
           tb->state.mode == first->state.mode && tb->state.memory == first->state.memory;
}

/* Moved blocks are likely to be wanted soon. Those that run on into another page must see it first. */
static void enter_moved(Engine *engine, TranslationBlock *const *moved, unsigned count)
{
    if (engine->options.no_chain)
        return;
    shortcuts_note_other(engine, moved[0]->state.pc & GUEST_PAGE_MASK);
    for (unsigned i = 0; i < count; i++)
        if (!moved[i]->solo && moved[i]->second_page == RAM_OFF_NONE)
            jump_tables_add(&engine->cache.jumps, moved[i]);
}

/* Move the blocks of first's page together: the chains between them stay. Lists are by physical page: they
 * stay in theirs. */
static void move_page(Engine *engine, const TranslationBlock *first, uint64_t delta)
{
    Cache *cache = &engine->cache;
    GPtrArray *moving = engine->moving;
    const uint64_t page = first->phys >> GUEST_PAGE_BITS;
    for (TranslationBlock *tb = cache->pages[page]; tb; tb = cache_next_in_page(tb, page)) {
        if (!lies_with(tb, first) || !fits_breakpoints(engine, tb->state.pc + delta, tb->size))
            continue;
        tb->moving = true;
        g_ptr_array_add(moving, tb);
    }
    for (guint i = 0; i < moving->len; i++)
        cache_cut_off(cache, g_ptr_array_index(moving, i));
    for (guint i = 0; i < moving->len; i++) {
        TranslationBlock *tb = g_ptr_array_index(moving, i);
        move_code(engine, tb, delta);
        tb->moving = false;
    }
    cache->counters.moved += moving->len;
    enter_moved(engine, (TranslationBlock *const *)moving->pdata, moving->len);
    g_ptr_array_set_size(moving, 0);
}

static void copy_exits(Cache *cache, TranslationBlock *tb, const TranslationBlock *source)
{
    for (unsigned i = 0; i < source->exit_count; i++) {
        tb->exits[i] = source->exits[i];
        tb->exits[i].owner = tb;
        tb->exits[i].target = NULL;
        tb->exits[i].listed = false;
        chain_reset(cache, &tb->exits[i]);
    }
}

static TranslationBlock *copy_block(Engine *engine, const TranslationBlock *source,
                                    const BlockState *state)
{
    Cache *cache = &engine->cache;
    Unit *unit = &cache->unit[cache->current];
    TranslationBlock *tb =
        cache_alloc_meta(cache, sizeof *tb + source->exit_count * sizeof(ExitSlot));
    *tb = *source;
    tb->code = cache->buf.rx + unit->start + unit->used;
    unit->used += (source->code_size + 15) & ~15u;
    tb->unit = (uint16_t)cache->current;
    tb->incoming = NULL;
    tb->has_volatile = false;
    const size_t map = source->pcmap_count * sizeof *tb->pcmap;
    tb->pcmap = memcpy(cache_alloc_meta(cache, map), source->pcmap, map);
    keep_fields(cache, tb, source->pc_fields, source->pc_field_count);
    memcpy(code_buf_to_rw(&cache->buf, tb->code), code_buf_to_rw(&cache->buf, source->code),
           source->code_size);
    copy_exits(cache, tb, source);
    move_code(engine, tb, state->pc - source->state.pc);
    cache_insert(cache, tb);
    cache->counters.blocks++;
    cache->counters.cloned++;
    return tb;
}

TranslationBlock *clone_block(Engine *engine, const BlockState *state, ram_off_t phys)
{
    TranslationBlock *copy_of;
    if (!clone_is_possible(engine, state) ||
        log_enabled(LOG_IN_ASM | LOG_OP | LOG_OP_OPT | LOG_OUT_ASM | LOG_NOCHAIN))
        return NULL;
    TranslationBlock *tb = find_source(engine, state, phys, &copy_of);
    if (tb && fits_breakpoints(engine, state->pc, tb->size)) {
        move_page(engine, tb, state->pc - tb->state.pc);
        return tb;
    }
    if (copy_of && fits_breakpoints(engine, state->pc, copy_of->size) &&
        cache_has_room(&engine->cache, copy_of->code_size + 16))
        return copy_block(engine, copy_of, state);
    return NULL;
}
