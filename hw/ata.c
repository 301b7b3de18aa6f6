/* SPDX-License-Identifier: MIT
 * ATA hard disk on the IDE cable (ide-priv.h). Source: ATA/ATAPI-6 (T13/1410D), "Command
 * descriptions" and "IDENTIFY DEVICE". */
#include <string.h>

#include "base/log.h"
#include "hw/ide-priv.h"

enum {
    SECTOR = 512,
    MULTIPLE_MAX = 16,
    DMA_SECTORS = IDE_BUFFER / SECTOR, /* at once */
    LBA28_MAX = 0x0fffffff,
    CYLINDERS_MAX = 16383,
    MODE_ACTIVE = 0xff,
    MODE_STANDBY = 0x00,
};

typedef struct {
    IdeDrive drive;
    uint64_t sectors;
    DiskGeometry geometry; /* the default */
    uint16_t heads, track; /* current translation (INITIALIZE DEVICE PARAMETERS) */
    uint8_t multiple;      /* 0: READ/WRITE MULTIPLE are off */
    uint8_t transfer_mode; /* as SET FEATURES gave it */
    bool write_cache;
    bool standby;
    /* The transfer under way. */
    bool writing;
    bool lba48;
    uint64_t lba;
    uint32_t remaining; /* sectors */
    uint32_t block;     /* sectors per interrupt */
    uint32_t stalled;   /* sectors in the buffer that the host had no room for */
} AtaDisk;

/* Command flags. */
enum { EXT = 1, MULTIPLE = 2, DMA = 4, WRITE = 8 };

/* ---- addresses ---- */

static uint16_t cylinders_of(const AtaDisk *disk)
{
    uint64_t cylinders = disk->sectors / ((uint32_t)disk->heads * disk->track);
    return (uint16_t)CLAMP(cylinders, 1, CYLINDERS_MAX);
}

/* UINT64_MAX: no such sector. */
static uint64_t address_of(const AtaDisk *disk, unsigned flags)
{
    const uint8_t *r = disk->drive.regs, *p = disk->drive.previous;
    uint64_t low = r[IDE_REG_LBA_LOW] | r[IDE_REG_LBA_MID] << 8 | r[IDE_REG_LBA_HIGH] << 16;
    if (flags & EXT)
        return low | (uint64_t)p[IDE_REG_LBA_LOW] << 24 | (uint64_t)p[IDE_REG_LBA_MID] << 32 |
               (uint64_t)p[IDE_REG_LBA_HIGH] << 40;
    unsigned head = r[IDE_REG_DEVICE] & IDE_DEVICE_HEAD;
    if (r[IDE_REG_DEVICE] & IDE_DEVICE_LBA)
        return low | (uint64_t)head << 24;
    unsigned sector = r[IDE_REG_LBA_LOW];
    if (sector == 0 || sector > disk->track || head >= disk->heads)
        return UINT64_MAX;
    return ((low >> 8) * disk->heads + head) * disk->track + sector - 1;
}

static uint32_t count_of(const AtaDisk *disk, unsigned flags)
{
    uint32_t count = disk->drive.regs[IDE_REG_COUNT];
    if (flags & EXT) {
        count |= (uint32_t)disk->drive.previous[IDE_REG_COUNT] << 8;
        return count ? count : 65536;
    }
    return count ? count : 256;
}

static void set_lba(AtaDisk *disk, uint64_t lba)
{
    uint8_t *r = disk->drive.regs, *p = disk->drive.previous;
    uint8_t *device = &r[IDE_REG_DEVICE];
    if (!disk->lba48 && !(*device & IDE_DEVICE_LBA)) {
        uint32_t track = (uint32_t)(lba / disk->track);
        r[IDE_REG_LBA_LOW] = (uint8_t)(lba % disk->track + 1);
        *device = (uint8_t)((*device & ~IDE_DEVICE_HEAD) | track % disk->heads);
        lba = (uint64_t)(track / disk->heads) << 8 | r[IDE_REG_LBA_LOW];
    } else if (!disk->lba48) {
        *device = (uint8_t)((*device & ~IDE_DEVICE_HEAD) | (lba >> 24 & IDE_DEVICE_HEAD));
    } else {
        p[IDE_REG_LBA_LOW] = (uint8_t)(lba >> 24);
        p[IDE_REG_LBA_MID] = (uint8_t)(lba >> 32);
        p[IDE_REG_LBA_HIGH] = (uint8_t)(lba >> 40);
    }
    r[IDE_REG_LBA_LOW] = (uint8_t)lba;
    r[IDE_REG_LBA_MID] = (uint8_t)(lba >> 8);
    r[IDE_REG_LBA_HIGH] = (uint8_t)(lba >> 16);
}

