/* SPDX-License-Identifier: MIT
 * Bochs display extensions: modes of 4 to 32 bits a pixel by a few 16-bit registers
 * (Bochs "VBE Display API", versions B0C0 to B0C5). */
#include "hw/vga-priv.h"

#define DISPI_PORT       0x1ce
#define DISPI_PORT_COUNT 4 /* index, data, and data again where a word is aligned */
#define DISPI_ID_FIRST   0xb0c0
#define DISPI_ID_LAST    0xb0c5
#define MAX_XRES         2560
#define MAX_YRES         1600
#define MAX_BPP          32

void vga_dispi_reset(Vga *vga)
{
    memset(vga->dispi, 0, sizeof(vga->dispi));
    vga->dispi[DISPI_ID] = DISPI_ID_LAST;
    vga->dispi[DISPI_VIDEO_MEMORY_64K] = VGA_VRAM_SIZE / VGA_BANK_SIZE;
    vga->dispi_index = 0;
    vga->dispi_low = 0;
}

static unsigned bytes_of_width(const Vga *vga, unsigned width)
{
    unsigned bpp = vga->dispi[DISPI_BPP];
    return bpp == 4 ? width / 8 : width * ((bpp + 7) / 8);
}

unsigned vga_dispi_pitch(const Vga *vga)
{
    return bytes_of_width(vga, vga->dispi[DISPI_VIRT_WIDTH]);
}

static uint16_t valid_bpp(uint16_t bpp)
{
    static const uint8_t known[] = {4, 8, 15, 16, 24, 32};
    for (size_t i = 0; i < sizeof(known); i++)
        if (known[i] == bpp)
            return bpp;
    return 8;
}

/* Make the registers a mode that fits in video memory. Only while a mode is on: before, the
 * guest writes them in any order. */
static void fix_mode(Vga *vga)
{
    uint16_t *d = vga->dispi;
    d[DISPI_BPP] = valid_bpp(d[DISPI_BPP]);
    bool planar = d[DISPI_BPP] == 4;
    unsigned memory = planar ? VGA_VRAM_SIZE / 4 : VGA_VRAM_SIZE;
    d[DISPI_XRES] = CLAMP(d[DISPI_XRES] & ~7, 8, MAX_XRES);
    d[DISPI_YRES] = CLAMP(d[DISPI_YRES], 1, MAX_YRES);
    unsigned pitch_max = memory / d[DISPI_YRES];
    unsigned widest = planar ? pitch_max * 8 : pitch_max / bytes_of_width(vga, 1);
    widest = MAX(MIN(widest, 0xffff) & ~7u, d[DISPI_XRES]); /* the largest mode always fits */
    d[DISPI_VIRT_WIDTH] = (uint16_t)CLAMP(d[DISPI_VIRT_WIDTH] & ~7u, d[DISPI_XRES], widest);
    d[DISPI_VIRT_HEIGHT] = (uint16_t)MIN(memory / vga_dispi_pitch(vga), 0xffff);
    d[DISPI_X_OFFSET] = MIN(d[DISPI_X_OFFSET], d[DISPI_VIRT_WIDTH] - d[DISPI_XRES]);
    d[DISPI_Y_OFFSET] = MIN(d[DISPI_Y_OFFSET], d[DISPI_VIRT_HEIGHT] - d[DISPI_YRES]);
}

static void clear(Vga *vga, size_t size)
{
    memset(vga->vram, 0, size);
    address_space_ram_written(vga->as, vga->vram_offset, size);
}

static void write_enable(Vga *vga, uint16_t value)
{
    uint16_t *d = vga->dispi;
    bool starts = (value & DISPI_ENABLED) && !vga_dispi_on(vga);
    d[DISPI_ENABLE] = value & (DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB_ENABLED |
                               DISPI_NOCLEARMEM);
    if (!(value & DISPI_ENABLED))
        d[DISPI_BANK] = 0;
    if (!starts)
        return;
    d[DISPI_VIRT_WIDTH] = d[DISPI_X_OFFSET] = d[DISPI_Y_OFFSET] = d[DISPI_BANK] = 0;
    fix_mode(vga);
    size_t shown = (size_t)d[DISPI_YRES] * vga_dispi_pitch(vga) * (d[DISPI_BPP] == 4 ? 4 : 1);
    if (!(value & DISPI_NOCLEARMEM))
        clear(vga, MIN(shown, VGA_VRAM_SIZE));
}

static void dispi_write(Vga *vga, unsigned index, uint16_t value)
{
    switch (index) {
    case DISPI_ID:
        if (value >= DISPI_ID_FIRST && value <= DISPI_ID_LAST)
            vga->dispi[DISPI_ID] = value;
        break;
    case DISPI_ENABLE:
        write_enable(vga, value);
        break;
    case DISPI_BANK:
        vga->dispi[DISPI_BANK] = value & (VGA_VRAM_SIZE / VGA_BANK_SIZE - 1);
        break;
    case DISPI_XRES:
    case DISPI_YRES:
    case DISPI_BPP:
    case DISPI_VIRT_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        vga->dispi[index] = value;
        if (vga_dispi_on(vga))
            fix_mode(vga);
        break;
    default: /* read only or unknown */
        break;
    }
}

static uint16_t dispi_read(const Vga *vga, unsigned index)
{
    static const uint16_t caps[] = {
        [DISPI_XRES] = MAX_XRES, [DISPI_YRES] = MAX_YRES, [DISPI_BPP] = MAX_BPP};
    if (index >= DISPI_COUNT)
        return 0;
    bool asks_caps = vga->dispi[DISPI_ENABLE] & DISPI_GETCAPS;
    if (asks_caps && index >= DISPI_XRES && index <= DISPI_BPP)
        return caps[index];
    return vga->dispi[index];
}

/* Index at 1CEh, data at 1CFh. A word there is not aligned and arrives as bytes: low at offset 1,
 * high at offset 2. The word at 1D0h is the data register once more. */

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    const Vga *vga = opaque;
    if (offset == 0)
        return vga->dispi_index & (size == 2 ? 0xffff : 0xff);
    uint16_t value = dispi_read(vga, vga->dispi_index);
    if (size == 2)
        return value;
    return offset == 1 ? value & 0xff : value >> 8;
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Vga *vga = opaque;
    if (offset == 0)
        vga->dispi_index = (uint16_t)value;
    else if (size == 2)
        dispi_write(vga, vga->dispi_index, (uint16_t)value);
    else if (offset == 1)
        vga->dispi_low = (uint8_t)value;
    else if (offset == 2)
        dispi_write(vga, vga->dispi_index, (uint16_t)(vga->dispi_low | (value & 0xff) << 8));
}

static const RegionOps ports_ops = {ports_read, ports_write, 1, 2};

void vga_dispi_map(Vga *vga, AddressSpace *as)
{
    address_space_add_io(as, "vga.dispi", DISPI_PORT, DISPI_PORT_COUNT, 0, &ports_ops, vga);
}
