/* SPDX-License-Identifier: MIT */
#include "tests/oracle/shrink.h"

#include <string.h>

enum { NOP = 0x90 };

typedef struct {
    OracleCase *best;
    ShrinkFails fails;
    void *opaque;
    bool progress;
} Shrink;

static void try_case(Shrink *s, const OracleCase *candidate)
{
    if (!memcmp(candidate, s->best, sizeof *candidate) || !s->fails(s->opaque, candidate))
        return;
    *s->best = *candidate;
    s->progress = true;
}

static void drop_instructions(Shrink *s)
{
    for (unsigned i = 0; i < s->best->insn_count; i++) {
        OracleCase c = *s->best;
        memset(c.code + c.insn_at[i], NOP, (size_t)(c.insn_at[i + 1] - c.insn_at[i]));
        try_case(s, &c);
    }
}

/* Start after the leading NOPs. */
static void cut_start(Shrink *s)
{
    OracleCase c = *s->best;
    while (c.in.eip < c.code_at + c.code_size && c.code[c.in.eip - c.code_at] == NOP)
        c.in.eip++;
    try_case(s, &c);
}

static void simplify_registers(Shrink *s)
{
    for (unsigned i = 0; i < 8; i++) {
        OracleCase c = *s->best;
        c.in.gpr[i] = i == 4 ? ORACLE_DATA + 0x800 : 0;
        try_case(s, &c);
    }
    for (unsigned bit = 0; bit < 12; bit++) {
        OracleCase c = *s->best;
        c.in.eflags &= ~(1u << bit);
        try_case(s, &c);
    }
}

static void drop_patches(Shrink *s)
{
    for (unsigned i = 0; i < s->best->patch_count; i++) {
        OracleCase c = *s->best;
        c.patches[i] = c.patches[--c.patch_count];
        memset(&c.patches[c.patch_count], 0, sizeof c.patches[0]);
        try_case(s, &c);
    }
}

static void simplify_fpu(Shrink *s)
{
    static const struct {
        uint16_t at, size;
        uint8_t value[4];
    } defaults[] = {
        {32, 128, {0}}, {160, 128, {0}}, {2, 2, {0}}, {4, 1, {0}}, {6, 18, {0}},
        {0, 2, {0x7f, 3}}, {24, 4, {0x80, 0x1f}},
    };
    for (unsigned i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        OracleCase c = *s->best;
        memset(c.in.fx + defaults[i].at, 0, defaults[i].size);
        memcpy(c.in.fx + defaults[i].at, defaults[i].value, defaults[i].size < 4 ? defaults[i].size : 4);
        try_case(s, &c);
    }
}

void oracle_shrink(OracleCase *oc, ShrinkFails fails, void *opaque)
{
    Shrink s = {oc, fails, opaque, true};
    for (unsigned round = 0; round < 4 && s.progress; round++) {
        s.progress = false;
        drop_instructions(&s);
        cut_start(&s);
        drop_patches(&s);
        simplify_fpu(&s);
        simplify_registers(&s);
    }
}
