/* SPDX-License-Identifier: MIT
 * What the lifter's groups share: operands, helper calls, faults, the stack and
 * exits; and lift_insn, which finds the group by insns.def.
 * Address arithmetic is LEA, MOVZX and the flag-free shifts only: the guest's
 * flags change where its instruction says so and nowhere else. */
#include "base/bits.h"
#include "translator/x86/lift.h"

static const struct {
    uint8_t nargs, effects;
} helper_rows[HELPER_COUNT] = {
#define HELPER(name, nargs, effects) [HELPER_##name] = {nargs, effects},
#include "translator/x86/helpers.def"
#undef HELPER
};

static const struct {
    LiftFn fn;
    int arg;
} lift_rows[INSN_COUNT] = {
#define INSN(id, text, fn, arg) [INSN_##id] = {fn, arg},
#include "translator/x86/insns.def"
#undef INSN
};

unsigned lift_new_temp(Lift *l)
{
    unsigned temp = l->temps++;
    g_assert(temp < VCPU_TEMPS);
    l->ir->temps = MAX(l->ir->temps, l->temps);
    return temp;
}

/* --- operands --- */

IrOpd lift_operand(Lift *l, unsigned k)
{
    const Operand *opd = &l->insn->opd[k];
    switch ((OperandKind)opd->kind) {
    case OPD_GPR:
        return opd->high8 ? ir_regh(opd->reg) : ir_reg(opd->reg);
    case OPD_MEM:
        return ir_mem();
    case OPD_IMM:
        return ir_imm();
    case OPD_NONE:
    case OPD_SEG:
    case OPD_CR:
    case OPD_DR:
    case OPD_MMX:
    case OPD_XMM:
    case OPD_X87:
    case OPD_REL:
    case OPD_FAR:
        break;
    }
    g_assert_not_reached();
}

static IrSegUse seg_use(const Lift *l, unsigned seg, unsigned size)
{
    if (seg >= SEG_COUNT)
        return IR_SEG_FLAT;
    /* The checking helper looks at the alignment as well. */
    if ((l->mode & MODE_ALIGN_CHECK) && size > 1)
        return IR_SEG_CHECK;
    return (IrSegUse)mode_seg_use(l->mode, seg);
}

void lift_mem_at(Lift *l, IrInsn *op, unsigned seg, IrOpd base, int64_t disp, unsigned addr_width,
                 unsigned size)
{
    op->mem = (IrMem){
        .seg = (uint8_t)seg,
        .seg_use = (uint8_t)seg_use(l, seg, size),
        .base = base,
        .scale = 1,
        .addr_width = (uint8_t)addr_width,
        .size = (uint16_t)size,
        .user = (l->mode & MODE_USER) != 0,
        .disp = disp,
    };
}

void lift_mem(Lift *l, IrInsn *op, unsigned size)
{
    const X86Insn *insn = l->insn;
    IrOpd base = insn->base == 0xff ? ir_none() : ir_reg(insn->base);
    lift_mem_at(l, op, insn->seg, base, insn->disp, insn->addr_size, size);
    if (insn->index != 0xff) {
        op->mem.index = ir_reg(insn->index);
        op->mem.scale = insn->scale;
    }
}

IrInsn *lift_op2(Lift *l, IrOp op)
{
    const X86Insn *insn = l->insn;
    IrInsn *o = ir_append(l->ir, op, insn->opd[0].size);
    o->d = lift_operand(l, 0);
    o->a = lift_operand(l, 1);
    if (o->a.kind == IR_IMM || op == IR_IMUL3)
        o->imm = sign_extend((uint64_t)insn->imm, o->width);
    if (o->d.kind == IR_MEM) {
        lift_mem(l, o, insn->opd[0].size);
        o->lock = insn->lock;
    } else if (o->a.kind == IR_MEM) {
        lift_mem(l, o, insn->opd[1].size);
    }
    return o;
}

/* temp = the `size` bytes of the instruction that end `behind` bytes before its end, if they are
 * patched; else none. */
static IrOpd load_if_patched(Lift *l, unsigned behind, unsigned size)
{
    IrBlock *block = l->ir;
    const unsigned at = block->guest_bytes + l->insn->length - behind - size;
    if (size == 0 || size > 4 || block->hole_count == IR_MAX_HOLES ||
        !l->limits->patched(l->limits->opaque, l->limits->ram + at, size))
        return ir_none();
    block->holes[block->hole_count++] = (IrHole){(uint16_t)at, (uint16_t)size};
    IrInsn *op = ir_append(block, IR_LDCODE, 4);
    op->src_width = (uint8_t)size;
    op->imm = (int64_t)(l->limits->ram + at);
    return op->d = ir_temp(lift_new_temp(l));
}

