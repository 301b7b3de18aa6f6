/* SPDX-License-Identifier: MIT
 * A fuzz target without a fuzzer: runs it on every file and folder named. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

/* 20 seconds for one input is a hang, sanitizers included. */
enum { SECONDS_PER_INPUT = 20 };

#include <unistd.h>

static unsigned replay_file(const char *path)
{
    g_autofree char *bytes = NULL;
    gsize count;
    if (!g_file_get_contents(path, &bytes, &count, NULL))
        return 0;
    /* Exactly as large as the input, so that a byte read behind it is noticed. */
    g_autofree uint8_t *exact = g_memdup2(bytes, count);
    fprintf(stderr, "%s\n", path);
    alarm(SECONDS_PER_INPUT);
    LLVMFuzzerTestOneInput(exact, count);
    alarm(0);
    return 1;
}

static unsigned replay(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (!dir)
        return replay_file(path);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    unsigned done = 0;
    for (guint i = 0; i < names->len; i++)
        done += replay(g_ptr_array_index(names, i));
    return done;
}

int main(int argc, char **argv)
{
    unsigned done = 0;
    g_autofree char *start = g_get_current_dir(); /* a target may leave it */
    for (int i = 1; i < argc; i++) {
        g_autofree char *path = g_canonicalize_filename(argv[i], start);
        done += replay(path);
    }
    fprintf(stderr, "%u inputs\n", done);
    return done == 0;
}
