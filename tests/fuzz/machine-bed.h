/* SPDX-License-Identifier: MIT
 * A machine that stands still, for what a user or debugger says to one: a board, a CPU, an engine,
 * callbacks that only note. One at a time, each as if it were new (board.h says why). */
#ifndef TESTS_FUZZ_MACHINE_BED_H
#define TESTS_FUZZ_MACHINE_BED_H

#include "monitor/machine.h"

/* In an empty folder, see fuzz_enter_sandbox. */
Machine *machine_bed_open(void);
/* Notes fuzz_digest, if somebody asks. */
void machine_bed_close(void);

#endif
