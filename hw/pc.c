/* SPDX-License-Identifier: MIT
 * The board on one page: which chip sits where, which wire goes where. Addresses
 * and interrupts are those of an i440FX/PIIX3 PC as SeaBIOS expects it. */
#include "hw/pc.h"

#include <string.h>

#include "base/trace.h"
#include "base/error.h"
#include "hw/acpi-tables.h"
#include "hw/apic-bus.h"
#include "hw/boot-linux.h"
#include "hw/debug-ports.h"
#include "hw/fw-cfg.h"
#include "hw/hpet.h"
#include "hw/i440fx.h"
#include "hw/i8237.h"
#include "hw/i8254.h"
#include "hw/i8259.h"
#include "hw/ioapic.h"
#include "hw/isa-debug-exit.h"
#include "hw/lapic.h"
#include "hw/mc146818.h"
#include "hw/piix3.h"
#include "hw/piix4-pm.h"
#include "hw/port92.h"
#include "hw/pvpanic.h"
#include "hw/uart16550.h"
#include "hw/vga-pci.h"

#define LOW_RAM_MAX   UINT64_C(0xc0000000) /* the PCI hole is 3 to 4 GiB */
#define HIGH_RAM_BASE UINT64_C(0x100000000)
#define SHADOW_BASE   UINT64_C(0xc0000)
#define BIOS_MAX      (4u << 20)
#define VRAM_AND_ROMS (UINT64_C(24) << 20)

enum {
    IRQ_PIT = 0,
    IRQ_KEYBOARD = 1,
    IRQ_COM2 = 3,
    IRQ_COM1 = 4,
    IRQ_FLOPPY = 6,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_MOUSE = 12,
    IRQ_IDE1 = 14,
    IRQ_IDE2 = 15,
};
enum { DEVFN_VGA = 2 << 3 };

/* CMOS bytes that firmware reads (the IBM AT's layout, with QEMU's additions). */
enum {
    CMOS_FLOPPY_TYPES = 0x10,
    CMOS_DISK_TYPES = 0x12,
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KB = 0x15,
    CMOS_EXT_KB = 0x17,
    CMOS_DISK_TYPE = 0x19,     /* a byte a disk */
    CMOS_DISK_GEOMETRY = 0x1b, /* 9 bytes a disk */
    CMOS_EXT_KB_2 = 0x30,
    CMOS_ABOVE_16M = 0x34,
    CMOS_BOOT_3 = 0x38,
    CMOS_DISK_TRANSLATION = 0x39,
    CMOS_BOOT_12 = 0x3d,
    CMOS_ABOVE_4G = 0x5b,
    CMOS_CPUS = 0x5f,
};

struct Pc {
    DeviceBus bus;
    PcConfig config;
    uint64_t low_ram, high_ram;
    ApicBus *apic_bus;
    Lapic *lapic;
    Ioapic *ioapic;
    I8259 *pic;
    I8042 *keyboard;
    Mc146818 *rtc;
    Hpet *hpet; /* NULL: none */
    I8237 *dma;
    PciBus *pci;
    Piix3 *piix3;
    Piix4Pm *pm;
    Ide *ide;
    Fdc *fdc;
    Vga *vga;
    FwCfg *fw_cfg;
    ram_off_t ram, bios;
    uint64_t irq_count[PC_ISA_IRQS];
    uint16_t irq_levels;
};

/* ---- wires ---- */

/* An ISA interrupt reaches both controllers; the PIT is pin 2 of the I/O APIC. */
static void isa_irq(void *opaque, int irq, bool level)
{
    Pc *pc = opaque;
    trace(isa_irq, irq, level);
    pc->irq_count[irq] += level && !(pc->irq_levels & 1 << irq);
    pc->irq_levels = (uint16_t)((pc->irq_levels & ~(1 << irq)) | level << irq);
    IrqLine pic = i8259_input(pc->pic, irq);
    IrqLine ioapic = ioapic_input(pc->ioapic, irq == IRQ_PIT ? 2 : irq);
    irq_set(&pic, level);
    irq_set(&ioapic, level);
}

static IrqLine isa_line(Pc *pc, int irq)
{
    return (IrqLine){isa_irq, pc, irq};
}

enum { RESET_KEYBOARD, RESET_PORT92, RESET_PIIX3 };

