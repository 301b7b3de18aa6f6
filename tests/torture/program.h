/* SPDX-License-Identifier: MIT
 * Random programs that rewrite themselves: immediates, opcodes and branch
 * targets of blocks that run, ran or will run, through any mapping of their pages, while pages
 * are mapped anew. Blocks call functions, which return where they should or elsewhere. Each program
 * ends: every block counts ECX down, functions their depth. It depends on its seed only. */
#ifndef TESTS_TORTURE_PROGRAM_H
#define TESTS_TORTURE_PROGRAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/torture/layout.h"

typedef enum {
    PROGRAM_FLAT,   /* no paging, CPL 0 */
    PROGRAM_GLOBAL, /* CPL 0, global pages, one address space */
    PROGRAM_SPACES, /* CPL 0, two address spaces */
    PROGRAM_USER,   /* CPL 3, two address spaces */
    PROGRAM_KINDS
} ProgramKind;

enum { MAX_BLOCKS = 12, MAX_FUNCTIONS = 4 };

typedef struct {
    uint64_t seed;
    ProgramKind kind;
    bool pae;
    uint32_t gpr[8], eip;
    uint32_t cr3[2]; /* of the two spaces; starts in the first */
    unsigned blocks;
    uint16_t block_at[MAX_BLOCKS + 1]; /* offsets in the image; last: end */
    unsigned functions;
    uint16_t function_at[MAX_FUNCTIONS + 1]; /* likewise */
    uint8_t ram[RAM_SIZE];
} Program;

void program_generate(Program *p, uint64_t seed);
extern const char *const program_kinds[PROGRAM_KINDS];
/* Where the parts are seen from code. */
uint32_t program_code(const Program *p);
uint32_t program_kernel(const Program *p);
void program_print(const Program *p, GString *text);

#endif
