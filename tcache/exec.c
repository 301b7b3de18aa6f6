/* SPDX-License-Identifier: MIT
 * The execution loop: find or translate, enter, act on the reason of the exit. */
#include "tcache/engine-priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/trace.h"
#include "tcache/check.h"
#include "tcache/icount.h"

enum { DEFAULT_CACHE_MIB = 64, NATIVE_BYTES = 256 * 1024 };
enum { PAGE_FAULT = 14, PAGE_FAULT_WRITE = 2 }; /* vector; bit of the error code */

/* ---- attention: other threads ask for the loop ---- */

/* What is not dumped is a mapping of its own, so that to protect it needs no other one: at the host's limit of
 * mappings there would be none, and nothing could break the guest off. */
static void separate_poll_page(VCpu *vcpu)
{
    if (madvise(vcpu->poll_page, sizeof vcpu->poll_page, MADV_DONTDUMP) < 0)
        g_error("madvise: %s", g_strerror(errno));
}

static void protect_poll_page(VCpu *vcpu, int protection)
{
    if (mprotect(vcpu->poll_page, sizeof vcpu->poll_page, protection) < 0)
        abort(); /* the guest would run on for ever; maybe in a signal handler */
}

void engine_break_out(Engine *engine, unsigned bits)
{
    atomic_fetch_or(&engine->vcpu->attention, bits);
    protect_poll_page(engine->vcpu, PROT_NONE);
}

void engine_request_attention(Engine *engine, unsigned bits)
{
    engine_break_out(engine, bits);
    g_mutex_lock(&engine->lock);
    g_cond_signal(&engine->wake);
    g_mutex_unlock(&engine->lock);
}

void engine_request_stop(Engine *engine)
{
    engine_request_attention(engine, ATTENTION_STOP);
}

static bool on_vcpu_thread(const Engine *engine)
{
    return !engine->running || pthread_equal(engine->thread, pthread_self());
}

/* What timers that the loop itself fires ask for, the loop does right behind them. */
static void kick(VCpu *vcpu)
{
    Engine *engine = vcpu->engine;
    if (!(on_vcpu_thread(engine) && alarm_is_firing(engine)))
        engine_request_attention(engine, ATTENTION_KICK);
}

/* ---- callbacks of the memory layer ---- */

static void invalidate_other(Engine *engine, ram_off_t offset, uint64_t size)
{
    engine->cache.counters.invalidated_other += cache_invalidate(&engine->cache, offset, size);
}

static const TranslationBlock *running_block(Engine *engine)
{
    if (engine->interp_tb)
        return engine->interp_tb;
    const void *pc = engine->vcpu->host_pc;
    return pc ? cache_find_by_host(&engine->cache, pc) : NULL;
}

/* A block that was removed runs to its next exit, but no RET may come back to it: what it calls
 * goes to the loop, which forgets the returns of another jump tag. Maybe in a signal handler. */
static void cut_off_running_block(Engine *engine)
{
    const TranslationBlock *tb = running_block(engine);
    if (!tb || tb->valid)
        return;
    jump_tables_leave(&engine->cache.jumps);
    engine_break_out(engine, ATTENTION_KICK);
}

static void foreign_code_write(void *opaque, ram_off_t offset, uint64_t size)
{
    Engine *engine = opaque;
    if (on_vcpu_thread(engine)) {
        invalidate_other(engine, offset, size);
        cut_off_running_block(engine);
        return;
    }
    PostedWrite post = {offset, size};
    g_mutex_lock(&engine->lock);
    g_array_append_val(engine->posts, post);
    g_mutex_unlock(&engine->lock);
    engine_request_attention(engine, ATTENTION_POSTS);
}

static void log_map(Engine *engine, gpa_t start, uint64_t size)
{
    g_autoptr(GString) text = g_string_new(NULL);
    address_space_print(engine->cache.as, text);
    log_printf(LOG_PAGE, "memory map changed: 0x%" PRIx64 " + 0x%" PRIx64 "\n%s", start, size,
               text->str);
}

