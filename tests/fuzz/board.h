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
    Ram *ram;
    AddressSpace *as;
    Clock *clock;
    Pc *pc;
    Chardev *serial, *debugcon;
    bool intr;
} Board;

void board_open(Board *board);
void board_close(Board *board);

#endif
