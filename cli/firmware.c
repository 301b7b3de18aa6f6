/* SPDX-License-Identifier: MIT */
#include "cli/firmware.h"

#include "base/error.h"

static GBytes *load(const char *path, GError **error)
{
    char *data;
    gsize size;
    if (!g_file_get_contents(path, &data, &size, error))
        return NULL;
    if (size == 0) {
        g_free(data);
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "firmware '%s' is empty", path);
        return NULL;
    }
    return g_bytes_new_take(data, size);
}

GBytes *firmware_load(const Config *config, const char *name, GError **error)
{
    if (g_file_test(name, G_FILE_TEST_IS_REGULAR))
        return load(name, error);
    for (guint i = 0; i < config->data_dirs->len; i++) {
        g_autofree char *path =
            g_build_filename(g_ptr_array_index(config->data_dirs, i), name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return load(path, error);
    }
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "cannot find firmware '%s'; install Debian's package seabios or give its folder "
                "with -L",
                name);
    return NULL;
}
