/* SPDX-License-Identifier: MIT
 * Puts snippets together: singles, and blocks with branches and bounded loops. */
#include "tests/oracle/gen-priv.h"

#include <string.h>

#include "tests/oracle/recode.h"
#include "tests/oracle/values.h"

/* Loops count in memory, where hardly anything else writes. */
#define LOOP_COUNTERS (ORACLE_DATA + 0x1d80)

Gen *gen_new(const CpuModel *model, bool recoded)
{
    Gen *gen = g_new0(Gen, 1);
    gen->model = *model;
    gen->recoded = recoded;
    gen_rows_build(gen);
    return gen;
}

void gen_free(Gen *gen)
{
    gen_rows_free(gen);
    g_free(gen);
}

int gen_padding(const Gen *gen, const uint8_t *bytes, unsigned count)
{
    Recoded recoded;
    if (!gen->recoded)
        return 0;
    recode_insn(bytes, count, (RecodePlace){0}, &recoded);
    return recoded.reason ? -1 : MAX(recoded.size - (int)count, 0);
}

bool gen_emit(Snippet *s, const uint8_t *bytes, unsigned count)
{
    OracleCase *oc = s->oc;
    int padding = gen_padding(s->gen, bytes, count);
    if (padding < 0 || oc->insn_count == ORACLE_MAX_INSNS ||
        oc->code_size + (unsigned)padding + count > ORACLE_MAX_CODE)
        return false;
    memset(oc->code + oc->code_size, RECODE_PAD32, (unsigned)padding);
    memcpy(oc->code + oc->code_size + padding, bytes, count);
    oc->insn_at[oc->insn_count++] = (uint16_t)oc->code_size;
    oc->code_size += (unsigned)padding + count;
    oc->insn_at[oc->insn_count] = (uint16_t)oc->code_size;
    return true;
}

/* target ORACLE_MAX_INSNS: an instruction after the last one at that time, chosen when all are
 * there. */
void gen_add_fixup(Snippet *s, Fixup fixup)
{
    if (s->fixup_count == MAX_FIXUPS)
        return;
    if (fixup.target == ORACLE_MAX_INSNS)
        fixup.target = (uint8_t)(s->oc->insn_count + 1 +
                                 rng_below(&s->rng, rng_percent(&s->rng, 70) ? 3 : 12));
    s->fixups[s->fixup_count++] = fixup;
}

