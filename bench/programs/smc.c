/* SPDX-License-Identifier: MIT */
/* Code that is written while it runs: the four kinds that real programs do. */
#include "bench.h"

#include <string.h>
#include <sys/mman.h>

enum { ARENA = 65536 };

static uint8_t *code;

static const char *make_arena(void)
{
    code =
        mmap(NULL, ARENA, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return code == MAP_FAILED ? "no memory may be writable and executable" : NULL;
}

static uint32_t run(const uint8_t *at, uint32_t x)
{
    uint32_t result;
    __asm__ volatile("call *%1" : "=a"(result) : "r"(at), "0"(x) : "cc", "memory");
    return result;
}

static uint8_t *emit(uint8_t *at, const char *bytes, size_t count)
{
    return (uint8_t *)memcpy(at, bytes, count) + count;
}

static uint8_t *emit_word(uint8_t *at, uint32_t word)
{
    return emit(at, (const char *)&word, 4);
}

/* ADD EAX, imm32; RET: the immediate changes before every call. */
static uint32_t patch_call(void)
{
    uint32_t sum = 0;
    emit(code, "\x05\0\0\0\0\xc3", 6);
    for (uint32_t i = 0; i < 2000; i++) {
        memcpy(code + 1, &i, 4);
        sum = run(code, sum * 3);
    }
    return sum;
}

/* The whole function is copied over the one before it, two bodies in turn. */
static uint32_t rewrite(void)
{
    uint8_t bodies[2][64];
    uint32_t sum = 1;
    for (int which = 0; which < 2; which++) {
        uint8_t *at = bodies[which];
        for (int i = 0; i < 10; i++) {
            at = emit(at, which ? "\x35" : "\x05", 1); /* XOR or ADD EAX, imm32 */
            at = emit_word(at, 0x01234567u * (i + 1));
        }
        emit(at, "\xc1\xc0\x05\xc3", 4); /* ROL EAX, 5; RET */
    }
    for (int i = 0; i < 1000; i++) {
        memcpy(code, bodies[i & 1], sizeof(bodies[0]));
        sum = run(code, sum);
    }
    return sum;
}

/* The operand of an instruction that ends at END and accesses AT by a 32-bit displacement alone. */
static uint32_t displacement(const void *at, const uint8_t *end)
{
#ifdef __x86_64__
    return (uint32_t)((const uint8_t *)at - end); /* relative to RIP */
#else
    (void)end;
    return (uint32_t)(uintptr_t)at;
#endif
}

/* A function that counts in a word of its own page. */
static uint32_t data_beside(void)
{
    uint32_t *counter = (uint32_t *)(code + 256), sum = 0;
    uint8_t *at = emit(code, "\xff\x05", 2); /* INC [counter] */
    at = emit_word(at, displacement(counter, at + 4));
    at = emit(at, "\x03\x05", 2); /* ADD EAX, [counter] */
    at = emit_word(at, displacement(counter, at + 4));
    emit(at, "\xc3", 1);
    *counter = 0;
    for (int i = 0; i < 5000; i++) {
        sum = run(code, sum);
    }
    return sum + *counter;
}

/* A just-in-time compiler: 48 instructions, run 100 times, then the next place in the arena. */
static uint32_t jit(void)
{
    static const char *const ops[] = {"\x05", "\x35", "\x2d", "\xa9"}; /* ADD XOR SUB TEST, imm32 */
    uint32_t sum = 1, seed = 17;
    for (int function = 0; function < 64; function++) {
        uint8_t *start = code + function * (ARENA / 64), *at = start;
        for (int i = 0; i < 48; i++) {
            at = emit(at, ops[bench_random(&seed) & 3], 1);
            at = emit_word(at, bench_random(&seed));
        }
        emit(at, "\xc1\xc0\x03\xc3", 4); /* ROL EAX, 3; RET */
        for (int i = 0; i < 100; i++) {
            sum = run(start, sum);
        }
    }
    return sum;
}

static const BenchRow rows[] = {
    {"smc-patch-call", "smc", 560, patch_call, 0x61781aa8, make_arena},
    {"smc-rewrite", "smc", 240, rewrite, 0x1ba0d99d, make_arena},
    {"smc-data-beside", "smc", 1100, data_beside, 0x00bed96c, make_arena},
    {"smc-jit-100", "smc", 580, jit, 0x79dd40a5, make_arena},
};

BENCH_MAIN(rows)
