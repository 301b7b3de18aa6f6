/* SPDX-License-Identifier: MIT
 * ATAPI CD-ROM drive on the IDE cable (ide-priv.h): read-only, 2048-byte sectors, one data track.
 * Sources: ATA/ATAPI-6 "PACKET feature set"; SFF-8020i; SCSI MMC-3 and SPC-2. */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/trace.h"
#include "hw/ide-priv.h"

enum {
    SECTOR = 2048,
    CDB_BYTES = 12,
    REPLY_BYTES = 1024,
    LEAD_OUT = 0xaa,
    FRAMES_PER_SECOND = 75,
    PREGAP = 150,
    CAPACITY_CD = 450000, /* more sectors than this: a DVD */

    FEATURE_DMA = 0x01,
    /* Interrupt reason. */
    REASON_COMMAND = 0x01,
    REASON_TO_HOST = 0x02,
};

/* Sense: key << 16 | code << 8 | qualifier. */
enum {
    SENSE_NONE = 0,
    SENSE_NO_MEDIUM = 0x023a00,
    SENSE_READ_ERROR = 0x031100,
    SENSE_BAD_COMMAND = 0x052000,
    SENSE_BAD_ADDRESS = 0x052100,
    SENSE_BAD_FIELD = 0x052400,
    SENSE_BAD_TRACK_MODE = 0x056400,
    SENSE_LOCKED = 0x055302,
    SENSE_MEDIUM_CHANGED = 0x062800,
};

/* Media events of GET EVENT STATUS NOTIFICATION. */
enum { EVENT_NONE = 0, EVENT_EJECT_REQUEST = 1, EVENT_NEW_MEDIUM = 2, EVENT_REMOVAL = 3 };

typedef struct {
    IdeDrive drive;
    uint8_t cdb[CDB_BYTES];
    bool awaiting_cdb;
    bool dma;
    bool locked;
    bool tray_open;
    bool attention; /* a medium change that the host has not been told */
    uint8_t event;
    uint32_t sense;
    /* The data under way: from the medium, or from reply. */
    bool from_medium;
    uint64_t start; /* byte on the medium */
    uint64_t done, total;
    uint8_t reply[REPLY_BYTES];
} Cdrom;

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

static bool has_medium(const Cdrom *cd)
{
    return cd->drive.block && !cd->tray_open;
}

static uint32_t sectors_of(const Cdrom *cd)
{
    uint64_t sectors = has_medium(cd) ? (block_size(cd->drive.block) + SECTOR - 1) / SECTOR : 0;
    return (uint32_t)MIN(sectors, UINT32_MAX);
}

/* ---- ending a command ---- */

static void packet_finish(Cdrom *cd)
{
    cd->sense = SENSE_NONE;
    cd->drive.regs[IDE_REG_COUNT] = REASON_COMMAND | REASON_TO_HOST;
    ide_drive_finish(&cd->drive);
}

static void packet_fail(Cdrom *cd, uint32_t sense)
{
    cd->sense = sense;
    cd->drive.regs[IDE_REG_COUNT] = REASON_COMMAND | REASON_TO_HOST;
    ide_drive_fail(&cd->drive, (uint8_t)(sense >> 16 << 4 | IDE_ERROR_ABRT));
}

/* ---- data to the host ---- */

/* The next `size` bytes into the buffer; past the image's end (odd tail) zeroes. */
static bool fetch(Cdrom *cd, uint32_t size)
{
    IdeDrive *drive = &cd->drive;
    if (!cd->from_medium) {
        memcpy(drive->buffer, cd->reply + cd->done, size);
        return true;
    }
    if (!has_medium(cd)) {
        packet_fail(cd, SENSE_NO_MEDIUM);
        return false;
    }
    if (cd->attention) { /* not the medium that the command was for: it had none at the start */
        cd->attention = false;
        packet_fail(cd, SENSE_MEDIUM_CHANGED);
        return false;
    }
    uint64_t at = cd->start + cd->done, end = block_size(drive->block);
    uint64_t there = at < end ? MIN(size, end - at) : 0;
    memset(drive->buffer + there, 0, size - there);
    if (block_read(drive->block, at, drive->buffer, there) == 0)
        return true;
    packet_fail(cd, SENSE_READ_ERROR);
    return false;
}

