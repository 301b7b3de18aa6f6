/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4) and the CRC-32 of IEEE 802.3, by table. */
#include "bench.h"

#include <math.h>
#include <string.h>

static uint8_t data[65536];
static uint32_t crc_table[256], round_constant[64], initial[8];

/* FIPS 180-4, 4.2.2 and 5.3.3: the constants are fractions of roots of the first primes. */
static void make_sha256_constants(void)
{
    int count = 0;
    for (int p = 2; count < 64; p++) {
        int prime = 1;
        for (int d = 2; d * d <= p; d++) {
            prime &= p % d != 0;
        }
        if (prime) {
            long double cube = cbrtl(p), square = sqrtl(p);
            round_constant[count] = (uint32_t)(uint64_t)((cube - floorl(cube)) * 0x1p32l);
            if (count < 8) {
                initial[count] = (uint32_t)(uint64_t)((square - floorl(square)) * 0x1p32l);
            }
            count++;
        }
    }
}

static const char *make_data(void)
{
    uint32_t seed = 5;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = bench_random(&seed);
    }
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        }
        crc_table[i] = crc;
    }
    make_sha256_constants();
    return NULL;
}

static inline uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* One round; the caller renames the eight variables instead of moving them. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                           \
    t = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +                \
        round_constant[i] + w[i];                                                                  \
    d += t;                                                                                        \
    h = t + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))

static void sha256_block(uint32_t state[8], const uint8_t *p)
{
    uint32_t w[64], t, a = state[0], b = state[1], c = state[2], d = state[3], e = state[4],
                       f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 16; i++, p += 4) {
        w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) +
               (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
    }
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    const uint32_t end[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) {
        state[i] += end[i];
    }
}

static uint32_t sha256(void)
{
    uint32_t h[8], sum = 0;
    memcpy(h, initial, sizeof(h));
    for (size_t i = 0; i < sizeof(data); i += 64) {
        sha256_block(h, data + i);
    }
    for (int i = 0; i < 8; i++) {
        sum ^= rotate(h[i], i);
    }
    return sum;
}

static uint32_t crc32(void)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < sizeof(data); i++) {
        crc = crc >> 8 ^ crc_table[(crc ^ data[i]) & 0xff];
    }
    return ~crc;
}

static const BenchRow rows[] = {
    {"sha256", "int", 730, sha256, 0x0414f69b, make_data},
    {"crc32", "int", 910, crc32, 0x8ebf6996, make_data},
};

BENCH_MAIN(rows)
