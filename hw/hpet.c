/* SPDX-License-Identifier: MIT
 * HPET registers, comparators and interrupt routing. Source: "IA-PC HPET (High Precision
 * Event Timers) Specification" 1.0a, section 2.3 "Memory-Mapped Registers". */
#include "hw/hpet.h"
#include "base/bits.h"
#include "base/log.h"

#define HPET_SIZE   0x400
#define TIMER_COUNT 3

#define TICK_NS 10

/* Registers */
#define GCAP_ID       0x000
#define GEN_CONF      0x010
#define GINTR_STA     0x020
#define MAIN_CNT      0x0f0
#define TN_BASE       0x100
#define TN_STRIDE     0x20
#define TN_CONF       0x00
#define TN_COMPARATOR 0x08
#define TN_FSB        0x10

/* Capabilities: revision 1, 3 timers, 64-bit counter, legacy replacement, vendor 8086h,
 * period in femtoseconds. */
#define CAPABILITIES                                                                               \
    ((uint64_t)(TICK_NS * 1000000) << 32 | 0x8086u << 16 | 1u << 15 | 1u << 13 |              \
     (TIMER_COUNT - 1) << 8 | 1)

#define CONF_ENABLE BIT(0)
#define CONF_LEGACY BIT(1)

#define TN_LEVEL        BIT(1)
#define TN_ENABLE       BIT(2)
#define TN_PERIODIC     BIT(3)
#define TN_PERIODIC_CAP BIT(4)
#define TN_64BIT_CAP    BIT(5)
#define TN_SET_VALUE    BIT(6)
#define TN_32BIT        BIT(8)
#define TN_ROUTE(conf)  ((unsigned)bits_get(conf, 9, 5))
#define TN_WRITABLE                                                                                \
    (TN_LEVEL | TN_ENABLE | TN_PERIODIC | TN_SET_VALUE | TN_32BIT | UINT64_C(0x1f) << 9)
#define TN_CAPABILITIES (TN_PERIODIC_CAP | TN_64BIT_CAP | (uint64_t)HPET_ROUTES << 32)

/* Interrupts of one comparator closer than this are merged. */
#define MIN_INTERVAL_NS 20000
#define FAR_TICKS       (INT64_MAX / 4 / TICK_NS)

struct Hpet {
    Device device;
    Clock *clock;
    HpetWires wires;
    Timer *timers[TIMER_COUNT];

    uint64_t conf;
    uint64_t status;       /* level interrupts that are asserted */
    uint64_t counter_base; /* the counter at base_ns, or while halted */
    int64_t base_ns;
    uint64_t tn_conf[TIMER_COUNT];
    uint64_t comparator[TIMER_COUNT];
    uint64_t period[TIMER_COUNT];
    uint8_t input_level[2]; /* 8254, real-time clock */
};

static uint64_t hpet_counter(const Hpet *hpet)
{
    if (!(hpet->conf & CONF_ENABLE))
        return hpet->counter_base;
    return hpet->counter_base + (uint64_t)(clock_now(hpet->clock) - hpet->base_ns) / TICK_NS;
}

/* ---- interrupt lines ---- */

static const IrqLine *hpet_line(const Hpet *hpet, unsigned n)
{
    static const IrqLine none;
    if ((hpet->conf & CONF_LEGACY) && n < 2)
        return n == 0 ? &hpet->wires.irq0 : &hpet->wires.irq8;
    unsigned route = TN_ROUTE(hpet->tn_conf[n]);
    return route < 24 && (HPET_ROUTES & BIT(route)) ? &hpet->wires.gsi[route] : &none;
}

static void hpet_interrupt(Hpet *hpet, unsigned n)
{
    if (!(hpet->tn_conf[n] & TN_ENABLE))
        return;
    if (hpet->tn_conf[n] & TN_LEVEL) {
        hpet->status |= BIT(n);
        irq_set(hpet_line(hpet, n), true);
    } else {
        irq_pulse(hpet_line(hpet, n));
    }
}