/* ATA/ATAPI-6 "Byte Count": all chunks but the last are even and at most the limit. The limit
 * is a register of the host's; 0 and FFFFh count as FFFEh. */
static uint32_t chunk_size(const Cdrom *cd)
{
    const uint8_t *regs = cd->drive.previous; /* the limit, saved there by PACKET */
    uint32_t limit = (uint32_t)(regs[IDE_REG_LBA_MID] | regs[IDE_REG_LBA_HIGH] << 8);
    uint64_t left = cd->total - cd->done;
    if (limit == 0 || limit == 0xffff)
        limit = 0xfffe;
    if (left <= limit)
        return (uint32_t)left;
    return limit > 1 ? limit & ~1u : 2;
}

static void pio_next(Cdrom *cd)
{
    uint32_t size = chunk_size(cd);
    if (!fetch(cd, size))
        return;
    cd->drive.regs[IDE_REG_COUNT] = REASON_TO_HOST;
    cd->drive.regs[IDE_REG_LBA_MID] = (uint8_t)size;
    cd->drive.regs[IDE_REG_LBA_HIGH] = (uint8_t)(size >> 8);
    ide_drive_start_pio(&cd->drive, IDE_HOST_READS, size);
    ide_channel_interrupt(cd->drive.channel);
}

static void data_start(Cdrom *cd, uint64_t total)
{
    cd->done = 0;
    cd->total = total;
    if (total == 0)
        packet_finish(cd);
    else if (cd->dma) {
        cd->drive.regs[IDE_REG_COUNT] = REASON_TO_HOST;
        ide_drive_start_dma(&cd->drive);
    } else
        pio_next(cd);
}

static void send_reply(Cdrom *cd, uint32_t size, uint32_t allocation)
{
    cd->from_medium = false;
    data_start(cd, MIN(MIN(size, REPLY_BYTES), allocation));
}

static bool cdrom_dma(IdeDrive *drive)
{
    Cdrom *cd = (Cdrom *)drive;
    bool failed = false;
    const uint32_t size = (uint32_t)MIN(cd->total - cd->done, IDE_BUFFER);
    if (!fetch(cd, size))
        return false;
    /* Less than size: the PRD table was too short, another one follows. */
    cd->done += ide_channel_dma(drive->channel, drive->buffer, size, true, &failed);
    if (cd->done == cd->total)
        packet_finish(cd);
    return cd->done < cd->total;
}

/* ---- packet commands ---- */

static void cmd_ok(Cdrom *cd)
{
    packet_finish(cd);
}

static void cmd_request_sense(Cdrom *cd)
{
    uint8_t *r = cd->reply;
    uint32_t sense = cd->sense;
    if (sense == SENSE_NONE && cd->attention) {
        sense = SENSE_MEDIUM_CHANGED;
        cd->attention = false;
    }
    r[0] = 0x70;
    r[2] = (uint8_t)(sense >> 16);
    r[7] = 10;
    r[12] = (uint8_t)(sense >> 8);
    r[13] = (uint8_t)sense;
    send_reply(cd, 18, cd->cdb[4]);
}

static void put_text(uint8_t *to, size_t size, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < size; i++)
        to[i] = i < length ? (uint8_t)text[i] : ' ';
}

static void cmd_inquiry(Cdrom *cd)
{
    uint8_t *r = cd->reply;
    if (cd->cdb[1] & 1) { /* no vital product data pages */
        packet_fail(cd, SENSE_BAD_FIELD);
        return;
    }
    r[0] = 5;
    r[1] = 0x80; /* removable */
    r[3] = 0x21; /* ATAPI, response format 1 */
    r[4] = 31;
    put_text(r + 8, 8, "DBTVM");
    put_text(r + 16, 16, "DBTVM DVD-ROM");
    put_text(r + 32, 4, "1.0");
    send_reply(cd, 36, be16(cd->cdb + 3));
}

