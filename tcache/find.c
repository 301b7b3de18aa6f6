/* SPDX-License-Identifier: MIT
 * From the vCPU's state to a block: look it up or translate it. */
#include "tcache/engine-priv.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "tcache/icount.h"
#include "translator/pipeline.h"

enum { BLOCK_MAX_INSNS = 64, BLOCK_MAX_BYTES = 1024, BLOCK_MIN_ROOM = 4096, TIMED_BLOCKS = 16 };

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static gva_t linear_pc(const BlockState *state)
{
    return (uint32_t)(state->cs_base + state->pc); /* 64-bit code has no such wrap */
}

static gva_t next_page(const BlockState *state)
{
    return (uint32_t)((linear_pc(state) & GUEST_PAGE_MASK) + GUEST_PAGE_SIZE);
}

static bool fetch_page(Engine *engine, gva_t gva, FetchPage *page)
{
    VCpu *vcpu = engine->vcpu;
    int mode = engine->guest->fetch_mode(vcpu);
    gva_t base = gva & GUEST_PAGE_MASK;
    FetchEntry *entry = &engine->fetch[(base >> GUEST_PAGE_BITS) % FETCH_CACHE_SIZE];
    if (entry->page != base || entry->mode != mode || entry->generation != engine->generation) {
        if (!mmu_fetch_page(&vcpu->mmu, gva, mode, &entry->target, &vcpu->fault)) {
            entry->generation = 0;
            return false;
        }
        entry->page = base;
        entry->mode = mode;
        entry->generation = engine->generation;
    }
    *page = entry->target;
    return true;
}

/* Bytes to decode: the page itself, or a copy read through the bus where code lies in a device. */
static const uint8_t *page_bytes(Engine *engine, const FetchPage *page, unsigned from,
                                 uint8_t *copy)
{
    if (page->host)
        return page->host + from;
    for (unsigned i = 0; i < 16 && from + i < GUEST_PAGE_SIZE; i++)
        copy[i] = (uint8_t)address_space_read(engine->cache.as, page->gpa + from + i, 1);
    return copy;
}

static void mark_code_page(Engine *engine, const FetchPage *page)
{
    uint8_t *mark =
        &address_space_code_pages(engine->cache.as)[page->ram_offset >> GUEST_PAGE_BITS];
    if (*mark)
        return;
    __atomic_store_n(mark, 1, __ATOMIC_SEQ_CST);
    mmu_protect_ram_page(&engine->vcpu->mmu, page->ram_offset);
    if (engine->windows)
        window_protect_ram_page(engine->windows, page->ram_offset);
}

/* The walk to the second page may have written to the first, and so have removed its last block and
 * its mark. */
static void mark_both(Engine *engine, const FetchPage *first, const FetchPage *second)
{
    mark_code_page(engine, first);
    mark_code_page(engine, second);
}

/* --check and -icount: end the block where block_split says. */
static void resplit(Engine *engine, const BlockState *state, TranslateLimits *limits,
                    const uint8_t *code, unsigned room)
{
    bool need_second;
    limits->max_insns = block_split(&engine->ir, engine->icount != NULL, &engine->outside);
    if (limits->max_insns == engine->ir.guest_insns)
        return;
    ir_block_reset(&engine->ir, state->pc);
    engine->guest->translate(engine->vcpu, state, limits, code, room, NULL, 0, &engine->ir,
                             &need_second);
}

/* Lift the block at state into engine->ir. second: filled if the first instruction needs it. */
static bool lift_block(Engine *engine, const BlockState *state, unsigned max_insns,
                       const FetchPage *first, FetchPage *second, bool *crosses)
{
    uint8_t copy[2][16];
    unsigned offset = linear_pc(state) & ~GUEST_PAGE_MASK;
    unsigned room = GUEST_PAGE_SIZE - offset;
    const uint8_t *code = page_bytes(engine, first, offset, copy[0]);
    if (!first->host)
        room = MIN(room, 16);
    unsigned max_bytes = engine_room_to_breakpoint(engine, linear_pc(state), BLOCK_MAX_BYTES);
    if (first->ram_offset != RAM_OFF_NONE)
        max_bytes = cache_room_to_patched(&engine->cache, first->ram_offset + offset, max_bytes);
    TranslateLimits limits = {.max_insns = max_insns, .max_bytes = max_bytes};
    if (first->ram_offset != RAM_OFF_NONE && !engine->options.no_opt &&
        cache_has_patched(&engine->cache, first->ram_offset)) {
        limits.patched = cache_is_patched;
        limits.opaque = &engine->cache;
        limits.ram = first->ram_offset + offset;
    }
    bool need_second = false;
    *crosses = false;
    ir_block_reset(&engine->ir, state->pc);
    if (engine->guest->translate(engine->vcpu, state, &limits, code, room, NULL, 0, &engine->ir,
                                 &need_second)) {
        if (engine->check || engine->icount)
            resplit(engine, state, &limits, code, room);
        return true;
    }
    g_assert(need_second);
    if (!fetch_page(engine, linear_pc(state) + (GUEST_PAGE_SIZE - offset), second))
        return false;
    if (second->ram_offset != RAM_OFF_NONE && first->ram_offset != RAM_OFF_NONE)
        mark_both(engine, first, second);
    *crosses = true;
    ir_block_reset(&engine->ir, state->pc);
    limits.max_insns = 1;
    bool done = engine->guest->translate(engine->vcpu, state, &limits, code, room,
                                         page_bytes(engine, second, 0, copy[1]), 16, &engine->ir,
                                         &need_second);
    g_assert(done);
    block_split(&engine->ir, false, &engine->outside);
    return true;
}

