/* SPDX-License-Identifier: MIT */
#include "tcache/icount.h"

#include <inttypes.h>

#include "base/log.h"

enum { GRANT_MAX = 1 << 30 };

struct Icount {
    EngineTime time;
    uint64_t limit;       /* instructions executed when the budget will be used up */
    int64_t skipped;      /* ns of halted time */
    uint64_t next_digest; /* UINT64_MAX: none */
    gint changed;         /* another thread has armed a timer */
    int64_t published;    /* ns, for other threads */
};

Icount *icount_new(Engine *engine, const EngineTime *time)
{
    Icount *icount = g_new0(Icount, 1);
    icount->time = *time;
    icount->next_digest = time->digest_every ? time->digest_every : UINT64_MAX;
    engine->vcpu->mmu.devices_alone = true;
    return icount;
}

void icount_free(Icount *icount)
{
    g_free(icount);
}

/* ---- time ---- */

static uint64_t executed(const Engine *engine)
{
    return engine->icount->limit - (uint64_t)engine->vcpu->budget;
}

static int64_t now_ns(const Engine *engine)
{
    return (int64_t)(executed(engine) << engine->icount->time.shift) + engine->icount->skipped;
}

static bool on_vcpu_thread(const Engine *engine)
{
    return !engine->running || pthread_equal(engine->thread, pthread_self());
}

int64_t engine_time_ns(const Engine *engine)
{
    return on_vcpu_thread(engine) ? now_ns(engine)
                                  : __atomic_load_n(&engine->icount->published, __ATOMIC_RELAXED);
}

uint64_t engine_executed_for_test(const Engine *engine)
{
    return executed(engine);
}

/* ---- the budget ---- */

static uint64_t instructions_until(const Engine *engine, int64_t deadline)
{
    const int64_t left = deadline == INT64_MAX ? INT64_MAX : deadline - now_ns(engine);
    if (left <= 0)
        return 0;
    const uint64_t step = UINT64_C(1) << engine->icount->time.shift;
    return MIN(((uint64_t)left + step - 1) >> engine->icount->time.shift, (uint64_t)GRANT_MAX);
}

/* least: a timer that is due again and again must not stop the guest. */
static void grant(Engine *engine, uint64_t least)
{
    Icount *ic = engine->icount;
    const uint64_t at = executed(engine);
    uint64_t budget = instructions_until(engine, ic->time.next_deadline(ic->time.opaque));
    budget = MIN(MAX(budget, least), ic->next_digest - at);
    ic->limit = at + budget;
    engine->vcpu->budget = (int64_t)budget;
}

void engine_deadline_changed(Engine *engine)
{
    if (on_vcpu_thread(engine)) {
        grant(engine, 0);
        return;
    }
    g_atomic_int_set(&engine->icount->changed, 1);
    engine_request_attention(engine, 1);
}

static void make_digest(Engine *engine)
{
    Icount *ic = engine->icount;
    if (executed(engine) < ic->next_digest)
        return;
    ic->time.digest(ic->time.opaque, executed(engine), engine_digest(engine));
    ic->next_digest += ic->time.digest_every;
}

static void fire_timers(Engine *engine)
{
    const EngineTime *time = &engine->icount->time;
    if (time->next_deadline(time->opaque) <= now_ns(engine))
        time->run_timers(time->opaque);
}

void icount_boundary(Engine *engine)
{
    Icount *ic = engine->icount;
    const bool changed = g_atomic_int_compare_and_exchange(&ic->changed, 1, 0);
    __atomic_store_n(&ic->published, now_ns(engine), __ATOMIC_RELAXED);
    if (engine->vcpu->budget > 0 && !changed)
        return;
    make_digest(engine);
    fire_timers(engine);
    grant(engine, 1);
}

bool icount_short(const Engine *engine, const TranslationBlock *tb)
{
    return engine->icount && engine->vcpu->budget < tb->insns;
}

/* ---- blocks ---- */

uint32_t *icount_offsets(const IrBlock *block)
{
    uint32_t *offsets = g_new(uint32_t, block->guest_insns);
    unsigned count = 0;
    for (unsigned i = 0; i < block->count && count < block->guest_insns; i++)
        if (block->insns[i].op == IR_INSN)
            offsets[count++] = (uint32_t)((uint64_t)block->insns[i].imm - block->pc);
    g_assert(count == block->guest_insns);
    return offsets;
}

void icount_settle(Engine *engine, ExitReason reason)
{
    VCpu *vcpu = engine->vcpu;
    if (reason != EXIT_FAULT && reason != EXIT_SMC && reason != EXIT_DEMOTE)
        return;
    const TranslationBlock *tb = cache_find_by_host(&engine->cache, engine->exit_pc);
    g_assert(tb);
    const uint32_t offset = (uint32_t)(vcpu->pc - tb->state.pc);
    for (unsigned i = 0; i < tb->insns; i++) {
        if (tb->insn_offsets[i] != offset)
            continue;
        vcpu->budget += tb->insns - i - (reason == EXIT_FAULT);
        return;
    }
}

/* ---- halted ---- */

/* true: the time has passed without an event. */
static bool wait_until(Engine *engine, int64_t ns)
{
    const gint64 end = g_get_monotonic_time() + ns / 1000 + 1;
    bool passed = false;
    g_mutex_lock(&engine->lock);
    while (!passed && !atomic_load(&engine->vcpu->attention) &&
           !engine->guest->interrupt_ready(engine->vcpu))
        passed = !g_cond_wait_until(&engine->wake, &engine->lock, end);
    g_mutex_unlock(&engine->lock);
    return passed;
}

void icount_idle(Engine *engine)
{
    Icount *ic = engine->icount;
    VCpu *vcpu = engine->vcpu;
    if (atomic_load(&vcpu->attention) || engine->guest->interrupt_ready(vcpu))
        return;
    const int64_t deadline = ic->time.next_deadline(ic->time.opaque);
    if (deadline == INT64_MAX) {
        engine_wait_halted(engine);
        return;
    }
    const int64_t left = deadline - now_ns(engine);
    if (left > 0 && ic->time.sleep && !wait_until(engine, left))
        return;
    ic->skipped += MAX(left, 0);
    fire_timers(engine);
    grant(engine, 1);
}
