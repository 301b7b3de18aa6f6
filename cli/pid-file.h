/* SPDX-License-Identifier: MIT
 * -pidfile: the process id as text, there and locked while the process is, so that nobody takes
 * the name of one that runs. */
#ifndef CLI_PID_FILE_H
#define CLI_PID_FILE_H

#include <glib.h>

typedef struct PidFile PidFile;

/* NULL and *error: another process has it, or it cannot be written. */
PidFile *pid_file_new(const char *path, GError **error);
void pid_file_free(PidFile *file); /* removes it, unless somebody has put another in its place */

#endif
