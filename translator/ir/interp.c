/* SPDX-License-Identifier: MIT
 * The interpreter proper: operands, memory, control. A value of a guest register
 * or temp is 64 bits wide; 32-bit writes zero the upper half, narrower ones keep
 * the rest, as in the code generator. */
#include "translator/ir/interp.h"

#include <setjmp.h>
#include <string.h>

#include "base/bits.h"
#include "translator/guest.h"
#include "translator/ir/interp-alu.h"

enum { MAX_TEMPS = 64 };

typedef struct {
    const InterpEnv *env;
    VCpu *vcpu;
    const IrInsn *insn;
    void *mem; /* host address of the memory operand, once begun */
    uint64_t temp[MAX_TEMPS];
} Interp;

static void leave(VCpu *vcpu, ExitReason reason) __attribute__((noreturn));
static void leave(VCpu *vcpu, ExitReason reason)
{
    longjmp(*(jmp_buf *)vcpu->interp_jump, (int)reason + 1);
}

/* ---- operands ---- */

static uint64_t raw_value(const Interp *in, IrOpd opd)
{
    return opd.kind == IR_TEMP ? in->temp[opd.n] : in->vcpu->gpr[opd.n];
}

static uint64_t linear_address(Interp *in, bool write)
{
    const IrMem *m = &in->insn->mem;
    uint64_t mask = width_mask(m->addr_width);
    uint64_t offset = (uint64_t)m->disp;
    if (m->base.kind != IR_NONE)
        offset += raw_value(in, m->base);
    if (m->index.kind != IR_NONE)
        offset += raw_value(in, m->index) * m->scale;
    offset &= mask;
    unsigned size = ir_mem_size(in->insn);
    bool check = m->seg_use == IR_SEG_CHECK ||
                 (m->seg_use == IR_SEG_64K && offset + size - 1 > 0xffff);
    if (check)
        return in->vcpu->guest->seg_check(in->vcpu,
                                          m->seg | size << 8 | (uint64_t)write << 24 |
                                              (uint64_t)m->aligned << 25,
                                          offset, 0);
    if (m->seg_use == IR_SEG_FLAT)
        return offset;
    return (uint32_t)(offset + in->vcpu->seg_base[m->seg]);
}

static void begin_memory(Interp *in)
{
    const IrInsn *insn = in->insn;
    VCpu *vcpu = in->vcpu;
    bool read = ir_mem_reads(insn), write = ir_mem_writes(insn);
    unsigned size = ir_mem_size(insn);
    gva_t gva = linear_address(in, write);
    Fault fault = {.vector = 13, .has_error = true}; /* #GP(0) */
    if (!insn->mem.aligned || !(gva & (size - 1))) {
        in->mem = access_begin(&vcpu->mmu, &vcpu->access, gva, size, read, write,
                               insn->mem.user ? MMU_USER : MMU_SUPERVISOR, &fault);
        if (in->mem)
            return;
    }
    if (insn->mem.waits && vcpu_x87_pending(vcpu))
        fault = (Fault){.vector = 16}; /* #MF */
    else if (vcpu->mmu.self_modified)  /* shadow runs only: else the engine lets it go on */
        vcpu_exit(vcpu, EXIT_SMC);
    vcpu_exit_fault(vcpu, fault);
}

static uint64_t read_opd(Interp *in, IrOpd opd, unsigned width, int64_t imm)
{
    uint64_t value = 0;
    switch ((IrKind)opd.kind) {
    case IR_REG:
    case IR_TEMP:
        value = raw_value(in, opd);
        break;
    case IR_REGH:
        value = in->vcpu->gpr[opd.n] >> 8;
        break;
    case IR_IMM:
    case IR_PC:
        value = (uint64_t)imm;
        break;
    case IR_MEM:
        memcpy(&value, in->mem, width);
        break;
    case IR_NONE:
    case IR_NREG:
        break;
    }
    return value & width_mask(width);
}

static uint64_t merge(uint64_t old, uint64_t value, unsigned width)
{
    if (width >= 4)
        return value & width_mask(width);
    return (old & ~width_mask(width)) | (value & width_mask(width));
}

static void write_opd(Interp *in, IrOpd opd, unsigned width, uint64_t value)
{
    uint64_t *gpr = in->vcpu->gpr;
    switch ((IrKind)opd.kind) {
    case IR_REG:
        gpr[opd.n] = merge(gpr[opd.n], value, width);
        break;
    case IR_REGH:
        gpr[opd.n] = bits_set(gpr[opd.n], 8, 8, value);
        break;
    case IR_TEMP:
        in->temp[opd.n] = merge(in->temp[opd.n], value, width);
        break;
    case IR_MEM:
        memcpy(in->mem, &value, width);
        break;
    case IR_NONE:
    case IR_IMM:
    case IR_PC:
    case IR_NREG:
        break;
    }
}

