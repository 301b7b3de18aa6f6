/* SPDX-License-Identifier: MIT
 * LD_PRELOAD for tests: a host that has bad days. Says each fdatasync on stderr; with
 * SHIM_JUMP=SECONDS its wall clock jumps by so many two seconds after the start. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { JUMP_AFTER_S = 2 };

int fdatasync(int fd)
{
    static const char text[] = "shim: fdatasync\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        return -1;
    return (int)syscall(SYS_fdatasync, fd);
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    static time_t start, jump;
    struct timespec now;
    const int rc = (int)syscall(SYS_clock_gettime, clock, ts);
    if (rc == 0 && clock == CLOCK_REALTIME) {
        const char *text = jump ? NULL : getenv("SHIM_JUMP");
        if (text)
            jump = atol(text);
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        if (!start)
            start = now.tv_sec;
        if (now.tv_sec >= start + JUMP_AFTER_S)
            ts->tv_sec += jump;
    }
    return rc;
}
