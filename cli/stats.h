/* SPDX-License-Identifier: MIT
 * --stats and --stats-json at exit. */
#ifndef CLI_STATS_H
#define CLI_STATS_H

#include "cli/config.h"

void stats_write(const Config *config, Engine *engine);

#endif
