/* SPDX-License-Identifier: MIT
 * A fuzz target without a fuzzer: runs it on every file and folder named; speaks TAP.
 * A target may keep from one input to the next what is dear to build. What an input leads to must
 * not depend on those before it, or no crash could be repeated: a target that gives digests runs
 * all inputs again in reverse order, and each must lead to the same. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 20 seconds for one input is a hang, sanitizers included. */
enum { SECONDS_PER_INPUT = 20 };

typedef struct {
    FILE *tap; /* standard output of old: a target may close its own */
    GPtrArray *paths;
    GArray *digests; /* uint64_t, by path */
    bool has_digests;
    unsigned done, differ;
} Replay;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void collect(GPtrArray *paths, const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (!dir) {
        g_ptr_array_add(paths, g_strdup(path));
        return;
    }
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(found, g_build_filename(path, name, NULL));
    g_ptr_array_sort(found, by_name);
    for (guint i = 0; i < found->len; i++)
        collect(paths, g_ptr_array_index(found, i));
}

/* false: there is no such file. */
static bool run_file(Replay *r, const char *path, uint64_t *digest)
{
    g_autofree char *bytes = NULL;
    gsize count;
    if (!g_file_get_contents(path, &bytes, &count, NULL))
        return false;
    /* Exactly as large as the input, so that a byte read behind it is noticed; never NULL. */
    g_autofree uint8_t *exact = g_malloc(MAX(count, 1));
    memcpy(exact, bytes, count);
    fprintf(r->tap, "# %s\n", path); /* the last one is to blame for a crash */
    fflush(r->tap);
    *digest = 0;
    fuzz_digest = digest;
    alarm(SECONDS_PER_INPUT);
    LLVMFuzzerTestOneInput(exact, count);
    alarm(0);
    r->has_digests |= *digest != 0;
    return true;
}

static void run_forwards(Replay *r)
{
    for (guint i = 0; i < r->paths->len; i++) {
        uint64_t digest = 0;
        r->done += run_file(r, g_ptr_array_index(r->paths, i), &digest);
        g_array_append_val(r->digests, digest);
    }
}

static void run_backwards(Replay *r)
{
    for (guint i = r->paths->len; i-- > 0;) {
        const char *path = g_ptr_array_index(r->paths, i);
        uint64_t digest = 0;
        run_file(r, path, &digest);
        if (digest == g_array_index(r->digests, uint64_t, i))
            continue;
        fprintf(r->tap, "# %s depends on what ran before it\n", path);
        r->differ++;
    }
}

int main(int argc, char **argv)
{
    Replay r = {.tap = fdopen(dup(STDOUT_FILENO), "w"),
                .paths = g_ptr_array_new_with_free_func(g_free),
                .digests = g_array_new(FALSE, FALSE, sizeof(uint64_t))};
    const char *last = argc > 1 ? argv[argc - 1] : "";
    g_autofree char *start = g_get_current_dir(); /* a target may leave it */
    for (int i = 1; i < argc; i++) {
        g_autofree char *path = g_canonicalize_filename(argv[i], start);
        collect(r.paths, path);
    }
    run_forwards(&r);
    fprintf(r.tap, "%s 1 - fuzz %s, %u inputs\n", r.done ? "ok" : "not ok", last, r.done);
    if (r.has_digests) {
        run_backwards(&r);
        fprintf(r.tap, "%s 2 - the same in reverse order, %u differ\n", r.differ ? "not ok" : "ok",
                r.differ);
    }
    fprintf(r.tap, "1..%d\n", r.has_digests ? 2 : 1);
    fclose(r.tap);
    g_ptr_array_free(r.paths, TRUE);
    g_array_free(r.digests, TRUE);
    return r.done == 0 || r.differ;
}
