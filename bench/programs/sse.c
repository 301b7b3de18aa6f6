/* SPDX-License-Identifier: MIT */
/* SSE2: scalar doubles, packed integers, packed floats. */
#include "nbody.h"

#include <emmintrin.h>

static uint32_t mandelbrot(void)
{
    uint32_t sum = 0;
    for (int row = 0; row < 64; row++) {
        for (int column = 0; column < 64; column++) {
            double cx = column * (3.0 / 64) - 2.0, cy = row * (2.0 / 64) - 1.0, x = 0, y = 0;
            uint32_t count = 0;
            while (count < 100 && x * x + y * y < 4.0) {
                double next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
                count++;
            }
            sum = sum * 3 + count;
        }
    }
    return sum;
}

enum { WORDS = 4096 };

static uint8_t pixels[2][WORDS] __attribute__((aligned(16)));
static float vector[2][WORDS] __attribute__((aligned(16)));

static const char *make_vectors(void)
{
    uint32_t seed = 21;
    for (int i = 0; i < WORDS; i++) {
        pixels[0][i] = bench_random(&seed);
        pixels[1][i] = bench_random(&seed);
        vector[0][i] = (float)(bench_random(&seed) & 1023);
    }
    return NULL;
}

/* Differences, averages, products, packs and shuffles, as in motion search. */
static uint32_t packed_integer(void)
{
    __m128i total = _mm_setzero_si128(), zero = _mm_setzero_si128();
    for (int turn = 0; turn < 16; turn++) {
        for (int i = 0; i < WORDS; i += 16) {
            __m128i a = _mm_load_si128((const __m128i *)&pixels[0][i]);
            __m128i b = _mm_load_si128((const __m128i *)&pixels[1][(i + turn * 16) & (WORDS - 1)]);
            __m128i low = _mm_unpacklo_epi8(a, zero), high = _mm_unpackhi_epi8(b, zero);
            __m128i product = _mm_madd_epi16(low, high);
            __m128i packed = _mm_packus_epi16(_mm_srli_epi16(low, 1), _mm_adds_epu16(high, low));
            total = _mm_add_epi32(total, _mm_sad_epu8(a, b));
            total = _mm_add_epi32(total, _mm_shuffle_epi32(product, 0x1b));
            total = _mm_xor_si128(total, _mm_avg_epu8(packed, _mm_max_epu8(a, b)));
        }
    }
    uint32_t out[4];
    _mm_storeu_si128((__m128i *)out, total);
    return out[0] ^ out[1] * 3 ^ out[2] * 5 ^ out[3] * 7;
}

static uint32_t saxpy(void)
{
    float *x = vector[0], *y = vector[1], sum = 0;
    memset(y, 0, sizeof(vector[1]));
    for (int turn = 1; turn <= 16; turn++) {
        __m128 a = _mm_set1_ps((float)turn);
        for (int i = 0; i < WORDS; i += 4) {
            _mm_store_ps(y + i, _mm_add_ps(_mm_mul_ps(a, _mm_load_ps(x + i)), _mm_load_ps(y + i)));
        }
    }
    for (int i = 0; i < WORDS; i += 64) {
        sum += y[i];
    }
    return (uint32_t)sum;
}

static const BenchRow rows[] = {
    {"sse2-nbody", "fp", 240, nbody, 0, NULL},
    {"mandelbrot", "fp", 300, mandelbrot, 0x73360efc, NULL},
    {"packed-integer", "fp", 18000, packed_integer, 0x61e7276a, make_vectors},
    {"saxpy", "fp", 8400, saxpy, 0x00458f80, make_vectors},
};

BENCH_MAIN(rows)
