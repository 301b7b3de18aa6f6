/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>

#include "hw/vga.h"

static DeviceBus *bus;
static Vga *vga;
static Surface surface;

static void setup(void)
{
    bus = device_bus_new_for_test(0);
    vga = vga_new(bus);
    surface = (Surface){0};
}

static void teardown(void)
{
    surface_clear(&surface);
    device_bus_free_for_test(bus);
}

TestSuite(vga, .init = setup, .fini = teardown);

static void out8(uint16_t port, unsigned value)
{
    address_space_io_write(bus->as, port, value, 1);
}

static unsigned in8(uint16_t port)
{
    return (unsigned)address_space_io_read(bus->as, port, 1);
}

static void indexed(uint16_t port, unsigned index, unsigned value)
{
    address_space_io_write(bus->as, port, index | value << 8, 2);
}

static unsigned peek(gpa_t gpa)
{
    return (unsigned)address_space_read(bus->as, gpa, 1);
}

static void poke(gpa_t gpa, unsigned value)
{
    address_space_write(bus->as, gpa, value, 1);
}

static void dispi(unsigned index, unsigned value)
{
    address_space_io_write(bus->as, 0x1ce, index, 2);
    address_space_io_write(bus->as, 0x1cf, value, 2);
}

static unsigned dispi_get(unsigned index)
{
    address_space_io_write(bus->as, 0x1ce, index, 2);
    return (unsigned)address_space_io_read(bus->as, 0x1cf, 2);
}

/* Register sets of BIOS modes (IBM VGA TRM, "BIOS mode tables"). */
typedef struct {
    uint8_t misc, sr[5], cr[25], ar[21], gr[9];
} Mode;

#define EGA_PALETTE                                                                                \
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
#define FLAT_PALETTE 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15

