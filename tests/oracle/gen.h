/* SPDX-License-Identifier: MIT
 * Generator of random snippets: every opcode form that the decoder accepts for
 * a CPU model and that user mode can run. A case depends on its seed and the
 * model only. */
#ifndef TESTS_ORACLE_GEN_H
#define TESTS_ORACLE_GEN_H

#include <stdio.h>

#include "tests/oracle/case.h"
#include "translator/x86/cpuid.h"

typedef struct Gen Gen;

typedef enum {
    GEN_SINGLE, /* one instruction; operands arranged for it */
    GEN_BLOCK,  /* 2 to 16, with branches */
    GEN_SMC,    /* the same, and it modifies itself */
} GenClass;

/* recoded: only what recode.h can say in 64-bit mode, with room for it. */
Gen *gen_new(const CpuModel *model, bool recoded);
void gen_free(Gen *gen);
void gen_case(Gen *gen, GenClass class, uint64_t seed, OracleCase *oc);
/* How often each instruction was generated. */
void gen_print_coverage(const Gen *gen, FILE *file);
/* Which share of the opcode rows there are is generated, and why others are not. */
void gen_print_rows(const Gen *gen, FILE *file);

#endif
