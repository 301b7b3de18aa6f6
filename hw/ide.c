/* SPDX-License-Identifier: MIT
 * IDE controller: ports, cable, bus master; see ide.h. Drives are devices of their own
 * (ata.c, atapi.c). A transfer happens at once, inside the port write that starts it; one by DMA
 * that is larger than any driver's rests in between, so that nobody waits long for the io lock.
 * Sources: Intel 82371SB data sheet; ATA/ATAPI-6; Bus Master IDE 1.0. */
#include "hw/ide.h"

#include <errno.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"
#include "base/trace.h"
#include "hw/ide-priv.h"

enum {
    CONTROL_NIEN = 0x02,
    CONTROL_SRST = 0x04,
    CONTROL_HOB = 0x80,

    COMMAND_DEVICE_RESET = 0x08,
    COMMAND_DIAGNOSTIC = 0x90,

    BM_START = 0x01,
    BM_TO_MEMORY = 0x08,
    BM_ACTIVE = 0x01,
    BM_ERROR = 0x02,
    BM_INTERRUPT = 0x04,
    BM_CAPABLE = 0x60,
    BM_PORTS = 16,
    PRD_MAX = 8192, /* the table lies within 64 KiB */
    PRD_LAST = 0x80000000,

    /* What a channel moves by DMA before it rests, in bytes of RAM: some 0.4 ms. Linux asks for
     * 1280 KiB at most. */
    DMA_BUDGET = 1280 << 10,
    DMA_DEVICE_COST = 20, /* for a byte of a device's memory */
    DMA_REST_NS = 200000,
};

typedef struct {
    uint8_t command;
    uint8_t status;
    uint32_t table;
    uint32_t next;    /* address of the next PRD */
    uint32_t entries; /* read since the start */
    uint32_t address; /* rest of the current PRD */
    uint32_t left;
    bool last;
    int32_t budget;  /* what may still be moved, as DMA_BUDGET counts */
    int64_t renewal; /* when it is full again, in ns of the clock */
} BusMaster;

struct IdeChannel {
    Ide *ide;
    IrqLine irq;
    IdeDrive *drives[IDE_UNITS];
    uint8_t select; /* the device register */
    uint8_t control;
    bool interrupt; /* INTRQ before nIEN */
    bool wire;      /* INTRQ */
    BusMaster bm;
    Timer *rest; /* armed: the budget is used up, nothing moves before */
};

struct Ide {
    PciFunction pci;
    AddressSpace *as;
    Clock *clock;
    IdeChannel channels[IDE_CHANNELS];
    IdeErrorHook error_hook;
    void *error_opaque;
};

/* ---- interrupt ---- */

/* Bus Master IDE 1.0 "Bus Master IDE Status Register": Interrupt is set by the rising edge of INTRQ,
 * which nIEN holds down. */
static void wire_update(IdeChannel *channel)
{
    const bool level = channel->interrupt && !(channel->control & CONTROL_NIEN);
    if (level && !channel->wire)
        channel->bm.status |= BM_INTERRUPT;
    channel->wire = level;
    irq_set(&channel->irq, level);
}

void ide_channel_interrupt(IdeChannel *channel)
{
    channel->interrupt = true;
    wire_update(channel);
}

static void interrupt_clear(IdeChannel *channel)
{
    channel->interrupt = false;
    wire_update(channel);
}

/* ---- bus master ---- */

static bool prd_load(IdeChannel *channel)
{
    BusMaster *bm = &channel->bm;
    uint32_t prd[2];
    if (bm->last || bm->entries++ >= PRD_MAX)
        return false;
    if (!address_space_dma_read(channel->ide->as, bm->next, prd, sizeof(prd))) {
        bm->status |= BM_ERROR;
        return false;
    }
    bm->next += sizeof(prd);
    bm->address = GUINT32_FROM_LE(prd[0]) & ~1u;
    bm->left = GUINT32_FROM_LE(prd[1]) & 0xfffe;
    bm->last = GUINT32_FROM_LE(prd[1]) & PRD_LAST;
    if (bm->left == 0)
        bm->left = 0x10000;
    return true;
}

