/* SPDX-License-Identifier: MIT
 * VGA: the device itself. Registers are in vga-regs.c, the CPU's way to memory in
 * vga-mem.c, timing in vga-crt.c, the picture in vga-render.c and vga-text.c, the
 * Bochs extensions in vga-dispi.c. */
#include "hw/vga-priv.h"

#define WINDOW_BASE     0xa0000
#define WINDOW_SIZE     0x20000
#define WINDOW_PRIORITY 1 /* over RAM */

static void vga_reset(Device *device)
{
    Vga *vga = (Vga *)device;
    vga->latch = 0;
    vga_regs_reset(vga);
    vga_dispi_reset(vga);
}

static void vga_info(Device *device, GString *out)
{
    const Vga *vga = (const Vga *)device;
    if (vga_dispi_on(vga)) {
        g_string_append_printf(out, "dispi %ux%u, %u bpp, bank %u\n", vga->dispi[DISPI_XRES],
                               vga->dispi[DISPI_YRES], vga->dispi[DISPI_BPP],
                               vga->dispi[DISPI_BANK]);
        return;
    }
    VgaCrt crt = vga_crt(vga);
    g_string_append_printf(out, "%s, %ux%u, start 0x%04x, pitch %u\n",
                           vga->gr[GR_MISC] & GR_MISC_GRAPHICS ? "graphics" : "text",
                           crt.columns * crt.dots, crt.lines, crt.start, crt.pitch);
}

/* Video memory is part of Ram and saved with it. */
static const StateField vga_state[] = {
    STATE(Vga, misc),
    STATE(Vga, feature),
    STATE(Vga, sr_index),
    STATE(Vga, gr_index),
    STATE(Vga, cr_index),
    STATE(Vga, ar_index),
    STATE(Vga, ar_data_next),
    STATE_ARRAY(Vga, sr),
    STATE_ARRAY(Vga, gr),
    STATE_ARRAY(Vga, cr),
    STATE_ARRAY(Vga, ar),
    STATE(Vga, dac_mask),
    STATE(Vga, dac_write_index),
    STATE(Vga, dac_read_index),
    STATE(Vga, dac_component),
    STATE(Vga, dac_reading),
    STATE_ARRAY(Vga, dac_latch),
    STATE_ARRAY(Vga, dac),
    STATE(Vga, latch),
    STATE(Vga, dispi_index),
    STATE_ARRAY(Vga, dispi),
    STATE(Vga, dispi_low),
    STATE_END,
};

static const DeviceClass vga_class = {
    .name = "VGA",
    .description = "VGA with Bochs display extensions",
    .reset = vga_reset,
    .state = vga_state,
    .info = vga_info,
};

Vga *vga_new(const DeviceBus *bus)
{
    Vga *vga = device_register(bus, &vga_class, sizeof(*vga));
    Ram *ram = address_space_ram(bus->as);
    vga->clock = bus->clock;
    vga->as = bus->as;
    vga->vram_offset = ram_alloc(ram, "vga.vram", VGA_VRAM_SIZE);
    vga->vram = ram_hva(ram, vga->vram_offset);
    address_space_add_mmio(bus->as, "vga.window", WINDOW_BASE, WINDOW_SIZE, WINDOW_PRIORITY,
                           &vga_window_ops, vga);
    vga_regs_map(vga, bus->as);
    vga_dispi_map(vga, bus->as);
    vga_reset(&vga->device);
    return vga;
}

ram_off_t vga_vram(const Vga *vga)
{
    return vga->vram_offset;
}
