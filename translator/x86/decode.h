/* SPDX-License-Identifier: MIT
 * The decoder: guest bytes -> X86Insn. Table-driven: opcode maps in tables-*.c are
 * rows in the SDM's operand letters, with columns for 64-bit mode. Pure: no CPU
 * state but the mode, no side effects. */
#ifndef TRANSLATOR_X86_DECODE_H
#define TRANSLATOR_X86_DECODE_H

#include "translator/ir/ir.h"
#include "translator/x86/cpuid.h"

/* One row a mnemonic in insns.def:
 *   INSN(ID, "text", lift function, argument) */
typedef enum {
#define INSN(id, ...) INSN_##id,
#include "translator/x86/insns.def"
#undef INSN
    INSN_COUNT
} InsnId;

typedef enum {
    OPD_NONE,
    OPD_GPR,   /* reg, size; high8: AH..BH (reg 0..3) */
    OPD_SEG,   /* reg: SEG_* */
    OPD_CR,
    OPD_DR,
    OPD_MMX,
    OPD_XMM,
    OPD_X87,   /* ST(reg) */
    OPD_MEM,   /* X86Insn.mem */
    OPD_IMM,   /* X86Insn.imm (sign-extended as the row says); second immediate: imm2 */
    OPD_REL,   /* imm: displacement from the next instruction */
    OPD_FAR,   /* imm: offset, imm2: selector */
} OperandKind;

typedef struct {
    uint8_t kind;
    uint8_t reg;
    uint8_t size; /* bytes: 1 2 4 6 8 10 16; 0: none (LEA, INVLPG) */
    bool high8;
} Operand;

/* String instructions: the argument of lift_string. Their rows have no operands: the element size
 * is 1 for even opcodes, else op_size; the source segment is X86Insn.seg. */
typedef enum {
    STRING_MOVS,
    STRING_CMPS,
    STRING_STOS,
    STRING_LODS,
    STRING_SCAS,
    STRING_INS,
    STRING_OUTS,
} StringOp;

/* Beside the segment's number for the helper load_seg: by LSS, which holds nothing back. */
enum { LOAD_BY_LSS = 8 };

/* X86Insn.base of a RIP-relative operand. */
#define X86_BASE_RIP 0xfe

enum { X86_MAX_INSN = 15, X86_MAX_OPERANDS = 4 };

/* Row attributes (tables-*.c). */
enum {
    ATTR_LOCK = 1u << 0,     /* LOCK legal with a memory destination */
    ATTR_CPL0 = 1u << 1,     /* #GP unless CPL 0 (real mode is) */
    ATTR_NO64 = 1u << 2,     /* #UD in 64-bit mode */
    ATTR_DEF64 = 1u << 4,    /* operand size defaults to 64 in 64-bit mode */
    ATTR_FORCE64 = 1u << 5,
    ATTR_PROTECTED = 1u << 6, /* #UD in real and V86 mode */
    ATTR_X87 = 1u << 7,
    ATTR_MMX = 1u << 8,      /* 0F rows on MMX registers (x87 state) */
    ATTR_SSE = 1u << 9,
    ATTR_NATIVE = 1u << 10,  /* lifts to a NATIVE op with this row's encoding */
    ATTR_MEM_WRITE = 1u << 11, /* native: writes its memory operand */
    ATTR_MEM_READ = 1u << 12,  /* native: reads it */
    ATTR_GPR_NATIVE = 1u << 13, /* native integer instruction: no FPU state involved */
    ATTR_ELSE_PLAIN = 1u << 14, /* not offered: the row without the prefix (TZCNT -> BSF) */
};

typedef struct {
    uint16_t id;       /* InsnId; INSN_UD for undefined encodings */
    uint32_t attrs;
    uint8_t length;
    uint8_t op_size;   /* 2, 4, 8: effective operand size (the 66 prefix applied) */
    uint8_t addr_size; /* 2, 4, 8 */
    uint8_t seg;       /* segment of the memory operand after overrides */
    bool seg_override;
    bool lock;
    uint8_t rep;       /* last of F2/F3, or 0 */
    bool opsize_prefix; /* 66 was present */
    uint8_t map, opcode; /* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
    uint8_t mandatory; /* the prefix that selected the row: 0, 66, F2, F3 */
    bool has_modrm, has_imm8;
    uint8_t modrm, rex; /* rex: 0 outside 64-bit mode */
    bool vex, vex_w;
    uint8_t vex_v;     /* vvvv */
    bool reg_is_gpr;     /* ModRM.reg names a general register (native instructions) */
    uint8_t rm_gpr_size; /* size of the general register in ModRM.rm; 0: it names none */
    Operand opd[X86_MAX_OPERANDS];
    uint8_t opd_count;
    /* memory operand, valid if any operand is OPD_MEM */
    uint8_t base, index; /* register numbers, 0xff: none */
    uint8_t scale;
    int64_t disp;
    int64_t imm, imm2;
    uint8_t disp_size, imm_size; /* bytes of the instruction, 0: none; immediates are its last */
} X86Insn;

typedef enum {
    DECODE_OK,
    DECODE_MORE,     /* needs more bytes than given (fetch the next page) */
    DECODE_TOO_LONG, /* over 15 bytes: #GP */
} DecodeResult;

/* Undefined, LOCK-illegal or not offered by the model: DECODE_OK with id INSN_UD (length right as
 * far as defined). mode: MODE_* bits. */
DecodeResult x86_decode(X86Insn *insn, const uint8_t *bytes, unsigned count, uint32_t mode,
                        const CpuModel *model);
const char *x86_insn_name(InsnId id);

#endif