/* ---- transfers ---- */

static void transfer_fail(AtaDisk *disk, uint8_t error)
{
    set_lba(disk, disk->lba);
    ide_drive_fail(&disk->drive, error);
}

/* All sectors are done. */
static void transfer_finish(AtaDisk *disk)
{
    disk->drive.regs[IDE_REG_COUNT] = 0;
    if (disk->writing && !disk->write_cache && block_flush(disk->drive.block) != 0) {
        transfer_fail(disk, IDE_ERROR_ABRT);
        disk->drive.status |= IDE_STATUS_DF;
        return;
    }
    ide_drive_finish(&disk->drive);
}

/* Image to buffer. False: the command has failed. */
static bool load(AtaDisk *disk, uint32_t count)
{
    IdeDrive *drive = &disk->drive;
    int err = block_read(drive->block, disk->lba * SECTOR, drive->buffer, count * SECTOR);
    if (err == 0)
        return true;
    log_unimp("ata: reading '%s': %s", block_path(drive->block), g_strerror(err));
    transfer_fail(disk, IDE_ERROR_UNC);
    return false;
}

/* Buffer to image. False: the command has failed or is stalled. */
static bool store(AtaDisk *disk, uint32_t count)
{
    IdeDrive *drive = &disk->drive;
    int err = block_write(drive->block, disk->lba * SECTOR, drive->buffer, count * SECTOR);
    if (err == 0)
        return true;
    if (ide_channel_stall(drive->channel, drive->block, err)) {
        disk->stalled = count;
        drive->status = IDE_STATUS_BSY;
        return false;
    }
    log_unimp("ata: writing '%s': %s", block_path(drive->block), g_strerror(err));
    transfer_fail(disk, IDE_ERROR_ABRT);
    drive->status |= IDE_STATUS_DF;
    return false;
}

static void advance(AtaDisk *disk, uint32_t count)
{
    set_lba(disk, disk->lba + (disk->remaining > count ? count : count - (count != 0)));
    disk->lba += count;
    disk->remaining -= count;
}

static uint32_t step(const AtaDisk *disk)
{
    return MIN(disk->block, disk->remaining);
}

/* The next block for the host to read, with its interrupt. */
static void read_block(AtaDisk *disk)
{
    uint32_t count = step(disk);
    if (!load(disk, count))
        return;
    ide_drive_start_pio(&disk->drive, IDE_HOST_READS, count * SECTOR);
    ide_channel_interrupt(disk->drive.channel);
}

static void read_done(AtaDisk *disk)
{
    advance(disk, disk->drive.end / SECTOR);
    if (disk->remaining > 0) {
        read_block(disk);
        return;
    }
    /* No interrupt after the last block of a PIO read. */
    disk->drive.regs[IDE_REG_COUNT] = 0;
    disk->drive.phase = IDE_IDLE;
    disk->drive.status = IDE_STATUS_DRDY | IDE_STATUS_DSC;
}

static void write_done(AtaDisk *disk)
{
    uint32_t count = disk->drive.end / SECTOR;
    if (!store(disk, count))
        return;
    advance(disk, count);
    if (disk->remaining == 0) {
        transfer_finish(disk);
        return;
    }
    ide_drive_start_pio(&disk->drive, IDE_HOST_WRITES, step(disk) * SECTOR);
    ide_channel_interrupt(disk->drive.channel);
}