uint32_t ide_channel_dma(IdeChannel *channel, void *buffer, uint32_t size, bool to_memory,
                         bool *failed)
{
    BusMaster *bm = &channel->bm;
    AddressSpace *as = channel->ide->as;
    const uint64_t device_bytes = address_space_bus_device_bytes(as);
    uint8_t *bytes = buffer;
    uint32_t done = 0;
    g_assert(size <= IDE_BUFFER);
    while (done < size && !*failed) {
        if (bm->left == 0 && !prd_load(channel))
            break;
        uint32_t n = MIN(bm->left, size - done);
        if (to_memory)
            address_space_bus_write(as, bm->address, bytes + done, n); /* ROM drops it */
        else
            *failed = !address_space_bus_read(as, bm->address, bytes + done, n);
        bm->address += n;
        bm->left -= n;
        done += n;
    }
    const uint64_t slow = address_space_bus_device_bytes(as) - device_bytes;
    bm->budget -= (int32_t)(done + slow * DMA_DEVICE_COST);
    if (*failed)
        bm->status |= BM_ERROR;
    /* Bus Master IDE 1.0: Active falls with the last PRD, or on an error. */
    if (*failed || done < size || (bm->left == 0 && bm->last))
        bm->status &= (uint8_t)~BM_ACTIVE;
    return done;
}

static bool dma_runs(const IdeChannel *channel, const IdeDrive *drive)
{
    return drive->phase == IDE_DMA && (channel->bm.status & BM_ACTIVE);
}

/* The drive has its turn until the budget is used up. That is renewed by time alone, so that a guest
 * gains nothing by many starts; drivers with their small transfers never get there. */
static void dma_turn(IdeChannel *channel, IdeDrive *drive)
{
    BusMaster *bm = &channel->bm;
    Clock *clock = channel->ide->clock;
    const int64_t now = clock_now(clock);
    if (now >= bm->renewal) {
        bm->budget = DMA_BUDGET;
        bm->renewal = now + DMA_REST_NS;
    }
    while (dma_runs(channel, drive) && bm->budget > 0)
        if (!drive->ops->dma(drive))
            return;
    if (drive->phase != IDE_DMA || bm->budget > 0)
        return;
    bm->renewal = clock_now(clock) + DMA_REST_NS;
    if (dma_runs(channel, drive)) /* else the table was short, and the next start waits */
        timer_arm(channel->rest, bm->renewal);
}

/* If the bus master runs and a drive waits for it, let it go. */
static void dma_try(IdeChannel *channel)
{
    if (timer_armed(channel->rest) || !pci_function_is_master(&channel->ide->pci))
        return;
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        IdeDrive *drive = channel->drives[i];
        if (drive && dma_runs(channel, drive)) {
            dma_turn(channel, drive);
            return;
        }
    }
}

static void dma_rested(void *opaque)
{
    dma_try(opaque);
}

static void bm_command(IdeChannel *channel, uint8_t value)
{
    BusMaster *bm = &channel->bm;
    uint8_t old = bm->command;
    bm->command = value & (BM_START | BM_TO_MEMORY);
    if (!(value & BM_START)) {
        bm->status &= (uint8_t)~BM_ACTIVE;
    } else if (!(old & BM_START)) {
        bm->status |= BM_ACTIVE;
        bm->next = bm->table;
        bm->entries = bm->left = 0;
        bm->last = false;
        dma_try(channel);
    }
}

static uint8_t bm_read_byte(const BusMaster *bm, unsigned offset)
{
    switch (offset) {
    case 0:
        return bm->command;
    case 2:
        return bm->status;
    case 4:
    case 5:
    case 6:
    case 7:
        return (uint8_t)(bm->table >> (8 * (offset - 4)));
    default:
        return 0;
    }
}

static void bm_write_byte(IdeChannel *channel, unsigned offset, uint8_t value)
{
    BusMaster *bm = &channel->bm;
    switch (offset) {
    case 0:
        bm_command(channel, value);
        break;
    case 2:
        bm->status &= (uint8_t) ~((value & (BM_ERROR | BM_INTERRUPT)) | BM_CAPABLE);
        bm->status |= value & BM_CAPABLE;
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        bm->table = (uint32_t)bits_set(bm->table, 8 * (offset - 4), 8, value) & ~3u;
        break;
    default:
        break;
    }
}

