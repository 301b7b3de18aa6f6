/* SPDX-License-Identifier: MIT
 * 82441FX host bridge (PMC) at 00:00.0, 8086:1237: decides by its PAM registers what
 * C0000h-FFFFFh shows: RAM, or the firmware ROM and the PCI bus. */
#ifndef HW_I440FX_H
#define HW_I440FX_H

#include "hw/pci.h"

typedef struct I440fx I440fx;

typedef struct {
    ram_off_t ram;      /* RAM of C0000h-FFFFFh, 256 KiB */
    ram_off_t bios;     /* the firmware image, whose last 128 KiB show at E0000h-FFFFFh */
    uint64_t bios_size; /* page multiple; a smaller image leaves ones below it */
} I440fxMemory;

/* Maps all of C0000h-FFFFFh at I440FX_PRIORITY. The board maps nothing there. */
#define I440FX_PRIORITY 1
I440fx *i440fx_new(const DeviceBus *bus, PciBus *pci, const I440fxMemory *memory);

#endif
