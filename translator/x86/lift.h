/* SPDX-License-Identifier: MIT
 * Lifting: X86Insn -> IR. One function a group, named in insns.def; each appends
 * the ops of one instruction. What all of them share is here (lift.c). */
#ifndef TRANSLATOR_X86_LIFT_H
#define TRANSLATOR_X86_LIFT_H

#include "translator/x86/cpu.h"
#include "translator/x86/decode.h"
#include "translator/x86/mode.h"

typedef struct {
    IrBlock *ir;
    const X86Insn *insn;
    uint32_t mode;
    uint64_t pc;       /* of this instruction, offset in CS */
    uint64_t next_pc;  /* of the next, masked to the code size */
    uint32_t cs_limit;
    const CpuModel *model;
    const TranslateLimits *limits;
    unsigned temps;    /* next free temp in this instruction */
    uint8_t effects;   /* of the helpers that this instruction calls: lift_insn ends the block */
    bool in_first;     /* all of it lies in the block's first page */
    bool goes_on;      /* the next instruction will be in this block, whatever it is */
    bool mode_only;    /* what it ends the block for shows in the CPU's mode bits */
    bool end;          /* the block ends after this instruction (an exit was emitted or is due) */
} Lift;

typedef void (*LiftFn)(Lift *l, int arg);

enum {
#define HELPER(name, ...) HELPER_##name,
#include "translator/x86/helpers.def"
#undef HELPER
    HELPER_COUNT
};

/* --- lift.c --- */
unsigned lift_new_temp(Lift *l);
/* Operand k as an IrOpd; a memory operand also fills ir->mem by lift_mem on the op it is used in. */
IrOpd lift_operand(Lift *l, unsigned k);
/* Fill insn->mem for the instruction's memory operand of `size` bytes. */
void lift_mem(Lift *l, IrInsn *op, unsigned size);
/* The same for any seg:base+disp, e.g. the stack or string operands. addr_width 2 or 4. */
void lift_mem_at(Lift *l, IrInsn *op, unsigned seg, IrOpd base, int64_t disp, unsigned addr_width,
                 unsigned size);
/* Two-operand op `d op= a` with operands from opd[0], opd[1] (either may be memory or immediate). */
IrInsn *lift_op2(Lift *l, IrOp op);
/* The same; an immediate or displacement that is patched again and again is read when the op is
 * executed. */
IrInsn *lift_op2_patched(Lift *l, IrOp op);
/* Operand k zero-extended to 32 bits in a register or temp (immediates are not handled): what a
 * CALL argument, a selector or a jump target is read by. */
IrOpd lift_value(Lift *l, unsigned k);
/* temp = zero-extended `size` bytes of the instruction's memory operand, `offset` bytes on. */
IrOpd lift_load(Lift *l, unsigned size, int64_t offset);
/* Operand k = the low bytes of a temp or register. */
void lift_store(Lift *l, unsigned k, IrOpd value, unsigned size);
/* temp = offset of the memory operand in its segment. */
IrOpd lift_address(Lift *l);
/* temp = VCpu (CpuX86) field of `width` bytes. */
IrOpd lift_state(Lift *l, size_t offset, unsigned width);
/* reg = reg + disp, `width` bytes of it; no flags. */
void lift_add_reg(Lift *l, unsigned reg, int64_t disp, unsigned width);
/* d = a shifted by LSHL, LSHR or LSAR: no flags. */
IrInsn *lift_plain_shift(Lift *l, IrOp op, IrOpd d, IrOpd a, unsigned count);
/* CALL helper with its arguments (imms[k] where args[k] is IR_IMM); returns the op so that d can
 * be set. Where the helper's effects ask for it, lift_insn ends the block after the instruction's
 * last op by EXIT_PC or EXIT_LOOKUP. */
IrInsn *lift_call(Lift *l, unsigned helper, unsigned nargs, const IrOpd *args, const int64_t *imms);
void lift_call_imm(Lift *l, unsigned helper, int64_t a, int64_t b, int64_t c);
/* The same for helpers that return a value: -> temp. */
IrOpd lift_call_value(Lift *l, unsigned helper, unsigned nargs, const IrOpd *args,
                      const int64_t *imms);
/* "ref" of helpers.def for the memory operand: `a` as a constant; b is lift_address. */
int64_t lift_ref(const Lift *l, unsigned size);
/* Raise a fault at this instruction, unconditionally; ends the block. */
void lift_raise(Lift *l, unsigned vector, bool has_error, uint32_t error_code);
/* The block ends here and the next instruction is looked up with fresh state. */
void lift_end(Lift *l);
/* Push/pop of width bytes on the guest stack; push stores, then moves ESP. */
void lift_push(Lift *l, IrOpd value, int64_t imm, unsigned width);
/* *temp = value at top of stack; ESP not yet moved: lift_add_esp does. */
IrOpd lift_pop_peek(Lift *l, unsigned width, int64_t offset);
void lift_add_esp(Lift *l, int64_t delta);
/* Jump to a target offset: masks to the operand size, raises #GP past the CS limit. */
void lift_exit_to(Lift *l, uint64_t target);
uint64_t lift_mask_pc(const Lift *l, uint64_t pc);
bool lift_target_ok(const Lift *l, uint64_t target);
/* Jump to the offset in a temp or register (32 bits). The limit is checked by the block there. */
void lift_exit_indirect(Lift *l, IrOpd target);
/* Real or virtual-8086 mode: selectors are paragraph numbers. */
static inline bool lift_real(const Lift *l)
{
    return !(l->mode & MODE_PROTECTED) || (l->mode & MODE_VM86);
}
static inline unsigned lift_stack_width(const Lift *l)
{
    return l->mode & MODE_STACK32 ? 4 : 2;
}

/* Lift one decoded instruction (INSN mark included). */
void lift_insn(Lift *l);

/* The lift functions that insns.def names. */
#define INSN(id, text, fn, arg) void fn(Lift *l, int);
#include "translator/x86/insns.def"
#undef INSN

#endif
