/* SPDX-License-Identifier: MIT
 * Opens the images of all drives into the board's description. */
#ifndef CLI_DRIVES_H
#define CLI_DRIVES_H

#include "cli/config.h"

/* How the images of this drive are opened, the first and those it is changed to. */
BlockOptions drive_block_options(const Config *config, const DriveConfig *drive);
bool drives_open(const Config *config, PcConfig *pc, GError **error);

#endif
