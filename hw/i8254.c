/* SPDX-License-Identifier: MIT
 * 8254 programmable interval timer, after the Intel 82C54 data sheet. Counts are computed from
 * the guest clock when somebody looks; only channel 0 has a host timer, for its rising edges.
 * All times are whole input clocks ("ticks", 1193182 Hz) since the clock's zero, so that no
 * rounding adds up. */
#include "hw/i8254.h"

#include "base/bits.h"
#include "base/log.h"

enum { CHANNELS = 3, SPEAKER = 2 };
enum { REFRESH_TICKS = 18 }; /* 15.085 us between toggles of port 61h bit 4 */
enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum { STATUS_OUT = 0x80, STATUS_NULL = 0x40 };
enum { READ_BACK_NO_COUNT = 0x20, READ_BACK_NO_STATUS = 0x10 };
enum { PORTB_GATE = 0x01, PORTB_WRITABLE = 0x0f };
enum { PORTB_REFRESH = 0x10, PORTB_OUT2 = 0x20 };
enum { PHASE_NO_COUNT, PHASE_WAIT_TRIGGER, PHASE_COUNTING };

#define MIN_TIMER_NS   20000             /* host timers are not armed closer than this */
#define MAX_BACKLOG_NS (NS_PER_SEC / 10) /* older lost edges are not delivered late */

typedef struct {
    int64_t start;         /* tick at which the counter was loaded */
    int64_t frozen;        /* elapsed ticks while the gate holds the counter */
    int64_t pending_at;    /* tick at which `pending` takes effect */
    int64_t pending_start; /* `start` from then on */
    uint32_t reload;       /* 1..65536 */
    uint32_t pending;      /* new count of a running counter; 0: none */
    uint16_t latch;
    uint8_t latch_bytes; /* still to be read */
    uint8_t status_latched;
    uint8_t status;
    uint8_t control; /* control word, bits 5-0 */
    uint8_t gate;
    uint8_t phase;      /* PHASE_* */
    uint8_t write_low;  /* first byte of two */
    uint8_t write_high; /* the second byte of two comes next */
    uint8_t read_high;
    uint8_t reserved[5]; /* no padding: the struct is state as a whole */
} Channel;

struct I8254 {
    Device device;
    Channel channel[CHANNELS];
    int64_t last_rise; /* tick of the last rising edge of channel 0 given out */
    int64_t next_rise;
    uint8_t portb; /* writable bits of port 61h */
    Clock *clock;
    Timer *timer; /* at next_rise, or a little later */
    IrqLine out0;
};

static int64_t ticks_now(const I8254 *pit)
{
    return muldiv64(clock_now(pit->clock), I8254_HZ, (uint32_t)NS_PER_SEC);
}

/* The first nanosecond of a tick. */
static int64_t tick_to_ns(int64_t tick)
{
    return muldiv64(tick, (uint32_t)NS_PER_SEC, I8254_HZ) + 1;
}

/* Modes 6 and 7 are 2 and 3. */
static unsigned channel_mode(const Channel *c)
{
    unsigned mode = (c->control >> 1) & 7;
    return mode > 5 ? mode - 4 : mode;
}

static bool channel_periodic(const Channel *c)
{
    return channel_mode(c) == 2 || channel_mode(c) == 3;
}

static bool channel_triggered(const Channel *c)
{
    return channel_mode(c) == 1 || channel_mode(c) == 5;
}

static unsigned channel_access(const Channel *c)
{
    return (c->control >> 4) & 3;
}

static uint32_t channel_modulus(const Channel *c)
{
    return c->control & 1 ? 10000 : 65536;
}

