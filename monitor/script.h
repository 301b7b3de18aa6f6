/* SPDX-License-Identifier: MIT
 * -script FILE: runs a file of monitor commands. What they print goes to stdout. The first one
 * that fails ends dbtvm with 1 and a message that names its line. */
#ifndef MONITOR_SCRIPT_H
#define MONITOR_SCRIPT_H

#include "monitor/machine.h"

typedef struct Script Script;

/* Reads the file; runs it when the main loop does. NULL and *error. */
Script *script_new(Machine *machine, const char *path, GError **error);
void script_free(Script *script);
/* The exit code when the machine ends with `code`: 1, with a message, where it ended before the
 * script did and no line was waiting for that. */
int script_exit_code(Script *script, int code);

#endif
