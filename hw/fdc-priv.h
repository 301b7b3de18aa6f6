/* SPDX-License-Identifier: MIT
 * The floppy controller's parts: fdc.c has ports, phases and control commands, fdc-transfer.c
 * the data commands, fdc-disk.c the disks. */
#ifndef HW_FDC_PRIV_H
#define HW_FDC_PRIV_H

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "hw/fdc.h"

#define FDC_SECTOR 512

enum {
    SIZE_CODE = 2, /* N: 128 << 2 */
    DMA_CHANNEL = 2,
    FIFO = 16, /* longest command 9, longest result 10 */
    UNITS = 4, /* that a command can name */

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

typedef enum { PHASE_COMMAND, PHASE_READ, PHASE_WRITE, PHASE_FORMAT, PHASE_RESULT } FdcPhase;
/* Data rate codes as in CCR. */
enum { RATE_500 = 0, RATE_300 = 1, RATE_250 = 2, RATE_1000 = 3 };

typedef struct {
    uint8_t tracks, heads, sectors, rate;
    FdcDriveType drive;
} FdcFormat;

typedef struct {
    FdcDriveType type; /* NONE: no drive */
    Block *block;      /* owned; NULL: no disk */
    FdcFormat format;  /* of the disk */
    uint8_t track;
    uint8_t next_id; /* rotates for READ ID */
    bool changed;
} FdcDrive;

struct Fdc {
    Device device;
    IrqLine irq;
    I8237 *dma;
    FdcDrive drives[UNITS];
    uint8_t dor, rate, tape;
    uint8_t specify[2];
    uint8_t config, precomp_track, perpendicular, last_eot;
    bool lock;
    bool interrupt;
    uint8_t sense[UNITS];  /* ST0 that SENSE INTERRUPT will report */
    uint8_t sense_pending; /* bit per unit */
    uint32_t phase;
    uint8_t fifo[FIFO]; /* command, then result */
    uint8_t fifo_pos, fifo_end;
    /* The transfer under way. */
    uint8_t cylinder, head, sector;
    uint8_t format_left;
    bool by_dma;
    uint16_t data_pos, data_end;
    uint8_t data[FDC_SECTOR];
};

/* ---- fdc.c ---- */

void fdc_irq_raise(Fdc *fdc, bool level);
/* `count` bytes are in fifo. */
void fdc_result_phase(Fdc *fdc, unsigned count);

static inline unsigned fdc_unit(const Fdc *fdc)
{
    return fdc->fifo[1] & 3;
}

static inline FdcDrive *fdc_selected(Fdc *fdc)
{
    return &fdc->drives[fdc_unit(fdc)];
}

/* A transfer that waits for its DMA channel. */
static inline bool fdc_held_by_dma(const Fdc *fdc)
{
    return fdc->phase != PHASE_COMMAND && fdc->phase != PHASE_RESULT && fdc->by_dma;
}

/* ---- fdc-transfer.c: the data commands, entered with the command in fifo ---- */

void fdc_cmd_read(Fdc *fdc);
void fdc_cmd_write(Fdc *fdc);
void fdc_cmd_format(Fdc *fdc);
void fdc_cmd_read_id(Fdc *fdc);
void fdc_dma_try(Fdc *fdc); /* fdc_held_by_dma: go on if the channel is ready */
/* The host has read all of data, or filled data[0, data_end). */
void fdc_pio_done(Fdc *fdc);

/* ---- fdc-disk.c: cylinder, head, sector of the selected drive ---- */

/* 0, or the ST1 bit that says why this sector is not found. */
uint8_t fdc_disk_locate(const Fdc *fdc, const FdcDrive *drive, uint64_t *offset);
uint8_t fdc_disk_read(Fdc *fdc);
uint8_t fdc_disk_write(Fdc *fdc);

#endif
