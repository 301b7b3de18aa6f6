/* SPDX-License-Identifier: MIT */
/* The loop of real16.asm, instruction for instruction, as the host can run it. */
#include "bench.h"

#ifdef __x86_64__
#define ENTRY "(%%rdi,%%rsi)"
#else
#define ENTRY "(%%edi,%%esi)"
#endif

static uint32_t loop16(void)
{
    static uint16_t table[128];
    uint16_t a = 1, b = 2, c = 0, d = 3;
    for (int i = 0; i < 128; i++) {
        table[i] = i * 2;
    }
    __asm__ volatile("1: addw %%bx, %%ax\n\t"
                     "xorw %%cx, %%bx\n\t"
                     "rolw $3, %%ax\n\t"
                     "movw %%ax, %%si\n\t"
                     "andl $0xfe, %%esi\n\t"
                     "addw " ENTRY ", %%dx\n\t"
                     "subw %%dx, %%ax\n\t"
                     "movw %%bx, " ENTRY "\n\t"
                     "adcw $5, %%bx\n\t"
                     "decw %%cx\n\t"
                     "jnz 1b"
                     : "+a"(a), "+b"(b), "+c"(c), "+d"(d)
                     : "D"(table)
                     : "esi", "cc", "memory");
    return (uint16_t)(a ^ b ^ d);
}

static const BenchRow rows[] = {
    {"real16", "real", 600, loop16, 0, NULL},
    {"v86", "real", 600, loop16, 0, NULL},
};

BENCH_MAIN(rows)
