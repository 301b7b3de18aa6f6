/* SPDX-License-Identifier: MIT
 * PCI face of the VGA. BAR 0 is video memory, BAR 2 repeats VGA ports and dispi
 * registers in memory, where drivers of Bochs-compatible adapters look for them. */
#include "hw/vga-pci.h"

#include <string.h>

#define MMIO_SIZE         4096
#define MMIO_VGA          0x400 /* ports 3C0h-3DFh */
#define MMIO_VGA_SIZE     0x20
#define MMIO_DISPI        0x500 /* one word a register */
#define MMIO_DISPI_SIZE   0x16
#define MMIO_EXTRA        0x600 /* dword: size of this block; dword: byte order */
#define MMIO_EXTRA_SIZE   8
#define BYTE_ORDER_LITTLE 0x1e1e1e1eu

struct VgaPci {
    PciFunction pci;
    Vga *vga;
};

static bool within(uint64_t offset, unsigned base, unsigned size)
{
    return offset >= base && offset < base + size;
}

static uint8_t extra_byte(uint64_t offset)
{
    static const uint32_t words[MMIO_EXTRA_SIZE / 4] = {MMIO_EXTRA_SIZE, BYTE_ORDER_LITTLE};
    return (uint8_t)(words[offset / 4] >> offset % 4 * 8);
}

static uint8_t mmio_read_byte(Vga *vga, uint64_t offset)
{
    if (within(offset, MMIO_VGA, MMIO_VGA_SIZE))
        return vga_port_read(vga, (uint16_t)(0x3c0 + offset - MMIO_VGA));
    if (within(offset, MMIO_DISPI, MMIO_DISPI_SIZE)) {
        uint16_t word = vga_dispi_read(vga, (unsigned)(offset - MMIO_DISPI) / 2);
        return (uint8_t)(offset & 1 ? word >> 8 : word);
    }
    if (within(offset, MMIO_EXTRA, MMIO_EXTRA_SIZE))
        return extra_byte(offset - MMIO_EXTRA);
    return 0; /* where an EDID block would be: its header is missing, drivers do without */
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    VgaPci *vga_pci = opaque;
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)mmio_read_byte(vga_pci->vga, offset + i) << (i * 8);
    return value;
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    VgaPci *vga_pci = opaque;
    if (within(offset, MMIO_VGA, MMIO_VGA_SIZE)) {
        for (unsigned i = 0; i < size; i++)
            vga_port_write(vga_pci->vga, (uint16_t)(0x3c0 + offset + i - MMIO_VGA),
                           (uint8_t)(value >> (i * 8)));
    } else if (within(offset, MMIO_DISPI, MMIO_DISPI_SIZE) && size >= 2) {
        for (unsigned i = 0; i < size; i += 2)
            vga_dispi_write(vga_pci->vga, (unsigned)(offset + i - MMIO_DISPI) / 2,
                            (uint16_t)(value >> (i * 8)));
    }
}

static const RegionOps mmio_ops = {mmio_read, mmio_write, 1, 4};

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
    vga_pci->vga = vga;
    pci_function_init(&vga_pci->pci, pci, devfn, &vga_pci_ids);
    address_space_begin(bus->as);
    pci_function_add_bar(&vga_pci->pci, 0, PCI_BAR_MEM32_PREFETCH, VGA_VRAM_SIZE,
                         address_space_add_ram(bus->as, "vga.lfb", 0, VGA_VRAM_SIZE,
                                               PCI_BAR_PRIORITY, vga_vram(vga)));
    pci_function_add_bar(&vga_pci->pci, 2, PCI_BAR_MEM32, MMIO_SIZE,
                         address_space_add_mmio(bus->as, "vga.mmio", 0, MMIO_SIZE, PCI_BAR_PRIORITY,
                                                &mmio_ops, vga_pci));
    if (rom)
        add_rom(vga_pci, bus->as, rom, rom_size);
    vga_pci_reset(&vga_pci->pci.device);
    address_space_commit(bus->as);
    return vga_pci;
}
