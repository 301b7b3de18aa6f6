/* SPDX-License-Identifier: MIT
 * The death report: what happened to the guest, how it got there, where it stood. */
#ifndef MONITOR_DEATH_H
#define MONITOR_DEATH_H

#include "monitor/machine.h"

typedef enum {
    DEATH_TRIPLE_FAULT,
    DEATH_RESET,
    DEATH_HALT,
    DEATH_SPIN,
    DEATH_STORM,
    DEATH_PANIC,
    DEATH_TIMEOUT,
} Death;

/* Write the report on the state that the vCPU has now and keep it for `info death`. detail: who
 * asked for the reset; may be NULL. vCPU thread, or vCPU paused. Returns the text, the machine's.
 */
const char *death_report(Machine *machine, Death death, const char *detail);

#endif
