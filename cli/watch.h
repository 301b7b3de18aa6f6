/* SPDX-License-Identifier: MIT
 * Watches a running guest from the main loop: --timeout, --warn-spin, and what the CPU says of a
 * guest in trouble. Reports go to stderr. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/config.h"
#include "monitor/machine.h"

typedef struct Watch Watch;

Watch *watch_new(Machine *machine, const Config *config);
void watch_free(Watch *watch);
/* The machine runs: start the clocks. Main thread. */
void watch_start(Watch *watch);
/* vCPU thread. */
void watch_distress(Watch *watch, CpuDistress what);

#endif
