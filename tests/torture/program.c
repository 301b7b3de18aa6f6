/* SPDX-License-Identifier: MIT */
#include "tests/torture/program.h"

#include <string.h>

#include "base/disas.h"
#include "tests/torture/program-priv.h"

enum { FILLER = 0xcc }; /* INT3: goes to the handler */

const char *const program_kinds[PROGRAM_KINDS] = {"no paging", "global pages", "two address spaces",
                                                  "user mode"};

void program_generate(Program *p, uint64_t seed)
{
    Builder b = {.rng = {seed}, .p = p};
    memset(p, 0, sizeof *p);
    p->seed = seed;
    p->kind = rng_below(&b.rng, PROGRAM_KINDS);
    p->pae = rng_percent(&b.rng, 33);
    p->cr3[0] = PHYS_TOP(0);
    p->cr3[1] = PHYS_TOP(1);
    b.image = p->ram + PHYS_CODE;
    memset(b.image, FILLER, IMAGE_SIZE);
    for (unsigned i = 0; i < DATA_SIZE / 8; i++) {
        uint64_t value = rng_next(&b.rng);
        memcpy(p->ram + PHYS_DATA + 8 * i, &value, 8);
    }
    const uint32_t faults = rng_below(&b.rng, 60);
    memcpy(p->ram + PHYS_DATA + DATA_FAULTS, &faults, sizeof faults);
    blocks_emit(&b);
    fixups_apply(&b);
    system_build(&b);
    for (unsigned i = 0; i < 8; i++)
        p->gpr[i] = (uint32_t)rng_next(&b.rng);
    p->gpr[1] = 30 + rng_below(&b.rng, 120); /* ECX: blocks to run */
    if (rng_percent(&b.rng, 2))
        p->gpr[1] *= 8; /* what happens to pages and instructions that are hot */
    p->gpr[4] = program_stack(p);
    p->eip = program_code(p) + p->block_at[0];
}

static void print_code(const Program *p, const uint16_t *starts, unsigned count, GString *text)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned at = starts[i], end = at;
        while (end < starts[i + 1] && memcmp(p->ram + PHYS_CODE + end, "\xcc\xcc\xcc\xcc", 4))
            end++;
        disas_append(text, p->ram + PHYS_CODE + at, end - at, program_code(p) + at, 32);
    }
}

void program_print(const Program *p, GString *text)
{
    g_string_append_printf(text, "program %" G_GUINT64_FORMAT ": %s%s, starts at %x\n", p->seed,
                           program_kinds[p->kind], p->pae ? ", PAE" : "", p->eip);
    for (unsigned i = 0; i < 8; i++)
        g_string_append_printf(text, " r%u %08x", i, p->gpr[i]);
    g_string_append_c(text, '\n');
    print_code(p, p->block_at, p->blocks, text);
    print_code(p, p->function_at, p->functions, text);
}
