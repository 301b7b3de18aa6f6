/* SPDX-License-Identifier: MIT
 * Helpers: C functions that translated code and the interpreter call for what is
 * no plain instruction. One row each in a helpers.def:
 *     HELPER(name, nargs, effects)
 * and one function  uint64_t helper_<name>(VCpu *, uint64_t a, uint64_t b, uint64_t c).
 * All guest registers and flags are in the VCpu during the call, and are reloaded
 * from it afterwards, so a helper reads and writes them freely. The guest's FP state is saved in
 * fp_area before and reloaded after. */
#ifndef TRANSLATOR_HELPER_H
#define TRANSLATOR_HELPER_H

#include "translator/vcpu.h"

typedef uint64_t (*HelperFn)(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c);

enum {
    HELPER_FAULTS = 1,     /* may raise: vcpu->pc is set to the instruction's before the call */
    HELPER_ENDS_BLOCK = 2, /* the block ends after it (mode, paging or segments may have changed) */
    HELPER_WRITES_PC = 4,  /* sets vcpu->pc (far transfer); implies ENDS_BLOCK, exit by EXIT_LOOKUP */
    HELPER_NO_FLAGS = 8,   /* neither reads nor writes the arithmetic flags */
    HELPER_SETTLES = 16,   /* ENDS_BLOCK, or the block goes on behind a call that leaves if it must end */
    /* Reaches beyond the guest's registers, flags and RAM (devices, clocks, chance, translations,
     * delivery of events, host state): executing it on a copy has effects, its result depends on
     * when it runs. */
    HELPER_OUTSIDE = 32,
};

typedef struct {
    const char *name;
    HelperFn fn;
    uint8_t nargs;
    uint8_t effects;
} HelperInfo;

#endif
