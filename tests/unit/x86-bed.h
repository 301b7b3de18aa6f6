/* SPDX-License-Identifier: MIT
 * A CPU on 1 MiB of RAM for the tests of its C parts: no engine, no translator. */
#ifndef TESTS_UNIT_X86_BED_H
#define TESTS_UNIT_X86_BED_H

#include <criterion/criterion.h>
#include <setjmp.h>

#include "translator/x86/helpers.h"

enum {
    BED_RAM = 0x100000,
    BED_GDT = 0x1000,
    BED_IDT = 0x2000,
    BED_TSS = 0x3000,
    BED_TSS2 = 0x4000,
    BED_STACK0 = 0x8000,  /* ring 0 stack top */
    BED_STACK3 = 0x9000,  /* ring 3 stack top */
    BED_CODE = 0x10000,
};

/* Selectors of the bed's GDT. */
enum {
    CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x18 | 3, DATA3 = 0x20 | 3, TSS1 = 0x28, TSS2 = 0x30,
    ABSENT = 0x38, RDONLY = 0x40, SPARE = 0x48, GDT_ENTRIES = 16,
};

typedef struct {
    Ram *ram;
    AddressSpace *as;
    CpuX86 *cpu;
    uint8_t *mem;
} Bed;

Bed bed_new(const char *model);
void bed_free(Bed *bed);
/* Protected mode at CPL 0 or 3, flat segments, TSS1 loaded with SS0:ESP0. */
void bed_protected(Bed *bed, unsigned cpl);
void bed_desc(Bed *bed, unsigned selector, uint32_t base, uint32_t limit, unsigned type_dpl_p,
              bool big);
void bed_gate(Bed *bed, unsigned vector, uint16_t selector, uint32_t offset, unsigned type,
              unsigned dpl);
uint32_t bed_read(const Bed *bed, uint32_t at, unsigned size);
void bed_write(Bed *bed, uint32_t at, unsigned size, uint32_t value);

/* Run a helper; EXIT_REASONS if it returned, else why it left (v.fault is set for EXIT_FAULT). */
ExitReason bed_call(Bed *bed, HelperFn fn, uint64_t a, uint64_t b, uint64_t c, uint64_t *result);
#define bed_run(bed, name, a, b, c) bed_call(bed, helper_##name, a, b, c, NULL)
void bed_expect_fault(Bed *bed, ExitReason reason, unsigned vector, uint32_t code);

#endif
