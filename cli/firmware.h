/* SPDX-License-Identifier: MIT
 * Firmware images, found at run time. */
#ifndef CLI_FIRMWARE_H
#define CLI_FIRMWARE_H

#include "cli/config.h"

/* `name` as a path, else in config->data_dirs. NULL and *error naming where it was sought. */
GBytes *firmware_load(const Config *config, const char *name, GError **error);

#endif
