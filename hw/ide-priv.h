/* SPDX-License-Identifier: MIT
 * Between the IDE controller (ide.c) and its drives (ata.c, atapi.c): the cable. A drive has a
 * task file, a status and a buffer that the host empties or fills through the data port or by
 * bus-master DMA. Sources: ATA/ATAPI-6 (T13/1410D) "Command register descriptions";
 * Programming Interface for Bus Master IDE Controller 1.0. */
#ifndef HW_IDE_PRIV_H
#define HW_IDE_PRIV_H

#include "hw/ide.h"

typedef struct IdeChannel IdeChannel;
typedef struct IdeDrive IdeDrive;

enum {
    IDE_STATUS_ERR = 0x01,
    IDE_STATUS_DRQ = 0x08,
    IDE_STATUS_DSC = 0x10,
    IDE_STATUS_DF = 0x20,
    IDE_STATUS_DRDY = 0x40,
    IDE_STATUS_BSY = 0x80,
};
enum {
    IDE_ERROR_ABRT = 0x04,
    IDE_ERROR_IDNF = 0x10,
    IDE_ERROR_UNC = 0x40,
    IDE_DIAGNOSTIC_PASSED = 0x01,
};

/* Command block registers by offset. */
enum {
    IDE_REG_DATA,
    IDE_REG_ERROR, /* written: features */
    IDE_REG_COUNT, /* ATAPI: interrupt reason */
    IDE_REG_LBA_LOW,
    IDE_REG_LBA_MID,  /* ATAPI: byte count low */
    IDE_REG_LBA_HIGH, /* ATAPI: byte count high */
    IDE_REG_DEVICE,
    IDE_REG_STATUS, /* written: command */
    IDE_REGS,
};
enum { IDE_DEVICE_LBA = 0x40, IDE_DEVICE_UNIT1 = 0x10, IDE_DEVICE_HEAD = 0x0f };

typedef enum {
    IDE_IDLE,
    IDE_HOST_READS,  /* the data port empties buffer[pos, end) */
    IDE_HOST_WRITES, /* the data port fills it */
    IDE_DMA,         /* waits for the bus master */
} IdePhase;

typedef struct {
    void (*command)(IdeDrive *drive, uint8_t code);
    /* The host has moved buffer[0, end). */
    void (*data_done)(IdeDrive *drive);
    /* Phase is IDE_DMA and the bus master runs: move up to IDE_BUFFER bytes, and finish after the
     * last. Called again, at once or later, while both stay so. False: not before the bus master
     * starts anew, or retry has been called. */
    bool (*dma)(IdeDrive *drive);
    /* Hardware, software or diagnostic reset: signature and status. */
    void (*signature)(IdeDrive *drive);
    /* Try a write again that ide_channel_stall has announced, if there is one; NULL: none ever. */
    void (*retry)(IdeDrive *drive);
} IdeDriveOps;

enum { IDE_BUFFER = 65536 };

struct IdeDrive {
    Device device;
    const IdeDriveOps *ops;
    IdeChannel *channel;
    unsigned unit;
    char serial[21];
    Block *block; /* owned; NULL: no medium */
    uint8_t regs[IDE_REGS];
    uint8_t previous[IDE_REGS]; /* the byte written before: LBA48 */
    uint8_t features;
    uint8_t status;
    uint32_t phase; /* IdePhase */
    uint32_t pos, end;
    uint8_t buffer[IDE_BUFFER];
};

#define IDE_DRIVE_STATE(type, field)                                                               \
    STATE_ARRAY(type, field.regs), STATE_ARRAY(type, field.previous), STATE(type, field.features), \
        STATE(type, field.status), STATE(type, field.phase), STATE(type, field.pos),               \
        STATE(type, field.end), STATE_ARRAY(type, field.buffer)

/* ---- what the cable offers to drives (ide.c) ---- */

void ide_channel_interrupt(IdeChannel *channel);
/* Move up to size bytes between buffer and guest memory by the PRD table. Returns the bytes
 * moved: fewer than size when the table ends first (the bus master has then stopped).
 * *failed: memory that the drive was to take from is no memory. */
uint32_t ide_channel_dma(IdeChannel *channel, void *buffer, uint32_t size, bool to_memory,
                         bool *failed);

/* The host has no room for a write: true if somebody will retry it, false: fail it. */
bool ide_channel_stall(IdeChannel *channel, const Block *block, int err);

/* Hand buffer[0, size) to the data port; the drive interrupts itself if it must. */
void ide_drive_start_pio(IdeDrive *drive, IdePhase phase, uint32_t size);
/* Ask for the bus master. */
void ide_drive_start_dma(IdeDrive *drive);
/* End of command: status (0: DRDY | DSC), interrupt. */
void ide_drive_finish(IdeDrive *drive);
void ide_drive_fail(IdeDrive *drive, uint8_t error);
void ide_drive_set_signature(IdeDrive *drive, uint8_t lba_mid, uint8_t lba_high);
/* IDENTIFY strings: ASCII, space padded, bytes swapped in each word. */
void ide_put_string(uint16_t *words, unsigned count, const char *text);
/* A drive's DeviceClass.free. */
void ide_drive_free(Device *device);
/* Words to the buffer, little endian, and to the host. */
void ide_drive_send_words(IdeDrive *drive, const uint16_t *words, unsigned count);

/* ---- constructors of drives ---- */

IdeDrive *ata_disk_new(const DeviceBus *bus, Block *block);
/* NULL: no hard disk. */
const DiskGeometry *ata_disk_geometry(const IdeDrive *drive);
IdeDrive *atapi_cdrom_new(const DeviceBus *bus, Block *block);
bool atapi_cdrom_change(IdeDrive *drive, Block *block, bool force, GError **error);
bool atapi_is_cdrom(const IdeDrive *drive);
bool atapi_is_locked(const IdeDrive *drive);

#endif