static void read_sectors(Cdrom *cd, uint32_t lba, uint32_t count)
{
    uint32_t sectors = sectors_of(cd);
    if (lba > sectors || count > sectors - lba) {
        packet_fail(cd, SENSE_BAD_ADDRESS);
        return;
    }
    cd->from_medium = true;
    cd->start = (uint64_t)lba * SECTOR;
    data_start(cd, (uint64_t)count * SECTOR);
}

static void cmd_read_10(Cdrom *cd)
{
    read_sectors(cd, be32(cd->cdb + 2), be16(cd->cdb + 7));
}

static void cmd_read_12(Cdrom *cd)
{
    read_sectors(cd, be32(cd->cdb + 2), be32(cd->cdb + 6));
}

/* READ CD: user data of mode 1 sectors only; nothing else is in an image. */
static void cmd_read_cd(Cdrom *cd)
{
    uint32_t count = (uint32_t)cd->cdb[6] << 16 | be16(cd->cdb + 7);
    switch (cd->cdb[9] & 0xf8) {
    case 0x00:
        packet_finish(cd);
        break;
    case 0x10:
        read_sectors(cd, be32(cd->cdb + 2), count);
        break;
    default:
        log_unimp("atapi: READ CD of raw sectors (0x%02x)", cd->cdb[9]);
        packet_fail(cd, SENSE_BAD_TRACK_MODE);
        break;
    }
}

static void cmd_seek(Cdrom *cd)
{
    if (be32(cd->cdb + 2) < sectors_of(cd))
        packet_finish(cd);
    else
        packet_fail(cd, SENSE_BAD_ADDRESS);
}

static void cmd_read_capacity(Cdrom *cd)
{
    put32(cd->reply, sectors_of(cd) - 1);
    put32(cd->reply + 4, SECTOR);
    send_reply(cd, 8, 8);
}

static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
    if (!msf) {
        put32(p, lba);
        return;
    }
    lba += PREGAP;
    p[0] = 0;
    p[1] = (uint8_t)(lba / FRAMES_PER_SECOND / 60);
    p[2] = (uint8_t)(lba / FRAMES_PER_SECOND % 60);
    p[3] = (uint8_t)(lba % FRAMES_PER_SECOND);
}

static uint32_t toc_tracks(Cdrom *cd, bool msf, uint8_t first)
{
    uint8_t *r = cd->reply;
    uint32_t size = 4;
    r[2] = r[3] = 1; /* first and last track */
    if (first <= 1) {
        r[size + 1] = 0x14; /* data track, ADR 1 */
        r[size + 2] = 1;
        put_address(r + size + 4, 0, msf);
        size += 8;
    }
    r[size + 1] = 0x16; /* as drives report the lead-out of a data disc */
    r[size + 2] = LEAD_OUT;
    put_address(r + size + 4, sectors_of(cd), msf);
    return size + 8;
}

static uint32_t toc_sessions(Cdrom *cd, bool msf)
{
    uint8_t *r = cd->reply;
    r[2] = r[3] = 1; /* first and last session */
    r[5] = 0x14;
    r[6] = 1; /* first track of the last session */
    put_address(r + 8, 0, msf);
    return 12;
}

/* Q sub-channel as in the lead-in: points A0h, A1h, A2h and the track; times are MSF always. */
static uint32_t toc_raw(Cdrom *cd)
{
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};
    uint8_t *r = cd->reply;
    uint32_t size = 4;
    r[2] = r[3] = 1;
    for (size_t i = 0; i < G_N_ELEMENTS(points); i++, size += 11) {
        r[size] = 1; /* session */
        r[size + 1] = 0x14;
        r[size + 3] = points[i];
        if (points[i] == 0xa0 || points[i] == 0xa1)
            r[size + 8] = 1; /* PMIN: first or last track number */
        else
            put_address(r + size + 7, points[i] == 0xa2 ? sectors_of(cd) : 0, true);
    }
    return size;
}

