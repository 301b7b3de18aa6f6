/* SPDX-License-Identifier: MIT
 * Draws VGA text and planar, packed and 256-colour graphics, scan line by scan line,
 * as the serialisers and the attribute controller would. */
#include "hw/vga-priv.h"

#define LINE_DOTS  ((256 + 1) * 9) /* dots of a line and of the character panned in */
#define CURSOR_OFF 0x20            /* of CURSOR_START */
#define UNLIT_SIZE 720, 400        /* before the registers are set */

typedef struct {
    const Vga *vga;
    VgaCrt crt;
    uint32_t colors[16]; /* attribute (after the palette registers) to pixel */
    uint32_t planes;     /* plane enable, one byte a plane */
    bool cursor_on;      /* text */
    bool blink_hides;    /* blinking characters are in their dark half */
    uint32_t line[LINE_DOTS];
} Renderer;

/* Attribute controller: palette register and color select make a DAC index. */
static void set_colors(Renderer *r)
{
    const uint8_t *ar = r->vga->ar;
    for (unsigned i = 0; i < 16; i++) {
        uint8_t index = ar[i & ar[AR_PLANE_ENABLE] & 15];
        if (ar[AR_MODE] & AR_MODE_P54S)
            index = (index & 0x0f) | (ar[AR_COLOR_SELECT] & 0x03) << 4;
        index = (index & 0x3f) | (ar[AR_COLOR_SELECT] & 0x0c) << 4;
        r->colors[i] = vga_dac_color(r->vga, index);
    }
    for (unsigned plane = 0; plane < 4; plane++)
        if (ar[AR_PLANE_ENABLE] & 1u << plane)
            r->planes |= 0xffu << (plane * 8);
}

/* Serialisers: 8 dots from the four planes' bytes */

static void draw_planar(const Renderer *r, uint32_t bytes, uint32_t *out)
{
    for (unsigned dot = 0; dot < 8; dot++) {
        uint32_t bit = bytes >> (7 - dot) & 0x01010101;
        out[dot] = r->colors[(bit | bit >> 7 | bit >> 14 | bit >> 21) & 15];
    }
}

/* CGA's two bits a pixel: planes 0 and 2 hold the first four pixels, 1 and 3 the others. */
static void draw_pairs(const Renderer *r, uint32_t bytes, uint32_t *out)
{
    for (unsigned dot = 0; dot < 8; dot++) {
        uint32_t pair = bytes >> (dot < 4 ? 0 : 8) >> (6 - dot % 4 * 2);
        out[dot] = r->colors[(pair & 3) | (pair >> 14 & 12)];
    }
}

static void draw_256(const Renderer *r, uint32_t bytes, uint32_t *out)
{
    for (unsigned plane = 0; plane < 4; plane++)
        out[plane * 2] = out[plane * 2 + 1] = vga_dac_color(r->vga, bytes >> (plane * 8) & 0xff);
}

typedef void (*DrawFn)(const Renderer *r, uint32_t bytes, uint32_t *out);

static DrawFn graphics_draw(const Vga *vga)
{
    uint8_t mode = vga->gr[GR_MODE];
    return mode & GR_MODE_256 ? draw_256 : mode & GR_MODE_PAIRS ? draw_pairs : draw_planar;
}

static void graphics_line(Renderer *r, unsigned ma, unsigned row)
{
    const uint32_t *vram = (const uint32_t *)r->vga->vram;
    DrawFn draw = graphics_draw(r->vga);
    for (unsigned column = 0; column <= r->crt.columns; column++)
        draw(r, vram[vga_crt_address(r->vga, ma + column, row)] & r->planes, r->line + column * 8);
}

/* Text */

static unsigned font_offset(const Vga *vga, bool map_a)
{
    unsigned select = vga->sr[SR_CHAR_MAP] >> (map_a ? 2 : 0) & 3;
    unsigned high = vga->sr[SR_CHAR_MAP] >> (map_a ? 5 : 4) & 1;
    return select * 0x4000 + high * 0x2000;
}