/* IDENTIFY is the one transfer that is not sectors of the disk: remaining is 0. */
static void disk_data_done(IdeDrive *drive)
{
    AtaDisk *disk = (AtaDisk *)drive;
    if (disk->stalled)
        return;
    if (disk->remaining == 0) {
        drive->phase = IDE_IDLE;
        drive->status = IDE_STATUS_DRDY | IDE_STATUS_DSC;
    } else if (disk->writing) {
        write_done(disk);
    } else {
        read_done(disk);
    }
}

static bool disk_dma(IdeDrive *drive)
{
    AtaDisk *disk = (AtaDisk *)drive;
    if (disk->stalled)
        return false;
    const uint32_t count = MIN(disk->remaining, DMA_SECTORS);
    bool failed = false;
    if (!disk->writing && !load(disk, count))
        return false;
    const uint32_t moved =
        ide_channel_dma(drive->channel, drive->buffer, count * SECTOR, !disk->writing, &failed);
    if (failed) {
        transfer_fail(disk, IDE_ERROR_ABRT);
        return false;
    }
    const uint32_t whole = moved / SECTOR; /* less: the PRD table was too short, another follows */
    if (disk->writing && whole > 0 && !store(disk, whole))
        return false;
    advance(disk, whole);
    if (disk->remaining == 0)
        transfer_finish(disk);
    return disk->remaining > 0;
}

static void disk_retry(IdeDrive *drive)
{
    AtaDisk *disk = (AtaDisk *)drive;
    uint32_t count = disk->stalled;
    disk->stalled = 0;
    if (count == 0)
        return;
    if (drive->phase != IDE_DMA) {
        write_done(disk);
    } else if (store(disk, count)) {
        advance(disk, count);
        if (disk->remaining == 0)
            transfer_finish(disk);
        else
            ide_drive_start_dma(drive);
    }
}

/* ---- commands ---- */

static bool check_range(AtaDisk *disk)
{
    if (disk->lba < disk->sectors && disk->remaining <= disk->sectors - disk->lba)
        return true;
    log_guest_error("ata: sector %" G_GUINT64_FORMAT " + %u beyond the end", disk->lba,
                    disk->remaining);
    disk->remaining = 0;
    ide_drive_fail(&disk->drive, IDE_ERROR_IDNF);
    return false;
}

static void transfer_setup(AtaDisk *disk, unsigned flags)
{
    disk->standby = false;
    disk->lba48 = flags & EXT;
    disk->writing = flags & WRITE;
    disk->lba = address_of(disk, flags);
    disk->remaining = count_of(disk, flags);
    disk->block = flags & MULTIPLE ? disk->multiple : 1;
}

static void cmd_abort(AtaDisk *disk, unsigned flags)
{
    ide_drive_fail(&disk->drive, IDE_ERROR_ABRT);
}

static void cmd_done(AtaDisk *disk, unsigned flags)
{
    ide_drive_finish(&disk->drive);
}

static void cmd_transfer(AtaDisk *disk, unsigned flags)
{
    bool forbidden = (flags & WRITE) && block_read_only(disk->drive.block);
    if (forbidden || ((flags & MULTIPLE) && disk->multiple == 0)) {
        cmd_abort(disk, flags);
        return;
    }
    transfer_setup(disk, flags);
    if (!check_range(disk))
        return;
    if (flags & DMA)
        ide_drive_start_dma(&disk->drive);
    else if (flags & WRITE) /* no interrupt before the first block of a PIO write */
        ide_drive_start_pio(&disk->drive, IDE_HOST_WRITES, step(disk) * SECTOR);
    else
        read_block(disk);
}

static void cmd_verify(AtaDisk *disk, unsigned flags)
{
    transfer_setup(disk, flags);
    if (!check_range(disk))
        return;
    disk->remaining = 0;
    ide_drive_finish(&disk->drive);
}

static void cmd_seek(AtaDisk *disk, unsigned flags)
{
    if (address_of(disk, flags) < disk->sectors)
        ide_drive_finish(&disk->drive);
    else
        ide_drive_fail(&disk->drive, IDE_ERROR_IDNF);
}