static void on_reset(void *opaque, int number, bool level)
{
    static const char *const causes[] = {
        [RESET_KEYBOARD] = "keyboard controller, port 64h",
        [RESET_PORT92] = "port 92h",
        [RESET_PIIX3] = "reset control, port CF9h",
    };
    Pc *pc = opaque;
    if (level)
        pc->config.request_reset(pc->config.opaque, causes[number]);
}

static void on_power_off(void *opaque, int number, bool level)
{
    Pc *pc = opaque;
    (void)number;
    if (level)
        pc->config.request_power_off(pc->config.opaque);
}

static void on_a20(void *opaque, int number, bool level)
{
    Pc *pc = opaque;
    (void)number;
    if (address_space_a20(pc->bus.as) != level)
        address_space_set_a20(pc->bus.as, level);
}

static int acknowledge_pic(void *opaque)
{
    return i8259_acknowledge(opaque);
}

/* INT64_MAX: never, within 292 years. */
static int64_t tsc_to_ns(void *opaque, uint64_t tsc)
{
    Pc *pc = opaque;
    unsigned __int128 ns = (unsigned __int128)tsc * NS_PER_SEC / pc->config.tsc_hz;
    return (int64_t)MIN(ns, INT64_MAX);
}

/* ---- memory ---- */

uint64_t pc_ram_capacity(uint64_t ram_bytes)
{
    return ram_bytes + VRAM_AND_ROMS;
}

static bool map_memory(Pc *pc, GError **error)
{
    AddressSpace *as = pc->bus.as;
    Ram *ram = address_space_ram(as);
    const PcConfig *c = &pc->config;
    if (c->bios_size == 0 || c->bios_size > BIOS_MAX || c->bios_size % 65536 != 0) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                    "the BIOS image has %zu bytes; it must be a multiple of 64 KiB, at most 4 MiB",
                    c->bios_size);
        return false;
    }
    pc->low_ram = MIN(c->ram_bytes, LOW_RAM_MAX);
    pc->high_ram = c->ram_bytes - pc->low_ram;
    pc->ram = ram_alloc(ram, "pc.ram", c->ram_bytes);
    pc->bios = ram_alloc(ram, "pc.bios", c->bios_size);
    memcpy(ram_hva(ram, pc->bios), c->bios, c->bios_size);
    address_space_add_ram(as, "ram-low", 0, pc->low_ram, 0, pc->ram);
    if (pc->high_ram)
        address_space_add_ram(as, "ram-high", HIGH_RAM_BASE, pc->high_ram, 0,
                              pc->ram + pc->low_ram);
    address_space_add_rom(as, "bios", HIGH_RAM_BASE - c->bios_size, c->bios_size, 0, pc->bios, NULL,
                          NULL);
    return true;
}

/* ---- chips ---- */

static void add_interrupt_controllers(Pc *pc)
{
    const PcConfig *c = &pc->config;
    pc->apic_bus = apic_bus_new();
    pc->lapic = lapic_new(&pc->bus, pc->apic_bus, 0);
    pc->ioapic = ioapic_new(&pc->bus, pc->apic_bus, IOAPIC_VERSION_82093AA);
    pc->pic = i8259_new(&pc->bus, lapic_lint_input(pc->lapic, 0));
    lapic_connect_pic(pc->lapic, acknowledge_pic, pc->pic);
    lapic_connect_cpu(pc->lapic, c->intr, c->nmi, c->init);
    lapic_connect_tsc(pc->lapic, tsc_to_ns, pc);
}

/* The HPET stands between the 8254 and RTC outputs and their interrupts (legacy replacement). */
static void add_hpet(Pc *pc)
{
    HpetWires wires = {.irq0 = isa_line(pc, IRQ_PIT), .irq8 = isa_line(pc, IRQ_RTC)};
    for (int i = 0; i < 24; i++)
        wires.gsi[i] = ioapic_input(pc->ioapic, i);
    pc->hpet = hpet_new(&pc->bus, &wires);
}

static IrqLine timer_line(Pc *pc, int irq)
{
    return pc->hpet ? hpet_legacy_input(pc->hpet, irq) : isa_line(pc, irq);
}

