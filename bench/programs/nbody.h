/* SPDX-License-Identifier: MIT */
/* Five bodies under gravity: the same source is compiled for x87 and for SSE2. */
#ifndef NBODY_H
#define NBODY_H

#include "bench.h"

#include <math.h>
#include <string.h>

typedef struct Body {
    double x[3], v[3], mass;
} Body;

static inline void nbody_pair(Body *a, Body *b, double dt)
{
    double d[3], square = 0.001; /* softened, so that no close encounter amplifies rounding */
    for (int i = 0; i < 3; i++) {
        d[i] = a->x[i] - b->x[i];
        square += d[i] * d[i];
    }
    double pull = dt / (square * __builtin_sqrt(square));
    for (int i = 0; i < 3; i++) {
        a->v[i] -= d[i] * b->mass * pull;
        b->v[i] += d[i] * a->mass * pull;
    }
}

static uint32_t nbody(void)
{
    Body bodies[5];
    double sum = 0;
    for (int i = 0; i < 5; i++) {
        bodies[i] =
            (Body){{i * 3.0, i * i * 0.5, 1.0 - i}, {0, 0.4 - 0.1 * i, 0.05 * i}, 4.0 / (i + 1)};
    }
    for (int step = 0; step < 5000; step++) {
        for (int i = 0; i < 5; i++) {
            for (int j = i + 1; j < 5; j++) {
                nbody_pair(&bodies[i], &bodies[j], 0.001);
            }
        }
        for (int i = 0; i < 5; i++) {
            for (int k = 0; k < 3; k++) {
                bodies[i].x[k] += 0.001 * bodies[i].v[k];
            }
        }
    }
    for (int i = 0; i < 5; i++) {
        sum += bodies[i].x[0] + bodies[i].x[1] * 3 + bodies[i].x[2] * 5;
    }
    uint64_t bits;
    memcpy(&bits, &sum, sizeof(bits));
    return (uint32_t)bits ^ (uint32_t)(bits >> 32);
}

#endif
