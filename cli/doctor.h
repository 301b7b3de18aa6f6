/* SPDX-License-Identifier: MIT
 * `dbtvm doctor`: what on this host helps or hurts, in plain words. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

/* Prints a line a check and a verdict to stdout. 0: nothing in the way; 1: guests run, but slower
 * than they could; 2: guests will not run. */
int doctor_run(void);

#endif
