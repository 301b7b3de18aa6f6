/* SPDX-License-Identifier: MIT
 * String instructions. One element is a load, a store and two LEA with the step that
 * follows EFLAGS.DF; repeated ones and those on ports are a helper, which returns
 * often enough for interrupts: the block then comes back to the same instruction. Short repeats in
 * flat segments may be the host's own instruction instead. */
#include "translator/x86/lift.h"

enum { REP_NONE = 0, REP_NE = 2, REP_E = 3 }; /* of helper string: low bits of F2, F3 */

static unsigned element_size(const Lift *l)
{
    return l->insn->opcode & 1 ? MIN(l->insn->op_size, 4) : 1;
}

static void set_element(Lift *l, IrInsn *op, unsigned reg)
{
    unsigned seg = reg == REG_EDI ? SEG_ES : l->insn->seg;
    lift_mem_at(l, op, seg, ir_reg(reg), 0, l->insn->addr_size, element_size(l));
}

static IrOpd load_element(Lift *l)
{
    unsigned size = element_size(l);
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, size < 4 ? IR_MOVZX : IR_MOV, 4);
    op->src_width = size < 4 ? (uint8_t)size : 0;
    op->d = temp;
    op->a = ir_mem();
    set_element(l, op, REG_ESI);
    return temp;
}

static void step(Lift *l, unsigned reg, IrOpd by)
{
    unsigned width = l->insn->addr_size;
    lift_add_reg(l, reg, 0, width);
    l->ir->insns[l->ir->count - 1].mem.index = by;
}

static void advance(Lift *l, bool si, bool di)
{
    unsigned size = element_size(l), log2 = size == 4 ? 2 : size - 1;
    IrOpd by = lift_state(l, offsetof(VCpu, dir) + log2 * sizeof(int64_t), 8);
    if (si)
        step(l, REG_ESI, by);
    if (di)
        step(l, REG_EDI, by);
}

/* `width` bytes: d op= [reg] or [reg] = a. */
static void append_element_op(Lift *l, IrOp op, IrOpd d, IrOpd a, unsigned reg)
{
    IrInsn *o = ir_append(l->ir, op, element_size(l));
    o->d = d;
    o->a = a;
    set_element(l, o, reg);
}

static void lift_element(Lift *l, StringOp op)
{
    IrOpd acc = ir_reg(REG_EAX);
    switch (op) {
    case STRING_MOVS:
        append_element_op(l, IR_MOV, ir_mem(), load_element(l), REG_EDI);
        advance(l, true, true);
        return;
    case STRING_CMPS:
        append_element_op(l, IR_CMP, load_element(l), ir_mem(), REG_EDI);
        advance(l, true, true);
        return;
    case STRING_STOS:
        append_element_op(l, IR_MOV, ir_mem(), acc, REG_EDI);
        advance(l, false, true);
        return;
    case STRING_LODS:
        append_element_op(l, IR_MOV, acc, ir_mem(), REG_ESI);
        advance(l, true, false);
        return;
    case STRING_SCAS:
        append_element_op(l, IR_CMP, acc, ir_mem(), REG_EDI);
        advance(l, false, true);
        return;
    case STRING_INS:
    case STRING_OUTS:
        break;
    }
    g_assert_not_reached();
}

/* Can the host's own instruction do it, given a window to run in? */
static bool may_repeat_natively(const Lift *l, StringOp op)
{
    const bool si = op == STRING_MOVS || op == STRING_CMPS || op == STRING_LODS;
    return op != STRING_INS && op != STRING_OUTS && l->insn->addr_size == 4 && !l->ir->solo &&
           !(l->mode & MODE_ALIGN_CHECK) &&
           (!si || mode_seg_use(l->mode, l->insn->seg) == IR_SEG_FLAT) &&
           (op == STRING_LODS || mode_seg_use(l->mode, SEG_ES) == IR_SEG_FLAT);
}

static void append_native(Lift *l, unsigned rep)
{
    IrInsn *o = ir_append(l->ir, IR_EXIT_REPEAT, element_size(l));
    o->aux = (uint16_t)(l->insn->opcode | (rep == REP_NE ? 0xf200 : 0xf300));
    o->imm = (int64_t)l->next_pc;
}

static void lift_repeated(Lift *l, StringOp op, unsigned rep)
{
    const X86Insn *insn = l->insn;
    const bool port = op == STRING_INS || op == STRING_OUTS;
    int64_t desc = op | element_size(l) << 4 | insn->addr_size << 8 | rep << 12 | insn->seg << 16;
    IrOpd args[] = {ir_imm()};
    const bool native = may_repeat_natively(l, op);
    if (native)
        append_native(l, rep);
    IrOpd again = lift_call_value(l, port ? HELPER_string_io : HELPER_string, 1, args, &desc);
    IrInsn *exit = ir_append(l->ir, IR_EXIT_NONZERO, 4);
    exit->d = again;
    exit->imm = (int64_t)l->pc;
    if (native) { /* what follows is translated once, for both ways */
        ir_append(l->ir, IR_EXIT, 0)->imm = (int64_t)l->next_pc;
        l->end = true;
    }
}

void lift_string(Lift *l, int arg)
{
    StringOp op = (StringOp)arg;
    bool port = op == STRING_INS || op == STRING_OUTS;
    unsigned rep = l->insn->rep & 3;
    if (rep != REP_NONE && op != STRING_CMPS && op != STRING_SCAS)
        rep = REP_E; /* F2 is REP as well */
    if (rep != REP_NONE || port)
        lift_repeated(l, op, rep);
    else
        lift_element(l, op);
}
