/* SPDX-License-Identifier: MIT
 * HPET on a bare bus: counter, one-shot and periodic comparators, routing. */
#include <criterion/criterion.h>
#include "hw/hpet.h"

typedef struct {
    DeviceBus *bus;
    Hpet *hpet;
    int edges[25]; /* I/O APIC inputs; 24 is IRQ 0's line */
    bool level[25];
} Rig;

static void rig_line(void *opaque, int number, bool level)
{
    Rig *rig = opaque;
    rig->edges[number] += level && !rig->level[number];
    rig->level[number] = level;
}

static void rig_open(Rig *rig)
{
    *rig = (Rig){.bus = device_bus_new_for_test(0x10000)};
    HpetWires wires = {.irq0 = {rig_line, rig, 24}, .irq8 = {rig_line, rig, 8}};
    for (int i = 0; i < 24; i++)
        wires.gsi[i] = (IrqLine){rig_line, rig, i};
    rig->hpet = hpet_new(rig->bus, &wires);
    device_reset_all(rig->bus);
}

static uint64_t rd(Rig *rig, uint32_t reg, unsigned size)
{
    return address_space_read(rig->bus->as, HPET_BASE + reg, size);
}

static void wr(Rig *rig, uint32_t reg, uint64_t value)
{
    address_space_write(rig->bus->as, HPET_BASE + reg, value, 4);
}

Test(hpet, identification_and_counter)
{
    Rig r;
    rig_open(&r);
    cr_assert_eq(rd(&r, 0, 4), 0x8086a201);
    cr_assert_eq(rd(&r, 4, 4), 10000000);
    cr_assert_eq(rd(&r, 0x104, 4), HPET_ROUTES);
    clock_fake_advance(r.bus->clock, 1000);
    cr_assert_eq(rd(&r, 0xf0, 8), 0);
    wr(&r, 0x10, 1);
    clock_fake_advance(r.bus->clock, 12345);
    cr_assert_eq(rd(&r, 0xf0, 4), 1234);
    wr(&r, 0x10, 0);
    clock_fake_advance(r.bus->clock, 1000);
    cr_assert_eq(rd(&r, 0xf0, 8), 1234);
    wr(&r, 0xf4, 2);
    cr_assert_eq(rd(&r, 0xf0, 8), 0x2000004d2);
    device_bus_free_for_test(r.bus);
}

Test(hpet, one_shot_level)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0x140, 20 << 9 | 0x106); /* 32 bits, level, enabled, input 20 */
    wr(&r, 0x148, 500);
    wr(&r, 0x10, 1);
    clock_fake_advance(r.bus->clock, 4999);
    cr_assert(!r.level[20]);
    clock_fake_advance(r.bus->clock, 1);
    cr_assert(r.level[20]);
    cr_assert_eq(rd(&r, 0x20, 4), 4);
    wr(&r, 0x20, 4);
    cr_assert(!r.level[20]);
    cr_assert_eq(rd(&r, 0x20, 4), 0);
    clock_fake_advance(r.bus->clock, INT64_C(42949672960));
    cr_assert_eq(r.edges[20], 2, "again when 32 bits have wrapped");
    wr(&r, 0x140, 20 << 9 | 0x102);
    cr_assert(!r.level[20], "disabled: the line falls");
    wr(&r, 0x140, 3 << 9 | 0x104);
    wr(&r, 0x148, (uint32_t)rd(&r, 0xf0, 4) + 10);
    clock_fake_advance(r.bus->clock, 1000);
    cr_assert_eq(r.edges[3], 0, "input 3 is not ours");
    device_bus_free_for_test(r.bus);
}

Test(hpet, periodic_in_legacy_mode)
{
    Rig r;
    rig_open(&r);
    IrqLine pit = hpet_legacy_input(r.hpet, 0);
    irq_set(&pit, true);
    cr_assert(r.level[24]);
    wr(&r, 0x10, 3);
    cr_assert(!r.level[24], "the 8254 is cut off");
    wr(&r, 0x100, 0x14c); /* enabled, periodic, set value, 32 bits */
    wr(&r, 0x108, (uint32_t)rd(&r, 0xf0, 4) + 100000);
    wr(&r, 0x108, 50000);
    int before = r.edges[24];
    clock_fake_advance(r.bus->clock, 1000000);
    cr_assert_eq(r.edges[24], before + 1);
    clock_fake_advance(r.bus->clock, 2000000);
    cr_assert_eq(r.edges[24], before + 5);
    cr_assert_eq(rd(&r, 0x108, 4), 350000);
    wr(&r, 0x100, 0x104);
    wr(&r, 0x10, 1);
    cr_assert(r.level[24], "and back");
    device_bus_free_for_test(r.bus);
}

Test(hpet, hostile_values)
{
    Rig r;
    rig_open(&r);
    const uint32_t periods[] = {0, 1, 0xffffffff};
    for (int i = 0; i < 3; i++) {
        wr(&r, 0x10, 0);
        wr(&r, 0x120, 21 << 9 | 0x4c);
        wr(&r, 0x128, periods[i]);
        wr(&r, 0x12c, periods[i]);
        wr(&r, 0x10, 1);
        clock_fake_advance(r.bus->clock, 10000000);
        rd(&r, 0x128, 8);
    }
    cr_assert(r.edges[21] <= 501 + 2);
    for (uint32_t reg = 0; reg < 0x400; reg += 4) {
        wr(&r, reg, 0xffffffff);
        rd(&r, reg, 4);
    }
    clock_fake_advance(r.bus->clock, 1000000);
    device_reset_all(r.bus);
    cr_assert_eq(rd(&r, 0x10, 4), 0);
    device_bus_free_for_test(r.bus);
}
