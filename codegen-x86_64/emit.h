/* SPDX-License-Identifier: MIT
 * The x86-64 encoder: operands in, bytes out. No policy, no IR, no bounds check: the caller makes
 * sure of EMIT_MAX bytes for each group of instructions. Follows SDM 2 "Instruction Format". */
#ifndef CODEGEN_X86_64_EMIT_H
#define CODEGEN_X86_64_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    HOST_NO_REG = 0xff
};

typedef struct {
    uint8_t *at;
} Emit;

typedef enum {
    HOST_REG,  /* reg, as wide as the instruction */
    HOST_HIGH, /* AH CH DH BH: reg is 4..7, must not meet a REX prefix */
    HOST_EXT,  /* opcode extension or x87/MMX/SSE register in a ModRM field */
    HOST_MEM,  /* [reg + index << scale + disp]; HOST_NO_REG: without */
} HostKind;

/* Eight bytes, passed in a register. scale: log2. */
typedef struct {
    uint8_t kind, reg, index, scale;
    int32_t disp;
} HostOpd;

/* An opcode: low byte, map, mandatory prefix, and whether the r/m operand is a byte (MOVZX). */
enum {
    OP_0F = 0x100,
    OP_0F38 = 0x200,
    OP_0F3A = 0x300,
    OP_MAP = 0x300,
    OP_BYTE_RM = 0x400,
};
#define OP_PREFIX(byte) ((uint32_t)(byte) << 16)

static inline HostOpd host_reg(unsigned reg)
{
    return (HostOpd){HOST_REG, (uint8_t)reg, HOST_NO_REG, 0, 0};
}

static inline HostOpd host_ext(unsigned ext)
{
    return (HostOpd){HOST_EXT, (uint8_t)ext, HOST_NO_REG, 0, 0};
}

static inline HostOpd host_mem(unsigned base, int32_t disp)
{
    return (HostOpd){HOST_MEM, (uint8_t)base, HOST_NO_REG, 0, disp};
}

static inline HostOpd host_mem_index(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (HostOpd){HOST_MEM, (uint8_t)base, (uint8_t)index, (uint8_t)scale, disp};
}

static inline void emit_u8(Emit *e, unsigned v)
{
    *e->at++ = (uint8_t)v;
}

static inline void emit_u32(Emit *e, uint32_t v)
{
    memcpy(e->at, &v, 4);
    e->at += 4;
}

static inline void emit_u64(Emit *e, uint64_t v)
{
    memcpy(e->at, &v, 8);
    e->at += 8;
}

/* An immediate of the operand's width (4 for 8). */
static inline void emit_imm(Emit *e, unsigned width, int64_t v)
{
    unsigned size = width < 4 ? width : 4;
    memcpy(e->at, &v, size);
    e->at += size;
}

/* Opcode with ModRM; width 1, 2 (66), 4, 8 (REX.W). Immediates are appended by the caller. */
void emit_insn(Emit *e, uint32_t op, unsigned width, HostOpd reg, HostOpd rm);
/* VEX.L0 form; vvvv is a register number. */
void emit_vex(Emit *e, uint32_t op, bool w, HostOpd reg, unsigned vvvv, HostOpd rm);
/* True if the operand cannot be encoded without a REX prefix in an instruction of this width. */
bool emit_needs_rex(HostOpd opd, unsigned width);

/* reg = value, without touching flags, in the shortest form. */
void emit_mov_imm(Emit *e, unsigned reg, uint64_t value);
/* RORX, and SHLX/SHRX/SARX by a register: the shifts that leave flags alone. */
void emit_rorx(Emit *e, bool w, unsigned d, unsigned a, unsigned count);
typedef enum { EMIT_SHLX = 0x66, EMIT_SARX = 0xf3, EMIT_SHRX = 0xf2 } EmitShift;
void emit_shift(Emit *e, EmitShift shift, bool w, unsigned d, HostOpd a, unsigned count_reg);

static inline void emit_mov(Emit *e, unsigned width, unsigned d, unsigned s)
{
    emit_insn(e, 0x8b, width, host_reg(d), host_reg(s));
}

static inline void emit_load(Emit *e, unsigned width, unsigned d, HostOpd mem)
{
    emit_insn(e, 0x8b, width, host_reg(d), mem);
}

static inline void emit_store(Emit *e, unsigned width, HostOpd mem, unsigned s)
{
    emit_insn(e, width == 1 ? 0x88 : 0x89, width, host_reg(s), mem);
}

static inline void emit_lea(Emit *e, unsigned width, unsigned d, HostOpd mem)
{
    emit_insn(e, 0x8d, width, host_reg(d), mem);
}

/* d = zero-extended low 1 or 2 bytes of rm. */
static inline void emit_movzx(Emit *e, unsigned bytes, unsigned d, HostOpd rm)
{
    emit_insn(e, OP_0F | (bytes == 1 ? 0xb6u | OP_BYTE_RM : 0xb7u), 4, host_reg(d), rm);
}

static inline void emit_call_mem(Emit *e, HostOpd mem)
{
    emit_insn(e, 0xff, 4, host_ext(2), mem);
}

static inline void emit_jmp_mem(Emit *e, HostOpd mem)
{
    emit_insn(e, 0xff, 4, host_ext(4), mem);
}

static inline void emit_call_reg(Emit *e, unsigned reg)
{
    emit_insn(e, 0xff, 4, host_ext(2), host_reg(reg));
}

static inline void emit_jmp_reg(Emit *e, unsigned reg)
{
    emit_insn(e, 0xff, 4, host_ext(4), host_reg(reg));
}

/* JMP rel32 with the target open; returns the address of the rel32. */
static inline uint8_t *emit_jmp32(Emit *e)
{
    emit_u8(e, 0xe9);
    emit_u32(e, 0);
    return e->at - 4;
}

static inline void emit_set_rel32(uint8_t *site, const uint8_t *target)
{
    int32_t rel = (int32_t)(target - (site + 4));
    memcpy(site, &rel, 4);
}

/* JRCXZ or JMP rel8 with the target open. */
static inline uint8_t *emit_jump8(Emit *e, unsigned opcode)
{
    emit_u8(e, opcode);
    emit_u8(e, 0);
    return e->at - 1;
}
#define OP_JRCXZ 0xe3
#define OP_JMP8  0xeb

static inline void emit_set_rel8(uint8_t *site, const uint8_t *target)
{
    *site = (uint8_t)(target - (site + 1));
}

#endif