static const Mode mode_03 = {0x67,
                             {0x03, 0x00, 0x03, 0x00, 0x02},
                             {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
                              0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                              0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
                             {EGA_PALETTE, 0x0c, 0x00, 0x0f, 0x08, 0x00},
                             {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff}};
static const Mode mode_04 = {0x63,
                             {0x03, 0x09, 0x03, 0x00, 0x02},
                             {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00,
                              0xc1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                              0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff},
                             {FLAT_PALETTE, 0x01, 0x00, 0x03, 0x00, 0x00},
                             {0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x00, 0xff}};
static const Mode mode_12 = {0xe3,
                             {0x03, 0x01, 0x0f, 0x00, 0x06},
                             {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00,
                              0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xea, 0x8c,
                              0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff},
                             {FLAT_PALETTE, 0x01, 0x00, 0x0f, 0x00, 0x00},
                             {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff}};
static const Mode mode_13 = {0x63,
                             {0x03, 0x01, 0x0f, 0x00, 0x0e},
                             {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00,
                              0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                              0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
                             {FLAT_PALETTE, 0x41, 0x00, 0x0f, 0x00, 0x00},
                             {0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff}};

static void set_mode(const Mode *mode)
{
    out8(0x3c2, mode->misc);
    for (unsigned i = 0; i < 5; i++)
        indexed(0x3c4, i, mode->sr[i]);
    indexed(0x3d4, 0x11, 0);
    for (unsigned i = 0; i < 25; i++)
        indexed(0x3d4, i, mode->cr[i]);
    for (unsigned i = 0; i < 9; i++)
        indexed(0x3ce, i, mode->gr[i]);
    in8(0x3da);
    for (unsigned i = 0; i < 21; i++) {
        out8(0x3c0, i);
        out8(0x3c0, mode->ar[i]);
    }
    out8(0x3c0, 0x20);
    /* Colour n is 00nn00 in six bits, but 3f the brightest red. */
    out8(0x3c8, 0);
    for (unsigned i = 0; i < 256; i++) {
        out8(0x3c9, i == 0x3f ? 0x3f : 0);
        out8(0x3c9, i);
        out8(0x3c9, i >> 6);
    }
}

static uint32_t green(unsigned index)
{
    unsigned g = index & 0x3f;
    unsigned b = index >> 6;
    return (index == 0x3f ? 0xff0000 : 0) | (g << 2 | g >> 4) << 8 | b << 2;
}

static uint32_t pixel(unsigned x, unsigned y)
{
    return surface.pixels[y * surface.width + x] & 0xffffff;
}

Test(vga, registers_read_back)
{
    set_mode(&mode_12);
    out8(0x3d4, 0x13);
    cr_assert_eq(in8(0x3d5), 0x28);
    indexed(0x3d4, 0x00, 0x11);
    out8(0x3d4, 0x00);
    cr_assert_eq(in8(0x3d5), 0x5f, "protected");
    cr_assert_eq(in8(0x3b4), 0xff, "monochrome ports are silent");
    cr_assert_eq(in8(0x3cc), 0xe3);
    in8(0x3da);
    out8(0x3c0, 0x32);
    cr_assert_eq(in8(0x3c1), 0x0f);
    out8(0x3c7, 0x05);
    cr_assert_eq(in8(0x3c9), 0);
    cr_assert_eq(in8(0x3c9), 5);
    cr_assert_eq(in8(0x3c7), 3);
    out8(0x3d4, 0x80);
    out8(0x3d5, 0xff);
    out8(0x3c4, 0xff);
    out8(0x3c5, 0xff);
    out8(0x3ce, 0xff);
    out8(0x3cf, 0xff);
}

Test(vga, window_follows_the_map)
{
    set_mode(&mode_03);
    poke(0xb8000, 'A');
    poke(0xa0000, 'B');
    poke(0xb0000, 'C');
    cr_assert_eq(peek(0xb8000), 'A');
    cr_assert_eq(peek(0xa0000), 0xff);
    cr_assert_eq(peek(0xb0000), 0xff);
    indexed(0x3ce, 6, 0x0a);
    cr_assert_eq(peek(0xb0000), 'A');
    cr_assert_eq(peek(0xb8000), 0xff);
    out8(0x3c2, 0x65);
    cr_assert_eq(peek(0xb0000), 0xff, "RAM disabled");
}

static void load_glyph(unsigned code, uint8_t bits)
{
    indexed(0x3c4, 2, 0x04);
    indexed(0x3c4, 4, 0x06);
    indexed(0x3ce, 5, 0x00);
    indexed(0x3ce, 6, 0x04);
    for (unsigned row = 0; row < 16; row++)
        poke(0xa0000 + code * 32 + row, bits);
    indexed(0x3c4, 2, 0x03);
    indexed(0x3c4, 4, 0x02);
    indexed(0x3ce, 5, 0x10);
    indexed(0x3ce, 6, 0x0e);
}

static void put_text(unsigned row, const char *text, uint8_t attribute)
{
    for (unsigned i = 0; text[i]; i++) {
        address_space_write(bus->as, 0xb8000 + row * 160 + i * 2,
                            (uint8_t)text[i] | (uint64_t)attribute << 8, 2);
    }
}

Test(vga, text_screen_as_text)
{
    set_mode(&mode_03);
    put_text(0, "Hello  ", 0x07);
    put_text(2, "\xc9\xcd\xbb A\x03", 0x07);
    g_autofree char *text = vga_screen_text(vga);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    cr_assert_eq(g_strv_length(lines), 26);
    cr_assert_str_eq(lines[0], "Hello");
    cr_assert_str_eq(lines[1], "");
    cr_assert_str_eq(lines[2], "╔═╗ A♥");
    indexed(0x3d4, 0x0d, 80);
    g_autofree char *scrolled = vga_screen_text(vga);
    cr_assert(g_str_has_prefix(scrolled, "\n╔═╗"));
    set_mode(&mode_13);
    cr_assert_null(vga_screen_text(vga));
}

Test(vga, text_picture)
{
    set_mode(&mode_03);
    load_glyph('A', 0x81);
    load_glyph(0xc4, 0x81);
    put_text(0, "A\xc4", 0x1f);
    indexed(0x3d4, 0x0a, 0x20); /* no cursor */
    vga_render(vga, &surface);
    cr_assert_eq(surface.width, 720);
    cr_assert_eq(surface.height, 400);
    cr_assert_eq(pixel(0, 0), green(0x3f));
    cr_assert_eq(pixel(1, 0), green(1));
    cr_assert_eq(pixel(7, 15), green(0x3f));
    cr_assert_eq(pixel(8, 0), green(1), "ninth dot");
    cr_assert_eq(pixel(17, 0), green(0x3f), "ninth dot of line graphics");
    cr_assert_eq(pixel(18, 0), 0);
    put_text(0, "A", 0x9f);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 0), green(0x3f));
    clock_fake_advance(bus->clock, NS_PER_SEC * 17 / 60);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 0), green(1), "dark half of blinking");
}

