/* SPDX-License-Identifier: MIT
 * Floppy controller with the real DMA controller, driven by ports. */
#include <criterion/criterion.h>

#include "hw/fdc.h"

enum { AREA = 0x20000 };

typedef struct {
    DeviceBus *bus;
    Fdc *fdc;
    Block *disk;
    bool irq;
} Board;

static void on_irq(void *opaque, int number, bool level)
{
    ((Board *)opaque)->irq = level;
}

static void out(Board *b, uint16_t port, unsigned value)
{
    address_space_io_write(b->bus->as, port, value & 0xff, 1);
}

static uint8_t in(Board *b, uint16_t port)
{
    return (uint8_t)address_space_io_read(b->bus->as, port, 1);
}

static void send(Board *b, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(in(b, 0x3f4) & 0xc0, 0x80);
        out(b, 0x3f5, bytes[i]);
    }
}

#define SEND(b, ...) send(b, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static unsigned receive(Board *b, uint8_t *result)
{
    unsigned count = 0;
    while ((in(b, 0x3f4) & 0xd0) == 0xd0 && count < 16)
        result[count++] = in(b, 0x3f5);
    return count;
}

static Board *board_new(uint64_t bytes)
{
    Board *b = g_new0(Board, 1);
    uint8_t r[16];
    b->bus = device_bus_new_for_test(1 << 20);
    I8237 *dma = i8237_new(b->bus);
    b->fdc = fdc_new(b->bus, &(IrqLine){on_irq, b, 6}, dma);
    b->disk = block_new_memory(bytes);
    for (uint32_t i = 0; i < bytes / 512; i++)
        block_write(b->disk, i * 512, &i, 4);
    cr_assert(fdc_attach(b->fdc, 0, b->disk, NULL));
    device_reset_all(b->bus);
    cr_assert_eq(in(b, 0x3f4), 0);
    out(b, 0x3f2, 0x1c);
    cr_assert(b->irq);
    for (unsigned i = 0; i < 4; i++) {
        SEND(b, 8);
        cr_assert_eq(receive(b, r), 2);
        cr_assert_eq(r[0], 0xc0 | i);
    }
    cr_assert_not(b->irq);
    SEND(b, 3, 0xdf, 0x02);
    out(b, 0x3f7, 0);
    return b;
}

static void board_free(Board *b)
{
    device_bus_free_for_test(b->bus);
    g_free(b);
}

static void program_dma(Board *b, uint8_t mode, unsigned bytes)
{
    out(b, 0x0a, 6); /* mask */
    out(b, 0x0c, 0);
    out(b, 0x0b, mode);
    out(b, 0x04, AREA & 0xff);
    out(b, 0x04, AREA >> 8 & 0xff);
    out(b, 0x81, AREA >> 16);
    out(b, 0x05, (bytes - 1) & 0xff);
    out(b, 0x05, (bytes - 1) >> 8);
    out(b, 0x0a, 2);
}

static uint32_t memory32(Board *b, gpa_t gpa)
{
    return (uint32_t)address_space_read(b->bus->as, gpa, 4);
}

