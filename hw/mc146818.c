/* SPDX-License-Identifier: MIT
 * Real-time clock, after the Motorola MC146818 data sheet ("A"..."D": registers A to D). The
 * date is a distance from the guest clock; registers and flags are worked out when the guest
 * looks, and a timer runs only while an enabled interrupt has not come yet. */
#include "hw/mc146818.h"

#include "base/bits.h"
#include "base/log.h"

enum {
    REG_SECONDS,
    REG_SECONDS_ALARM,
    REG_MINUTES,
    REG_MINUTES_ALARM,
    REG_HOURS,
    REG_HOURS_ALARM,
    REG_WEEKDAY,
    REG_DAY,
    REG_MONTH,
    REG_YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
    REG_CENTURY = 0x32, /* where PC firmware keeps it */
};
enum { A_UIP = 0x80, A_DIVIDER_RESET = 0x60, A_RATE = 0x0f, A_DEFAULT = 0x26 };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_SQWE = 0x08 };
enum { B_BINARY = 0x04, B_24H = 0x02 };
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10, C_FLAGS = 0x70 };
enum { D_VRT = 0x80 };
enum { ALARM_ANY = 0xc0, HOURS_PM = 0x80 };

#define RTC_HZ 32768
/* With a 32.768 kHz time base: UIP rises 244 us before an update, which takes 1984 us. */
#define UIP_NS          2228000
#define FIRST_UPDATE_NS (NS_PER_SEC / 2) /* after the divider is released */

struct Mc146818 {
    Device device;
    uint8_t cmos[256];
    uint8_t index;     /* of port 71h */
    uint8_t ext_index; /* of port 73h */
    uint8_t nmi_masked;
    int64_t base_seconds; /* date at clock zero: seconds since 1970... */
    int64_t base_ns;      /* ...and 0..999999999 more */
    int64_t seen_seconds; /* up to which date UF and AF are worked out */
    int64_t seen_tick;    /* up to which 32768 Hz tick PF is */
    int64_t written_seconds; /* while the date is this, the registers are as the guest wrote them */
    Clock *clock;
    Timer *timer;
    IrqLine irq;
};

/* ---- date ---- */