static void fill_from_output(TranslationBlock *tb, const CodegenOutput *out)
{
    tb->exit_count = (uint16_t)out->exit_count;
    for (unsigned i = 0; i < out->exit_count; i++) {
        tb->exits[i] = (ExitSlot){.owner = tb,
                                  .target_pc = out->exits[i].target_pc,
                                  .jump_offset = out->exits[i].jump_offset,
                                  .stub_offset = out->exits[i].stub_offset,
                                  .fp_ready = out->exits[i].fp_ready,
                                  .forward = out->exits[i].forward};
    }
}

/* Code of engine->ir at out->code; false: no room. */
static bool generate_code(Engine *engine, TranslationBlock *tb, bool crosses, CodegenOutput *out)
{
    uint32_t offset = linear_pc(&tb->state) & ~GUEST_PAGE_MASK;
    uint64_t pc = tb->state.pc;
    CodegenOptions options = {
        .memory = tb->state.memory & MEMORY_WINDOW ? MEM_WINDOW : MEM_TLB,
        .chain = !engine->options.no_chain && !tb->solo && !log_enabled(LOG_NOCHAIN),
        .page_pc = pc >= offset ? pc - offset : 0,
        .page_end = crosses ? 0 : pc - offset + GUEST_PAGE_SIZE,
        .poll = true,
        .ram = ram_hva(address_space_ram(engine->cache.as), 0),
        .jump_stub = (int32_t)(engine->vcpu->jump_stub - (const uint8_t *)engine->vcpu),
        .stack_runs = !engine->options.no_opt,
        .budget = engine->icount ? engine->ir.guest_insns : 0,
        .executions = engine->options.count ? &tb->executions : demote_trial_counter(engine, tb),
    };
    if (tb->state.memory & MEMORY_GLOBAL) {
        options.page_pc = 0;
        options.page_end = UINT64_MAX;
    }
    g_array_set_size(out->pcmap, 0);
    return codegen_block(&engine->ir, &options, out);
}

static bool generate(Engine *engine, TranslationBlock *tb, bool crosses)
{
    Cache *cache = &engine->cache;
    Unit *unit = &cache->unit[cache->current];
    const bool may_move = !crosses && engine->ir.movable && clone_is_possible(engine, &tb->state) &&
                          !demote_trial_counter(engine, tb);
    uint8_t *rx = cache->buf.rx + unit->start + unit->used;
    CodegenOutput out; /* has room for many exits: not worth clearing */
    out.code = code_buf_to_rw(&cache->buf, rx);
    out.exec = rx;
    out.capacity = unit->size - unit->used;
    out.pcmap = engine->pcmap;
    out.pc_fields = may_move ? engine->pc_fields : NULL;
    if (!generate_code(engine, tb, crosses, &out))
        return false;
    tb->code = rx;
    tb->code_size = (uint32_t)out.size;
    tb->fp_entry = out.fp_entry;
    unit->used += (uint32_t)((out.size + 15) & ~(size_t)15);
    fill_from_output(tb, &out);
    cache_trim_meta(cache, &tb->exits[tb->exit_count]);
    CodegenPcEntry *map = cache_alloc_meta(cache, engine->pcmap->len * sizeof(CodegenPcEntry));
    memcpy(map, engine->pcmap->data, engine->pcmap->len * sizeof(CodegenPcEntry));
    tb->pcmap = map;
    tb->pcmap_count = engine->pcmap->len;
    if (may_move && out.movable)
        clone_allow(engine, tb);
    return true;
}

