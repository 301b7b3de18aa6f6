/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "hw/i8254.h"
#include "tests/device/port-io.h"

typedef struct {
    DeviceBus *bus;
    I8254 *pit;
    Wire out0;
} Fixture;

static Fixture *pit_setup(void)
{
    Fixture *f = g_new0(Fixture, 1);
    f->bus = device_bus_new_for_test(0);
    f->pit = i8254_new(f->bus, wire_line(&f->out0));
    device_reset_all(f->bus);
    return f;
}

static void pit_teardown(Fixture *f)
{
    device_bus_free_for_test(f->bus);
    g_free(f);
}

static void program(Fixture *f, int channel, unsigned mode, unsigned count)
{
    outb(f->bus, 0x43, channel << 6 | 0x30 | mode << 1);
    outb(f->bus, 0x40 + channel, count);
    outb(f->bus, 0x40 + channel, count >> 8);
}

static unsigned latched(Fixture *f, int channel)
{
    outb(f->bus, 0x43, channel << 6);
    return inb_twice(f->bus, 0x40 + channel);
}

static void advance_ticks(Fixture *f, int64_t ticks)
{
    int64_t now = clock_now(f->bus->clock);
    int64_t tick = muldiv64(now, I8254_HZ, NS_PER_SEC) + ticks;
    clock_fake_advance(f->bus->clock, muldiv64(tick, NS_PER_SEC, I8254_HZ) + 1 - now);
}

Test(i8254, rate_generator_does_not_drift)
{
    Fixture *f = pit_setup();
    program(f, 0, 2, 11932); /* 99.998 Hz */
    unsigned before = f->out0.rises;
    for (int i = 0; i < 100; i++)
        clock_fake_advance(f->bus->clock, NS_PER_SEC + 12345);
    int64_t ticks = muldiv64(clock_now(f->bus->clock), I8254_HZ, NS_PER_SEC) - 1;
    cr_assert_eq(f->out0.rises - before, ticks / 11932);
    pit_teardown(f);
}

Test(i8254, bios_rate_of_65536)
{
    Fixture *f = pit_setup();
    program(f, 0, 3, 0);
    unsigned before = f->out0.rises;
    for (int i = 0; i < 1000; i++)
        clock_fake_advance(f->bus->clock, NS_PER_SEC / 10);
    cr_assert_eq(f->out0.rises - before, 1820); /* 100 s at 18.2065 Hz */
    pit_teardown(f);
}

Test(i8254, counts_down_and_latches)
{
    Fixture *f = pit_setup();
    program(f, 0, 2, 1000);
    advance_ticks(f, 1);
    cr_assert_eq(latched(f, 0), 1000);
    advance_ticks(f, 10);
    cr_assert_eq(latched(f, 0), 990);
    outb(f->bus, 0x43, 0x00);
    advance_ticks(f, 500);
    cr_assert_eq(inb_twice(f->bus, 0x40), 990);
    cr_assert_eq(latched(f, 0), 490);
    pit_teardown(f);
}

Test(i8254, bcd)
{
    Fixture *f = pit_setup();
    outb(f->bus, 0x43, 0x31); /* mode 0, BCD */
    outb(f->bus, 0x40, 0x00);
    outb(f->bus, 0x40, 0x10);
    advance_ticks(f, 2);
    cr_assert_eq(latched(f, 0), 0x0999);
    pit_teardown(f);
}

Test(i8254, one_shot_interrupts_once)
{
    Fixture *f = pit_setup();
    program(f, 0, 0, 100);
    cr_assert_not(f->out0.level);
    unsigned before = f->out0.rises;
    advance_ticks(f, 100);
    cr_assert_not(f->out0.level);
    advance_ticks(f, 1);
    cr_assert(f->out0.level);
    clock_fake_advance(f->bus->clock, NS_PER_SEC);
    cr_assert_eq(f->out0.rises, before + 1);
    program(f, 0, 4, 100); /* software strobe */
    before = f->out0.rises;
    clock_fake_advance(f->bus->clock, NS_PER_SEC);
    cr_assert_eq(f->out0.rises, before + 1);
    pit_teardown(f);
}

Test(i8254, read_back_status)
{
    Fixture *f = pit_setup();
    program(f, 2, 3, 0x1234);
    outb(f->bus, 0x43, 0xe8); /* status of channel 2 */
    cr_assert_eq(inb(f->bus, 0x42) & 0x3f, 0x36);
    outb(f->bus, 0x43, 0x30); /* channel 0 mode 0 without a count: null, OUT low */
    outb(f->bus, 0x43, 0xe2);
    cr_assert_eq(inb(f->bus, 0x40), 0x70);
    pit_teardown(f);
}

Test(i8254, gate_of_channel_2)
{
    Fixture *f = pit_setup();
    outb(f->bus, 0x61, 0x00);
    program(f, 2, 0, 1000); /* as TSC calibration does */
    advance_ticks(f, 5000);
    cr_assert_eq(inb(f->bus, 0x61) & 0x20, 0);
    outb(f->bus, 0x61, 0x01);
    advance_ticks(f, 999);
    cr_assert_eq(inb(f->bus, 0x61) & 0x21, 0x01);
    advance_ticks(f, 2);
    cr_assert_eq(inb(f->bus, 0x61) & 0x21, 0x21);
    outb(f->bus, 0x61, 0x00);
    program(f, 2, 1, 50); /* one-shot by gate */
    cr_assert_eq(inb(f->bus, 0x61) & 0x20, 0x20);
    outb(f->bus, 0x61, 0x01);
    advance_ticks(f, 10);
    cr_assert_eq(inb(f->bus, 0x61) & 0x20, 0);
    advance_ticks(f, 50);
    cr_assert_eq(inb(f->bus, 0x61) & 0x20, 0x20);
    pit_teardown(f);
}

Test(i8254, new_count_takes_over_at_the_end_of_the_period)
{
    Fixture *f = pit_setup();
    program(f, 0, 2, 1000);
    unsigned before = f->out0.rises;
    advance_ticks(f, 501);
    outb(f->bus, 0x40, 200);
    outb(f->bus, 0x40, 0);
    advance_ticks(f, 500);
    cr_assert_eq(f->out0.rises, before + 1);
    advance_ticks(f, 1000);
    cr_assert_eq(f->out0.rises, before + 6);
    pit_teardown(f);
}

Test(i8254, tiny_counts_do_not_drown_the_host)
{
    Fixture *f = pit_setup();
    program(f, 0, 2, 2);
    unsigned before = f->out0.rises;
    clock_fake_advance(f->bus->clock, NS_PER_SEC / 100);
    cr_assert_leq(f->out0.rises - before, 501);
    cr_assert_geq(f->out0.rises - before, 400);
    pit_teardown(f);
}

Test(i8254, refresh_toggles)
{
    Fixture *f = pit_setup();
    unsigned toggles = 0;
    uint8_t last = inb(f->bus, 0x61) & 0x10;
    for (int i = 0; i < 1000; i++) {
        clock_fake_advance(f->bus->clock, 1000);
        uint8_t bit = inb(f->bus, 0x61) & 0x10;
        toggles += bit != last;
        last = bit;
    }
    cr_assert_eq(toggles, 66); /* 1 ms / 15.085 us */
    pit_teardown(f);
}