static void map_changed(void *opaque, gpa_t start, uint64_t size)
{
    Engine *engine = opaque;
    if (log_enabled(LOG_PAGE))
        log_map(engine, start, size);
    mmu_flush_all(&engine->vcpu->mmu);
    if (engine->windows)
        window_reset(engine->windows);
    /* The running block may lie elsewhere now, or another way to memory may be right. */
    if (engine->running)
        engine_request_attention(engine, ATTENTION_KICK);
}

static void translations_flushed(void *opaque, MmuFlush what, gva_t gva)
{
    Engine *engine = opaque;
    trace(tlb_flush, (int)what, gva);
    if (engine->windows)
        window_flushed(engine->windows, what, gva);
    shortcuts_flushed(engine, what, gva);
}

static bool guest_code_write(void *opaque, ram_off_t offset, uint64_t size)
{
    Engine *engine = opaque;
    top_table_count(&engine->top_smc, offset & GUEST_PAGE_MASK);
    if (cache_store_beside(&engine->cache, offset, size) ||
        cache_store(&engine->cache, running_block(engine), offset, size))
        return true;
    if (!engine->interp_tb)
        return false;
    /* The interpreter may overwrite its own block: it stops behind the instruction. */
    engine->interp_stop = true;
    return cache_store(&engine->cache, NULL, offset, size);
}

static uint64_t pc_of_host(VCpu *vcpu, const void *host_pc, uint64_t *sp)
{
    Engine *engine = vcpu->engine;
    const TranslationBlock *tb = cache_find_by_host(&engine->cache, host_pc);
    return tb ? tb_pc_of_host(tb, host_pc, sp) : vcpu->pc;
}

/* ---- life ---- */

Engine *engine_new(VCpu *vcpu, AddressSpace *as, const EngineOptions *options, GError **error)
{
    Engine *engine = g_new0(Engine, 1);
    engine->vcpu = vcpu;
    engine->guest = vcpu->guest;
    engine->options = *options;
    uint64_t bytes =
        options->cache_bytes ? options->cache_bytes : (uint64_t)DEFAULT_CACHE_MIB << 20;
    if (!cache_init(&engine->cache, vcpu, as, bytes, options->perf_map, error) ||
        !code_buf_init(&engine->native_buf, NATIVE_BYTES, false, NULL, error)) {
        cache_destroy(&engine->cache);
        g_free(engine);
        return NULL;
    }
    ir_block_init(&engine->ir, vcpu->guest->helpers, vcpu->guest->helper_count);
    engine->pcmap = g_array_new(FALSE, FALSE, sizeof(CodegenPcEntry));
    engine->pc_fields = g_array_new(FALSE, FALSE, sizeof(CodegenPcField));
    engine->posts = g_array_new(FALSE, FALSE, sizeof(PostedWrite));
    engine->moving = g_ptr_array_new();
    engine->native_thunks =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    if (!jump_tables_init(&engine->cache.jumps, vcpu, &engine->cache.counters))
        engine->options.no_chain = true;
    engine->interp_env = (InterpEnv){engine_native, engine};
    engine->generation = 1;
    engine_debug_init(engine);
    engine->trapped_store = engine->trapped_fault = NO_STORE;
    g_mutex_init(&engine->lock);
    g_cond_init(&engine->wake);
    codegen_init_vcpu(vcpu);
    separate_poll_page(vcpu);
    mprotect(vcpu->return_guard, sizeof vcpu->return_guard, PROT_NONE);
    vcpu->engine = engine;
    vcpu->kick = kick;
    vcpu->relax = engine_relax;
    vcpu->pc_of_host = pc_of_host;
    if (options->check_every) {
        engine->options.no_chain = true; /* a block is entered and left by the loop */
        engine->check = check_new(engine);
    }
    if (!options->no_window && !options->interp)
        engine->windows = window_set_new(&vcpu->mmu);
    demote_init(engine);
    shortcuts_init(engine);
    vcpu->mmu.code_write = guest_code_write;
    vcpu->mmu.watch_access = engine_watch_access;
    vcpu->mmu.flushed = translations_flushed;
    vcpu->mmu.opaque = engine;
    address_space_set_map_listener(as, map_changed, engine);
    address_space_set_code_write_listener(as, foreign_code_write, engine);
    return engine;
}

