/* SPDX-License-Identifier: MIT
 * Integer arithmetic, shifts, bits and flags (SDM 2, the instructions' pages).
 * Most are one op: the host's instruction is the guest's. */
#include "translator/x86/lift.h"

void lift_alu2(Lift *l, int op)
{
    lift_op2_patched(l, (IrOp)op);
}

/* An op on operand 0 alone, read, written or both. */
static IrInsn *append_op1(Lift *l, IrOp op)
{
    unsigned size = l->insn->opd[0].size;
    IrInsn *o = ir_append(l->ir, op, size);
    o->d = lift_operand(l, 0);
    if (o->d.kind == IR_MEM) {
        lift_mem(l, o, size);
        o->lock = l->insn->lock;
    }
    return o;
}

void lift_unary(Lift *l, int op)
{
    IrInsn *o = append_op1(l, (IrOp)op);
    if (op == IR_BSWAP && o->width == 2) { /* MANUAL: undefined; processors clear the register */
        o->op = IR_MOV;
        o->a = ir_imm();
    }
}

/* Operand k of a shift: an immediate, CL, or the 1 of D0 and D1. */
static void set_count(Lift *l, IrInsn *op, unsigned k)
{
    if (k < l->insn->opd_count && l->insn->opd[k].kind == OPD_GPR) {
        op->b = ir_reg(REG_ECX);
    } else {
        op->b = ir_imm();
        op->imm2 = k < l->insn->opd_count ? l->insn->imm & (op->width == 8 ? 63 : 31) : 1;
    }
}

void lift_shift(Lift *l, int op)
{
    set_count(l, append_op1(l, (IrOp)op), 1);
}

void lift_shiftd(Lift *l, int op)
{
    set_count(l, lift_op2(l, (IrOp)op), 2);
}

void lift_muldiv(Lift *l, int op)
{
    unsigned size = l->insn->opd[0].size;
    IrInsn *o = ir_append(l->ir, (IrOp)op, size);
    o->a = lift_operand(l, 0);
    if (o->a.kind == IR_MEM)
        lift_mem(l, o, size);
}

void lift_imul(Lift *l, int arg)
{
    lift_op2(l, l->insn->opd_count > 2 ? IR_IMUL3 : IR_IMUL2);
}

void lift_convert_ax(Lift *l, int arg)
{
    IrInsn *op = ir_append(l->ir, IR_MOVSX, l->insn->op_size);
    op->src_width = l->insn->op_size / 2;
    op->d = op->a = ir_reg(REG_EAX);
}

void lift_convert_dx(Lift *l, int arg)
{
    ir_append(l->ir, IR_CONVERT, l->insn->op_size);
}

/* Address of the 2, 4 or 8 bytes that hold bit `reg` (signed) of the bit string at the memory
 * operand. SDM 1 "Bit and Bit String": the unit is the operand size. */
static IrOpd bit_address(Lift *l, unsigned size)
{
    unsigned shift = size == 2 ? 4 : size == 4 ? 5 : 6;
    IrOpd unit = ir_temp(lift_new_temp(l));
    if (size == 2) {
        IrInsn *op = ir_append(l->ir, IR_MOVSX, 4);
        op->src_width = 2;
        op->d = unit;
        op->a = lift_operand(l, 1);
        lift_plain_shift(l, IR_LSAR, unit, unit, shift);
    } else {
        lift_plain_shift(l, IR_LSAR, unit, lift_operand(l, 1), shift)->width = (uint8_t)size;
    }
    IrOpd address = lift_address(l);
    IrInsn *op = ir_append(l->ir, IR_LEA, MAX(l->insn->addr_size, 4));
    op->d = address;
    lift_mem_at(l, op, SEG_NONE, address, 0, l->insn->addr_size, 0);
    op->mem.index = unit;
    op->mem.scale = (uint8_t)size;
    return address;
}

static void bit_in_memory(Lift *l, IrOp op)
{
    unsigned size = l->insn->opd[0].size;
    IrOpd address = bit_address(l, size);
    IrOpd bit = ir_temp(0); /* that of the unit number, dead by now */
    unsigned drop = size == 2 ? 28 : size == 4 ? 27 : 26;
    lift_plain_shift(l, IR_LSHL, bit, lift_operand(l, 1), drop);
    lift_plain_shift(l, IR_LSHR, bit, bit, drop);
    IrInsn *o = ir_append(l->ir, op, size);
    o->d = ir_mem();
    o->a = bit;
    o->lock = l->insn->lock;
    lift_mem_at(l, o, l->insn->seg, address, 0, l->insn->addr_size, size);
}

void lift_bt(Lift *l, int op)
{
    const Operand *opd = l->insn->opd;
    if (opd[0].kind == OPD_MEM && opd[1].kind == OPD_GPR) {
        bit_in_memory(l, (IrOp)op);
        return;
    }
    IrInsn *o = lift_op2(l, (IrOp)op);
    o->imm &= opd[0].size * 8 - 1;
}

void lift_bitscan(Lift *l, int op)
{
    lift_op2(l, (IrOp)op);
}

void lift_xadd(Lift *l, int arg)
{
    lift_op2(l, IR_XADD);
}

void lift_cmpxchg(Lift *l, int arg)
{
    lift_op2(l, IR_CMPXCHG);
}

void lift_cmpxchg8b(Lift *l, int arg)
{
    IrInsn *op = ir_append(l->ir, IR_CMPXCHG8B, 8);
    op->d = ir_mem();
    op->lock = l->insn->lock;
    lift_mem(l, op, 8);
}

void lift_setcc(Lift *l, int cond)
{
    append_op1(l, IR_SETCC)->cond = (uint8_t)cond;
}

void lift_cmovcc(Lift *l, int cond)
{
    lift_op2(l, IR_CMOVCC)->cond = (uint8_t)cond;
}

void lift_flagop(Lift *l, int op)
{
    ir_append(l->ir, (IrOp)op, 1);
}

void lift_aam_aad(Lift *l, int helper)
{
    lift_call_imm(l, (unsigned)helper, l->insn->imm & 0xff, 0, 0);
}

/* AL = CF ? 0xff : 0, flags unchanged. */
void lift_salc(Lift *l, int arg)
{
    enum { COND_B = 2 };
    IrInsn *op = ir_append(l->ir, IR_SETCC, 1);
    op->d = ir_reg(REG_EAX);
    op->cond = COND_B;
    IrOpd temp = ir_temp(lift_new_temp(l));
    lift_plain_shift(l, IR_LSHL, temp, ir_reg(REG_EAX), 31);
    lift_plain_shift(l, IR_LSAR, temp, temp, 31);
    op = ir_append(l->ir, IR_MOV, 1);
    op->d = ir_reg(REG_EAX);
    op->a = temp;
}
