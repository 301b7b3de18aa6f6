/* SPDX-License-Identifier: MIT
 * IDE controller with a disk (master) and CD-ROMs, driven by its ports. */
#include <criterion/criterion.h>
#include <errno.h>

#include "hw/ide.h"

enum { DISK_SECTORS = 20000, CD_SECTORS = 100, BM = 0xc000, CONTROL = 0x3f6 };
enum { PRD = 0x1000, AREA = 0x10000 };

typedef struct {
    DeviceBus *bus;
    AddressSpace *as;
    PciBus *pci;
    Ide *ide;
    Block *disk, *cd;
    bool level[2];
    unsigned edges[2];
} Board;

static void on_irq(void *opaque, int number, bool level)
{
    Board *b = opaque;
    b->edges[number] += level && !b->level[number];
    b->level[number] = level;
}

static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);
    b->bus = device_bus_new_for_test(4 << 20);
    b->as = b->bus->as;
    b->pci = pci_bus_new(b->bus, (IrqLine[4]){{0}});
    b->ide = ide_new(b->bus, b->pci, (IrqLine[2]){{on_irq, b, 0}, {on_irq, b, 1}});
    b->disk = block_new_memory(DISK_SECTORS * 512);
    b->cd = block_new_memory(CD_SECTORS * 2048);
    for (uint32_t i = 0; i < DISK_SECTORS; i++)
        block_write(b->disk, i * 512, &i, 4);
    for (uint32_t i = 0; i < CD_SECTORS * 4; i++)
        block_write(b->cd, i * 512, &i, 4);
    ide_attach_disk(b->ide, b->bus, 0, 0, b->disk, NULL);
    ide_attach_cdrom(b->ide, b->bus, 1, 0, b->cd);
    ide_attach_cdrom(b->ide, b->bus, 1, 1, NULL);
    device_reset_all(b->bus);
    pci_config_write(b->pci, PCI_DEVFN(1, 1), 0x20, BM, 4);
    pci_config_write(b->pci, PCI_DEVFN(1, 1), 0x04, 5, 2);
    return b;
}

static void board_free(Board *b)
{
    device_bus_free_for_test(b->bus);
    g_free(b);
}

static void out(Board *b, unsigned port, uint32_t value, unsigned size)
{
    address_space_io_write(b->as, (uint16_t)port, value, size);
}

static uint32_t in(Board *b, unsigned port, unsigned size)
{
    return (uint32_t)address_space_io_read(b->as, (uint16_t)port, size);
}

static void command(Board *b, uint64_t lba, unsigned count, uint8_t code)
{
    out(b, 0x1f2, count & 0xff, 1);
    out(b, 0x1f3, lba & 0xff, 1);
    out(b, 0x1f4, lba >> 8 & 0xff, 1);
    out(b, 0x1f5, lba >> 16 & 0xff, 1);
    out(b, 0x1f6, 0xe0 | (lba >> 24 & 15), 1);
    out(b, 0x1f7, code, 1);
}

static void read_data(Board *b, unsigned port, void *to, unsigned bytes)
{
    uint8_t *p = to;
    for (unsigned i = 0; i < bytes; i += 2) {
        uint32_t word = in(b, port, 2);
        p[i] = (uint8_t)word;
        if (i + 1 < bytes)
            p[i + 1] = (uint8_t)(word >> 8);
    }
}

static uint32_t read_sector_number(Board *b)
{
    uint32_t sector[128];
    read_data(b, 0x1f0, sector, 512);
    return sector[0];
}

static void put_prd(Board *b, unsigned index, uint32_t address, uint32_t bytes, bool last)
{
    uint32_t prd[2] = {address, (bytes & 0xffff) | (last ? 0x80000000u : 0)};
    address_space_dma_write(b->as, PRD + index * 8, prd, 8);
}

static uint32_t memory32(Board *b, gpa_t gpa)
{
    return (uint32_t)address_space_read(b->as, gpa, 4);
}

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

static void on_full(void *opaque, const Block *block, int err)
{
    *(int *)opaque += err == ENOSPC;
}

/* ---- transfers that are too large for one go ---- */

enum { LARGE_SECTORS = 6144, LARGE_AREA = 0x100000, PARTS = 48, LARGE_LBA = 700 };

static void command48(Board *b, uint32_t lba, unsigned count, uint8_t code)
{
    out(b, 0x1f2, count >> 8, 1);
    for (unsigned i = 0; i < 3; i++)
        out(b, 0x1f3 + i, i == 0 ? lba >> 24 : 0, 1);
    command(b, lba, count, code);
}

/* A table for all of LARGE_AREA, and a transfer of so much from LARGE_LBA on; the bus master starts. */
static void start_large(Board *b, uint8_t code)
{
    for (unsigned i = 0; i < PARTS; i++)
        put_prd(b, i, LARGE_AREA + i * 0x10000, 0, i == PARTS - 1);
    out(b, BM + 4, PRD, 4);
    command48(b, LARGE_LBA, LARGE_SECTORS, code);
    out(b, BM, 9, 1);
}

static unsigned sectors_in_memory(Board *b, uint32_t first)
{
    unsigned n = 0;
    while (n < LARGE_SECTORS && memory32(b, LARGE_AREA + n * 512) == first + n)
        n++;
    return n;
}

static bool is_busy(Board *b)
{
    return in(b, CONTROL, 1) == 0x80 && (in(b, BM + 2, 1) & 1);
}

static void pass_time(Board *b)
{
    clock_fake_advance(b->bus->clock, NS_PER_SEC);
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