static void add_isa_devices(Pc *pc)
{
    const PcConfig *c = &pc->config;
    const IrqLine reset = {on_reset, pc, RESET_KEYBOARD}, a20 = {on_a20, pc, 0};
    static const uint16_t com_port[PC_SERIAL_PORTS] = {UART_COM1_PORT, UART_COM2_PORT};
    static const int com_irq[PC_SERIAL_PORTS] = {IRQ_COM1, IRQ_COM2};
    i8254_new(&pc->bus, timer_line(pc, IRQ_PIT));
    pc->rtc = mc146818_new(&pc->bus, timer_line(pc, IRQ_RTC), c->rtc_unix_seconds);
    pc->keyboard = i8042_new(
        &pc->bus, &(I8042Wires){isa_line(pc, IRQ_KEYBOARD), isa_line(pc, IRQ_MOUSE), reset, a20});
    port92_new(&pc->bus, a20, (IrqLine){on_reset, pc, RESET_PORT92});
    pc->dma = i8237_new(&pc->bus);
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
        if (c->serial[i])
            uart16550_new(&pc->bus, com_port[i], isa_line(pc, com_irq[i]), c->serial[i]);
    for (unsigned i = 0; i < PC_DEBUGCONS; i++)
        if (c->debugcon[i].chardev)
            debug_port_new(&pc->bus, c->debugcon[i].iobase, c->debugcon[i].chardev);
    for (unsigned i = 0; i < c->debug_exits; i++)
        isa_debug_exit_new(&pc->bus, c->debug_exit[i].iobase, c->debug_exit[i].iosize,
                           c->request_exit, c->opaque);
    if (c->pvpanic)
        pvpanic_new(&pc->bus, c->pvpanic, c->request_panic, c->opaque);
}

static void add_pci_devices(Pc *pc)
{
    const PcConfig *c = &pc->config;
    const IrqLine power_off = {on_power_off, pc, 0};
    Piix3Wires south = {.reset = {on_reset, pc, RESET_PIIX3}, .ignne = c->ignne};
    IrqLine pirq[PCI_PIRQS], *isa = south.irq;
    for (int i = 0; i < PCI_PIRQS; i++)
        pirq[i] = (IrqLine){piix3_pirq_handler, &pc->piix3, i};
    for (int i = 0; i < PC_ISA_IRQS; i++)
        isa[i] = isa_line(pc, i);
    pc->pci = pci_bus_new(&pc->bus, pirq);
    i440fx_new(&pc->bus, pc->pci, &(I440fxMemory){pc->ram + SHADOW_BASE, pc->bios, c->bios_size});
    pc->piix3 = piix3_new(&pc->bus, pc->pci, &south);
    pc->ide = ide_new(&pc->bus, pc->pci, (const IrqLine[]){isa[IRQ_IDE1], isa[IRQ_IDE2]});
    pc->pm = piix4_pm_new(&pc->bus, pc->pci, &isa[IRQ_SCI], &power_off);
    if (c->vga) {
        pc->vga = vga_new(&pc->bus);
        vga_pci_new(&pc->bus, pc->pci, DEVFN_VGA, pc->vga, c->vga_bios, c->vga_bios_size);
    }
}

static bool attach_drives(Pc *pc, GError **error)
{
    const PcConfig *c = &pc->config;
    const IrqLine irq = isa_line(pc, IRQ_FLOPPY);
    for (unsigned i = 0; i < G_N_ELEMENTS(c->drive); i++) {
        const PcDrive *d = &c->drive[i];
        if (d->cdrom)
            ide_attach_cdrom(pc->ide, &pc->bus, i / 2, i % 2, d->block);
        else if (d->block)
            ide_attach_disk(pc->ide, &pc->bus, i / 2, i % 2, d->block, d->serial);
    }
    pc->fdc = fdc_new(&pc->bus, &irq, pc->dma);
    for (unsigned i = 0; i < PC_FLOPPIES; i++)
        if ((i == 0 || c->floppy[i]) && !fdc_attach(pc->fdc, i, c->floppy[i], error))
            return false;
    return true;
}

/* ---- what firmware is told ---- */

static void cmos_word(Pc *pc, unsigned index, unsigned value)
{
    mc146818_set_cmos(pc->rtc, index, value & 0xff);
    mc146818_set_cmos(pc->rtc, index + 1, (value >> 8) & 0xff);
}