/* False: the command has failed. */
static bool flush(AtaDisk *disk)
{
    if (block_flush(disk->drive.block) == 0)
        return true;
    ide_drive_fail(&disk->drive, IDE_ERROR_ABRT);
    disk->drive.status |= IDE_STATUS_DF;
    return false;
}

static void cmd_flush(AtaDisk *disk, unsigned flags)
{
    if (flush(disk))
        ide_drive_finish(&disk->drive);
}

static void cmd_standby(AtaDisk *disk, unsigned flags)
{
    if (!flush(disk))
        return;
    disk->standby = true;
    ide_drive_finish(&disk->drive);
}

static void cmd_idle(AtaDisk *disk, unsigned flags)
{
    disk->standby = false;
    ide_drive_finish(&disk->drive);
}

static void cmd_check_power(AtaDisk *disk, unsigned flags)
{
    disk->drive.regs[IDE_REG_COUNT] = disk->standby ? MODE_STANDBY : MODE_ACTIVE;
    ide_drive_finish(&disk->drive);
}

static void cmd_set_multiple(AtaDisk *disk, unsigned flags)
{
    uint8_t count = disk->drive.regs[IDE_REG_COUNT];
    if (count > MULTIPLE_MAX || (count & (count - 1))) {
        cmd_abort(disk, flags);
        return;
    }
    disk->multiple = count;
    ide_drive_finish(&disk->drive);
}

static void cmd_set_geometry(AtaDisk *disk, unsigned flags)
{
    uint8_t track = disk->drive.regs[IDE_REG_COUNT];
    if (track == 0) {
        cmd_abort(disk, flags);
        return;
    }
    disk->track = track;
    disk->heads = (disk->drive.regs[IDE_REG_DEVICE] & IDE_DEVICE_HEAD) + 1;
    ide_drive_finish(&disk->drive);
}

static void cmd_native_max(AtaDisk *disk, unsigned flags)
{
    disk->lba48 = flags & EXT;
    if (!(flags & EXT))
        disk->drive.regs[IDE_REG_DEVICE] |= IDE_DEVICE_LBA;
    set_lba(disk, flags & EXT ? disk->sectors - 1 : MIN(disk->sectors - 1, LBA28_MAX));
    ide_drive_finish(&disk->drive);
}

/* SET FEATURES subcommands; transfer modes are stored, timing is not modelled. */
static void cmd_set_features(AtaDisk *disk, unsigned flags)
{
    uint8_t mode = disk->drive.regs[IDE_REG_COUNT];
    switch (disk->drive.features) {
    case 0x02:
        disk->write_cache = true;
        break;
    case 0x82:
        disk->write_cache = false;
        if (!flush(disk))
            return;
        break;
    case 0x03:
        if (mode > 0x0c && (mode < 0x20 || mode > 0x22) && (mode < 0x40 || mode > 0x45)) {
            cmd_abort(disk, flags);
            return;
        }
        disk->transfer_mode = mode;
        break;
    case 0x55: /* read look-ahead off, on */
    case 0xaa:
    case 0x66: /* keep or revert settings at reset */
    case 0xcc:
        break;
    default:
        cmd_abort(disk, flags);
        return;
    }
    ide_drive_finish(&disk->drive);
}

/* Word 63 or 88: modes supported, and the active one in the high byte. */
static uint16_t dma_word(const AtaDisk *disk, uint8_t class, uint8_t supported)
{
    bool active = (disk->transfer_mode & 0xf8) == class;
    return (uint16_t)(supported | (active ? 1u << (8 + (disk->transfer_mode & 7)) : 0));
}

