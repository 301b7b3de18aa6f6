/* SPDX-License-Identifier: MIT
 * A fuzz target without a fuzzer: runs it on every file and folder named; speaks TAP. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 20 seconds for one input is a hang, sanitizers included. */
enum { SECONDS_PER_INPUT = 20 };

typedef struct {
    FILE *tap; /* standard output of old: a target may close its own */
    unsigned done;
} Replay;

static void replay_file(Replay *r, const char *path)
{
    g_autofree char *bytes = NULL;
    gsize count;
    if (!g_file_get_contents(path, &bytes, &count, NULL))
        return;
    /* Exactly as large as the input, so that a byte read behind it is noticed. */
    g_autofree uint8_t *exact = g_memdup2(bytes, count);
    fprintf(r->tap, "# %s\n", path); /* the last one is to blame for a crash */
    fflush(r->tap);
    alarm(SECONDS_PER_INPUT);
    LLVMFuzzerTestOneInput(exact, count);
    alarm(0);
    r->done++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void replay(Replay *r, const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (!dir) {
        replay_file(r, path);
        return;
    }
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(paths, g_build_filename(path, name, NULL));
    g_ptr_array_sort(paths, by_name);
    for (guint i = 0; i < paths->len; i++)
        replay(r, g_ptr_array_index(paths, i));
}

int main(int argc, char **argv)
{
    Replay r = {.tap = fdopen(dup(STDOUT_FILENO), "w")};
    g_autofree char *start = g_get_current_dir(); /* a target may leave it */
    for (int i = 1; i < argc; i++) {
        g_autofree char *path = g_canonicalize_filename(argv[i], start);
        replay(&r, path);
    }
    fprintf(r.tap, "%s 1 - fuzz %s, %u inputs\n1..1\n", r.done ? "ok" : "not ok",
            argc > 1 ? argv[argc - 1] : "", r.done);
    fclose(r.tap);
    return r.done == 0;
}
