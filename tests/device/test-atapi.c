/* SPDX-License-Identifier: MIT
 * CD-ROMs, driven by the ports of the IDE controller. */
#include "tests/device/ide-bed.h"

static void packet(Board *b, const uint8_t *cdb, unsigned limit, bool dma)
{
    uint8_t padded[12] = {0};
    memcpy(padded, cdb, 12);
    out(b, 0x171, dma, 1);
    out(b, 0x174, limit & 0xff, 1);
    out(b, 0x175, limit >> 8, 1);
    out(b, 0x177, 0xa0, 1);
    cr_assert_eq(in(b, 0x177, 1), 0x58);
    cr_assert_eq(in(b, 0x172, 1), 1);
    for (unsigned i = 0; i < 12; i += 2)
        out(b, 0x170, padded[i] | (uint32_t)padded[i + 1] << 8, 2);
}

/* Read a whole PIO reply in chunks; returns the bytes. */
static unsigned packet_read(Board *b, uint8_t *to)
{
    unsigned total = 0;
    while (in(b, 0x177, 1) & 8) {
        unsigned n = in(b, 0x174, 2);
        cr_assert_eq(in(b, 0x172, 1), 2);
        read_data(b, 0x170, to + total, n);
        total += n;
    }
    return total;
}

static uint32_t sense(Board *b)
{
    uint8_t r[64];
    packet(b, (uint8_t[12]){3, 0, 0, 0, 18}, 0xfffe, false);
    cr_assert_eq(packet_read(b, r), 18);
    return (uint32_t)(r[2] << 16 | r[12] << 8 | r[13]);
}

Test(ide, cdrom_answers_by_pio)
{
    Board *b = board_new();
    static uint8_t r[65536];
    packet(b, (uint8_t[12]){0x12, 0, 0, 0, 36}, 10, false); /* small odd chunks */
    cr_assert_eq(packet_read(b, r), 36);
    cr_assert_eq(r[0], 5);
    cr_assert_eq(in(b, 0x172, 1), 3);
    packet(b, (uint8_t[12]){0x25}, 8, false);
    cr_assert_eq(packet_read(b, r), 8);
    cr_assert_eq(r[3], CD_SECTORS - 1);
    cr_assert_eq(r[6], 8);
    b->edges[1] = 0;
    packet(b, (uint8_t[12]){0x28, 0, 0, 0, 0, 7, 0, 0, 3}, 0x0801, false);
    cr_assert_eq(packet_read(b, r), 3 * 2048);
    cr_assert_eq(b->edges[1], 4);
    cr_assert_eq(r[0] | r[1] << 8, 28);
    cr_assert_eq(r[4096] | r[4097] << 8, 36);
    packet(b, (uint8_t[12]){0x28, 0, 0, 0, 0, 99, 0, 0, 2}, 2048, false);
    cr_assert_eq(in(b, 0x177, 1), 0x51);
    cr_assert_eq(in(b, 0x171, 1), 0x54);
    cr_assert_eq(sense(b), 0x052100);
    cr_assert_eq(sense(b), 0);
    packet(b, (uint8_t[12]){0x43, 2, 0, 0, 0, 0, 0, 0, 64}, 64, false);
    cr_assert_eq(packet_read(b, r), 20);
    cr_assert_eq(r[9], 0);
    cr_assert_eq(r[10], 2); /* 00:02:00 */
    cr_assert_eq(r[14], 0xaa);
    packet(b, (uint8_t[12]){0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0}, 0xfffe, false);
    cr_assert_eq(packet_read(b, r), 8 + 8 + 16 + 22);
    packet(b, (uint8_t[12]){0x46, 0, 0, 0, 0, 0, 0, 1, 0}, 0xfffe, false);
    unsigned size = packet_read(b, r);
    cr_assert_eq(r[3] + 4u, size);
    board_free(b);
}

Test(ide, cdrom_reads_by_dma)
{
    Board *b = board_new();
    put_prd(b, 0, AREA, 4096, true);
    out(b, BM + 12, PRD, 4);
    packet(b, (uint8_t[12]){0xa8, 0, 0, 0, 0, 10, 0, 0, 0, 2}, 0, true);
    cr_assert_eq(b->edges[1], 0);
    out(b, BM + 8, 9, 1);
    cr_assert_eq(b->edges[1], 1);
    cr_assert_eq(in(b, BM + 10, 1), 4);
    cr_assert_eq(in(b, 0x177, 1), 0x50);
    cr_assert_eq(in(b, 0x172, 1), 3);
    cr_assert_eq(memory32(b, AREA), 40);
    cr_assert_eq(memory32(b, AREA + 2048), 44);
    board_free(b);
}

/* A large medium, read as a whole; the bus master starts. */
static void start_large_cd(Board *b)
{
    Block *block = block_new_memory(PARTS << 16);
    for (uint32_t i = 0; i < LARGE_SECTORS; i++)
        block_write(block, i * 512, &i, 4);
    cr_assert(ide_cdrom_change(b->ide, 1, 0, block, true, NULL));
    cr_assert_eq(sense(b), 0x062800);
    for (unsigned i = 0; i < PARTS; i++)
        put_prd(b, i, LARGE_AREA + i * 0x10000, 0, i == PARTS - 1);
    out(b, BM + 12, PRD, 4);
    packet(b, (uint8_t[12]){0xa8, 0, 0, 0, 0, 0, 0, 0, LARGE_SECTORS / 4 >> 8}, 0, true);
    out(b, BM + 8, 9, 1);
    cr_assert_eq(in(b, 0x177, 1), 0x80);
    cr_assert(in(b, BM + 10, 1) & 1);
}

