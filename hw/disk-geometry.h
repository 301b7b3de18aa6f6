/* SPDX-License-Identifier: MIT
 * Cylinders, heads and sectors of a hard disk image: what its partition table was made for, so that
 * disks keep their addresses when they move between machines. */
#ifndef HW_DISK_GEOMETRY_H
#define HW_DISK_GEOMETRY_H

#include "hw/block/block.h"

/* How the BIOS makes its geometry of the drive's, by the codes of CMOS 39h. */
typedef enum { DISK_TRANSLATE_NONE, DISK_TRANSLATE_LBA, DISK_TRANSLATE_LARGE } DiskTranslation;

/* As the drive has it: at most 16383 cylinders, 16 heads, 63 sectors. */
typedef struct {
    uint16_t cylinders, heads, sectors;
    DiskTranslation translation;
} DiskGeometry;

DiskGeometry disk_geometry_guess(Block *block);

#endif