/* ---- ops ---- */

static uint64_t get_flags(const Interp *in)
{
    return in->vcpu->flags & FLAGS_ARITH;
}

static void set_flags(Interp *in, uint64_t flags)
{
    in->vcpu->flags = (uint32_t)(flags & FLAGS_ARITH);
}

static void raise_de(Interp *in)
{
    vcpu_exit_fault(in->vcpu, (Fault){.vector = 0});
}

static void do_alu2(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t flags = get_flags(in);
    uint64_t d = read_opd(in, i->d, i->width, i->imm);
    uint64_t a = read_opd(in, i->a, i->width, i->imm);
    uint64_t result = interp_alu2((IrOp)i->op, i->width)(d, a, &flags);
    if (ir_op_info[i->op].shape & IR_SHAPE_D_WRITE)
        write_opd(in, i->d, i->width, result);
    set_flags(in, flags);
}

static void do_shift(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t flags = get_flags(in);
    uint64_t d = read_opd(in, i->d, i->width, i->imm);
    uint64_t count = i->b.kind == IR_IMM ? (uint64_t)i->imm2 : raw_value(in, i->b);
    if (i->op == IR_SHLD || i->op == IR_SHRD)
        d = interp_shiftd((IrOp)i->op, i->width, d, read_opd(in, i->a, i->width, i->imm),
                          count & 0xff, &flags);
    else
        d = interp_shift((IrOp)i->op, i->width)(d, count & 0xff, &flags);
    write_opd(in, i->d, i->width, d);
    set_flags(in, flags);
}

static void do_muldiv(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t *gpr = in->vcpu->gpr;
    uint64_t acc[2] = {gpr[0], gpr[2]};
    uint64_t flags = get_flags(in);
    if (!interp_muldiv((IrOp)i->op, i->width, acc, read_opd(in, i->a, i->width, i->imm), &flags))
        raise_de(in);
    unsigned width = i->width == 1 ? 2 : i->width;
    gpr[0] = merge(gpr[0], acc[0], width);
    if (i->width > 1)
        gpr[2] = merge(gpr[2], acc[1], width);
    set_flags(in, flags);
}

static void do_imul3(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t flags = get_flags(in);
    uint64_t a = read_opd(in, i->a, i->width, i->imm);
    write_opd(in, i->d, i->width,
              interp_alu2(IR_IMUL2, i->width)(a, (uint64_t)i->imm & width_mask(i->width), &flags));
    set_flags(in, flags);
}

static void do_exchange(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t d = read_opd(in, i->d, i->width, i->imm);
    uint64_t a = read_opd(in, i->a, i->width, i->imm);
    uint64_t result = a;
    if (i->op == IR_XADD) {
        uint64_t flags = get_flags(in);
        result = interp_alu2(IR_ADD, i->width)(d, a, &flags);
        set_flags(in, flags);
    }
    write_opd(in, i->a, i->width, d);
    write_opd(in, i->d, i->width, result); /* last: XADD of a register with itself gives the sum */
}

static void do_cmpxchg(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t flags = get_flags(in);
    uint64_t d = read_opd(in, i->d, i->width, i->imm);
    uint64_t acc = in->vcpu->gpr[0] & width_mask(i->width);
    interp_alu2(IR_CMP, i->width)(acc, d, &flags);
    if (flags & FLAG_ZF)
        write_opd(in, i->d, i->width, read_opd(in, i->a, i->width, i->imm));
    else
        in->vcpu->gpr[0] = merge(in->vcpu->gpr[0], d, i->width);
    set_flags(in, flags);
}

static void do_cmpxchg8b(Interp *in)
{
    uint64_t *gpr = in->vcpu->gpr;
    uint64_t value, expected = (gpr[2] << 32) | (uint32_t)gpr[0];
    memcpy(&value, in->mem, 8);
    if (value == expected) {
        uint64_t fresh = (gpr[1] << 32) | (uint32_t)gpr[3]; /* ECX:EBX */
        memcpy(in->mem, &fresh, 8);
        in->vcpu->flags |= FLAG_ZF;
    } else {
        gpr[0] = (uint32_t)value;
        gpr[2] = value >> 32;
        in->vcpu->flags &= ~FLAG_ZF;
    }
}

static void do_bswap(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t d = read_opd(in, i->d, i->width, 0);
    /* 16-bit BSWAP is undefined in the SDM; hardware zeroes the register's low word. */
    d = i->width == 8 ? __builtin_bswap64(d) : i->width == 4 ? __builtin_bswap32((uint32_t)d) : 0;
    write_opd(in, i->d, i->width, d);
}

