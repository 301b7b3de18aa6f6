/* SPDX-License-Identifier: MIT
 * 82077AA floppy disk controller: ports 3F0h-3F5h and 3F7h, IRQ 6, DMA channel 2, two drives. */
#ifndef HW_FDC_H
#define HW_FDC_H

#include "hw/block/block.h"
#include "hw/device.h"
#include "hw/i8237.h"

typedef struct Fdc Fdc;

#define FDC_DRIVES 2

/* CMOS drive types (register 10h). */
typedef enum {
    FDC_DRIVE_NONE = 0,
    FDC_DRIVE_360K = 1,
    FDC_DRIVE_1200K = 2,
    FDC_DRIVE_720K = 3,
    FDC_DRIVE_1440K = 4,
    FDC_DRIVE_2880K = 5,
} FdcDriveType;

Fdc *fdc_new(const DeviceBus *bus, const IrqLine *irq, I8237 *dma);
/* Put a drive, of the type that fits the image (block NULL: an empty 1.44 MB drive). Owns the
 * block on success; fails when the image is larger than any floppy. */
bool fdc_attach(Fdc *fdc, unsigned unit, Block *block, GError **error);
/* Change the disk (block NULL: eject); the type stays. Owns the block on success. */
bool fdc_change(Fdc *fdc, unsigned unit, Block *block, GError **error);
FdcDriveType fdc_drive_type(const Fdc *fdc, unsigned unit);
/* NULL: no disk. */
Block *fdc_drive_block(const Fdc *fdc, unsigned unit);

#endif
