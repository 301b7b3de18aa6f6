/* SPDX-License-Identifier: MIT
 * Where blocks end under --check and -icount, besides where the guest's code does. */
#include "tcache/engine-priv.h"

bool insn_is_outside(const IrBlock *block, const IrInsn *insn)
{
    return insn->op == IR_CALL && (block->helpers[insn->aux].effects & HELPER_OUTSIDE);
}

/* Instructions that reach outside are a block each. */
unsigned block_split(const IrBlock *block, bool *outside)
{
    unsigned insns = 0; /* begun */
    *outside = false;
    for (unsigned i = 0; i < block->count; i++) {
        const IrInsn *insn = &block->insns[i];
        insns += insn->op == IR_INSN;
        if (insn_is_outside(block, insn)) {
            *outside = insns == 1;
            return MAX(insns - 1, 1);
        }
    }
    return insns;
}