static uint64_t bm_read(void *opaque, uint64_t offset, unsigned size)
{
    Ide *ide = opaque;
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)(offset + i) % BM_PORTS;
        value |= (uint64_t)bm_read_byte(&ide->channels[at / 8].bm, at % 8) << (8 * i);
    }
    return value;
}

static void bm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Ide *ide = opaque;
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)(offset + i) % BM_PORTS;
        bm_write_byte(&ide->channels[at / 8], at % 8, (uint8_t)(value >> (8 * i)));
    }
}

/* ---- what drives do ---- */

bool ide_channel_stall(IdeChannel *channel, const Block *block, int err)
{
    Ide *ide = channel->ide;
    if (!ide->error_hook || (err != ENOSPC && err != EDQUOT))
        return false;
    ide->error_hook(ide->error_opaque, block, err);
    return true;
}

void ide_drive_start_pio(IdeDrive *drive, IdePhase phase, uint32_t size)
{
    g_assert(size > 0 && size <= IDE_BUFFER);
    drive->phase = phase;
    drive->pos = 0;
    drive->end = size;
    drive->status = IDE_STATUS_DRDY | IDE_STATUS_DSC | IDE_STATUS_DRQ;
}

void ide_drive_start_dma(IdeDrive *drive)
{
    drive->phase = IDE_DMA;
    drive->status = IDE_STATUS_DRDY | IDE_STATUS_DSC | IDE_STATUS_DRQ;
    dma_try(drive->channel);
}

void ide_drive_finish(IdeDrive *drive)
{
    drive->phase = IDE_IDLE;
    drive->status = IDE_STATUS_DRDY | IDE_STATUS_DSC;
    ide_channel_interrupt(drive->channel);
}

void ide_drive_fail(IdeDrive *drive, uint8_t error)
{
    drive->phase = IDE_IDLE;
    drive->status = IDE_STATUS_DRDY | IDE_STATUS_DSC | IDE_STATUS_ERR;
    drive->regs[IDE_REG_ERROR] = error;
    ide_channel_interrupt(drive->channel);
}

void ide_drive_set_signature(IdeDrive *drive, uint8_t lba_mid, uint8_t lba_high)
{
    static const uint8_t signature[IDE_REGS] = {
        [IDE_REG_ERROR] = IDE_DIAGNOSTIC_PASSED, [IDE_REG_COUNT] = 1, [IDE_REG_LBA_LOW] = 1};
    memcpy(drive->regs, signature, sizeof(drive->regs));
    memset(drive->previous, 0, sizeof(drive->previous));
    drive->regs[IDE_REG_LBA_MID] = lba_mid;
    drive->regs[IDE_REG_LBA_HIGH] = lba_high;
    drive->phase = IDE_IDLE;
}

void ide_put_string(uint16_t *words, unsigned count, const char *text)
{
    size_t length = strlen(text);
    for (unsigned i = 0; i < count; i++) {
        uint8_t first = 2 * i < length ? (uint8_t)text[2 * i] : ' ';
        uint8_t second = 2 * i + 1 < length ? (uint8_t)text[2 * i + 1] : ' ';
        words[i] = (uint16_t)(first << 8 | second);
    }
}

void ide_drive_send_words(IdeDrive *drive, const uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        drive->buffer[2 * i] = (uint8_t)words[i];
        drive->buffer[2 * i + 1] = (uint8_t)(words[i] >> 8);
    }
    ide_drive_start_pio(drive, IDE_HOST_READS, 2 * count);
    ide_channel_interrupt(drive->channel);
}

void ide_drive_free(Device *device)
{
    block_free(((IdeDrive *)device)->block);
    g_free(device);
}

/* ---- command block ---- */

static IdeDrive *selected(const IdeChannel *channel)
{
    return channel->drives[channel->select & IDE_DEVICE_UNIT1 ? 1 : 0];
}

