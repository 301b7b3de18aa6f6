/* SPDX-License-Identifier: MIT
 * Local APIC and I/O APIC on a bare bus: the test plays CPU and 8259. */
#include <criterion/criterion.h>
#include "hw/ioapic.h"
#include "hw/lapic.h"

typedef struct {
    DeviceBus *bus;
    ApicBus *apic_bus;
    Lapic *lapic;
    Ioapic *ioapic;
    bool intr;
    int nmis;
    int inits;
} Rig;

static void rig_line(void *opaque, int number, bool level)
{
    Rig *rig = opaque;
    if (number == 0)
        rig->intr = level;
    else if (number == 1)
        rig->nmis += level;
    else
        rig->inits += level;
}

static int rig_pic(void *opaque)
{
    return 0x08;
}

static int64_t rig_tsc_to_ns(void *opaque, uint64_t tsc)
{
    return (int64_t)((tsc + 1) / 2); /* a 2 GHz TSC */
}

static void rig_open(Rig *rig)
{
    *rig = (Rig){.bus = device_bus_new_for_test(0x10000), .apic_bus = apic_bus_new()};
    rig->lapic = lapic_new(rig->bus, rig->apic_bus, 0);
    rig->ioapic = ioapic_new(rig->bus, rig->apic_bus, IOAPIC_VERSION_EOI);
    lapic_connect_cpu(rig->lapic, (IrqLine){rig_line, rig, 0}, (IrqLine){rig_line, rig, 1},
                      (IrqLine){rig_line, rig, 2});
    lapic_connect_pic(rig->lapic, rig_pic, rig);
    lapic_connect_tsc(rig->lapic, rig_tsc_to_ns, rig);
    device_reset_all(rig->bus);
}

static void rig_close(Rig *rig)
{
    device_bus_free_for_test(rig->bus);
    apic_bus_free(rig->apic_bus);
}

static uint32_t rd(Rig *rig, uint32_t reg)
{
    return (uint32_t)address_space_read(rig->bus->as, LAPIC_BASE + reg, 4);
}

static void wr(Rig *rig, uint32_t reg, uint32_t value)
{
    address_space_write(rig->bus->as, LAPIC_BASE + reg, value, 4);
}

static void io_wr(Rig *rig, uint32_t index, uint32_t value)
{
    address_space_write(rig->bus->as, IOAPIC_BASE, index, 4);
    address_space_write(rig->bus->as, IOAPIC_BASE + 0x10, value, 4);
}

static uint32_t io_rd(Rig *rig, uint32_t index)
{
    address_space_write(rig->bus->as, IOAPIC_BASE, index, 4);
    return (uint32_t)address_space_read(rig->bus->as, IOAPIC_BASE + 0x10, 4);
}

static void pin(Rig *rig, int n, bool level)
{
    IrqLine line = ioapic_input(rig->ioapic, n);
    irq_set(&line, level);
}

static void lint(Rig *rig, int n, bool level)
{
    IrqLine line = lapic_lint_input(rig->lapic, n);
    irq_set(&line, level);
}

Test(lapic, reset_values)
{
    Rig r;
    rig_open(&r);
    cr_assert_eq(rd(&r, 0x30), 0x50014);
    cr_assert_eq(rd(&r, 0xf0), 0xff);
    cr_assert_eq(rd(&r, 0xe0), 0xffffffff);
    cr_assert_eq(rd(&r, 0x320), 0x10000);
    cr_assert_eq(rd(&r, 0x350), 0x700);
    cr_assert_eq(lapic_base_msr(r.lapic), 0xfee00900);
    rig_close(&r);
}

Test(lapic, virtual_wire_and_nmi)
{
    Rig r;
    rig_open(&r);
    lint(&r, 0, true);
    cr_assert(r.intr);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x08);
    cr_assert(r.intr, "the 8259 decides when INTR falls");
    lint(&r, 0, false);
    cr_assert(!r.intr);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x350, 0x10700);
    lint(&r, 0, true);
    cr_assert(!r.intr, "masked");
    wr(&r, 0x350, 0x700);
    cr_assert(r.intr);
    wr(&r, 0x360, 0x400);
    lint(&r, 1, true);
    cr_assert_eq(r.nmis, 1);
    rig_close(&r);
}

