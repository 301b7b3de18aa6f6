/* SPDX-License-Identifier: MIT
 * Native instructions: x87, MMX, SSE and rare integer ones are carried to the host as data, with
 * their register and memory operands re-targeted. Nothing here knows what one of them computes. */
#include "translator/x86/lift.h"

/* SDM 3A "x87 FPU and SIMD State": what CR0 and CR4 say before the instruction runs. */
static bool raise_unavailable(Lift *l)
{
    const X86Insn *insn = l->insn;
    uint32_t mode = l->mode, attrs = insn->attrs;

    if (insn->id == INSN_WAIT) {
        if (mode & MODE_WAIT_TRAP)
            lift_raise(l, VEC_NM, false, 0);
        return l->end;
    }
    bool simd = attrs & (ATTR_MMX | ATTR_SSE);
    if (simd && (mode & MODE_FPU_EM))
        lift_raise(l, VEC_UD, false, 0);
    else if ((attrs & ATTR_SSE) && !(mode & MODE_SSE))
        lift_raise(l, VEC_UD, false, 0);
    else if ((attrs & (ATTR_X87 | ATTR_MMX | ATTR_SSE)) && (mode & MODE_FPU_TRAP))
        lift_raise(l, VEC_NM, false, 0);
    return l->end;
}

static const Operand *find_memory(const X86Insn *insn)
{
    for (unsigned k = 0; k < insn->opd_count; k++)
        if (insn->opd[k].kind == OPD_MEM)
            return &insn->opd[k];
    return NULL;
}

static IrOpd native_number(unsigned n)
{
    return (IrOpd){IR_NREG, (uint8_t)n};
}

static IrOpd field_operand(bool is_gpr, unsigned n)
{
    return is_gpr ? ir_reg(n) : native_number(n);
}

/* Operand size 16 of a general-register form without a mandatory prefix (MOVBE, RDRAND). */
static uint8_t native_prefix(const X86Insn *insn)
{
    bool small = (insn->attrs & ATTR_GPR_NATIVE) && insn->opd[0].size == 2;
    return small && !insn->mandatory ? 0x66 : insn->mandatory;
}

/* SDM 2A "Exceptions Type 4" and its like: 16-byte operands of legacy SSE instructions must be
 * aligned, but for these. SHA: host CPUs differ, so theirs is the word. */
static bool needs_alignment(const X86Insn *insn, const Operand *memory)
{
    switch (insn->id) {
    case INSN_MOVUPS:
    case INSN_MOVUPD:
    case INSN_MOVDQU:
    case INSN_LDDQU:
    case INSN_PCMPESTRI:
    case INSN_PCMPESTRM:
    case INSN_PCMPISTRI:
    case INSN_PCMPISTRM:
        return false;
    default:
        return memory->size == 16 && !(insn->id >= INSN_SHA1NEXTE && insn->id <= INSN_SHA1RNDS4);
    }
}

/* SDM 1 "Synchronization of x87 FPU Exceptions": an exception that is pending comes before what
 * the memory operand may raise. SDM 2A "CVTPI2PD": not there, since it does not enter MMX state;
 * MANUAL: says otherwise of CVTPI2PS, but AMD's CPUs treat both alike. */
static bool waits_for_x87(const X86Insn *insn)
{
    switch (insn->id) {
    case INSN_FNSTCW:
    case INSN_FNSTSW:
    case INSN_CVTPI2PD:
    case INSN_CVTPI2PS:
        return false;
    default:
        return insn->attrs & (ATTR_X87 | ATTR_MMX);
    }
}

static IrNative native_encoding(const X86Insn *insn)
{
    return (IrNative){
        .map = insn->map,
        .opcode = insn->opcode,
        .prefix = native_prefix(insn),
        .vex = insn->vex,
        .w = insn->vex ? insn->vex_w : (insn->rex & 8) != 0,
        .has_imm = insn->has_imm8,
        .imm = (uint8_t)insn->imm,
        .modrm = insn->has_modrm,
        /* an x87 store with an unmasked exception stores nothing: the operand stays */
        .mem_read = (insn->attrs & (ATTR_MEM_READ | ATTR_X87)) != 0,
        .mem_write = (insn->attrs & ATTR_MEM_WRITE) != 0,
        .fpu = !(insn->attrs & ATTR_GPR_NATIVE),
        .x87 = (insn->attrs & ATTR_X87) != 0,
    };
}

