/* SPDX-License-Identifier: MIT */
/* The x87: arithmetic in 80 bits, and the transcendental instructions. */
#include "nbody.h"

/*
 * Makers differ in the last bit of the transcendentals, so the checksum keeps 20 bits of fraction.
 */
static uint32_t transcendental(void)
{
    long double sum = 0;
    for (int i = 1; i <= 5000; i++) {
        long double x = i * 0.0007l, sine, cosine, angle, log, power;
        __asm__("fsincos" : "=t"(cosine), "=u"(sine) : "0"(x));
        __asm__("fpatan" : "=t"(angle) : "0"(cosine), "u"(sine) : "st(1)");
        __asm__("fyl2x" : "=t"(log) : "0"(x + 1), "u"(1.0l) : "st(1)");
        __asm__("f2xm1" : "=t"(power) : "0"(sine * 0.5l));
        sum += sine + angle * 0.5l + log + power * cosine;
    }
    return (uint32_t)(int64_t)(sum * 0x1p20l + 0.5l) & ~1u;
}

static const BenchRow rows[] = {
    {"x87-nbody", "fp", 74, nbody, 0, NULL},
    {"x87-transcendental", "fp", 120, transcendental, 0, NULL},
};

BENCH_MAIN(rows)
