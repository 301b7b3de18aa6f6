/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "hw/mc146818.h"
#include "tests/device/port-io.h"

#define MS INT64_C(1000000)

typedef struct {
    DeviceBus *bus;
    Mc146818 *rtc;
    Wire irq;
} Fixture;

/* 2024-02-28 23:59:58 UTC, a Wednesday */
static Fixture *rtc_setup(void)
{
    Fixture *f = g_new0(Fixture, 1);
    f->bus = device_bus_new_for_test(0);
    f->rtc = mc146818_new(f->bus, wire_line(&f->irq), 1709164798);
    device_reset_all(f->bus);
    return f;
}

static void rtc_teardown(Fixture *f)
{
    device_bus_free_for_test(f->bus);
    g_free(f);
}

static uint8_t get(Fixture *f, unsigned index)
{
    outb(f->bus, 0x70, index);
    return inb(f->bus, 0x71);
}

static void put(Fixture *f, unsigned index, unsigned value)
{
    outb(f->bus, 0x70, index);
    outb(f->bus, 0x71, value);
}

static void run(Fixture *f, int64_t ns)
{
    clock_fake_advance(f->bus->clock, ns);
}

Test(mc146818, tells_the_date_over_a_leap_day)
{
    Fixture *f = rtc_setup();
    cr_assert_eq(get(f, 0), 0x58);
    cr_assert_eq(get(f, 2), 0x59);
    cr_assert_eq(get(f, 4), 0x23);
    cr_assert_eq(get(f, 6), 4); /* Wednesday */
    cr_assert_eq(get(f, 7), 0x28);
    cr_assert_eq(get(f, 8), 0x02);
    cr_assert_eq(get(f, 9), 0x24);
    cr_assert_eq(get(f, 0x32), 0x20);
    run(f, 2 * NS_PER_SEC);
    cr_assert_eq(get(f, 7), 0x29);
    cr_assert_eq(get(f, 4), 0);
    rtc_teardown(f);
}

Test(mc146818, binary_and_12_hours)
{
    Fixture *f = rtc_setup();
    put(f, 0x0b, 0x04);
    cr_assert_eq(get(f, 0), 58);
    cr_assert_eq(get(f, 4), 0x80 | 11);
    run(f, 2 * NS_PER_SEC);
    cr_assert_eq(get(f, 4), 12); /* midnight is 12 AM */
    rtc_teardown(f);
}

Test(mc146818, guest_sets_the_date)
{
    Fixture *f = rtc_setup();
    put(f, 0x0b, 0x82);
    put(f, 0, 0x59);
    put(f, 2, 0x30);
    put(f, 4, 0x12);
    put(f, 7, 0x31);
    put(f, 8, 0x12);
    put(f, 9, 0x99);
    put(f, 0x32, 0x19);
    run(f, 10 * NS_PER_SEC);
    cr_assert_eq(get(f, 0), 0x59); /* held */
    put(f, 0x0b, 0x02);
    run(f, NS_PER_SEC);
    cr_assert_eq(get(f, 0), 0x00);
    cr_assert_eq(get(f, 2), 0x31);
    cr_assert_eq(get(f, 9), 0x99);
    run(f, 12 * 3600 * NS_PER_SEC);
    cr_assert_eq(get(f, 9), 0x00);
    cr_assert_eq(get(f, 0x32), 0x20);
    rtc_teardown(f);
}

static void expect_date(Fixture *f, unsigned month, unsigned day)
{
    cr_assert_eq(get(f, 8), month, "month %02x", get(f, 8));
    cr_assert_eq(get(f, 7), day, "day %02x", get(f, 7));
}

/* INT 1Ah AH=05 stops no clock: a date that is impossible between two writes is not carried over. */
Test(mc146818, guest_sets_the_date_of_a_running_clock)
{
    Fixture *f = rtc_setup();
    put(f, 4, 0x12);
    put(f, 7, 0x31);
    put(f, 8, 0x03);
    expect_date(f, 0x03, 0x31);
    put(f, 8, 0x04);
    expect_date(f, 0x04, 0x31);
    put(f, 7, 0x15);
    expect_date(f, 0x04, 0x15);
    run(f, NS_PER_SEC);
    expect_date(f, 0x04, 0x15);
    put(f, 7, 0x31);
    put(f, 0x0b, 0x82);
    put(f, 8, 0x05);
    put(f, 0x0b, 0x02);
    expect_date(f, 0x05, 0x31);
    put(f, 8, 0x06);
    expect_date(f, 0x06, 0x31);
    run(f, NS_PER_SEC);
    expect_date(f, 0x07, 0x01);
    rtc_teardown(f);
}

