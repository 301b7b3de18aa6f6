/* SPDX-License-Identifier: MIT
 * Inside the generator: the table of opcode rows (gen-rows.c) and the snippet
 * under construction (gen-insn.c, gen.c). */
#ifndef TESTS_ORACLE_GEN_PRIV_H
#define TESTS_ORACLE_GEN_PRIV_H

#include "tests/oracle/gen.h"
#include "tests/oracle/rng.h"
#include "translator/x86/cpu.h"
#include "translator/x86/decode.h"
#include "translator/x86/mode.h"

enum {
    GEN_MODE = MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_USER | MODE_SSE,
    GEN_ABSENT = 0xff,
};

/* One opcode byte with one mandatory prefix, and which of its ModRM bytes are wanted. */
typedef struct {
    uint8_t map, opcode, prefix;
    bool modrm;
    bool vex;           /* map and prefix go into a VEX prefix */
    uint8_t mem_regs;   /* bit r: memory forms with reg field r */
    uint64_t reg_forms; /* bit (modrm & 63): register forms */
    unsigned weight;    /* distinct instructions among them */
} GenRow;

typedef struct {
    GArray *rows;   /* of GenRow */
    GArray *lookup; /* of uint16_t: each row as often as its weight says */
} GenRows;

/* Opcode rows that the decoder knows for user mode, and what becomes of them. */
typedef struct {
    unsigned all, in_part, left_out;
    GHashTable *reasons; /* text -> rows that lost forms by it */
} GenCoverage;

struct Gen {
    CpuModel model;
    bool recoded;
    GenCoverage coverage;
    GenRows valid;     /* what runs or faults in user mode */
    GenRows common;    /* integer instructions that blocks are mostly made of */
    GenRows undefined; /* #UD */
    uint64_t generated[INSN_COUNT];
};

typedef enum { REG_FREE, REG_KNOWN, REG_UNKNOWN } RegKnowledge;

typedef struct {
    enum { FIX_REL8, FIX_REL32, FIX_REL16, FIX_ABS_CODE, FIX_ABS_PATCH, FIX_ABS_GPR } kind;
    uint16_t at;    /* offset in code, or number of the patch or register */
    uint8_t offset; /* in the patch */
    uint8_t target; /* index of an instruction; the last is the end */
} Fixup;

enum { MAX_FIXUPS = 40 };

/* A snippet under construction. What a register holds is known until something writes it: a wrong
 * guess costs a page fault, no more. */
typedef struct {
    Gen *gen;
    Rng rng;
    GenClass class;
    OracleCase *oc;
    uint8_t knowledge[8];
    uint32_t value[8]; /* of registers that are not REG_UNKNOWN */
    Fixup fixups[MAX_FIXUPS];
    unsigned fixup_count;
    bool fpu_used;
} Snippet;

/* sub dword [counter], 1; jns back to some instruction: one to five rounds. */
void gen_loop_end(Snippet *s);
/* An instruction whose result shows the flags. */
void gen_flag_reader(Snippet *s);
/* gen-smc.c: the instructions of a GEN_SMC snippet. */
void gen_smc_body(Snippet *s, unsigned count);

void gen_rows_build(Gen *gen);
void gen_rows_free(Gen *gen);
/* Prefix, escape and opcode bytes of a row into at most 5 bytes; v: VEX.vvvv and W at random. */
unsigned gen_row_bytes(const GenRow *row, uint8_t v, uint8_t *bytes);
const GenRow *gen_rows_pick(const GenRows *rows, Rng *rng);

/* How many prefixes without a meaning an instruction needs in front, so that its recoded form has
 * room; -1: it has none. */
int gen_padding(const Gen *gen, const uint8_t *bytes, unsigned count);
/* Append bytes as one instruction, padding in front. false: no room. */
bool gen_emit(Snippet *s, const uint8_t *bytes, unsigned count);
void gen_add_fixup(Snippet *s, Fixup fixup);
/* Append a random instruction of this row with its operands arranged; false: none found. */
bool gen_random_insn(Snippet *s, const GenRow *row);
/* An address in or about the data pages for an access of `size` bytes. */
uint32_t gen_pick_target(Snippet *s, unsigned size);
/* Register r is to point at `address`, if its value is still free. */
void gen_assign(Snippet *s, unsigned r, uint32_t value);

#endif
