/* SPDX-License-Identifier: MIT
 * -icount: the board's clock counts the engine's instructions. */
#ifndef CLI_COUNTED_TIME_H
#define CLI_COUNTED_TIME_H

#include "cli/config.h"
#include "hw/clock.h"

void counted_time_set_up(const Config *config, Engine *engine, Clock *clock);

#endif