IrInsn *lift_op2_patched(Lift *l, IrOp op)
{
    const X86Insn *insn = l->insn;
    if (!l->limits->patched || !l->in_first)
        return lift_op2(l, op);
    IrOpd imm = ir_none(), disp = ir_none();
    if (insn->opd[1].kind == OPD_IMM && insn->opd[0].size <= 4)
        imm = load_if_patched(l, 0, insn->imm_size);
    const bool memory = insn->opd[0].kind == OPD_MEM || insn->opd[1].kind == OPD_MEM;
    if (memory && insn->index == 0xff && insn->addr_size <= 4)
        disp = load_if_patched(l, insn->imm_size, insn->disp_size);
    IrInsn *o = lift_op2(l, op);
    if (imm.kind != IR_NONE)
        o->a = imm;
    if (disp.kind != IR_NONE) {
        *(o->mem.base.kind == IR_NONE ? &o->mem.base : &o->mem.index) = disp;
        o->mem.disp = 0;
    }
    return o;
}

/* d = zero-extended `size` bytes of op->a, which the caller fills. */
static IrInsn *append_load(Lift *l, IrOpd d, unsigned size)
{
    IrInsn *op = ir_append(l->ir, size < 4 ? IR_MOVZX : IR_MOV, size < 4 ? 4 : size);
    op->d = d;
    op->src_width = size < 4 ? (uint8_t)size : 0;
    return op;
}

IrOpd lift_load(Lift *l, unsigned size, int64_t offset)
{
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = append_load(l, temp, size);
    op->a = ir_mem();
    lift_mem(l, op, size);
    op->mem.disp += offset;
    return temp;
}

IrOpd lift_value(Lift *l, unsigned k)
{
    const Operand *opd = &l->insn->opd[k];
    if (opd->kind == OPD_MEM)
        return lift_load(l, opd->size, 0);
    if (opd->size >= 4)
        return lift_operand(l, k);
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = append_load(l, temp, opd->size);
    op->a = lift_operand(l, k);
    return temp;
}

void lift_store(Lift *l, unsigned k, IrOpd value, unsigned size)
{
    IrInsn *op = ir_append(l->ir, IR_MOV, size);
    op->d = lift_operand(l, k);
    op->a = value;
    if (op->d.kind == IR_MEM)
        lift_mem(l, op, size);
}

IrOpd lift_address(Lift *l)
{
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, IR_LEA, MAX(l->insn->addr_size, 4));
    op->d = temp;
    lift_mem(l, op, 0);
    return temp;
}

IrOpd lift_state(Lift *l, size_t offset, unsigned width)
{
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, IR_LDSTATE, width);
    op->d = temp;
    op->imm = (int64_t)offset;
    return temp;
}

void lift_add_reg(Lift *l, unsigned reg, int64_t disp, unsigned width)
{
    IrInsn *op = ir_append(l->ir, IR_LEA, width);
    op->d = ir_reg(reg);
    lift_mem_at(l, op, SEG_NONE, ir_reg(reg), disp, width, 0);
}

IrInsn *lift_plain_shift(Lift *l, IrOp op, IrOpd d, IrOpd a, unsigned count)
{
    IrInsn *o = ir_append(l->ir, op, 4);
    o->d = d;
    o->a = a;
    o->imm = count;
    return o;
}

/* --- helper calls --- */

IrInsn *lift_call(Lift *l, unsigned helper, unsigned nargs, const IrOpd *args, const int64_t *imms)
{
    g_assert(nargs == helper_rows[helper].nargs);
    IrInsn *op = ir_append(l->ir, IR_CALL, 4);
    op->aux = (uint16_t)helper;
    int64_t *fields[] = {&op->imm, &op->imm2, &op->imm3};
    for (unsigned k = 0; k < nargs; k++) {
        op->args[k] = args[k];
        if (ir_is_imm(args[k]))
            *fields[k] = imms[k];
    }
    l->effects |= helper_rows[helper].effects;
    return op;
}

void lift_call_imm(Lift *l, unsigned helper, int64_t a, int64_t b, int64_t c)
{
    IrOpd args[] = {ir_imm(), ir_imm(), ir_imm()};
    lift_call(l, helper, helper_rows[helper].nargs, args, (int64_t[]){a, b, c});
}

IrOpd lift_call_value(Lift *l, unsigned helper, unsigned nargs, const IrOpd *args,
                      const int64_t *imms)
{
    IrOpd temp = ir_temp(lift_new_temp(l));
    lift_call(l, helper, nargs, args, imms)->d = temp;
    return temp;
}

int64_t lift_ref(const Lift *l, unsigned size)
{
    return l->insn->seg | l->insn->addr_size << 8 | (int64_t)size << 16;
}

void lift_raise(Lift *l, unsigned vector, bool has_error, uint32_t error_code)
{
    lift_call_imm(l, HELPER_raise, vector, has_error, error_code);
    ir_append(l->ir, IR_EXIT_PC, 0);
    l->end = true;
}