static void drives_reset(IdeChannel *channel)
{
    channel->select = 0;
    for (unsigned i = 0; i < IDE_UNITS; i++)
        if (channel->drives[i])
            channel->drives[i]->ops->signature(channel->drives[i]);
}

static uint64_t data_read(IdeChannel *channel, unsigned size)
{
    IdeDrive *drive = selected(channel);
    uint64_t value = 0;
    if (!drive || drive->phase != IDE_HOST_READS)
        return width_mask(size);
    for (unsigned i = 0; i < size && drive->pos < drive->end; i++)
        value |= (uint64_t)drive->buffer[drive->pos++ % IDE_BUFFER] << (8 * i);
    if (drive->pos >= drive->end)
        drive->ops->data_done(drive);
    return value;
}

static void data_write(IdeChannel *channel, uint64_t value, unsigned size)
{
    IdeDrive *drive = selected(channel);
    if (!drive || drive->phase != IDE_HOST_WRITES)
        return;
    for (unsigned i = 0; i < size && drive->pos < drive->end; i++)
        drive->buffer[drive->pos++ % IDE_BUFFER] = (uint8_t)(value >> (8 * i));
    if (drive->pos >= drive->end)
        drive->ops->data_done(drive);
}

/* ATA/ATAPI-6 "BSY (Busy)": during the data transfer of DMA commands BSY, DRQ or both are set. Who
 * polls for BSY does not take a rest for the end. */
static bool rests(const IdeChannel *channel, const IdeDrive *drive)
{
    return dma_runs(channel, drive) && timer_armed(channel->rest);
}

static uint8_t status_read(const IdeChannel *channel)
{
    const IdeDrive *drive = selected(channel);
    if (!drive)
        return 0;
    const bool busy = (channel->control & CONTROL_SRST) || rests(channel, drive);
    return busy ? IDE_STATUS_BSY : drive->status;
}

static uint8_t register_read(IdeChannel *channel, unsigned reg)
{
    const IdeDrive *drive = selected(channel);
    switch (reg) {
    case IDE_REG_DEVICE:
        return drive ? channel->select | 0xa0 : 0;
    case IDE_REG_STATUS:
        interrupt_clear(channel);
        return status_read(channel);
    default:
        if (!drive)
            return 0;
        return channel->control & CONTROL_HOB ? drive->previous[reg] : drive->regs[reg];
    }
}

static void command_write(IdeChannel *channel, uint8_t code)
{
    IdeDrive *drive = selected(channel);
    interrupt_clear(channel);
    if (code == COMMAND_DIAGNOSTIC) { /* both drives, whichever is selected */
        drives_reset(channel);
        if (channel->drives[0] || channel->drives[1])
            ide_channel_interrupt(channel);
        return;
    }
    if (!drive || (channel->control & CONTROL_SRST))
        return;
    if (drive->phase != IDE_IDLE && code != COMMAND_DEVICE_RESET) {
        log_guest_error("ide: command 0x%02x while another one runs", code);
        return;
    }
    trace(ide_command, code, drive->regs[IDE_REG_DEVICE], drive->regs[IDE_REG_COUNT],
          drive->regs[IDE_REG_LBA_HIGH], drive->regs[IDE_REG_LBA_MID], drive->regs[IDE_REG_LBA_LOW]);
    drive->regs[IDE_REG_ERROR] = 0;
    drive->ops->command(drive, code);
}

static void register_write(IdeChannel *channel, unsigned reg, uint8_t value)
{
    channel->control &= (uint8_t)~CONTROL_HOB;
    if (reg == IDE_REG_STATUS) {
        command_write(channel, value);
        return;
    }
    if (reg == IDE_REG_DEVICE)
        channel->select = value;
    for (unsigned i = 0; i < IDE_UNITS; i++) { /* both drives listen */
        IdeDrive *drive = channel->drives[i];
        if (!drive)
            continue;
        if (reg == IDE_REG_ERROR) {
            drive->features = value;
        } else {
            drive->previous[reg] = drive->regs[reg];
            drive->regs[reg] = value;
        }
    }
}

static uint64_t command_block_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    if (offset == IDE_REG_DATA)
        return data_read(opaque, size);
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)register_read(opaque, (offset + i) % IDE_REGS) << (8 * i);
    return value;
}

