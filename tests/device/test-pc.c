/* SPDX-License-Identifier: MIT
 * The whole board without a CPU: what pc.c wires together. */
#include <criterion/criterion.h>
#include <string.h>

#include "hw/lapic.h"
#include "hw/pc.h"
#include "tests/device/port-io.h"

#define GIB (UINT64_C(1) << 30)

enum { BIOS_BYTES = 128 << 10, TSC_HZ = 2000000000 };
enum { PIC1 = 0x20, PIC2 = 0xa0, FPU_VECTOR = 0x75 };

typedef struct {
    Ram *ram;
    AddressSpace *as;
    Clock *clock;
    Pc *pc;
    Wire intr, ignne;
    PcConfig config;
    unsigned resets;
} Machine;

static void count_reset(void *opaque, const char *cause)
{
    ((Machine *)opaque)->resets++;
}

static void machine_prepare(Machine *m, uint64_t ram_bytes)
{
    static uint8_t bios[BIOS_BYTES];
    bios[BIOS_BYTES - 1] = 0xb1;
    *m = (Machine){.ram = ram_new(pc_ram_capacity(ram_bytes), NULL)};
    cr_assert_not_null(m->ram);
    m->as = address_space_new(m->ram);
    m->clock = clock_new_fake();
    m->config = (PcConfig){
        .ram_bytes = ram_bytes,
        .bios = bios,
        .bios_size = BIOS_BYTES,
        .tsc_hz = TSC_HZ,
        .intr = wire_line(&m->intr),
        .ignne = wire_line(&m->ignne),
        .opaque = m,
        .request_reset = count_reset,
    };
}

static void machine_open(Machine *m)
{
    g_autoptr(GError) error = NULL;
    m->pc = pc_new(&m->config, m->as, m->clock, &error);
    cr_assert_not_null(m->pc, "%s", error ? error->message : "");
    pc_reset(m->pc);
}

static void machine_close(Machine *m)
{
    if (m->pc)
        pc_free(m->pc);
    clock_free(m->clock);
    address_space_free(m->as);
    ram_free(m->ram);
}

static unsigned cmos(Machine *m, unsigned index)
{
    outb(pc_bus(m->pc), 0x70, index);
    return inb(pc_bus(m->pc), 0x71);
}

/* Memory above the PCI hole goes on at 4 GiB, and CMOS 5Bh to 5Dh count it in 64 KiB. */
Test(pc, five_gigabytes)
{
    Machine m;
    machine_prepare(&m, 5 * GIB);
    machine_open(&m);
    static const uint64_t last[] = {3 * GIB - 4, 6 * GIB - 4};
    for (unsigned i = 0; i < G_N_ELEMENTS(last); i++) {
        address_space_write(m.as, last[i], 0x12345670 + i, 4);
        cr_assert_eq(address_space_read(m.as, last[i], 4), 0x12345670 + i);
    }
    address_space_write(m.as, 3 * GIB, 0x55aa55aa, 4); /* nothing there */
    cr_assert_neq(address_space_read(m.as, 3 * GIB, 4), 0x55aa55aa);
    cr_assert_eq(address_space_read(m.as, 4 * GIB - 1, 1), 0xb1);
    cr_assert_eq(cmos(&m, 0x5b) | cmos(&m, 0x5c) << 8 | cmos(&m, 0x5d) << 16, 2 * GIB >> 16);
    cr_assert_eq(cmos(&m, 0x34) | cmos(&m, 0x35) << 8, (3 * GIB - (16 << 20)) >> 16);
    machine_close(&m);
}

static void expect_bios_error(size_t size)
{
    Machine m;
    g_autoptr(GError) error = NULL;
    machine_prepare(&m, 1 << 20);
    m.config.bios_size = size;
    cr_assert_null(pc_new(&m.config, m.as, m.clock, &error), "%zu bytes", size);
    cr_assert_not_null(strstr(error->message, "multiple of 64 KiB"), "%s", error->message);
    machine_close(&m);
}

