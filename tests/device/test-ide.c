/* SPDX-License-Identifier: MIT
 * IDE controller with a disk, driven by its ports. */
#include "tests/device/ide-bed.h"

Test(ide, shows_signatures)
{
    Board *b = board_new();
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    cr_assert_eq(in(b, 0x1f2, 2), 0x0101);
    cr_assert_eq(in(b, 0x1f4, 2), 0);
    cr_assert_eq(in(b, 0x174, 2), 0xeb14);
    out(b, 0x1f6, 0xb0, 1); /* no slave */
    cr_assert_eq(in(b, 0x1f7, 1), 0);
    out(b, 0x1f2, 0x55, 1);
    cr_assert_eq(in(b, 0x1f2, 1), 0);
    out(b, CONTROL, 4, 1);
    out(b, 0x1f6, 0xa0, 1);
    cr_assert_eq(in(b, CONTROL, 1), 0x80);
    out(b, CONTROL, 0, 1);
    cr_assert_eq(in(b, CONTROL, 1), 0x50);
    cr_assert_eq(in(b, 0x1f1, 1), 1);
    out(b, 0x1f7, 0x90, 1);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, 0x1f1, 1), 1);
    board_free(b);
}

Test(ide, identifies)
{
    Board *b = board_new();
    uint16_t w[256];
    out(b, 0x1f7, 0xec, 1);
    cr_assert_eq(b->level[0], true);
    cr_assert_eq(in(b, 0x1f7, 1), 0x58);
    cr_assert_eq(b->level[0], false);
    read_data(b, 0x1f0, w, 512);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    cr_assert_eq(w[60], DISK_SECTORS);
    cr_assert_eq(w[100], DISK_SECTORS);
    cr_assert_eq(w[1], DISK_SECTORS / 16 / 63);
    cr_assert_arr_eq(w + 27, "BDVT MAHDRIDKS", 14);
    out(b, 0x1f7, 0xa1, 1); /* IDENTIFY PACKET aborts on a disk */
    cr_assert_eq(in(b, 0x1f7, 1), 0x51);
    cr_assert_eq(in(b, 0x1f1, 1), 4);
    out(b, 0x177, 0xec, 1);
    cr_assert_eq(in(b, 0x177, 1), 0x51);
    cr_assert_eq(in(b, 0x174, 2), 0xeb14);
    out(b, 0x177, 0xa1, 1);
    cr_assert_eq(in(b, 0x177, 1), 0x58);
    read_data(b, 0x170, w, 512);
    cr_assert_eq(w[0], 0x85c0);
    board_free(b);
}

Test(ide, reads_and_writes_by_pio)
{
    Board *b = board_new();
    command(b, 1000, 3, 0x20);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(b->edges[0], i + 1);
        cr_assert_eq(in(b, 0x1f7, 1), 0x58);
        cr_assert_eq(read_sector_number(b), 1000 + i);
    }
    cr_assert_eq(b->edges[0], 3);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    command(b, 16, 20, 0xc4); /* READ MULTIPLE: 16 + 4 sectors */
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(read_sector_number(b), 16 + i);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    b->edges[0] = 0;
    command(b, 5, 2, 0x30);
    cr_assert_eq(b->edges[0], 0);
    for (unsigned i = 0; i < 256; i++) {
        if (i == 128)
            cr_assert_eq(in(b, 0x1f7, 1), 0x58);
        out(b, 0x1f0, 0xabcd0000 + i, 4);
    }
    cr_assert_eq(b->edges[0], 2);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    uint32_t value;
    block_read(b->disk, 5 * 512, &value, 4);
    cr_assert_eq(value, 0xabcd0000);
    block_read(b->disk, 6 * 512 + 508, &value, 4);
    cr_assert_eq(value, 0xabcd00ff);
    board_free(b);
}

Test(ide, addresses_by_chs_and_lba48)
{
    Board *b = board_new();
    out(b, 0x1f2, 1, 1);
    out(b, 0x1f3, 5, 1); /* cylinder 2, head 3, sector 5 */
    out(b, 0x1f4, 2, 1);
    out(b, 0x1f5, 0, 1);
    out(b, 0x1f6, 0xa3, 1);
    out(b, 0x1f7, 0x20, 1);
    cr_assert_eq(read_sector_number(b), (2 * 16 + 3) * 63 + 4);
    out(b, 0x1f2, 0, 1); /* count 0x0001, LBA 0x1234 */
    out(b, 0x1f2, 1, 1);
    out(b, 0x1f3, 0, 1);
    out(b, 0x1f3, 0x34, 1);
    out(b, 0x1f4, 0, 1);
    out(b, 0x1f4, 0x12, 1);
    out(b, 0x1f5, 0, 1);
    out(b, 0x1f5, 0, 1);
    out(b, 0x1f6, 0x40, 1);
    out(b, 0x1f7, 0x24, 1);
    cr_assert_eq(read_sector_number(b), 0x1234);
    command(b, DISK_SECTORS - 1, 2, 0x20); /* runs over the end */
    cr_assert_eq(in(b, 0x1f7, 1), 0x51);
    cr_assert_eq(in(b, 0x1f1, 1), 0x10);
    command(b, 0, 0, 0xf8);
    cr_assert_eq(in(b, 0x1f3, 2), (DISK_SECTORS - 1) & 0xffff);
    board_free(b);
}