Test(lapic, priority_and_nesting)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x300, 0x44031);
    cr_assert(r.intr);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x31);
    cr_assert_eq(rd(&r, 0xa0), 0x30);
    wr(&r, 0x300, 0x44035);
    cr_assert(!r.intr, "same class waits");
    wr(&r, 0x300, 0x44041);
    cr_assert(r.intr);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x41);
    wr(&r, 0xb0, 0);
    cr_assert(!r.intr);
    wr(&r, 0xb0, 0);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x35);
    wr(&r, 0xb0, 0);
    wr(&r, 0x80, 0x50);
    wr(&r, 0x300, 0x44051);
    cr_assert(!r.intr);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0xff, "spurious");
    wr(&r, 0x80, 0x40);
    cr_assert(r.intr);
    rig_close(&r);
}

Test(lapic, errors)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x370, 0xfe);
    wr(&r, 0x300, 0x44005);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0xfe);
    cr_assert_eq(rd(&r, 0x280), 0);
    wr(&r, 0x280, 0);
    cr_assert_eq(rd(&r, 0x280), 0x20);
    wr(&r, 0x370, 0x05); /* an error vector that is an error itself */
    rd(&r, 0x400);
    wr(&r, 0x280, 0);
    cr_assert_eq(rd(&r, 0x280), 0xc0);
    rig_close(&r);
}

Test(lapic, ipis)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x310, 0);
    wr(&r, 0x300, 0x4400); /* NMI to id 0 */
    cr_assert_eq(r.nmis, 1);
    wr(&r, 0x310, 0x01000000);
    wr(&r, 0x300, 0x4400); /* nobody */
    cr_assert_eq(r.nmis, 1);
    wr(&r, 0x300, 0xc4500); /* INIT to all but self */
    cr_assert_eq(r.inits, 0);
    wr(&r, 0xd0, 0x02000000);
    wr(&r, 0x310, 0x02000000);
    wr(&r, 0x300, 0x4861); /* logical, flat */
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x61);
    rig_close(&r);
}

Test(lapic, timer_modes)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x3e0, 0xb); /* divide by 1 */
    wr(&r, 0x320, 0x40);
    wr(&r, 0x380, 1000000);
    clock_fake_advance(r.bus->clock, 400000);
    cr_assert_eq(rd(&r, 0x390), 600000);
    wr(&r, 0x3e0, 0x3); /* by 16 on the fly */
    cr_assert_eq(rd(&r, 0x390), 600000);
    clock_fake_advance(r.bus->clock, 600000 * 16 - 1);
    cr_assert(!r.intr);
    clock_fake_advance(r.bus->clock, 1);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x40);
    cr_assert_eq(rd(&r, 0x390), 0);
    wr(&r, 0xb0, 0);

    wr(&r, 0x320, 0x20041);
    wr(&r, 0x3e0, 0xb);
    wr(&r, 0x380, 100000);
    for (int i = 0; i < 3; i++) {
        clock_fake_advance(r.bus->clock, 100000);
        cr_assert_eq(lapic_acknowledge(r.lapic), 0x41);
        wr(&r, 0xb0, 0);
    }
    wr(&r, 0x380, 1); /* a hostile period must not spin */
    clock_fake_advance(r.bus->clock, 1000000);
    wr(&r, 0x380, 0);
    if (r.intr)
        lapic_acknowledge(r.lapic);
    wr(&r, 0xb0, 0);

    int64_t now = clock_now(r.bus->clock);
    wr(&r, 0x320, 0x40042);
    lapic_set_tsc_deadline(r.lapic, 2 * (uint64_t)now + 2000);
    cr_assert_eq(lapic_tsc_deadline(r.lapic), 2 * (uint64_t)now + 2000);
    clock_fake_advance(r.bus->clock, 1000);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x42);
    cr_assert_eq(lapic_tsc_deadline(r.lapic), 0);
    wr(&r, 0xb0, 0);
    lapic_set_tsc_deadline(r.lapic, 1);
    cr_assert(r.intr, "a deadline in the past fires at once");
    rig_close(&r);
}

