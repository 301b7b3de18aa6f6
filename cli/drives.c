/* SPDX-License-Identifier: MIT */
#include "cli/drives.h"

BlockOptions drive_block_options(const Config *c, const DriveConfig *d)
{
    return (BlockOptions){.read_only = d->read_only || d->cdrom,
                          .snapshot = (d->snapshot || c->snapshot) && !d->cdrom};
}

bool drives_open(const Config *c, PcConfig *pc, GError **error)
{
    for (guint i = 0; i < c->drives->len; i++) {
        const DriveConfig *d = &g_array_index(c->drives, DriveConfig, i);
        Block *block = NULL;
        if (d->file && *d->file) {
            const BlockOptions options = drive_block_options(c, d);
            block = block_open(d->file, &options, error);
            if (!block) {
                g_prefix_error(error, "%s: ", d->option);
                return false;
            }
        }
        if (d->interface == DRIVE_FLOPPY)
            pc->floppy[d->index] = block;
        else
            pc->drive[d->index] = (PcDrive){block, d->cdrom, d->serial};
    }
    return true;
}
