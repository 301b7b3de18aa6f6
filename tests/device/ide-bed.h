/* SPDX-License-Identifier: MIT
 * What tests of IDE drives share: a board with a disk (master), a CD-ROM and an empty drive (second
 * channel), and its ports. */
#ifndef TESTS_DEVICE_IDE_BED_H
#define TESTS_DEVICE_IDE_BED_H

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

static inline void on_irq(void *opaque, int number, bool level)
{
    Board *b = opaque;
    b->edges[number] += level && !b->level[number];
    b->level[number] = level;
}

static inline Board *board_new(void)
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

static inline void board_free(Board *b)
{
    device_bus_free_for_test(b->bus);
    g_free(b);
}

static inline void out(Board *b, unsigned port, uint32_t value, unsigned size)
{
    address_space_io_write(b->as, (uint16_t)port, value, size);
}

static inline uint32_t in(Board *b, unsigned port, unsigned size)
{
    return (uint32_t)address_space_io_read(b->as, (uint16_t)port, size);
}

static inline void command(Board *b, uint64_t lba, unsigned count, uint8_t code)
{
    out(b, 0x1f2, count & 0xff, 1);
    out(b, 0x1f3, lba & 0xff, 1);
    out(b, 0x1f4, lba >> 8 & 0xff, 1);
    out(b, 0x1f5, lba >> 16 & 0xff, 1);
    out(b, 0x1f6, 0xe0 | (lba >> 24 & 15), 1);
    out(b, 0x1f7, code, 1);
}

static inline void read_data(Board *b, unsigned port, void *to, unsigned bytes)
{
    uint8_t *p = to;
    for (unsigned i = 0; i < bytes; i += 2) {
        uint32_t word = in(b, port, 2);
        p[i] = (uint8_t)word;
        if (i + 1 < bytes)
            p[i + 1] = (uint8_t)(word >> 8);
    }
}

static inline uint32_t read_sector_number(Board *b)
{
    uint32_t sector[128];
    read_data(b, 0x1f0, sector, 512);
    return sector[0];
}

static inline void put_prd(Board *b, unsigned index, uint32_t address, uint32_t bytes, bool last)
{
    uint32_t prd[2] = {address, (bytes & 0xffff) | (last ? 0x80000000u : 0)};
    address_space_dma_write(b->as, PRD + index * 8, prd, 8);
}

static inline uint32_t memory32(Board *b, gpa_t gpa)
{
    return (uint32_t)address_space_read(b->as, gpa, 4);
}

static inline void on_full(void *opaque, const Block *block, int err)
{
    *(int *)opaque += err == ENOSPC;
}

/* Transfers that are too large for one go. */

enum { LARGE_SECTORS = 6144, LARGE_AREA = 0x100000, PARTS = 48, LARGE_LBA = 700 };

static inline void command48(Board *b, uint32_t lba, unsigned count, uint8_t code)
{
    out(b, 0x1f2, count >> 8, 1);
    for (unsigned i = 0; i < 3; i++)
        out(b, 0x1f3 + i, i == 0 ? lba >> 24 : 0, 1);
    command(b, lba, count, code);
}

static inline unsigned sectors_in_memory(Board *b, uint32_t first)
{
    unsigned n = 0;
    while (n < LARGE_SECTORS && memory32(b, LARGE_AREA + n * 512) == first + n)
        n++;
    return n;
}

static inline bool is_busy(Board *b)
{
    return in(b, CONTROL, 1) == 0x80 && (in(b, BM + 2, 1) & 1);
}

static inline void pass_time(Board *b)
{
    clock_fake_advance(b->bus->clock, NS_PER_SEC);
}

#endif