static void cmd_identify(AtaDisk *disk, unsigned flags)
{
    uint16_t w[256] = {0};
    uint32_t chs = MIN((uint64_t)cylinders_of(disk) * disk->heads * disk->track, disk->sectors);
    uint32_t lba28 = (uint32_t)MIN(disk->sectors, LBA28_MAX);
    w[0] = 0x0040; /* fixed */
    w[1] = disk->geometry.cylinders;
    w[3] = disk->geometry.heads;
    w[4] = (uint16_t)(SECTOR * disk->geometry.sectors);
    w[5] = SECTOR;
    w[6] = disk->geometry.sectors;
    ide_put_string(w + 10, 10, disk->drive.serial);
    w[20] = 3; /* dual-ported cache of */
    w[21] = 512;
    ide_put_string(w + 23, 4, "1.0");
    ide_put_string(w + 27, 20, "DBTVM HARDDISK");
    w[47] = 0x8000 | MULTIPLE_MAX;
    w[48] = 1;      /* 32-bit data port */
    w[49] = 0x0b00; /* LBA, DMA, IORDY */
    w[51] = w[52] = 0x0200;
    w[53] = 7; /* 54-58, 64-70 and 88 are valid */
    w[54] = cylinders_of(disk);
    w[55] = disk->heads;
    w[56] = disk->track;
    w[57] = (uint16_t)chs;
    w[58] = (uint16_t)(chs >> 16);
    w[59] = disk->multiple ? 0x0100 | disk->multiple : 0;
    w[60] = (uint16_t)lba28;
    w[61] = (uint16_t)(lba28 >> 16);
    w[63] = dma_word(disk, 0x20, 0x07);
    w[64] = 3; /* PIO 3 and 4 */
    w[65] = w[66] = w[67] = w[68] = 120;
    w[80] = 0x70;   /* ATA-4 to ATA-6 */
    w[82] = 0x4028; /* NOP, write cache, power management */
    w[83] = 0x7400; /* FLUSH CACHE (EXT), LBA48 */
    w[84] = 0x4000; /* valid; nothing of this word: no SMART logs, no WWN */
    w[85] = disk->write_cache ? 0x4028 : 0x4008; /* of word 82, what is on */
    w[86] = 0x3400;                              /* of word 83 */
    w[87] = 0x4000;                              /* of word 84 */
    w[88] = dma_word(disk, 0x40, 0x3f);
    w[93] = 0x6001; /* 80-conductor cable */
    for (unsigned i = 0; i < 4; i++)
        w[100 + i] = (uint16_t)(disk->sectors >> (16 * i));
    disk->remaining = 0;
    ide_drive_send_words(&disk->drive, w, G_N_ELEMENTS(w));
}

static const struct {
    uint8_t first, last;
    void (*run)(AtaDisk *disk, unsigned flags);
    unsigned flags;
} commands[] = {
    {0x10, 0x1f, cmd_done, 0}, /* RECALIBRATE */
    {0x20, 0x21, cmd_transfer, 0},
    {0x24, 0x24, cmd_transfer, EXT},
    {0x25, 0x25, cmd_transfer, EXT | DMA},
    {0x27, 0x27, cmd_native_max, EXT},
    {0x29, 0x29, cmd_transfer, EXT | MULTIPLE},
    {0x30, 0x31, cmd_transfer, WRITE},
    {0x34, 0x34, cmd_transfer, WRITE | EXT},
    {0x35, 0x35, cmd_transfer, WRITE | EXT | DMA},
    {0x39, 0x39, cmd_transfer, WRITE | EXT | MULTIPLE},
    {0x40, 0x41, cmd_verify, 0},
    {0x42, 0x42, cmd_verify, EXT},
    {0x70, 0x7f, cmd_seek, 0},
    {0x91, 0x91, cmd_set_geometry, 0},
    {0x94, 0x94, cmd_standby, 0},
    {0x95, 0x95, cmd_idle, 0},
    {0x96, 0x96, cmd_standby, 0},
    {0x97, 0x97, cmd_idle, 0},
    {0x98, 0x98, cmd_check_power, 0},
    {0x99, 0x99, cmd_standby, 0}, /* SLEEP */
    {0xc4, 0xc4, cmd_transfer, MULTIPLE},
    {0xc5, 0xc5, cmd_transfer, WRITE | MULTIPLE},
    {0xc6, 0xc6, cmd_set_multiple, 0},
    {0xc8, 0xc9, cmd_transfer, DMA},
    {0xca, 0xcb, cmd_transfer, WRITE | DMA},
    {0xe0, 0xe0, cmd_standby, 0},
    {0xe1, 0xe1, cmd_idle, 0},
    {0xe2, 0xe2, cmd_standby, 0},
    {0xe3, 0xe3, cmd_idle, 0},
    {0xe5, 0xe5, cmd_check_power, 0},
    {0xe6, 0xe6, cmd_standby, 0}, /* SLEEP */
    {0xe7, 0xe7, cmd_flush, 0},
    {0xea, 0xea, cmd_flush, EXT},
    {0xec, 0xec, cmd_identify, 0},
    {0xef, 0xef, cmd_set_features, 0},
    {0xf8, 0xf8, cmd_native_max, 0},
};

