/* SPDX-License-Identifier: MIT
 * Opens the images of all drives into the board's description. */
#ifndef CLI_DRIVES_H
#define CLI_DRIVES_H

#include "cli/config.h"

bool drives_open(const Config *config, PcConfig *pc, GError **error);

#endif