static void cmd_read_toc(Cdrom *cd)
{
    bool msf = cd->cdb[1] & 2;
    uint8_t format = cd->cdb[2] & 0x0f ? cd->cdb[2] & 0x0f : cd->cdb[9] >> 6;
    uint8_t first = cd->cdb[6];
    uint32_t size = 0;
    if (format == 0 && (first <= 1 || first == LEAD_OUT))
        size = toc_tracks(cd, msf, first);
    else if (format == 1)
        size = toc_sessions(cd, msf);
    else if (format == 2)
        size = toc_raw(cd);
    if (size == 0) {
        packet_fail(cd, SENSE_BAD_FIELD);
        return;
    }
    put16(cd->reply, size - 2);
    send_reply(cd, size, be16(cd->cdb + 7));
}

/* Mode pages after an 8-byte header; the current, changeable (none) or default values. */
static uint32_t mode_pages(Cdrom *cd, uint8_t page, bool changeable)
{
    static const uint8_t recovery[] = {0x01, 6, 0, 5, 0, 0, 0, 0};
    static const uint8_t audio[] = {0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0};
    static const uint8_t capabilities[] = {0x2a, 20,   0x3b, 0, 0x70, 0x60, 0x29, 0,
                                           0x02, 0xc2, 0,    2, 2,    0,    0x02, 0xc2,
                                           0,    0,    0,    0, 0,    0};
    static const struct {
        const uint8_t *bytes;
        uint8_t size;
    } pages[] = {
        {recovery, sizeof(recovery)}, {audio, sizeof(audio)}, {capabilities, sizeof(capabilities)}};
    uint32_t size = 8;
    for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
        if (page != 0x3f && page != pages[i].bytes[0])
            continue;
        memcpy(cd->reply + size, pages[i].bytes, changeable ? 2 : pages[i].size);
        if (pages[i].bytes[0] == 0x2a && !changeable && cd->locked)
            cd->reply[size + 6] |= 0x02;
        size += pages[i].size;
    }
    return size;
}

static uint8_t medium_type(const Cdrom *cd)
{
    if (cd->tray_open)
        return 0x71;
    return has_medium(cd) ? 0x01 : 0x70;
}

static void cmd_mode_sense(Cdrom *cd)
{
    bool ten = cd->cdb[0] == 0x5a;
    uint8_t control = cd->cdb[2] >> 6;
    uint32_t size = mode_pages(cd, cd->cdb[2] & 0x3f, control == 1);
    if (control == 3 || size == 8) { /* saved values, or no such page */
        packet_fail(cd, SENSE_BAD_FIELD);
        return;
    }
    if (ten) {
        put16(cd->reply, size - 2);
        cd->reply[2] = medium_type(cd);
        send_reply(cd, size, be16(cd->cdb + 7));
        return;
    }
    memmove(cd->reply + 4, cd->reply + 8, size - 8);
    size -= 4;
    cd->reply[0] = (uint8_t)(size - 1);
    cd->reply[1] = medium_type(cd);
    cd->reply[2] = 0x80; /* write protected */
    send_reply(cd, size, cd->cdb[4]);
}

static void cmd_start_stop(Cdrom *cd)
{
    bool start = cd->cdb[4] & 1, load_eject = cd->cdb[4] & 2;
    if (load_eject && !start && !cd->tray_open) {
        if (cd->locked) {
            packet_fail(cd, SENSE_LOCKED);
            return;
        }
        cd->tray_open = true;
        cd->event = EVENT_REMOVAL;
    } else if (load_eject && start && cd->tray_open) {
        cd->tray_open = false;
        cd->attention = cd->drive.block != NULL;
        cd->event = cd->drive.block ? EVENT_NEW_MEDIUM : EVENT_NONE;
    }
    packet_finish(cd);
}

static void cmd_prevent(Cdrom *cd)
{
    cd->locked = cd->cdb[4] & 1;
    packet_finish(cd);
}

static uint8_t *put_feature(uint8_t *p, uint16_t code, uint8_t flags, uint8_t extra)
{
    put16(p, code);
    p[2] = flags;
    p[3] = extra;
    return p + 4 + extra;
}

