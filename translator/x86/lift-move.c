/* SPDX-License-Identifier: MIT
 * Moves between registers and memory. */
#include "translator/x86/lift.h"

void lift_mov(Lift *l, int arg)
{
    lift_op2_patched(l, IR_MOV);
}

void lift_movx(Lift *l, int op)
{
    unsigned from = l->insn->opd[1].size;
    IrInsn *o = lift_op2(l, (IrOp)op);
    if (from >= o->width) /* MOVZX r16, r/m16 */
        o->op = IR_MOV;
    else
        o->src_width = (uint8_t)from;
}

void lift_lea(Lift *l, int arg)
{
    IrInsn *op = ir_append(l->ir, IR_LEA, l->insn->op_size);
    op->d = lift_operand(l, 0);
    lift_mem(l, op, 0);
}

void lift_xchg(Lift *l, int arg)
{
    IrInsn *op = lift_op2(l, IR_XCHG);
    if (op->a.kind == IR_MEM) {
        op->a = op->d;
        op->d = ir_mem();
    }
    op->lock = op->d.kind == IR_MEM; /* SDM 3A "Automatic Locking" */
}

void lift_xlat(Lift *l, int arg)
{
    IrOpd index = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, IR_MOVZX, 4);
    op->src_width = 1;
    op->d = index;
    op->a = ir_reg(REG_EAX);
    op = ir_append(l->ir, IR_MOV, 1);
    op->d = ir_reg(REG_EAX);
    op->a = ir_mem();
    lift_mem_at(l, op, l->insn->seg, ir_reg(REG_EBX), 0, l->insn->addr_size, 1);
    op->mem.index = index;
}

void lift_nop(Lift *l, int arg)
{
}

/* SDM 2A "CLFLUSH": faults as a byte load does. */
void lift_clflush(Lift *l, int arg)
{
    IrInsn *op = ir_append(l->ir, IR_MOVZX, 4);
    op->src_width = 1;
    op->d = ir_temp(lift_new_temp(l));
    op->a = ir_mem();
    lift_mem(l, op, 1);
}