static bool rtc_running(const Mc146818 *rtc)
{
    return !(rtc->cmos[REG_B] & B_SET) && (rtc->cmos[REG_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

/* The date in seconds; *ns: the rest. */
static int64_t rtc_now(const Mc146818 *rtc, int64_t *ns)
{
    int64_t sum = clock_now(rtc->clock) + rtc->base_ns;
    *ns = sum % NS_PER_SEC;
    return rtc->base_seconds + sum / NS_PER_SEC;
}

static void rtc_set_now(Mc146818 *rtc, int64_t seconds, int64_t ns)
{
    int64_t clock_ns = clock_now(rtc->clock);

    rtc->base_seconds = seconds - clock_ns / NS_PER_SEC;
    rtc->base_ns = ns - clock_ns % NS_PER_SEC;
    if (rtc->base_ns < 0) {
        rtc->base_ns += NS_PER_SEC;
        rtc->base_seconds--;
    }
    rtc->seen_seconds = seconds;
}

static uint8_t rtc_encode(const Mc146818 *rtc, int v)
{
    return (uint8_t)(rtc->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static int rtc_decode(const Mc146818 *rtc, uint8_t v)
{
    return rtc->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t rtc_encode_hours(const Mc146818 *rtc, int hours)
{
    if (rtc->cmos[REG_B] & B_24H)
        return rtc_encode(rtc, hours);
    uint8_t v = rtc_encode(rtc, hours % 12 ? hours % 12 : 12);
    return hours >= 12 ? v | HOURS_PM : v;
}

static int rtc_decode_hours(const Mc146818 *rtc, uint8_t v)
{
    if (rtc->cmos[REG_B] & B_24H)
        return rtc_decode(rtc, v);
    return rtc_decode(rtc, v & (uint8_t)~HOURS_PM) % 12 + (v & HOURS_PM ? 12 : 0);
}

/* Until the first update after it, a date is what the guest wrote, possible or not. */
static bool rtc_as_written(const Mc146818 *rtc)
{
    int64_t ns;

    return rtc_now(rtc, &ns) == rtc->written_seconds;
}

/* Put the running date into the registers; a stopped clock's registers are the guest's. */
static void rtc_load_registers(Mc146818 *rtc)
{
    int64_t ns;

    if (!rtc_running(rtc) || rtc_as_written(rtc))
        return;
    GDateTime *date = g_date_time_new_from_unix_utc(rtc_now(rtc, &ns));
    if (!date) /* after the year 9999: it stands still there */
        return;
    rtc->cmos[REG_SECONDS] = rtc_encode(rtc, g_date_time_get_second(date));
    rtc->cmos[REG_MINUTES] = rtc_encode(rtc, g_date_time_get_minute(date));
    rtc->cmos[REG_HOURS] = rtc_encode_hours(rtc, g_date_time_get_hour(date));
    rtc->cmos[REG_WEEKDAY] = rtc_encode(rtc, g_date_time_get_day_of_week(date) % 7 + 1);
    rtc->cmos[REG_DAY] = rtc_encode(rtc, g_date_time_get_day_of_month(date));
    rtc->cmos[REG_MONTH] = rtc_encode(rtc, g_date_time_get_month(date));
    rtc->cmos[REG_YEAR] = rtc_encode(rtc, g_date_time_get_year(date) % 100);
    rtc->cmos[REG_CENTURY] = rtc_encode(rtc, g_date_time_get_year(date) / 100);
    g_date_time_unref(date);
}

/* The registers become the date. Guests write them one by one, so impossible ones occur; the next
 * update carries them over (February 30 is March 1 or 2). */
static void rtc_store_registers(Mc146818 *rtc, int64_t ns)
{
    const uint8_t *r = rtc->cmos;
    int year = rtc_decode(rtc, r[REG_CENTURY]) * 100 + rtc_decode(rtc, r[REG_YEAR]);
    int month = CLAMP(rtc_decode(rtc, r[REG_MONTH]), 1, 12);
    GDateTime *date = g_date_time_new_utc(CLAMP(year, 1, 9998), month, 1, 0, 0, 0);
    int64_t seconds = g_date_time_to_unix(date);

    g_date_time_unref(date);
    seconds += (rtc_decode(rtc, r[REG_DAY]) - 1) * INT64_C(86400);
    seconds += rtc_decode_hours(rtc, r[REG_HOURS]) * 3600;
    seconds += rtc_decode(rtc, r[REG_MINUTES]) * 60 + rtc_decode(rtc, r[REG_SECONDS]);
    rtc_set_now(rtc, seconds, ns);
    rtc->written_seconds = seconds;
}

static bool rtc_is_date_register(unsigned index)
{
    switch (index) {
    case REG_SECONDS:
    case REG_MINUTES:
    case REG_HOURS:
    case REG_WEEKDAY:
    case REG_DAY:
    case REG_MONTH:
    case REG_YEAR:
    case REG_CENTURY:
        return true;
    default:
        return false;
    }
}

/* ---- interrupts ---- */

static bool alarm_matches(uint8_t alarm, int decoded, int64_t value)
{
    return alarm >= ALARM_ANY || decoded == value;
}

/* The first second after `seconds` that the alarm registers match; INT64_MAX: none. */
static int64_t rtc_next_alarm(const Mc146818 *rtc, int64_t seconds)
{
    const uint8_t *r = rtc->cmos;
    int hour = rtc_decode_hours(rtc, r[REG_HOURS_ALARM]);
    int minute = rtc_decode(rtc, r[REG_MINUTES_ALARM]);
    int second = rtc_decode(rtc, r[REG_SECONDS_ALARM]);
    int64_t t = seconds + 1;

    /* A day back and forth by hours, minutes and seconds takes fewer steps than this. */
    for (int step = 0; step < 300 && t >= 0; step++) {
        if (!alarm_matches(r[REG_HOURS_ALARM], hour, t / 3600 % 24))
            t = (t / 3600 + 1) * 3600;
        else if (!alarm_matches(r[REG_MINUTES_ALARM], minute, t / 60 % 60))
            t = (t / 60 + 1) * 60;
        else if (!alarm_matches(r[REG_SECONDS_ALARM], second, t % 60))
            t++;
        else
            return t;
    }
    return INT64_MAX;
}

/* 32768 Hz ticks between periodic interrupts; 0: none. Rates 1 and 2 are 256 and 128 Hz. */
static int64_t rtc_period(const Mc146818 *rtc)
{
    unsigned rate = rtc->cmos[REG_A] & A_RATE;

    if (rate == 0 || (rtc->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET)
        return 0;
    return INT64_C(1) << ((rate <= 2 ? rate + 7 : rate) - 1);
}

/* Set the flags of what has happened since the last look. */
static void rtc_sync_flags(Mc146818 *rtc)
{
    int64_t tick = muldiv64(clock_now(rtc->clock), RTC_HZ, (uint32_t)NS_PER_SEC);
    int64_t period = rtc_period(rtc), ns, seconds = rtc_now(rtc, &ns);
    uint8_t *c = &rtc->cmos[REG_C];

    if (period && tick / period > rtc->seen_tick / period)
        *c |= C_PF;
    rtc->seen_tick = tick;
    if (rtc_running(rtc) && seconds > rtc->seen_seconds) {
        *c |= C_UF;
        if (rtc_next_alarm(rtc, rtc->seen_seconds) <= seconds)
            *c |= C_AF;
    }
    rtc->seen_seconds = seconds;
    if (*c & rtc->cmos[REG_B] & C_FLAGS) /* enables and flags are the same bits */
        *c |= C_IRQF;
    else
        *c &= (uint8_t)~C_IRQF;
}

static int64_t rtc_date_to_clock(const Mc146818 *rtc, int64_t seconds)
{
    return (seconds - rtc->base_seconds) * NS_PER_SEC - rtc->base_ns;
}

/* Drive the wire and wait for the next enabled event, if the wire is low. */
static void rtc_update_irq(Mc146818 *rtc)
{
    uint8_t b = rtc->cmos[REG_B], c = rtc->cmos[REG_C];
    int64_t deadline = INT64_MAX, period = rtc_period(rtc);

    irq_set(&rtc->irq, c & C_IRQF);
    if (!(c & C_IRQF)) {
        if ((b & B_PIE) && period) {
            int64_t tick = (rtc->seen_tick / period + 1) * period;
            deadline = muldiv64(tick, (uint32_t)NS_PER_SEC, RTC_HZ) + 1;
        }
        if ((b & B_UIE) && rtc_running(rtc))
            deadline = MIN(deadline, rtc_date_to_clock(rtc, rtc->seen_seconds + 1));
        int64_t alarm = INT64_MAX;
        if ((b & B_AIE) && rtc_running(rtc))
            alarm = rtc_next_alarm(rtc, rtc->seen_seconds);
        if (alarm != INT64_MAX)
            deadline = MIN(deadline, rtc_date_to_clock(rtc, alarm));
    }
    if (deadline == INT64_MAX)
        timer_cancel(rtc->timer);
    else
        timer_arm(rtc->timer, deadline);
}

static void rtc_timer_fired(void *opaque)
{
    Mc146818 *rtc = opaque;

    rtc_sync_flags(rtc);
    rtc_update_irq(rtc);
}

/* ---- registers ---- */

static void rtc_write_control(Mc146818 *rtc, unsigned index, uint8_t value)
{
    bool from_registers = !rtc_running(rtc) || rtc_as_written(rtc);
    bool was_held = (rtc->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
    int64_t ns;

    rtc_load_registers(rtc);
    rtc_now(rtc, &ns);
    if (index == REG_A)
        rtc->cmos[REG_A] = value & (uint8_t)~A_UIP;
    else
        rtc->cmos[REG_B] = value & B_SET ? value & (uint8_t)~B_UIE : value;
    if (from_registers && rtc_running(rtc))
        rtc_store_registers(rtc, was_held ? FIRST_UPDATE_NS : ns);
    rtc_sync_flags(rtc);
    rtc_update_irq(rtc);
}

static void rtc_write_date(Mc146818 *rtc, unsigned index, uint8_t value)
{
    int64_t ns;

    rtc_load_registers(rtc);
    rtc->cmos[index] = value;
    if (!rtc_running(rtc))
        return;
    rtc_now(rtc, &ns);
    rtc_store_registers(rtc, ns);
    rtc_update_irq(rtc);
}

static void rtc_write(Mc146818 *rtc, unsigned index, uint8_t value)
{
    rtc_sync_flags(rtc);
    if (rtc_is_date_register(index)) {
        rtc_write_date(rtc, index, value);
        return;
    }
    switch (index) {
    case REG_A:
    case REG_B:
        rtc_write_control(rtc, index, value);
        break;
    case REG_C:
    case REG_D:
        break; /* read only */
    default:
        rtc->cmos[index] = value;
        if (index <= REG_HOURS_ALARM)
            rtc_update_irq(rtc);
        break;
    }
}

static uint8_t rtc_read_flags(Mc146818 *rtc)
{
    rtc_sync_flags(rtc);
    uint8_t value = rtc->cmos[REG_C];
    rtc->cmos[REG_C] = 0;
    rtc_update_irq(rtc);
    return value;
}

static uint8_t rtc_read(Mc146818 *rtc, unsigned index)
{
    int64_t ns;

    if (index == REG_C)
        return rtc_read_flags(rtc);
    if (index == REG_A) {
        rtc_now(rtc, &ns);
        bool updating = rtc_running(rtc) && ns >= NS_PER_SEC - UIP_NS;
        return rtc->cmos[REG_A] | (updating ? A_UIP : 0);
    }
    if (rtc_is_date_register(index))
        rtc_load_registers(rtc);
    return rtc->cmos[index];
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    Mc146818 *rtc = opaque;

    switch (offset) {
    case 1:
        return rtc_read(rtc, rtc->index);
    case 3:
        return rtc_read(rtc, 128u + rtc->ext_index);
    default:
        return 0xff; /* the index registers are write only */
    }
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Mc146818 *rtc = opaque;

    switch (offset) {
    case 0:
        rtc->index = value & 0x7f;
        rtc->nmi_masked = !!(value & 0x80);
        break;
    case 1:
        rtc_write(rtc, rtc->index, (uint8_t)value);
        break;
    case 2:
        rtc->ext_index = value & 0x7f;
        break;
    case 3:
        rtc_write(rtc, 128u + rtc->ext_index, (uint8_t)value);
        break;
    }
}

/* ---- device ---- */

void mc146818_set_cmos(Mc146818 *rtc, unsigned index, uint8_t value)
{
    g_assert(index > REG_D && index < sizeof(rtc->cmos) && index != REG_CENTURY);
    rtc->cmos[index] = value;
}

bool mc146818_nmi_masked(const Mc146818 *rtc)
{
    return rtc->nmi_masked;
}

/* The RESET pin: date and memory live on a battery. */
static void mc146818_reset(Device *device)
{
    Mc146818 *rtc = (Mc146818 *)device;

    rtc->cmos[REG_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    rtc->nmi_masked = 0;
    rtc_sync_flags(rtc);
    rtc->cmos[REG_C] = 0;
    rtc_update_irq(rtc);
}

static void mc146818_free(Device *device)
{
    Mc146818 *rtc = (Mc146818 *)device;

    timer_free(rtc->timer);
    g_free(rtc);
}

static const StateField mc146818_state[] = {
    STATE_ARRAY(Mc146818, cmos),   STATE(Mc146818, index),
    STATE(Mc146818, ext_index),    STATE(Mc146818, nmi_masked),
    STATE(Mc146818, base_seconds), STATE(Mc146818, base_ns),
    STATE(Mc146818, seen_seconds), STATE(Mc146818, seen_tick),
    STATE(Mc146818, written_seconds), STATE_TIMER(Mc146818, timer),
    STATE_END,
};

static const DeviceClass mc146818_class = {
    .name = "mc146818rtc",
    .description = "MC146818 real-time clock and CMOS memory",
    .reset = mc146818_reset,
    .free = mc146818_free,
    .state = mc146818_state,
};

static const RegionOps port_ops = {port_read, port_write, 1, 1};

Mc146818 *mc146818_new(const DeviceBus *bus, IrqLine irq, int64_t unix_seconds)
{
    Mc146818 *rtc = device_register(bus, &mc146818_class, sizeof(*rtc));

    rtc->clock = bus->clock;
    rtc->irq = irq;
    rtc->timer = timer_new(bus->clock, rtc_timer_fired, rtc);
    rtc->base_seconds = unix_seconds;
    rtc->seen_seconds = unix_seconds;
    rtc->written_seconds = INT64_MIN;
    rtc->cmos[REG_A] = A_DEFAULT;
    rtc->cmos[REG_B] = B_24H;
    rtc->cmos[REG_D] = D_VRT;
    address_space_add_io(bus->as, "rtc", 0x70, 4, 0, &port_ops, rtc);
    return rtc;
}
