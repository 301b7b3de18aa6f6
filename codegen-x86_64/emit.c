/* SPDX-License-Identifier: MIT
 * Prefixes, ModRM, SIB and VEX. SDM 2 "Instruction Format". */
#include "codegen-x86_64/emit.h"

static bool fits_i8(int32_t v)
{
    return v == (int8_t)v;
}

/* REX.X and REX.B of the r/m operand. */
static unsigned rm_rex(HostOpd rm)
{
    if (rm.kind != HOST_MEM)
        return rm.reg >> 3;
    unsigned x = rm.index == HOST_NO_REG ? 0 : rm.index >> 3;
    unsigned b = rm.reg == HOST_NO_REG ? 0 : rm.reg >> 3;
    return x << 1 | b;
}

static bool is_rex_byte(HostOpd opd)
{
    return opd.kind == HOST_REG && opd.reg >= 4;
}

bool emit_needs_rex(HostOpd opd, unsigned width)
{
    return width == 8 || rm_rex(opd) || (width == 1 && is_rex_byte(opd));
}

static uint8_t *put_disp32(uint8_t *p, int32_t disp)
{
    memcpy(p, &disp, 4);
    return p + 4;
}

/* ModRM, SIB, displacement. A base of RBP/R13 has no mod 00 form, RSP/R12 need a SIB byte. */
static uint8_t *put_modrm(uint8_t *p, unsigned reg, HostOpd rm)
{
    unsigned field = (reg & 7) << 3;
    if (rm.kind != HOST_MEM) {
        *p++ = (uint8_t)(0xc0 | field | (rm.reg & 7));
        return p;
    }
    unsigned index = rm.index == HOST_NO_REG ? 4 : rm.index & 7;
    if (rm.reg == HOST_NO_REG) {
        *p++ = (uint8_t)(field | 4);
        *p++ = (uint8_t)((rm.scale & 3) << 6 | index << 3 | 5);
        return put_disp32(p, rm.disp);
    }
    unsigned base = rm.reg & 7;
    unsigned mod = rm.disp == 0 && base != 5 ? 0x00 : fits_i8(rm.disp) ? 0x40 : 0x80;
    if (rm.index == HOST_NO_REG && base != 4) {
        *p++ = (uint8_t)(mod | field | base);
    } else {
        *p++ = (uint8_t)(mod | field | 4);
        *p++ = (uint8_t)((rm.scale & 3) << 6 | index << 3 | base);
    }
    if (mod == 0x40)
        *p++ = (uint8_t)rm.disp;
    else if (mod == 0x80)
        p = put_disp32(p, rm.disp);
    return p;
}

void emit_insn(Emit *e, uint32_t op, unsigned width, HostOpd reg, HostOpd rm)
{
    uint8_t *p = e->at;
    if (width == 2)
        *p++ = 0x66;
    if (op >> 16)
        *p++ = (uint8_t)(op >> 16);
    unsigned rex = (unsigned)(width == 8) << 3 | (unsigned)(reg.reg >> 3) << 2 | rm_rex(rm);
    if (width == 1 && (is_rex_byte(reg) || is_rex_byte(rm)))
        rex |= 0x40;
    if ((op & OP_BYTE_RM) && is_rex_byte(rm))
        rex |= 0x40;
    if (rex)
        *p++ = (uint8_t)(0x40 | rex);
    unsigned map = op & OP_MAP;
    if (map) {
        *p++ = 0x0f;
        if (map != OP_0F)
            *p++ = map == OP_0F38 ? 0x38 : 0x3a;
    }
    *p++ = (uint8_t)op;
    e->at = put_modrm(p, reg.reg, rm);
}

void emit_vex(Emit *e, uint32_t op, bool w, HostOpd reg, unsigned vvvv, HostOpd rm)
{
    uint8_t *p = e->at;
    unsigned prefix = op >> 16;
    unsigned pp = prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;
    unsigned rxb = (unsigned)(reg.reg >> 3) << 2 | rm_rex(rm);
    *p++ = 0xc4;
    *p++ = (uint8_t)((~rxb & 7) << 5 | (op & OP_MAP) >> 8);
    *p++ = (uint8_t)((unsigned)w << 7 | (~vvvv & 15) << 3 | pp);
    *p++ = (uint8_t)op;
    e->at = put_modrm(p, reg.reg, rm);
}

void emit_mov_imm(Emit *e, unsigned reg, uint64_t value)
{
    if (value > UINT32_MAX && (uint64_t)(int32_t)value == value) {
        emit_insn(e, 0xc7, 8, host_ext(0), host_reg(reg));
        emit_u32(e, (uint32_t)value);
        return;
    }
    bool wide = value > UINT32_MAX;
    unsigned rex = (unsigned)wide << 3 | reg >> 3;
    if (rex)
        emit_u8(e, 0x40 | rex);
    emit_u8(e, 0xb8 | (reg & 7));
    if (wide)
        emit_u64(e, value);
    else
        emit_u32(e, (uint32_t)value);
}

void emit_rorx(Emit *e, bool w, unsigned d, unsigned a, unsigned count)
{
    emit_vex(e, OP_PREFIX(0xf2) | OP_0F3A | 0xf0, w, host_reg(d), 0, host_reg(a));
    emit_u8(e, count);
}

void emit_shift(Emit *e, EmitShift shift, bool w, unsigned d, HostOpd a, unsigned count_reg)
{
    emit_vex(e, OP_PREFIX(shift) | OP_0F38 | 0xf7, w, host_reg(d), count_reg, a);
}