static void store(uint8_t *at, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void apply_fixup(OracleCase *oc, const Fixup *f)
{
    uint32_t offset = oc->insn_at[MIN(f->target, oc->insn_count)];
    uint32_t address = oc->code_at + offset;
    switch (f->kind) {
    case FIX_REL8: {
        int32_t distance = (int32_t)offset - (f->at + 1);
        oc->code[f->at] = (uint8_t)(distance < 128 ? distance : 0);
        break;
    }
    case FIX_REL16:
        store(oc->code + f->at, offset - (f->at + 2u), 2);
        break;
    case FIX_REL32:
        store(oc->code + f->at, offset - (f->at + 4u), 4);
        break;
    case FIX_ABS_CODE:
        store(oc->code + f->at, address, 4);
        break;
    case FIX_ABS_PATCH:
        store(oc->patches[f->at].bytes, address, 4);
        break;
    case FIX_ABS_GPR:
        oc->in.gpr[f->at] = address;
        break;
    }
}

/* ---- pieces of blocks ---- */

void gen_loop_end(Snippet *s)
{
    OracleCase *oc = s->oc;
    if (oc->insn_count < 2 || oc->insn_count + 2 > ORACLE_MAX_INSNS)
        return;
    uint32_t counter = LOOP_COUNTERS + 16 * oc->patch_count;
    if (oc->patch_count == ORACLE_MAX_PATCHES || counter >= ORACLE_DATA + ORACLE_DATA_RW - 16)
        return;
    OraclePatch *patch = &oc->patches[oc->patch_count++];
    *patch = (OraclePatch){.offset = (uint16_t)(counter - ORACLE_DATA), .size = 4,
                           .bytes = {(uint8_t)(1 + rng_below(&s->rng, 4))}};
    uint8_t sub[] = {0x83, 0x2d, 0, 0, 0, 0, 1};
    store(sub + 2, counter, 4);
    unsigned back = rng_below(&s->rng, oc->insn_count);
    gen_emit(s, sub, sizeof sub);
    static const uint8_t jns[] = {0x0f, 0x89, 0, 0, 0, 0};
    gen_add_fixup(s, (Fixup){.kind = FIX_REL32, .at = (uint16_t)(oc->code_size + 2),
                             .target = (uint8_t)back});
    gen_emit(s, jns, sizeof jns);
}

/* mov reg, address in the data pages */
static void emit_pointer(Snippet *s)
{
    unsigned r = rng_below(&s->rng, 8);
    uint8_t mov[5] = {(uint8_t)(0xb8 | r)};
    uint32_t value = gen_pick_target(s, 16);
    store(mov + 1, value, 4);
    if (s->knowledge[r] == REG_UNKNOWN && gen_emit(s, mov, sizeof mov)) {
        s->value[r] = value;
        s->knowledge[r] = REG_KNOWN;
    }
}

/* mov reg, code address; jmp or call reg */
static void emit_indirect(Snippet *s)
{
    unsigned r = rng_below(&s->rng, 8);
    uint8_t mov[5] = {(uint8_t)(0xb8 | r)};
    uint8_t branch[2] = {0xff, (uint8_t)((rng_percent(&s->rng, 50) ? 0xe0 : 0xd0) | r)};
    if (r == REG_ESP || s->oc->insn_count + 2 > ORACLE_MAX_INSNS)
        return;
    uint16_t at = (uint16_t)(s->oc->code_size + 1);
    gen_emit(s, mov, sizeof mov);
    gen_add_fixup(s, (Fixup){.kind = FIX_ABS_CODE, .at = at, .target = ORACLE_MAX_INSNS});
    gen_emit(s, branch, sizeof branch);
    s->knowledge[r] = REG_UNKNOWN;
}

/* Readers of flags: their producer may be several instructions back. */
void gen_flag_reader(Snippet *s)
{
    static const uint8_t readers[][2] = {
        {0x9c}, {0x9f}, {0x19, 0xc0}, {0x11, 0xd2}, {0xd0, 0xd1}, {0xd1, 0xdb}, {0xf5},
    };
    static const uint8_t sizes[] = {1, 1, 2, 2, 2, 2, 1};
    unsigned i = rng_below(&s->rng, G_N_ELEMENTS(sizes));
    gen_emit(s, readers[i], sizes[i]);
    if (i >= 1 && i <= 5)
        s->knowledge[(const uint8_t[]){0, 0, 0, 2, 1, 3}[i]] = REG_UNKNOWN;
}

static void emit_item(Snippet *s)
{
    Gen *gen = s->gen;
    uint32_t kind = rng_below(&s->rng, 100);
    if (kind < 8)
        emit_pointer(s);
    else if (kind < 12)
        gen_loop_end(s);
    else if (kind < 15)
        emit_indirect(s);
    else if (kind < 22)
        gen_flag_reader(s);
    else if (kind < 62)
        gen_random_insn(s, gen_rows_pick(&gen->common, &s->rng));
    else
        gen_random_insn(s, gen_rows_pick(&gen->valid, &s->rng));
}

/* ---- cases ---- */

static void start_state(Snippet *s)
{
    OracleState *in = &s->oc->in;
    Rng *rng = &s->rng;
    for (unsigned i = 0; i < 8; i++)
        in->gpr[i] = s->value[i] = value_int32(rng);
    in->eflags = ((uint32_t)rng_next(rng) & 0x8d5) | (rng_percent(rng, 15) ? EFLAGS_DF : 0);
    uint32_t stack = ORACLE_DATA + 0x400 + rng_below(rng, 0xc00);
    if (rng_percent(rng, 15))
        stack = gen_pick_target(s, 8);
    gen_assign(s, REG_ESP, rng_percent(rng, 75) ? stack & ~3u : stack);
}

static uint32_t pick_code_at(Rng *rng, GenClass class)
{
    if (class == GEN_SMC)
        return ORACLE_CODE + ORACLE_CODE_RW + rng_below(rng, 0x1000 - 2 * ORACLE_MAX_CODE);
    if (rng_percent(rng, 15)) /* some instruction crosses a page */
        return ORACLE_CODE + 0x1000 * (1 + rng_below(rng, 2)) - rng_below(rng, 40);
    return ORACLE_CODE + rng_below(rng, ORACLE_CODE_RW - 2 * ORACLE_MAX_CODE);
}

/* inc ecx: shows whether a branch was taken. */
static const uint8_t marker_insn[] = {0x41};

void gen_case(Gen *gen, GenClass class, uint64_t seed, OracleCase *oc)
{
    Snippet s = {.gen = gen, .rng = {seed}, .class = class, .oc = oc};
    oc->seed = seed;
    oc->recoded = gen->recoded;
    oc->code_size = oc->insn_count = oc->patch_count = 0;
    oc->code_at = oc->in.eip = pick_code_at(&s.rng, class);
    start_state(&s);
    if (class == GEN_SINGLE) {
        bool undefined = rng_percent(&s.rng, 3);
        gen_random_insn(&s, gen_rows_pick(undefined ? &gen->undefined : &gen->valid, &s.rng));
        gen_emit(&s, marker_insn, sizeof marker_insn);
    } else if (class == GEN_SMC) {
        gen_smc_body(&s, 2 + rng_below(&s.rng, ORACLE_MAX_INSNS - 1));
    } else {
        unsigned count = 2 + rng_below(&s.rng, ORACLE_MAX_INSNS - 1);
        for (unsigned tries = 0; oc->insn_count < count && tries < 40; tries++)
            emit_item(&s);
    }
    for (unsigned i = 0; i < s.fixup_count; i++)
        apply_fixup(oc, &s.fixups[i]);
    value_fx(&s.rng, oc->in.fx, !s.fpu_used);
}

void gen_print_coverage(const Gen *gen, FILE *file)
{
    for (unsigned id = 0; id < INSN_COUNT; id++) {
        if (gen->generated[id])
            fprintf(file, "%8llu %s\n", (unsigned long long)gen->generated[id],
                    x86_insn_name((InsnId)id));
    }
}

static gint by_count(gconstpointer a, gconstpointer b, gpointer reasons)
{
    return (gint)GPOINTER_TO_UINT(g_hash_table_lookup(reasons, b)) -
           (gint)GPOINTER_TO_UINT(g_hash_table_lookup(reasons, a));
}

void gen_print_rows(const Gen *gen, FILE *file)
{
    const GenCoverage *c = &gen->coverage;
    unsigned covered = c->all - c->left_out;
    fprintf(file, "# %u of %u opcode rows (%u %%), %u of them in part\n", covered, c->all,
            100 * covered / c->all, c->in_part);
    g_autoptr(GList) list = g_hash_table_get_keys(c->reasons);
    list = g_list_sort_with_data(list, by_count, c->reasons);
    for (GList *i = list; i; i = i->next)
        fprintf(file, "# %4u rows: %s\n", GPOINTER_TO_UINT(g_hash_table_lookup(c->reasons, i->data)),
                (const char *)i->data);
}
