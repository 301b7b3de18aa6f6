/* SPDX-License-Identifier: MIT
 * Floppy disk controller, see fdc.h. Transfers happen at once: DMA inside the last command
 * byte or, if the channel is not ready then, when it gets ready; PIO as the host moves bytes.
 * Rotation, head load and step times are not modelled, nor
 * are deleted data marks and sector sizes other than 512 (an image has none).
 * Source: Intel 82077AA data sheet, "Register Set" and "Command Set/Descriptions". */
#include "hw/fdc.h"

#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"

enum {
    SECTOR = 512,
    SIZE_CODE = 2, /* N: 128 << 2 */
    DMA_CHANNEL = 2,
    FIFO = 16,     /* longest command 9, longest result 10 */
    UNITS = 4,     /* that a command can name */

    DOR_NOT_RESET = 0x04,
    DOR_GATE = 0x08, /* interrupt and DMA */
    DSR_RESET = 0x80,
    MSR_BUSY = 0x10,
    MSR_NON_DMA = 0x20,
    MSR_TO_HOST = 0x40,
    MSR_READY = 0x80,
    DIR_CHANGED = 0x80,

    ST0_ABNORMAL = 0x40,
    ST0_INVALID = 0x80,
    ST0_POLLED = 0xc0,
    ST0_SEEK_END = 0x20,
    ST0_NO_TRACK0 = 0x10,
    ST1_NO_ADDRESS = 0x01,
    ST1_PROTECTED = 0x02,
    ST1_NO_DATA = 0x04,
    ST1_OVERRUN = 0x10,
    ST1_CRC = 0x20,
    ST1_END = 0x80,
    ST3_BASE = 0x28, /* two-sided, ready */
    ST3_PROTECTED = 0x40,
    ST3_TRACK0 = 0x10,

    CONFIG_IMPLIED_SEEK = 0x40,
    CONFIG_NO_FIFO = 0x20,
    CONFIG_NO_POLLING = 0x10,
    COMMAND_MULTI_TRACK = 0x80,
};

typedef enum { PHASE_COMMAND, PHASE_READ, PHASE_WRITE, PHASE_FORMAT, PHASE_RESULT } Phase;
/* Data rate codes as in CCR. */
enum { RATE_500 = 0, RATE_300 = 1, RATE_250 = 2, RATE_1000 = 3 };

typedef struct {
    uint8_t tracks, heads, sectors, rate;
    FdcDriveType drive;
} Format;