Test(ide, reads_by_dma)
{
    Board *b = board_new();
    put_prd(b, 0, AREA, 512, false);
    put_prd(b, 1, AREA + 0x1000, 1024, true);
    out(b, BM + 4, PRD, 4);
    out(b, BM, 8, 1);
    command(b, 300, 3, 0xc8);
    cr_assert_eq(b->edges[0], 0);
    out(b, BM, 9, 1);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, BM + 2, 1), 4);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    cr_assert_eq(memory32(b, AREA), 300);
    cr_assert_eq(memory32(b, AREA + 0x1000), 301);
    cr_assert_eq(memory32(b, AREA + 0x1200), 302);
    out(b, BM, 0, 1);
    out(b, BM + 2, 4, 1);
    cr_assert_eq(in(b, BM + 2, 1), 0);
    board_free(b);
}

Test(ide, writes_by_dma_and_survives_short_tables)
{
    Board *b = board_new();
    uint32_t value;
    for (unsigned i = 0; i < 4; i++)
        address_space_write(b->as, AREA + i * 512, 0x1000 + i, 4);
    put_prd(b, 0, AREA, 1024, true); /* two of four sectors */
    out(b, BM + 4, PRD, 4);
    command(b, 40, 4, 0xca);
    out(b, BM, 1, 1);
    cr_assert_eq(in(b, BM + 2, 1), 0); /* stopped, no interrupt */
    out(b, BM, 0, 1);
    put_prd(b, 0, AREA + 1024, 4096, true); /* the rest, and too long */
    out(b, BM, 1, 1);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, BM + 2, 1), 5); /* still active: the table is longer */
    for (unsigned i = 0; i < 4; i++) {
        block_read(b->disk, (40 + i) * 512, &value, 4);
        cr_assert_eq(value, 0x1000 + i);
    }
    out(b, BM, 0, 1);
    put_prd(b, 0, 0xf0000000, 512, true); /* no memory there */
    command(b, 50, 1, 0xca);
    out(b, BM, 1, 1);
    cr_assert(in(b, BM + 2, 1) & 2);
    cr_assert(in(b, 0x1f7, 1) & 1);
    block_read(b->disk, 50 * 512, &value, 4);
    cr_assert_eq(value, 50);
    board_free(b);
}

/* A device's memory that is no RAM: what a bus master does to it comes as accesses. */
static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, (uint8_t *)opaque + offset, size);
    return value;
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    memcpy((uint8_t *)opaque + offset, &value, size);
}

Test(ide, moves_data_to_other_devices_by_dma)
{
    static const RegionOps ops = {window_read, window_write, 1, 4};
    enum { WINDOW = 0xa00000 };
    static uint8_t window[0x1000];
    Board *b = board_new();
    uint32_t value = 0x12345678;
    address_space_add_mmio(b->as, "window", WINDOW, sizeof(window), 0, &ops, window);
    put_prd(b, 0, WINDOW + 2, 1024, true);
    out(b, BM + 4, PRD, 4);
    command(b, 30, 2, 0xc8);
    out(b, BM, 9, 1);
    cr_assert_eq(in(b, BM + 2, 1), 4);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(&value, window + 2 + 512 * i, 4);
        cr_assert_eq(value, 30 + i);
    }
    out(b, BM, 0, 1);
    memset(window + 2, 0x77, 512);
    command(b, 60, 2, 0xca);
    out(b, BM, 1, 1);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    block_read(b->disk, 60 * 512, &value, 4);
    cr_assert_eq(value, 0x77777777);
    block_read(b->disk, 61 * 512, &value, 4);
    cr_assert_eq(value, 31);
    board_free(b);
}

/* Bus Master IDE 1.0: Interrupt follows the wire, which nIEN holds down. */
Test(ide, nien_holds_the_interrupt_bit_down)
{
    Board *b = board_new();
    out(b, CONTROL, 2, 1);
    command(b, 0, 1, 0xe7);
    cr_assert_eq(in(b, BM + 2, 1), 0);
    out(b, CONTROL, 0, 1);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, BM + 2, 1), 4);
    out(b, BM + 2, 4, 1);
    cr_assert_eq(in(b, BM + 2, 1), 0, "only the edge sets it");
    board_free(b);
}

