/* SPDX-License-Identifier: MIT
 * Segment registers and descriptor queries. In real and V86 mode a load is two
 * stores, where the segment's limits are the ordinary ones; else the helper's. */
#include "translator/x86/lift.h"

static size_t seg_offset(unsigned seg)
{
    return offsetof(CpuX86, seg) + seg * sizeof(SegReg);
}

static IrOpd read_selector(Lift *l, unsigned seg)
{
    return lift_state(l, seg_offset(seg) + offsetof(SegReg, selector), 2);
}

/* Operand `k` of a selector's 16 bits, zero-extended. */
static IrOpd selector_value(Lift *l, unsigned k)
{
    const Operand *opd = &l->insn->opd[k];
    if (opd->kind == OPD_MEM)
        return lift_load(l, 2, 0);
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, IR_MOVZX, 4);
    op->src_width = 2;
    op->d = temp;
    op->a = ir_reg(opd->reg);
    return temp;
}

static void store_state(Lift *l, size_t offset, IrOpd value, unsigned width)
{
    IrInsn *op = ir_append(l->ir, IR_STSTATE, width);
    op->a = value;
    op->imm = (int64_t)offset;
}

/* Real and V86 mode (SDM 3B "8086 Emulation"): base = selector * 16, the rest stays, so that the
 * mode bits do too. SS has its interrupt shadow, other limits their own rules: the helper. */
static bool load_is_plain(const Lift *l, unsigned seg)
{
    return lift_real(l) && seg != SEG_SS && mode_seg_use(l->mode, seg) == IR_SEG_64K;
}

/* Segment register = selector (zero-extended); the selector's temp is used up. `how`: 0, LOAD_BY_LSS */
static void load_segment(Lift *l, unsigned seg, IrOpd selector, unsigned how)
{
    if (!load_is_plain(l, seg)) {
        lift_call(l, HELPER_load_seg, 2, (IrOpd[]){ir_imm(), selector}, (int64_t[]){seg | how, 0});
        l->mode_only = true;
        return;
    }
    store_state(l, seg_offset(seg) + offsetof(SegReg, selector), selector, 2);
    lift_plain_shift(l, IR_LSHL, selector, selector, 4);
    store_state(l, seg_offset(seg) + offsetof(SegReg, base), selector, 8);
    store_state(l, offsetof(VCpu, seg_base) + seg * sizeof(uint64_t), selector, 8);
}

void lift_mov_from_seg(Lift *l, int arg)
{
    unsigned size = l->insn->opd[0].kind == OPD_MEM ? 2 : l->insn->op_size;
    unsigned seg = l->insn->opd[1].reg;
    if (seg >= SEG_COUNT)
        lift_raise(l, VEC_UD, false, 0);
    else
        lift_store(l, 0, read_selector(l, seg), size);
}

void lift_mov_to_seg(Lift *l, int arg)
{
    unsigned seg = l->insn->opd[0].reg;
    if (seg == SEG_CS || seg >= SEG_COUNT) {
        lift_raise(l, VEC_UD, false, 0);
        return;
    }
    load_segment(l, seg, selector_value(l, 1), 0);
}

void lift_push_seg(Lift *l, int arg)
{
    lift_push(l, read_selector(l, l->insn->opd[0].reg), 0, l->insn->op_size);
}

void lift_pop_seg(Lift *l, int arg)
{
    unsigned size = l->insn->op_size;
    IrOpd selector = lift_pop_peek(l, size, 0);
    if (size > 2) { /* the upper half is not part of it */
        IrInsn *op = ir_append(l->ir, IR_MOVZX, 4);
        op->src_width = 2;
        op->d = op->a = selector;
    }
    load_segment(l, l->insn->opd[0].reg, selector, 0);
    lift_add_esp(l, size);
}

/* LDS, LES...: both loads, then the segment (which may fault), then the register. */
void lift_load_far(Lift *l, int seg)
{
    unsigned size = l->insn->op_size;
    IrOpd offset = lift_load(l, size, 0);
    load_segment(l, (unsigned)seg, lift_load(l, 2, size), seg == SEG_SS ? LOAD_BY_LSS : 0);
    lift_store(l, 0, offset, size);
}

void lift_sldt_str(Lift *l, int helper)
{
    unsigned size = l->insn->opd[0].kind == OPD_MEM ? 2 : l->insn->op_size;
    lift_store(l, 0, lift_call_value(l, (unsigned)helper, 0, NULL, NULL), size);
}

void lift_lldt_ltr(Lift *l, int helper)
{
    IrOpd args[] = {selector_value(l, 0)};
    lift_call(l, (unsigned)helper, 1, args, NULL);
}

void lift_lar_lsl(Lift *l, int helper)
{
    enum { COND_Z = 4 };
    IrOpd args[] = {selector_value(l, 1)};
    IrOpd value = lift_call_value(l, (unsigned)helper, 1, args, NULL);
    IrInsn *op = ir_append(l->ir, IR_CMOVCC, l->insn->op_size);
    op->cond = COND_Z;
    op->d = lift_operand(l, 0);
    op->a = value;
}

/* A destination in memory is one that is written, also where it is only read. */
void lift_arpl(Lift *l, int arg)
{
    if (l->insn->opd[0].kind == OPD_MEM) {
        IrOpd checked[] = {ir_imm(), lift_address(l)};
        lift_call(l, HELPER_check_store, 2, checked, (int64_t[]){lift_ref(l, 2), 0});
    }
    IrOpd destination = selector_value(l, 0);
    IrOpd args[] = {destination, selector_value(l, 1)};
    lift_call(l, HELPER_arpl, 2, args, NULL)->d = destination;
    lift_store(l, 0, destination, 2);
}
