/* SPDX-License-Identifier: MIT
 * Where blocks end under --check and -icount, besides where the guest's code does. */
#include "tcache/engine-priv.h"

static bool insn_is_outside(const IrBlock *block, const IrInsn *insn)
{
    return insn->op == IR_CALL && (block->helpers[insn->aux].effects & HELPER_OUTSIDE);
}

/* Where blocks may be left for what other threads do: end there always, so that it shows in no
 * comparison and no count. */
static bool settles(const IrBlock *block, const IrInsn *insn)
{
    return insn->op == IR_CALL && (block->helpers[insn->aux].effects & HELPER_SETTLES);
}

static bool is_side_exit(const IrInsn *insn)
{
    const unsigned attrs = ir_op_info[insn->op].attrs;
    return (attrs & IR_ATTR_EXIT) && !(attrs & IR_ATTR_END);
}

unsigned block_split(const IrBlock *block, bool branches, bool *outside)
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
        if (settles(block, insn) || (branches && is_side_exit(insn)))
            return insns;
    }
    return insns;
}