/* Sorted by size; an image takes the first that holds it. */
static const Format formats[] = {
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

typedef struct {
    FdcDriveType type; /* NONE: no drive */
    Block *block;      /* owned; NULL: no disk */
    const Format *format;
    uint8_t track;
    uint8_t next_id; /* rotates for READ ID */
    bool changed;
} Drive;

struct Fdc {
    Device device;
    IrqLine irq;
    I8237 *dma;
    Drive drives[UNITS];
    uint8_t dor, rate, tape;
    uint8_t specify[2];
    uint8_t config, precomp_track, perpendicular, last_eot;
    bool lock;
    bool interrupt;
    uint8_t sense[UNITS]; /* ST0 that SENSE INTERRUPT will report */
    uint8_t sense_pending; /* bit per unit */
    uint32_t phase;
    uint8_t fifo[FIFO]; /* command, then result */
    uint8_t fifo_pos, fifo_end;
    /* The transfer under way. */
    uint8_t cylinder, head, sector;
    uint8_t format_left;
    bool by_dma;
    uint16_t data_pos, data_end;
    uint8_t data[SECTOR];
};

/* ---- interrupt, phases ---- */

static void irq_update(Fdc *fdc)
{
    irq_set(&fdc->irq, fdc->interrupt && (fdc->dor & DOR_GATE));
}

static void irq_raise(Fdc *fdc, bool level)
{
    fdc->interrupt = level;
    irq_update(fdc);
}

/* A transfer that waits for its DMA channel. */
static bool held_by_dma(const Fdc *fdc)
{
    return fdc->phase != PHASE_COMMAND && fdc->phase != PHASE_RESULT && fdc->by_dma;
}

static void command_phase(Fdc *fdc)
{
    fdc->phase = PHASE_COMMAND;
    fdc->fifo_pos = fdc->fifo_end = 0;
}

/* `count` bytes are in fifo. */
static void result_phase(Fdc *fdc, unsigned count)
{
    fdc->phase = PHASE_RESULT;
    fdc->fifo_pos = 0;
    fdc->fifo_end = (uint8_t)count;
}

static unsigned unit_of(const Fdc *fdc)
{
    return fdc->fifo[1] & 3;
}

static Drive *drive_of(Fdc *fdc)
{
    return &fdc->drives[unit_of(fdc)];
}

/* The seven result bytes of data commands. */
static void transfer_end(Fdc *fdc, uint8_t st0, uint8_t st1, uint8_t st2)
{
    uint8_t unit = (uint8_t)unit_of(fdc);
    uint8_t result[7] = {(uint8_t)(st0 | unit | (fdc->head & 1) << 2), st1, st2, fdc->cylinder,
                         fdc->head, fdc->sector, SIZE_CODE};
    memcpy(fdc->fifo, result, sizeof(result));
    result_phase(fdc, sizeof(result));
    irq_raise(fdc, true);
}

static void transfer_fail(Fdc *fdc, uint8_t st1)
{
    transfer_end(fdc, ST0_ABNORMAL, st1, 0);
}

/* ---- the disk ---- */

/* 0, or the ST1 bit that says why this sector is not found. */
static uint8_t locate(const Fdc *fdc, const Drive *drive, uint64_t *offset)
{
    const Format *f = drive->format;
    if (!drive->block || fdc->rate != f->rate)
        return ST1_NO_ADDRESS;
    if (fdc->cylinder >= f->tracks || fdc->head >= f->heads || fdc->sector == 0 ||
        fdc->sector > f->sectors)
        return ST1_NO_DATA;
    uint32_t track = (uint32_t)fdc->cylinder * f->heads + fdc->head;
    *offset = (uint64_t)(track * f->sectors + fdc->sector - 1) * SECTOR;
    return 0;
}

/* The image may be shorter than the format: what is missing reads as zeroes. */
static uint8_t sector_read(Fdc *fdc)
{
    Drive *drive = drive_of(fdc);
    uint64_t offset = 0;
    uint8_t st1 = locate(fdc, drive, &offset);
    if (st1)
        return st1;
    memset(fdc->data, 0, SECTOR);
    if (offset + SECTOR > block_size(drive->block))
        return 0;
    return block_read(drive->block, offset, fdc->data, SECTOR) ? ST1_CRC : 0;
}

static uint8_t sector_write(Fdc *fdc)
{
    Drive *drive = drive_of(fdc);
    uint64_t offset = 0;
    uint8_t st1 = locate(fdc, drive, &offset);
    if (st1)
        return st1;
    if (offset + SECTOR > block_size(drive->block))
        return ST1_NO_DATA;
    return block_write(drive->block, offset, fdc->data, SECTOR) ? ST1_CRC : 0;
}

/* To the sector after this one. False: the track, or with multi-track the cylinder, is over;
 * C, H, R then show what comes next ("Result Phase Table"). */
static bool next_sector(Fdc *fdc)
{
    if (fdc->sector != fdc->last_eot && fdc->sector < UINT8_MAX) {
        fdc->sector++;
        return true;
    }
    fdc->sector = 1;
    if (!(fdc->fifo[0] & COMMAND_MULTI_TRACK)) {
        fdc->cylinder++;
        return false;
    }
    fdc->head ^= 1;
    if (fdc->head & 1)
        return true;
    fdc->cylinder++;
    return false;
}

/* ---- data transfer ---- */

static bool uses_dma(const Fdc *fdc)
{
    return !(fdc->specify[1] & 1);
}

static unsigned dma_move(Fdc *fdc, void *bytes, unsigned count, bool to_memory, bool *terminal)
{
    unsigned moved = i8237_transfer(fdc->dma, DMA_CHANNEL, bytes, count, to_memory);
    *terminal = i8237_reached_tc(fdc->dma, DMA_CHANNEL);
    return moved;
}

/* One sector by DMA. True: go on with the next. */
static bool dma_sector(Fdc *fdc)
{
    bool write = fdc->phase == PHASE_WRITE, terminal = false;
    uint8_t st1 = write ? 0 : sector_read(fdc);
    unsigned moved = 0;
    if (write)
        memset(fdc->data, 0, SECTOR); /* pads a sector cut short by the terminal count */
    if (st1 == 0) {
        moved = dma_move(fdc, fdc->data, SECTOR, !write, &terminal);
        if (moved == 0)
            st1 = ST1_OVERRUN;
        else if (write)
            st1 = sector_write(fdc);
    }
    if (st1) {
        transfer_fail(fdc, st1);
        return false;
    }
    bool more = next_sector(fdc);
    if (terminal)
        transfer_end(fdc, 0, 0, 0);
    else if (!more)
        transfer_fail(fdc, ST1_END);
    else
        return true;
    return false;
}

/* The next sector by PIO: a read brings it, a write makes room. */
static void pio_sector(Fdc *fdc)
{
    uint8_t st1 = fdc->phase == PHASE_READ ? sector_read(fdc) : 0;
    if (st1) {
        transfer_fail(fdc, st1);
        return;
    }
    fdc->data_pos = 0;
    fdc->data_end = SECTOR;
    irq_raise(fdc, true);
}

/* No terminal count without DMA: a transfer ends at EOT, with an error, as on any PC. */
static void pio_sector_done(Fdc *fdc)
{
    uint8_t st1 = fdc->phase == PHASE_WRITE ? sector_write(fdc) : 0;
    if (st1 == 0 && next_sector(fdc))
        pio_sector(fdc);
    else
        transfer_fail(fdc, st1 ? st1 : ST1_END);
}

/* One sector of FORMAT TRACK: its C, H, R, N have arrived in data[0..3]. */
static bool format_sector(Fdc *fdc, const uint8_t id[4])
{
    uint8_t fill = fdc->fifo[5];
    fdc->cylinder = id[0];
    fdc->head = id[1];
    fdc->sector = id[2];
    memset(fdc->data, fill, SECTOR);
    uint8_t st1 = id[3] == SIZE_CODE ? sector_write(fdc) : ST1_NO_DATA;
    if (st1 == 0 && --fdc->format_left > 0)
        return true;
    transfer_end(fdc, st1 ? ST0_ABNORMAL : 0, st1, 0);
    return false;
}

static bool format_dma(Fdc *fdc)
{
    uint8_t id[4];
    bool terminal = false;
    if (dma_move(fdc, id, sizeof(id), false, &terminal) == sizeof(id))
        return format_sector(fdc, id);
    transfer_fail(fdc, ST1_OVERRUN);
    return false;
}

/* The DMA request is held until the guest has programmed the channel. */
static void dma_try(Fdc *fdc)
{
    bool ready = (fdc->dor & DOR_GATE) && i8237_ready(fdc->dma, DMA_CHANNEL);
    i8237_set_request(fdc->dma, DMA_CHANNEL, !ready && (fdc->dor & DOR_GATE));
    if (!ready)
        return;
    if (fdc->phase == PHASE_FORMAT)
        while (format_dma(fdc)) /* at most 255 sectors */
            ;
    else
        while (dma_sector(fdc)) /* ends at EOT: at most two tracks of 255 */
            ;
}

static void on_dma_ready(void *opaque, int number, bool level)
{
    Fdc *fdc = opaque;
    if (level && held_by_dma(fdc))
        dma_try(fdc);
}

static void transfer_start(Fdc *fdc, bool write)
{
    Drive *drive = drive_of(fdc);
    uint64_t offset;
    fdc->cylinder = fdc->fifo[2];
    fdc->head = fdc->fifo[3];
    fdc->sector = fdc->fifo[4];
    fdc->last_eot = fdc->fifo[6];
    if (fdc->config & CONFIG_IMPLIED_SEEK)
        drive->track = fdc->cylinder;
    uint8_t st1 = fdc->fifo[5] == SIZE_CODE ? locate(fdc, drive, &offset) : ST1_NO_DATA;
    if (st1 == 0 && write && block_read_only(drive->block))
        st1 = ST1_PROTECTED;
    if (st1) {
        transfer_fail(fdc, st1);
        return;
    }
    fdc->phase = write ? PHASE_WRITE : PHASE_READ;
    fdc->by_dma = uses_dma(fdc);
    if (fdc->by_dma)
        dma_try(fdc);
    else
        pio_sector(fdc);
}

static void cmd_read(Fdc *fdc)
{
    transfer_start(fdc, false);
}

static void cmd_write(Fdc *fdc)
{
    transfer_start(fdc, true);
}

static void cmd_format(Fdc *fdc)
{
    Drive *drive = drive_of(fdc);
    uint8_t st1 = 0;
    fdc->cylinder = drive->track;
    fdc->head = fdc->fifo[1] >> 2 & 1;
    fdc->sector = 1;
    fdc->format_left = fdc->fifo[3];
    if (!drive->block || fdc->rate != drive->format->rate)
        st1 = ST1_NO_ADDRESS;
    else if (block_read_only(drive->block))
        st1 = ST1_PROTECTED;
    if (st1 || fdc->format_left == 0) {
        transfer_end(fdc, st1 ? ST0_ABNORMAL : 0, st1, 0);
        return;
    }
    fdc->phase = PHASE_FORMAT;
    fdc->data_pos = 0;
    fdc->data_end = 4;
    fdc->by_dma = uses_dma(fdc);
    if (fdc->by_dma)
        dma_try(fdc);
    else
        irq_raise(fdc, true);
}

static void cmd_read_id(Fdc *fdc)
{
    Drive *drive = drive_of(fdc);
    const Format *f = drive->format;
    fdc->cylinder = drive->track;
    fdc->head = fdc->fifo[1] >> 2 & 1;
    fdc->sector = 1;
    if (!drive->block || fdc->rate != f->rate || fdc->head >= f->heads ||
        fdc->cylinder >= f->tracks) {
        transfer_fail(fdc, ST1_NO_ADDRESS);
        return;
    }
    drive->next_id = (uint8_t)(drive->next_id % f->sectors + 1);
    fdc->sector = drive->next_id;
    transfer_end(fdc, 0, 0, 0);
}

/* ---- control commands ---- */

static void cmd_invalid(Fdc *fdc)
{
    log_unimp("fdc: command 0x%02x", fdc->fifo[0]);
    fdc->fifo[0] = ST0_INVALID;
    result_phase(fdc, 1);
}

static void cmd_specify(Fdc *fdc)
{
    memcpy(fdc->specify, fdc->fifo + 1, 2);
    command_phase(fdc);
}

static void cmd_sense_drive(Fdc *fdc)
{
    const Drive *drive = drive_of(fdc);
    uint8_t st3 = ST3_BASE | (fdc->fifo[1] & 7);
    if (drive->type != FDC_DRIVE_NONE && drive->track == 0)
        st3 |= ST3_TRACK0;
    if (drive->block && block_read_only(drive->block))
        st3 |= ST3_PROTECTED;
    fdc->fifo[0] = st3;
    result_phase(fdc, 1);
}

static void seek_end(Fdc *fdc, uint8_t st0, uint8_t track)
{
    unsigned unit = unit_of(fdc);
    Drive *drive = &fdc->drives[unit];
    drive->track = track;
    if (drive->block)
        drive->changed = false; /* a step with a disk in clears the change line */
    fdc->sense[unit] = (uint8_t)(st0 | unit);
    fdc->sense_pending |= (uint8_t)(1u << unit);
    command_phase(fdc);
    irq_raise(fdc, true);
}

static void cmd_recalibrate(Fdc *fdc)
{
    bool exists = drive_of(fdc)->type != FDC_DRIVE_NONE;
    seek_end(fdc, exists ? ST0_SEEK_END : ST0_ABNORMAL | ST0_SEEK_END | ST0_NO_TRACK0, 0);
}

static void cmd_seek(Fdc *fdc)
{
    uint8_t head = fdc->fifo[1] & 4;
    uint8_t track = fdc->fifo[2];
    if (fdc->fifo[0] & 0x80) { /* RELATIVE SEEK: bit 6 is the direction, set: up */
        int to = drive_of(fdc)->track + (fdc->fifo[0] & 0x40 ? track : -track);
        track = (uint8_t)CLAMP(to, 0, UINT8_MAX);
    }
    seek_end(fdc, ST0_SEEK_END | head, track);
}

static void cmd_sense_interrupt(Fdc *fdc)
{
    irq_raise(fdc, false);
    if (fdc->sense_pending == 0) {
        fdc->fifo[0] = ST0_INVALID;
        result_phase(fdc, 1);
        return;
    }
    unsigned unit = (unsigned)__builtin_ctz(fdc->sense_pending) & 3;
    fdc->sense_pending &= (uint8_t) ~(1u << unit);
    fdc->fifo[0] = fdc->sense[unit];
    fdc->fifo[1] = fdc->drives[unit].track;
    result_phase(fdc, 2);
}

static void cmd_version(Fdc *fdc)
{
    fdc->fifo[0] = 0x90; /* enhanced controller */
    result_phase(fdc, 1);
}

static void cmd_dump_registers(Fdc *fdc)
{
    for (unsigned i = 0; i < UNITS; i++)
        fdc->fifo[i] = fdc->drives[i].track;
    fdc->fifo[4] = fdc->specify[0];
    fdc->fifo[5] = fdc->specify[1];
    fdc->fifo[6] = fdc->last_eot;
    fdc->fifo[7] = (uint8_t)(fdc->lock << 7 | (fdc->perpendicular & 0x3f));
    fdc->fifo[8] = fdc->config;
    fdc->fifo[9] = fdc->precomp_track;
    result_phase(fdc, 10);
}

static void cmd_perpendicular(Fdc *fdc)
{
    uint8_t value = fdc->fifo[1];
    if (value & 0x80) /* OW: the drive bits are written too */
        fdc->perpendicular = value & 0x3f;
    else
        fdc->perpendicular = (uint8_t)((fdc->perpendicular & 0x3c) | (value & 3));
    command_phase(fdc);
}

static void cmd_configure(Fdc *fdc)
{
    fdc->config = fdc->fifo[2] & 0x7f;
    fdc->precomp_track = fdc->fifo[3];
    command_phase(fdc);
}

static void cmd_lock(Fdc *fdc)
{
    fdc->lock = fdc->fifo[0] & 0x80;
    fdc->fifo[0] = (uint8_t)(fdc->lock << 4);
    result_phase(fdc, 1);
}

static const struct {
    uint8_t code, mask; /* mask: bits of the first byte that choose the command */
    uint8_t length;     /* bytes with the code */
    void (*run)(Fdc *fdc);
} commands[] = {
    {0x03, 0xff, 3, cmd_specify},     {0x04, 0xff, 2, cmd_sense_drive},
    {0x05, 0x3f, 9, cmd_write},       {0x09, 0x3f, 9, cmd_write}, /* deleted data: no marks */
    {0x06, 0x1f, 9, cmd_read},        {0x0c, 0x1f, 9, cmd_read},
    {0x07, 0xff, 2, cmd_recalibrate}, {0x08, 0xff, 1, cmd_sense_interrupt},
    {0x0a, 0xbf, 2, cmd_read_id},     {0x0d, 0xbf, 6, cmd_format},
    {0x0e, 0xff, 1, cmd_dump_registers}, {0x0f, 0xff, 3, cmd_seek},
    {0x8f, 0xbf, 3, cmd_seek},        {0x10, 0xff, 1, cmd_version},
    {0x12, 0xff, 2, cmd_perpendicular}, {0x13, 0xff, 4, cmd_configure},
    {0x14, 0x7f, 1, cmd_lock},        {0x00, 0x00, 1, cmd_invalid}, /* all others */
};

static unsigned command_find(uint8_t code)
{
    unsigned i = 0;
    while ((code & commands[i].mask) != commands[i].code)
        i++;
    return i;
}

/* ---- the FIFO port ---- */

static void command_byte(Fdc *fdc, uint8_t value)
{
    fdc->fifo[fdc->fifo_pos++ % FIFO] = value;
    unsigned command = command_find(fdc->fifo[0]);
    if (fdc->fifo_pos >= commands[command].length)
        commands[command].run(fdc);
}

static void fifo_write(Fdc *fdc, uint8_t value)
{
    if (held_by_dma(fdc))
        return;
    switch ((Phase)fdc->phase) {
    case PHASE_COMMAND:
        command_byte(fdc, value);
        break;
    case PHASE_WRITE:
    case PHASE_FORMAT:
        irq_raise(fdc, false);
        fdc->data[fdc->data_pos++ % SECTOR] = value;
        if (fdc->data_pos < fdc->data_end)
            break;
        if (fdc->phase == PHASE_WRITE) {
            pio_sector_done(fdc);
            break;
        }
        uint8_t id[4];
        memcpy(id, fdc->data, sizeof(id));
        fdc->data_pos = 0;
        if (format_sector(fdc, id))
            irq_raise(fdc, true);
        break;
    case PHASE_READ:
    case PHASE_RESULT:
        log_guest_error("fdc: data written while a result waits");
        break;
    }
}

static uint8_t fifo_read(Fdc *fdc)
{
    uint8_t value = 0;
    if (held_by_dma(fdc))
        return value;
    switch ((Phase)fdc->phase) {
    case PHASE_READ:
        irq_raise(fdc, false);
        value = fdc->data[fdc->data_pos++ % SECTOR];
        if (fdc->data_pos >= fdc->data_end)
            pio_sector_done(fdc);
        break;
    case PHASE_RESULT:
        irq_raise(fdc, false);
        value = fdc->fifo[fdc->fifo_pos++ % FIFO];
        if (fdc->fifo_pos >= fdc->fifo_end)
            command_phase(fdc);
        break;
    case PHASE_COMMAND:
    case PHASE_WRITE:
    case PHASE_FORMAT:
        log_guest_error("fdc: data read while none waits");
        break;
    }
    return value;
}

static uint8_t main_status(const Fdc *fdc)
{
    if (!(fdc->dor & DOR_NOT_RESET))
        return 0;
    if (held_by_dma(fdc))
        return MSR_BUSY;
    switch ((Phase)fdc->phase) {
    case PHASE_COMMAND:
        return MSR_READY | (fdc->fifo_pos ? MSR_BUSY : 0);
    case PHASE_READ:
        return MSR_READY | MSR_BUSY | MSR_NON_DMA | MSR_TO_HOST;
    case PHASE_WRITE:
    case PHASE_FORMAT:
        return MSR_READY | MSR_BUSY | MSR_NON_DMA;
    case PHASE_RESULT:
        return MSR_READY | MSR_BUSY | MSR_TO_HOST;
    }
    return 0;
}

/* ---- reset ---- */

static void reset_begin(Fdc *fdc)
{
    command_phase(fdc);
    fdc->sense_pending = 0;
    i8237_set_request(fdc->dma, DMA_CHANNEL, false);
    if (!fdc->lock) {
        fdc->config = CONFIG_NO_FIFO;
        fdc->precomp_track = 0;
    }
    fdc->perpendicular &= 0x3c;
    irq_raise(fdc, false);
}

/* Drive polling finds all four drives changed and interrupts ("Drive Polling"). */
static void reset_end(Fdc *fdc)
{
    if (fdc->config & CONFIG_NO_POLLING)
        return;
    for (unsigned i = 0; i < UNITS; i++)
        fdc->sense[i] = (uint8_t)(ST0_POLLED | i);
    fdc->sense_pending = 0x0f;
    irq_raise(fdc, true);
}

static void dor_write(Fdc *fdc, uint8_t value)
{
    uint8_t changed = fdc->dor ^ value;
    fdc->dor = value;
    if (changed & DOR_NOT_RESET) {
        if (value & DOR_NOT_RESET)
            reset_end(fdc);
        else
            reset_begin(fdc);
    }
    irq_update(fdc);
    if (held_by_dma(fdc))
        dma_try(fdc);
}

static void dsr_write(Fdc *fdc, uint8_t value)
{
    fdc->rate = value & 3;
    if ((value & DSR_RESET) && (fdc->dor & DOR_NOT_RESET)) {
        reset_begin(fdc);
        reset_end(fdc);
    }
}

/* ---- ports ---- */

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    Fdc *fdc = opaque;
    switch (offset) {
    case 2:
        return fdc->dor;
    case 3:
        return fdc->tape;
    case 4:
        return main_status(fdc);
    case 5:
        return fdc->dor & DOR_NOT_RESET ? fifo_read(fdc) : 0;
    default:
        return 0xff; /* status registers A and B: not in AT mode */
    }
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Fdc *fdc = opaque;
    switch (offset) {
    case 2:
        dor_write(fdc, (uint8_t)value);
        break;
    case 3:
        fdc->tape = value & 3;
        break;
    case 4:
        dsr_write(fdc, (uint8_t)value);
        break;
    case 5:
        if (fdc->dor & DOR_NOT_RESET)
            fifo_write(fdc, (uint8_t)value);
        break;
    default:
        break;
    }
}

