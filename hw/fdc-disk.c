/* SPDX-License-Identifier: MIT
 * Floppy controller: formats, and sectors of images (fdc-priv.h). */
#include "hw/fdc-priv.h"

/* A 1.44 MB drive reads 720 KiB disks, too; only it can be given either later. */
static const FdcFormat formats[] = {
    {40, 1, 8, RATE_250, FDC_DRIVE_360K},    {40, 1, 9, RATE_250, FDC_DRIVE_360K},
    {40, 2, 8, RATE_250, FDC_DRIVE_360K},    {40, 2, 9, RATE_250, FDC_DRIVE_360K},
    {80, 2, 8, RATE_250, FDC_DRIVE_1440K},   {80, 2, 9, RATE_250, FDC_DRIVE_1440K},
    {80, 2, 10, RATE_250, FDC_DRIVE_1440K},  {82, 2, 10, RATE_250, FDC_DRIVE_1440K},
    {83, 2, 10, RATE_250, FDC_DRIVE_1440K},  {80, 2, 15, RATE_500, FDC_DRIVE_1200K},
    {80, 2, 18, RATE_500, FDC_DRIVE_1440K},  {82, 2, 18, RATE_500, FDC_DRIVE_1440K},
    {83, 2, 18, RATE_500, FDC_DRIVE_1440K},  {80, 2, 20, RATE_500, FDC_DRIVE_1440K},
    {82, 2, 20, RATE_500, FDC_DRIVE_1440K},  {80, 2, 21, RATE_500, FDC_DRIVE_1440K},
    {82, 2, 21, RATE_500, FDC_DRIVE_1440K},  {83, 2, 21, RATE_500, FDC_DRIVE_1440K},
    {80, 2, 22, RATE_500, FDC_DRIVE_1440K},  {80, 2, 23, RATE_500, FDC_DRIVE_1440K},
    {80, 2, 24, RATE_500, FDC_DRIVE_1440K},  {80, 2, 36, RATE_1000, FDC_DRIVE_2880K},
    {80, 2, 39, RATE_1000, FDC_DRIVE_2880K},
};

/* ---- the disk ---- */

/* 0, or the ST1 bit that says why this sector is not found. */
uint8_t fdc_disk_locate(const Fdc *fdc, const FdcDrive *drive, uint64_t *offset)
{
    const FdcFormat *f = &drive->format;
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

static const FdcFormat *format_of_size(uint64_t size)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (size == format_bytes(&formats[i]))
            return &formats[i];
    }
    return NULL;
}

/* Disks that are no row of the table; denser ones need a faster drive. */
static FdcFormat uncommon_format(unsigned tracks, unsigned heads, unsigned sectors)
{
    enum { SLOW_MAX = 10, FAST_MAX = 24 };
    const bool dense = sectors > FAST_MAX;
    return (FdcFormat){(uint8_t)tracks, (uint8_t)heads, (uint8_t)sectors,
                       dense                 ? RATE_1000
                       : sectors <= SLOW_MAX ? RATE_250
                                             : RATE_500,
                       dense ? FDC_DRIVE_2880K : FDC_DRIVE_1440K};
}

/* What a FAT boot sector says of the disk, whose image may be cut short. */
static bool format_of_fat(Block *block, FdcFormat *format)
{
    enum { TRACKS_MAX = 86, SECTORS_MAX = 48 };
    uint8_t boot[FDC_SECTOR];
    if (block_read(block, 0, boot, sizeof(boot)) != 0)
        return false;
    const unsigned bytes = boot[11] | boot[12] << 8, total = boot[19] | boot[20] << 8;
    const unsigned sectors = boot[24] | boot[25] << 8, heads = boot[26] | boot[27] << 8;
    if (bytes != FDC_SECTOR || heads < 1 || heads > 2 || sectors < 1 || sectors > SECTORS_MAX ||
        total % (heads * sectors) != 0 || total / (heads * sectors) > TRACKS_MAX ||
        block_size(block) > (uint64_t)total * FDC_SECTOR)
        return false;
    const unsigned tracks = total / (heads * sectors);
    const FdcFormat *common = format_of_size((uint64_t)total * FDC_SECTOR);
    *format = common && common->tracks == tracks && common->sectors == sectors
                  ? *common
                  : uncommon_format(tracks, heads, sectors);
    return true;
}

/* By size; else as a FAT says; else an image cut short after its last sector: such boot images are
 * made for 1.44 or 2.88 MB. */
static bool format_for(Block *block, FdcFormat *format, GError **error)
{
    static const unsigned short_ones[] = {18, 36};
    const FdcFormat *exact = format_of_size(block_size(block));
    if (exact) {
        *format = *exact;
        return true;
    }
    if (format_of_fat(block, format))
        return true;
    for (unsigned i = 0; i < G_N_ELEMENTS(short_ones); i++) {
        *format = uncommon_format(80, 2, short_ones[i]);
        if (block_size(block) < format_bytes(format))
            return true;
    }
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "'%s' is too large for a floppy disk; use it as a hard disk or CD-ROM",
                block_path(block));
    return false;
}

static bool insert(FdcDrive *drive, Block *block, GError **error)
{
    FdcFormat format = {0};
    if (block && !format_for(block, &format, error))
        return false;
    if (drive->type == FDC_DRIVE_NONE)
        drive->type = block ? format.drive : FDC_DRIVE_1440K;
    /* 40-track disks turn faster in a 1.2 MB drive. */
    if (drive->type == FDC_DRIVE_1200K && format.drive == FDC_DRIVE_360K)
        format.rate = RATE_300;
    block_free(drive->block);
    drive->block = block;
    drive->format = format;
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