void engine_count_time(Engine *engine, const EngineTime *time)
{
    engine->icount = icount_new(engine, time);
    engine->vcpu->steadfast = true;
}

bool engine_has_windows(const Engine *engine)
{
    return engine->windows != NULL;
}

bool engine_has_jump_tables(const Engine *engine)
{
    return engine->cache.jumps.base != NULL;
}

void engine_free(Engine *engine)
{
    g_clear_pointer(&engine->perf_map, fclose);
    if (engine->windows)
        window_set_free(engine->windows);
    check_free(engine->check);
    icount_free(engine->icount);
    alarm_free(engine->alarm);
    if (engine->lifted)
        ir_block_destroy(engine->lifted);
    g_free(engine->lifted);
    demote_destroy(engine);
    shortcuts_destroy(engine);
    cache_destroy(&engine->cache);
    code_buf_destroy(&engine->native_buf);
    ir_block_destroy(&engine->ir);
    g_array_free(engine->pcmap, TRUE);
    g_array_free(engine->pc_fields, TRUE);
    g_array_free(engine->posts, TRUE);
    g_ptr_array_free(engine->moving, TRUE);
    g_hash_table_unref(engine->native_thunks);
    engine_debug_destroy(engine);
    g_mutex_clear(&engine->lock);
    g_cond_clear(&engine->wake);
    g_free(engine);
}

void engine_flush(Engine *engine)
{
    cache_flush(&engine->cache);
    shortcuts_forget(engine);
}

/* ---- the loop ---- */

static void drain_posts(Engine *engine)
{
    g_mutex_lock(&engine->lock);
    GArray *posts = engine->posts;
    engine->posts = g_array_new(FALSE, FALSE, sizeof(PostedWrite));
    g_mutex_unlock(&engine->lock);
    for (guint i = 0; i < posts->len; i++) {
        const PostedWrite *post = &g_array_index(posts, PostedWrite, i);
        invalidate_other(engine, post->offset, post->size);
    }
    g_array_free(posts, TRUE);
}

/* true: somebody asked the loop to stop. */
bool engine_attend(Engine *engine)
{
    VCpu *vcpu = engine->vcpu;
    protect_poll_page(vcpu, PROT_READ | PROT_WRITE);
    unsigned bits = atomic_exchange(&vcpu->attention, 0);
    engine->cache.counters.kicks++;
    if (bits & ATTENTION_POSTS)
        drain_posts(engine);
    if ((bits & ATTENTION_SAMPLE) && engine->sampler)
        engine->sampler(engine->sampler_opaque);
    if (bits & ATTENTION_TIMERS)
        alarm_fire(engine);
    return bits & ATTENTION_STOP;
}

/* The alarm's signal ends a wait, unless it comes right before: hence the time. It is read before the
 * flag that the signal sets, since the signal forgets it. */
void engine_wait_halted(Engine *engine)
{
    VCpu *vcpu = engine->vcpu;
    bool due = false;
    g_mutex_lock(&engine->lock);
    while (!due) {
        const int64_t until = alarm_due(engine) / 1000 + 1;
        if (atomic_load(&vcpu->attention) || engine->guest->interrupt_ready(vcpu))
            break;
        due = !g_cond_wait_until(&engine->wake, &engine->lock, until);
    }
    g_mutex_unlock(&engine->lock);
    if (due)
        atomic_fetch_or(&vcpu->attention, ATTENTION_TIMERS);
}

void engine_idle(Engine *engine)
{
    if (engine->icount)
        icount_idle(engine);
    else
        engine_wait_halted(engine);
}

