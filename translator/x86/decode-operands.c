/* SPDX-License-Identifier: MIT
 * Operands: what the letters of operands.def mean, ModRM and SIB addressing (SDM 2A
 * "Addressing-Mode Encoding of ModR/M and SIB Bytes"), displacements and immediates. */
#include "translator/x86/decode-priv.h"

#include "translator/x86/cpu.h"

typedef enum {
    METHOD_RM_GPR,
    METHOD_RM_GPR_ONLY,
    METHOD_RM_GPR_ANY_MOD,
    METHOD_REG_GPR,
    METHOD_VVVV_GPR,
    METHOD_MEM,
    METHOD_OPCODE_GPR,
    METHOD_EAX,
    METHOD_ECX,
    METHOD_EDX,
    METHOD_SEG,
    METHOD_FIXED_SEG,
    METHOD_CR,
    METHOD_DR,
    METHOD_IMM,
    METHOD_IMM_SIGNED,
    METHOD_ONE,
    METHOD_REL,
    METHOD_FAR,
    METHOD_OFFSET,
    METHOD_REG_MMX,
    METHOD_RM_MMX,
    METHOD_RM_MMX_ONLY,
    METHOD_REG_XMM,
    METHOD_RM_XMM,
    METHOD_RM_XMM_ONLY,
    METHOD_XMM0,
    METHOD_ST0,
    METHOD_STI,
} Method;

/* Sizes that depend on prefixes; beyond any fixed one. */
enum {
    SIZE_V = 0x40, /* 2, 4, 8: operand size */
    SIZE_Z,        /* 2, 4: operand size, 8 is 4 */
    SIZE_Y,        /* 4, 8: by REX.W alone */
    SIZE_P,        /* far pointer: selector and offset */
    SIZE_A,        /* two operands of operand size */
};

typedef struct {
    uint8_t method, size, mem_size;
} OperandSpec;

static const OperandSpec operand_specs[OPERAND_COUNT] = {
#define OPERAND(letters, method, size, mem_size) [letters] = {METHOD_##method, size, mem_size},
#include "translator/x86/operands.def"
#undef OPERAND
};

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

static unsigned resolve_size(const Decoder *d, unsigned size)
{
    unsigned op_size = d->insn->op_size;
    switch (size) {
    case SIZE_V:
        return op_size;
    case SIZE_Z:
        return op_size == 2 ? 2 : 4;
    case SIZE_Y:
        return d->insn->rex & REX_W ? 8 : 4;
    case SIZE_P:
        return op_size + 2;
    case SIZE_A:
        return 2 * op_size;
    default:
        return size;
    }
}

/* --- bytes --- */

static uint64_t read_unsigned(Decoder *d, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)decode_byte(d) << (8 * i);
    return value;
}

static int64_t read_signed(Decoder *d, unsigned size)
{
    unsigned shift = 64 - 8 * size;
    return (int64_t)(read_unsigned(d, size) << shift) >> shift;
}

/* --- memory operands --- */

static void use_base(Decoder *d, unsigned reg)
{
    d->insn->base = reg;
    if (!d->insn->seg_override && (reg == REG_EBP || reg == REG_ESP))
        d->insn->seg = SEG_SS;
}

/* An address that is only a displacement counts from 0, not from the middle. */
static void read_absolute(Decoder *d, unsigned size)
{
    d->insn->disp_size = (uint8_t)size;
    d->insn->disp =
        decode_long(d) && size == 4 ? read_signed(d, 4) : (int64_t)read_unsigned(d, size);
}

static void read_mem16(Decoder *d)
{
    static const uint8_t bases[8] = {REG_EBX, REG_EBX, REG_EBP, REG_EBP,
                                     REG_ESI, REG_EDI, REG_EBP, REG_EBX};
    static const uint8_t indexes[8] = {REG_ESI, REG_EDI, REG_ESI, REG_EDI, 0xff, 0xff, 0xff, 0xff};
    X86Insn *insn = d->insn;
    unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;

    if (mod == 0 && rm == 6) {
        read_absolute(d, 2);
        return;
    }
    use_base(d, bases[rm]);
    insn->index = indexes[rm];
    insn->disp_size = (uint8_t)mod;
    if (mod)
        insn->disp = read_signed(d, mod);
}

