/* SPDX-License-Identifier: MIT
 * A program while it is put together: blocks (blocks.c) go into the image, then the
 * stores among them are pointed at spots of it, then the system around it is
 * built (system.c). */
#ifndef TESTS_TORTURE_PROGRAM_PRIV_H
#define TESTS_TORTURE_PROGRAM_PRIV_H

#include "tests/oracle/rng.h"
#include "tests/torture/program.h"

enum { MAX_SPOTS = 256, MAX_FIXUPS = 512, FUNCTION_ROOM = 400 };

/* What a spot in the code holds, and so what may be stored there. */
typedef enum {
    SPOT_IMM,     /* 4 bytes, anything */
    SPOT_BYTE,    /* 1 byte, anything */
    SPOT_OPCODE,  /* 1 byte of a list */
    SPOT_MOV,     /* opcode of mov r32, imm32 and three bytes of the immediate */
    SPOT_DISP,    /* address of data; never parted by a page */
    SPOT_BRANCH,  /* rel32 to the start of a block; never parted by a page */
    SPOT_ADDRESS, /* linear address of a block's start; likewise */
    SPOT_CALL,    /* rel32 to the start of a function; likewise */
    SPOT_KINDS
} SpotKind;

typedef struct {
    uint16_t at[MAX_SPOTS];
    unsigned count;
} Spots;

/* Filled in when all blocks are there. */
typedef struct {
    enum {
        FIX_BLOCK_REL,     /* rel32 to some block */
        FIX_BLOCK_ADDRESS, /* address of some block */
        FIX_CALL,          /* rel32 to some function */
        FIX_FUNCTION,      /* address of some function */
        FIX_FLIP,  /* of a page that holds code: at: address of its page-table entry; imm_at: that
                      of the page; size: how far behind `at` that of code there stands */
        FIX_STORE, /* disp32: a spot; imm_at: imm32 or imm8 that suits it */
        FIX_COPY,  /* addresses of `size` bytes: at (source), imm_at (destination) */
        FIX_PUSH,  /* at: address behind a spot of 4 bytes, less size; imm_at: what suits it */
    } kind;
    SpotKind spot;
    uint8_t size;
    uint8_t near; /* of SPOT_IMM's count when it was emitted; FIX_FLIP: the same as the last */
    uint16_t at, imm_at; /* offsets in the image; imm_at 0: none */
} Fixup;

typedef struct {
    Rng rng;
    Program *p;
    uint8_t *image; /* of the first copy */
    unsigned at;
    Spots spots[SPOT_KINDS];
    Fixup fixups[MAX_FIXUPS];
    unsigned fixup_count;
    uint16_t free_at[MAX_BLOCKS]; /* data between blocks */
    unsigned free_count;
    bool in_function;    /* which must not begin a new stack */
    unsigned differs_at; /* a byte that is another in the other copy; 0: none */
    uint32_t flip[3];    /* the last one's entry, page, code */
} Builder;

/* blocks.c */
void blocks_emit(Builder *b);
#define EMIT(b, ...) emit(b, sizeof((const uint8_t[]){__VA_ARGS__}), (const uint8_t[]){__VA_ARGS__})
enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };
void emit(Builder *b, unsigned count, const uint8_t *bytes);
void emit32(Builder *b, uint32_t value);
void emit_any_insn(Builder *b);
void emit_stack(Builder *b); /* ESP to its start */
void emit_rel(Builder *b);   /* to a block */
void fix(Builder *b, Fixup fixup);
void add_spot(Builder *b, SpotKind kind, unsigned at);
unsigned random_reg(Builder *b); /* not ECX, ESP */
/* NOPs until so many bytes are on one page: between a change of a page table and its INVLPG no
 * fault may come, and no instruction that changes one may begin on a page with other code than the
 * page it ends on, or what follows depended on the TLB. */
void keep_on_page(Builder *b, unsigned count);
/* functions.c */
void functions_emit(Builder *b);
void emit_call(Builder *b);
/* A page is mapped to its other copy, then what lies there is called or jumped to. */
void emit_flip_call(Builder *b);
void emit_flip_jump(Builder *b);
/* fixups.c */
void fixups_apply(Builder *b);
/* Linear address of 16 bytes that are not code. */
uint32_t random_data(Builder *b);
/* Opcode of a mov to a register that instructions may change. */
uint8_t random_mov(Rng *rng);
/* A valid byte of a SPOT_OPCODE. */
uint8_t random_opcode(Rng *rng);
/* system.c */
void system_build(Builder *b);
/* A page-table entry for page `page` of the image, either copy. present: must be. */
uint32_t random_image_pte(Builder *b, unsigned page, bool present);
/* Linear addresses of the mappings of the image: one, or three. */
uint32_t random_mapping(Builder *b);
uint32_t program_data(const Program *p);
uint32_t program_stack(const Program *p);

#endif
