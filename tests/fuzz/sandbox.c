/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t *fuzz_digest;

static char folder[] = "/tmp/dbtvm-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void empty_folder(void)
{
    g_autoptr(GDir) dir = g_dir_open(".", 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (remove(name) != 0)
            nftw(name, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void fuzz_enter_sandbox(void)
{
    static bool inside;
    if (inside) {
        empty_folder();
        return;
    }
    inside = true;
    if (!mkdtemp(folder) || chdir(folder) != 0 || !freopen("/dev/null", "w", stdout))
        g_error("no folder to work in: %s", g_strerror(errno));
    atexit(remove_folder);
}

/* NULL without the sanitizer. */
__attribute__((weak)) void __lsan_disable(void);
__attribute__((weak)) void __lsan_enable(void);

void fuzz_leaks_expected(bool expected)
{
    void (*call)(void) = expected ? __lsan_disable : __lsan_enable;
    if (call)
        call();
}

/* A slash stays only behind a letter or digit: "x/10i" is a format, "a/b" is not there; "/etc"
 * and "../x" would be. */
char *fuzz_text(const uint8_t *bytes, size_t count)
{
    char *text = g_malloc(count + 1);
    for (size_t i = 0; i < count; i++) {
        bool outside = bytes[i] == '/' && (i == 0 || !g_ascii_isalnum(bytes[i - 1]));
        text[i] = outside ? '_' : (char)bytes[i];
    }
    text[count] = 0;
    return text;
}
