/* SPDX-License-Identifier: MIT
 * The human monitor: one command table, a line front end on a chardev. */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "hw/char/chardev.h"
#include "monitor/machine.h"

typedef struct Monitor Monitor;

/* Attach a monitor with the prompt "(dbtvm) " to a chardev (front end of a mux or its only one). */
Monitor *monitor_new(Machine *machine, Chardev *chardev);
void monitor_free(Monitor *monitor);
/* Execute one command line; its output is appended to out. Main-loop thread. */
void monitor_execute(Machine *machine, const char *line, GString *out);

#endif
