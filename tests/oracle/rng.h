/* SPDX-License-Identifier: MIT
 * Random numbers of the oracle: splitmix64 (Steele, Lea, Flood 2014), so that a seed means the
 * same case everywhere. */
#ifndef TESTS_ORACLE_RNG_H
#define TESTS_ORACLE_RNG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t state;
} Rng;

static inline uint64_t rng_next(Rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0..n-1 */
static inline uint32_t rng_below(Rng *rng, uint32_t n)
{
    return (uint32_t)((rng_next(rng) >> 32) * n >> 32);
}

static inline bool rng_percent(Rng *rng, uint32_t percent)
{
    return rng_below(rng, 100) < percent;
}

#endif
