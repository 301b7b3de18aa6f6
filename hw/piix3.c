/* SPDX-License-Identifier: MIT
 * PCI-to-ISA bridge, see piix3.h. Source: Intel 82371FB/82371SB data sheet (PIIX/PIIX3),
 * "PIRQ[A:D] Route Control Register", "Reset Control Register", "Coprocessor Error Register".
 *
 * DEVIATES: FERR# makes IRQ 13 whatever bit 5 of the X-bus chip select register says, since firmware
 * for virtual machines does not set it. */
#include "hw/piix3.h"

enum {
    REG_PIRQ_ROUTE = 0x60,
    ROUTE_DISABLE = 0x80,
    ROUTE_MASK = 0x0f,
    ROUTABLE = 0xdef8, /* IRQ 3-7, 9-12, 14, 15; others are reserved */
    RESET_SYSTEM = 0x02,
    RESET_CPU = 0x04,
};
enum { COPROCESSOR_ERROR = 0xf0, IRQ_FPU = 13 };

struct Piix3 {
    PciFunction pci;
    Piix3Wires wires;
    uint8_t pirq_levels; /* bit per PIRQ */
    uint16_t irq_levels; /* what the outputs show */
    uint8_t reset_control;
    uint8_t ferr; /* the CPU's pin */
};

static void routes_update(Piix3 *piix)
{
    uint16_t levels = 0;
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        uint8_t route = piix->pci.config[REG_PIRQ_ROUTE + i];
        if (!(route & ROUTE_DISABLE) && (piix->pirq_levels >> i & 1))
            levels |= (uint16_t)(1u << (route & ROUTE_MASK));
    }
    levels &= ROUTABLE;
    uint16_t changed = levels ^ piix->irq_levels;
    piix->irq_levels = levels;
    for (unsigned i = 0; i < 16; i++)
        if (changed >> i & 1)
            irq_set(&piix->wires.irq[i], levels >> i & 1);
}

void piix3_pirq_handler(void *piix3_pointer, int number, bool level)
{
    Piix3 *piix = *(Piix3 **)piix3_pointer;
    if (!piix)
        return;
    uint8_t bit = (uint8_t)(1u << (number & (PCI_PIRQS - 1)));
    piix->pirq_levels = level ? piix->pirq_levels | bit : piix->pirq_levels & (uint8_t)~bit;
    routes_update(piix);
}

static void config_written(PciFunction *fn, unsigned offset, unsigned size)
{
    if (offset < REG_PIRQ_ROUTE + PCI_PIRQS && offset + size > REG_PIRQ_ROUTE)
        routes_update((Piix3 *)fn);
}

static uint64_t cf9_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((Piix3 *)opaque)->reset_control;
}

/* "Reset Control Register": bit 1 chooses hard or soft, bit 2 rising resets. Both are a full
 * reset here, as on every chip set since. */
static void cf9_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix3 *piix = opaque;
    piix->reset_control = value & RESET_SYSTEM;
    if (value & RESET_CPU)
        irq_pulse(&piix->wires.reset);
}

static const RegionOps cf9_ops = {cf9_read, cf9_write, 1, 1};

/* FERR# rising is latched as IRQ 13; falling, it takes IGNNE# along. */
static void ferr_set(void *opaque, int number, bool level)
{
    Piix3 *piix = opaque;
    piix->ferr = level;
    irq_set(level ? &piix->wires.irq[IRQ_FPU] : &piix->wires.ignne, level);
}

static uint64_t coprocessor_error_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0xff; /* write only */
}

/* Whatever is written lowers IRQ 13, and asserts IGNNE# while FERR# is asserted. */
static void coprocessor_error_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix3 *piix = opaque;
    irq_set(&piix->wires.irq[IRQ_FPU], false);
    irq_set(&piix->wires.ignne, piix->ferr);
}

static const RegionOps coprocessor_error_ops = {coprocessor_error_read, coprocessor_error_write, 1,
                                                1};

static const PciIds ids = {
    .vendor = 0x8086,
    .device = 0x7000,
    .class_code = 0x0601,
    .header_type = 0x80,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
};

static const PciConfigRow config_rows[] = {
    {PCI_COMMAND, 1, 0x07, 0, 0}, /* I/O, memory and bus master are always on */
    {PCI_COMMAND + 1, 1, 0, 0x01, 0},
    {0x4c, 1, 0x4d, 0xff, 0}, /* ISA I/O recovery timer */
    {0x4e, 1, 0x03, 0xff, 0}, /* X-bus chip select; stored only, like the rest */
    {0x4f, 1, 0x00, 0x01, 0},
    {REG_PIRQ_ROUTE, 4, ROUTE_DISABLE, ROUTE_DISABLE | ROUTE_MASK, 0},
    {0x69, 1, 0x02, 0xfe, 0}, /* top of memory */
    {0x70, 1, 0x80, 0xaf, 0}, /* motherboard IRQ route */
    {0x76, 1, 0x0c, 0x8f, 0}, /* motherboard DMA */
    {0x77, 1, 0x0c, 0x8f, 0},
    {0x78, 1, 0x02, 0xff, 0}, /* programmable chip select */
    {0x82, 1, 0x00, 0x0f, 0},
    {0xa0, 1, 0x08, 0x3f, 0}, /* SMI control: there is no SMM */
    {0xa8, 1, 0x0f, 0xff, 0},
};

static void piix3_reset(Device *device)
{
    Piix3 *piix = (Piix3 *)device;
    pci_function_reset(&piix->pci);
    piix->reset_control = 0;
    piix->ferr = 0;
    coprocessor_error_write(piix, 0, 0, 1);
    routes_update(piix);
}

static const StateField piix3_state[] = {
    PCI_FUNCTION_STATE(Piix3, pci),
    STATE(Piix3, pirq_levels),
    STATE(Piix3, irq_levels),
    STATE(Piix3, reset_control),
    STATE(Piix3, ferr),
    STATE_END,
};

static void piix3_info(Device *device, GString *out)
{
    Piix3 *piix = (Piix3 *)device;
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        uint8_t route = piix->pci.config[REG_PIRQ_ROUTE + i];
        g_string_append_printf(out, "PIRQ%c: ", 'A' + i);
        if (route & ROUTE_DISABLE)
            g_string_append(out, "not routed");
        else
            g_string_append_printf(out, "IRQ %d", route & ROUTE_MASK);
        g_string_append(out, piix->pirq_levels >> i & 1 ? ", high\n" : ", low\n");
    }
}

static const DeviceClass piix3_class = {
    .name = "piix3",
    .description = "82371SB PCI-to-ISA bridge",
    .reset = piix3_reset,
    .state = piix3_state,
    .info = piix3_info,
};

IrqLine piix3_ferr_input(Piix3 *piix)
{
    return (IrqLine){ferr_set, piix, 0};
}

Piix3 *piix3_new(const DeviceBus *bus, PciBus *pci, const Piix3Wires *wires)
{
    Piix3 *piix = device_register(bus, &piix3_class, sizeof(*piix));
    piix->wires = *wires;
    pci_function_init(&piix->pci, pci, PCI_DEVFN(1, 0), &ids);
    pci_function_add_config(&piix->pci, config_rows, G_N_ELEMENTS(config_rows));
    piix->pci.config_written = config_written;
    pci_bus_set_cf9(pci, &cf9_ops, piix);
    address_space_add_io(bus->as, "piix3.fpu-error", COPROCESSOR_ERROR, 1, 0, &coprocessor_error_ops,
                         piix);
    return piix;
}