/* The host tells of lost data once; the guest hears it at every flush from then on. */
Test(ide, data_that_the_host_lost_stays_lost)
{
    static const struct {
        uint8_t code, features;
    } cases[] = {{0xe7, 0}, {0xe7, 0}, {0xea, 0}, {0xe0, 0}, {0xe2, 0}, {0xe6, 0}, {0x94, 0}, {0xef, 0x82}};
    Board *b = board_new();
    block_fail_flush_for_test(b->disk, EIO);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        out(b, 0x1f1, cases[i].features, 1);
        command(b, 0, 0, cases[i].code);
        cr_assert_eq(in(b, 0x1f7, 1), 0x71, "case %u", i);
        cr_assert_eq(in(b, 0x1f1, 1), 4, "case %u", i);
    }
    board_free(b);
}

/* A disk image of `sectors` whose one partition ends at this head and sector (0: no table). */
static DiskGeometry guess(uint64_t sectors, unsigned head, unsigned sector)
{
    Block *block = block_new_memory(sectors * 512);
    uint8_t mbr[512] = {[0x1be + 5] = (uint8_t)head, [0x1be + 6] = (uint8_t)sector, [0x1be + 12] = 1};
    if (sector) {
        mbr[510] = 0x55;
        mbr[511] = 0xaa;
    }
    block_write(block, 0, mbr, sizeof(mbr));
    DiskGeometry g = disk_geometry_guess(block);
    block_free(block);
    return g;
}

Test(ide, guesses_the_geometry_of_an_image)
{
    static const struct {
        uint32_t sectors;
        unsigned head, sector;
        DiskGeometry want;
    } cases[] = {
        {1, 0, 0, {2, 16, 63, DISK_TRANSLATE_NONE}},
        {DISK_SECTORS, 0, 0, {19, 16, 63, DISK_TRANSLATE_NONE}},
        {1024 * 1008, 0, 0, {1024, 16, 63, DISK_TRANSLATE_NONE}},
        {1025 * 1008, 0, 0, {1025, 16, 63, DISK_TRANSLATE_LBA}},
        {306 * 4 * 17, 3, 17, {306, 4, 17, DISK_TRANSLATE_NONE}},
        {306 * 4 * 17, 3, 17 | 0xc0, {306, 4, 17, DISK_TRANSLATE_NONE}}, /* cylinder bits */
        {306 * 4 * 17, 0, 17, {20, 16, 63, DISK_TRANSLATE_NONE}},
        {100000, 254, 63, {99, 16, 63, DISK_TRANSLATE_LARGE}},
        {100, 15, 63, {2, 16, 63, DISK_TRANSLATE_NONE}},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const DiskGeometry g = guess(cases[i].sectors, cases[i].head, cases[i].sector);
        const DiskGeometry *w = &cases[i].want;
        cr_assert(g.cylinders == w->cylinders && g.heads == w->heads && g.sectors == w->sectors &&
                      g.translation == w->translation,
                  "case %u: %u/%u/%u translation %u", i, g.cylinders, g.heads, g.sectors, g.translation);
    }
}

Test(ide, waits_while_the_host_disk_is_full)
{
    Board *b = board_new();
    int stalls = 0;
    uint32_t value;
    address_space_write(b->as, AREA, 0x5555, 4);
    ide_set_error_hook(b->ide, on_full, &stalls);
    block_fail_writes_for_test(b->disk, ENOSPC);
    put_prd(b, 0, AREA, 1024, true);
    out(b, BM + 4, PRD, 4);
    command(b, 60, 2, 0xca);
    out(b, BM, 1, 1);
    cr_assert_eq(stalls, 1);
    cr_assert_eq(in(b, 0x1f7, 1), 0x80);
    cr_assert_eq(b->edges[0], 0);
    ide_retry(b->ide); /* still full */
    cr_assert_eq(stalls, 2);
    block_fail_writes_for_test(b->disk, 0);
    ide_retry(b->ide);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    block_read(b->disk, 60 * 512, &value, 4);
    cr_assert_eq(value, 0x5555);
    block_fail_writes_for_test(b->disk, ENOSPC);
    command(b, 70, 1, 0x30);
    for (unsigned i = 0; i < 256; i++)
        out(b, 0x1f0, i, 2);
    cr_assert_eq(stalls, 3);
    block_fail_writes_for_test(b->disk, EIO); /* no reason to wait */
    ide_retry(b->ide);
    cr_assert_eq(in(b, 0x1f7, 1), 0x71);
    ide_retry(b->ide);
    cr_assert_eq(in(b, 0x1f7, 1), 0x71);
    board_free(b);
}

