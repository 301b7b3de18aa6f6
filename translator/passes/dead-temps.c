/* SPDX-License-Identifier: MIT
 * Drops ops whose only effect is a temp that nobody reads. Lifters compute temps
 * without looking ahead; this keeps them simple. */
#include "translator/passes/passes.h"

enum { MAX_TEMPS = 64 };

static void use(uint64_t *live, IrOpd opd)
{
    if (opd.kind == IR_TEMP && opd.n < MAX_TEMPS)
        *live |= UINT64_C(1) << opd.n;
}

static void use_all(uint64_t *live, const IrInsn *insn)
{
    unsigned shape = ir_op_info[insn->op].shape;
    if (shape & IR_SHAPE_D_READ || insn->width < 4)
        use(live, insn->d);
    use(live, insn->a);
    use(live, insn->b);
    for (unsigned i = 0; i < G_N_ELEMENTS(insn->args); i++)
        use(live, insn->args[i]);
    use(live, insn->mem.base);
    use(live, insn->mem.index);
}

static bool is_pure(const IrInsn *insn)
{
    switch (insn->op) {
    case IR_MOV:
    case IR_MOVZX:
    case IR_MOVSX:
    case IR_LEA:
    case IR_LDSTATE:
    case IR_LDCODE:
    case IR_LSHL:
    case IR_LSHR:
    case IR_LSAR:
        return insn->a.kind != IR_MEM;
    default:
        return false;
    }
}

static void keep(IrBlock *block, unsigned from, unsigned to)
{
    if (to != from)
        block->insns[to] = block->insns[from];
}

void pass_dead_temps(IrBlock *block)
{
    if (block->temps == 0 || block->temps > MAX_TEMPS)
        return;
    uint64_t live = 0;
    unsigned to = block->count;
    for (unsigned i = block->count; i-- > 0;) {
        const IrInsn *insn = &block->insns[i];
        if (!ir_has_temps(insn)) {
            keep(block, i, --to);
            continue;
        }
        bool temp = insn->d.kind == IR_TEMP;
        if (temp && is_pure(insn) && !(live >> insn->d.n & 1))
            continue;
        if (temp && (ir_op_info[insn->op].shape & IR_SHAPE_RW) == IR_SHAPE_D_WRITE)
            live &= ~(UINT64_C(1) << insn->d.n);
        use_all(&live, insn);
        keep(block, i, --to);
    }
    for (unsigned i = 0; to > 0 && i < block->count - to; i++)
        block->insns[i] = block->insns[to + i];
    block->count -= to;
}
