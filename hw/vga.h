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

/* VGA port 3B0..3DF, one byte; dispi register by index. For memory-mapped registers. */
uint8_t vga_port_read(Vga *vga, uint16_t port);
void vga_port_write(Vga *vga, uint16_t port, uint8_t value);
uint16_t vga_dispi_read(const Vga *vga, unsigned index);
void vga_dispi_write(Vga *vga, unsigned index, uint16_t value);

/* Draw the screen as a monitor would show it now. */
void vga_render(Vga *vga, Surface *surface);
/* The text screen as UTF-8, one line a row without trailing blanks; NULL in a graphics
 * mode. The caller frees. */
char *vga_screen_text(Vga *vga);

#endif
