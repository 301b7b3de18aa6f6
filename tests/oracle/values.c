/* SPDX-License-Identifier: MIT */
#include "tests/oracle/values.h"

#include <glib.h>
#include <string.h>

static const uint32_t int_edges[] = {
    0, 1, 2, 3, 4, 7, 8, 9, 10, 15, 16, 31, 32, 33, 63, 64, 99, 100, 0x7f, 0x80, 0x81, 0xff, 0x100,
    0x7fff, 0x8000, 0x8001, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe,
    0xffffffff, 0xffff8000, 0xffffff80, 0xffff0000, 0xff00ff00, 0x55555555, 0xaaaaaaaa, 0x12345678,
};

static const uint32_t single_edges[] = {
    0, 0x80000000, 0x3f800000, 0xbf800000, 0x40000000, 0x7f800000, 0xff800000, 0x7fc00000,
    0xffc00000, 0x7f800001, 0xffbfffff, 0x00000001, 0x807fffff, 0x00800000, 0x7f7fffff, 0xff7fffff,
    0x3f000000, 0x4b000000, 0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0x3eaaaaab, 0x7fffffff,
};

static const uint64_t double_edges[] = {
    0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x4000000000000000,
    0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000000,
    0x7ff0000000000001, 0xfff7ffffffffffff, 1, 0x800fffffffffffff, 0x0010000000000000,
    0x7fefffffffffffff, 0x3fe0000000000000, 0x41dfffffffc00000, 0xc1e0000000000000,
    0x41f0000000000000, 0x43e0000000000000, 0x3690000000000000, 0x47efffffe0000000,
    0x47effffff0000000, 0x3fd5555555555555,
};

/* sign and exponent, significand */
static const struct {
    uint16_t exponent;
    uint64_t significand;
} extended_edges[] = {
    {0, 0}, {0x8000, 0}, {0x3fff, 0x8000000000000000}, {0xbfff, 0x8000000000000000},
    {0x7fff, 0x8000000000000000}, {0xffff, 0x8000000000000000}, {0x7fff, 0xc000000000000000},
    {0xffff, 0xc000000000000000}, {0x7fff, 0x8000000000000001}, {0x7fff, 0xa000000000000000},
    {0, 1}, {0, 0x7fffffffffffffff}, {0, 0x8000000000000000}, {1, 0x8000000000000000},
    {0x7ffe, 0xffffffffffffffff}, {0x3fff, 0x4000000000000000}, {0x7fff, 0}, {0x7fff, 0x1234},
    {0x4000, 0xc90fdaa22168c235}, {0x403e, 0x8000000000000000}, {0xc03e, 0x8000000000000000},
    {0x401e, 0x8000000000000000}, {0x400e, 0xffff000000000000}, {0x403a, 0xde0b6b3a763fffff},
    {0x3ffe, 0x8000000000000000}, {0x3ffb, 0xcccccccccccccccd}, {0x403f, 0x8000000000000000},
};

uint32_t value_int32(Rng *rng)
{
    uint32_t kind = rng_below(rng, 8);
    if (kind < 4)
        return int_edges[rng_below(rng, G_N_ELEMENTS(int_edges))];
    if (kind == 4)
        return 1u << rng_below(rng, 32);
    if (kind == 5)
        return (uint32_t)rng_next(rng) & 0xff;
    return (uint32_t)rng_next(rng);
}

static void value_extended(Rng *rng, uint8_t out[10])
{
    uint64_t significand = rng_next(rng);
    uint16_t exponent = (uint16_t)rng_next(rng);
    uint32_t kind = rng_below(rng, 4);
    if (kind < 2) {
        unsigned i = rng_below(rng, G_N_ELEMENTS(extended_edges));
        significand = extended_edges[i].significand;
        exponent = extended_edges[i].exponent;
    } else if (kind == 2) { /* a number of ordinary size */
        significand |= 0x8000000000000000;
        exponent = (uint16_t)((exponent & 0x8000) | (0x3fff - 32 + (exponent & 0x7f) / 2));
    }
    memcpy(out, &significand, 8);
    memcpy(out + 8, &exponent, 2);
}

static void value_bcd(Rng *rng, uint8_t out[10])
{
    for (unsigned i = 0; i < 9; i++)
        out[i] = (uint8_t)(rng_below(rng, 10) << 4 | rng_below(rng, 10));
    out[9] = rng_percent(rng, 50) ? 0x80 : 0;
}

void value_vector(Rng *rng, uint8_t out[16])
{
    uint64_t random[2] = {rng_next(rng), rng_next(rng)};
    memcpy(out, random, 16);
    switch (rng_below(rng, 6)) {
    case 0:
        for (unsigned i = 0; i < 4; i++)
            memcpy(out + 4 * i, &single_edges[rng_below(rng, G_N_ELEMENTS(single_edges))], 4);
        break;
    case 1:
        for (unsigned i = 0; i < 2; i++)
            memcpy(out + 8 * i, &double_edges[rng_below(rng, G_N_ELEMENTS(double_edges))], 8);
        break;
    case 2:
        value_extended(rng, out);
        break;
    case 3:
        for (unsigned i = 0; i < 4; i++) {
            uint32_t value = value_int32(rng);
            memcpy(out + 4 * i, &value, 4);
        }
        break;
    case 4:
        if (rng_percent(rng, 30))
            value_bcd(rng, out);
        break;
    default:
        break;
    }
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, 4);
}

/* Layout: SDM 1 "FXSAVE Area". ES and B follow from flags and masks, as hardware keeps them. */
void value_fx(Rng *rng, uint8_t fx[512], bool plain)
{
    memset(fx, 0, 512);
    unsigned masks = !plain && rng_percent(rng, 20) ? rng_below(rng, 64) : 0x3f;
    unsigned flags = rng_percent(rng, 50) ? rng_below(rng, 64) : 0;
    if (!rng_percent(rng, 10))
        flags &= masks;
    unsigned fsw = rng_below(rng, 8) << 11 | (rng_below(rng, 16) & 7) << 8 |
                   rng_below(rng, 2) << 14 | flags;
    if (flags & 0x3f & ~masks)
        fsw |= 0x8080;
    else if (rng_percent(rng, 90) && (fsw & 1))
        fsw |= rng_below(rng, 2) << 6; /* SF goes with IE */
    unsigned precision = rng_percent(rng, 70) ? 3 : rng_percent(rng, 50) ? 2 : 0;
    put16(fx, masks | 0x40 | precision << 8 | rng_below(rng, 4) << 10);
    put16(fx + 2, fsw);
    uint32_t kind = rng_below(rng, 5);
    fx[4] = kind < 2 ? 0xff : kind == 2 ? 0 : (uint8_t)rng_next(rng);
    /* FOP, FIP and FDP stay zero: APM 2 "FXSAVE": AMD's CPUs may drop them without an exception */
    unsigned sse_masks = !plain && rng_percent(rng, 12) ? rng_below(rng, 64) : 0x3f;
    uint32_t mxcsr = sse_masks << 7 | rng_below(rng, 4) << 13;
    mxcsr |= rng_percent(rng, 50) ? rng_below(rng, 64) : 0;
    mxcsr |= rng_percent(rng, 15) ? 1u << 6 : 0;  /* DAZ */
    mxcsr |= rng_percent(rng, 15) ? 1u << 15 : 0; /* FTZ */
    put32(fx + 24, mxcsr);
    put32(fx + 28, 0xffff);
    for (unsigned i = 0; i < 8; i++) {
        value_extended(rng, fx + 32 + 16 * i);
        value_vector(rng, fx + 160 + 16 * i);
    }
}