static void do_lean_shift(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t a = read_opd(in, i->a, i->width, 0);
    unsigned count = (unsigned)i->imm & (i->width * 8 - 1);
    uint64_t result = i->op == IR_LSHL   ? a << count
                      : i->op == IR_LSHR ? a >> count
                                         : (uint64_t)(sign_extend(a, i->width) >> count);
    write_opd(in, i->d, i->width, result);
}

static void do_convert(Interp *in)
{
    unsigned width = in->insn->width;
    uint64_t *gpr = in->vcpu->gpr;
    gpr[2] = merge(gpr[2], sign_extend(gpr[0], width) < 0 ? ~UINT64_C(0) : 0, width);
}

static void do_flag_op(Interp *in)
{
    VCpu *vcpu = in->vcpu;
    switch (in->insn->op) {
    case IR_LAHF:
        vcpu->gpr[0] = bits_set(vcpu->gpr[0], 8, 8, (vcpu->flags & 0xd5) | 2);
        break;
    case IR_SAHF:
        set_flags(in, (vcpu->flags & FLAG_OF) | ((vcpu->gpr[0] >> 8) & 0xd5));
        break;
    case IR_CLC:
        vcpu->flags &= ~FLAG_CF;
        break;
    case IR_STC:
        vcpu->flags |= FLAG_CF;
        break;
    default:
        vcpu->flags ^= FLAG_CF;
        break;
    }
}

static void do_state(Interp *in)
{
    const IrInsn *i = in->insn;
    if (i->op == IR_LDSTATE) {
        uint64_t value = 0;
        memcpy(&value, (char *)in->vcpu + i->imm, i->width);
        write_opd(in, i->d, MAX(i->width, 4), value);
    } else {
        uint64_t value = i->a.kind == IR_IMM ? (uint64_t)i->imm2 : raw_value(in, i->a);
        memcpy((char *)in->vcpu + i->imm, &value, i->width);
    }
}

static void do_load_code(Interp *in)
{
    const IrInsn *i = in->insn;
    uint64_t value = mmu_load_ram(&in->vcpu->mmu, (ram_off_t)i->imm, i->src_width);
    write_opd(in, i->d, i->width, (uint64_t)sign_extend(value, i->src_width));
}

static void do_call(Interp *in, const IrBlock *block)
{
    const IrInsn *i = in->insn;
    const int64_t imms[3] = {i->imm, i->imm2, i->imm3};
    uint64_t args[3] = {0};
    for (unsigned k = 0; k < 3; k++)
        args[k] = ir_is_imm(i->args[k])        ? (uint64_t)imms[k]
                  : i->args[k].kind == IR_NONE ? 0
                                               : read_opd(in, i->args[k], 8, 0);
    uint64_t result = block->helpers[i->aux].fn(in->vcpu, args[0], args[1], args[2]);
    if (i->d.kind != IR_NONE)
        write_opd(in, i->d, 8, result);
}

static void do_move(Interp *in)
{
    const IrInsn *i = in->insn;
    unsigned from = i->op == IR_MOV ? i->width : i->src_width;
    uint64_t value = read_opd(in, i->a, from, i->imm);
    if (i->op == IR_MOVSX)
        value = (uint64_t)sign_extend(value, from);
    write_opd(in, i->d, i->width, value);
}

static void do_lea(Interp *in)
{
    const IrMem *m = &in->insn->mem;
    uint64_t offset = (uint64_t)m->disp;
    if (m->base.kind != IR_NONE)
        offset += raw_value(in, m->base);
    if (m->index.kind != IR_NONE)
        offset += raw_value(in, m->index) * m->scale;
    write_opd(in, in->insn->d, in->insn->width, offset & width_mask(m->addr_width));
}

static void do_conditional(Interp *in)
{
    const IrInsn *i = in->insn;
    bool holds = interp_condition(i->cond, get_flags(in));
    if (i->op == IR_SETCC) {
        write_opd(in, i->d, i->width, holds);
        return;
    }
    uint64_t d = read_opd(in, i->d, i->width, i->imm), a = read_opd(in, i->a, i->width, i->imm);
    write_opd(in, i->d, i->width, holds ? a : d);
}

