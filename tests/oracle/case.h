/* SPDX-License-Identifier: MIT
 * One test of the oracle: a snippet with the state it starts from, and what
 * became of it. The host CPU and dbtvm both turn an OracleCase into an
 * OracleOutcome; compare.c says whether they agree. */
#ifndef TESTS_ORACLE_CASE_H
#define TESTS_ORACLE_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/oracle/layout.h"

enum {
    ORACLE_MAX_CODE = 320,
    ORACLE_MAX_INSNS = 16,
    ORACLE_MAX_PATCHES = 48,
    ORACLE_END_SIZE = 8,  /* the end marker after the snippet */
    ORACLE_FILLER = 0xf4, /* HLT: unused code pages fault */
};

typedef struct {
    uint32_t gpr[8];
    uint32_t eflags; /* arithmetic flags and DF; in an outcome also what else the snippet changed */
    uint32_t eip;
    _Alignas(16) uint8_t fx[512]; /* FXSAVE64 image; XMM8-15 and beyond do not count */
} OracleState;

/* Operand values: stored over the data pages' background before the run. */
typedef struct {
    uint16_t offset; /* from ORACLE_DATA */
    uint8_t size;
    uint8_t bytes[16];
} OraclePatch;

typedef struct {
    uint64_t seed; /* what generated it */
    bool recoded;  /* has room to be recoded (recode.h); the host then knows no segment limits */
    OracleState in;
    uint32_t code_at;   /* linear address of code[0]; entry is in.eip */
    unsigned code_size; /* without the end marker, which follows it */
    uint8_t code[ORACLE_MAX_CODE];
    unsigned insn_count;
    uint16_t insn_at[ORACLE_MAX_INSNS + 1]; /* offsets in code; the last is code_size */
    unsigned patch_count;
    OraclePatch patches[ORACLE_MAX_PATCHES];
} OracleCase;

typedef enum {
    END_NORMAL, /* reached the end marker */
    END_FAULT,
    END_HANG,
    END_SYSCALL,
    END_OPEN, /* recoded code cannot say: a single step in a stub, a jump into an instruction */
    END_COUNT,
} OracleEnd;

typedef struct {
    OracleEnd end;
    uint32_t vector, error, cr2; /* of END_FAULT; cr2 only with vector 14 */
    OracleState out;
    uint8_t data[ORACLE_DATA_SIZE];
} OracleOutcome;

/* What the data pages hold before a case's patches; the same bytes for ever. */
void oracle_fill_background(uint8_t data[ORACLE_DATA_SIZE]);
/* ljmp $0x33, $landing: leads the host to 64-bit code; there is no such selector in the guest. */
void oracle_fill_end(uint8_t end[ORACLE_END_SIZE]);
/* Background and patches. */
void oracle_fill_data(const OracleCase *oc, const uint8_t *background, uint8_t *data);

#endif