/* Around changes of routing: let go of the level lines, and take them again. */
static void hpet_release_lines(Hpet *hpet)
{
    for (unsigned n = 0; n < TIMER_COUNT; n++) {
        if (hpet->status & BIT(n))
            irq_set(hpet_line(hpet, n), false);
    }
}

static void hpet_drive_lines(Hpet *hpet)
{
    for (unsigned n = 0; n < TIMER_COUNT; n++) {
        uint64_t both = TN_ENABLE | TN_LEVEL;
        if (!(hpet->conf & CONF_ENABLE) || (hpet->tn_conf[n] & both) != both)
            hpet->status &= ~BIT(n);
        if (hpet->status & BIT(n))
            irq_set(hpet_line(hpet, n), true);
    }
}

static void hpet_legacy_set(void *opaque, int index, bool level)
{
    Hpet *hpet = opaque;
    hpet->input_level[index] = level;
    if (!(hpet->conf & CONF_LEGACY))
        irq_set(index == 0 ? &hpet->wires.irq0 : &hpet->wires.irq8, level);
}

IrqLine hpet_legacy_input(Hpet *hpet, int irq)
{
    g_assert(irq == 0 || irq == 8);
    return (IrqLine){hpet_legacy_set, hpet, irq == 0 ? 0 : 1};
}

/* ---- comparators ---- */

/* Ticks from the comparator's match to now; negative: still to come. */
static int64_t hpet_lateness(const Hpet *hpet, unsigned n)
{
    uint64_t late = hpet_counter(hpet) - hpet->comparator[n];
    return hpet->tn_conf[n] & TN_32BIT ? (int32_t)late : (int64_t)late;
}

/* A periodic comparator moves on by whole periods past the counter. */
static void hpet_catch_up(Hpet *hpet, unsigned n)
{
    int64_t late = hpet_lateness(hpet, n);
    uint64_t period = hpet->period[n];
    if (!(hpet->conf & CONF_ENABLE) || !(hpet->tn_conf[n] & TN_PERIODIC) || !period || late < 0)
        return;
    hpet->comparator[n] += ((uint64_t)late / period + 1) * period;
    if (hpet->tn_conf[n] & TN_32BIT)
        hpet->comparator[n] = (uint32_t)hpet->comparator[n];
}

/* Ticks until the next match, or -1: never. A match at this very tick counts only when
 * the comparator was just written. */
static int64_t hpet_ticks_to_match(Hpet *hpet, unsigned n, bool written)
{
    uint64_t ahead = hpet->comparator[n] - hpet_counter(hpet);
    if (hpet->tn_conf[n] & TN_32BIT) {
        ahead = (uint32_t)ahead;
        return ahead || written ? (int64_t)ahead : INT64_C(1) << 32;
    }
    if (ahead > FAR_TICKS || (!ahead && !written))
        return -1;
    return (int64_t)ahead;
}

static void hpet_arm(Hpet *hpet, unsigned n, bool written)
{
    uint64_t conf = hpet->tn_conf[n];
    if (!(hpet->conf & CONF_ENABLE) || !(conf & TN_ENABLE)) {
        timer_cancel(hpet->timers[n]);
        return;
    }
    if (!written || hpet_lateness(hpet, n) > 0)
        hpet_catch_up(hpet, n);
    int64_t ticks = hpet_ticks_to_match(hpet, n, written);
    if (ticks < 0) {
        timer_cancel(hpet->timers[n]);
        return;
    }
    int64_t now = clock_now(hpet->clock);
    int64_t phase = (now - hpet->base_ns) % TICK_NS;
    int64_t deadline = now - phase + ticks * TICK_NS;
    if ((conf & TN_PERIODIC) && !written)
        deadline = MAX(deadline, now + MIN_INTERVAL_NS);
    timer_arm(hpet->timers[n], deadline);
}

static void hpet_fire(Hpet *hpet, unsigned n)
{
    hpet_interrupt(hpet, n);
    hpet_arm(hpet, n, false);
}

