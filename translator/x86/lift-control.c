/* SPDX-License-Identifier: MIT
 * Control transfers. Conditional branches are side exits: the fall-through goes on
 * inline. A target past the CS limit raises #GP(0) at the branch. */
#include "translator/x86/lift.h"

enum { COND_NO = 1, COND_Z = 4 };

static uint64_t branch_target(const Lift *l)
{
    if (l->insn->op_size == 2) /* the target is cut to 16 bits */
        l->ir->movable = false;
    return lift_mask_pc(l, l->next_pc + (uint64_t)l->insn->imm);
}

/* Leave to `target` if the op's condition holds; `cond` for EXIT_CC, else ECX in addr_size. */
static void append_side_exit(Lift *l, IrOp op, unsigned cond, uint64_t target)
{
    IrInsn *o = ir_append(l->ir, op, op == IR_EXIT_CC ? 0 : l->insn->addr_size);
    o->imm = (int64_t)target;
    o->cond = (uint8_t)cond;
    if (op != IR_EXIT_CC)
        o->d = ir_reg(REG_ECX);
}

void lift_jcc(Lift *l, int cond)
{
    uint64_t target = branch_target(l);
    if (lift_target_ok(l, target)) {
        append_side_exit(l, IR_EXIT_CC, (unsigned)cond, target);
    } else {
        append_side_exit(l, IR_EXIT_CC, (unsigned)cond ^ 1, l->next_pc);
        lift_raise(l, VEC_GP, true, 0);
    }
}

void lift_jcxz(Lift *l, int arg)
{
    uint64_t target = branch_target(l);
    if (lift_target_ok(l, target)) {
        append_side_exit(l, IR_EXIT_ZERO, 0, target);
    } else {
        append_side_exit(l, IR_EXIT_NONZERO, 0, l->next_pc);
        lift_raise(l, VEC_GP, true, 0);
    }
}

/* E0 LOOPNE, E1 LOOPE, E2 LOOP. */
void lift_loop(Lift *l, int arg)
{
    uint64_t target = branch_target(l);
    unsigned cond = l->insn->opcode == 0xe1 ? COND_Z : COND_Z ^ 1;
    bool ok = lift_target_ok(l, target), plain = l->insn->opcode == 0xe2;
    lift_add_reg(l, REG_ECX, -1, l->insn->addr_size);
    if (plain && ok) {
        append_side_exit(l, IR_EXIT_NONZERO, 0, target);
        return;
    }
    append_side_exit(l, IR_EXIT_ZERO, 0, l->next_pc);
    if (ok) {
        append_side_exit(l, IR_EXIT_CC, cond, target);
        return;
    }
    if (!plain)
        append_side_exit(l, IR_EXIT_CC, cond ^ 1, l->next_pc);
    lift_add_reg(l, REG_ECX, 1, l->insn->addr_size); /* the fault commits nothing */
    lift_raise(l, VEC_GP, true, 0);
}

/* Before anything is committed. Ordinary segments hold whatever the operand size can name. */
static void check_indirect(Lift *l, IrOpd target)
{
    if (lift_target_ok(l, lift_mask_pc(l, UINT32_MAX)))
        return;
    IrOpd args[] = {target};
    lift_call(l, HELPER_near_target, 1, args, NULL);
}

void lift_jmp(Lift *l, int arg)
{
    if (l->insn->opd[0].kind == OPD_REL) {
        lift_exit_to(l, branch_target(l));
        return;
    }
    IrOpd target = lift_value(l, 0);
    check_indirect(l, target);
    lift_exit_indirect(l, target);
}

/* To `target`, or to `to` if it is IR_NONE. Where the pushed pc is not the next one (its upper half
 * is cut off) it is but a jump. */
static void exit_by_call(Lift *l, IrOpd target, uint64_t to)
{
    const bool indirect = target.kind != IR_NONE;
    if (lift_mask_pc(l, l->next_pc) != l->next_pc) {
        if (indirect)
            lift_exit_indirect(l, target);
        else
            lift_exit_to(l, to);
        return;
    }
    IrInsn *exit =
        ir_append(l->ir, indirect ? IR_EXIT_CALL_INDIRECT : IR_EXIT_CALL, indirect ? 4 : 0);
    exit->a = target;
    exit->imm = indirect ? 0 : (int64_t)to;
    exit->imm2 = (int64_t)l->next_pc;
}

