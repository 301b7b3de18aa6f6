/* SPDX-License-Identifier: MIT
 * The opcode rows to generate from, found by asking the decoder about every
 * opcode, mandatory prefix and ModRM byte; gen-skip.def takes out what the host's
 * user mode cannot answer. */
#include "tests/oracle/gen-priv.h"
#include "tests/oracle/recode.h"

typedef enum { FORM_NONE, FORM_VALID, FORM_UNDEFINED, FORM_LEFT_OUT } FormKind;

static bool skipped(unsigned id)
{
    switch (id) {
#define SKIP(insn, reason) case INSN_##insn:
#define HOST_ONLY(...)
#include "tests/oracle/gen-skip.def"
        return true;
    default:
        return false;
    }
}

static bool host_only(unsigned map, unsigned opcode)
{
    static const struct {
        uint8_t map, first, last;
    } table[] = {
#define SKIP(...)
#define HOST_ONLY(map, first, last, reason) {map, first, last},
#include "tests/oracle/gen-skip.def"
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        if (map == table[i].map && opcode >= table[i].first && opcode <= table[i].last)
            return true;
    }
    return false;
}

unsigned gen_row_bytes(const GenRow *row, uint8_t v, uint8_t *bytes)
{
    unsigned n = 0;
    if (row->vex) { /* SDM 2A "VEX": R, X, vvvv are inverted and outside 64-bit mode 1 */
        unsigned pp = row->prefix == 0x66 ? 1 : row->prefix == 0xf3 ? 2 : row->prefix == 0xf2 ? 3 : 0;
        bytes[n++] = 0xc4;
        bytes[n++] = (uint8_t)(0xe0 | row->map);
        bytes[n++] = (uint8_t)(0x40 | (v & 0xb8) | pp);
    } else {
        if (row->map)
            bytes[n++] = 0x0f;
        if (row->map > 1)
            bytes[n++] = row->map == 2 ? 0x38 : 0x3a;
    }
    bytes[n++] = row->opcode;
    return n;
}

static FormKind classify(const Gen *gen, const GenRow *row, unsigned modrm, X86Insn *insn,
                         uint8_t bytes[X86_MAX_INSN])
{
    unsigned n = 0;
    if (row->prefix && !row->vex)
        bytes[n++] = row->prefix;
    n += gen_row_bytes(row, 0x38, bytes + n);
    bytes[n++] = (uint8_t)modrm;
    if (x86_decode(insn, bytes, X86_MAX_INSN, GEN_MODE, &gen->model) != DECODE_OK)
        return FORM_NONE;
    if (insn->id == INSN_UD)
        return row->vex || host_only(row->map, row->opcode) ? FORM_NONE : FORM_UNDEFINED;
    return skipped(insn->id) || insn->vex != row->vex ? FORM_NONE : FORM_VALID;
}

/* Forms that have nothing that does the same in 64-bit mode go. */
static FormKind classify_recoded(const Gen *gen, const GenRow *row, unsigned modrm, X86Insn *insn,
                                 const char **reason)
{
    uint8_t bytes[X86_MAX_INSN] = {0};
    Recoded recoded;
    FormKind kind = classify(gen, row, modrm, insn, bytes);
    if (!gen->recoded || kind == FORM_NONE)
        return kind;
    recode_insn(bytes, insn->length, (RecodePlace){0}, &recoded);
    if (!recoded.reason)
        return kind;
    *reason = kind == FORM_VALID ? recoded.reason : *reason;
    return kind == FORM_VALID ? FORM_LEFT_OUT : FORM_NONE;
}

static void count_row(GenCoverage *c, bool valid, const char *reason)
{
    c->all += valid || reason;
    c->in_part += valid && reason;
    c->left_out += !valid && reason;
    if (reason)
        g_hash_table_replace(c->reasons, (char *)reason,
                             GUINT_TO_POINTER(GPOINTER_TO_UINT(
                                 g_hash_table_lookup(c->reasons, reason)) + 1));
}