static void draw_character(const Renderer *r, unsigned ma, unsigned row, uint32_t *out)
{
    const Vga *vga = r->vga;
    uint8_t mode = vga->ar[AR_MODE];
    const uint8_t *cell = vga->vram + vga_crt_address(vga, ma, 0) * 4;
    uint8_t code = cell[0], attribute = cell[1];
    unsigned glyph = font_offset(vga, attribute & 8) + code * 32u + row;
    unsigned bits = (unsigned)vga->vram[glyph * 4 + 2] << 1;
    if ((mode & AR_MODE_LINE_GRAPHICS) && code >= 0xc0 && code <= 0xdf)
        bits |= bits >> 1 & 1; /* the ninth dot repeats the eighth */
    if ((mode & AR_MODE_MONO) && (attribute & 7) == 1 && row == (vga->cr[CR_UNDERLINE] & 31))
        bits = 0x1ff;
    uint32_t back = r->colors[attribute >> 4 & (mode & AR_MODE_BLINK ? 7 : 15)];
    uint32_t fore = r->colors[attribute & 15];
    if (r->blink_hides && (attribute & 0x80))
        bits = 0;
    unsigned cursor = (unsigned)vga->cr[CR_CURSOR_HIGH] << 8 | vga->cr[CR_CURSOR_LOW];
    if (r->cursor_on && (ma & 0xffff) == cursor && row >= (vga->cr[CR_CURSOR_START] & 31) &&
        row <= (vga->cr[CR_CURSOR_END] & 31))
        bits = 0x1ff;
    for (unsigned dot = 0; dot < r->crt.dots; dot++)
        out[dot] = bits & 0x100u >> dot ? fore : back;
}

static void text_line(Renderer *r, unsigned ma, unsigned row)
{
    for (unsigned column = 0; column <= r->crt.columns; column++)
        draw_character(r, ma + column, row, r->line + column * r->crt.dots);
}

static void set_blinking(Renderer *r)
{
    uint64_t frame = vga_crt_frame(r->vga);
    r->cursor_on = !(frame & 8) && !(r->vga->cr[CR_CURSOR_START] & CURSOR_OFF);
    r->blink_hides = (r->vga->ar[AR_MODE] & AR_MODE_BLINK) && (frame & 16);
}

/* The frame */

/* In nine-dot modes, 8 is no shift and 0 shifts by one. */
static unsigned panning(const Renderer *r)
{
    unsigned pan = r->vga->ar[AR_PEL_PANNING];
    return r->crt.dots == 9 ? (pan + 1) % 9 : pan & 7;
}

static void emit_line(const Renderer *r, Surface *surface, unsigned y, unsigned pan)
{
    uint32_t *out = surface->pixels + (size_t)y * surface->width;
    unsigned dots = r->crt.columns * r->crt.dots;
    bool doubled = r->vga->sr[SR_CLOCKING] & SR_CLOCKING_HALF;
    if (!doubled) {
        memcpy(out, r->line + pan, dots * sizeof(*out));
        return;
    }
    for (unsigned dot = 0; dot < dots; dot++)
        out[dot * 2] = out[dot * 2 + 1] = r->line[dot + pan];
}

static void render_frame(Renderer *r, Surface *surface)
{
    const Vga *vga = r->vga;
    bool text = !(vga->gr[GR_MISC] & GR_MISC_GRAPHICS);
    bool double_scan = vga->cr[CR_MAX_SCAN] & 0x80;
    bool repeated = false;
    unsigned row = vga->cr[CR_PRESET_ROW] & 31;
    unsigned ma = r->crt.start + (vga->cr[CR_PRESET_ROW] >> 5 & 3);
    unsigned pan = panning(r);
    for (unsigned y = 0; y < surface->height; y++) {
        if (y == r->crt.line_compare + 1) { /* split screen: the lower part is from 0 */
            ma = row = 0;
            repeated = false;
            if (vga->ar[AR_MODE] & AR_MODE_PAN_COMPAT)
                pan = 0;
        }
        (text ? text_line : graphics_line)(r, ma, row);
        emit_line(r, surface, y, pan);
        repeated = double_scan && !repeated;
        if (repeated)
            continue;
        if (row + 1 == r->crt.row_height) {
            row = 0;
            ma += r->crt.pitch;
        } else {
            row = (row + 1) & 31;
        }
    }
}

static void render_black(Surface *surface, unsigned width, unsigned height)
{
    surface_resize(surface, width, height);
    memset(surface->pixels, 0, (size_t)width * height * sizeof(*surface->pixels));
}

static void render_vga(Renderer *r, Surface *surface)
{
    r->crt = vga_crt(r->vga);
    unsigned width = r->crt.columns * r->crt.dots;
    if (r->vga->sr[SR_CLOCKING] & SR_CLOCKING_HALF)
        width *= 2;
    surface_resize(surface, width, r->crt.lines);
    set_blinking(r);
    render_frame(r, surface);
}