Test(vga, cursor)
{
    set_mode(&mode_03);
    put_text(0, "  ", 0x07);
    indexed(0x3d4, 0x0f, 1);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(9, 12), 0);
    cr_assert_eq(pixel(9, 13), green(7));
    cr_assert_eq(pixel(9, 14), green(7));
    cr_assert_eq(pixel(9, 15), 0);
    clock_fake_advance(bus->clock, NS_PER_SEC * 9 / 60);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(9, 13), 0);
}

Test(vga, mode_4_interleaves_banks)
{
    set_mode(&mode_04);
    poke(0xb8000, 0x1b); /* pixels 0 1 2 3 */
    poke(0xb8001, 0xff);
    poke(0xba000, 0x40); /* line 1 */
    vga_render(vga, &surface);
    cr_assert_eq(surface.width, 640);
    cr_assert_eq(surface.height, 400);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(pixel(i * 2, 0), green(i));
    cr_assert_eq(pixel(8, 1), green(3));
    cr_assert_eq(pixel(0, 2), green(1));
    cr_assert_eq(pixel(2, 3), 0);
}

Test(vga, mode_12_write_modes)
{
    set_mode(&mode_12);
    indexed(0x3ce, 0, 0x05); /* set/reset */
    indexed(0x3ce, 1, 0x0f);
    indexed(0x3ce, 8, 0x80);
    peek(0xa0000);
    poke(0xa0000, 0);
    vga_render(vga, &surface);
    cr_assert_eq(surface.height, 480);
    cr_assert_eq(pixel(0, 0), green(5));
    cr_assert_eq(pixel(1, 0), 0);
    indexed(0x3ce, 5, 0x02); /* write mode 2 */
    indexed(0x3ce, 8, 0x40);
    peek(0xa0000);
    poke(0xa0000, 0x0a);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 0), green(5));
    cr_assert_eq(pixel(1, 0), green(10));
    indexed(0x3ce, 5, 0x03); /* write mode 3: data is the mask */
    indexed(0x3ce, 8, 0xff);
    peek(0xa0000);
    poke(0xa0000, 0x01);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(7, 0), green(5));
    cr_assert_eq(pixel(6, 0), 0);
    indexed(0x3ce, 5, 0x01); /* write mode 1: latches */
    peek(0xa0000);
    poke(0xa0050, 0x77);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(1, 1), green(10));
    indexed(0x3ce, 5, 0x08); /* read mode 1 */
    indexed(0x3ce, 2, 0x05);
    indexed(0x3ce, 7, 0x0f);
    cr_assert_eq(peek(0xa0000), 0x81);
    indexed(0x3ce, 7, 0x00);
    cr_assert_eq(peek(0xa0000), 0xff);
}

Test(vga, logic_and_rotate)
{
    set_mode(&mode_12);
    indexed(0x3c4, 2, 0x01);
    poke(0xa0000, 0xf0);
    indexed(0x3ce, 3, 0x18 | 4); /* XOR, rotate by 4 */
    peek(0xa0000);
    poke(0xa0000, 0x1e); /* e1 */
    cr_assert_eq(peek(0xa0000), 0x11);
    indexed(0x3ce, 3, 0x08); /* AND */
    poke(0xa0000, 0x10);
    cr_assert_eq(peek(0xa0000), 0x10);
    indexed(0x3ce, 3, 0x10); /* OR */
    poke(0xa0000, 0x03);
    cr_assert_eq(peek(0xa0000), 0x13);
    indexed(0x3ce, 4, 1);
    cr_assert_eq(peek(0xa0000), 0, "the other planes were masked");
}

Test(vga, mode_13_and_mode_x_share_memory)
{
    set_mode(&mode_13);
    address_space_write(bus->as, 0xa0000, 0x44332211, 4);
    poke(0xa0000 + 320, 0x99);
    vga_render(vga, &surface);
    cr_assert_eq(surface.width, 640);
    cr_assert_eq(surface.height, 400);
    cr_assert_eq(pixel(0, 1), green(0x11));
    cr_assert_eq(pixel(1, 0), green(0x11));
    cr_assert_eq(pixel(6, 0), green(0x44));
    cr_assert_eq(pixel(0, 2), green(0x99));
    cr_assert_eq(address_space_read(bus->as, 0xa0000, 4), 0x44332211);
    indexed(0x3c4, 4, 0x06); /* unchained, byte addresses */
    indexed(0x3d4, 0x14, 0x00);
    indexed(0x3d4, 0x17, 0xe3);
    indexed(0x3ce, 4, 2);
    cr_assert_eq(peek(0xa0000), 0x33);
    indexed(0x3c4, 2, 0x08);
    poke(0xa0001, 0x77);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(14, 0), green(0x77));
    indexed(0x3d4, 0x0d, 1); /* start address */
    vga_render(vga, &surface);
    cr_assert_eq(pixel(6, 0), green(0x77));
}