/* Integer instructions that never fault by themselves. */
static bool is_common(const X86Insn *insn)
{
    return insn->id >= INSN_ADD && insn->id <= INSN_SAHF && !(insn->id >= INSN_JO && insn->id <= INSN_JG) &&
           insn->id != INSN_DIV && insn->id != INSN_IDIV;
}

static void add_row(GenRows *rows, const GenRow *row, unsigned weight)
{
    if (!weight)
        return;
    uint16_t index = (uint16_t)rows->rows->len;
    g_array_append_val(rows->rows, *row);
    for (unsigned i = 0; i < weight; i++)
        g_array_append_val(rows->lookup, index);
}

typedef struct {
    GenRow row;
    bool seen[INSN_COUNT];
} RowBuilder;

static void builder_add(RowBuilder *b, const X86Insn *insn, unsigned modrm)
{
    b->row.modrm = insn->has_modrm || insn->id == INSN_UD;
    if (modrm < 0xc0)
        b->row.mem_regs |= (uint8_t)(1u << (modrm >> 3));
    else
        b->row.reg_forms |= UINT64_C(1) << (modrm & 63);
    b->row.weight += !b->seen[insn->id];
    b->seen[insn->id] = true;
}

static void build_opcode(Gen *gen, unsigned map, unsigned opcode, unsigned prefix, bool vex)
{
    GenRow row = {.map = (uint8_t)map, .opcode = (uint8_t)opcode, .prefix = (uint8_t)prefix,
                  .vex = vex};
    RowBuilder valid = {.row = row}, common = {.row = row}, undefined = {.row = row};
    const char *reason = NULL;
    for (unsigned i = 0; i < 8 + 64; i++) {
        unsigned modrm = i < 8 ? i << 3 : 0xc0 | (i - 8);
        X86Insn insn;
        FormKind kind = classify_recoded(gen, &row, modrm, &insn, &reason);
        if (kind == FORM_UNDEFINED)
            builder_add(&undefined, &insn, modrm);
        if (kind == FORM_VALID)
            builder_add(&valid, &insn, modrm);
        if (kind == FORM_VALID && is_common(&insn))
            builder_add(&common, &insn, modrm);
    }
    count_row(&gen->coverage, valid.row.weight != 0, reason);
    add_row(&gen->valid, &valid.row, valid.row.weight);
    add_row(&gen->common, &common.row, common.row.weight);
    add_row(&gen->undefined, &undefined.row, undefined.row.weight);
}

static bool is_prefix(unsigned opcode)
{
    return (opcode & 0xe7) == 0x26 || (opcode >= 0x64 && opcode <= 0x67) || opcode == 0xf0 ||
           opcode == 0xf2 || opcode == 0xf3 || opcode == 0x0f;
}

void gen_rows_build(Gen *gen)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3};
    GenRows *all[] = {&gen->valid, &gen->common, &gen->undefined};
    gen->coverage.reasons = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        all[i]->rows = g_array_new(FALSE, FALSE, sizeof(GenRow));
        all[i]->lookup = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    }
    for (unsigned map = 0; map < 4; map++) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            if ((map == 0 && is_prefix(opcode)) || (map == 1 && (opcode == 0x38 || opcode == 0x3a)))
                continue;
            for (unsigned p = 0; p < (map ? G_N_ELEMENTS(prefixes) : 1); p++)
                build_opcode(gen, map, opcode, prefixes[p], false);
            for (unsigned p = 0; map > 1 && p < G_N_ELEMENTS(prefixes); p++)
                build_opcode(gen, map, opcode, prefixes[p], true);
        }
    }
}

void gen_rows_free(Gen *gen)
{
    GenRows *all[] = {&gen->valid, &gen->common, &gen->undefined};
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        g_array_free(all[i]->rows, TRUE);
        g_array_free(all[i]->lookup, TRUE);
    }
    g_hash_table_unref(gen->coverage.reasons);
}

const GenRow *gen_rows_pick(const GenRows *rows, Rng *rng)
{
    uint16_t index = g_array_index(rows->lookup, uint16_t, rng_below(rng, rows->lookup->len));
    return &g_array_index(rows->rows, GenRow, index);
}
