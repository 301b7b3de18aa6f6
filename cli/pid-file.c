/* SPDX-License-Identifier: MIT */
#include "cli/pid-file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"

bool pid_file_write(const char *path, GError **error)
{
    FILE *file = fopen(path, "we");
    bool good = file && fprintf(file, "%d\n", (int)getpid()) > 0;
    if (file && fclose(file) != 0)
        good = false;
    if (!good)
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "-pidfile %s: %s", path,
                    g_strerror(errno));
    return good;
}

void pid_file_remove(const char *path)
{
    unlink(path);
}