/* One op that is no exit. */
static void execute(Interp *in, const IrBlock *block)
{
    switch ((IrOp)in->insn->op) {
    case IR_MOV: case IR_MOVZX: case IR_MOVSX:
        do_move(in);
        break;
    case IR_LEA:
        do_lea(in);
        break;
    case IR_XCHG: case IR_XADD:
        do_exchange(in);
        break;
    case IR_BSWAP:
        do_bswap(in);
        break;
    case IR_LDSTATE: case IR_STSTATE:
        do_state(in);
        break;
    case IR_LDCODE:
        do_load_code(in);
        break;
    case IR_LSHL: case IR_LSHR: case IR_LSAR:
        do_lean_shift(in);
        break;
    case IR_ADD: case IR_OR: case IR_ADC: case IR_SBB: case IR_AND: case IR_SUB: case IR_XOR:
    case IR_CMP: case IR_TEST: case IR_INC: case IR_DEC: case IR_NEG: case IR_IMUL2: case IR_BT:
    case IR_BTS: case IR_BTR: case IR_BTC: case IR_BSF: case IR_BSR:
        do_alu2(in);
        break;
    case IR_NOT:
        write_opd(in, in->insn->d, in->insn->width, ~read_opd(in, in->insn->d, in->insn->width, 0));
        break;
    case IR_ROL: case IR_ROR: case IR_RCL: case IR_RCR: case IR_SHL: case IR_SHR: case IR_SAR:
    case IR_SHLD: case IR_SHRD:
        do_shift(in);
        break;
    case IR_MUL: case IR_IMUL: case IR_DIV: case IR_IDIV:
        do_muldiv(in);
        break;
    case IR_IMUL3:
        do_imul3(in);
        break;
    case IR_CONVERT:
        do_convert(in);
        break;
    case IR_CMPXCHG:
        do_cmpxchg(in);
        break;
    case IR_CMPXCHG8B:
        do_cmpxchg8b(in);
        break;
    case IR_SETCC: case IR_CMOVCC:
        do_conditional(in);
        break;
    case IR_LAHF: case IR_SAHF: case IR_CLC: case IR_STC: case IR_CMC:
        do_flag_op(in);
        break;
    case IR_NATIVE:
        in->env->native(in->env->opaque, in->vcpu, in->insn, in->mem);
        break;
    case IR_CALL:
        do_call(in, block);
        break;
    case IR_INSN: case IR_EXIT: case IR_EXIT_CC: case IR_EXIT_ZERO: case IR_EXIT_NONZERO:
    case IR_EXIT_REPEAT: case IR_EXIT_INDIRECT: case IR_EXIT_CALL: case IR_EXIT_CALL_INDIRECT: case IR_EXIT_LOOKUP: case IR_EXIT_PC: case IR_EXIT_REASON:
    case IR_OP_COUNT:
        g_assert_not_reached();
    }
}

/* An exit: true if it is taken; *reason and vcpu->pc are set. */
static bool take_exit(Interp *in, ExitReason *reason)
{
    const IrInsn *i = in->insn;
    VCpu *vcpu = in->vcpu;
    *reason = EXIT_LOOKUP;
    switch ((IrOp)i->op) {
    case IR_EXIT_CC:
        if (!interp_condition(i->cond, get_flags(in)))
            return false;
        break;
    case IR_EXIT_ZERO:
        if (read_opd(in, i->d, i->width, 0) != 0)
            return false;
        break;
    case IR_EXIT_NONZERO:
        if (read_opd(in, i->d, i->width, 0) == 0)
            return false;
        break;
    case IR_EXIT_REPEAT:
        return false;
    case IR_EXIT_INDIRECT:
    case IR_EXIT_CALL_INDIRECT:
        vcpu->pc = read_opd(in, i->a, i->width, 0);
        return true;
    case IR_EXIT_PC:
        return true;
    case IR_EXIT_REASON:
        *reason = (ExitReason)i->aux;
        break;
    default:
        break;
    }
    vcpu->pc = (uint64_t)i->imm;
    return true;
}

static ExitReason run(Interp *in, const IrBlock *block, const bool *stop)
{
    ExitReason reason = EXIT_LOOKUP;
    for (const IrInsn *i = block->insns; i < block->insns + block->count; i++) {
        in->insn = i;
        if (i->op == IR_INSN) {
            in->vcpu->pc = (uint64_t)i->imm;
            if (*stop)
                return EXIT_LOOKUP;
            in->vcpu->budget--;
            continue;
        }
        if (ir_op_info[i->op].attrs & IR_ATTR_EXIT) {
            if (take_exit(in, &reason))
                return reason;
            continue;
        }
        bool memory = i->op != IR_LEA && (ir_mem_reads(i) || ir_mem_writes(i));
        in->mem = NULL;
        if (memory)
            begin_memory(in);
        execute(in, block);
        if (memory && ir_mem_writes(i))
            access_commit(&in->vcpu->mmu, &in->vcpu->access);
    }
    in->vcpu->pc = block->next_pc;
    return EXIT_LOOKUP;
}

ExitReason interp_run(const InterpEnv *env, VCpu *vcpu, const IrBlock *block, const bool *stop)
{
    Interp in = {.env = env, .vcpu = vcpu};
    jmp_buf jump;
    void (*old_leave)(VCpu *, ExitReason) __attribute__((noreturn)) = vcpu->leave;
    vcpu->interp_jump = &jump;
    vcpu->leave = leave;
    int code = setjmp(jump);
    ExitReason reason = code ? (ExitReason)(code - 1) : run(&in, block, stop);
    vcpu->leave = old_leave;
    return reason;
}