/* rm: stands for ModRM.rm if that is a general register. */
static void append_native(Lift *l, IrOpd rm)
{
    const X86Insn *insn = l->insn;
    const Operand *memory = find_memory(insn);
    IrInsn *op = ir_append(l->ir, IR_NATIVE, 4);

    op->native = native_encoding(insn);
    if (!memory)
        op->native.mem_read = op->native.mem_write = false;
    if ((insn->attrs & ATTR_GPR_NATIVE) && insn->opd_count)
        op->width = insn->opd[0].size;
    op->src_width = insn->rm_gpr_size;
    if (!insn->has_modrm)
        return;
    op->d = field_operand(insn->reg_is_gpr, (insn->modrm >> 3) & 7);
    if (insn->vex)
        op->b = ir_reg(insn->vex_v);
    if (memory) {
        op->a = ir_mem();
        lift_mem(l, op, memory->size);
        op->mem.aligned = needs_alignment(insn, memory);
        op->mem.waits = waits_for_x87(insn);
    } else {
        op->a = insn->rm_gpr_size ? rm : native_number(insn->modrm & 7);
    }
}

/* CRC32 of AH..BH: the host's code may need a REX prefix, which AH..BH cannot have. Another
 * register lends itself; nothing between here and its way back can fault. */
static void append_high_byte(Lift *l, const Operand *high, unsigned destination)
{
    unsigned lent = REG_EAX;
    while (lent == high->reg || lent == destination)
        lent++;
    IrOpd saved = ir_temp(lift_new_temp(l));
    IrInsn *op = ir_append(l->ir, IR_MOV, 4);
    op->d = saved;
    op->a = ir_reg(lent);
    op = ir_append(l->ir, IR_MOVZX, 4);
    op->src_width = 1;
    op->d = ir_reg(lent);
    op->a = ir_regh(high->reg);
    append_native(l, ir_reg(lent));
    op = ir_append(l->ir, IR_MOV, 4);
    op->d = ir_reg(lent);
    op->a = saved;
}

/* A store by CS faults, whoever executes it: but a pending x87 exception comes first. */
static void wait_before_bad_store(Lift *l)
{
    const X86Insn *insn = l->insn;
    const uint32_t attrs = insn->attrs;
    if (!find_memory(insn) || insn->seg != SEG_CS || !(attrs & ATTR_MEM_WRITE) || !waits_for_x87(insn))
        return;
    IrInsn *op = ir_append(l->ir, IR_NATIVE, 4);
    op->native = (IrNative){.opcode = 0x9b, .fpu = true, .x87 = true}; /* WAIT */
}

/* Not native: hosts may have bits that guests have not, such as AMD's for misaligned operands. */
void lift_ldmxcsr(Lift *l, int arg)
{
    if (raise_unavailable(l))
        return;
    IrOpd args[] = {lift_load(l, 4, 0)};
    lift_call(l, HELPER_ldmxcsr, 1, args, (int64_t[]){0});
}

void lift_native(Lift *l, int arg)
{
    const X86Insn *insn = l->insn;

    if (raise_unavailable(l))
        return;
    /* Without a coprocessor and with CR0.EM clear, nobody answers an escape (486 SX). */
    if ((insn->attrs & ATTR_X87) && !cpu_has(l->model, FEAT_FPU))
        return;
    wait_before_bad_store(l);
    if (insn->opd_count > 1 && insn->opd[1].high8)
        append_high_byte(l, &insn->opd[1], insn->opd[0].reg);
    else
        append_native(l, ir_reg(insn->modrm & 7));
}
