/* SPDX-License-Identifier: MIT
 * What a 32-bit instruction is in 64-bit mode: the same bytes, or other bytes
 * that do the same. By this file's own rules (recode.def), which know nothing of
 * dbtvm's decoder. The recoded instruction takes exactly the room of the original, so that every
 * address of code stays: prefixes without a meaning fill what is too short, on either side. */
#ifndef TESTS_ORACLE_RECODE_H
#define TESTS_ORACLE_RECODE_H

#include "tests/oracle/case.h"

enum {
    RECODE_MAX = 15,
    RECODE_STUB = 128, /* room of an instruction's stub */
    RECODE_PAD32 =
        0x3e, /* fills on the 32-bit side: DS override; all segments but FS, GS are flat */
    RECODE_PAD64 = 0x2e, /* on the 64-bit side, where CS, DS, ES and SS overrides are ignored */
};

typedef struct {
    const char *reason; /* why there is none; else NULL */
    uint8_t size;       /* without padding */
    uint8_t stub_size;  /* 0: none needed */
    uint8_t bytes[RECODE_MAX + 2];
    uint8_t stub[RECODE_STUB]; /* out of line; bytes[] jumps there and it jumps back */
} Recoded;

typedef struct {
    uint32_t at;    /* of the instruction, as the snippet knows it */
    uint32_t shift; /* from there to where it runs */
    uint32_t stub;  /* where its stub would run */
} RecodePlace;

/* Bytes after the opcode and its ModRM operand are copied, however many. */
void recode_insn(const uint8_t *insn, unsigned size, RecodePlace place, Recoded *out);

/* What a snippet runs at minus what it believes to run at: its bytes are not those it would read,
 * so it reads others, unless it lies where it may write. */
uint32_t recode_shift(const OracleCase *oc);

/* All of a snippet: code_size bytes to `code`, RECODE_STUB bytes an instruction to `stubs`, which
 * the snippet sees at HOST_STUBS. Every instruction must have room. */
void recode_case(const OracleCase *oc, uint8_t *code, uint8_t *stubs);

#endif
