/* SPDX-License-Identifier: MIT */
/* Block memory: the C library's functions, string instructions, and plain loops. */
#include "bench.h"

#include <string.h>

enum { BIG = 1 << 20, LITTLE = 64 };

static uint8_t *from, *to;

static const char *make_buffers(void)
{
    uint32_t seed = 9;
    from = bench_alloc(BIG + 4096);
    to = bench_alloc(BIG + 4096);
    for (int i = 0; i < BIG; i++) {
        from[i] = bench_random(&seed) | 1;
    }
    return NULL;
}

static uint32_t probe(void)
{
    return to[0] + to[63] * 3u + to[BIG / 2] * 5u + to[BIG - 1] * 7u;
}

/* Called through pointers that the compiler cannot see through, so that the calls stay calls. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile fill)(void *, int, size_t) = memset;
static size_t (*volatile length)(const char *) = strlen;

static uint32_t libc_memcpy(void)
{
    copy(to, from, BIG);
    for (uint32_t i = 0; i < 4000; i++) {
        copy(to + i, from + 3 * i, 16 + (i & 255));
    }
    return probe();
}

static uint32_t libc_memset(void)
{
    fill(to, 0x5a, BIG);
    for (uint32_t i = 0; i < 4000; i++) {
        fill(to + i, (int)i, 16 + (i & 255));
    }
    return probe();
}

static uint32_t libc_strlen(void)
{
    uint32_t sum = length((char *)from);
    for (uint32_t i = 1; i < 4000; i++) {
        sum += length((char *)from + BIG - (i & 255));
    }
    return sum;
}

static inline void rep_movsd(void *dst, const void *src, size_t bytes)
{
    size_t count = bytes / 4;
    __asm__ volatile("rep movsl" : "+D"(dst), "+S"(src), "+c"(count) : : "memory");
}

static inline void rep_stosd(void *dst, uint32_t value, size_t bytes)
{
    size_t count = bytes / 4;
    __asm__ volatile("rep stosl" : "+D"(dst), "+c"(count) : "a"(value) : "memory");
}

static uint32_t rep_movs_large(void)
{
    rep_movsd(to, from, BIG);
    return probe();
}

static uint32_t rep_movs_small(void)
{
    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t at = (i * LITTLE) & 16383;
        rep_movsd(to + at, from + at, LITTLE);
    }
    return probe();
}

static uint32_t rep_stos_large(void)
{
    rep_stosd(to, 0x01020304, BIG);
    return probe();
}

static uint32_t rep_stos_small(void)
{
    for (uint32_t i = 0; i < 10000; i++) {
        rep_stosd(to + ((i * LITTLE) & 16383), i, LITTLE);
    }
    return probe();
}

static inline size_t rep_scasb(const void *p, size_t count)
{
    size_t left = count;
    __asm__ volatile("repne scasb" : "+D"(p), "+c"(left) : "a"(0) : "cc", "memory");
    return count - left;
}

static uint32_t rep_scas_large(void)
{
    return rep_scasb(from, BIG / 4);
}

static uint32_t rep_scas_small(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        sum += rep_scasb(from + BIG - (i & 31), 64);
    }
    return sum;
}

static uint32_t byte_copy(void)
{
    for (int i = 0; i < BIG / 8; i++) {
        ((volatile uint8_t *)to)[i] = from[i];
    }
    return to[77] + to[BIG / 8 - 1] * 3u;
}

static uint32_t stream_sum(void)
{
    const volatile uint32_t *p = (const volatile uint32_t *)from;
    uint32_t sum = 0;
    for (int i = 0; i < BIG / 4; i++) {
        sum += p[i];
    }
    return sum;
}

static const BenchRow rows[] = {
    {"memcpy", "int", 2400, libc_memcpy, 0x000004f0, make_buffers},
    {"memset", "int", 2300, libc_memset, 0x000004f5, make_buffers},
    {"strlen", "int", 320, libc_strlen, 0x0017aa30, make_buffers},
    {"rep-movs-large", "int", 3600, rep_movs_large, 0x00000586, make_buffers},
    {"rep-movs-64", "int", 2500, rep_movs_small, 0x000002d2, make_buffers},
    {"rep-stos-large", "int", 4500, rep_stos_large, 0x00000022, make_buffers},
    {"rep-stos-64", "int", 1000, rep_stos_small, 0x00000000, make_buffers},
    {"rep-scas-large", "int", 5000, rep_scas_large, 0x00040000, make_buffers},
    {"rep-scas-small", "int", 770, rep_scas_small, 0x000101d0, make_buffers},
    {"byte-copy", "int", 3000, byte_copy, 0x000000c2, make_buffers},
    {"stream-sum", "int", 1800, stream_sum, 0x02000000, make_buffers},
};

BENCH_MAIN(rows)
