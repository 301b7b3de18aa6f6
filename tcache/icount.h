/* SPDX-License-Identifier: MIT
 * -icount: time is the number of executed instructions. The vCPU has a budget of instructions; each
 * block takes its own from it at its entry and leaves to the loop when there are too few, the loop
 * then goes on one instruction at a time. At the end of the budget, to the instruction, timers fire
 * and digests are made. Private to tcache.
 *
 * What counts, in every engine alike: each instruction once; one that faults, too; a repeated
 * string instruction once for each run of up to 64 KiB. For that blocks end at conditional
 * branches, what reaches outside (HELPER_OUTSIDE) is a block of its own, and accesses to devices
 * are executed alone. */
#ifndef TCACHE_ICOUNT_H
#define TCACHE_ICOUNT_H

#include "tcache/engine-priv.h"

Icount *icount_new(Engine *engine, const EngineTime *time);
void icount_free(Icount *icount);
/* Between two instructions, before interrupts are taken: fire what is due, grant the next budget.
 */
void icount_boundary(Engine *engine);
/* Halted: go on to the next timer, or until there is an interrupt or attention. */
void icount_idle(Engine *engine);
/* Translated code was left in a block's middle: give back what it took for the rest. */
void icount_settle(Engine *engine, ExitReason reason);
/* Is there too little for this block? */
bool icount_short(const Engine *engine, const TranslationBlock *tb);
/* Offsets of the instructions of engine->ir, for icount_settle; g_free it. */
uint32_t *icount_offsets(const IrBlock *block);

/* digest.c: registers and RAM */
uint64_t engine_digest(const Engine *engine);

#endif