Test(vga, split_screen_and_panning)
{
    set_mode(&mode_12);
    indexed(0x3ce, 8, 0xff);
    poke(0xa0000, 0x80);
    indexed(0x3d4, 0x18, 0x63); /* line 99 is the last of the upper part */
    indexed(0x3d4, 0x07, 0x2e);
    indexed(0x3d4, 0x09, 0x00);
    indexed(0x3d4, 0x0d, 0x50);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 0), 0);
    cr_assert_eq(pixel(0, 99), 0);
    cr_assert_eq(pixel(0, 100), green(15));
    indexed(0x3d4, 0x0d, 0x00);
    poke(0xa0000, 0x20);
    in8(0x3da);
    out8(0x3c0, 0x33);
    out8(0x3c0, 2);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 0), green(15));
}

Test(vga, retrace_comes_from_the_clock)
{
    set_mode(&mode_03);
    unsigned retraces = 0, shown = 0;
    bool before = false;
    for (unsigned us = 0; us < 1000000; us += 20) {
        unsigned status = in8(0x3da);
        retraces += (status & 8) && !before;
        shown += !(status & 1);
        before = status & 8;
        clock_fake_advance(bus->clock, 20000);
    }
    cr_assert(retraces >= 69 && retraces <= 71, "%u", retraces);
    cr_assert(shown > 30000 && shown < 42000, "%u of 50000", shown);
}

Test(vga, survives_any_register)
{
    guint32 seed = 1;
    for (unsigned round = 0; round < 3000; round++) {
        seed = seed * 1664525 + 1013904223;
        uint16_t port = (uint16_t)(0x3b0 + (seed >> 8) % 0x30);
        out8(port, seed >> 24);
        if (round % 7 == 0)
            dispi((seed >> 4) & 15, seed >> 16);
        poke(0xa0000 + (seed >> 3) % 0x20000, seed);
        peek(0xa0000 + (seed >> 5) % 0x20000);
        in8(port);
        if (round % 100 == 0) {
            vga_render(vga, &surface);
            g_free(vga_screen_text(vga));
        }
    }
}

Test(vga, dispi_identifies_itself)
{
    cr_assert_eq(dispi_get(0), 0xb0c5);
    dispi(0, 0xb0c2);
    cr_assert_eq(dispi_get(0), 0xb0c2);
    dispi(0, 0x1234);
    cr_assert_eq(dispi_get(0), 0xb0c2);
    cr_assert_eq(dispi_get(10), 256);
    dispi(4, 0x02);
    cr_assert_eq(dispi_get(1), 2560);
    cr_assert_eq(dispi_get(3), 32);
    cr_assert_eq(dispi_get(1000), 0);
}

static void dispi_mode(unsigned width, unsigned height, unsigned bpp, unsigned flags)
{
    dispi(4, 0);
    dispi(1, width);
    dispi(2, height);
    dispi(3, bpp);
    dispi(4, 1 | flags);
}

Test(vga, dispi_modes_draw)
{
    static const struct {
        unsigned bpp;
        uint32_t value, color;
    } modes[] = {{8, 0x05, 0x001400},
                 {15, 0x7c1f, 0xff00ff},
                 {16, 0x07e0, 0x00ff00},
                 {24, 0x123456, 0x123456},
                 {32, 0x00abcdef, 0xabcdef}};
    uint8_t *vram = ram_hva(address_space_ram(bus->as), vga_vram(vga));
    set_mode(&mode_13);
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        unsigned bytes = (modes[i].bpp + 7) / 8;
        dispi_mode(800, 600, modes[i].bpp, 0x40);
        vga_render(vga, &surface);
        cr_assert_eq(surface.width, 800);
        cr_assert_eq(surface.height, 600);
        cr_assert_eq(pixel(799, 599), 0, "cleared");
        memcpy(vram + (599 * 800 + 799) * bytes, &modes[i].value, bytes);
        vga_render(vga, &surface);
        cr_assert_eq(pixel(799, 599), modes[i].color, "%u bpp: %06x", modes[i].bpp,
                     pixel(799, 599));
    }
    cr_assert_null(vga_screen_text(vga));
    dispi(4, 0);
    vga_render(vga, &surface);
    cr_assert_eq(surface.width, 640);
}

