/* SPDX-License-Identifier: MIT
 * Floppy controller: formats, and sectors of images (fdc-priv.h). */
#include "hw/fdc-priv.h"

/* Sorted by size. */
static const FdcFormat formats[] = {
    {40, 1, 8, RATE_250, FDC_DRIVE_360K},    {40, 1, 9, RATE_250, FDC_DRIVE_360K},
    {40, 2, 8, RATE_250, FDC_DRIVE_360K},    {40, 2, 9, RATE_250, FDC_DRIVE_360K},
    {80, 2, 8, RATE_250, FDC_DRIVE_720K},    {80, 2, 9, RATE_250, FDC_DRIVE_720K},
    {80, 2, 10, RATE_250, FDC_DRIVE_720K},   {80, 2, 15, RATE_500, FDC_DRIVE_1200K},
    {80, 2, 18, RATE_500, FDC_DRIVE_1440K},  {80, 2, 20, RATE_500, FDC_DRIVE_1440K},
    {80, 2, 21, RATE_500, FDC_DRIVE_1440K},  {82, 2, 21, RATE_500, FDC_DRIVE_1440K},
    {83, 2, 21, RATE_500, FDC_DRIVE_1440K},  {80, 2, 23, RATE_500, FDC_DRIVE_1440K},
    {80, 2, 24, RATE_500, FDC_DRIVE_1440K},  {80, 2, 36, RATE_1000, FDC_DRIVE_2880K},
    {80, 2, 39, RATE_1000, FDC_DRIVE_2880K},
};

/* ---- the disk ---- */

/* 0, or the ST1 bit that says why this sector is not found. */
uint8_t fdc_disk_locate(const Fdc *fdc, const FdcDrive *drive, uint64_t *offset)
{
    const FdcFormat *f = drive->format;
    if (!drive->block || fdc->rate != f->rate)
        return ST1_NO_ADDRESS;
    if (fdc->cylinder >= f->tracks || fdc->head >= f->heads || fdc->sector == 0 ||
        fdc->sector > f->sectors)
        return ST1_NO_DATA;
    uint32_t track = (uint32_t)fdc->cylinder * f->heads + fdc->head;
    *offset = (uint64_t)(track * f->sectors + fdc->sector - 1) * FDC_SECTOR;
    return 0;
}

/* The image may be shorter than the format: what is missing reads as zeroes. */
uint8_t fdc_disk_read(Fdc *fdc)
{
    FdcDrive *drive = fdc_selected(fdc);
    uint64_t offset = 0;
    uint8_t st1 = fdc_disk_locate(fdc, drive, &offset);
    if (st1)
        return st1;
    memset(fdc->data, 0, FDC_SECTOR);
    if (offset + FDC_SECTOR > block_size(drive->block))
        return 0;
    return block_read(drive->block, offset, fdc->data, FDC_SECTOR) ? ST1_CRC : 0;
}

uint8_t fdc_disk_write(Fdc *fdc)
{
    FdcDrive *drive = fdc_selected(fdc);
    uint64_t offset = 0;
    uint8_t st1 = fdc_disk_locate(fdc, drive, &offset);
    if (st1)
        return st1;
    if (offset + FDC_SECTOR > block_size(drive->block))
        return ST1_NO_DATA;
    return block_write(drive->block, offset, fdc->data, FDC_SECTOR) ? ST1_CRC : 0;
}

/* ---- disks ---- */

static uint64_t format_bytes(const FdcFormat *f)
{
    return (uint64_t)f->tracks * f->heads * f->sectors * FDC_SECTOR;
}

/* The format of just this size; else the first from 1.44 MB on that holds the image: boot
 * images cut short after their last sector are made for such disks. */
static const FdcFormat *format_for(const Block *block, GError **error)
{
    uint64_t size = block_size(block);
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        bool common = formats[i].drive >= FDC_DRIVE_1440K;
        if (size == format_bytes(&formats[i]) || (common && size < format_bytes(&formats[i])))
            return &formats[i];
    }
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "'%s' is too large for a floppy disk; use it as a hard disk or CD-ROM",
                block_path(block));
    return NULL;
}

/* What the drive makes of the format: 40-track disks in a 1.2 MB drive turn faster. */
static const FdcFormat *format_in_drive(const FdcFormat *format, FdcDriveType type)
{
    static const FdcFormat fast[] = {{40, 1, 8, RATE_300, FDC_DRIVE_1200K},
                                     {40, 1, 9, RATE_300, FDC_DRIVE_1200K},
                                     {40, 2, 8, RATE_300, FDC_DRIVE_1200K},
                                     {40, 2, 9, RATE_300, FDC_DRIVE_1200K}};
    size_t index = (size_t)(format - formats);
    return type == FDC_DRIVE_1200K && index < G_N_ELEMENTS(fast) ? &fast[index] : format;
}

static bool insert(FdcDrive *drive, Block *block, GError **error)
{
    const FdcFormat *format = block ? format_for(block, error) : NULL;
    if (block && !format)
        return false;
    if (drive->type == FDC_DRIVE_NONE)
        drive->type = format ? format->drive : FDC_DRIVE_1440K;
    block_free(drive->block);
    drive->block = block;
    drive->format = format ? format_in_drive(format, drive->type) : NULL;
    drive->changed = true;
    return true;
}

bool fdc_attach(Fdc *fdc, unsigned unit, Block *block, GError **error)
{
    g_assert(unit < FDC_DRIVES && fdc->drives[unit].type == FDC_DRIVE_NONE);
    return insert(&fdc->drives[unit], block, error);
}

bool fdc_change(Fdc *fdc, unsigned unit, Block *block, GError **error)
{
    if (unit < FDC_DRIVES && fdc->drives[unit].type != FDC_DRIVE_NONE)
        return insert(&fdc->drives[unit], block, error);
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "there is no floppy drive %u", unit);
    return false;
}

FdcDriveType fdc_drive_type(const Fdc *fdc, unsigned unit)
{
    return unit < FDC_DRIVES ? fdc->drives[unit].type : FDC_DRIVE_NONE;
}

Block *fdc_drive_block(const Fdc *fdc, unsigned unit)
{
    return unit < FDC_DRIVES ? fdc->drives[unit].block : NULL;
}