static void command_block_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == IDE_REG_DATA) {
        data_write(opaque, value, size);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        register_write(opaque, (offset + i) % IDE_REGS, (uint8_t)(value >> (8 * i)));
}

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size)
{
    return status_read(opaque); /* alternate status: INTRQ stays */
}

static void control_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    IdeChannel *channel = opaque;
    uint8_t old = channel->control;
    channel->control = (uint8_t)value & (CONTROL_NIEN | CONTROL_SRST | CONTROL_HOB);
    if (value & ~(uint64_t)old & CONTROL_SRST) {
        channel->interrupt = false;
        drives_reset(channel);
    }
    wire_update(channel);
}

/* ---- device ---- */

static void ide_reset(Device *device)
{
    Ide *ide = (Ide *)device;
    pci_function_reset(&ide->pci);
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        IdeChannel *channel = &ide->channels[i];
        channel->control = 0;
        timer_cancel(channel->rest);
        channel->bm = (BusMaster){0};
        drives_reset(channel);
        interrupt_clear(channel);
    }
}

#define CHANNEL_STATE(n)                                                                           \
    STATE(Ide, channels[n].select), STATE(Ide, channels[n].control),                               \
        STATE(Ide, channels[n].interrupt), STATE(Ide, channels[n].wire),                           \
        STATE(Ide, channels[n].bm.command), STATE(Ide, channels[n].bm.status),                     \
        STATE(Ide, channels[n].bm.table),                                                          \
        STATE(Ide, channels[n].bm.next), STATE(Ide, channels[n].bm.entries),                       \
        STATE(Ide, channels[n].bm.address), STATE(Ide, channels[n].bm.left),                       \
        STATE(Ide, channels[n].bm.last), STATE(Ide, channels[n].bm.budget),                        \
        STATE(Ide, channels[n].bm.renewal), STATE_TIMER(Ide, channels[n].rest)

static const StateField ide_state[] = {PCI_FUNCTION_STATE(Ide, pci), CHANNEL_STATE(0),
                                       CHANNEL_STATE(1), STATE_END};

static void ide_free(Device *device)
{
    for (unsigned i = 0; i < IDE_CHANNELS; i++)
        timer_free(((Ide *)device)->channels[i].rest);
    g_free(device);
}

static const DeviceClass ide_class = {
    .name = "piix3-ide",
    .description = "82371SB IDE controller",
    .reset = ide_reset,
    .free = ide_free,
    .state = ide_state,
};

static const PciIds ids = {
    .vendor = 0x8086,
    .device = 0x7010,
    .class_code = 0x0101,
    .prog_if = 0x80, /* bus master, both channels at legacy ports */
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
};

static const PciConfigRow config_rows[] = {
    {PCI_COMMAND, 1, 0, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 0},
    {0x40, 4, 0, 0xff, 0}, /* IDETIM: timing is not modelled, ports always decode */
    {0x44, 1, 0, 0xff, 0}, /* SIDETIM */
};

static const RegionOps bm_ops = {bm_read, bm_write, 1, 4};
static const RegionOps command_block_ops = {command_block_read, command_block_write, 1, 4};
static const RegionOps control_ops = {control_read, control_write, 1, 1};

/* A bus master that was not one goes on where it stood. */
static void config_written(PciFunction *fn, unsigned offset, unsigned size)
{
    Ide *ide = (Ide *)fn;
    for (unsigned i = 0; i < IDE_CHANNELS; i++)
        dma_try(&ide->channels[i]);
}

