/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "hw/vga-pci.h"

#define DEVFN PCI_DEVFN(2, 0)

Test(vga_pci, bars_reach_memory_and_rom)
{
    static const IrqLine no_irq[PCI_PIRQS];
    static uint8_t rom[39424] = {0x55, 0xaa};
    DeviceBus *bus = device_bus_new_for_test(0);
    Ram *ram = address_space_ram(bus->as);
    PciBus *pci = pci_bus_new(bus, no_irq);
    Vga *vga = vga_new(bus);
    vga_pci_new(bus, pci, DEVFN, vga, rom, sizeof(rom));
    cr_assert_eq(pci_config_read(pci, DEVFN, 0, 4), 0x11111234);
    pci_config_write(pci, DEVFN, PCI_BAR0, 0xffffffff, 4);
    cr_assert_eq(pci_config_read(pci, DEVFN, PCI_BAR0, 4), 0xff000008);
    pci_config_write(pci, DEVFN, PCI_BAR0, 0xfd000000, 4);
    pci_config_write(pci, DEVFN, PCI_BAR0 + 8, 0xfebf0000, 4);
    pci_config_write(pci, DEVFN, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    address_space_write(bus->as, 0xfd001234, 0xcafe, 2);
    cr_assert_eq(ram_hva(ram, vga_vram(vga))[0x1234], 0xfe);
    cr_assert_eq(pci_config_read(pci, DEVFN, PCI_BAR0 + 8, 4), 0);
    pci_config_write(pci, DEVFN, PCI_ROM_ADDRESS, 0xffffffff, 4);
    cr_assert_eq(pci_config_read(pci, DEVFN, PCI_ROM_ADDRESS, 4), 0xffff0001);
    pci_config_write(pci, DEVFN, PCI_ROM_ADDRESS, 0xfeb00001, 4);
    cr_assert_eq(address_space_read(bus->as, 0xfeb00000, 2), 0xaa55);
    device_bus_free_for_test(bus);
}