void lift_call_near(Lift *l, int arg)
{
    bool direct = l->insn->opd[0].kind == OPD_REL;
    if (direct && !lift_target_ok(l, branch_target(l))) {
        lift_raise(l, VEC_GP, true, 0);
        return;
    }
    IrOpd target = ir_none();
    if (!direct) {
        target = lift_value(l, 0);
        if (target.kind == IR_REG && target.n == REG_ESP) { /* CALL ESP: read before the push */
            IrInsn *op = ir_append(l->ir, IR_MOV, 4);
            op->a = target;
            op->d = target = ir_temp(lift_new_temp(l));
        }
    }
    if (!direct)
        check_indirect(l, target);
    lift_push(l, ir_pc(), (int64_t)l->next_pc, l->insn->op_size);
    exit_by_call(l, target, direct ? branch_target(l) : 0);
}

static unsigned release_bytes(const Lift *l)
{
    return l->insn->opd_count ? l->insn->imm & 0xffff : 0;
}

void lift_ret(Lift *l, int arg)
{
    unsigned size = l->insn->op_size;
    IrOpd target = lift_pop_peek(l, size, 0);
    check_indirect(l, target);
    lift_add_esp(l, size + release_bytes(l));
    lift_exit_indirect(l, target);
    l->ir->insns[l->ir->count - 1].aux = 1;
}

/* --- far transfers: the helpers know descriptors, gates and tasks --- */

void lift_jmp_far(Lift *l, int arg)
{
    const X86Insn *insn = l->insn;
    if (insn->opd[0].kind == OPD_FAR) {
        lift_call_imm(l, HELPER_far_jmp, insn->imm2 & 0xffff, (int64_t)lift_mask_pc(l, insn->imm),
                      insn->op_size | insn->length << 8);
        return;
    }
    IrOpd offset = lift_load(l, insn->op_size, 0);
    IrOpd args[] = {lift_load(l, 2, insn->op_size), offset, ir_imm()};
    lift_call(l, HELPER_far_jmp, 3, args, (int64_t[]){0, 0, insn->op_size | insn->length << 8});
}

void lift_call_far(Lift *l, int arg)
{
    const X86Insn *insn = l->insn;
    int64_t size = (int64_t)insn->op_size << 16;
    if (insn->opd[0].kind == OPD_FAR) {
        const IrOpd args[] = {ir_imm(), ir_imm(), ir_pc()};
        lift_call(l, HELPER_far_call, 3, args,
                  (int64_t[]){(insn->imm2 & 0xffff) | size, (int64_t)lift_mask_pc(l, insn->imm),
                              (int64_t)l->next_pc});
        return;
    }
    IrOpd offset = lift_load(l, insn->op_size, 0);
    IrOpd selector = lift_load(l, 2, insn->op_size);
    IrInsn *op = ir_append(l->ir, IR_LEA, 4);
    op->d = selector;
    lift_mem_at(l, op, SEG_NONE, selector, size, 4, 0);
    IrOpd args[] = {selector, offset, ir_pc()};
    lift_call(l, HELPER_far_call, 3, args, (int64_t[]){0, 0, (int64_t)l->next_pc});
}

void lift_ret_far(Lift *l, int arg)
{
    lift_call_imm(l, HELPER_far_ret, l->insn->op_size, release_bytes(l), 0);
}

void lift_iret(Lift *l, int arg)
{
    IrOpd args[] = {ir_imm(), ir_pc()};
    lift_call(l, HELPER_iret, 2, args, (int64_t[]){l->insn->op_size, (int64_t)l->next_pc});
}

/* --- software interrupts and traps --- */

enum { KIND_INT, KIND_INT3, KIND_INTO, KIND_ICEBP }; /* of helper soft_int */

static void call_soft_int(Lift *l, int64_t vector, int64_t kind)
{
    const IrOpd args[] = {ir_imm(), ir_pc(), ir_imm()};
    lift_call(l, HELPER_soft_int, 3, args, (int64_t[]){vector, (int64_t)l->next_pc, kind});
}

void lift_int(Lift *l, int arg)
{
    call_soft_int(l, l->insn->imm & 0xff, KIND_INT);
}

void lift_int3(Lift *l, int arg)
{
    call_soft_int(l, VEC_BP, KIND_INT3);
}

void lift_icebp(Lift *l, int arg)
{
    call_soft_int(l, VEC_DB, KIND_ICEBP);
}

void lift_into(Lift *l, int arg)
{
    append_side_exit(l, IR_EXIT_CC, COND_NO, l->next_pc);
    lift_call(l, HELPER_into, 1, (IrOpd[]){ir_pc()}, (int64_t[]){(int64_t)l->next_pc});
}

void lift_bound(Lift *l, int arg)
{
    IrOpd index = lift_value(l, 0);
    IrOpd args[] = {ir_imm(), lift_address(l), index};
    lift_call(l, HELPER_bound, 3, args, (int64_t[]){lift_ref(l, l->insn->op_size), 0, 0});
}

void lift_ud(Lift *l, int arg)
{
    lift_raise(l, VEC_UD, false, 0);
}