static void log_exec(Engine *engine, const TranslationBlock *tb)
{
    const gva_t gva = (uint32_t)(tb->state.cs_base + tb->state.pc);
    if (!log_in_filter(gva))
        return;
    g_autoptr(GString) text = g_string_new(NULL);
    if (log_enabled(LOG_EXEC)) { /* [CS base/linear pc/mode/way to memory], as QEMU's */
        g_string_append_printf(text, "Trace 0: %p [%08x/%08x/%08x/%08x] ", (const void *)tb->code,
                               (unsigned)tb->state.cs_base, (unsigned)gva, tb->state.mode,
                               tb->state.memory);
        engine_append_name(engine, gva, text);
        g_string_append_c(text, '\n');
    }
    if (log_enabled(LOG_CPU | LOG_FPU) && engine->guest->print_state)
        engine->guest->print_state(engine->vcpu, log_enabled(LOG_FPU), text);
    g_string_truncate(text, text->len - 1); /* the log ends lines itself */
    log_printf(LOG_EXEC | LOG_CPU | LOG_FPU, "%s", text->str);
}

/* What user code spends on the TLB decides whether its address space gets a window. Returns the
 * time to count from, 0: do not count. */
static uint64_t note_entry(Engine *engine, const BlockState *state)
{
    if (!engine->windows)
        return 0;
    if (state->memory & MEMORY_WINDOW)
        engine->vcpu->window_base = window_base(engine->window);
    return engine->guest->fetch_mode(engine->vcpu) == MMU_USER ? __builtin_ia32_rdtsc() : 0;
}

static void note_exit(Engine *engine, const BlockState *state, uint64_t start)
{
    if (start)
        window_note_user_time(engine->windows, (__builtin_ia32_rdtsc() - start) / 2,
                              (uint32_t)(state->cs_base + state->pc));
}

static ExitReason enter_code(Engine *engine, const BlockState *state, uint32_t tag,
                             const uint8_t *code)
{
    VCpu *vcpu = engine->vcpu;
    uint64_t start = note_entry(engine, state);
    if (jump_tables_select(&engine->cache.jumps, tag, state->memory & MEMORY_GLOBAL))
        codegen_forget_returns(vcpu);
    ExitReason reason = codegen_enter(vcpu, code);
    engine->exit_pc = vcpu->host_pc;
    vcpu->host_pc = NULL;
    note_exit(engine, state, start);
    if (engine->icount)
        icount_settle(engine, reason);
    return reason;
}

static ExitReason run_block(Engine *engine, TranslationBlock *tb)
{
    VCpu *vcpu = engine->vcpu;
    engine->recent[engine->recent_count++ % RECENT_BLOCKS] = tb->state;
    if (log_enabled(LOG_EXEC | LOG_CPU | LOG_FPU))
        log_exec(engine, tb);
    if (!tb->ir) {
        const bool checked = engine->check && check_is_due(engine, tb) && check_before(engine, tb);
        const ExitReason reason = enter_code(engine, &tb->state, tb->jump_tag, tb->code);
        return checked ? check_after(engine, tb, reason) : reason;
    }
    tb->executions++;
    engine->interp_tb = tb;
    engine->interp_stop = false;
    ExitReason reason = interp_run(&engine->interp_env, vcpu, tb->ir, &engine->interp_stop);
    engine->interp_tb = NULL;
    return reason;
}

/* The exit that led to tb leads there directly from now on. False: it may not. */
static bool link_exit(Engine *engine, ExitSlot *slot, TranslationBlock *tb)
{
    if (slot->target_pc != tb->state.pc || slot->owner->jump_tag != tb->jump_tag)
        return false;
    const bool global = tb->state.memory & MEMORY_GLOBAL;
    const bool same_page = slot->owner->phys >> GUEST_PAGE_BITS == tb->phys >> GUEST_PAGE_BITS;
    if ((same_page && tb->second_page == RAM_OFF_NONE) || global)
        chain_link(&engine->cache, slot, tb);
    else if (same_page)
        chain_link_volatile(&engine->cache, slot, tb);
    else
        return false;
    return true;
}

/* Make the way that was just taken through the loop shorter for the next time. */
static void add_shortcuts(Engine *engine, TranslationBlock *tb, ExitSlot *slot, uint64_t evictions)
{
    if (tb->solo || engine->options.no_chain || tb->ir || log_enabled(LOG_NOCHAIN))
        return;
    if (!(tb->state.memory & MEMORY_GLOBAL))
        shortcuts_note_other(engine, tb->state.cs_base + tb->state.pc);
    cache_note_tag(&engine->cache, &tb->state, tb->jump_tag);
    const bool alive = slot && evictions == engine->cache.counters.evictions && slot->owner->valid;
    if (!alive || !link_exit(engine, slot, tb))
        jump_tables_add(&engine->cache.jumps, tb);
}

