/* SPDX-License-Identifier: MIT
 * Transfers that an IDE drive moves by DMA in parts. */
#include "tests/device/ide-bed.h"

/* A table for all of LARGE_AREA, and a transfer of so much from LARGE_LBA on; the bus master starts. */
static void start_large(Board *b, uint8_t code)
{
    for (unsigned i = 0; i < PARTS; i++)
        put_prd(b, i, LARGE_AREA + i * 0x10000, 0, i == PARTS - 1);
    out(b, BM + 4, PRD, 4);
    command48(b, LARGE_LBA, LARGE_SECTORS, code);
    out(b, BM, 9, 1);
}

Test(ide, what_drivers_ask_for_is_moved_in_one_go)
{
    Board *b = board_new();
    for (unsigned i = 0; i < 20; i++)
        put_prd(b, i, LARGE_AREA + i * 0x10000, 0, i == 19);
    out(b, BM + 4, PRD, 4);
    command48(b, LARGE_LBA, 2560, 0x25); /* 1280 KiB */
    out(b, BM, 9, 1);
    cr_assert_eq(in(b, BM + 2, 1), 4);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA), 2560);
    cr_assert_eq(clock_first_deadline(b->bus->clock), INT64_MAX);
    board_free(b);
}

Test(ide, large_reads_rest_in_between)
{
    Board *b = board_new();
    start_large(b, 0x25);
    cr_assert(is_busy(b));
    cr_assert_eq(b->edges[0], 0);
    unsigned moved = sectors_in_memory(b, LARGE_LBA), parts = 1;
    cr_assert(moved > 0 && moved <= 2560, "%u sectors", moved);
    out(b, 0x1f7, 0xec, 1); /* refused: another one runs */
    out(b, 0x1f7, 0xca, 1);
    cr_assert(is_busy(b));
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA), moved);
    for (; is_busy(b); parts++) {
        cr_assert_eq(b->edges[0], 0);
        clock_fake_advance(b->bus->clock, clock_first_deadline(b->bus->clock) - clock_now(b->bus->clock));
    }
    cr_assert_eq(parts, 3);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, BM + 2, 1), 4);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA), LARGE_SECTORS);
    cr_assert_eq(clock_first_deadline(b->bus->clock), INT64_MAX);
    board_free(b);
}

static unsigned sectors_on_disk(Board *b, uint32_t first)
{
    unsigned n = 0;
    uint32_t value = first;
    for (; n < LARGE_SECTORS && value == first + n; n++)
        block_read(b->disk, (uint64_t)(LARGE_LBA + n + 1) * 512, &value, 4);
    return n;
}

Test(ide, large_writes_rest_and_wait_for_room)
{
    enum { FIRST = 0x5000000 };
    Board *b = board_new();
    int stalls = 0;
    for (uint32_t i = 0; i < LARGE_SECTORS; i++)
        address_space_write(b->as, LARGE_AREA + i * 512, FIRST + i, 4);
    ide_set_error_hook(b->ide, on_full, &stalls);
    start_large(b, 0x35);
    cr_assert(is_busy(b));
    block_fail_writes_for_test(b->disk, ENOSPC);
    pass_time(b);
    cr_assert_eq(stalls, 1);
    pass_time(b);
    cr_assert_eq(stalls, 1);
    cr_assert(is_busy(b));
    block_fail_writes_for_test(b->disk, 0);
    ide_retry(b->ide);
    pass_time(b);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    cr_assert_eq(sectors_on_disk(b, FIRST), LARGE_SECTORS);
    board_free(b);
}

Test(ide, the_stop_bit_ends_a_part_that_rests)
{
    Board *b = board_new();
    start_large(b, 0x25);
    const unsigned moved = sectors_in_memory(b, LARGE_LBA);
    out(b, BM, 8, 1);
    cr_assert_eq(in(b, BM + 2, 1), 0);
    cr_assert_eq(in(b, CONTROL, 1), 0x58, "the drive waits for the bus master");
    pass_time(b);
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA), moved);
    cr_assert_eq(b->edges[0], 0);
    out(b, BM, 9, 1); /* the table from its beginning, the disk from where it was */
    pass_time(b);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, BM + 2, 1), 5, "the table is longer");
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA + moved), LARGE_SECTORS - moved);
    board_free(b);
}