Test(pc, firmware_of_a_wrong_size)
{
    expect_bios_error(0);
    expect_bios_error(65537);
    expect_bios_error(5 << 20);
}

/* A file of fw_cfg as firmware reads it. */
static GString *fw_cfg_file(const DeviceBus *bus, const char *name)
{
    enum { SELECT = 0x510, DATA = 0x511, DIRECTORY = 0x19, ENTRY = 64, NAME = 8 };
    uint8_t entry[ENTRY] = {0};
    address_space_io_write(bus->as, SELECT, DIRECTORY, 2);
    for (unsigned i = 0; i < 4; i++)
        inb(bus, DATA); /* how many */
    while (strcmp((char *)entry + NAME, name) != 0)
        for (unsigned i = 0; i < ENTRY; i++)
            entry[i] = inb(bus, DATA);
    GString *text = g_string_new(NULL);
    address_space_io_write(bus->as, SELECT, (unsigned)entry[4] << 8 | entry[5], 2);
    for (unsigned i = (unsigned)entry[2] << 8 | entry[3]; i > 0; i--)
        g_string_append_c(text, (char)inb(bus, DATA));
    return text;
}

static bool has_hpet_table(const DeviceBus *bus)
{
    GString *tables = fw_cfg_file(bus, "etc/acpi/tables");
    bool found = memmem(tables->str, tables->len, "HPET", 4) != NULL;
    g_string_free(tables, TRUE);
    return found;
}

/* Without it the timer's interrupt goes straight to the controllers. */
Test(pc, hpet_or_none)
{
    enum { CAPABILITIES_LOW = 0x8086a201, PIT_RATE_2_BINARY = 0x34 };
    for (unsigned absent = 0; absent < 2; absent++) {
        Machine m;
        machine_prepare(&m, 1 << 20);
        m.config.no_hpet = absent;
        machine_open(&m);
        const DeviceBus *bus = pc_bus(m.pc);
        bool there = address_space_read(m.as, 0xfed00000, 4) == CAPABILITIES_LOW;
        cr_expect_eq(there, !absent);
        cr_expect_eq(has_hpet_table(bus), !absent);
        outb(bus, 0x43, PIT_RATE_2_BINARY);
        outb(bus, 0x40, 0);
        outb(bus, 0x40, 0x10);
        clock_fake_advance(m.clock, 50 * NS_PER_SEC / 1000);
        cr_expect_gt(pc_irq_count(m.pc, 0), 5, "absent %u", absent);
        machine_close(&m);
    }
}

Test(pc, floppies)
{
    Machine m;
    machine_prepare(&m, 1 << 20);
    m.config.floppy[0] = block_new_memory(1474560);
    m.config.floppy[1] = block_new_memory(737280);
    machine_open(&m);
    cr_assert_eq(cmos(&m, 0x10), 0x44, "1.44 MB drives, for 720 KB, too: %x", cmos(&m, 0x10));
    cr_assert_eq(cmos(&m, 0x14) & 0xc1, 0x41, "two drives");
    cr_assert_not_null(pc_fdc(m.pc));
    cr_assert_not_null(pc_ide(m.pc));
    machine_close(&m);
}

Test(pc, floppy_of_no_format)
{
    Machine m;
    g_autoptr(GError) error = NULL;
    machine_prepare(&m, 1 << 20);
    m.config.floppy[1] = block_new_memory(12345 * 512);
    cr_assert_null(pc_new(&m.config, m.as, m.clock, &error));
    cr_assert_not_null(error);
    machine_close(&m);
}