/* The direct exit that was taken; its target becomes pc. */
static ExitSlot *taken_exit(Engine *engine)
{
    const uint8_t *at = engine->exit_pc;
    TranslationBlock *tb = cache_find_by_host(&engine->cache, at - 1);
    uint32_t stub = (uint32_t)(at - tb->code) - CODEGEN_EXIT_STUB;
    ExitSlot *slot = tb->exits;
    while (slot->stub_offset != stub)
        slot++;
    engine->vcpu->pc = slot->target_pc;
    return slot;
}

/* Most turns lead to a block that a jump table has: after system calls, interrupts, faults. Where
 * the block itself is of interest, and not only its code, false. */
static bool quick_turn(Engine *engine, ExitReason *reason)
{
    BlockState state;
    if (engine->check || engine->icount || log_enabled(LOG_EXEC | LOG_CPU | LOG_FPU | LOG_NOCHAIN))
        return false;
    engine->guest->block_state(engine->vcpu, &state);
    state.memory = engine->window ? MEMORY_WINDOW : 0;
    uint32_t tag;
    const uint8_t *code = cache_quick_find(&engine->cache, &state, &state.memory, &tag);
    if (!code)
        return false;
    engine->cache.counters.quick_turns++;
    engine->recent[engine->recent_count++ % RECENT_BLOCKS] = state;
    *reason = enter_code(engine, &state, tag, code);
    return true;
}

/* One turn: a block, or an instruction alone. slot: the direct exit that led here, in and out. */
static ExitReason turn(Engine *engine, ExitSlot **slot)
{
    bool alone;
    uint64_t evictions = engine->cache.counters.evictions;
    shortcuts_validate(engine);
    if (engine->windows)
        engine->window = window_select(engine->windows, engine->guest->fetch_mode(engine->vcpu),
                                       engine->options.window_always);
    ExitReason reason;
    if (!*slot && quick_turn(engine, &reason)) {
        *slot = reason == EXIT_CHAIN ? taken_exit(engine) : NULL;
        return reason;
    }
    TranslationBlock *tb = engine_find_block(engine, &alone);
    if (!tb) {
        jump_tables_missed(&engine->cache.jumps, engine->vcpu->pc);
        *slot = NULL;
        return alone ? engine_execute_alone(engine) : engine_fetch_fault(engine);
    }
    if (icount_short(engine, tb)) {
        *slot = NULL;
        return engine_execute_alone(engine);
    }
    add_shortcuts(engine, tb, *slot, evictions);
    reason = run_block(engine, tb);
    *slot = reason == EXIT_CHAIN ? taken_exit(engine) : NULL;
    return reason;
}

static void count_exit(EngineCounters *counters, ExitReason reason)
{
    counters->exit_chain += reason == EXIT_CHAIN;
    counters->exit_lookup += reason == EXIT_LOOKUP;
    counters->exit_poll += reason == EXIT_POLL;
    counters->exit_fault += reason == EXIT_FAULT;
    counters->exit_halt += reason == EXIT_HALT;
    counters->exit_smc += reason == EXIT_SMC;
    counters->exit_demote += reason == EXIT_DEMOTE;
}

static gva_t linear_pc(const Engine *engine)
{
    BlockState state;
    engine->guest->block_state(engine->vcpu, &state);
    return (uint32_t)(state.cs_base + state.pc);
}

/* A demoted instruction faulted: others will want the page in the window. Not if it could not be
 * fetched. */
static void await_page(Engine *engine)
{
    const Fault *fault = &engine->vcpu->fault;
    if (fault->vector == PAGE_FAULT && (fault->address ^ linear_pc(engine)) & GUEST_PAGE_MASK)
        window_await(engine->window, fault->address, fault->error_code & PAGE_FAULT_WRITE);
}