Ide *ide_new(const DeviceBus *bus, PciBus *pci, const IrqLine irq[IDE_CHANNELS])
{
    static const uint16_t command_ports[IDE_CHANNELS] = {0x1f0, 0x170};
    static const uint16_t control_ports[IDE_CHANNELS] = {0x3f6, 0x376};
    Ide *ide = device_register(bus, &ide_class, sizeof(*ide));
    ide->as = bus->as;
    ide->clock = bus->clock;
    pci_function_init(&ide->pci, pci, PCI_DEVFN(1, 1), &ids);
    pci_function_add_config(&ide->pci, config_rows, G_N_ELEMENTS(config_rows));
    ide->pci.config_written = config_written;
    address_space_begin(bus->as);
    pci_function_add_bar(&ide->pci, 4, PCI_BAR_IO, BM_PORTS,
                         address_space_add_io(bus->as, "ide-bus-master", 0, BM_PORTS,
                                              PCI_BAR_PRIORITY, &bm_ops, ide));
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        IdeChannel *channel = &ide->channels[i];
        channel->ide = ide;
        channel->irq = irq[i];
        channel->rest = timer_new(bus->clock, dma_rested, channel);
        address_space_add_io(bus->as, "ide", command_ports[i], IDE_REGS, 0, &command_block_ops,
                             channel);
        address_space_add_io(bus->as, "ide-control", control_ports[i], 1, 0, &control_ops, channel);
    }
    address_space_commit(bus->as);
    return ide;
}

static void attach(Ide *ide, unsigned channel, unsigned unit, IdeDrive *drive, const char *serial)
{
    g_assert(channel < IDE_CHANNELS && unit < IDE_UNITS && !ide->channels[channel].drives[unit]);
    ide->channels[channel].drives[unit] = drive;
    drive->channel = &ide->channels[channel];
    drive->unit = unit;
    if (serial)
        g_strlcpy(drive->serial, serial, sizeof(drive->serial));
    else
        g_snprintf(drive->serial, sizeof(drive->serial), "DB%05u", channel * IDE_UNITS + unit + 1);
    drive->ops->signature(drive);
}

void ide_attach_disk(Ide *ide, const DeviceBus *bus, unsigned channel, unsigned unit, Block *block,
                     const char *serial)
{
    attach(ide, channel, unit, ata_disk_new(bus, block), serial);
}

void ide_attach_cdrom(Ide *ide, const DeviceBus *bus, unsigned channel, unsigned unit, Block *block)
{
    attach(ide, channel, unit, atapi_cdrom_new(bus, block), NULL);
}

static IdeDrive *drive_at(const Ide *ide, unsigned channel, unsigned unit)
{
    bool valid = channel < IDE_CHANNELS && unit < IDE_UNITS;
    return valid ? ide->channels[channel].drives[unit] : NULL;
}

bool ide_cdrom_change(Ide *ide, unsigned channel, unsigned unit, Block *block, bool force,
                      GError **error)
{
    IdeDrive *drive = drive_at(ide, channel, unit);
    if (drive && atapi_is_cdrom(drive))
        return atapi_cdrom_change(drive, block, force, error);
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "there is no CD-ROM drive at ide%u unit %u",
                channel, unit);
    return false;
}

void ide_set_error_hook(Ide *ide, IdeErrorHook hook, void *opaque)
{
    ide->error_hook = hook;
    ide->error_opaque = opaque;
}

void ide_retry(Ide *ide)
{
    for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++) {
        IdeDrive *drive = drive_at(ide, i / IDE_UNITS, i % IDE_UNITS);
        if (drive && drive->ops->retry)
            drive->ops->retry(drive);
    }
}

IdeKind ide_drive_kind(const Ide *ide, unsigned channel, unsigned unit)
{
    const IdeDrive *drive = drive_at(ide, channel, unit);
    return !drive ? IDE_NOTHING : atapi_is_cdrom(drive) ? IDE_CDROM : IDE_DISK;
}

bool ide_cdrom_locked(const Ide *ide, unsigned channel, unsigned unit)
{
    const IdeDrive *drive = drive_at(ide, channel, unit);
    return drive && atapi_is_cdrom(drive) && atapi_is_locked(drive);
}

const DiskGeometry *ide_disk_geometry(const Ide *ide, unsigned channel, unsigned unit)
{
    const IdeDrive *drive = drive_at(ide, channel, unit);
    return drive ? ata_disk_geometry(drive) : NULL;
}

Block *ide_drive_block(const Ide *ide, unsigned channel, unsigned unit)
{
    IdeDrive *drive = drive_at(ide, channel, unit);
    return drive ? drive->block : NULL;
}