/* MMC-3 "GET CONFIGURATION": profile list, core, removable medium. */
static void cmd_get_configuration(Cdrom *cd)
{
    enum { PROFILE_CD = 0x08, PROFILE_DVD = 0x10 };
    uint8_t *r = cd->reply, *p = r + 8;
    uint8_t type = cd->cdb[1] & 3;
    uint16_t first = be16(cd->cdb + 2);
    uint16_t current = 0;
    if (has_medium(cd))
        current = sectors_of(cd) > CAPACITY_CD ? PROFILE_DVD : PROFILE_CD;
    put16(r + 6, current);
    if (first == 0) {
        put16(p + 4, PROFILE_DVD);
        p[6] = current == PROFILE_DVD;
        put16(p + 8, PROFILE_CD);
        p[10] = current == PROFILE_CD;
        p = put_feature(p, 0, 0x03, 8);
    }
    if (type == 2 ? first == 1 : first <= 1) {
        put32(p + 4, 2); /* ATAPI */
        p[8] = 1;
        p = put_feature(p, 1, 0x0b, 8);
    }
    if (type == 2 ? first == 3 : first <= 3) {
        p[4] = 0x29; /* tray, eject, lock */
        p = put_feature(p, 3, 0x03, 4);
    }
    uint32_t size = (uint32_t)(p - r);
    put32(r, size - 4);
    send_reply(cd, size, be16(cd->cdb + 7));
}

static void cmd_get_event(Cdrom *cd)
{
    uint8_t *r = cd->reply;
    bool media = cd->cdb[4] & 0x10;
    if (!(cd->cdb[1] & 1)) { /* only polling */
        packet_fail(cd, SENSE_BAD_FIELD);
        return;
    }
    r[3] = 0x10; /* supported classes: media */
    if (!media) {
        put16(r, 2);
        r[2] = 0x80; /* no event available */
        send_reply(cd, 4, be16(cd->cdb + 7));
        return;
    }
    put16(r, 6);
    r[2] = 4;
    r[4] = cd->event;
    r[5] = (uint8_t)((has_medium(cd) ? 2 : 0) | (cd->tray_open ? 1 : 0));
    cd->event = EVENT_NONE;
    send_reply(cd, 8, be16(cd->cdb + 7));
}

static void cmd_read_disc_info(Cdrom *cd)
{
    uint8_t *r = cd->reply;
    put16(r, 32);
    r[2] = 0x0e; /* complete session, finalised disc */
    r[3] = r[4] = r[5] = r[6] = 1;
    r[7] = 0x20;
    send_reply(cd, 34, be16(cd->cdb + 7));
}

static void cmd_mechanism_status(Cdrom *cd)
{
    cd->reply[1] = cd->tray_open ? 0x10 : 0;
    cd->reply[5] = 1;
    send_reply(cd, 8, be16(cd->cdb + 8));
}

/* Command flags: NEEDS a medium; reports no unit ATTENTION. */
enum { MEDIUM = 1, QUIET = 2 };

static const struct {
    uint8_t code;
    void (*run)(Cdrom *cd);
    unsigned flags;
} packets[] = {
    {0x00, cmd_ok, MEDIUM}, /* TEST UNIT READY */
    {0x03, cmd_request_sense, QUIET},
    {0x12, cmd_inquiry, QUIET},
    {0x1a, cmd_mode_sense, 0},
    {0x1b, cmd_start_stop, 0},
    {0x1e, cmd_prevent, 0},
    {0x25, cmd_read_capacity, MEDIUM},
    {0x28, cmd_read_10, MEDIUM},
    {0x2b, cmd_seek, MEDIUM},
    {0x43, cmd_read_toc, MEDIUM},
    {0x46, cmd_get_configuration, QUIET},
    {0x4a, cmd_get_event, QUIET},
    {0x51, cmd_read_disc_info, MEDIUM},
    {0x5a, cmd_mode_sense, 0},
    {0xa8, cmd_read_12, MEDIUM},
    {0xbb, cmd_ok, 0}, /* SET CD SPEED */
    {0xbd, cmd_mechanism_status, 0},
    {0xbe, cmd_read_cd, MEDIUM},
};