Test(ide, a_bus_master_that_is_none_for_a_while_goes_on)
{
    Board *b = board_new();
    start_large(b, 0x25);
    pci_config_write(b->pci, PCI_DEVFN(1, 1), 0x04, 1, 2);
    const unsigned moved = sectors_in_memory(b, LARGE_LBA);
    pass_time(b);
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA), moved);
    pci_config_write(b->pci, PCI_DEVFN(1, 1), 0x04, 5, 2);
    pass_time(b);
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA), LARGE_SECTORS);
    cr_assert_eq(b->edges[0], 1);
    cr_assert_eq(in(b, BM + 2, 1), 4);
    board_free(b);
}

/* Or a string instruction at the command register would move it all. */
Test(ide, many_starts_move_no_more_than_one)
{
    Board *b = board_new();
    start_large(b, 0x25);
    const unsigned moved = sectors_in_memory(b, LARGE_LBA);
    for (unsigned i = 0; i < 100; i++) {
        out(b, BM, 8, 1);
        out(b, BM, 9, 1);
    }
    cr_assert(is_busy(b));
    cr_assert_eq(sectors_in_memory(b, LARGE_LBA), moved);
    put_prd(b, 0, LARGE_AREA, 0x8000, true); /* nor do they with short tables */
    pass_time(b);
    out(b, BM, 8, 1);
    command48(b, LARGE_LBA, LARGE_SECTORS, 0x25);
    for (unsigned i = 0; i < 100; i++) {
        out(b, BM, 8, 1);
        out(b, BM, 9, 1);
    }
    cr_assert(is_busy(b));
    board_free(b);
}

static void reset_by_srst(Board *b)
{
    out(b, CONTROL, 4, 1);
    out(b, CONTROL, 0, 1);
}

static void reset_by_diagnostic(Board *b)
{
    out(b, 0x1f7, 0x90, 1);
}

static void reset_by_device_reset(Board *b)
{
    out(b, 0x1f7, 0x08, 1);
}

static void reset_board(Board *b)
{
    device_reset_all(b->bus);
    pci_config_write(b->pci, PCI_DEVFN(1, 1), 0x20, BM, 4);
    pci_config_write(b->pci, PCI_DEVFN(1, 1), 0x04, 5, 2);
}

Test(ide, a_reset_ends_a_transfer_that_rests)
{
    static void (*const resets[])(Board *) = {reset_by_srst, reset_by_diagnostic,
                                              reset_by_device_reset, reset_board};
    for (unsigned i = 0; i < G_N_ELEMENTS(resets); i++) {
        Board *b = board_new();
        start_large(b, 0x25);
        const unsigned moved = sectors_in_memory(b, LARGE_LBA);
        resets[i](b);
        in(b, 0x1f7, 1);
        const unsigned edges = b->edges[0];
        cr_assert_eq(in(b, CONTROL, 1) & 0x88, 0, "reset %u", i);
        pass_time(b);
        cr_assert_eq(sectors_in_memory(b, LARGE_LBA), moved, "reset %u", i);
        cr_assert_eq(b->edges[0], edges, "reset %u", i);
        command(b, 3, 1, 0x20);
        cr_assert_eq(read_sector_number(b), 3, "reset %u", i);
        board_free(b);
    }
}

static uint64_t nothing_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void count_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    *(uint32_t *)opaque += size;
}

/* It takes byte by byte what RAM takes by the page. */
Test(ide, devices_memory_is_moved_in_smaller_parts)
{
    static const RegionOps ops = {nothing_read, count_write, 1, 1};
    enum { WINDOW = 0xa00000 };
    Board *b = board_new();
    uint32_t bytes = 0;
    address_space_add_mmio(b->as, "window", WINDOW, 0x10000, 0, &ops, &bytes);
    for (unsigned i = 0; i < PARTS; i++)
        put_prd(b, i, WINDOW, 0, i == PARTS - 1);
    out(b, BM + 4, PRD, 4);
    command48(b, LARGE_LBA, LARGE_SECTORS, 0x25);
    out(b, BM, 9, 1);
    cr_assert(is_busy(b));
    cr_assert_eq(bytes, 0x10000);
    for (unsigned i = 2; i <= PARTS; i++) {
        clock_fake_advance(b->bus->clock, clock_first_deadline(b->bus->clock) - clock_now(b->bus->clock));
        cr_assert_eq(bytes, i * 0x10000);
    }
    cr_assert_eq(in(b, 0x1f7, 1), 0x50);
    board_free(b);
}
