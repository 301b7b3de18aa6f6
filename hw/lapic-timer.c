/* SPDX-License-Identifier: MIT
 * The local APIC's timer: one-shot, periodic and TSC-deadline, derived from the
 * guest clock and never counted down by hand. Source: SDM 3A "APIC Timer". */
#include "hw/lapic-priv.h"

/* A guest may ask for a period of one nanosecond; interrupts closer than this
 * are merged, as they would be in the IRR of a CPU that cannot keep up. */
#define TIMER_MIN_PERIOD_NS 20000

/* Divide configuration: bits 3, 1, 0; 000 divides by 2 ... 110 by 128, 111 by 1. */
static int64_t timer_count_ns(const Lapic *lapic)
{
    unsigned code = (lapic->divide & 3) | ((lapic->divide >> 1) & 4);
    return INT64_C(1) << ((code + 1) & 7);
}

static int64_t timer_period_ns(const Lapic *lapic)
{
    return (int64_t)lapic->initial_count * timer_count_ns(lapic);
}

static unsigned timer_mode(const Lapic *lapic)
{
    return LVT_TIMER_MODE(lapic->lvt[LVT_TIMER]);
}

uint32_t lapic_timer_current(const Lapic *lapic)
{
    if (!lapic->initial_count || timer_mode(lapic) >= TIMER_TSC_DEADLINE)
        return 0;
    int64_t counts = (clock_now(lapic->clock) - lapic->count_start) / timer_count_ns(lapic);
    if (timer_mode(lapic) == TIMER_PERIODIC)
        return lapic->initial_count - (uint32_t)(counts % lapic->initial_count);
    return counts >= lapic->initial_count ? 0 : lapic->initial_count - (uint32_t)counts;
}

/* The next expiry of the count, or -1 when the count is over. */
static int64_t timer_next_expiry(const Lapic *lapic)
{
    int64_t now = clock_now(lapic->clock);
    int64_t period = timer_period_ns(lapic);
    int64_t first = lapic->count_start + period;
    if (timer_mode(lapic) == TIMER_ONE_SHOT)
        return first > now ? first : -1;
    if (first > now)
        return first;
    int64_t next = first + ((now - first) / period + 1) * period;
    return MAX(next, now + TIMER_MIN_PERIOD_NS);
}

static void timer_arm_deadline(Lapic *lapic)
{
    if (!lapic->tsc_deadline || !lapic->tsc_to_ns) {
        timer_cancel(lapic->timer);
        return;
    }
    int64_t when = lapic->tsc_to_ns(lapic->tsc_opaque, lapic->tsc_deadline);
    if (when <= clock_now(lapic->clock)) {
        timer_cancel(lapic->timer);
        lapic_timer_fire(lapic);
    } else {
        timer_arm(lapic->timer, when);
    }
}

void lapic_timer_rearm(Lapic *lapic)
{
    if (timer_mode(lapic) == TIMER_TSC_DEADLINE) {
        timer_arm_deadline(lapic);
        return;
    }
    int64_t when = -1;
    bool masked = lapic->lvt[LVT_TIMER] & LVT_MASKED;
    if (lapic->initial_count && !masked && timer_mode(lapic) != TIMER_RESERVED)
        when = timer_next_expiry(lapic);
    if (when < 0)
        timer_cancel(lapic->timer);
    else
        timer_arm(lapic->timer, when);
}

void lapic_timer_fire(void *opaque)
{
    Lapic *lapic = opaque;
    if (timer_mode(lapic) == TIMER_TSC_DEADLINE) {
        /* SDM 3A "TSC-Deadline Mode": the deadline disarms itself. */
        lapic->tsc_deadline = 0;
        lapic_local_interrupt(lapic, LVT_TIMER);
        return;
    }
    lapic_local_interrupt(lapic, LVT_TIMER);
    if (timer_mode(lapic) == TIMER_PERIODIC)
        lapic_timer_rearm(lapic);
}

void lapic_timer_reset(Lapic *lapic)
{
    lapic->initial_count = 0;
    lapic->divide = 0;
    lapic->count_start = 0;
    lapic->tsc_deadline = 0;
    timer_cancel(lapic->timer);
}

void lapic_timer_write_initial(Lapic *lapic, uint32_t value)
{
    /* SDM 3A "TSC-Deadline Mode": writes to the initial count are ignored in it. */
    if (timer_mode(lapic) == TIMER_TSC_DEADLINE)
        return;
    lapic->initial_count = value;
    lapic->count_start = clock_now(lapic->clock);
    lapic_timer_rearm(lapic);
}

/* The count goes on from where it is with the new divider; at zero it stays there. */
void lapic_timer_write_divide(Lapic *lapic, uint32_t value)
{
    int64_t done = (int64_t)lapic->initial_count - lapic_timer_current(lapic);
    lapic->divide = value & 0xb;
    lapic->count_start = clock_now(lapic->clock) - done * timer_count_ns(lapic);
    lapic_timer_rearm(lapic);
}

void lapic_timer_write_lvt(Lapic *lapic, uint32_t value)
{
    unsigned old_mode = timer_mode(lapic);
    lapic->lvt[LVT_TIMER] = value;
    /* SDM 3A "TSC-Deadline Mode": a switch to or from it disarms the timer. */
    if (old_mode != timer_mode(lapic) &&
        (old_mode == TIMER_TSC_DEADLINE || timer_mode(lapic) == TIMER_TSC_DEADLINE)) {
        lapic->initial_count = 0;
        lapic->tsc_deadline = 0;
    }
    lapic_timer_rearm(lapic);
}

uint64_t lapic_tsc_deadline(const Lapic *lapic)
{
    return timer_mode(lapic) == TIMER_TSC_DEADLINE ? lapic->tsc_deadline : 0;
}

void lapic_set_tsc_deadline(Lapic *lapic, uint64_t tsc)
{
    if (timer_mode(lapic) != TIMER_TSC_DEADLINE)
        return;
    lapic->tsc_deadline = tsc;
    lapic_timer_rearm(lapic);
}
