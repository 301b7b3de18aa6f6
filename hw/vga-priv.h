/* SPDX-License-Identifier: MIT
 * State shared by the files of the VGA (vga.c, vga-*.c). Register and bit names are
 * those of the IBM VGA/XGA Technical Reference Manual. */
#ifndef HW_VGA_PRIV_H
#define HW_VGA_PRIV_H

#include <string.h>

#include "hw/vga.h"

#define VGA_PLANE_SIZE 65536u /* bytes a plane that VGA modes can reach */
#define VGA_BANK_SIZE  65536u

enum { SR_RESET, SR_CLOCKING, SR_MAP_MASK, SR_CHAR_MAP, SR_MEMORY, SR_COUNT };
enum {
    GR_SET_RESET,
    GR_ENABLE_SET_RESET,
    GR_COLOR_COMPARE,
    GR_ROTATE,
    GR_READ_MAP,
    GR_MODE,
    GR_MISC,
    GR_COLOR_DONT_CARE,
    GR_BIT_MASK,
    GR_COUNT,
};
enum {
    CR_H_TOTAL = 0x00,
    CR_H_DISPLAY_END = 0x01,
    CR_V_TOTAL = 0x06,
    CR_OVERFLOW = 0x07,
    CR_PRESET_ROW = 0x08,
    CR_MAX_SCAN = 0x09,
    CR_CURSOR_START = 0x0a,
    CR_CURSOR_END = 0x0b,
    CR_START_HIGH = 0x0c,
    CR_START_LOW = 0x0d,
    CR_CURSOR_HIGH = 0x0e,
    CR_CURSOR_LOW = 0x0f,
    CR_V_RETRACE_START = 0x10,
    CR_V_RETRACE_END = 0x11,
    CR_V_DISPLAY_END = 0x12,
    CR_OFFSET = 0x13,
    CR_UNDERLINE = 0x14,
    CR_MODE = 0x17,
    CR_LINE_COMPARE = 0x18,
    CR_COUNT = 0x19,
};
enum {
    AR_MODE = 0x10,
    AR_OVERSCAN = 0x11,
    AR_PLANE_ENABLE = 0x12,
    AR_PEL_PANNING = 0x13,
    AR_COLOR_SELECT = 0x14,
    AR_COUNT = 0x15,
};

enum { MISC_COLOR = 0x01, MISC_RAM_ENABLE = 0x02, MISC_CLOCK = 0x0c };
enum { SR_CLOCKING_8_DOTS = 0x01, SR_CLOCKING_HALF = 0x08, SR_CLOCKING_OFF = 0x20 };
enum { SR_MEMORY_SEQUENTIAL = 0x04, SR_MEMORY_CHAIN4 = 0x08 };
enum { GR_MODE_READ1 = 0x08, GR_MODE_ODD_EVEN = 0x10, GR_MODE_PAIRS = 0x20, GR_MODE_256 = 0x40 };
enum { GR_MISC_GRAPHICS = 0x01 };
enum {
    AR_MODE_MONO = 0x02,
    AR_MODE_LINE_GRAPHICS = 0x04,
    AR_MODE_BLINK = 0x08,
    AR_MODE_PAN_COMPAT = 0x20,
    AR_MODE_P54S = 0x80,
};
enum { AR_INDEX_VIDEO_ON = 0x20 };
enum {
    CR_MODE_ROW0_MA13 = 0x01, /* 0: row scan bit 0 replaces address bit 13 */
    CR_MODE_ROW1_MA14 = 0x02,
    CR_MODE_V_DOUBLE = 0x04,
    CR_MODE_WRAP_MA15 = 0x20,
    CR_MODE_BYTE = 0x40,
};
enum { CR_UNDERLINE_DWORD = 0x40 };

/* Dispi registers (Bochs "VBE Display API") */
enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_VIDEO_MEMORY_64K,
    DISPI_COUNT,
};
enum {
    DISPI_ENABLED = 0x01,
    DISPI_GETCAPS = 0x02,
    DISPI_8BIT_DAC = 0x20,
    DISPI_LFB_ENABLED = 0x40,
    DISPI_NOCLEARMEM = 0x80,
};

struct Vga {
    Device device;
    Clock *clock;
    uint8_t *vram; /* plane p of address a is vram[a * 4 + p] in VGA modes; linear in dispi ones */
    ram_off_t vram_offset;
    AddressSpace *as;

    uint8_t misc, feature;
    uint8_t sr_index, gr_index, cr_index, ar_index;
    bool ar_data_next; /* attribute flip-flop: the next write of 3C0h is data */
    uint8_t sr[SR_COUNT], gr[GR_COUNT], cr[CR_COUNT], ar[AR_COUNT];

    uint8_t dac_mask, dac_write_index, dac_read_index;
    uint8_t dac_component; /* 0 red, 1 green, 2 blue is next */
    bool dac_reading;
    uint8_t dac_latch[3];
    uint8_t dac[256][3];

    uint32_t latch; /* one byte a plane */

    uint16_t dispi_index;
    uint16_t dispi[DISPI_COUNT];
    uint8_t dispi_low; /* first half of a data access split into bytes */
};

/* Is a dispi mode on, and does it bypass the planes (8 bits a pixel and more)? */
static inline bool vga_dispi_on(const Vga *vga)
{
    return vga->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}

static inline bool vga_dispi_linear(const Vga *vga)
{
    return vga_dispi_on(vga) && vga->dispi[DISPI_BPP] != 4;
}

/* vga-regs.c */
void vga_regs_reset(Vga *vga);
void vga_regs_map(Vga *vga, AddressSpace *as);

/* vga-mem.c */
extern const RegionOps vga_window_ops;

/* vga-dispi.c */
void vga_dispi_reset(Vga *vga);
void vga_dispi_map(Vga *vga, AddressSpace *as);
unsigned vga_dispi_pitch(const Vga *vga); /* bytes a line (a plane's, at 4 bpp) */

/* CRT geometry, from the registers (vga-crt.c) */
typedef struct {
    unsigned columns;    /* character clocks a line */
    unsigned dots;       /* dots a character clock: 8 or 9 */
    unsigned lines;      /* displayed scan lines */
    unsigned row_height; /* scan lines a character row, double scan not counted */
    unsigned pitch;      /* memory addresses a row */
    unsigned start;      /* memory address of the first */
    unsigned line_compare;
} VgaCrt;

VgaCrt vga_crt(const Vga *vga);
/* Address inside a plane of memory counter `ma` in scan line `row` of its character row. */
unsigned vga_crt_address(const Vga *vga, unsigned ma, unsigned row);
/* Input status register 1, bits 0 and 3, from the clock. */
uint8_t vga_crt_status(const Vga *vga);
uint64_t vga_crt_frame(const Vga *vga); /* frames since power-on, for blinking */

/* A colour of the palette RAM as XRGB8888, the mask applied. */
uint32_t vga_dac_color(const Vga *vga, uint8_t index);

#endif