Test(mc146818, update_in_progress_comes_before_the_second)
{
    Fixture *f = rtc_setup();
    cr_assert_eq(get(f, 0x0a), 0x26);
    run(f, 999 * MS);
    cr_assert_eq(get(f, 0x0a), 0xa6);
    run(f, MS);
    cr_assert_eq(get(f, 0x0a), 0x26);
    cr_assert_eq(get(f, 0), 0x59);
    rtc_teardown(f);
}

Test(mc146818, divider_release_updates_after_half_a_second)
{
    Fixture *f = rtc_setup();
    run(f, 100 * MS);
    put(f, 0x0a, 0x76);
    run(f, 5 * NS_PER_SEC);
    cr_assert_eq(get(f, 0), 0x58);
    put(f, 0x0a, 0x26);
    run(f, 499 * MS);
    cr_assert_eq(get(f, 0), 0x58);
    run(f, 2 * MS);
    cr_assert_eq(get(f, 0), 0x59);
    rtc_teardown(f);
}

Test(mc146818, periodic_interrupt_at_1024_hz)
{
    Fixture *f = rtc_setup();
    get(f, 0x0c);
    put(f, 0x0b, 0x42);
    for (int i = 0; i < 10000; i++) {
        run(f, MS / 10);
        if (f->irq.level)
            cr_assert_eq(get(f, 0x0c) & 0xc0, 0xc0);
    }
    run(f, 1); /* deadlines are the first whole nanosecond after a tick */
    cr_assert_eq(f->irq.rises, 1024);
    rtc_teardown(f);
}

Test(mc146818, update_interrupt_and_flag)
{
    Fixture *f = rtc_setup();
    run(f, NS_PER_SEC);
    cr_assert_eq(get(f, 0x0c) & 0x90, 0x10); /* a flag without an interrupt */
    put(f, 0x0b, 0x12);
    run(f, 999 * MS);
    cr_assert_not(f->irq.level);
    run(f, MS);
    cr_assert(f->irq.level);
    cr_assert_eq(get(f, 0x0c) & 0x90, 0x90);
    cr_assert_not(f->irq.level);
    rtc_teardown(f);
}

Test(mc146818, alarm)
{
    Fixture *f = rtc_setup();
    put(f, 1, 0x05);
    put(f, 3, 0x01);
    put(f, 5, 0xc0); /* any hour */
    put(f, 0x0b, 0x22);
    run(f, 66 * NS_PER_SEC);
    cr_assert_not(f->irq.level);
    run(f, NS_PER_SEC); /* 00:01:05 */
    cr_assert(f->irq.level);
    cr_assert_eq(get(f, 0x0c) & 0xa0, 0xa0);
    run(f, 3600 * NS_PER_SEC - 1);
    cr_assert_not(f->irq.level);
    run(f, 1);
    cr_assert(f->irq.level);
    rtc_teardown(f);
}

Test(mc146818, impossible_dates_and_alarms_are_survived)
{
    Fixture *f = rtc_setup();
    put(f, 0x0b, 0x72);
    for (unsigned value = 0; value < 256; value += 5) {
        for (unsigned index = 0; index < 10; index++)
            put(f, index, value);
        put(f, 0x32, value);
        run(f, 3 * NS_PER_SEC);
        get(f, 0x0c);
        get(f, 0);
    }
    rtc_teardown(f);
}

Test(mc146818, memory_and_nmi_mask)
{
    Fixture *f = rtc_setup();
    mc146818_set_cmos(f->rtc, 0x34, 0x12);
    cr_assert_eq(get(f, 0x34), 0x12);
    cr_assert_not(mc146818_nmi_masked(f->rtc));
    put(f, 0x80 | 0x0f, 0x0a);
    cr_assert(mc146818_nmi_masked(f->rtc));
    outb(f->bus, 0x72, 0x10);
    outb(f->bus, 0x73, 0x77);
    cr_assert_eq(inb(f->bus, 0x73), 0x77);
    cr_assert_eq(get(f, 0x10), 0);
    device_reset_all(f->bus);
    cr_assert_eq(get(f, 0x0f), 0x0a); /* the shutdown byte survives */
    rtc_teardown(f);
}
