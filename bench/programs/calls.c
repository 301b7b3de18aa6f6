/* SPDX-License-Identifier: MIT */
/* Control flow: bytecode interpreters, indirect calls, recursion, much code used in turn. */
#include "bench.h"

/* A register machine: r0 counts down, r1 and r2 mix, r3 indexes a small memory. */
enum { OP_ADD, OP_SUB, OP_XOR, OP_MUL, OP_SHR, OP_LOAD, OP_STORE, OP_INC, OP_BRANCH, OP_HALT };

typedef struct Insn {
    uint8_t op, a, b;
    int8_t offset;
} Insn;

static const Insn program[] = {
    {OP_ADD, 1, 2, 0},      {OP_XOR, 2, 0, 0},  {OP_STORE, 1, 3, 0}, {OP_INC, 3, 0, 0},
    {OP_MUL, 2, 4, 0},      {OP_SHR, 1, 5, 0},  {OP_LOAD, 5, 3, 0},  {OP_SUB, 1, 5, 0},
    {OP_ADD, 2, 1, 0},      {OP_XOR, 5, 1, 0},  {OP_STORE, 2, 3, 0}, {OP_INC, 3, 0, 0},
    {OP_BRANCH, 0, 0, -12}, {OP_HALT, 0, 0, 0},
};

enum { LOOPS = 20000 };

static uint32_t interp_switch(void)
{
    uint32_t r[8] = {LOOPS, 1, 2, 0, 2654435761u, 3, 0, 0}, memory[256] = {0};
    for (const Insn *pc = program;; pc++) {
        switch (pc->op) {
        case OP_ADD:
            r[pc->a] += r[pc->b];
            break;
        case OP_SUB:
            r[pc->a] -= r[pc->b];
            break;
        case OP_XOR:
            r[pc->a] ^= r[pc->b];
            break;
        case OP_MUL:
            r[pc->a] *= r[pc->b];
            break;
        case OP_SHR:
            r[pc->a] >>= r[pc->b] & 7;
            break;
        case OP_LOAD:
            r[pc->a] = memory[r[pc->b] & 255];
            break;
        case OP_STORE:
            memory[r[pc->b] & 255] = r[pc->a];
            break;
        case OP_INC:
            r[pc->a]++;
            break;
        case OP_BRANCH:
            pc += --r[pc->a] ? pc->offset - 1 : 0;
            break;
        case OP_HALT:
            return r[1] ^ r[2] ^ r[3];
        }
    }
}

static uint32_t interp_threaded(void)
{
    static const void *const labels[] = {&&add,  &&sub,   &&xor, &&mul,    &&shr,
                                         &&load, &&store, &&inc, &&branch, &&halt};
    uint32_t r[8] = {LOOPS, 1, 2, 0, 2654435761u, 3, 0, 0}, memory[256] = {0};
    const Insn *pc = program;
#define NEXT goto *labels[(++pc)->op]
    goto *labels[pc->op];
add:
    r[pc->a] += r[pc->b];
    NEXT;
sub:
    r[pc->a] -= r[pc->b];
    NEXT;
    xor : r[pc->a] ^= r[pc->b];
    NEXT;
mul:
    r[pc->a] *= r[pc->b];
    NEXT;
shr:
    r[pc->a] >>= r[pc->b] & 7;
    NEXT;
load:
    r[pc->a] = memory[r[pc->b] & 255];
    NEXT;
store:
    memory[r[pc->b] & 255] = r[pc->a];
    NEXT;
inc:
    r[pc->a]++;
    NEXT;
branch:
    pc += --r[pc->a] ? pc->offset - 1 : 0;
    NEXT;
halt:
    return r[1] ^ r[2] ^ r[3];
}

/* Functions that differ in one constant: N is a string of digits after a leading 1. */
#define DEFINE(n)                                                                                  \
    static __attribute__((noinline)) uint32_t f##n(uint32_t x, uint32_t *p)                        \
    {                                                                                              \
        x = (x ^ n##u) * 2654435761u;                                                              \
        p[n & 63] += x >> 3;                                                                       \
        if (x & 1) {                                                                               \
            x += p[(n + 7) & 63] ^ n;                                                              \
        } else {                                                                                   \
            x -= p[(n + 13) & 63] * 3;                                                             \
        }                                                                                          \
        p[(n * 3) & 63] ^= x;                                                                      \
        return x + (x << 5 | x >> 27);                                                             \
    }
#define CALL(n)   x = f##n(x, p);
#define NAME(n)   f##n,
#define TEN(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4) m(n##5) m(n##6) m(n##7) m(n##8) m(n##9)
#define HUNDRED(m, n)                                                                              \
    TEN(m, n##0)                                                                                   \
    TEN(m, n##1) TEN(m, n##2) TEN(m, n##3) TEN(m, n##4) TEN(m, n##5) TEN(m, n##6) TEN(m, n##7)     \
        TEN(m, n##8) TEN(m, n##9)
#define EIGHT_HUNDRED(m)                                                                           \
    HUNDRED(m, 10)                                                                                 \
    HUNDRED(m, 11) HUNDRED(m, 12) HUNDRED(m, 13) HUNDRED(m, 14) HUNDRED(m, 15) HUNDRED(m, 16)      \
        HUNDRED(m, 17)

EIGHT_HUNDRED(DEFINE)

static uint32_t footprint(void)
{
    static uint32_t p[64];
    uint32_t x = 1;
    for (int i = 0; i < 64; i++) {
        p[i] = i;
    }
    for (int turn = 0; turn < 10; turn++) {
        EIGHT_HUNDRED(CALL)
    }
    return x;
}

static uint32_t (*const table[16])(uint32_t, uint32_t *) = {
    TEN(NAME, 100) f1010, f1011, f1012, f1013, f1014, f1015};

static uint32_t call_indirect(uint32_t mask)
{
    static uint32_t p[64];
    uint32_t x = 1, seed = 1;
    for (int i = 0; i < 64; i++) {
        p[i] = i;
    }
    for (int i = 0; i < 100000; i++) {
        uint32_t (*volatile callee)(uint32_t, uint32_t *) = table[bench_random(&seed) & mask];
        x = callee(x, p);
    }
    return x;
}

static uint32_t icall_mono(void)
{
    return call_indirect(0);
}

static uint32_t icall_poly(void)
{
    return call_indirect(15);
}

/* Not inlined into itself: the row is about calls and returns. */
static __attribute__((noinline, optimize("no-optimize-sibling-calls", "no-inline"))) uint32_t
fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint32_t recursion(void)
{
    return fib(25);
}

static const BenchRow rows[] = {
    {"interp-switch", "int", 450, interp_switch, 0x2269307c, NULL},
    {"interp-threaded", "int", 840, interp_threaded, 0x2269307c, NULL},
    {"icall-mono", "int", 250, icall_mono, 0x21df264a, NULL},
    {"icall-poly", "int", 97, icall_poly, 0xc1052795, NULL},
    {"recursion", "int", 430, recursion, 0x00012511, NULL},
    {"footprint", "int", 3700, footprint, 0xa31972bb, NULL},
};

BENCH_MAIN(rows)
