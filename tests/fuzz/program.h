/* SPDX-License-Identifier: MIT
 * A program of fuzz-execute: what an input makes of memory and of a CPU. Small tables of all that
 * system software sets up (segments, gates, tasks, pages, handlers that go on behind what faulted)
 * stand ready, so that an input has to say only what is wrong with them. */
#ifndef TESTS_FUZZ_PROGRAM_H
#define TESTS_FUZZ_PROGRAM_H

#include "tests/fuzz/fuzz.h"
#include "translator/x86/cpu.h"

enum {
    PROGRAM_RAM = 0x40000,
    PROGRAM_TABLES = 0x4000, /* all page tables lie here */
    PROGRAM_TABLES_END = 0x9000,
    PROGRAM_MMIO = 0x60000, /* a page */
    PROGRAM_PORT = 0x80,
    PROGRAM_PORTS = 16,
};

typedef struct {
    uint8_t ram[PROGRAM_RAM];
    unsigned mode;      /* PROGRAM_* bits */
    uint32_t eflags, cr0, cr4;
    uint32_t gpr[8];
    unsigned interrupt_every; /* so many instructions, 0: never; its vector */
    uint8_t vector;
} Program;

/* The lowest bits of the input. */
enum {
    PROGRAM_PROTECTED = 1,
    PROGRAM_USER = 2,
    PROGRAM_V86 = 4,
    PROGRAM_CODE16 = 8,
    PROGRAM_PAGING = 16,
    PROGRAM_PAE = 32,
    PROGRAM_LARGE_ECX = 64 + 128, /* both */
};

void program_read(Program *program, const uint8_t *bytes, size_t count);
/* A CPU that begins the program; its memory is the caller's business. */
void program_set_cpu(const Program *program, CpuX86 *cpu);
/* Did the guest change what the TLB may remember: tables, other than by setting accessed and dirty
 * bits, or where they are? From then on what an access finds is up to the CPU. */
bool program_changed_paging(const Program *program, const CpuX86 *cpu, const uint8_t *ram);

#endif