Test(pc, disks_in_cmos)
{
    static const uint8_t want[] = {47, 0, 0xd1, 0x07, 16, 0xff, 0xff, 0xc8, 0xd1, 0x07, 63};
    Machine m;
    machine_prepare(&m, 64 << 20);
    m.config.drive[0] = (PcDrive){.block = block_new_memory(UINT64_C(2001) * 16 * 63 * 512)};
    m.config.drive[2] = (PcDrive){.block = block_new_memory(UINT64_C(1000) * 16 * 63 * 512)};
    machine_open(&m);
    cr_assert_eq(cmos(&m, 0x12), 0xf0, "one in the table: %x", cmos(&m, 0x12));
    for (unsigned i = 0; i < sizeof(want); i++)
        cr_assert_eq(cmos(&m, 0x19 + i), want[i], "%x: %x", 0x19 + i, cmos(&m, 0x19 + i));
    cr_assert_eq(cmos(&m, 0x39), 1, "LBA for the large one");
    machine_close(&m);
}

Test(pc, boot_order_in_cmos)
{
    Machine m;
    machine_prepare(&m, 1 << 20);
    m.config.boot_order = "dna";
    machine_open(&m);
    cr_assert_eq(cmos(&m, 0x3d), 0x43);
    cr_assert_eq(cmos(&m, 0x38), 0x10);
    machine_close(&m);
}

static void pic_init(Machine *m, uint16_t port, unsigned vector, unsigned cascade, unsigned mask)
{
    outb(pc_bus(m->pc), port, 0x11);
    outb(pc_bus(m->pc), port + 1, vector);
    outb(pc_bus(m->pc), port + 1, cascade);
    outb(pc_bus(m->pc), port + 1, 1);
    outb(pc_bus(m->pc), port + 1, mask);
}

static void enable_irq_13(Machine *m)
{
    pic_init(m, PIC1, 0x08, 4, 0xfb);
    pic_init(m, PIC2, 0x70, 2, 0xdf);
    address_space_write(m->as, LAPIC_BASE + 0xf0, 0x1ff, 4);  /* on */
    address_space_write(m->as, LAPIC_BASE + 0x350, 0x700, 4); /* LINT0: ExtINT */
}

static void machine_open_with_irq_13(Machine *m)
{
    machine_prepare(m, 1 << 20);
    machine_open(m);
    enable_irq_13(m);
}

static void end_of_interrupt(Machine *m)
{
    outb(pc_bus(m->pc), PIC2, 0x20);
    outb(pc_bus(m->pc), PIC1, 0x20);
}

/* FERR# is IRQ 13: slave 8259, master 8259, LINT0 of the local APIC, the CPU's pin. */
Test(pc, ferr_reaches_the_cpu)
{
    Machine m;
    machine_open_with_irq_13(&m);
    cr_assert(!m.intr.level);
    pc_ferr(m.pc, true);
    cr_assert(m.intr.level);
    cr_assert_eq(pc_irq_count(m.pc, 13), 1);
    cr_assert_eq(pc_irq_count(m.pc, PC_ISA_IRQS), 0);
    cr_assert_eq(pc_acknowledge(m.pc), FPU_VECTOR);
    cr_assert(!m.intr.level);
    machine_close(&m);
}

/* PIIX3 "Coprocessor Error Register": a write lowers IRQ 13, so that the next error is an edge, and
 * asserts IGNNE# until FERR# falls. */
Test(pc, port_f0_answers_ferr)
{
    Machine m;
    machine_open_with_irq_13(&m);
    outb(pc_bus(m.pc), 0xf0, 0);
    cr_assert(!m.ignne.level, "no FERR#, no IGNNE#");
    for (unsigned error = 0; error < 3; error++) {
        pc_ferr(m.pc, true);
        cr_assert(m.intr.level, "error %u", error);
        cr_assert_eq(pc_acknowledge(m.pc), FPU_VECTOR);
        cr_assert(!m.ignne.level);
        outb(pc_bus(m.pc), 0xf0, 0);
        cr_assert(m.ignne.level);
        pc_ferr(m.pc, false);
        cr_assert(!m.ignne.level);
        end_of_interrupt(&m);
        cr_assert(!m.intr.level);
    }
    machine_close(&m);
}

