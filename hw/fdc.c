/* SPDX-License-Identifier: MIT
 * Floppy disk controller, see fdc.h. Transfers happen at once: DMA inside the last command
 * byte or, if the channel is not ready then, when it gets ready; PIO as the host moves bytes.
 * Rotation, head load and step times are not modelled, nor
 * are deleted data marks and sector sizes other than 512 (an image has none).
 * Source: Intel 82077AA data sheet, "Register Set" and "Command Set/Descriptions". */
#include "hw/fdc-priv.h"

#include "base/trace.h"

/* ---- interrupt, phases ---- */

static void irq_update(Fdc *fdc)
{
    irq_set(&fdc->irq, fdc->interrupt && (fdc->dor & DOR_GATE));
}

void fdc_irq_raise(Fdc *fdc, bool level)
{
    fdc->interrupt = level;
    irq_update(fdc);
}

static void command_phase(Fdc *fdc)
{
    fdc->phase = PHASE_COMMAND;
    fdc->fifo_pos = fdc->fifo_end = 0;
}

/* `count` bytes are in fifo. */
void fdc_result_phase(Fdc *fdc, unsigned count)
{
    fdc->phase = PHASE_RESULT;
    fdc->fifo_pos = 0;
    fdc->fifo_end = (uint8_t)count;
}

/* ---- control commands ---- */

static void cmd_invalid(Fdc *fdc)
{
    log_unimp("fdc: command 0x%02x", fdc->fifo[0]);
    fdc->fifo[0] = ST0_INVALID;
    fdc_result_phase(fdc, 1);
}

static void cmd_specify(Fdc *fdc)
{
    memcpy(fdc->specify, fdc->fifo + 1, 2);
    command_phase(fdc);
}

static void cmd_sense_drive(Fdc *fdc)
{
    const FdcDrive *drive = fdc_selected(fdc);
    uint8_t st3 = ST3_BASE | (fdc->fifo[1] & 7);
    if (drive->type != FDC_DRIVE_NONE && drive->track == 0)
        st3 |= ST3_TRACK0;
    if (drive->block && block_read_only(drive->block))
        st3 |= ST3_PROTECTED;
    fdc->fifo[0] = st3;
    fdc_result_phase(fdc, 1);
}

static void seek_end(Fdc *fdc, uint8_t st0, uint8_t track)
{
    unsigned unit = fdc_unit(fdc);
    FdcDrive *drive = &fdc->drives[unit];
    drive->track = track;
    if (drive->block)
        drive->changed = false; /* a step with a disk in clears the change line */
    fdc->sense[unit] = (uint8_t)(st0 | unit);
    fdc->sense_pending |= (uint8_t)(1u << unit);
    command_phase(fdc);
    fdc_irq_raise(fdc, true);
}

static void cmd_recalibrate(Fdc *fdc)
{
    bool exists = fdc_selected(fdc)->type != FDC_DRIVE_NONE;
    seek_end(fdc, exists ? ST0_SEEK_END : ST0_ABNORMAL | ST0_SEEK_END | ST0_NO_TRACK0, 0);
}

static void cmd_seek(Fdc *fdc)
{
    uint8_t head = fdc->fifo[1] & 4;
    uint8_t track = fdc->fifo[2];
    if (fdc->fifo[0] & 0x80) { /* RELATIVE SEEK: bit 6 is the direction, set: up */
        int to = fdc_selected(fdc)->track + (fdc->fifo[0] & 0x40 ? track : -track);
        track = (uint8_t)CLAMP(to, 0, UINT8_MAX);
    }
    seek_end(fdc, ST0_SEEK_END | head, track);
}

static void cmd_sense_interrupt(Fdc *fdc)
{
    fdc_irq_raise(fdc, false);
    if (fdc->sense_pending == 0) {
        fdc->fifo[0] = ST0_INVALID;
        fdc_result_phase(fdc, 1);
        return;
    }
    unsigned unit = (unsigned)__builtin_ctz(fdc->sense_pending) & 3;
    fdc->sense_pending &= (uint8_t) ~(1u << unit);
    fdc->fifo[0] = fdc->sense[unit];
    fdc->fifo[1] = fdc->drives[unit].track;
    fdc_result_phase(fdc, 2);
}

