/* SPDX-License-Identifier: MIT
 * Runs of pushes and pops. A push is a store below the stack pointer and an LEA that moves it; the
 * LEAs of a run would wait for each other. So a move is put off: memory operands based on the stack
 * pointer take it into their displacement, and one LEA does for all when something else needs the
 * register: another use, a helper, an exit. Until then the guest's stack pointer is the register
 * plus Codegen.stack; the side table says so for each instruction that may fault (CodegenPcEntry),
 * and it is one value for all of an instruction up to its last access. */
#include "codegen-x86_64/host-priv.h"

static bool is_stack(IrOpd opd)
{
    return opd.kind == IR_REG && opd.n == IR_STACK_REG;
}

/* The register by itself, plus a displacement. */
static bool is_plain(const IrMem *mem)
{
    return is_stack(mem->base) && mem->index.kind == IR_NONE;
}

/* The block's first move says how wide the stack pointer is. */
static bool is_move(const Codegen *c, const IrInsn *insn)
{
    return insn->op == IR_LEA && is_stack(insn->d) && insn->width >= 4 && is_plain(&insn->mem) &&
           insn->mem.addr_width == insn->width && insn->mem.disp == (int32_t)insn->mem.disp &&
           (c->stack_width == 0 || c->stack_width == insn->width);
}

/* A copy of the register (a frame pointer) can be an LEA. */
static bool is_copy(const Codegen *c, const IrInsn *insn)
{
    return insn->op == IR_MOV && is_stack(insn->a) && insn->d.kind == IR_REG &&
           !is_stack(insn->d) && insn->width == c->stack_width;
}

static bool is_exit(const IrInsn *insn)
{
    return ir_op_info[insn->op].attrs & IR_ATTR_EXIT;
}

static bool may_fault(const IrInsn *insn)
{
    return codegen_is_mem_op(insn) || (ir_op_info[insn->op].attrs & IR_ATTR_FAULTS);
}

static bool operand_needs_register(const Codegen *c, const IrInsn *insn)
{
    const IrMem *mem = &insn->mem;
    if (is_stack(mem->index))
        return true;
    if (insn->op != IR_LEA && mem->seg_use != IR_SEG_FLAT && mem->seg_use != IR_SEG_BASE)
        return true; /* the checking helper may raise */
    const int64_t disp = mem->disp + c->stack;
    return is_stack(mem->base) && (mem->addr_width != c->stack_width || disp != (int32_t)disp);
}

/* Does the op need the register as the guest has it, all through the instruction? */
static bool needs_register(const Codegen *c, const IrInsn *insn)
{
    if ((ir_op_info[insn->op].attrs & IR_ATTR_CALL) || (is_exit(insn) && may_fault(insn)))
        return true;
    if (is_move(c, insn))
        return false;
    if (is_stack(insn->d) || is_stack(insn->b) || (is_stack(insn->a) && !is_copy(c, insn)))
        return true;
    return (insn->op == IR_LEA || codegen_is_mem_op(insn)) && operand_needs_register(c, insn);
}

static const IrInsn *block_end(const Codegen *c)
{
    return c->block->insns + c->block->count;
}

/* Does anything else of this guest instruction fault? */
static bool may_fault_after(const Codegen *c, const IrInsn *insn)
{
    while (++insn < block_end(c) && insn->op != IR_INSN)
        if (may_fault(insn))
            return true;
    return false;
}

/* Must the register be right before the instruction begins, so that it is the same wherever in it a
 * fault comes? */
static bool needs_register_first(const Codegen *c, const IrInsn *mark)
{
    for (const IrInsn *insn = mark + 1; insn < block_end(c) && insn->op != IR_INSN; insn++) {
        if (needs_register(c, insn))
            return true;
        if (is_move(c, insn) || is_exit(insn))
            return may_fault_after(c, insn);
    }
    return false;
}

static void move_register(Codegen *c, int by)
{
    const unsigned reg = host_reg_of_gpr[IR_STACK_REG];
    if (by)
        emit_lea(&c->e, c->stack_width, reg, host_mem(reg, by));
    c->stack = 0;
}

static void put_off(Codegen *c, const IrInsn *insn)
{
    c->stack_width = insn->width;
    const int64_t by = c->stack + insn->mem.disp;
    if (by == (int8_t)by && !may_fault_after(c, insn)) {
        c->stack = (int8_t)by;
    } else if (by == (int32_t)by) {
        move_register(c, (int32_t)by);
    } else {
        move_register(c, c->stack);
        move_register(c, (int32_t)insn->mem.disp);
    }
}

bool lower_stack(Codegen *c, const IrInsn *insn)
{
    if (c->options->stack_runs && is_move(c, insn)) {
        put_off(c, insn);
        return true;
    }
    if (!c->stack)
        return false;
    if (is_copy(c, insn)) {
        emit_lea(&c->e, insn->width, host_reg_of_gpr[insn->d.n & (VCPU_GPRS - 1)],
                 host_mem(host_reg_of_gpr[IR_STACK_REG], c->stack));
        return true;
    }
    const bool needs =
        insn->op == IR_INSN ? needs_register_first(c, insn) : needs_register(c, insn);
    if (needs || is_exit(insn))
        move_register(c, c->stack);
    return false;
}