Test(pc, reset_lowers_irq_13)
{
    Machine m;
    machine_open_with_irq_13(&m);
    pc_ferr(m.pc, true);
    outb(pc_bus(m.pc), 0xf0, 0);
    pc_ferr(m.pc, true);
    pc_reset(m.pc);
    cr_assert(!m.ignne.level);
    enable_irq_13(&m);
    cr_assert(!m.intr.level);
    pc_ferr(m.pc, true);
    cr_assert(m.intr.level);
    machine_close(&m);
}

Test(pc, apic_base)
{
    Machine m;
    machine_prepare(&m, 1 << 20);
    machine_open(&m);
    cr_assert_eq(pc_apic_base(m.pc), 0xfee00900, "enabled, bootstrap processor");
    cr_assert(!pc_set_apic_base(m.pc, 0xfee00901), "a reserved bit");
    cr_assert_eq(pc_apic_base(m.pc), 0xfee00900);
    cr_assert(pc_set_apic_base(m.pc, 0xfed80800));
    cr_assert_eq(pc_apic_base(m.pc), 0xfed80900, "BSP is read only");
    cr_assert_eq(address_space_read(m.as, 0xfed80030, 4) & 0xf0, 0x10, "its version register");
    machine_close(&m);
}

Test(pc, tsc_deadline)
{
    Machine m;
    machine_prepare(&m, 1 << 20);
    machine_open(&m);
    pic_init(&m, PIC1, 0x08, 4, 0xff); /* not the 8254's interrupt */
    uint64_t before = pc_tsc(m.pc);
    clock_fake_advance(m.clock, 1000);
    cr_assert_eq(pc_tsc(m.pc) - before, 2000);
    address_space_write(m.as, LAPIC_BASE + 0xf0, 0x1ff, 4);
    address_space_write(m.as, LAPIC_BASE + 0x320, 0x40031, 4); /* LVT timer: TSC deadline */
    pc_set_tsc_deadline(m.pc, pc_tsc(m.pc) + 1000);
    cr_assert_eq(pc_tsc_deadline(m.pc), pc_tsc(m.pc) + 1000);
    clock_fake_advance(m.clock, 499);
    cr_assert(!m.intr.level);
    clock_fake_advance(m.clock, 2);
    cr_assert(m.intr.level);
    cr_assert_eq(pc_acknowledge(m.pc), 0x31);
    cr_assert_eq(pc_tsc_deadline(m.pc), 0);
    machine_close(&m);
}

/* The TSC counts to 2^64, our nanoseconds to 2^63. */
Test(pc, tsc_deadline_beyond_the_clock)
{
    Machine m;
    machine_prepare(&m, 1 << 20);
    m.config.tsc_hz = NS_PER_SEC;
    machine_open(&m);
    pic_init(&m, PIC1, 0x08, 4, 0xff);
    address_space_write(m.as, LAPIC_BASE + 0xf0, 0x1ff, 4);
    address_space_write(m.as, LAPIC_BASE + 0x320, 0x40031, 4);
    pc_set_tsc_deadline(m.pc, UINT64_MAX);
    clock_fake_advance(m.clock, NS_PER_SEC);
    cr_assert(!m.intr.level);
    cr_assert_eq(pc_tsc_deadline(m.pc), UINT64_MAX);
    machine_close(&m);
}

/* Port 92h and the keyboard controller both drive A20; port 92h and CF9h ask for a reset. */
Test(pc, a20_and_reset)
{
    Machine m;
    machine_prepare(&m, 2 << 20);
    machine_open(&m);
    outb(pc_bus(m.pc), 0x92, 0);
    cr_assert(!address_space_a20(m.as));
    outb(pc_bus(m.pc), 0x92, 2);
    cr_assert(address_space_a20(m.as));
    outb(pc_bus(m.pc), 0xcf9, 2);
    cr_assert_eq(m.resets, 0);
    outb(pc_bus(m.pc), 0xcf9, 6);
    cr_assert_eq(m.resets, 1);
    machine_close(&m);
}