/* What is not in the table is aborted: NOP, DEVICE RESET, PACKET and IDENTIFY PACKET DEVICE by
 * the standard; SMART, SECURITY and CFA because IDENTIFY does not offer them. */
static void disk_command(IdeDrive *drive, uint8_t code)
{
    AtaDisk *disk = (AtaDisk *)drive;
    disk->remaining = disk->stalled = 0; /* DEVICE RESET comes in the middle of a transfer */
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (code >= commands[i].first && code <= commands[i].last) {
            commands[i].run(disk, commands[i].flags);
            return;
        }
    }
    log_unimp("ata: command 0x%02x", code);
    cmd_abort(disk, 0);
}

static void disk_signature(IdeDrive *drive)
{
    ide_drive_set_signature(drive, 0, 0);
    ((AtaDisk *)drive)->remaining = 0;
    ((AtaDisk *)drive)->stalled = 0;
    ((AtaDisk *)drive)->standby = false;
    drive->status = IDE_STATUS_DRDY | IDE_STATUS_DSC;
}

/* ---- device ---- */

static const IdeDriveOps disk_ops = {disk_command, disk_data_done, disk_dma, disk_signature,
                                     disk_retry};

static void disk_reset(Device *device)
{
    AtaDisk *disk = (AtaDisk *)device;
    disk->heads = disk->geometry.heads;
    disk->track = disk->geometry.sectors;
    disk->multiple = MULTIPLE_MAX;
    disk->transfer_mode = 0x22; /* multiword DMA 2 */
    disk->write_cache = true;
    disk_signature(&disk->drive);
}

static void disk_info(Device *device, GString *out)
{
    const AtaDisk *disk = (const AtaDisk *)device;
    g_string_append_printf(out, "%s, %" G_GUINT64_FORMAT " sectors%s\n",
                           block_path(disk->drive.block), disk->sectors,
                           block_read_only(disk->drive.block) ? ", read-only" : "");
}

static const StateField disk_state[] = {
    IDE_DRIVE_STATE(AtaDisk, drive), STATE(AtaDisk, heads),
    STATE(AtaDisk, track),           STATE(AtaDisk, multiple),
    STATE(AtaDisk, transfer_mode),   STATE(AtaDisk, write_cache),
    STATE(AtaDisk, standby),         STATE(AtaDisk, writing),
    STATE(AtaDisk, lba48),           STATE(AtaDisk, lba),
    STATE(AtaDisk, remaining),       STATE(AtaDisk, block),
    STATE(AtaDisk, stalled),         STATE_END,
};

static const DeviceClass disk_class = {
    .name = "ide-hd",
    .description = "IDE hard disk",
    .reset = disk_reset,
    .free = ide_drive_free,
    .state = disk_state,
    .info = disk_info,
};

IdeDrive *ata_disk_new(const DeviceBus *bus, Block *block)
{
    AtaDisk *disk = device_register(bus, &disk_class, sizeof(*disk));
    disk->drive.ops = &disk_ops;
    disk->drive.block = block;
    disk->sectors = block_size(block) / SECTOR;
    disk->geometry = disk_geometry_guess(block);
    disk->heads = disk->geometry.heads;
    disk->track = disk->geometry.sectors;
    return &disk->drive;
}

const DiskGeometry *ata_disk_geometry(const IdeDrive *drive)
{
    return drive->ops == &disk_ops ? &((const AtaDisk *)drive)->geometry : NULL;
}
