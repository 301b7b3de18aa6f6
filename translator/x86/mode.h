/* SPDX-License-Identifier: MIT
 * The mode bits of a block: what the lifter assumed of the CPU's state. Whoever
 * changes one of these ends the block. */
#ifndef TRANSLATOR_X86_MODE_H
#define TRANSLATOR_X86_MODE_H

#include <stdint.h>

enum {
    MODE_CODE32 = 1u << 0,   /* CS.D */
    MODE_STACK32 = 1u << 1,  /* SS.B */
    MODE_PROTECTED = 1u << 2,
    MODE_VM86 = 1u << 3,
    MODE_USER = 1u << 4,     /* CPL 3: memory accesses with user rights */
    MODE_CPL0 = 1u << 5,
    MODE_FPU_TRAP = 1u << 6, /* CR0.TS or CR0.EM: x87/MMX/SSE raise #NM (or #UD) */
    MODE_FPU_EM = 1u << 7,   /* CR0.EM: MMX/SSE raise #UD */
    MODE_WAIT_TRAP = 1u << 8, /* CR0.MP and CR0.TS: WAIT raises #NM */
    MODE_SSE = 1u << 9,      /* CR4.OSFXSR */
    MODE_SINGLE_STEP = 1u << 10, /* EFLAGS.TF: one instruction, then debug_boundary */
    MODE_SHADOW = 1u << 11,  /* after STI / MOV SS: one instruction, then look for interrupts */
    MODE_LONG64 = 1u << 12,  /* reserved: 64-bit code */
    MODE_ALIGN_CHECK = 1u << 13, /* CR0.AM, EFLAGS.AC and CPL 3 */
    MODE_BREAKPOINTS = 1u << 14, /* code breakpoints (DR7 or debugger) are armed */
    MODE_SEG_SHIFT = 16,     /* two bits (IrSegUse) for each of ES CS SS DS FS GS */
};

static inline unsigned mode_seg_use(uint32_t mode, unsigned seg)
{
    return (mode >> (MODE_SEG_SHIFT + 2 * seg)) & 3;
}

#endif