Test(vga, dispi_virtual_screen_and_banks)
{
    set_mode(&mode_13);
    dispi_mode(640, 480, 32, 0x40);
    dispi(6, 1024);
    cr_assert_eq(dispi_get(7), 4096);
    dispi(8, 16);
    dispi(9, 480);
    dispi(5, (480 * 4096 + 16 * 4) >> 16);
    address_space_write(bus->as, 0xa0000 + ((480 * 4096 + 16 * 4) & 0xffff), 0x112233, 4);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 0), 0x112233);
    dispi(9, 0xffff);
    cr_assert_eq(dispi_get(9), 4096 - 480);
    dispi(6, 0);
    cr_assert_eq(dispi_get(6), 640);
    dispi_mode(0xffff, 0xffff, 77, 0);
    cr_assert_eq(dispi_get(1), 2560);
    cr_assert_eq(dispi_get(2), 1600);
    cr_assert_eq(dispi_get(3), 8);
    dispi_mode(2560, 1600, 32, 0x80);
    dispi(6, 0xffff);
    vga_render(vga, &surface);
}

/* Enabled by its ports alone, without the BIOS: the bank is at A0000 and nowhere else. */
Test(vga, dispi_bank_from_text_mode)
{
    set_mode(&mode_03);
    poke(0xb8000, 'A');
    dispi_mode(640, 480, 8, 0);
    poke(0xa0010, 0x5a);
    cr_assert_eq(peek(0xa0010), 0x5a);
    dispi(5, 1);
    cr_assert_eq(peek(0xa0010), 0);
    poke(0xaffff, 0x77);
    cr_assert_eq(ram_hva(address_space_ram(bus->as), vga_vram(vga))[0x1ffff], 0x77);
    cr_assert_eq(peek(0xb0010), 0xff);
    dispi(4, 0);
    cr_assert_eq(peek(0xa0010), 0xff);
    poke(0xb8000, 'B');
    cr_assert_eq(peek(0xb8000), 'B', "text again");
}

Test(vga, dispi_16_colors_are_planar)
{
    set_mode(&mode_12);
    dispi_mode(1024, 768, 4, 0);
    dispi(5, 1); /* lines from 512 are in bank 1 */
    indexed(0x3c4, 2, 0x06);
    poke(0xa0000, 0x80);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 512), green(6));
    cr_assert_eq(pixel(1, 512), 0);
}

Test(vga, eight_bit_palette)
{
    set_mode(&mode_13);
    dispi_mode(640, 480, 8, 0x20);
    out8(0x3c8, 0);
    out8(0x3c9, 0xfe);
    out8(0x3c9, 0xdc);
    out8(0x3c9, 0xba);
    vga_render(vga, &surface);
    cr_assert_eq(pixel(0, 0), 0xfedcba);
}

Test(vga, dispi_word_ports)
{
    address_space_io_write(bus->as, 0x1ce, 0x01, 2);
    address_space_io_write(bus->as, 0x1d0, 800, 2);
    cr_assert_eq(dispi_get(1), 800);
}

Test(vga, surface_becomes_a_file)
{
    g_autofree char *dir = g_dir_make_tmp("surface-XXXXXX", NULL);
    g_autofree char *png = g_build_filename(dir, "a.png", NULL);
    g_autofree char *ppm = g_build_filename(dir, "a.ppm", NULL);
    GError *error = NULL;
    char *bytes;
    gsize size;
    surface_resize(&surface, 3, 2);
    for (unsigned i = 0; i < 6; i++)
        surface.pixels[i] = 0x010203 * i;
    cr_assert(surface_write_png(&surface, png, NULL));
    cr_assert(g_file_get_contents(png, &bytes, &size, NULL));
    cr_assert_eq(memcmp(bytes, "\x89PNG", 4), 0);
    g_free(bytes);
    cr_assert(surface_write_ppm(&surface, ppm, NULL));
    cr_assert(g_file_get_contents(ppm, &bytes, &size, NULL));
    cr_assert_eq(size, 11 + 18);
    cr_assert_eq(memcmp(bytes + 14, "\x01\x02\x03", 3), 0);
    g_free(bytes);
    cr_assert_not(surface_write_png(&surface, "/nowhere/a.png", &error));
    cr_assert_str_eq(error->message, "cannot write '/nowhere/a.png': No such file or directory");
    g_error_free(error);
    remove(png);
    remove(ppm);
    remove(dir);
}