static void packet_run(Cdrom *cd)
{
    trace(atapi_packet, cd->cdb[0], cd->cdb[1], cd->cdb[2], cd->cdb[3], cd->cdb[4], cd->cdb[5]);
    memset(cd->reply, 0, sizeof(cd->reply));
    for (size_t i = 0; i < G_N_ELEMENTS(packets); i++) {
        if (packets[i].code != cd->cdb[0])
            continue;
        if (cd->attention && !(packets[i].flags & QUIET)) {
            cd->attention = false;
            packet_fail(cd, SENSE_MEDIUM_CHANGED);
        } else if ((packets[i].flags & MEDIUM) && !has_medium(cd)) {
            packet_fail(cd, SENSE_NO_MEDIUM);
        } else {
            packets[i].run(cd);
        }
        return;
    }
    log_unimp("atapi: packet command 0x%02x", cd->cdb[0]);
    packet_fail(cd, SENSE_BAD_COMMAND);
}

/* The host has written the command packet, or read a chunk of data. */
static void cdrom_data_done(IdeDrive *drive)
{
    Cdrom *cd = (Cdrom *)drive;
    if (cd->awaiting_cdb) {
        cd->awaiting_cdb = false;
        memcpy(cd->cdb, drive->buffer, sizeof(cd->cdb));
        drive->phase = IDE_IDLE;
        packet_run(cd);
        return;
    }
    if (cd->total == 0) { /* IDENTIFY PACKET DEVICE */
        drive->phase = IDE_IDLE;
        drive->status = IDE_STATUS_DRDY | IDE_STATUS_DSC;
        return;
    }
    cd->done += drive->end;
    if (cd->done < cd->total)
        pio_next(cd);
    else
        packet_finish(cd);
}

/* ---- ATA commands ---- */

static void cmd_identify_packet(Cdrom *cd)
{
    uint16_t w[256] = {0};
    w[0] = 0x85c0; /* ATAPI CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    ide_put_string(w + 10, 10, cd->drive.serial);
    ide_put_string(w + 23, 4, "1.0");
    ide_put_string(w + 27, 20, "DBTVM DVD-ROM");
    w[48] = 1;
    w[49] = 0x0b00; /* LBA, DMA, IORDY */
    w[53] = 7;
    w[63] = 0x0407; /* multiword DMA 2 is active */
    w[64] = 3;
    w[65] = w[66] = w[67] = w[68] = 120;
    w[71] = w[72] = 30;
    w[80] = 0x70;
    w[82] = w[85] = 0x4210; /* NOP, DEVICE RESET, PACKET */
    w[83] = w[84] = w[87] = 0x4000;
    w[88] = 0x003f;
    w[93] = 0x6001;
    cd->total = 0;
    ide_drive_send_words(&cd->drive, w, G_N_ELEMENTS(w));
}

static void cmd_packet(Cdrom *cd)
{
    IdeDrive *drive = &cd->drive;
    cd->dma = drive->features & FEATURE_DMA;
    cd->awaiting_cdb = true;
    drive->previous[IDE_REG_LBA_MID] = drive->regs[IDE_REG_LBA_MID];
    drive->previous[IDE_REG_LBA_HIGH] = drive->regs[IDE_REG_LBA_HIGH];
    drive->regs[IDE_REG_COUNT] = REASON_COMMAND;
    ide_drive_start_pio(drive, IDE_HOST_WRITES, CDB_BYTES); /* without interrupt */
}

static void cdrom_signature(IdeDrive *drive)
{
    Cdrom *cd = (Cdrom *)drive;
    ide_drive_set_signature(drive, 0x14, 0xeb);
    drive->status = 0;
    cd->awaiting_cdb = false;
    cd->total = 0;
}

