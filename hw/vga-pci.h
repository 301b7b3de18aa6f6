/* SPDX-License-Identifier: MIT
 * The VGA as a PCI function, with the identity that firmware and guest drivers know
 * (1234h:1111h): frame buffer, registers in memory, video BIOS. */
#ifndef HW_VGA_PCI_H
#define HW_VGA_PCI_H

#include "hw/pci.h"
#include "hw/vga.h"

typedef struct VgaPci VgaPci;

#define VGA_PCI_ROM_MAX 65536u /* what the ROM may take of Ram */

/* rom: the video BIOS, copied; NULL for none. Asserts rom_size <= VGA_PCI_ROM_MAX. */
VgaPci *vga_pci_new(const DeviceBus *bus, PciBus *pci, unsigned devfn, Vga *vga, const uint8_t *rom,
                    size_t rom_size);

#endif