static uint64_t dir_read(void *opaque, uint64_t offset, unsigned size)
{
    const Fdc *fdc = opaque;
    const Drive *drive = &fdc->drives[fdc->dor & 3];
    bool changed = drive->type != FDC_DRIVE_NONE && (drive->changed || !drive->block);
    return changed ? DIR_CHANGED : 0;
}

static void ccr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ((Fdc *)opaque)->rate = value & 3;
}

/* ---- disks ---- */

static uint64_t format_bytes(const Format *f)
{
    return (uint64_t)f->tracks * f->heads * f->sectors * SECTOR;
}

static const Format *format_for(const Block *block, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (block_size(block) <= format_bytes(&formats[i]))
            return &formats[i];
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "'%s' is too large for a floppy disk; use it as a hard disk or CD-ROM",
                block_path(block));
    return NULL;
}

/* What the drive makes of the format: 40-track disks in a 1.2 MB drive turn faster. */
static const Format *format_in_drive(const Format *format, FdcDriveType type)
{
    static const Format fast[] = {
        {40, 1, 8, RATE_300, FDC_DRIVE_1200K}, {40, 1, 9, RATE_300, FDC_DRIVE_1200K},
        {40, 2, 8, RATE_300, FDC_DRIVE_1200K}, {40, 2, 9, RATE_300, FDC_DRIVE_1200K}};
    size_t index = (size_t)(format - formats);
    return type == FDC_DRIVE_1200K && index < G_N_ELEMENTS(fast) ? &fast[index] : format;
}

