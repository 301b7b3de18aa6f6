/* SPDX-License-Identifier: MIT
 * A whole board without a CPU for the fuzz targets: media in memory, a clock that only the target
 * moves, base addresses as firmware would assign them. */
#ifndef TESTS_FUZZ_BOARD_H
#define TESTS_FUZZ_BOARD_H

#include "hw/pc.h"

enum {
    BOARD_RAM = 2 << 20,
    BOARD_BMDMA = 0xc000,
    BOARD_PM = 0xb000,
    BOARD_SMBUS = 0xb100,
    BOARD_DEBUG_EXIT = 0xf4,
    BOARD_PVPANIC = 0x505,
};
#define BOARD_LFB      0xe0000000u
#define BOARD_VGA_MMIO 0xfeb00000u

typedef struct {
    Ram *ram,
        *media; /* kept from one board to the next, and cleared: mappings cost more than chips */
    AddressSpace *as; /* likewise */
    Clock *clock;
    Pc *pc;
    Chardev *serial, *debugcon;
    bool intr;
} Board;

/* Zeroed before the first time. Every board is new, so that it depends on nothing that an earlier
 * one did; fuzz_digest of two runs shows whether that is so. */
void board_open(Board *board);
void board_close(Board *board);
/* Of all there is: memory, media, the state of every device, the time, what went out. */
uint64_t board_digest(Board *board);

#endif
