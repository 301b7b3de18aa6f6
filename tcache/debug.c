/* SPDX-License-Identifier: MIT
 * The debugger's side of the engine: breakpoints, watchpoints, single steps.
 * Breakpoints never touch guest memory or translated code: no block that is kept begins at one or
 * runs over one, so control comes back to the loop there and nothing else gets slower. */
#include "tcache/icount.h"

static gva_t linear_pc(const BlockState *state)
{
    return (uint32_t)(state->cs_base + state->pc);
}

static gva_t current_pc(const Engine *engine)
{
    BlockState state;
    engine->guest->block_state(engine->vcpu, &state);
    return linear_pc(&state);
}

/* Index of the first address >= gva. */
static guint lower_bound(const GArray *sorted, gva_t gva)
{
    guint low = 0, high = sorted->len;
    while (low < high) {
        guint middle = (low + high) / 2;
        if (g_array_index(sorted, gva_t, middle) < gva)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool contains(const GArray *sorted, gva_t gva)
{
    guint i = lower_bound(sorted, gva);
    return i < sorted->len && g_array_index(sorted, gva_t, i) == gva;
}

void engine_debug_init(Engine *engine)
{
    engine->breaks = g_array_new(FALSE, FALSE, sizeof(gva_t));
    engine->kept_apart = g_array_new(FALSE, FALSE, sizeof(gva_t));
}

void engine_debug_destroy(Engine *engine)
{
    g_array_free(engine->breaks, TRUE);
    g_array_free(engine->kept_apart, TRUE);
}

/* ---- breakpoints ---- */

void engine_set_breakpoint(Engine *engine, gva_t gva)
{
    guint i = lower_bound(engine->breaks, gva);
    if (i < engine->breaks->len && g_array_index(engine->breaks, gva_t, i) == gva)
        return;
    g_array_insert_val(engine->breaks, i, gva);
    engine->breaks_changed = true;
}

void engine_clear_breakpoint(Engine *engine, gva_t gva)
{
    if (!contains(engine->breaks, gva))
        return;
    g_array_remove_index(engine->breaks, lower_bound(engine->breaks, gva));
    engine->breaks_changed = true;
}

static bool overlaps_any(const TranslationBlock *tb, const GArray *sorted)
{
    gva_t start = linear_pc(&tb->state);
    guint i = lower_bound(sorted, start);
    return i < sorted->len && g_array_index(sorted, gva_t, i) < start + tb->size;
}

static void remove_overlapping(Cache *cache, const GArray *sorted)
{
    for (unsigned u = 0; u < TB_UNITS; u++) {
        GPtrArray *blocks = cache->unit[u].blocks;
        for (guint i = 0; i < blocks->len; i++) {
            TranslationBlock *tb = g_ptr_array_index(blocks, i);
            if (tb->valid && overlaps_any(tb, sorted))
                cache_condemn(cache, tb);
        }
    }
    cache->counters.invalidated_other += cache_remove_condemned(cache);
}

/* Debuggers take all breakpoints out at each stop and put them back to go on: only those that
 * are new since blocks were last made cost a walk over the blocks. */
void engine_apply_breakpoints(Engine *engine)
{
    if (!engine->breaks_changed)
        return;
    engine->breaks_changed = false;
    GArray *added = g_array_new(FALSE, FALSE, sizeof(gva_t));
    for (guint i = 0; i < engine->breaks->len; i++) {
        gva_t gva = g_array_index(engine->breaks, gva_t, i);
        if (!contains(engine->kept_apart, gva))
            g_array_append_val(added, gva);
    }
    if (added->len)
        remove_overlapping(&engine->cache, added);
    g_array_free(added, TRUE);
    g_array_set_size(engine->kept_apart, 0);
    g_array_append_vals(engine->kept_apart, engine->breaks->data, engine->breaks->len);
}

unsigned engine_room_to_breakpoint(const Engine *engine, gva_t gva, unsigned room)
{
    guint i = lower_bound(engine->breaks, gva + 1);
    if (i == engine->breaks->len)
        return room;
    return (unsigned)MIN(g_array_index(engine->breaks, gva_t, i) - gva, room);
}

bool engine_at_breakpoint(Engine *engine)
{
    if (engine->breaks->len == 0)
        return false;
    gva_t pc = current_pc(engine);
    gpa_t gpa;
    /* Where no page is, the page fault comes first: a debugger wants to see the instruction. */
    if (!contains(engine->breaks, pc) || !mmu_translate_debug(&engine->vcpu->mmu, pc, &gpa))
        return false;
    engine->debug_stop = (EngineStop){.gva = pc};
    engine->leave_break = true;
    return true;
}

/* ---- watchpoints ---- */

/* An access hits a watch of the debugger: is the instruction going to end right after it? Not in
 * a translated block, which is left before the access; the instruction is then executed alone. */
bool engine_watch_access(void *opaque)
{
    Engine *engine = opaque;
    if (engine->vcpu->host_pc && cache_find_by_host(&engine->cache, engine->vcpu->host_pc))
        return false;
    engine->interp_stop = true;
    return true;
}

bool engine_at_watchpoint(Engine *engine)
{
    Mmu *mmu = &engine->vcpu->mmu;
    unsigned hits = mmu->watch_hits & MMU_WATCH_STOPS;
    if (!hits)
        return false;
    mmu->watch_hits &= ~MMU_WATCH_STOPS;
    engine->debug_stop = (EngineStop){.watches = hits};
    return true;
}

/* ---- steps ---- */

/* The boundary before an instruction, up to its traps. True if pc changed. */
static bool step_boundary(Engine *engine)
{
    if (engine->icount)
        icount_boundary(engine);
    return engine_debug_boundary(engine);
}

/* One instruction by the interpreter: nothing is translated for it. False: triple fault. */
static bool step_alone(Engine *engine)
{
    VCpu *vcpu = engine->vcpu;
    if (engine_begin_instruction(engine))
        return true;
    vcpu->stepping = true;
    ExitReason reason = engine_execute_alone(engine);
    vcpu->stepping = false;
    vcpu->boundary = BOUNDARY_NEW;
    return engine_handle_exit(engine, reason);
}

bool engine_leave_breakpoint(Engine *engine)
{
    bool leave = engine->leave_break && current_pc(engine) == engine->debug_stop.gva;
    engine->leave_break = false;
    return !leave || engine->vcpu->halted || step_boundary(engine) || step_alone(engine);
}

static RunResult stepped(const Engine *engine)
{
    return engine->guest->shut_down(engine->vcpu) ? RUN_TRIPLE_FAULT : RUN_STEPPED;
}

/* As in engine_run: traps, then interrupts, then the instruction. */
static RunResult step_or_wait(Engine *engine, bool interrupts)
{
    VCpu *vcpu = engine->vcpu;
    for (;;) {
        if (atomic_load(&vcpu->attention) && engine_attend(engine))
            return RUN_STOPPED;
        if (step_boundary(engine))
            return stepped(engine);
        bool ready = (interrupts || vcpu->halted) && engine->guest->interrupt_ready(vcpu);
        if (ready) {
            vcpu->halted = false;
            engine->cache.counters.interrupts++;
            return engine->guest->deliver_interrupt(vcpu) ? RUN_STEPPED : RUN_TRIPLE_FAULT;
        }
        if (!vcpu->halted)
            return step_alone(engine) ? stepped(engine) : RUN_TRIPLE_FAULT;
        engine_idle(engine);
    }
}

RunResult engine_step(Engine *engine, bool interrupts)
{
    return engine_steps(engine, 1, interrupts);
}

RunResult engine_steps(Engine *engine, uint64_t count, bool interrupts)
{
    RunResult result = RUN_STEPPED;
    engine_enter(engine);
    engine->leave_break = false;
    while (result == RUN_STEPPED && count-- > 0) {
        result = step_or_wait(engine, interrupts);
        if (result == RUN_STEPPED && engine_at_watchpoint(engine))
            result = RUN_DEBUG;
    }
    engine_leave(engine);
    return result;
}

EngineStop engine_debug_stop(const Engine *engine)
{
    return engine->debug_stop;
}