static unsigned bcd_to_binary(unsigned v)
{
    return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static unsigned binary_to_bcd(unsigned v)
{
    return v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
}

/* Mode 3: ticks for which OUT is high; an odd count is high one tick longer. */
static int64_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

static int64_t channel_elapsed(const Channel *c, int64_t now)
{
    return c->gate || channel_triggered(c) ? now - c->start : c->frozen;
}

/* Let a new count take over whose moment has come. */
static void channel_sync(Channel *c, int64_t now)
{
    if (c->pending && !channel_triggered(c) && c->gate && now >= c->pending_at) {
        c->start = c->pending_start;
        c->reload = c->pending;
        c->pending = 0;
    }
}

static bool channel_out(const Channel *c, int64_t now)
{
    unsigned mode = channel_mode(c);
    if (c->phase != PHASE_COUNTING)
        return mode != 0;
    int64_t e = channel_elapsed(c, now);
    int64_t n = c->reload;
    switch (mode) {
    case 0:
        return e >= n;
    case 1:
        return e < 0 || e >= n;
    case 2:
        return !c->gate || e < 0 || e % n != n - 1;
    case 3:
        return !c->gate || e < 0 || e % n < high_half(c->reload);
    default: /* 4 and 5: a strobe of one tick */
        return e != n;
    }
}

/* The counting element as the guest reads it. */
static uint16_t channel_count(const Channel *c, int64_t now)
{
    int64_t n = c->reload, modulus = channel_modulus(c), count = n;
    int64_t e = c->phase == PHASE_COUNTING ? MAX(channel_elapsed(c, now), 0) : 0;

    if (channel_mode(c) == 2) {
        count = n - e % n;
    } else if (channel_mode(c) == 3) {
        int64_t in_half = e % n;
        if (in_half >= high_half(c->reload))
            in_half -= high_half(c->reload);
        count = (n & ~INT64_C(1)) - 2 * in_half;
    } else {
        count = ((n - e) % modulus + modulus) % modulus;
    }
    return (uint16_t)(c->control & 1 ? binary_to_bcd((unsigned)(count % modulus)) : count);
}

/* The tick of the first rising edge of OUT after `after`; INT64_MAX: none is coming. */
static int64_t channel_next_rise(const Channel *c, int64_t after)
{
    int64_t n = c->reload, rise;

    if (c->phase != PHASE_COUNTING)
        return INT64_MAX;
    after = MAX(after, c->start);
    switch (channel_mode(c)) {
    case 0:
        rise = c->start + n;
        return rise > after ? rise : INT64_MAX;
    case 2:
    case 3:
        if (c->pending && after < c->pending_at)
            return c->pending_start < c->pending_at ? c->pending_start + c->pending : c->pending_at;
        return c->start + n * ((after - c->start) / n + 1);
    case 4:
        rise = c->start + n + 1;
        return rise > after ? rise : INT64_MAX;
    default: /* 1 and 5: the gate of channel 0 never rises */
        return INT64_MAX;
    }
}

/* ---- channel 0's timer ---- */

static void pit_arm(I8254 *pit)
{
    const Channel *c = &pit->channel[0];
    int64_t now = clock_now(pit->clock), gap = 0;

    pit->next_rise = channel_next_rise(c, pit->last_rise);
    if (pit->next_rise == INT64_MAX) {
        timer_cancel(pit->timer);
        return;
    }
    /* After a late timer, catch up, but so that the guest can take each edge apart. */
    int64_t next_ns = tick_to_ns(pit->next_rise);
    if (channel_periodic(c) && next_ns < now + MIN_TIMER_NS) {
        int64_t period = tick_to_ns(c->reload);
        gap = MAX(period / 4, MIN_TIMER_NS);
        if (period < MIN_TIMER_NS || now - next_ns > MAX_BACKLOG_NS)
            pit->next_rise = channel_next_rise(c, ticks_now(pit));
    }
    timer_arm(pit->timer, MAX(tick_to_ns(pit->next_rise), now + gap));
}

/* The wire shows only rising edges: what receives it is edge triggered, and a falling edge of
 * its own would double the host's timer load. */
static void pit_timer_fired(void *opaque)
{
    I8254 *pit = opaque;

    channel_sync(&pit->channel[0], ticks_now(pit));
    irq_set(&pit->out0, false);
    irq_set(&pit->out0, true);
    pit->last_rise = pit->next_rise;
    pit_arm(pit);
}

/* Channel 0 was given a mode or a count. */
static void pit_reprogrammed(I8254 *pit)
{
    const Channel *c = &pit->channel[0];

    if (!c->pending) {
        pit->last_rise = c->start;
        irq_set(&pit->out0, channel_out(c, ticks_now(pit)));
    }
    pit_arm(pit);
}

/* ---- programming ---- */

static void channel_load(Channel *c, uint16_t raw, int64_t now)
{
    uint32_t n = c->control & 1 ? bcd_to_binary(raw) : raw;

    if (n == 0)
        n = channel_modulus(c);
    if (channel_periodic(c) && n == 1)
        n = 2; /* a count of 1 is illegal there */
    if (channel_triggered(c)) {
        if (c->phase == PHASE_COUNTING)
            c->pending = n;
        else
            c->reload = n;
        c->phase = MAX(c->phase, PHASE_WAIT_TRIGGER);
        return;
    }
    if (channel_periodic(c) && c->phase == PHASE_COUNTING) {
        int64_t e = MAX(channel_elapsed(c, now), 0), in_period = e % c->reload;
        bool high = channel_mode(c) == 3 && in_period < high_half(c->reload);
        int64_t rest = (high ? high_half(c->reload) : c->reload) - in_period;
        c->pending = n;
        c->pending_at = now + rest;
        c->pending_start = c->pending_at - (high ? high_half(n) : 0);
        return;
    }
    c->phase = PHASE_COUNTING;
    c->reload = n;
    c->start = now + 1;
    c->frozen = 0;
}

static void channel_write(Channel *c, uint8_t value, int64_t now)
{
    switch (channel_access(c)) {
    case ACCESS_LOW:
        channel_load(c, value, now);
        break;
    case ACCESS_HIGH:
        channel_load(c, (uint16_t)(value << 8), now);
        break;
    default:
        if (c->write_high) {
            c->write_high = 0;
            channel_load(c, (uint16_t)(value << 8 | c->write_low), now);
        } else {
            c->write_high = 1;
            c->write_low = value;
            if (channel_mode(c) == 0)
                c->phase = PHASE_NO_COUNT; /* "the first byte disables the counting" */
        }
        break;
    }
}

static void channel_latch_count(Channel *c, int64_t now)
{
    if (c->latch_bytes)
        return;
    c->latch = channel_count(c, now);
    c->latch_bytes = channel_access(c) == ACCESS_BOTH ? 2 : 1;
    c->read_high = channel_access(c) == ACCESS_HIGH;
}

static void channel_latch_status(Channel *c, int64_t now)
{
    bool null_count = c->phase != PHASE_COUNTING || c->pending || channel_elapsed(c, now) < 0;

    if (c->status_latched)
        return;
    c->status_latched = 1;
    c->status = (uint8_t)((channel_out(c, now) ? STATUS_OUT : 0) | (null_count ? STATUS_NULL : 0) |
                          (c->control & 0x3f));
}

static uint8_t channel_read(Channel *c, int64_t now)
{
    if (c->status_latched) {
        c->status_latched = 0;
        return c->status;
    }
    uint16_t count = c->latch_bytes ? c->latch : channel_count(c, now);
    bool high = channel_access(c) == ACCESS_BOTH ? c->read_high : channel_access(c) == ACCESS_HIGH;
    if (channel_access(c) == ACCESS_BOTH)
        c->read_high = !c->read_high;
    if (c->latch_bytes)
        c->latch_bytes--;
    return (uint8_t)(high ? count >> 8 : count);
}

static void channel_write_control(Channel *c, uint8_t value)
{
    c->control = value & 0x3f;
    c->phase = PHASE_NO_COUNT;
    c->pending = 0;
    c->latch_bytes = c->status_latched = 0;
    c->write_high = c->read_high = 0;
}

static void pit_read_back(I8254 *pit, uint8_t value, int64_t now)
{
    for (int i = 0; i < CHANNELS; i++) {
        if (!(value & BIT(i + 1)))
            continue;
        if (!(value & READ_BACK_NO_COUNT))
            channel_latch_count(&pit->channel[i], now);
        if (!(value & READ_BACK_NO_STATUS))
            channel_latch_status(&pit->channel[i], now);
    }
}

static void pit_write_control(I8254 *pit, uint8_t value, int64_t now)
{
    unsigned which = value >> 6;

    if (which == 3) {
        pit_read_back(pit, value, now);
    } else if ((value >> 4 & 3) == ACCESS_LATCH) {
        channel_latch_count(&pit->channel[which], now);
    } else {
        channel_write_control(&pit->channel[which], value);
        if (which == 0)
            pit_reprogrammed(pit);
    }
}

static void pit_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8254 *pit = opaque;
    int64_t now = ticks_now(pit);

    for (int i = 0; i < CHANNELS; i++)
        channel_sync(&pit->channel[i], now);
    if (offset == 3) {
        pit_write_control(pit, (uint8_t)value, now);
        return;
    }
    channel_write(&pit->channel[offset & 3], (uint8_t)value, now);
    if (offset == 0 && (!pit->channel[0].write_high || pit->channel[0].phase == PHASE_NO_COUNT))
        pit_reprogrammed(pit);
}

