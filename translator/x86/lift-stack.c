/* SPDX-License-Identifier: MIT
 * Stack instructions. ESP moves after the last access that can fault. */
#include "translator/x86/lift.h"

void lift_push_op(Lift *l, int arg)
{
    const Operand *opd = &l->insn->opd[0];
    IrOpd value = opd->kind == OPD_MEM ? lift_load(l, l->insn->op_size, 0) : lift_operand(l, 0);
    lift_push(l, value, l->insn->imm, l->insn->op_size);
}

/* d = [SS:base] */
static void append_stack_load(Lift *l, IrOpd d, unsigned base, unsigned size)
{
    IrInsn *op = ir_append(l->ir, IR_MOV, size);
    op->d = d;
    op->a = ir_mem();
    lift_mem_at(l, op, SEG_SS, ir_reg(base), 0, lift_stack_width(l), size);
}

/* SDM 2 "POP": an address based on ESP uses the ESP after the increment; POP ESP keeps the value. */
static void pop_to_memory(Lift *l, IrOpd value, unsigned size)
{
    const unsigned stack = lift_stack_width(l);
    IrOpd base = ir_reg(REG_ESP);
    if (l->insn->base != REG_ESP) {
        lift_store(l, 0, value, size);
        return;
    }
    if (stack == 2) { /* SP wraps, the upper half stays */
        base = ir_temp(lift_new_temp(l));
        IrInsn *op = ir_append(l->ir, IR_MOV, 4);
        op->d = base;
        op->a = ir_reg(REG_ESP);
        op = ir_append(l->ir, IR_LEA, 2);
        op->d = base;
        lift_mem_at(l, op, SEG_NONE, base, size, 2, 0);
    }
    lift_store(l, 0, value, size);
    IrMem *mem = &l->ir->insns[l->ir->count - 1].mem;
    mem->base = base;
    mem->disp += stack == 2 ? 0 : size;
}

void lift_pop(Lift *l, int arg)
{
    const Operand *opd = &l->insn->opd[0];
    unsigned size = l->insn->op_size;
    if (opd->kind == OPD_GPR && opd->reg != REG_ESP) {
        append_stack_load(l, lift_operand(l, 0), REG_ESP, size);
        lift_add_esp(l, size);
        return;
    }
    IrOpd value = lift_pop_peek(l, size, 0);
    if (opd->kind == OPD_GPR) {
        lift_add_esp(l, size);
        lift_store(l, 0, value, size);
        return;
    }
    pop_to_memory(l, value, size);
    lift_add_esp(l, size);
}

void lift_pusha(Lift *l, int arg)
{
    lift_call_imm(l, HELPER_pusha, l->insn->op_size, 0, 0);
}

void lift_popa(Lift *l, int arg)
{
    lift_call_imm(l, HELPER_popa, l->insn->op_size, 0, 0);
}

void lift_pushf(Lift *l, int arg)
{
    int64_t size = l->insn->op_size;
    IrOpd args[] = {ir_imm()};
    IrOpd image = lift_call_value(l, HELPER_pushf_value, 1, args, &size);
    lift_push(l, image, 0, l->insn->op_size);
}

void lift_popf(Lift *l, int arg)
{
    unsigned size = l->insn->op_size;
    if (l->mode & MODE_VM86) /* comes before what the stack may raise */
        lift_call_imm(l, HELPER_v86_flags, size, 0, 0);
    IrOpd args[] = {lift_pop_peek(l, size, 0), ir_imm()};
    lift_call(l, HELPER_popf, 2, args, (int64_t[]){0, size});
    lift_add_esp(l, size);
}

void lift_enter(Lift *l, int arg)
{
    lift_call_imm(l, HELPER_enter, l->insn->imm & 0xffff, l->insn->imm2 & 31, l->insn->op_size);
}

void lift_leave(Lift *l, int arg)
{
    unsigned size = l->insn->op_size, stack = lift_stack_width(l);
    IrOpd value = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, size == 2 ? IR_MOVZX : IR_MOV, MAX(size, 4));
    op->src_width = size == 2 ? 2 : 0;
    op->d = value;
    op->a = ir_mem();
    lift_mem_at(l, op, SEG_SS, ir_reg(REG_EBP), 0, stack, size);
    op = ir_append(l->ir, IR_LEA, stack);
    op->d = ir_reg(REG_ESP);
    lift_mem_at(l, op, SEG_NONE, ir_reg(REG_EBP), size, stack, 0);
    op = ir_append(l->ir, IR_MOV, size);
    op->d = ir_reg(REG_EBP);
    op->a = value;
}
