/* SPDX-License-Identifier: MIT
 * Floppy controller: data commands (fdc-priv.h). Source: Intel 82077AA data sheet, "Data
 * Transfer Commands" and "Result Phase Table". */
#include "hw/fdc-priv.h"

/* The seven result bytes of data commands. */
static void transfer_end(Fdc *fdc, uint8_t st0, uint8_t st1, uint8_t st2)
{
    uint8_t unit = (uint8_t)fdc_unit(fdc);
    uint8_t result[7] = {(uint8_t)(st0 | unit | (fdc->head & 1) << 2),
                         st1,
                         st2,
                         fdc->cylinder,
                         fdc->head,
                         fdc->sector,
                         SIZE_CODE};
    memcpy(fdc->fifo, result, sizeof(result));
    fdc_result_phase(fdc, sizeof(result));
    fdc_irq_raise(fdc, true);
}

static void transfer_fail(Fdc *fdc, uint8_t st1)
{
    transfer_end(fdc, ST0_ABNORMAL, st1, 0);
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
    uint8_t st1 = write ? 0 : fdc_disk_read(fdc);
    unsigned moved = 0;
    if (write)
        memset(fdc->data, 0, FDC_SECTOR); /* pads a sector cut short by the terminal count */
    if (st1 == 0) {
        moved = dma_move(fdc, fdc->data, FDC_SECTOR, !write, &terminal);
        if (moved == 0)
            st1 = ST1_OVERRUN;
        else if (write)
            st1 = fdc_disk_write(fdc);
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
    uint8_t st1 = fdc->phase == PHASE_READ ? fdc_disk_read(fdc) : 0;
    if (st1) {
        transfer_fail(fdc, st1);
        return;
    }
    fdc->data_pos = 0;
    fdc->data_end = FDC_SECTOR;
    fdc_irq_raise(fdc, true);
}

/* No terminal count without DMA: a transfer ends at EOT, with an error, as on any PC. */
static void pio_sector_done(Fdc *fdc)
{
    uint8_t st1 = fdc->phase == PHASE_WRITE ? fdc_disk_write(fdc) : 0;
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
    memset(fdc->data, fill, FDC_SECTOR);
    uint8_t st1 = id[3] == SIZE_CODE ? fdc_disk_write(fdc) : ST1_NO_DATA;
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
void fdc_dma_try(Fdc *fdc)
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

static void transfer_start(Fdc *fdc, bool write)
{
    FdcDrive *drive = fdc_selected(fdc);
    uint64_t offset;
    fdc->cylinder = fdc->fifo[2];
    fdc->head = fdc->fifo[3];
    fdc->sector = fdc->fifo[4];
    fdc->last_eot = fdc->fifo[6];
    if (fdc->config & CONFIG_IMPLIED_SEEK)
        drive->track = fdc->cylinder;
    uint8_t st1 = fdc->fifo[5] == SIZE_CODE ? fdc_disk_locate(fdc, drive, &offset) : ST1_NO_DATA;
    if (st1 == 0 && write && block_read_only(drive->block))
        st1 = ST1_PROTECTED;
    if (st1) {
        transfer_fail(fdc, st1);
        return;
    }
    fdc->phase = write ? PHASE_WRITE : PHASE_READ;
    fdc->by_dma = uses_dma(fdc);
    if (fdc->by_dma)
        fdc_dma_try(fdc);
    else
        pio_sector(fdc);
}

void fdc_cmd_read(Fdc *fdc)
{
    transfer_start(fdc, false);
}

void fdc_cmd_write(Fdc *fdc)
{
    transfer_start(fdc, true);
}

void fdc_pio_done(Fdc *fdc)
{
    uint8_t id[4];
    if (fdc->phase != PHASE_FORMAT) {
        pio_sector_done(fdc);
        return;
    }
    memcpy(id, fdc->data, sizeof(id));
    fdc->data_pos = 0;
    if (format_sector(fdc, id))
        fdc_irq_raise(fdc, true);
}

void fdc_cmd_format(Fdc *fdc)
{
    FdcDrive *drive = fdc_selected(fdc);
    uint8_t st1 = 0;
    fdc->cylinder = drive->track;
    fdc->head = fdc->fifo[1] >> 2 & 1;
    fdc->sector = 1;
    fdc->format_left = fdc->fifo[3];
    if (!drive->block || fdc->rate != drive->format.rate)
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
        fdc_dma_try(fdc);
    else
        fdc_irq_raise(fdc, true);
}

void fdc_cmd_read_id(Fdc *fdc)
{
    FdcDrive *drive = fdc_selected(fdc);
    const FdcFormat *f = &drive->format;
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