static uint64_t pit_read(void *opaque, uint64_t offset, unsigned size)
{
    I8254 *pit = opaque;
    int64_t now = ticks_now(pit);

    if (offset == 3)
        return 0xff; /* write only */
    channel_sync(&pit->channel[offset & 3], now);
    return channel_read(&pit->channel[offset & 3], now);
}

/* ---- system control port B ---- */

static void channel_set_gate(Channel *c, bool gate, int64_t now)
{
    if (gate == c->gate)
        return;
    if (!gate) {
        c->frozen = c->phase == PHASE_COUNTING ? MAX(now - c->start, 0) : 0;
        c->gate = 0;
        return;
    }
    c->gate = 1;
    if (c->phase == PHASE_NO_COUNT)
        return;
    if (channel_triggered(c) || channel_periodic(c)) {
        if (c->pending)
            c->reload = c->pending;
        c->pending = 0;
        c->phase = PHASE_COUNTING;
        c->start = now + 1;
    } else {
        c->start = now - c->frozen;
    }
}

static uint64_t portb_read(void *opaque, uint64_t offset, unsigned size)
{
    I8254 *pit = opaque;
    int64_t now = ticks_now(pit);

    channel_sync(&pit->channel[SPEAKER], now);
    return pit->portb | (now / REFRESH_TICKS & 1 ? PORTB_REFRESH : 0) |
           (channel_out(&pit->channel[SPEAKER], now) ? PORTB_OUT2 : 0);
}

