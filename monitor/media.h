/* SPDX-License-Identifier: MIT
 * The board's drives by the names that users know. Private to monitor/. */
#ifndef MONITOR_MEDIA_H
#define MONITOR_MEDIA_H

#include "monitor/machine.h"

enum { MEDIA_DRIVES = IDE_CHANNELS * IDE_UNITS + FDC_DRIVES };

typedef struct {
    const char *name, *cdrom_name; /* cdrom_name NULL: a floppy */
    unsigned channel, unit;
} MediaDrive;

extern const MediaDrive media_drives[MEDIA_DRIVES];

typedef struct {
    const char *name; /* ide1-cd0 */
    bool there, removable;
    bool locked;        /* by the guest */
    const Block *block; /* NULL: empty */
} MediaState;

/* machine_enter first, to look into the block. */
MediaState media_state(Machine *machine, const MediaDrive *drive);
/* Put the image in (path NULL: eject). mode: "read-only", "read-write", "retain" (the drive's way so far)
 * or NULL, the same. force: even if the guest has locked the tray. */
bool media_change(Machine *machine, const char *name, const char *path, const char *mode, bool force,
                  GError **error);

#endif
