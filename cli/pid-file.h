/* SPDX-License-Identifier: MIT
 * -pidfile: the process id as text, there while the process is. */
#ifndef CLI_PID_FILE_H
#define CLI_PID_FILE_H

#include <glib.h>
#include <stdbool.h>

bool pid_file_write(const char *path, GError **error);
void pid_file_remove(const char *path);

#endif