static void portb_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8254 *pit = opaque;
    int64_t now = ticks_now(pit);

    channel_sync(&pit->channel[SPEAKER], now);
    pit->portb = value & PORTB_WRITABLE;
    channel_set_gate(&pit->channel[SPEAKER], value & PORTB_GATE, now);
}

/* ---- device ---- */

static void i8254_reset(Device *device)
{
    I8254 *pit = (I8254 *)device;

    /* The data sheet leaves power-on state undefined; OUT high keeps IRQ 0 quiet. */
    for (int i = 0; i < CHANNELS; i++)
        pit->channel[i] =
            (Channel){.control = ACCESS_BOTH << 4 | 3 << 1, .gate = i != SPEAKER, .reload = 65536};
    pit->portb = 0;
    pit_reprogrammed(pit);
}

static void i8254_free(Device *device)
{
    I8254 *pit = (I8254 *)device;

    timer_free(pit->timer);
    g_free(pit);
}

static void i8254_info(Device *device, GString *out)
{
    const I8254 *pit = (const I8254 *)device;
    int64_t now = ticks_now(pit);

    for (int i = 0; i < CHANNELS; i++) {
        const Channel *c = &pit->channel[i];
        g_string_append_printf(out, "channel %d: mode=%u reload=%u count=%u out=%d gate=%d%s\n", i,
                               channel_mode(c), c->reload, channel_count(c, now),
                               channel_out(c, now), c->gate,
                               c->phase == PHASE_COUNTING ? "" : " stopped");
    }
}

static const StateField i8254_state[] = {
    STATE_ARRAY(I8254, channel), STATE(I8254, last_rise),   STATE(I8254, next_rise),
    STATE(I8254, portb),         STATE_TIMER(I8254, timer), STATE_END,
};

static const DeviceClass i8254_class = {
    .name = "i8254",
    .description = "8254 interval timer and system control port B",
    .reset = i8254_reset,
    .free = i8254_free,
    .state = i8254_state,
    .info = i8254_info,
};

static const RegionOps pit_ops = {pit_read, pit_write, 1, 1};
static const RegionOps portb_ops = {portb_read, portb_write, 1, 1};

I8254 *i8254_new(const DeviceBus *bus, IrqLine out0)
{
    I8254 *pit = device_register(bus, &i8254_class, sizeof(*pit));

    pit->clock = bus->clock;
    pit->out0 = out0;
    pit->timer = timer_new(bus->clock, pit_timer_fired, pit);
    address_space_add_io(bus->as, "pit", 0x40, 4, 0, &pit_ops, pit);
    address_space_add_io(bus->as, "port61", 0x61, 1, 0, &portb_ops, pit);
    return pit;
}
