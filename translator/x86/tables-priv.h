/* SPDX-License-Identifier: MIT
 * The opcode maps: one row an encoding, read like the SDM's opcode maps. A row that
 * is no instruction points to a sub-table and says what indexes it. A zeroed row is
 * undefined (INSN_UD). */
#ifndef TRANSLATOR_X86_TABLES_PRIV_H
#define TRANSLATOR_X86_TABLES_PRIV_H

#include "translator/x86/decode.h"

enum {
    OPERAND_NONE,
#define OPERAND(letters, ...) letters,
#include "translator/x86/operands.def"
#undef OPERAND
    OPERAND_COUNT
};

/* What indexes the sub-table. */
enum {
    SUB_NONE,
    SUB_REG,    /* 8 rows: ModRM.reg */
    SUB_RM,     /* 8 rows: ModRM.rm */
    SUB_MOD,    /* 2 rows: memory, register */
    SUB_PREFIX, /* 4 rows: mandatory prefix none, 66, F3, F2; F3 and F2 win over 66 */
    SUB_REP,    /* 3 rows: none, F3, F2; 66 is the operand size */
    SUB_OPSIZE, /* 3 rows: operand size 16, 32, 64 */
};

/* What the CPU model must offer. */
enum {
    NEED_NONE,
    NEED_486,
    NEED_P6,
    NEED_CPUID,
    NEED_FEATURE, /* + FEAT_x */
};

typedef struct OpRow {
    uint16_t id; /* InsnId */
    uint8_t sub; /* SUB_* */
    uint8_t need;
    uint8_t opd[X86_MAX_OPERANDS];
    uint32_t attrs;
    const struct OpRow *rows;
} OpRow;

/* The row macros. NO: undefined. I: an instruction; N: one that a model may lack. */
#define NO {INSN_UD}
#define I(mnemonic, attributes, ...) N(mnemonic, NEED_NONE, attributes, ##__VA_ARGS__)
#define N(mnemonic, needs, attributes, ...)                                                        \
    {                                                                                              \
        .id = INSN_##mnemonic, .need = (needs), .opd = {__VA_ARGS__}, .attrs = (attributes)        \
    }
#define F(mnemonic, feature, attributes, ...)                                                      \
    N(mnemonic, NEED_FEATURE + FEAT_##feature, attributes, ##__VA_ARGS__)

#define SUB(kind, ...) {.sub = (kind), .rows = (const OpRow[]){__VA_ARGS__}}
#define BY_REG(...) SUB(SUB_REG, ##__VA_ARGS__)
#define BY_RM(...) SUB(SUB_RM, ##__VA_ARGS__)
#define BY_MOD(memory, reg) SUB(SUB_MOD, memory, reg)
#define BY_PREFIX(none, p66, pf3, pf2) SUB(SUB_PREFIX, none, p66, pf3, pf2)
#define BY_REP(none, pf3, pf2) SUB(SUB_REP, none, pf3, pf2)
#define BY_OPSIZE(o16, o32, o64) SUB(SUB_OPSIZE, o16, o32, o64)
#define TABLE(kind, table) {.sub = (kind), .rows = (table)}

#define LOCK ATTR_LOCK
/* SSE rows by feature: XS reads, XW writes its memory operand; M* are the forms on MMX registers. */
#define ATTRS_SSE (ATTR_NATIVE | ATTR_SSE)
#define ATTRS_MMX (ATTR_NATIVE | ATTR_MMX)
#define XS(mnemonic, feature, ...)                                                                 \
    F(mnemonic, feature, ATTRS_SSE | ATTR_MEM_READ, ##__VA_ARGS__)
#define XW(mnemonic, feature, ...)                                                                 \
    F(mnemonic, feature, ATTRS_SSE | ATTR_MEM_WRITE, ##__VA_ARGS__)
#define MS(mnemonic, feature, ...)                                                                 \
    F(mnemonic, feature, ATTRS_MMX | ATTR_MEM_READ, ##__VA_ARGS__)
#define MW(mnemonic, feature, ...)                                                                 \
    F(mnemonic, feature, ATTRS_MMX | ATTR_MEM_WRITE, ##__VA_ARGS__)
#define MX(mnemonic, feature, ...) /* on both register files */                                    \
    F(mnemonic, feature, ATTRS_MMX | ATTR_SSE | ATTR_MEM_READ, ##__VA_ARGS__)
/* One operation on MMX (none) and XMM (66): features of the two, memory form of the MMX one. */
#define PAIR(mnemonic, mmx_feature, xmm_feature, mmx_source)                                       \
    BY_PREFIX(MS(mnemonic, mmx_feature, Pq, mmx_source), XS(mnemonic, xmm_feature, Vdq, Wdq), NO, NO)
#define MMX_PAIR(mnemonic) PAIR(mnemonic, MMX, SSE2, Qq)
/* XMM only, 66. */
#define X66(mnemonic, feature, ...)                                                                \
    BY_PREFIX(NO, XS(mnemonic, feature, ##__VA_ARGS__), NO, NO)
/* Native integer: G. */
#define G(mnemonic, feature, ...)                                                                  \
    F(mnemonic, feature, ATTR_NATIVE | ATTR_GPR_NATIVE | ATTR_MEM_READ, ##__VA_ARGS__)

extern const OpRow x86_map_one[256];
extern const OpRow x86_map_0f[256];
extern const OpRow x86_map_0f38[256];
extern const OpRow x86_map_0f3a[256];
extern const OpRow x86_map_vex_0f38[256];
extern const OpRow x86_map_vex_0f3a[256];
/* 63 in 64-bit mode. */
extern const OpRow x86_row_movsxd;
/* The escape opcodes, SUB_MOD each. */
extern const OpRow x86_x87_d8[2], x86_x87_d9[2], x86_x87_da[2], x86_x87_db[2];
extern const OpRow x86_x87_dc[2], x86_x87_dd[2], x86_x87_de[2], x86_x87_df[2];

#endif