/* A disk aborts it. What waited for room is given up; ide_retry stores nothing, of which the end would
 * not be known. */
Test(ide, device_reset_ends_a_write_that_waits_for_room)
{
    for (unsigned dma = 0; dma < 2; dma++) {
        Board *b = board_new();
        int stalls = 0;
        uint32_t value;
        ide_set_error_hook(b->ide, on_full, &stalls);
        block_fail_writes_for_test(b->disk, ENOSPC);
        put_prd(b, 0, AREA, 1024, true);
        out(b, BM + 4, PRD, 4);
        command(b, 60, 2, dma ? 0xca : 0x30);
        out(b, BM, dma, 1);
        for (unsigned i = 0; i < 128 && !dma; i++)
            out(b, 0x1f0, 0x7777, 4);
        cr_assert_eq(stalls, 1);
        out(b, 0x1f7, 0x08, 1);
        cr_assert_eq(in(b, 0x1f7, 1), 0x51);
        block_fail_writes_for_test(b->disk, 0);
        b->edges[0] = 0;
        ide_retry(b->ide);
        cr_assert_eq(in(b, 0x1f7, 1), 0x51);
        cr_assert_eq(b->edges[0], 0);
        block_read(b->disk, 60 * 512, &value, 4);
        cr_assert_eq(value, 60);
        out(b, 0x1f7, 0xec, 1); /* and the next command is not taken for a stalled one */
        for (unsigned i = 0; i < 128; i++)
            in(b, 0x1f0, 4);
        cr_assert_eq(in(b, 0x1f7, 1), 0x50);
        board_free(b);
    }
}

/* ATA-6 "SET FEATURES"; IDENTIFY words 85 and 88 show what is on. */
Test(ide, sets_features)
{
    Board *b = board_new();
    uint16_t id[256];
    static const struct {
        uint8_t feature, count, status;
    } cases[] = {{0x82, 0, 0x50}, {0x03, 0x44, 0x50}, {0x03, 0x1f, 0x51}, {0x03, 0x46, 0x51},
                 {0xaa, 0, 0x50}, {0x55, 0, 0x50},    {0xcc, 0, 0x50},    {0x99, 0, 0x51}};
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        out(b, 0x1f1, cases[i].feature, 1);
        command(b, 0, cases[i].count, 0xef);
        cr_assert_eq(in(b, 0x1f7, 1), cases[i].status, "case %u", i);
    }
    command(b, 0, 0, 0xec);
    read_data(b, 0x1f0, id, 512);
    cr_assert_eq(id[85] & 0x20, 0, "write cache off");
    cr_assert_eq(id[88] >> 8, 1 << 4, "Ultra DMA mode 4, refused modes changed nothing: %x",
                 id[88]);
    out(b, 0x1f1, 0x02, 1);
    command(b, 0, 0, 0xef);
    command(b, 0, 0, 0xec);
    read_data(b, 0x1f0, id, 512);
    cr_assert_eq(id[85] & 0x20, 0x20);
    board_free(b);
}

Test(ide, survives_noise)
{
    Board *b = board_new();
    GRand *rand = g_rand_new_with_seed(3);
    static const uint8_t codes[] = {0x20, 0x24, 0x25, 0x30, 0x35, 0xc4, 0xc5, 0xc8, 0xca,
                                    0xa0, 0xa1, 0xec, 0xef, 0x91, 0xc6, 0x08, 0x90, 0xf8};
    for (int i = 0; i < 300000; i++) {
        uint32_t dice = g_rand_int(rand);
        unsigned channel = dice & 1 ? 0x1f0 : 0x170;
        unsigned size = 1u << (dice >> 1) % 3;
        uint32_t value = g_rand_int(rand);
        switch (dice >> 4 & 7) {
        case 0:
            out(b, channel + 7, codes[value % sizeof(codes)], 1);
            break;
        case 1:
            out(b, channel + 1 + value % 6, value >> 8 & 0x1f, 1);
            break;
        case 2:
            out(b, BM + value % 16, value >> 8, size);
            break;
        case 3:
            in(b, BM + value % 16, size);
            break;
        case 4:
            if (value % 64 == 0)
                out(b, channel + 0x206, value >> 8 & 0xff, 1);
            break;
        case 5:
            in(b, channel + value % 8, size);
            break;
        default: /* a run of data, with common packet commands first */
            out(b, channel, (uint8_t[]){0x28, 0x25, 0x43, 0x5a}[value % 4], 2);
            for (unsigned k = 0; k < value % 300; k++) {
                out(b, channel, g_rand_int(rand), size);
                in(b, channel, size);
            }
            break;
        }
    }
    g_rand_free(rand);
    board_free(b);
}
