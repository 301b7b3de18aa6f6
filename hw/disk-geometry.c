/* SPDX-License-Identifier: MIT
 * See disk-geometry.h. The last sector of a partition lies, by custom, at the last head and sector
 * of a cylinder. */
#include "hw/disk-geometry.h"

#include "base/bits.h"

enum {
    SECTOR = 512,
    CYLINDERS_MIN = 2, /* SeaBIOS keeps one for itself where it translates nothing */
    CYLINDERS_MAX = 16383,
    BIOS_CYLINDERS_MAX = 1024,
    DRIVE_HEADS = 16,
    DRIVE_SECTORS = 63,
    PARTITIONS = 4,
    TABLE = 0x1be,
    ENTRY = 16,
    LARGE_MAX = 131072, /* cylinders * heads that halving the one and doubling the other brings to
                           1024 * 128 */
};

/* The geometry in which a partition ends, if it is one; heads may be up to 256: the BIOS's. */
static bool partition_geometry(const uint8_t *entry, uint64_t sectors, DiskGeometry *g)
{
    const uint32_t length = (uint32_t)entry[12] | (uint32_t)entry[13] << 8 |
                            (uint32_t)entry[14] << 16 | (uint32_t)entry[15] << 24;
    const unsigned end_head = entry[5], end_sector = entry[6] & 63;
    if (length == 0 || end_head == 0 || end_sector == 0)
        return false;
    const uint64_t cylinders = sectors / ((end_head + 1) * end_sector);
    if (cylinders < 1 || cylinders > CYLINDERS_MAX)
        return false;
    *g = (DiskGeometry){.cylinders = (uint16_t)cylinders,
                        .heads = (uint16_t)(end_head + 1),
                        .sectors = (uint16_t)end_sector};
    return true;
}

static bool table_geometry(Block *block, DiskGeometry *g)
{
    uint8_t mbr[SECTOR];
    if (block_read(block, 0, mbr, sizeof(mbr)) != 0 || mbr[510] != 0x55 || mbr[511] != 0xaa)
        return false;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        if (partition_geometry(mbr + TABLE + i * ENTRY, block_size(block) / SECTOR, g))
            return true;
    }
    return false;
}

/* A table with more heads than a drive can have was made by a BIOS that translated: the drive is an
 * ordinary one. With fewer, drive and BIOS had the same geometry. */
DiskGeometry disk_geometry_guess(Block *block)
{
    const uint64_t cylinders = block_size(block) / SECTOR / (DRIVE_HEADS * DRIVE_SECTORS);
    DiskGeometry plain = {(uint16_t)CLAMP(cylinders, CYLINDERS_MIN, CYLINDERS_MAX), DRIVE_HEADS,
                          DRIVE_SECTORS, DISK_TRANSLATE_NONE};
    DiskGeometry table;
    const bool found = table_geometry(block, &table);
    if (found && table.heads <= DRIVE_HEADS)
        return table;
    if (found)
        plain.translation =
            plain.cylinders * DRIVE_HEADS <= LARGE_MAX ? DISK_TRANSLATE_LARGE : DISK_TRANSLATE_LBA;
    else if (plain.cylinders > BIOS_CYLINDERS_MAX)
        plain.translation = DISK_TRANSLATE_LBA;
    return plain;
}
