/* SPDX-License-Identifier: MIT
 * The board's clock and the engine: who counts time, and who fires timers. */
#ifndef CLI_GUEST_TIME_H
#define CLI_GUEST_TIME_H

#include "cli/config.h"
#include "hw/clock.h"

void guest_time_set_up(const Config *config, Engine *engine, Clock *clock);

#endif