/* Dispi modes */

typedef void (*DispiRowFn)(const Renderer *r, const uint8_t *in, uint32_t *out, unsigned count);

static void dispi_row_8(const Renderer *r, const uint8_t *in, uint32_t *out, unsigned count)
{
    uint32_t palette[256];
    for (unsigned i = 0; i < 256; i++)
        palette[i] = vga_dac_color(r->vga, (uint8_t)i);
    for (unsigned i = 0; i < count; i++)
        out[i] = palette[in[i]];
}

static void dispi_row_15(const Renderer *r, const uint8_t *in, uint32_t *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t v = in[i * 2] | (uint32_t)in[i * 2 + 1] << 8;
        v = (v & 0x7c00) << 9 | (v & 0x3e0) << 6 | (v & 0x1f) << 3;
        out[i] = v | (v >> 5 & 0x070707);
    }
}

static void dispi_row_16(const Renderer *r, const uint8_t *in, uint32_t *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t v = in[i * 2] | (uint32_t)in[i * 2 + 1] << 8;
        v = (v & 0xf800) << 8 | (v & 0x7e0) << 5 | (v & 0x1f) << 3;
        out[i] = v | (v >> 5 & 0x070007) | (v >> 6 & 0x000300);
    }
}

static void dispi_row_24(const Renderer *r, const uint8_t *in, uint32_t *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        out[i] = in[i * 3] | (uint32_t)in[i * 3 + 1] << 8 | (uint32_t)in[i * 3 + 2] << 16;
}

static void dispi_row_32(const Renderer *r, const uint8_t *in, uint32_t *out, unsigned count)
{
    memcpy(out, in, count * sizeof(*out));
}

/* Eight dots an address, from the planes. */
static void dispi_row_4(const Renderer *r, const uint8_t *in, uint32_t *out, unsigned count)
{
    for (unsigned i = 0; i < count / 8; i++)
        draw_planar(r, ((const uint32_t *)in)[i] & r->planes, out + i * 8);
}

static DispiRowFn dispi_row(unsigned bpp)
{
    static const struct {
        unsigned bpp;
        DispiRowFn draw;
    } rows[] = {{4, dispi_row_4},   {8, dispi_row_8},   {15, dispi_row_15},
                {16, dispi_row_16}, {24, dispi_row_24}, {32, dispi_row_32}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].bpp == bpp)
            return rows[i].draw;
    return dispi_row_8; /* vga-dispi.c lets no other through */
}

static void render_dispi(Renderer *r, Surface *surface)
{
    const Vga *vga = r->vga;
    const uint16_t *dispi = vga->dispi;
    bool planar = dispi[DISPI_BPP] == 4;
    unsigned address_bytes = planar ? 4 : 1; /* of video memory at an address */
    unsigned width = dispi[DISPI_XRES], bytes = (dispi[DISPI_BPP] + 7u) / 8;
    uint64_t left = planar ? dispi[DISPI_X_OFFSET] / 8u : dispi[DISPI_X_OFFSET] * bytes;
    uint64_t length = planar ? width / 8 : width * bytes;
    DispiRowFn draw = dispi_row(dispi[DISPI_BPP]);
    render_black(surface, width, dispi[DISPI_YRES]);
    for (unsigned y = 0; y < surface->height; y++) {
        uint64_t start = (uint64_t)(y + dispi[DISPI_Y_OFFSET]) * vga_dispi_pitch(vga) + left;
        if ((start + length) * address_bytes > VGA_VRAM_SIZE)
            break;
        draw(r, vga->vram + start * address_bytes, surface->pixels + (size_t)y * width, width);
    }
}

void vga_render(Vga *vga, Surface *surface)
{
    Renderer r = {.vga = vga};
    bool off = !(vga->ar_index & AR_INDEX_VIDEO_ON) || (vga->sr[SR_CLOCKING] & SR_CLOCKING_OFF);
    if (off) {
        unsigned width = surface->width, height = surface->height;
        if (width && height)
            render_black(surface, width, height);
        else
            render_black(surface, UNLIT_SIZE);
        return;
    }
    set_colors(&r);
    if (vga_dispi_on(vga))
        render_dispi(&r, surface);
    else
        render_vga(&r, surface);
}