static void cdrom_command(IdeDrive *drive, uint8_t code)
{
    Cdrom *cd = (Cdrom *)drive;
    switch (code) {
    case 0x08: /* DEVICE RESET: no interrupt */
        cdrom_signature(drive);
        break;
    case 0xa0:
        cmd_packet(cd);
        break;
    case 0xa1:
        cmd_identify_packet(cd);
        break;
    case 0xe5: /* CHECK POWER MODE: active */
        drive->regs[IDE_REG_COUNT] = 0xff;
        ide_drive_finish(drive);
        break;
    case 0xe0: /* STANDBY IMMEDIATE, IDLE IMMEDIATE, SLEEP, FLUSH CACHE */
    case 0xe1:
    case 0xe6:
    case 0xe7:
        ide_drive_finish(drive);
        break;
    case 0xef: /* SET FEATURES: transfer mode only */
        if (drive->features == 0x03)
            ide_drive_finish(drive);
        else
            ide_drive_fail(drive, IDE_ERROR_ABRT);
        break;
    case 0xec: /* IDENTIFY DEVICE and READ SECTORS abort with the signature in place */
    case 0x20:
        ide_drive_set_signature(drive, 0x14, 0xeb);
        ide_drive_fail(drive, IDE_ERROR_ABRT);
        break;
    default:
        log_unimp("atapi: command 0x%02x", code);
        ide_drive_fail(drive, IDE_ERROR_ABRT);
        break;
    }
}

/* ---- medium ---- */

static const IdeDriveOps cdrom_ops = {cdrom_command, cdrom_data_done, cdrom_dma, cdrom_signature,
                                      NULL};

bool atapi_is_cdrom(const IdeDrive *drive)
{
    return drive->ops == &cdrom_ops;
}

bool atapi_is_locked(const IdeDrive *drive)
{
    const Cdrom *cd = (const Cdrom *)drive;
    return cd->locked && has_medium(cd);
}

bool atapi_cdrom_change(IdeDrive *drive, Block *block, bool force, GError **error)
{
    Cdrom *cd = (Cdrom *)drive;
    if (cd->locked && has_medium(cd) && !force) {
        cd->event = EVENT_EJECT_REQUEST;
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                    "the guest has locked the CD-ROM tray; it was asked to open it: try again, "
                    "or force");
        return false;
    }
    block_free(drive->block);
    drive->block = block;
    cd->tray_open = false;
    cd->attention = block != NULL;
    cd->event = block ? EVENT_NEW_MEDIUM : EVENT_REMOVAL;
    return true;
}

/* ---- device ---- */

static void cdrom_reset(Device *device)
{
    Cdrom *cd = (Cdrom *)device;
    cd->locked = cd->tray_open = cd->attention = false;
    cd->event = EVENT_NONE;
    cd->sense = SENSE_NONE;
    cdrom_signature(&cd->drive);
}

static void cdrom_info(Device *device, GString *out)
{
    const Cdrom *cd = (const Cdrom *)device;
    g_string_append_printf(out, "%s%s%s\n",
                           cd->drive.block ? block_path(cd->drive.block) : "[empty]",
                           cd->tray_open ? ", tray open" : "", cd->locked ? ", locked" : "");
}

static const StateField cdrom_state[] = {
    IDE_DRIVE_STATE(Cdrom, drive),
    STATE_ARRAY(Cdrom, cdb),
    STATE(Cdrom, awaiting_cdb),
    STATE(Cdrom, dma),
    STATE(Cdrom, locked),
    STATE(Cdrom, tray_open),
    STATE(Cdrom, attention),
    STATE(Cdrom, event),
    STATE(Cdrom, sense),
    STATE(Cdrom, from_medium),
    STATE(Cdrom, start),
    STATE(Cdrom, done),
    STATE(Cdrom, total),
    STATE_ARRAY(Cdrom, reply),
    STATE_END,
};

static const DeviceClass cdrom_class = {
    .name = "ide-cd",
    .description = "IDE CD-ROM drive",
    .reset = cdrom_reset,
    .free = ide_drive_free,
    .state = cdrom_state,
    .info = cdrom_info,
};

IdeDrive *atapi_cdrom_new(const DeviceBus *bus, Block *block)
{
    Cdrom *cd = device_register(bus, &cdrom_class, sizeof(*cd));
    cd->drive.ops = &cdrom_ops;
    cd->drive.block = block;
    return &cd->drive;
}
