/* SPDX-License-Identifier: MIT
 * One command line on its way: commands that take their time (type, wait) are polled from the
 * main loop. Private to monitor/; every front end runs its lines with this. */
#ifndef MONITOR_EXECUTION_H
#define MONITOR_EXECUTION_H

#include "monitor/command.h"

typedef struct Execution Execution;

/* error NULL: it worked. leaving: it was quit. */
typedef void (*ExecutionDone)(void *opaque, const char *output, const GError *error, bool leaving);

/* Main-loop thread, io lock not held. done is called once; when that was at once, the result is
 * NULL. history may be NULL. */
Execution *execution_start(Machine *machine, const char *line, const GPtrArray *history,
                           ExecutionDone done, void *opaque);
/* It waits for the end of the process (wait exit). */
bool execution_awaits_exit(const Execution *execution);
/* done will not be called. NULL is fine. */
void execution_cancel(Execution *execution);

#endif