Test(fdc, reads_over_the_head_switch_by_dma)
{
    Board *b = board_new(1440 * 1024);
    uint8_t r[16];
    program_dma(b, 0x46, 3 * 512);
    SEND(b, 0xe6, 0, 1, 0, 17, 2, 18, 0x1b, 0xff); /* cylinder 1, sectors 17, 18, then head 1 */
    cr_assert(b->irq);
    cr_assert_eq(receive(b, r), 7);
    cr_assert_not(b->irq);
    cr_assert_arr_eq(r, ((uint8_t[]){4, 0, 0, 1, 1, 2, 2}), 7);
    cr_assert_eq(memory32(b, AREA), 36 + 16);
    cr_assert_eq(memory32(b, AREA + 512), 36 + 17);
    cr_assert_eq(memory32(b, AREA + 1024), 36 + 18);
    program_dma(b, 0x46, 4 * 512);
    SEND(b, 0x46, 4, 1, 1, 18, 2, 18, 0x1b, 0xff); /* no multi-track: ends at EOT */
    cr_assert_eq(receive(b, r), 7);
    cr_assert_eq(r[0], 0x44);
    cr_assert_eq(r[1], 0x80);
    SEND(b, 0x46, 0, 80, 0, 1, 2, 18, 0x1b, 0xff);
    cr_assert_eq(receive(b, r), 7);
    cr_assert_eq(r[1], 0x04);
    out(b, 0x3f7, 2); /* wrong data rate */
    SEND(b, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    cr_assert_eq(receive(b, r), 7);
    cr_assert_eq(r[1], 0x01);
    board_free(b);
}

Test(fdc, writes_by_dma_when_the_channel_gets_ready)
{
    Board *b = board_new(1440 * 1024);
    uint8_t r[16];
    uint32_t value;
    address_space_write(b->bus->as, AREA + 512, 0xdeadbeef, 4);
    out(b, 0x0a, 6);
    SEND(b, 0xc5, 0, 0, 0, 2, 2, 18, 0x1b, 0xff);
    cr_assert_not(b->irq);
    cr_assert_eq(in(b, 0x3f4), 0x10);
    program_dma(b, 0x4a, 1024);
    cr_assert(b->irq);
    cr_assert_eq(receive(b, r), 7);
    cr_assert_arr_eq(r, ((uint8_t[]){0, 0, 0, 0, 0, 4, 2}), 7);
    block_read(b->disk, 2 * 512, &value, 4);
    cr_assert_eq(value, 0xdeadbeef);
    board_free(b);
}

Test(fdc, transfers_by_pio)
{
    Board *b = board_new(720 * 1024);
    uint8_t r[16];
    cr_assert_eq(fdc_drive_type(b->fdc, 0), FDC_DRIVE_1440K);
    SEND(b, 3, 0xdf, 0x03);
    out(b, 0x3f7, 2);
    SEND(b, 0x46, 0, 0, 0, 8, 2, 9, 0x1b, 0xff);
    cr_assert(b->irq);
    for (unsigned i = 0; i < 1024; i++) {
        cr_assert_eq(in(b, 0x3f4), 0xf0);
        uint8_t byte = in(b, 0x3f5);
        if (i % 512 == 0)
            cr_assert_eq(byte, 7 + i / 512);
    }
    cr_assert_eq(receive(b, r), 7);
    cr_assert_arr_eq(r, ((uint8_t[]){0x40, 0x80, 0, 1, 0, 1, 2}), 7);
    SEND(b, 0x4d, 0, 2, 2, 0x50, 0xf6); /* format two sectors */
    for (unsigned i = 0; i < 2; i++)
        SEND(b, 0, 0, (uint8_t)(i + 1), 2);
    cr_assert_eq(receive(b, r), 7);
    cr_assert_eq(r[0], 0);
    uint8_t sector[512];
    block_read(b->disk, 512, sector, 512);
    cr_assert_eq(sector[511], 0xf6);
    block_read(b->disk, 1024, sector, 512);
    cr_assert_eq(sector[0], 2);
    board_free(b);
}

Test(fdc, seeks_and_shows_the_change_line)
{
    Board *b = board_new(1440 * 1024);
    uint8_t r[16];
    cr_assert_eq(in(b, 0x3f7), 0x80);
    SEND(b, 0x0f, 0, 5);
    cr_assert(b->irq);
    SEND(b, 8);
    cr_assert_eq(receive(b, r), 2);
    cr_assert_eq(r[0], 0x20);
    cr_assert_eq(r[1], 5);
    cr_assert_eq(in(b, 0x3f7), 0);
    SEND(b, 4, 0);
    cr_assert_eq(receive(b, r), 1);
    cr_assert_eq(r[0], 0x28);
    SEND(b, 7, 0);
    SEND(b, 8);
    receive(b, r);
    cr_assert_eq(r[1], 0);
    SEND(b, 7, 1); /* no second drive */
    SEND(b, 8);
    receive(b, r);
    cr_assert_eq(r[0], 0x71);
    SEND(b, 8);
    cr_assert_eq(receive(b, r), 1);
    cr_assert_eq(r[0], 0x80);
    cr_assert(fdc_change(b->fdc, 0, block_new_memory(360 * 1024), NULL));
    cr_assert_eq(in(b, 0x3f7), 0x80);
    GError *error = NULL;
    Block *large = block_new_memory(4 << 20);
    cr_assert_not(fdc_change(b->fdc, 0, large, &error));
    g_error_free(error);
    block_free(large);
    cr_assert(fdc_change(b->fdc, 0, NULL, NULL));
    SEND(b, 0x4a, 0);
    cr_assert_eq(receive(b, r), 7);
    cr_assert_eq(r[0], 0x40);
    board_free(b);
}

Test(fdc, tells_what_it_is)
{
    Board *b = board_new(1440 * 1024);
    uint8_t r[16];
    SEND(b, 0x10);
    cr_assert_eq(receive(b, r), 1);
    cr_assert_eq(r[0], 0x90);
    SEND(b, 0x13, 0, 0x57, 3);
    SEND(b, 0x94);
    cr_assert_eq(receive(b, r), 1);
    cr_assert_eq(r[0], 0x10);
    out(b, 0x3f4, 0x80); /* software reset: locked settings stay, polling is off */
    cr_assert_not(b->irq);
    SEND(b, 0x0e);
    cr_assert_eq(receive(b, r), 10);
    cr_assert_eq(r[7] & 0x80, 0x80);
    cr_assert_eq(r[8], 0x57);
    cr_assert_eq(r[9], 3);
    SEND(b, 0x18);
    cr_assert_eq(receive(b, r), 1);
    cr_assert_eq(r[0], 0x80);
    board_free(b);
}

Test(fdc, survives_noise)
{
    Board *b = board_new(1440 * 1024);
    GRand *rand = g_rand_new_with_seed(11);
    static const uint8_t codes[] = {3, 4, 5, 6, 7, 8, 0xa, 0xd, 0xe, 0xf, 0x13, 0xe6, 0x8f, 0xc5};
    for (int i = 0; i < 500000; i++) {
        uint32_t dice = g_rand_int(rand);
        unsigned kind = dice >> 8 & 15;
        if (kind < 6)
            out(b, 0x3f5, dice & 1 ? codes[(dice >> 1) % sizeof(codes)] : dice >> 16 & 0x1f);
        else if (kind < 12)
            in(b, (uint16_t)(0x3f0 + (dice >> 16) % 6));
        else if (kind == 12 && dice >> 16 & 1)
            out(b, 0x3f2, dice >> 20 & 0xff);
        else if (kind == 13)
            program_dma(b, dice & 1 ? 0x46 : 0x5a, 1 + (dice >> 16 & 0x3fff));
        else
            out(b, 0x3f7, dice >> 20 & 3);
    }
    g_rand_free(rand);
    board_free(b);
}