static void hpet_fire0(void *opaque)
{
    hpet_fire(opaque, 0);
}

static void hpet_fire1(void *opaque)
{
    hpet_fire(opaque, 1);
}

static void hpet_fire2(void *opaque)
{
    hpet_fire(opaque, 2);
}

/* ---- registers ---- */

static void hpet_write_conf(Hpet *hpet, uint64_t value)
{
    uint64_t counter = hpet_counter(hpet);
    bool was_legacy = hpet->conf & CONF_LEGACY;
    hpet_release_lines(hpet);
    hpet->conf = value & (CONF_ENABLE | CONF_LEGACY);
    hpet->counter_base = counter;
    hpet->base_ns = clock_now(hpet->clock);
    bool legacy = hpet->conf & CONF_LEGACY;
    if (legacy != was_legacy) {
        irq_set(&hpet->wires.irq0, !legacy && hpet->input_level[0]);
        irq_set(&hpet->wires.irq8, !legacy && hpet->input_level[1]);
    }
    hpet_drive_lines(hpet);
    for (unsigned n = 0; n < TIMER_COUNT; n++)
        hpet_arm(hpet, n, false);
}

static void hpet_write_counter(Hpet *hpet, uint64_t value)
{
    if (hpet->conf & CONF_ENABLE)
        log_guest_error("hpet: counter written while it runs");
    hpet->counter_base = value;
    hpet->base_ns = clock_now(hpet->clock);
    for (unsigned n = 0; n < TIMER_COUNT; n++)
        hpet_arm(hpet, n, false);
}

static void hpet_write_status(Hpet *hpet, uint64_t value)
{
    uint64_t cleared = hpet->status & value;
    for (unsigned n = 0; n < TIMER_COUNT; n++) {
        if (cleared & BIT(n))
            irq_set(hpet_line(hpet, n), false);
    }
    hpet->status &= ~value;
}

static void hpet_write_tn_conf(Hpet *hpet, unsigned n, uint64_t value)
{
    hpet_catch_up(hpet, n);
    hpet_release_lines(hpet);
    hpet->tn_conf[n] = (value & TN_WRITABLE) | TN_CAPABILITIES;
    if (value & TN_32BIT) {
        hpet->comparator[n] = (uint32_t)hpet->comparator[n];
        hpet->period[n] = (uint32_t)hpet->period[n];
    }
    hpet_drive_lines(hpet);
    hpet_arm(hpet, n, false);
}

/* One-shot: the match. Periodic: the period, and with "set value" the first match too. */
static void hpet_write_comparator(Hpet *hpet, unsigned n, unsigned shift, unsigned bits,
                                  uint64_t value)
{
    uint64_t conf = hpet->tn_conf[n];
    bool periodic = conf & TN_PERIODIC;
    uint64_t mask = conf & TN_32BIT ? UINT32_MAX : UINT64_MAX;
    bool match = !periodic || (conf & TN_SET_VALUE);
    if (match)
        hpet->comparator[n] = bits_set(hpet->comparator[n], shift, bits, value) & mask;
    if (periodic)
        hpet->period[n] = bits_set(hpet->period[n], shift, bits, value) & mask;
    hpet->tn_conf[n] &= ~TN_SET_VALUE;
    hpet_arm(hpet, n, match);
}

/* The whole 64-bit register at `offset`, a multiple of 8. */
static uint64_t hpet_register(Hpet *hpet, uint64_t offset)
{
    switch (offset) {
    case GCAP_ID:
        return CAPABILITIES;
    case GEN_CONF:
        return hpet->conf;
    case GINTR_STA:
        return hpet->status;
    case MAIN_CNT:
        return hpet_counter(hpet);
    }
    uint64_t n = (offset - TN_BASE) / TN_STRIDE;
    if (offset < TN_BASE || n >= TIMER_COUNT)
        return 0;
    switch ((offset - TN_BASE) % TN_STRIDE) {
    case TN_CONF:
        return hpet->tn_conf[n];
    case TN_COMPARATOR:
        hpet_catch_up(hpet, (unsigned)n);
        return hpet->comparator[n];
    default:
        return 0; /* TN_FSB: no message-signalled interrupts */
    }
}

