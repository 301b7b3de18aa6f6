/* SPDX-License-Identifier: MIT */
/*
 * Times a whole command: LAUNCH NAME REPS runs the shell script bench/commands/NAME.sh REPS times
 * in the current folder; the checksum is the CRC of what it prints. A row table of one.
 */
#include "bench.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char script[256];

static uint32_t add_bytes(uint32_t crc, const uint8_t *bytes, ssize_t count)
{
    for (ssize_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        }
    }
    return crc;
}

static uint32_t run_command(void)
{
    uint8_t bytes[4096];
    uint32_t crc = ~0u;
    int ends[2], status;
    if (pipe(ends)) {
        bench_die("pipe");
    }
    pid_t child = fork();
    if (!child) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("bin/busybox", "sh", script, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], bytes, sizeof(bytes))) > 0;) {
        crc = add_bytes(crc, bytes, got);
    }
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child) {
        bench_die("fork");
    }
    return status ? 0xbad00000 | status : crc; /* a failing command never equals the native run */
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME REPS\n", argv[0]);
        return 1;
    }
    const BenchRow row = {argv[1], "programs", 1, run_command, 0, NULL};
    snprintf(script, sizeof(script), "bench/commands/%s.sh", argv[1]);
    return bench_main(argc, argv, &row, 1);
}
