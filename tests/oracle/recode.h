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
    RECODE_STUB = 64,     /* room of an instruction's stub */
    RECODE_PAD32 = 0x3e,  /* fills on the 32-bit side: DS override; all segments but FS, GS are flat */
    RECODE_PAD64 = 0x2e,  /* on the 64-bit side, where CS, DS, ES and SS overrides are ignored */
};

typedef struct {
    const char *reason; /* why there is none; else NULL */
    uint8_t size;       /* without padding */
    uint8_t stub_size;  /* 0: none needed */
    uint8_t bytes[RECODE_MAX + 2];
    uint8_t stub[RECODE_STUB]; /* out of line; bytes[] jumps there and it jumps back */
} Recoded;

/* at: of the instruction; stub_at: of its stub, should it need one. Bytes after the opcode and its
 * ModRM operand are copied, however many. */
/* NULL, or why 64-bit mode has nothing that does the same. */
void recode_insn(const uint8_t *insn, unsigned size, uint32_t at, uint32_t stub_at, Recoded *out);

/* All of a snippet: code_size bytes to `code`, RECODE_STUB bytes an instruction to `stubs`, which
 * the snippet sees at HOST_STUBS. Every instruction must have room. */
void recode_case(const OracleCase *oc, uint8_t *code, uint8_t *stubs);


#endif