static uint64_t hpet_read(void *opaque, uint64_t offset, unsigned size)
{
    unsigned shift = (unsigned)(offset & 7) * 8;
    return bits_get(hpet_register(opaque, offset & ~UINT64_C(7)), shift, size * 8);
}

static void hpet_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Hpet *hpet = opaque;
    unsigned shift = (unsigned)(offset & 7) * 8;
    unsigned bits = size * 8;
    uint64_t reg = offset & ~UINT64_C(7);
    uint64_t n = (reg - TN_BASE) / TN_STRIDE;
    switch (reg) {
    case GEN_CONF:
        hpet_write_conf(hpet, bits_set(hpet->conf, shift, bits, value));
        return;
    case GINTR_STA:
        hpet_write_status(hpet, bits_set(0, shift, bits, value));
        return;
    case MAIN_CNT:
        hpet_write_counter(hpet, bits_set(hpet_counter(hpet), shift, bits, value));
        return;
    }
    if (reg < TN_BASE || n >= TIMER_COUNT)
        return;
    switch ((reg - TN_BASE) % TN_STRIDE) {
    case TN_CONF:
        hpet_write_tn_conf(hpet, (unsigned)n, bits_set(hpet->tn_conf[n], shift, bits, value));
        break;
    case TN_COMPARATOR:
        hpet_write_comparator(hpet, (unsigned)n, shift, bits, value);
        break;
    case TN_FSB:
        log_unimp("hpet: message-signalled interrupts");
        break;
    }
}

static const RegionOps hpet_ops = {hpet_read, hpet_write, 4, 8};

static void hpet_reset(Device *device)
{
    Hpet *hpet = (Hpet *)device;
    hpet_write_conf(hpet, 0);
    hpet->counter_base = 0;
    hpet->status = 0;
    for (unsigned n = 0; n < TIMER_COUNT; n++) {
        hpet->tn_conf[n] = TN_CAPABILITIES;
        hpet->comparator[n] = UINT64_MAX;
        hpet->period[n] = 0;
        timer_cancel(hpet->timers[n]);
    }
}

static void hpet_free(Device *device)
{
    Hpet *hpet = (Hpet *)device;
    for (unsigned n = 0; n < TIMER_COUNT; n++)
        timer_free(hpet->timers[n]);
    g_free(hpet);
}

static const StateField hpet_state[] = {
    STATE(Hpet, conf),
    STATE(Hpet, status),
    STATE(Hpet, counter_base),
    STATE(Hpet, base_ns),
    STATE_ARRAY(Hpet, tn_conf),
    STATE_ARRAY(Hpet, comparator),
    STATE_ARRAY(Hpet, period),
    STATE_ARRAY(Hpet, input_level),
    STATE_TIMER(Hpet, timers[0]),
    STATE_TIMER(Hpet, timers[1]),
    STATE_TIMER(Hpet, timers[2]),
    STATE_END,
};

static const DeviceClass hpet_class = {
    .name = "hpet",
    .description = "high precision event timers",
    .reset = hpet_reset,
    .free = hpet_free,
    .state = hpet_state,
};

Hpet *hpet_new(const DeviceBus *bus, const HpetWires *wires)
{
    static const TimerFn fire[TIMER_COUNT] = {hpet_fire0, hpet_fire1, hpet_fire2};
    Hpet *hpet = device_register(bus, &hpet_class, sizeof(*hpet));
    hpet->clock = bus->clock;
    hpet->wires = *wires;
    for (unsigned n = 0; n < TIMER_COUNT; n++)
        hpet->timers[n] = timer_new(bus->clock, fire[n], hpet);
    address_space_add_mmio(bus->as, "hpet", HPET_BASE, HPET_SIZE, 0, &hpet_ops, hpet);
    hpet_reset(&hpet->device);
    return hpet;
}
