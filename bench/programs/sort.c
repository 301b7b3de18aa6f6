/* SPDX-License-Identifier: MIT */
/* Sorting with and without a callback, list walks, pointer chases and digests. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT = 50000 };

static uint32_t source[COUNT], work[COUNT];

static const char *make_numbers(void)
{
    uint32_t seed = 3;
    for (int i = 0; i < COUNT; i++) {
        source[i] = bench_random(&seed);
    }
    return NULL;
}

static uint32_t sum_work(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        sum = sum * 33 + work[i];
    }
    return sum;
}

static void sort_range(uint32_t *a, int low, int high)
{
    while (low < high) {
        uint32_t pivot = a[(low + high) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot) {
                i++;
            }
            while (a[j] > pivot) {
                j--;
            }
            if (i <= j) {
                uint32_t swap = a[i];
                a[i++] = a[j];
                a[j--] = swap;
            }
        }
        sort_range(a, low, j);
        low = i;
    }
}

static uint32_t quicksort(void)
{
    memcpy(work, source, sizeof(work));
    sort_range(work, 0, COUNT - 1);
    return sum_work();
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t qsort_callback(void)
{
    memcpy(work, source, sizeof(work));
    qsort(work, COUNT, sizeof(work[0]), compare);
    return sum_work();
}

typedef struct Node {
    struct Node *next;
    uint32_t value[8 - sizeof(void *) / 4]; /* 32 bytes, however wide a pointer is */
} Node;

static Node *chain;

/* A ring of COUNT nodes in shuffled order, so that no prefetcher helps. */
static void make_ring(uint32_t count)
{
    Node *nodes = bench_alloc(count * sizeof(Node));
    uint32_t *order = bench_alloc(count * sizeof(uint32_t)), seed = 11;
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (bench_random(&seed) << 8 ^ bench_random(&seed)) % (i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (uint32_t i = 0; i < count; i++) {
        nodes[order[i]].next = &nodes[order[(i + 1) % count]];
        nodes[order[i]].value[0] = i;
    }
    chain = &nodes[order[0]];
}

static const char *make_l1(void)
{
    make_ring(16384 / sizeof(Node));
    return NULL;
}

static const char *make_l2(void)
{
    make_ring(262144 / sizeof(Node));
    return NULL;
}

static const char *make_ram(void)
{
    make_ring((64u << 20) / sizeof(Node));
    return NULL;
}

static uint32_t chase(void)
{
    const Node *node = chain;
    for (int i = 0; i < 200000; i++) {
        node = node->next;
    }
    uint32_t landed = node->value[0];
    return landed + 1;
}

static uint32_t chase_far(void)
{
    const Node *node = chain;
    for (int i = 0; i < 2000000; i++) {
        node = node->next;
    }
    return node->value[0] + 1;
}

/* A walk that works at every node: find, count, update. */
static uint32_t list(void)
{
    Node *node = chain;
    uint32_t sum = 0, odd = 0;
    for (int i = 0; i < 262144 / (int)sizeof(Node) * 4; i++, node = node->next) {
        node->value[1] = node->value[0] ^ i;
        odd += node->value[0] & 1;
        sum += node->value[1] > 4096 ? node->value[1] : node->value[0];
    }
    return sum * 31 + odd;
}

static const BenchRow rows[] = {
    {"quicksort", "int", 40, quicksort, 0x56cdce7c, make_numbers},
    {"qsort-callback", "int", 26, qsort_callback, 0x56cdce7c, make_numbers},
    {"list-walk", "int", 1100, list, 0x25fe5000, make_l2},
    {"chase-l1", "int", 600, chase, 0x00000141, make_l1},
    {"chase-l2", "int", 180, chase, 0x00000d41, make_l2},
    {"chase-ram", "int", 1, chase_far, 0x001e8481, make_ram},
};

BENCH_MAIN(rows)