/* --interp: the block is its IR; 16 bytes of code space keep it findable by address order. */
static IrBlock *copy_ir(const IrBlock *ir)
{
    IrBlock *copy = g_memdup2(ir, sizeof *ir);
    copy->insns = g_memdup2(ir->insns, ir->count * sizeof(IrInsn));
    copy->capacity = ir->count;
    return copy;
}

static void keep_ir(Engine *engine, TranslationBlock *tb)
{
    Unit *unit = &engine->cache.unit[engine->cache.current];
    tb->code = engine->cache.buf.rx + unit->start + unit->used;
    tb->code_size = 0;
    unit->used += 256;
    tb->ir = copy_ir(&engine->ir);
}

/* NULL: the unit is full. */
static TranslationBlock *new_block(Engine *engine, const BlockState *state, uint32_t tag,
                                   const FetchPage *first, const FetchPage *second, bool crosses)
{
    Cache *cache = &engine->cache;
    if (!cache_has_room(cache, BLOCK_MIN_ROOM))
        return NULL;
    TranslationBlock *tb =
        cache_alloc_meta(cache, sizeof *tb + CODEGEN_MAX_EXITS * sizeof(ExitSlot));
    unsigned room = GUEST_PAGE_SIZE - (linear_pc(state) & ~GUEST_PAGE_MASK);
    *tb = (TranslationBlock){
        .state = *state,
        .jump_tag = tag,
        .phys = first->ram_offset + (GUEST_PAGE_SIZE - room),
        .second_page = crosses ? second->ram_offset : RAM_OFF_NONE,
        .size = engine->ir.guest_bytes,
        .first_size = MIN(room, engine->ir.guest_bytes),
        .insns = (uint16_t)engine->ir.guest_insns,
        .solo = engine->ir.solo,
        .outside = engine->outside,
        .unit = (uint16_t)cache->current,
    };
    tb->hole_count = engine->ir.hole_count;
    memcpy(tb->holes, engine->ir.holes, sizeof tb->holes);
    if (engine->options.interp)
        keep_ir(engine, tb);
    else if (!generate(engine, tb, crosses))
        return NULL;
    tb->shadow_ir = g_steal_pointer(&engine->lifted);
    if (engine->icount)
        tb->insn_offsets = icount_offsets(&engine->ir);
    cache_insert(cache, tb);
    return tb;
}

static void count_block(Engine *engine, const TranslationBlock *tb)
{
    EngineCounters *counters = &engine->cache.counters;
    counters->blocks++;
    counters->guest_insns += engine->ir.guest_insns;
    counters->guest_bytes += tb->size;
    counters->host_bytes += tb->code_size;
    counters->cross_page += tb->second_page != RAM_OFF_NONE;
}

/* For --check; also where the block is made again because its unit was full. */
static void keep_lifted(Engine *engine)
{
    if (engine->lifted) {
        ir_block_destroy(engine->lifted);
        g_free(engine->lifted);
    }
    engine->lifted = copy_ir(&engine->ir);
}

static TranslationBlock *translate(Engine *engine, const BlockState *state, const FetchPage *first,
                                   bool *alone)
{
    FetchPage second = {0};
    bool crosses;
    uint32_t tag = cache_jump_tag(&engine->cache, state); /* may flush, so before the marks */
    mark_code_page(engine, first);
    const unsigned offset = linear_pc(state) & ~GUEST_PAGE_MASK;
    TranslationBlock *tb = clone_block(engine, state, first->ram_offset + offset);
    if (tb) {
        if (engine->perf_map)
            perf_map_add(engine, tb);
        return tb;
    }
    unsigned max_insns = engine->options.one_insn ? 1 : BLOCK_MAX_INSNS;
    if (!lift_block(engine, state, max_insns, first, &second, &crosses))
        return NULL;
    const bool global = state->memory & MEMORY_GLOBAL;
    if (crosses && (second.ram_offset == RAM_OFF_NONE || (global && !second.global))) {
        *alone = true;
        return NULL;
    }
    if (crosses && global)
        shortcuts_note_page(engine, next_page(state), second.ram_offset);
    log_block_ir(engine, LOG_OP, "OP:\n");
    if (engine->check)
        keep_lifted(engine);
    pipeline_run(&engine->ir, !engine->options.no_opt);
    if (state->memory & MEMORY_WINDOW)
        demote_mark_block(engine, first->ram_offset);
    log_block_ir(engine, LOG_OP_OPT, "OP after passes:\n");
    tb = new_block(engine, state, tag, first, &second, crosses);
    if (!tb) {
        /* Eviction takes the mark off pages without blocks, so from the start: a write after that
         * would not be noticed, one before it may have changed the bytes. */
        cache_next_unit(&engine->cache);
        return translate(engine, state, first, alone);
    }
    count_block(engine, tb);
    if (engine->perf_map)
        perf_map_add(engine, tb);
    log_block_code(engine, tb, first->host + offset);
    return tb;
}