/* false: triple fault. */
bool engine_handle_exit(Engine *engine, ExitReason reason)
{
    count_exit(&engine->cache.counters, reason);
    if (reason == EXIT_DEMOTE)
        demote_instruction(engine);
    if (reason == EXIT_SMC && engine->trapped_store != NO_STORE)
        demote_note_trap(engine);
    engine->trapped_store = NO_STORE;
    if (reason == EXIT_FAULT && engine->trapped_fault != NO_STORE)
        demote_note_fault(engine);
    else if (reason == EXIT_FAULT && engine->window)
        await_page(engine);
    engine->trapped_fault = NO_STORE;
    while (reason == EXIT_SMC)
        reason = engine_execute_alone(engine);
    if (reason != EXIT_FAULT)
        return true;
    top_table_count(&engine->top_faults, linear_pc(engine));
    return engine->guest->deliver_fault(engine->vcpu);
}

/* The loop may come by a boundary again, having executed nothing. */
bool engine_debug_boundary(Engine *engine)
{
    VCpu *vcpu = engine->vcpu;
    if (vcpu->boundary != BOUNDARY_NEW)
        return false;
    vcpu->boundary = BOUNDARY_TRAPPED;
    return engine->guest->debug_boundary(vcpu);
}

bool engine_begin_instruction(Engine *engine)
{
    VCpu *vcpu = engine->vcpu;
    if (vcpu->boundary == BOUNDARY_BEGUN)
        return false;
    vcpu->boundary = BOUNDARY_BEGUN;
    return engine->guest->begin_instruction(vcpu);
}

static bool take_events(Engine *engine)
{
    const GuestOps *guest = engine->guest;
    VCpu *vcpu = engine->vcpu;
    engine_debug_boundary(engine);
    if (guest->interrupt_ready(vcpu)) {
        vcpu->halted = false;
        engine->cache.counters.interrupts++;
        return guest->deliver_interrupt(vcpu);
    }
    return true;
}

void engine_enter(Engine *engine)
{
    engine->thread = pthread_self();
    engine->running = true;
    host_fault_attach(engine);
}

void engine_leave(Engine *engine)
{
    host_fault_detach(engine);
    engine->running = false;
}

RunResult engine_run(Engine *engine)
{
    VCpu *vcpu = engine->vcpu;
    ExitSlot *slot = NULL;
    RunResult result = RUN_STOPPED;
    ExitReason reason = EXIT_LOOKUP;
    engine_enter(engine);
    alarm_begin(engine);
    engine_apply_breakpoints(engine);
    bool alive = engine_leave_breakpoint(engine);
    while (alive) {
        if (engine_at_watchpoint(engine)) {
            result = RUN_DEBUG;
            break;
        }
        /* The poll page may be protected after its request was served: attend opens it again. */
        bool asked = reason == EXIT_POLL || atomic_load(&vcpu->attention);
        reason = EXIT_LOOKUP;
        if (asked && engine_attend(engine))
            break;
        if (engine->icount)
            icount_boundary(engine);
        alive = take_events(engine);
        if (!alive)
            break;
        if (vcpu->halted) {
            engine_idle(engine);
            slot = NULL;
            continue;
        }
        if (vcpu->boundary == BOUNDARY_NEW) { /* that of a handler's first instruction */
            slot = NULL;
            continue;
        }
        if (engine_at_breakpoint(engine)) {
            result = RUN_DEBUG;
            break;
        }
        if (engine_begin_instruction(engine)) {
            slot = NULL;
            continue;
        }
        reason = turn(engine, &slot);
        /* Neither executes anything in the modes in which the guest looks at boundaries: blocks of one
         * instruction, unchained. */
        if (reason != EXIT_POLL && reason != EXIT_DEMOTE)
            vcpu->boundary = BOUNDARY_NEW;
        if (reason == EXIT_CHECK) {
            result = RUN_CHECK;
            break;
        }
        alive = engine_handle_exit(engine, reason);
    }
    alarm_end(engine);
    engine_leave(engine);
    return alive ? result : RUN_TRIPLE_FAULT;
}
