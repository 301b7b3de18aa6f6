/* SPDX-License-Identifier: MIT */
/*
 * What every benchmark program shares: a table of rows, and the main program that runs one of
 * them and reports its time. See bench.c for the conversation with the harness.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct BenchRow {
    const char *name;
    const char *group;          /* int, fp, system, smc: a goal belongs to each */
    unsigned reps;              /* runs of one unit that take 0.1 to 0.3 s natively */
    uint32_t (*unit)(void);     /* one unit of work; returns its checksum, the same every time */
    uint32_t check;             /* the checksum expected; 0: only compared with the native run's */
    const char *(*setup)(void); /* untimed, or NULL; returns why the row cannot run, or NULL */
} BenchRow;

/* PROGRAM list | PROGRAM ROW [REPS]. Returns the exit status. */
int bench_main(int argc, char **argv, const BenchRow *rows, size_t count);

/* Ends the program with a message when a system call that must work did not. */
void bench_die(const char *what);

/* Allocates LEN page-aligned bytes, all touched. */
void *bench_alloc(size_t len);

/* Deterministic pseudo-random numbers (Numerical Recipes' linear congruence). */
static inline uint32_t bench_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

#define BENCH_MAIN(rows)                                                                           \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return bench_main(argc, argv, rows, sizeof(rows) / sizeof((rows)[0]));                     \
    }

#endif
