/* SPDX-License-Identifier: MIT */
/* Integer work in registers and small arrays. */
#include "bench.h"

#include <string.h>

static uint32_t mix(void)
{
    uint32_t a = 0x12345678, b = 0x9abcdef0, c = 0xdeadbeef;
    for (uint32_t i = 0; i < 1000000; i++) {
        a = ((a + b) << 5 | (a + b) >> 27) ^ c;
        b += a >> 3;
        c = c * 5 + i;
        if (!(i & 7)) { /* predictable: the row is about arithmetic, not about the predictor */
            b ^= c;
        }
    }
    return a ^ b ^ c;
}

enum { N = 96 };

static uint32_t matrix(void)
{
    static int32_t a[N][N], b[N][N], c[N][N];
    uint32_t seed = 1, sum = 0;
    for (int i = 0; i < N * N; i++) {
        (&a[0][0])[i] = bench_random(&seed);
        (&b[0][0])[i] = bench_random(&seed);
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            int32_t dot = 0;
            for (int k = 0; k < N; k++) {
                dot += a[i][k] * b[k][j];
            }
            c[i][j] = dot;
            sum = sum * 31 + dot;
        }
    }
    return sum ^ c[N - 1][N - 1];
}

static uint8_t text[65536];

static const char *make_text(void)
{
    uint32_t seed = 7;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = "abc123 ,.\"\\\n(x+9"[bench_random(&seed) & 15];
    }
    return NULL;
}

/* Counts words, numbers and strings with a state machine; sums them into a bitwise CRC-16. */
static uint32_t state_crc(void)
{
    enum { SPACE, WORD, NUMBER, STRING, ESCAPE } state = SPACE;
    uint32_t crc = 0xffff, tokens = 0;
    for (size_t i = 0; i < sizeof(text); i++) {
        uint8_t ch = text[i];
        switch (state) {
        case SPACE:
            if (ch >= '0' && ch <= '9') {
                state = NUMBER;
            } else if (ch >= 'a' && ch <= 'z') {
                state = WORD;
            } else if (ch == '"') {
                state = STRING;
            }
            tokens += state != SPACE;
            break;
        case WORD:
        case NUMBER:
            if (ch == ' ' || ch == ',' || ch == '.' || ch == '\n') {
                state = SPACE;
            }
            break;
        case STRING:
            state = ch == '"' ? SPACE : ch == '\\' ? ESCAPE : STRING;
            break;
        case ESCAPE:
            state = STRING;
            break;
        }
        crc ^= (uint32_t)(ch + state) << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        }
    }
    return tokens << 16 | (crc & 0xffff);
}

static uint32_t sieve(void)
{
    static uint8_t composite[262144];
    uint32_t primes = 0;
    memset(composite, 0, sizeof(composite));
    for (uint32_t i = 2; i < sizeof(composite); i++) {
        if (!composite[i]) {
            primes++;
            for (uint32_t j = 2 * i; j < sizeof(composite); j += i) {
                composite[j] = 1;
            }
        }
    }
    return primes;
}

/* Carries, rotates through carry, and conditions read from every arithmetic flag. */
static uint32_t flags(void)
{
    uint32_t a = 0x01234567, b = 0x89abcdef, c = 0x0badcafe, count = 300000;
    __asm__ volatile("xorl %%edx, %%edx\n"
                     "1: addl %1, %0\n\t"
                     "adcl %2, %1\n\t"
                     "rcll $1, %2\n\t"
                     "sbbl %0, %2\n\t"
                     "seto %%al\n\t"
                     "setb %%ah\n\t"
                     "adcl $0, %0\n\t"
                     "rcrl $3, %1\n\t"
                     "cmpl %0, %1\n\t"
                     "setle %%dl\n\t"
                     "sbbl %%ebx, %%ebx\n\t"
                     "xorb %%al, %%dl\n\t"
                     "setp %%dh\n\t"
                     "addl %%edx, %0\n\t"
                     "xorl %%ebx, %2\n\t"
                     "decl %3\n\t"
                     "jnz 1b"
                     : "+S"(a), "+D"(b), "+r"(c), "+m"(count)
                     :
                     : "eax", "ebx", "edx", "cc");
    return a ^ b ^ c;
}

static uint32_t muldiv(void)
{
    uint32_t sum = 0, x = 12345;
    for (uint32_t i = 1; i <= 200000; i++) {
        uint64_t wide = (uint64_t)x * (i | 1);
        x = (uint32_t)(wide >> 7) + i;
        sum += x / (i | 3) + x % ((i & 1023) + 1);
        sum ^= (uint32_t)((int32_t)x / (int32_t)(i + 5));
    }
    return sum;
}

static uint32_t atomics(void)
{
    static uint32_t counter, word;
    counter = word = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        __atomic_fetch_add(&counter, i, __ATOMIC_SEQ_CST);
        uint32_t old = __atomic_load_n(&word, __ATOMIC_SEQ_CST);
        __atomic_compare_exchange_n(&word, &old, old * 3 + i, 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
        counter ^= __atomic_exchange_n(&word, word + 1, __ATOMIC_SEQ_CST) & 1;
    }
    return counter ^ word;
}

static const BenchRow rows[] = {
    {"mix", "int", 92, mix, 0x854db8c3, NULL},
    {"matrix", "int", 360, matrix, 0x1186810e, NULL},
    {"state-crc", "int", 53, state_crc, 0x22a17e48, make_text},
    {"sieve", "int", 280, sieve, 0x000059d8, NULL},
    {"flags", "int", 87, flags, 0xbacdade0, NULL},
    {"muldiv", "int", 130, muldiv, 0xff9e7f3f, NULL},
    {"atomics", "int", 40, atomics, 0xa1b268e0, NULL},
};

BENCH_MAIN(rows)