/* SDM 3A "APIC Timer": the count stays at zero until the initial count is written again. */
Test(lapic, divider_does_not_revive_a_one_shot)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x3e0, 0xb); /* divide by 1 */
    wr(&r, 0x320, 0x40);
    wr(&r, 0x380, 1000);
    clock_fake_advance(r.bus->clock, 1000);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x40);
    wr(&r, 0xb0, 0);
    wr(&r, 0x3e0, 0xa); /* by 128 */
    cr_assert_eq(rd(&r, 0x390), 0);
    cr_assert_eq(rd(&r, 0x380), 1000);
    clock_fake_advance(r.bus->clock, 1000000);
    cr_assert(!r.intr);
    rig_close(&r);
}

/* SDM 3A "TSC-Deadline Mode": a switch to it, or from it, disarms the timer. */
Test(lapic, change_of_mode_disarms)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x3e0, 0xb);
    for (unsigned mode = 0; mode < 2; mode++) {
        wr(&r, 0x320, mode << 17 | 0x41);
        wr(&r, 0x380, 1000);
        wr(&r, 0x320, 0x40042);
        clock_fake_advance(r.bus->clock, 10000);
        cr_assert(!r.intr, "mode %u to deadline", mode);
        lapic_set_tsc_deadline(r.lapic, 2 * (uint64_t)clock_now(r.bus->clock) + 2000);
        wr(&r, 0x320, mode << 17 | 0x43);
        clock_fake_advance(r.bus->clock, 10000);
        cr_assert(!r.intr, "deadline to mode %u", mode);
    }
    rig_close(&r);
}

/* LINT1 by its delivery mode; a level-triggered fixed pin requests once until its EOI (SDM 3A
 * "Local Vector Table": remote IRR). */
Test(lapic, lint_modes)
{
    enum { LVT_LINT1 = 0x360, REMOTE_IRR = 0x4000 };
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    static const struct {
        uint32_t mode;
        int nmis, inits;
    } cases[] = {{0x400, 1, 0}, {0x500, 1, 1}, {0x10400, 1, 1}, {0x200, 1, 1}};
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        wr(&r, LVT_LINT1, cases[i].mode); /* NMI, INIT, masked, SMI */
        lint(&r, 1, true);
        lint(&r, 1, false);
        cr_assert_eq(r.nmis, cases[i].nmis, "case %u", i);
        cr_assert_eq(r.inits, cases[i].inits, "case %u", i);
        cr_assert(!r.intr);
    }
    wr(&r, LVT_LINT1, 0x51); /* fixed, edge */
    lint(&r, 1, true);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x51);
    wr(&r, 0xb0, 0);
    cr_assert(!r.intr, "an edge is one request");
    lint(&r, 1, false);
    wr(&r, LVT_LINT1, 0x8052); /* fixed, level */
    lint(&r, 1, true);
    cr_assert_eq(rd(&r, LVT_LINT1) & REMOTE_IRR, REMOTE_IRR);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x52);
    lint(&r, 1, false);
    lint(&r, 1, true);
    cr_assert(!r.intr, "until EOI");
    wr(&r, 0xb0, 0);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x52, "still high");
    lint(&r, 1, false);
    wr(&r, 0xb0, 0);
    cr_assert(!r.intr);
    cr_assert_eq(rd(&r, LVT_LINT1) & REMOTE_IRR, 0);
    rig_close(&r);
}

Test(lapic, base_msr)
{
    Rig r;
    rig_open(&r);
    cr_assert(lapic_set_base_msr(r.lapic, 0xfed10900));
    cr_assert_eq(rd(&r, 0x30), 0xffffffff);
    cr_assert_eq(address_space_read(r.bus->as, 0xfed10030, 4), 0x50014);
    cr_assert(!lapic_set_base_msr(r.lapic, 0xfee00d00), "no x2APIC");
    lint(&r, 0, true);
    cr_assert(lapic_set_base_msr(r.lapic, 0xfee00100));
    cr_assert(r.intr, "8259 straight to INTR");
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x08);
    lint(&r, 1, true);
    cr_assert_eq(r.nmis, 1);
    cr_assert_eq(rd(&r, 0x30), 0xffffffff);
    device_reset_all(r.bus);
    cr_assert_eq(rd(&r, 0x30), 0x50014);
    rig_close(&r);
}

