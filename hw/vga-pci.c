/* SPDX-License-Identifier: MIT
 * PCI face of the VGA. BAR 0 is video memory; registers are ports only. There is no BAR 2, in which
 * some adapters of this identity repeat them behind an EDID block: the video BIOS would read the
 * EDID by 32-bit addresses, and under a firmware that calls it with limits of 64 KiB, as U-Boot
 * does, that is #GP. Drivers use the ports then. */
#include "hw/vga-pci.h"

#include <string.h>

struct VgaPci {
    PciFunction pci;
};

static void vga_pci_reset(Device *device)
{
    pci_function_reset(&((VgaPci *)device)->pci);
}

static const StateField vga_pci_state[] = {PCI_FUNCTION_STATE(VgaPci, pci), STATE_END};

static const DeviceClass vga_pci_class = {
    .name = "VGA-pci",
    .description = "PCI interface of the VGA",
    .reset = vga_pci_reset,
    .state = vga_pci_state,
};

static const PciIds vga_pci_ids = {
    .vendor = 0x1234,
    .device = 0x1111,
    .class_code = 0x0300,
    .revision = 2,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
};

static void add_rom(VgaPci *vga_pci, AddressSpace *as, const uint8_t *rom, size_t rom_size)
{
    uint64_t size = GUEST_PAGE_SIZE;
    g_assert(rom_size <= VGA_PCI_ROM_MAX);
    while (size < rom_size)
        size *= 2;
    Ram *ram = address_space_ram(as);
    ram_off_t offset = ram_alloc(ram, "vga.rom", size);
    memcpy(ram_hva(ram, offset), rom, rom_size);
    Region *region =
        address_space_add_rom(as, "vga.rom", 0, size, PCI_BAR_PRIORITY, offset, NULL, NULL);
    pci_function_add_bar(&vga_pci->pci, PCI_BAR_INDEX_ROM, PCI_BAR_ROM, size, region);
}

VgaPci *vga_pci_new(const DeviceBus *bus, PciBus *pci, unsigned devfn, Vga *vga, const uint8_t *rom,
                    size_t rom_size)
{
    VgaPci *vga_pci = device_register(bus, &vga_pci_class, sizeof(*vga_pci));
    pci_function_init(&vga_pci->pci, pci, devfn, &vga_pci_ids);
    address_space_begin(bus->as);
    pci_function_add_bar(&vga_pci->pci, 0, PCI_BAR_MEM32_PREFETCH, VGA_VRAM_SIZE,
                         address_space_add_ram(bus->as, "vga.lfb", 0, VGA_VRAM_SIZE,
                                               PCI_BAR_PRIORITY, vga_vram(vga)));
    if (rom)
        add_rom(vga_pci, bus->as, rom, rom_size);
    vga_pci_reset(&vga_pci->pci.device);
    address_space_commit(bus->as);
    return vga_pci;
}