static bool insert(Drive *drive, Block *block, GError **error)
{
    const Format *format = block ? format_for(block, error) : NULL;
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

/* ---- device ---- */

static void fdc_reset(Device *device)
{
    Fdc *fdc = (Fdc *)device;
    fdc->lock = false;
    fdc->dor = fdc->tape = 0;
    fdc->rate = RATE_250;
    fdc->perpendicular = fdc->last_eot = 0;
    memset(fdc->specify, 0, sizeof(fdc->specify));
    for (unsigned i = 0; i < UNITS; i++) {
        fdc->drives[i].track = 0;
        fdc->drives[i].next_id = 0;
        fdc->drives[i].changed = true;
    }
    reset_begin(fdc);
}

static void fdc_free(Device *device)
{
    Fdc *fdc = (Fdc *)device;
    for (unsigned i = 0; i < UNITS; i++)
        block_free(fdc->drives[i].block);
    g_free(fdc);
}

static void fdc_info(Device *device, GString *out)
{
    const Fdc *fdc = (const Fdc *)device;
    for (unsigned i = 0; i < FDC_DRIVES; i++)
        if (fdc->drives[i].type != FDC_DRIVE_NONE)
            g_string_append_printf(out, "floppy%u: %s\n", i,
                                   fdc->drives[i].block ? block_path(fdc->drives[i].block)
                                                        : "[empty]");
}

#define DRIVE_STATE(n)                                                                             \
    STATE(Fdc, drives[n].track), STATE(Fdc, drives[n].next_id), STATE(Fdc, drives[n].changed)

static const StateField fdc_state[] = {
    DRIVE_STATE(0),
    DRIVE_STATE(1),
    DRIVE_STATE(2),
    DRIVE_STATE(3),
    STATE(Fdc, dor),
    STATE(Fdc, rate),
    STATE(Fdc, tape),
    STATE_ARRAY(Fdc, specify),
    STATE(Fdc, config),
    STATE(Fdc, precomp_track),
    STATE(Fdc, perpendicular),
    STATE(Fdc, last_eot),
    STATE(Fdc, lock),
    STATE(Fdc, interrupt),
    STATE_ARRAY(Fdc, sense),
    STATE(Fdc, sense_pending),
    STATE(Fdc, phase),
    STATE_ARRAY(Fdc, fifo),
    STATE(Fdc, fifo_pos),
    STATE(Fdc, fifo_end),
    STATE(Fdc, cylinder),
    STATE(Fdc, head),
    STATE(Fdc, sector),
    STATE(Fdc, format_left),
    STATE(Fdc, by_dma),
    STATE(Fdc, data_pos),
    STATE(Fdc, data_end),
    STATE_ARRAY(Fdc, data),
    STATE_END,
};

static const DeviceClass fdc_class = {
    .name = "isa-fdc",
    .description = "82077AA floppy disk controller",
    .reset = fdc_reset,
    .free = fdc_free,
    .state = fdc_state,
    .info = fdc_info,
};

static const RegionOps port_ops = {port_read, port_write, 1, 1};
static const RegionOps dir_ops = {dir_read, ccr_write, 1, 1};

Fdc *fdc_new(const DeviceBus *bus, const IrqLine *irq, I8237 *dma)
{
    Fdc *fdc = device_register(bus, &fdc_class, sizeof(*fdc));
    if (irq)
        fdc->irq = *irq;
    fdc->dma = dma;
    i8237_set_ready_line(dma, DMA_CHANNEL, (IrqLine){on_dma_ready, fdc, 0});
    address_space_add_io(bus->as, "fdc", 0x3f0, 6, 0, &port_ops, fdc);
    address_space_add_io(bus->as, "fdc-dir", 0x3f7, 1, 0, &dir_ops, fdc);
    return fdc;
}