Test(ioapic, registers)
{
    Rig r;
    rig_open(&r);
    cr_assert_eq(io_rd(&r, 1), 0x170020);
    io_wr(&r, 0, 0xff000000);
    cr_assert_eq(io_rd(&r, 0), 0x0f000000);
    cr_assert_eq(io_rd(&r, 0x10), 0x10000);
    io_wr(&r, 0x3f, 0xffffffff);
    io_wr(&r, 0x3e, 0xffffffff);
    cr_assert_eq(io_rd(&r, 0x3f), 0xff000000);
    cr_assert_eq(io_rd(&r, 0x3e), 0x1afff);
    io_wr(&r, 0x40, 0xffffffff);
    io_wr(&r, 0xff, 0xffffffff);
    cr_assert_eq(io_rd(&r, 0x40), 0);
    rig_close(&r);
}

Test(ioapic, edge_and_level)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    pin(&r, 4, true);
    pin(&r, 4, false);
    io_wr(&r, 0x18, 0x34);
    cr_assert(!r.intr, "an edge while masked is lost");
    pin(&r, 4, true);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x34);
    wr(&r, 0xb0, 0);
    cr_assert(!r.intr);

    io_wr(&r, 0x10 + 2 * 11, 0x8055);
    pin(&r, 11, true);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x55);
    cr_assert_eq(io_rd(&r, 0x10 + 2 * 11), 0xc055);
    wr(&r, 0xb0, 0);
    cr_assert(r.intr, "still asserted: again after EOI");
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x55);
    pin(&r, 11, false);
    wr(&r, 0xb0, 0);
    cr_assert(!r.intr);
    cr_assert_eq(io_rd(&r, 0x10 + 2 * 11), 0x8055);

    pin(&r, 11, true);
    lapic_acknowledge(r.lapic);
    pin(&r, 11, false);
    address_space_write(r.bus->as, IOAPIC_BASE + 0x40, 0x55, 4);
    cr_assert_eq(io_rd(&r, 0x10 + 2 * 11), 0x8055, "EOI register");
    rig_close(&r);
}

Test(ioapic, extint_and_nmi)
{
    Rig r;
    rig_open(&r);
    wr(&r, 0xf0, 0x1ff);
    wr(&r, 0x350, 0x10700);
    io_wr(&r, 0x10, 0x700);
    pin(&r, 0, true);
    cr_assert_eq(lapic_acknowledge(r.lapic), 0x08);
    cr_assert(!r.intr);
    io_wr(&r, 0x12, 0x400);
    pin(&r, 1, true);
    cr_assert_eq(r.nmis, 1);
    rig_close(&r);
}

/* Random traffic, as a hostile guest would make: nothing may crash or spin. */
Test(ioapic, storm)
{
    Rig r;
    rig_open(&r);
    GRand *rand = g_rand_new_with_seed(82093);
    for (int i = 0; i < 200000; i++) {
        gpa_t base = g_rand_boolean(rand) ? LAPIC_BASE : IOAPIC_BASE;
        gpa_t at = base + (g_rand_int(rand) & (base == LAPIC_BASE ? 0x3ff : 0x5f));
        uint32_t value = g_rand_int(rand) & (g_rand_boolean(rand) ? 0xff : 0xffffffff);
        switch (g_rand_int_range(rand, 0, 6)) {
        case 0:
            address_space_read(r.bus->as, at & ~UINT64_C(3), 4);
            break;
        case 1:
            clock_fake_advance(r.bus->clock, g_rand_int_range(rand, 0, 50000));
            break;
        case 2:
            pin(&r, g_rand_int_range(rand, 0, IOAPIC_PINS), g_rand_boolean(rand));
            break;
        case 3:
            lapic_set_tsc_deadline(r.lapic, value);
            cr_assert(lapic_acknowledge(r.lapic) < 256);
            break;
        default:
            address_space_write(r.bus->as, at & ~UINT64_C(15), value, 4);
            break;
        }
    }
    g_rand_free(rand);
    device_reset_all(r.bus);
    cr_assert_eq(rd(&r, 0xf0), 0xff);
    rig_close(&r);
}
