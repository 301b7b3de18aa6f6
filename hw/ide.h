/* SPDX-License-Identifier: MIT
 * 82371SB (PIIX3) IDE function at 00:01.1, 8086:7010: two legacy channels (1F0h/3F6h/IRQ 14,
 * 170h/376h/IRQ 15) of two drives each, with bus-master DMA. */
#ifndef HW_IDE_H
#define HW_IDE_H

#include "hw/block/block.h"
#include "hw/disk-geometry.h"
#include "hw/pci.h"

typedef struct Ide Ide;

#define IDE_CHANNELS 2
#define IDE_UNITS    2 /* 0 master, 1 slave */

Ide *ide_new(const DeviceBus *bus, PciBus *pci, const IrqLine irq[IDE_CHANNELS]);

/* Before the first reset. The drive owns the block from now on. The place must be free and
 * inside the limits (asserts). serial: at most 20 characters, NULL: made from the place. */
void ide_attach_disk(Ide *ide, const DeviceBus *bus, unsigned channel, unsigned unit, Block *block,
                     const char *serial);
/* block NULL: an empty drive. */
void ide_attach_cdrom(Ide *ide, const DeviceBus *bus, unsigned channel, unsigned unit,
                      Block *block);

/* Change the medium (block NULL: eject). Owns the block on success. Fails when there is no
 * CD-ROM at that place, or the guest has locked the tray and force is false; the guest is then
 * told of the wish, so that a second try may work. */
bool ide_cdrom_change(Ide *ide, unsigned channel, unsigned unit, Block *block, bool force,
                      GError **error);
/* A write found no room on the host (ENOSPC, EDQUOT). The drive stays busy, the machine should
 * pause and say so; ide_retry, when it goes on, writes again. Without a hook such a write fails
 * like any other. Called with the io lock held. */
typedef void (*IdeErrorHook)(void *opaque, const Block *block, int err);
void ide_set_error_hook(Ide *ide, IdeErrorHook hook, void *opaque);
void ide_retry(Ide *ide);
typedef enum { IDE_NOTHING, IDE_DISK, IDE_CDROM } IdeKind;
/* NULL: no hard disk there. */
const DiskGeometry *ide_disk_geometry(const Ide *ide, unsigned channel, unsigned unit);
IdeKind ide_drive_kind(const Ide *ide, unsigned channel, unsigned unit);
/* The guest holds the CD-ROM's tray shut. */
bool ide_cdrom_locked(const Ide *ide, unsigned channel, unsigned unit);
/* The image in a drive: NULL if there is none. */
Block *ide_drive_block(const Ide *ide, unsigned channel, unsigned unit);

#endif
