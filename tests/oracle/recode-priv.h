/* SPDX-License-Identifier: MIT
 * Inside the recoder: an instruction taken apart, bytes put together (recode.c)
 * and the sequences that need more room than the instruction has (recode-stubs.c). */
#ifndef TESTS_ORACLE_RECODE_PRIV_H
#define TESTS_ORACLE_RECODE_PRIV_H

#include "tests/oracle/recode.h"

/* Registers, opcodes, prefixes. */
enum {
    EAX = 0,
    ESP = 4,
    EBP = 5,
    R8 = 8,
    R9 = 9,
    LEA = 0x8d,
    MOV_STORE = 0x89,
    MOV_LOAD = 0x8b,
    MOV_STORE_IMM = 0xc7,
    CS_OVERRIDE = 0x2e,
    OPERAND_SIZE = 0x66,
    ADDRESS_SIZE = 0x67,
    LOCK = 0xf0,
    REPNE = 0xf2,
    REP = 0xf3,
};

/* Offsets go into bytes. */
typedef struct {
    const uint8_t *bytes;
    unsigned size;
    uint32_t next;   /* address of the one behind it */
    uint32_t shift;  /* from addresses that the snippet knows to those that run */
    uint8_t segment; /* FS or GS override; 0: none that counts */
    bool size16, addr16, lock, vex;
    bool code_segment;  /* CS override */
    bool memory;        /* by ModRM */
    unsigned opcode_at; /* of the first byte that is no prefix */
    unsigned map, opcode;
    unsigned tail; /* ModRM or immediate */
    uint8_t modrm; /* C0 if there is none */
} Insn;

typedef struct {
    uint8_t *bytes;
    unsigned count;
    uint32_t at; /* address of bytes[0] */
} Out;

typedef void (*RecodeFn)(Out *out, const Insn *in);

void recode_put(Out *out, unsigned count, const uint8_t *bytes);
#define PUT(out, ...)                                                                              \
    recode_put(out, sizeof((const uint8_t[]){__VA_ARGS__}), (const uint8_t[]){__VA_ARGS__})
void recode_put32(Out *out, uint32_t value);
/* ModRM with another reg field (its low three bits) and what follows. */
void recode_put_operand(Out *out, const Insn *in, unsigned reg);

/* The rows of recode.def that go out of line. */
#define RECODE_STUB_ROW(name)                            void recode_stub_##name(Out *out, const Insn *in);
#define STUB(map, first, last, reg, form, operand, name) RECODE_STUB_ROW(name)
#include "tests/oracle/recode.def"

#endif