/* The AT's table of a user-defined disk type, for systems that know no other way to find a disk. */
static void cmos_disk_type(Pc *pc, unsigned disk, const DiskGeometry *g)
{
    enum { USER_TYPE = 47, MORE_THAN_8_HEADS = 0x08, NO_RETRY = 0xc0, NO_PRECOMPENSATION = 0xffff };
    const unsigned at = CMOS_DISK_GEOMETRY + 9 * disk;
    mc146818_set_cmos(pc->rtc, CMOS_DISK_TYPE + disk, USER_TYPE);
    cmos_word(pc, at, g->cylinders);
    mc146818_set_cmos(pc->rtc, at + 2, (uint8_t)g->heads);
    cmos_word(pc, at + 3, NO_PRECOMPENSATION);
    mc146818_set_cmos(pc->rtc, at + 5, NO_RETRY | (g->heads > 8 ? MORE_THAN_8_HEADS : 0));
    cmos_word(pc, at + 6, g->cylinders); /* landing zone */
    mc146818_set_cmos(pc->rtc, at + 8, (uint8_t)g->sectors);
}

static void fill_cmos_disks(Pc *pc)
{
    unsigned types = 0, translations = 0;
    for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++) {
        const DiskGeometry *g = ide_disk_geometry(pc->ide, i / IDE_UNITS, i % IDE_UNITS);
        if (!g)
            continue;
        translations |= (unsigned)g->translation << (2 * i);
        if (i >= IDE_UNITS) /* the table has two places */
            continue;
        types |= i == 0 ? 0xf0u : 0x0fu; /* the type is in a byte of its own */
        cmos_disk_type(pc, i, g);
    }
    mc146818_set_cmos(pc->rtc, CMOS_DISK_TYPES, (uint8_t)types);
    mc146818_set_cmos(pc->rtc, CMOS_DISK_TRANSLATION, (uint8_t)translations);
}

static unsigned boot_device_code(char letter)
{
    return letter == 'a' ? 1 : letter == 'c' ? 2 : letter == 'd' ? 3 : letter == 'n' ? 4 : 0;
}

static void fill_cmos(Pc *pc)
{
    const PcConfig *c = &pc->config;
    uint64_t low_kb = pc->low_ram >> 10;
    unsigned ext_kb = low_kb > 1024 ? (unsigned)MIN(low_kb - 1024, 0xffff) : 0;
    unsigned above_16m = low_kb > 16384 ? (unsigned)MIN((low_kb - 16384) / 64, 0xffff) : 0;
    uint64_t above_4g = pc->high_ram >> 16;
    cmos_word(pc, CMOS_BASE_KB, 640);
    cmos_word(pc, CMOS_EXT_KB, ext_kb);
    cmos_word(pc, CMOS_EXT_KB_2, ext_kb);
    cmos_word(pc, CMOS_ABOVE_16M, above_16m);
    cmos_word(pc, CMOS_ABOVE_4G, (unsigned)(above_4g & 0xffff));
    mc146818_set_cmos(pc->rtc, CMOS_ABOVE_4G + 2, (above_4g >> 16) & 0xff);
    mc146818_set_cmos(pc->rtc, CMOS_CPUS, 0);
    unsigned types = (unsigned)fdc_drive_type(pc->fdc, 0) << 4 | fdc_drive_type(pc->fdc, 1);
    mc146818_set_cmos(pc->rtc, CMOS_FLOPPY_TYPES, (uint8_t)types);
    unsigned floppies = (types >> 4 != 0) + ((types & 15) != 0);
    /* Equipment: floppies present and how many, x87, PS/2 mouse. */
    unsigned equipment = (floppies ? 1 | (floppies - 1) << 6 : 0) | 0x06;
    mc146818_set_cmos(pc->rtc, CMOS_EQUIPMENT, (uint8_t)equipment);
    fill_cmos_disks(pc);
    const char *order = c->boot_order ? c->boot_order : "cad";
    unsigned code[3] = {0};
    for (unsigned i = 0; i < 3 && order[i]; i++)
        code[i] = boot_device_code(order[i]);
    mc146818_set_cmos(pc->rtc, CMOS_BOOT_12, (uint8_t)(code[0] | code[1] << 4));
    mc146818_set_cmos(pc->rtc, CMOS_BOOT_3, (uint8_t)(code[2] << 4));
}

