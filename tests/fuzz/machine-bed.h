/* SPDX-License-Identifier: MIT
 * A machine that stands still, for what a user or debugger says to one: a board, a CPU, an engine,
 * callbacks that only note. One a process. */
#ifndef TESTS_FUZZ_MACHINE_BED_H
#define TESTS_FUZZ_MACHINE_BED_H

#include "monitor/machine.h"

/* The first time in a new folder, see fuzz_enter_sandbox. */
Machine *machine_bed(void);

#endif
