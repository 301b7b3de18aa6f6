/* SPDX-License-Identifier: MIT
 * The IR interpreter: executes a block op by op on the VCpu's state. A full engine
 * (--interp), the code generator's check, and the way to run one instruction that
 * overwrites its own block. */
#ifndef TRANSLATOR_IR_INTERP_H
#define TRANSLATOR_IR_INTERP_H

#include "translator/ir/ir.h"

/* Runs one NATIVE op on vcpu->gpr, flags, fp_area with memory at `mem` (NULL: none). Given by the
 * engine; a host fault in it leaves by vcpu_exit_fault. */
typedef void (*InterpNativeFn)(void *opaque, VCpu *vcpu, const IrInsn *insn, void *mem);

typedef struct {
    InterpNativeFn native;
    void *opaque;
} InterpEnv;

/* Returns why the block ended (EXIT_LOOKUP with vcpu->pc set for all plain exits; EXIT_FAULT...).
 * Stores into the block's own source bytes are done at once (never EXIT_SMC): the engine
 * invalidates, and the interpreter stops after the current instruction when `*stop` becomes true. */
ExitReason interp_run(const InterpEnv *env, VCpu *vcpu, const IrBlock *block, const bool *stop);

#endif
