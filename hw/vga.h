/* SPDX-License-Identifier: MIT
 * VGA with Bochs display extensions (dispi): registers, the A0000 window and the
 * picture. Knows no PCI: hw/vga-pci.c puts it on a bus. */
#ifndef HW_VGA_H
#define HW_VGA_H

#include "hw/device.h"
#include "hw/display/display.h"

typedef struct Vga Vga;

#define VGA_VRAM_SIZE (16u * 1024 * 1024)

/* Ports 3B0-3DF (without the printer's) and 1CE-1D1, memory A0000-BFFFF. */
Vga *vga_new(const DeviceBus *bus);

/* Video memory in the machine's Ram, for a linear frame buffer. */
ram_off_t vga_vram(const Vga *vga);

/* Draw the screen as a monitor would show it now. */
void vga_render(Vga *vga, Surface *surface);
/* The text screen as UTF-8, one line a row without trailing blanks; NULL in a graphics
 * mode. The caller frees. */
char *vga_screen_text(Vga *vga);

#endif
