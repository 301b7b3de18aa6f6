/* SPDX-License-Identifier: MIT
 * -pidfile: the process id as text, there while the process is. */
#ifndef CLI_PIDFILE_H
#define CLI_PIDFILE_H

#include <glib.h>
#include <stdbool.h>

bool pidfile_write(const char *path, GError **error);
void pidfile_remove(const char *path);

#endif