Test(ide, cdrom_rests_in_large_reads)
{
    Board *b = board_new();
    start_large_cd(b);
    b->edges[1] = 0;
    out(b, BM + 10, 4, 1);
    out(b, 0x177, 0xa0, 1); /* refused */
    cr_assert_eq(in(b, 0x177, 1), 0x80);
    pass_time(b);
    cr_assert_eq(b->edges[1], 1);
    cr_assert_eq(in(b, BM + 10, 1), 4);
    cr_assert_eq(in(b, 0x177, 1), 0x50);
    cr_assert_eq(in(b, 0x172, 1), 3);
    cr_assert_eq(sectors_in_memory(b, 0), LARGE_SECTORS);
    board_free(b);
}

Test(ide, cdrom_reset_ends_a_large_read)
{
    Board *b = board_new();
    start_large_cd(b);
    const unsigned moved = sectors_in_memory(b, 0);
    out(b, 0x177, 0x08, 1);
    cr_assert_eq(in(b, 0x174, 2), 0xeb14);
    b->edges[1] = 0;
    pass_time(b);
    cr_assert_eq(sectors_in_memory(b, 0), moved);
    cr_assert_eq(b->edges[1], 0);
    board_free(b);
}

/* One command does not give the host some of this medium and some of that. */
Test(ide, cdrom_change_ends_a_large_read)
{
    for (unsigned there = 0; there < 2; there++) {
        Board *b = board_new();
        start_large_cd(b);
        const unsigned moved = sectors_in_memory(b, 0);
        cr_assert(
            ide_cdrom_change(b->ide, 1, 0, there ? block_new_memory(4 << 20) : NULL, true, NULL));
        pass_time(b);
        cr_assert_eq(in(b, 0x177, 1), 0x51);
        cr_assert_eq(sectors_in_memory(b, 0), moved);
        cr_assert_eq(sense(b), there ? 0x062800 : 0x023a00);
        board_free(b);
    }
}

Test(ide, cdrom_changes_medium)
{
    Board *b = board_new();
    uint8_t r[64];
    packet(b, (uint8_t[12]){0x1e, 0, 0, 0, 1}, 0, false); /* lock */
    cr_assert_not(ide_cdrom_change(b->ide, 1, 0, NULL, false, NULL));
    packet(b, (uint8_t[12]){0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}, 8, false);
    cr_assert_eq(packet_read(b, r), 8);
    cr_assert_eq(r[4], 1); /* eject request */
    packet(b, (uint8_t[12]){0x1b, 0, 0, 0, 2}, 0, false);
    cr_assert_eq(sense(b), 0x055302);
    packet(b, (uint8_t[12]){0x1e}, 0, false);
    cr_assert(ide_cdrom_change(b->ide, 1, 0, NULL, false, NULL));
    packet(b, (uint8_t[12]){0}, 0, false);
    cr_assert_eq(sense(b), 0x023a00);
    cr_assert(ide_cdrom_change(b->ide, 1, 0, block_new_memory(4096), false, NULL));
    packet(b, (uint8_t[12]){0}, 0, false);
    cr_assert_eq(sense(b), 0x062800);
    packet(b, (uint8_t[12]){0}, 0, false);
    cr_assert_eq(in(b, 0x177, 1), 0x50);
    GError *error = NULL;
    cr_assert_not(ide_cdrom_change(b->ide, 0, 0, NULL, true, &error));
    g_error_free(error);
    board_free(b);
}

/* START STOP UNIT moves the tray; MECHANISM STATUS and the event tell. */
Test(ide, cdrom_tray)
{
    Board *b = board_new();
    uint8_t r[64];
    packet(b, (uint8_t[12]){0x1b, 0, 0, 0, 2}, 0, false); /* open */
    packet(b, (uint8_t[12]){0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 8, false);
    cr_assert_eq(packet_read(b, r), 8);
    cr_assert_eq(r[1], 0x10);
    packet(b, (uint8_t[12]){0}, 0, false);
    cr_assert_eq(sense(b) >> 8, 0x023a, "no medium");
    packet(b, (uint8_t[12]){0x1b, 0, 0, 0, 3}, 0, false); /* close */
    cr_assert_eq(sense(b), 0x062800, "asked before a command failed for it");
    packet(b, (uint8_t[12]){0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 8, false);
    cr_assert_eq(packet_read(b, r), 8);
    cr_assert_eq(r[1], 0);
    packet(b, (uint8_t[12]){0x2b, 0, 0, 0, 0, CD_SECTORS - 1}, 0, false); /* SEEK */
    cr_assert_eq(in(b, 0x177, 1), 0x50);
    packet(b, (uint8_t[12]){0x2b, 0, 0, 0, 0, CD_SECTORS}, 0, false);
    cr_assert_eq(sense(b), 0x052100);
    packet(b, (uint8_t[12]){0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x10}, 2048,
           false); /* READ CD: user data */
    static uint8_t sector[2048];
    cr_assert_eq(packet_read(b, sector), 2048);
    cr_assert_eq(sector[0], 20);
    packet(b, (uint8_t[12]){0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0xf8}, 2352, false); /* raw */
    cr_assert_eq(sense(b), 0x056400);
    board_free(b);
}
