/* SPDX-License-Identifier: MIT
 * Runs torture programs in one configuration of the engine. */
#ifndef TESTS_TORTURE_MACHINE_H
#define TESTS_TORTURE_MACHINE_H

#include "tcache/engine.h"
#include "tests/torture/program.h"

typedef struct Machine Machine;

/* A program that overwrote what ends it is given up. */
enum { STEPS_MAX = 30000 };

typedef struct {
    bool ended;   /* at the program's exit; else at a triple fault or a HLT */
    bool endless; /* after STEPS_MAX single steps; the rest does not count */
    uint32_t vector, eip, eflags, gpr[8];
    uint32_t cr2, cr3, cr4, cpl;
    uint8_t fx[512];
    uint8_t ram[RAM_SIZE];
} EndState;

/* stepping: each instruction is read, lifted and interpreted anew; no block is ever kept. */
Machine *machine_new(const EngineOptions *options, bool stepping, GError **error);
void machine_free(Machine *machine);
bool machine_has_windows(const Machine *machine);
/* blocks: instead of the program's own count, unless 0. */
void machine_run(Machine *machine, const Program *p, uint32_t blocks, EndState *end);
const EngineCounters *machine_counters(const Machine *machine);

/* true: equal. What differs is appended to `text` unless it is NULL. */
bool end_states_equal(const EndState *a, const EndState *b, GString *text);

#endif