static bool fill_fw_cfg(Pc *pc, GError **error)
{
    const PcConfig *c = &pc->config;
    FwCfg *fw = pc->fw_cfg;
    fw_cfg_add_u64(fw, FW_CFG_RAM_SIZE, c->ram_bytes);
    fw_cfg_add_u16(fw, FW_CFG_NB_CPUS, 1);
    fw_cfg_add_u16(fw, FW_CFG_MAX_CPUS, 1);
    fw_cfg_add_u16(fw, FW_CFG_NOGRAPHIC, c->no_graphic);
    fw_cfg_add_u16(fw, FW_CFG_BOOT_MENU, c->boot_menu);
    fw_cfg_add_u32(fw, FW_CFG_IRQ0_OVERRIDE, 1);
    boot_add_e820(fw, pc->low_ram, pc->high_ram);
    acpi_tables_add(fw, &(AcpiConfig){.low_ram = pc->low_ram,
                                      .cpus = 1,
                                      .serial = {c->serial[0], c->serial[1]},
                                      .floppy = true,
                                      .ps2 = true,
                                      .hpet = !c->no_hpet});
    return !c->kernel || boot_linux_load(fw, c->kernel, c->initrd, c->append, pc->low_ram, error);
}

Pc *pc_new(const PcConfig *config, AddressSpace *as, Clock *clock, GError **error)
{
    Pc *pc = g_new0(Pc, 1);
    pc->config = *config;
    pc->bus = (DeviceBus){as, clock, g_ptr_array_new()};
    if (!map_memory(pc, error))
        goto fail;
    add_interrupt_controllers(pc);
    if (!config->no_hpet)
        add_hpet(pc);
    add_isa_devices(pc);
    add_pci_devices(pc);
    pc->fw_cfg = fw_cfg_new(&pc->bus);
    if (!attach_drives(pc, error) || !fill_fw_cfg(pc, error))
        goto fail;
    fill_cmos(pc);
    return pc;
fail:
    pc_free(pc);
    return NULL;
}

void pc_free(Pc *pc)
{
    device_free_all(&pc->bus);
    g_ptr_array_free(pc->bus.devices, TRUE);
    if (pc->apic_bus)
        apic_bus_free(pc->apic_bus);
    g_free(pc);
}

void pc_reset(Pc *pc)
{
    address_space_lock(pc->bus.as);
    device_reset_all(&pc->bus);
    address_space_unlock(pc->bus.as);
}

const DeviceBus *pc_bus(const Pc *pc)
{
    return &pc->bus;
}

Vga *pc_vga(const Pc *pc)
{
    return pc->vga;
}

I8042 *pc_keyboard(const Pc *pc)
{
    return pc->keyboard;
}

PciBus *pc_pci(const Pc *pc)
{
    return pc->pci;
}

Ide *pc_ide(const Pc *pc)
{
    return pc->ide;
}

Fdc *pc_fdc(const Pc *pc)
{
    return pc->fdc;
}

uint64_t pc_irq_count(const Pc *pc, unsigned irq)
{
    return irq < PC_ISA_IRQS ? pc->irq_count[irq] : 0;
}

void pc_power_button(Pc *pc)
{
    address_space_lock(pc->bus.as);
    piix4_pm_power_button(pc->pm);
    address_space_unlock(pc->bus.as);
}

/* ---- the CPU's side ---- */

int pc_acknowledge(Pc *pc)
{
    address_space_lock(pc->bus.as);
    int vector = lapic_acknowledge(pc->lapic);
    address_space_unlock(pc->bus.as);
    return vector;
}

uint64_t pc_tsc(Pc *pc)
{
    return (uint64_t)((unsigned __int128)clock_now_on_time(pc->bus.clock) * pc->config.tsc_hz /
                      NS_PER_SEC);
}

void pc_ferr(Pc *pc, bool level)
{
    const IrqLine ferr = piix3_ferr_input(pc->piix3);
    address_space_lock(pc->bus.as);
    irq_set(&ferr, level);
    address_space_unlock(pc->bus.as);
}

uint64_t pc_apic_base(Pc *pc)
{
    address_space_lock(pc->bus.as);
    uint64_t value = lapic_base_msr(pc->lapic);
    address_space_unlock(pc->bus.as);
    return value;
}

bool pc_set_apic_base(Pc *pc, uint64_t value)
{
    address_space_lock(pc->bus.as);
    bool ok = lapic_set_base_msr(pc->lapic, value);
    address_space_unlock(pc->bus.as);
    return ok;
}

uint64_t pc_tsc_deadline(Pc *pc)
{
    address_space_lock(pc->bus.as);
    uint64_t value = lapic_tsc_deadline(pc->lapic);
    address_space_unlock(pc->bus.as);
    return value;
}

void pc_set_tsc_deadline(Pc *pc, uint64_t value)
{
    address_space_lock(pc->bus.as);
    lapic_set_tsc_deadline(pc->lapic, value);
    address_space_unlock(pc->bus.as);
}
