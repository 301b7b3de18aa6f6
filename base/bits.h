/* SPDX-License-Identifier: MIT
 * Small bit helpers, all total functions. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BIT(n) (UINT64_C(1) << (n))

/* All-ones mask of `bytes` bytes (1, 2, 4, 8). */
static inline uint64_t width_mask(unsigned bytes)
{
    return bytes >= 8 ? ~UINT64_C(0) : (BIT(bytes * 8) - 1);
}

/* Bits [lo, lo+len) of v. */
static inline uint64_t bits_get(uint64_t v, unsigned lo, unsigned len)
{
    return (v >> lo) & (len >= 64 ? ~UINT64_C(0) : (BIT(len) - 1));
}

/* v with bits [lo, lo+len) replaced by field. */
static inline uint64_t bits_set(uint64_t v, unsigned lo, unsigned len, uint64_t field)
{
    uint64_t m = (len >= 64 ? ~UINT64_C(0) : (BIT(len) - 1)) << lo;
    return (v & ~m) | ((field << lo) & m);
}

static inline int64_t sign_extend(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - bytes * 8;
    return (int64_t)(v << shift) >> shift;
}

#endif