static bool second_page_matches(Engine *engine, const TranslationBlock *tb)
{
    if (tb->second_page == RAM_OFF_NONE)
        return true;
    FetchPage second;
    gva_t next = next_page(&tb->state);
    if (!fetch_page(engine, next, &second) || second.ram_offset != tb->second_page)
        return false;
    if (!(tb->state.memory & MEMORY_GLOBAL))
        return true;
    /* both pages must be global for other blocks to jump here directly */
    if (second.global)
        shortcuts_note_page(engine, next, second.ram_offset);
    return second.global;
}

/* The block of the cache for this place and state, whose second page is still the one that it was
 * made from; NULL: none. */
static TranslationBlock *look_up(Engine *engine, ram_off_t phys, const BlockState *state)
{
    TranslationBlock *tb;
    do {
        tb = cache_find(&engine->cache, phys, state);
        while (tb && tb->valid && !second_page_matches(engine, tb))
            tb = cache_find_next(tb);
    } while (tb && !tb->valid); /* the walk to its second page wrote to it: an accessed bit */
    return tb;
}

/* The clock costs a tenth of a block: ask it for one in TIMED_BLOCKS. */
static TranslationBlock *translate_timed(Engine *engine, const BlockState *state,
                                         const FetchPage *first, bool *alone)
{
    EngineCounters *counters = &engine->cache.counters;
    if ((counters->blocks + counters->moved) % TIMED_BLOCKS)
        return translate(engine, state, first, alone);
    uint64_t start = now_ns();
    TranslationBlock *tb = translate(engine, state, first, alone);
    counters->translate_ns += (now_ns() - start) * TIMED_BLOCKS;
    return tb;
}

TranslationBlock *engine_find_block(Engine *engine, bool *alone)
{
    BlockState state;
    FetchPage first;
    engine->guest->block_state(engine->vcpu, &state);
    engine->cache.counters.lookups++;
    *alone = false;
    if (!fetch_page(engine, linear_pc(&state), &first))
        return NULL;
    if (first.ram_offset == RAM_OFF_NONE) {
        *alone = true;
        return NULL;
    }
    state.memory = (engine->window ? MEMORY_WINDOW : 0) | (first.global ? MEMORY_GLOBAL : 0);
    if (first.global)
        shortcuts_note_page(engine, linear_pc(&state), first.ram_offset);
    ram_off_t phys = first.ram_offset + (linear_pc(&state) & ~GUEST_PAGE_MASK);
    TranslationBlock *tb = look_up(engine, phys, &state);
    if (tb)
        engine->cache.counters.lookup_hits++;
    else
        tb = translate_timed(engine, &state, &first, alone);
    if (tb)
        engine->cache.unit[tb->unit].marked = true;
    return tb;
}

ram_off_t engine_ram_of_pc(Engine *engine)
{
    BlockState state;
    FetchPage first;
    engine->guest->block_state(engine->vcpu, &state);
    if (!fetch_page(engine, linear_pc(&state), &first) || first.ram_offset == RAM_OFF_NONE)
        return RAM_OFF_NONE;
    return first.ram_offset + (linear_pc(&state) & ~GUEST_PAGE_MASK);
}

/* Counted as an instruction: a guest that faults for ever takes its time, too. */
ExitReason engine_fetch_fault(Engine *engine)
{
    engine->vcpu->budget--;
    return EXIT_FAULT;
}

ExitReason engine_execute_alone(Engine *engine)
{
    BlockState state;
    FetchPage first, second;
    bool crosses;
    engine->guest->block_state(engine->vcpu, &state);
    engine->cache.counters.alone++;
    if (!fetch_page(engine, linear_pc(&state), &first) ||
        !lift_block(engine, &state, 1, &first, &second, &crosses))
        return engine_fetch_fault(engine);
    engine->vcpu->host_pc = NULL;
    engine->interp_tb = NULL;
    engine->interp_stop = false;
    return interp_run(&engine->interp_env, engine->vcpu, &engine->ir, &engine->interp_stop);
}