/* -> base register field, 5 with mod 0 meaning none. */
static unsigned read_sib(Decoder *d)
{
    X86Insn *insn = d->insn;
    uint8_t sib = decode_byte(d);
    unsigned index = ((sib >> 3) & 7) | (insn->rex & REX_X ? 8 : 0);
    if (index != REG_ESP) {
        insn->index = index;
        insn->scale = 1u << (sib >> 6);
    }
    return sib & 7;
}

static void read_mem32(Decoder *d)
{
    X86Insn *insn = d->insn;
    unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
    bool sib = rm == 4;
    unsigned base = sib ? read_sib(d) : rm;

    if (mod == 0 && base == 5) {
        if (!sib && decode_long(d))
            insn->base = X86_BASE_RIP;
        read_absolute(d, 4);
        return;
    }
    use_base(d, base | (insn->rex & REX_B ? 8 : 0));
    insn->disp_size = mod == 2 ? 4 : (uint8_t)mod;
    if (mod)
        insn->disp = read_signed(d, insn->disp_size);
}

static void set_memory(Decoder *d, Operand *opd, unsigned size)
{
    opd->kind = OPD_MEM;
    opd->size = resolve_size(d, size);
    if (d->mem_done)
        return;
    d->mem_done = true;
    if (d->insn->addr_size == 2)
        read_mem16(d);
    else
        read_mem32(d);
}

/* moffs: the address stands in the instruction, in the address size. */
static void set_offset(Decoder *d, Operand *opd, unsigned size)
{
    opd->kind = OPD_MEM;
    opd->size = resolve_size(d, size);
    d->mem_done = true;
    d->insn->disp_size = d->insn->addr_size;
    d->insn->disp = (int64_t)read_unsigned(d, d->insn->addr_size);
}

/* --- registers --- */

static unsigned reg_field(Decoder *d)
{
    return ((decode_modrm(d) >> 3) & 7) | (d->insn->rex & REX_R ? 8 : 0);
}

static unsigned rm_field(Decoder *d)
{
    return (decode_modrm(d) & 7) | (d->insn->rex & REX_B ? 8 : 0);
}

static void set_reg(Operand *opd, OperandKind kind, unsigned reg, unsigned size)
{
    opd->kind = kind;
    opd->reg = reg;
    opd->size = size;
}

static void set_gpr(Decoder *d, Operand *opd, unsigned reg, unsigned size)
{
    set_reg(opd, OPD_GPR, reg, resolve_size(d, size));
    if (opd->size == 1 && !d->insn->rex && reg >= 4) {
        opd->high8 = true;
        opd->reg = reg - 4;
    }
}

static void set_segment(Decoder *d, Operand *opd)
{
    unsigned reg = (decode_modrm(d) >> 3) & 7;
    bool destination = opd == d->insn->opd;
    d->undefined |= reg > SEG_GS || (destination && reg == SEG_CS);
    set_reg(opd, OPD_SEG, reg, 2);
}

static void set_control(Decoder *d, Operand *opd)
{
    unsigned reg = reg_field(d);
    d->undefined |=
        reg > 4 ? reg != 8 : reg == 1; /* SDM 2B "MOV - Move to/from Control Registers" */
    set_reg(opd, OPD_CR, reg, decode_long(d) ? 8 : 4);
}

/* --- ModRM.rm in its three register files --- */

static void set_rm(Decoder *d, Operand *opd, OperandKind kind, const OperandSpec *spec)
{
    if (decode_modrm(d) < 0xc0) {
        set_memory(d, opd, spec->mem_size);
    } else if (kind == OPD_GPR) {
        set_gpr(d, opd, rm_field(d), spec->size);
        d->insn->rm_gpr_size = opd->size;
    } else {
        set_reg(opd, kind, kind == OPD_XMM ? rm_field(d) : d->insn->modrm & 7u, spec->size);
    }
}

static void set_rm_only(Decoder *d, Operand *opd, OperandKind kind, const OperandSpec *spec)
{
    if (decode_modrm(d) < 0xc0)
        d->undefined = true;
    else
        set_rm(d, opd, kind, spec);
}

static void set_immediate(Decoder *d, Operand *opd, const OperandSpec *spec)
{
    X86Insn *insn = d->insn;
    unsigned size = resolve_size(d, spec->size);
    bool is_signed = spec->method == METHOD_IMM_SIGNED;
    int64_t value = is_signed ? read_signed(d, size) : (int64_t)read_unsigned(d, size);
    bool second = opd > insn->opd && opd[-1].kind == OPD_IMM;

    opd->kind = OPD_IMM;
    opd->size = is_signed ? insn->op_size : size;
    insn->has_imm8 |= size == 1;
    insn->imm_size += (uint8_t)size;
    if (second)
        insn->imm2 = value;
    else
        insn->imm = value;
}

