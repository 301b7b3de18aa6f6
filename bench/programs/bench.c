/* SPDX-License-Identifier: MIT */
/*
 * The main program of every benchmark: runs one row between two readings of the clocks.
 *
 * It says "@ready" once it is set up and waits for a line, so that the harness can read the host's
 * CPU time of the whole virtual machine just before and just after. Then it says
 *   @row NAME REPS WALL_NS CPU_NS CHECKSUM ok|wrong
 */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void bench_die(const char *what)
{
    printf("@fail %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(2);
}

void *bench_alloc(size_t len)
{
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        bench_die("mmap");
    }
    for (size_t i = 0; i < len; i += 4096) {
        ((volatile uint8_t *)memory)[i] = 0;
    }
    return memory;
}

static uint64_t wall_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

static uint64_t usage_ns(int who)
{
    struct rusage use;
    getrusage(who, &use);
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000u;
}

/* The guest has one CPU; give the native run no more. */
static void pin_to_one_cpu(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    if (cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        sched_setaffinity(0, sizeof(set), &set);
    }
}

static void wait_for_go(void)
{
    char line[16];
    printf("@ready\n");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) {
        exit(3);
    }
}

static int run_row(const BenchRow *row, unsigned reps)
{
    const char *reason = row->setup ? row->setup() : NULL;
    if (reason) {
        printf("@skip %s\n", reason);
        return 0;
    }
    pin_to_one_cpu();
    wait_for_go();

    uint64_t wall = wall_ns(), cpu = usage_ns(RUSAGE_SELF) + usage_ns(RUSAGE_CHILDREN);
    uint32_t check = row->unit();
    unsigned differ = 0;
    for (unsigned i = 1; i < reps; i++) {
        differ += row->unit() != check;
    }
    wall = wall_ns() - wall;
    cpu = usage_ns(RUSAGE_SELF) + usage_ns(RUSAGE_CHILDREN) - cpu;

    int ok = !differ && (!row->check || check == row->check);
    printf("@row %s %u %llu %llu %08x %s\n", row->name, reps, (unsigned long long)wall,
           (unsigned long long)cpu, check, ok ? "ok" : "wrong");
    return !ok;
}

static uint32_t nothing(void)
{
    return 0;
}

/* What the conversation alone costs. */
static const BenchRow nothing_row = {"nothing", "-", 1, nothing, 0, NULL};

int bench_main(int argc, char **argv, const BenchRow *rows, size_t count)
{
    if (argc == 2 && !strcmp(argv[1], "list")) {
        for (size_t i = 0; i < count; i++) {
            printf("%s %s %u\n", rows[i].name, rows[i].group, rows[i].reps);
        }
        return 0;
    }
    if (argc >= 2 && !strcmp(argv[1], nothing_row.name)) {
        return run_row(&nothing_row, 1);
    }
    for (size_t i = 0; argc >= 2 && i < count; i++) {
        if (!strcmp(argv[1], rows[i].name)) {
            return run_row(&rows[i], argc > 2 ? strtoul(argv[2], NULL, 10) : rows[i].reps);
        }
    }
    fprintf(stderr, "usage: %s list | ROW [REPS]\n", argv[0]);
    return 1;
}
