/* SPDX-License-Identifier: MIT
 * Ports, interrupt flag, control registers, descriptor tables, FPU state images:
 * operands are fetched here, everything else is the helpers'. */
#include <assert.h>

#include "translator/x86/lift.h"

void lift_helper0(Lift *l, int helper)
{
    lift_call_imm(l, (unsigned)helper, 0, 0, 0);
}

/* --- ports: opcode bit 0 = operand size, bit 3 = port in DX --- */

static unsigned port_size(const Lift *l)
{
    return l->insn->opcode & 1 ? MIN(l->insn->op_size, 4) : 1;
}

static IrOpd port_number(Lift *l)
{
    if (!(l->insn->opcode & 8))
        return ir_imm();
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, IR_MOVZX, 4);
    op->src_width = 2;
    op->d = temp;
    op->a = ir_reg(REG_EDX);
    return temp;
}

void lift_random(Lift *l, int arg)
{
    const unsigned size = l->insn->opd[0].size;
    IrOpd args[] = {ir_imm()};
    IrOpd value = lift_call_value(l, HELPER_random, 1, args, (int64_t[]){size});
    lift_store(l, 0, value, size);
}

void lift_in(Lift *l, int arg)
{
    unsigned size = port_size(l);
    IrOpd args[] = {port_number(l), ir_imm()};
    IrOpd value = lift_call_value(l, HELPER_in, 2, args, (int64_t[]){l->insn->imm & 0xff, size});
    IrInsn *op = ir_append(l->ir, IR_MOV, size);
    op->d = ir_reg(REG_EAX);
    op->a = value;
}

void lift_out(Lift *l, int arg)
{
    unsigned size = port_size(l);
    IrOpd port = port_number(l), value = ir_reg(REG_EAX);
    if (size < 4) {
        IrInsn *op = ir_append(l->ir, IR_MOVZX, 4);
        op->src_width = (uint8_t)size;
        op->a = value;
        op->d = value = ir_temp(lift_new_temp(l));
    }
    IrOpd args[] = {port, value, ir_imm()};
    lift_call(l, HELPER_out, 3, args, (int64_t[]){l->insn->imm & 0xff, 0, size});
}

/* --- interrupt and direction flag, halt --- */

/* Bit `bit` of CpuX86.eflags = value; shifts because the guest's flags live on. */
static void write_eflags_bit(Lift *l, unsigned bit, bool value)
{
    IrOpd high = lift_state(l, offsetof(CpuX86, eflags), 4);
    IrOpd low = ir_temp(lift_new_temp(l));
    lift_plain_shift(l, IR_LSHL, low, high, 32 - bit);
    lift_plain_shift(l, IR_LSHR, low, low, 32 - bit);
    lift_plain_shift(l, IR_LSHR, high, high, bit + 1);
    lift_plain_shift(l, IR_LSHL, high, high, bit + 1);
    IrInsn *op = ir_append(l->ir, IR_LEA, 4);
    op->d = high;
    lift_mem_at(l, op, SEG_NONE, high, (int64_t)value << bit, 4, 0);
    op->mem.index = low;
    op = ir_append(l->ir, IR_STSTATE, 4);
    op->a = high;
    op->imm = offsetof(CpuX86, eflags);
}

enum { BIT_IF = 9, BIT_DF = 10 };
static_assert(1u << BIT_IF == EFLAGS_IF && 1u << BIT_DF == EFLAGS_DF, "EFLAGS bits");

void lift_cli(Lift *l, int arg)
{
    if ((l->mode & MODE_CPL0) && !(l->mode & MODE_VM86))
        write_eflags_bit(l, BIT_IF, false);
    else
        lift_call_imm(l, HELPER_cli, 0, 0, 0);
}

/* CLD, STD: EFLAGS.DF and the string steps that follow it. */
void lift_direction(Lift *l, int backward)
{
    write_eflags_bit(l, BIT_DF, backward);
    for (unsigned k = 0; k < 4; k++) {
        IrInsn *op = ir_append(l->ir, IR_STSTATE, 8);
        op->a = ir_imm();
        op->imm = (int64_t)(offsetof(VCpu, dir) + k * sizeof(int64_t));
        op->imm2 = backward ? -(INT64_C(1) << k) : INT64_C(1) << k;
    }
}

void lift_sti(Lift *l, int arg)
{
    lift_call(l, HELPER_sti, 1, (IrOpd[]){ir_imm()}, (int64_t[]){l->goes_on});
}

void lift_hlt(Lift *l, int arg)
{
    lift_call(l, HELPER_hlt, 1, (IrOpd[]){ir_pc()}, (int64_t[]){(int64_t)l->next_pc});
}

void lift_pause(Lift *l, int arg)
{
    lift_call(l, HELPER_pause, 0, NULL, NULL);
}

/* --- control and debug registers --- */

static void move_special(Lift *l, OperandKind kind, unsigned from_helper, unsigned to_helper)
{
    const Operand *opd = l->insn->opd;
    if (opd[0].kind == kind) {
        IrOpd args[] = {ir_imm(), ir_reg(opd[1].reg)};
        lift_call(l, to_helper, 2, args, (int64_t[]){opd[0].reg, 0});
    } else {
        IrOpd args[] = {ir_imm()};
        IrOpd value = lift_call_value(l, from_helper, 1, args, (int64_t[]){opd[1].reg});
        lift_store(l, 0, value, 4);
    }
}

void lift_mov_cr(Lift *l, int arg)
{
    move_special(l, OPD_CR, HELPER_mov_from_cr, HELPER_mov_to_cr);
}

void lift_mov_dr(Lift *l, int arg)
{
    move_special(l, OPD_DR, HELPER_mov_from_dr, HELPER_mov_to_dr);
}

/* --- helpers on a memory operand --- */

static void call_ref(Lift *l, unsigned helper)
{
    IrOpd args[] = {ir_imm(), lift_address(l)};
    lift_call(l, helper, 2, args, (int64_t[]){lift_ref(l, l->insn->op_size), 0});
}

void lift_lgdt_sgdt(Lift *l, int helper)
{
    call_ref(l, (unsigned)helper);
}

/* SDM 2 "FXSAVE", "FNSTENV"...: #NM if CR0.EM or CR0.TS is set. */
void lift_fpu_image(Lift *l, int helper)
{
    if (l->mode & MODE_FPU_TRAP)
        lift_raise(l, VEC_NM, false, 0);
    else
        call_ref(l, (unsigned)helper);
}

/* MASKMOVQ (size 8), MASKMOVDQU (16): stores to DS:eDI; reg field = source, rm = mask. */
void lift_maskmov(Lift *l, int size)
{
    const X86Insn *insn = l->insn;
    if ((l->mode & MODE_FPU_EM) || (size == 16 && !(l->mode & MODE_SSE))) {
        lift_raise(l, VEC_UD, false, 0);
        return;
    }
    if (l->mode & MODE_FPU_TRAP) {
        lift_raise(l, VEC_NM, false, 0);
        return;
    }
    lift_call_imm(l, HELPER_maskmov, lift_ref(l, (unsigned)size), insn->modrm >> 3 & 7,
                  insn->modrm & 7);
}