/* --- stack --- */

void lift_add_esp(Lift *l, int64_t delta)
{
    lift_add_reg(l, REG_ESP, delta, lift_stack_width(l));
}

void lift_push(Lift *l, IrOpd value, int64_t imm, unsigned width)
{
    IrInsn *op = ir_append(l->ir, IR_MOV, width);
    op->d = ir_mem();
    op->a = value;
    op->imm = imm;
    lift_mem_at(l, op, SEG_SS, ir_reg(REG_ESP), -(int64_t)width, lift_stack_width(l), width);
    lift_add_esp(l, -(int64_t)width);
}

IrOpd lift_pop_peek(Lift *l, unsigned width, int64_t offset)
{
    IrOpd temp = ir_temp(lift_new_temp(l));
    IrInsn *op = append_load(l, temp, width);
    op->a = ir_mem();
    lift_mem_at(l, op, SEG_SS, ir_reg(REG_ESP), offset, lift_stack_width(l), width);
    return temp;
}

/* --- exits --- */

uint64_t lift_mask_pc(const Lift *l, uint64_t pc)
{
    if (l->mode & MODE_LONG64)
        return pc;
    return pc & (l->insn->op_size == 2 ? 0xffff : 0xffffffff);
}

bool lift_target_ok(const Lift *l, uint64_t target)
{
    return (l->mode & MODE_LONG64) || target <= l->cs_limit;
}

static void append_exit(Lift *l, IrOp op, uint64_t target)
{
    ir_append(l->ir, op, 0)->imm = (int64_t)target;
    l->end = true;
}

void lift_end(Lift *l)
{
    append_exit(l, IR_EXIT_LOOKUP, l->next_pc);
}

void lift_exit_to(Lift *l, uint64_t target)
{
    target = lift_mask_pc(l, target);
    if (!lift_target_ok(l, target))
        lift_raise(l, VEC_GP, true, 0);
    else
        append_exit(l, IR_EXIT, target);
}

void lift_exit_indirect(Lift *l, IrOpd target)
{
    ir_append(l->ir, IR_EXIT_INDIRECT, 4)->a = target;
    l->end = true;
}

/* --- one instruction --- */

/* Faults that depend on the row and the mode alone. */
static bool raise_by_row(Lift *l)
{
    uint32_t attrs = l->insn->attrs;
    if ((attrs & ATTR_PROTECTED) && lift_real(l))
        lift_raise(l, VEC_UD, false, 0);
    else if ((attrs & ATTR_CPL0) && !(l->mode & MODE_CPL0))
        lift_raise(l, VEC_GP, true, 0);
    return l->end;
}

/* Code segments of protected mode are never writable; their mode bits speak of reads. */
static void check_cs_writes(Lift *l, unsigned from)
{
    if (lift_real(l) || l->insn->seg != SEG_CS || !l->insn->seg_override)
        return;
    for (unsigned k = from; k < l->ir->count; k++) {
        IrInsn *op = &l->ir->insns[k];
        if (op->mem.seg == SEG_CS && ir_mem_writes(op))
            op->mem.seg_use = IR_SEG_CHECK;
    }
}

/* A segment load usually leaves the mode bits as they were: then the next block's code is known. */
static void end_by_mode(Lift *l)
{
    l->temps = 0;
    IrOpd change = lift_state(l, offsetof(CpuX86, mode), 4);
    IrInsn *op = ir_append(l->ir, IR_LEA, 4);
    op->d = change;
    lift_mem_at(l, op, SEG_NONE, change, -(int64_t)l->mode, 4, 0);
    op = ir_append(l->ir, IR_EXIT_ZERO, 4);
    op->d = change;
    op->imm = (int64_t)l->next_pc;
    lift_end(l);
}

void lift_insn(Lift *l)
{
    unsigned from = l->ir->count;
    IrInsn *mark = ir_append(l->ir, IR_INSN, 0);
    mark->imm = (int64_t)l->pc;
    mark->aux = l->insn->length;
    l->temps = 0;
    l->effects = 0;
    l->mode_only = false;
    if (raise_by_row(l))
        return;
    lift_rows[l->insn->id].fn(l, lift_rows[l->insn->id].arg);
    check_cs_writes(l, from);
    if (l->end)
        return;
    if (l->effects & HELPER_WRITES_PC) {
        ir_append(l->ir, IR_EXIT_PC, 0);
        l->end = true;
    } else if (l->mode_only) {
        end_by_mode(l);
    } else if ((l->effects & HELPER_SETTLES) && l->goes_on) {
        const IrOpd args[] = {ir_pc(), ir_imm()};
        lift_call(l, HELPER_settle, 2, args, (int64_t[]){(int64_t)l->next_pc, l->mode});
    } else if (l->effects & HELPER_ENDS_BLOCK) {
        lift_end(l);
    }
}
