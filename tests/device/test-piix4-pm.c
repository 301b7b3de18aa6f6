/* SPDX-License-Identifier: MIT
 * ACPI registers by their ports. */
#include <criterion/criterion.h>

#include "hw/piix4-pm.h"

typedef struct {
    DeviceBus *bus;
    Piix4Pm *pm;
    bool sci;
    unsigned power_offs;
} Board;

static void on_sci(void *opaque, int number, bool level)
{
    ((Board *)opaque)->sci = level;
}

static void on_power_off(void *opaque, int number, bool level)
{
    ((Board *)opaque)->power_offs += level;
}

static void out(Board *b, uint16_t port, uint32_t value, unsigned size)
{
    address_space_io_write(b->bus->as, port, value, size);
}

static uint32_t in(Board *b, uint16_t port, unsigned size)
{
    return (uint32_t)address_space_io_read(b->bus->as, port, size);
}

static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);
    b->bus = device_bus_new_for_test(0);
    PciBus *pci = pci_bus_new(b->bus, (IrqLine[4]){{0}});
    b->pm = piix4_pm_new(b->bus, pci, &(IrqLine){on_sci, b, 9}, &(IrqLine){on_power_off, b, 0});
    device_reset_all(b->bus);
    pci_config_write(pci, PCI_DEVFN(1, 3), 0x40, 0x601, 4);
    pci_config_write(pci, PCI_DEVFN(1, 3), 0x80, 1, 1);
    pci_config_write(pci, PCI_DEVFN(1, 3), 0x90, 0x701, 4);
    pci_config_write(pci, PCI_DEVFN(1, 3), 0xd2, 9, 1);
    pci_config_write(pci, PCI_DEVFN(1, 3), 0x04, 1, 2);
    cr_assert_eq(pci_config_read(pci, PCI_DEVFN(1, 3), 0x58, 4), 0x02000000);
    return b;
}

static void board_free(Board *b)
{
    device_bus_free_for_test(b->bus);
    g_free(b);
}

Test(piix4_pm, powers_off)
{
    Board *b = board_new();
    out(b, 0x604, 0x0401, 2); /* SLP_TYP without SLP_EN */
    out(b, 0x604, 0x2401, 2); /* a suspend type */
    cr_assert_eq(b->power_offs, 0);
    out(b, 0x604, 0x2000, 2);
    cr_assert_eq(b->power_offs, 1);
    cr_assert_eq(in(b, 0x604, 2), 0);
    board_free(b);
}

Test(piix4_pm, counts_and_overflows)
{
    Board *b = board_new();
    clock_fake_advance(b->bus->clock, NS_PER_SEC);
    cr_assert_eq(in(b, 0x608, 4), 3579545);
    out(b, 0xb2, 0xf1, 1); /* ACPI on */
    cr_assert_eq(in(b, 0x604, 2), 1);
    out(b, 0x602, 1, 2);
    cr_assert_eq(b->sci, false);
    clock_fake_advance(b->bus->clock, 2 * NS_PER_SEC); /* past 0x800000 ticks = 2.34 s */
    cr_assert_eq(b->sci, true);
    cr_assert_eq(in(b, 0x600, 2), 1);
    out(b, 0x600, 1, 2);
    cr_assert_eq(b->sci, false);
    cr_assert_eq(in(b, 0x600, 2), 0);
    clock_fake_advance(b->bus->clock, 2 * NS_PER_SEC);
    cr_assert_eq(b->sci, true);
    cr_assert_lt(in(b, 0x608, 4), 0x1000000);
    out(b, 0xb2, 0xf0, 1);
    cr_assert_eq(b->sci, false);
    board_free(b);
}

Test(piix4_pm, reports_the_power_button)
{
    Board *b = board_new();
    out(b, 0xb2, 0xf1, 1);
    out(b, 0x603, 1, 1); /* PWRBTN_EN, as a byte */
    piix4_pm_power_button(b->pm);
    cr_assert_eq(b->sci, true);
    cr_assert_eq(in(b, 0x600, 4), 0x01000100);
    out(b, 0x601, 1, 1);
    cr_assert_eq(b->sci, false);
    out(b, 0xafe2, 0xff, 1);
    cr_assert_eq(in(b, 0xafe0, 4), 0x00ff0000);
    board_free(b);
}

Test(piix4_pm, smbus_has_no_devices)
{
    Board *b = board_new();
    cr_assert_eq(in(b, 0x700, 1), 0);
    out(b, 0x704, 0xa1, 1);
    out(b, 0x702, 0x48, 1);
    cr_assert_eq(in(b, 0x700, 1), 4);
    cr_assert_eq(in(b, 0x702, 1), 8);
    out(b, 0x700, 4, 1);
    cr_assert_eq(in(b, 0x700, 1), 0);
    board_free(b);
}