static void cmd_version(Fdc *fdc)
{
    fdc->fifo[0] = 0x90; /* enhanced controller */
    fdc_result_phase(fdc, 1);
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
    fdc_result_phase(fdc, 10);
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
    fdc_result_phase(fdc, 1);
}

static const struct {
    uint8_t code, mask; /* mask: bits of the first byte that choose the command */
    uint8_t length;     /* bytes with the code */
    void (*run)(Fdc *fdc);
} commands[] = {
    {0x03, 0xff, 3, cmd_specify},
    {0x04, 0xff, 2, cmd_sense_drive},
    {0x05, 0x3f, 9, fdc_cmd_write},
    {0x09, 0x3f, 9, fdc_cmd_write}, /* deleted data: no marks */
    {0x06, 0x1f, 9, fdc_cmd_read},
    {0x0c, 0x1f, 9, fdc_cmd_read},
    {0x07, 0xff, 2, cmd_recalibrate},
    {0x08, 0xff, 1, cmd_sense_interrupt},
    {0x0a, 0xbf, 2, fdc_cmd_read_id},
    {0x0d, 0xbf, 6, fdc_cmd_format},
    {0x0e, 0xff, 1, cmd_dump_registers},
    {0x0f, 0xff, 3, cmd_seek},
    {0x8f, 0xbf, 3, cmd_seek},
    {0x10, 0xff, 1, cmd_version},
    {0x12, 0xff, 2, cmd_perpendicular},
    {0x13, 0xff, 4, cmd_configure},
    {0x14, 0x7f, 1, cmd_lock},
    {0x00, 0x00, 1, cmd_invalid}, /* all others */
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
    if (fdc->fifo_pos < commands[command].length)
        return;
    trace(fdc_command, fdc->fifo[0], fdc->fifo[1], fdc->fifo[2], fdc->fifo[3]);
    commands[command].run(fdc);
}

static void fifo_write(Fdc *fdc, uint8_t value)
{
    if (fdc_held_by_dma(fdc))
        return;
    switch ((FdcPhase)fdc->phase) {
    case PHASE_COMMAND:
        command_byte(fdc, value);
        break;
    case PHASE_WRITE:
    case PHASE_FORMAT:
        fdc_irq_raise(fdc, false);
        fdc->data[fdc->data_pos++ % FDC_SECTOR] = value;
        if (fdc->data_pos >= fdc->data_end)
            fdc_pio_done(fdc);
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
    if (fdc_held_by_dma(fdc))
        return value;
    switch ((FdcPhase)fdc->phase) {
    case PHASE_READ:
        fdc_irq_raise(fdc, false);
        value = fdc->data[fdc->data_pos++ % FDC_SECTOR];
        if (fdc->data_pos >= fdc->data_end)
            fdc_pio_done(fdc);
        break;
    case PHASE_RESULT:
        fdc_irq_raise(fdc, false);
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
    if (fdc_held_by_dma(fdc))
        return MSR_BUSY;
    switch ((FdcPhase)fdc->phase) {
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
    fdc_irq_raise(fdc, false);
}

/* FdcDrive polling finds all four drives changed and interrupts ("Drive Polling"). */
static void reset_end(Fdc *fdc)
{
    if (fdc->config & CONFIG_NO_POLLING)
        return;
    for (unsigned i = 0; i < UNITS; i++)
        fdc->sense[i] = (uint8_t)(ST0_POLLED | i);
    fdc->sense_pending = 0x0f;
    fdc_irq_raise(fdc, true);
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
    if (fdc_held_by_dma(fdc))
        fdc_dma_try(fdc);
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
    const FdcDrive *drive = &fdc->drives[fdc->dor & 3];
    bool changed = drive->type != FDC_DRIVE_NONE && (drive->changed || !drive->block);
    return changed ? DIR_CHANGED : 0;
}

static void ccr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ((Fdc *)opaque)->rate = value & 3;
}

static void on_dma_ready(void *opaque, int number, bool level)
{
    Fdc *fdc = opaque;
    if (level && fdc_held_by_dma(fdc))
        fdc_dma_try(fdc);
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