static void set_relative(Decoder *d, Operand *opd, unsigned size)
{
    opd->kind = OPD_REL;
    opd->size = resolve_size(d, size);
    d->insn->imm = read_signed(d, opd->size);
}

static void set_far(Decoder *d, Operand *opd, unsigned size)
{
    opd->kind = OPD_FAR;
    opd->size = resolve_size(d, size) + 2;
    d->insn->imm = (int64_t)read_unsigned(d, opd->size - 2);
    d->insn->imm2 = (int64_t)read_unsigned(d, 2);
}

void decode_operand(Decoder *d, unsigned letters)
{
    const OperandSpec *spec = &operand_specs[letters];
    X86Insn *insn = d->insn;
    Operand *opd = &insn->opd[insn->opd_count];

    switch ((Method)spec->method) {
    case METHOD_RM_GPR:
        set_rm(d, opd, OPD_GPR, spec);
        break;
    case METHOD_RM_GPR_ONLY:
        set_rm_only(d, opd, OPD_GPR, spec);
        break;
    case METHOD_RM_GPR_ANY_MOD:
        set_reg(opd, OPD_GPR, rm_field(d), decode_long(d) ? 8 : spec->size);
        break;
    case METHOD_REG_GPR:
        insn->reg_is_gpr = true;
        set_gpr(d, opd, reg_field(d), spec->size);
        break;
    case METHOD_VVVV_GPR:
        d->vex_v_used = true;
        set_reg(opd, OPD_GPR, insn->vex_v, resolve_size(d, spec->size));
        break;
    case METHOD_MEM:
        if (decode_modrm(d) >= 0xc0)
            d->undefined = true;
        else
            set_memory(d, opd, spec->mem_size);
        break;
    case METHOD_OPCODE_GPR:
        set_gpr(d, opd, (insn->opcode & 7) | (insn->rex & REX_B ? 8 : 0), spec->size);
        break;
    case METHOD_EAX:
        set_gpr(d, opd, REG_EAX, spec->size);
        break;
    case METHOD_ECX:
        set_gpr(d, opd, REG_ECX, spec->size);
        break;
    case METHOD_EDX:
        set_gpr(d, opd, REG_EDX, spec->size);
        break;
    case METHOD_SEG:
        set_segment(d, opd);
        break;
    case METHOD_FIXED_SEG:
        set_reg(opd, OPD_SEG, spec->size, 2);
        break;
    case METHOD_CR:
        set_control(d, opd);
        break;
    case METHOD_DR:
        set_reg(opd, OPD_DR, (decode_modrm(d) >> 3) & 7, decode_long(d) ? 8 : spec->size);
        break;
    case METHOD_IMM:
    case METHOD_IMM_SIGNED:
        set_immediate(d, opd, spec);
        break;
    case METHOD_ONE:
        opd->kind = OPD_IMM;
        opd->size = 1;
        insn->imm = 1;
        break;
    case METHOD_REL:
        set_relative(d, opd, spec->size);
        break;
    case METHOD_FAR:
        set_far(d, opd, spec->size);
        break;
    case METHOD_OFFSET:
        set_offset(d, opd, spec->mem_size);
        break;
    case METHOD_REG_MMX:
        set_reg(opd, OPD_MMX, (decode_modrm(d) >> 3) & 7, spec->size);
        break;
    case METHOD_RM_MMX:
        set_rm(d, opd, OPD_MMX, spec);
        break;
    case METHOD_RM_MMX_ONLY:
        set_rm_only(d, opd, OPD_MMX, spec);
        break;
    case METHOD_REG_XMM:
        set_reg(opd, OPD_XMM, reg_field(d), spec->size);
        break;
    case METHOD_RM_XMM:
        set_rm(d, opd, OPD_XMM, spec);
        break;
    case METHOD_RM_XMM_ONLY:
        set_rm_only(d, opd, OPD_XMM, spec);
        break;
    case METHOD_XMM0:
        set_reg(opd, OPD_XMM, 0, spec->size);
        break;
    case METHOD_ST0:
        set_reg(opd, OPD_X87, 0, spec->size);
        break;
    case METHOD_STI:
        set_reg(opd, OPD_X87, decode_modrm(d) & 7, spec->size);
        break;
    }
    insn->opd_count++;
}
