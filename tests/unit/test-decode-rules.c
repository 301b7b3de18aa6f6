/* SPDX-License-Identifier: MIT
 * The decoder's rules that libcapstone cannot judge: prefixes, lengths, modes, CPU models; and
 * what the lifter makes of native instructions. */
#include <criterion/criterion.h>

#include "translator/x86/lift.h"

enum {
    CODE32 = MODE_PROTECTED | MODE_CPL0 | MODE_CODE32 | MODE_STACK32,
    CODE16 = MODE_PROTECTED | MODE_CPL0,
    REAL16 = MODE_CPL0,
    VM86 = MODE_PROTECTED | MODE_VM86 | MODE_USER,
};

static CpuModel full_model(void)
{
    return (CpuModel){.family = 6, .has_cpuid = true, .features = {~UINT64_C(0), ~UINT64_C(0)}};
}

static unsigned parse(const char *text, uint8_t *code)
{
    unsigned count = 0;
    for (; *text && count < 32; text += text[2] ? 3 : 2)
        code[count++] = (uint8_t)strtoul((char[]){text[0], text[1], 0}, NULL, 16);
    return count;
}

static X86Insn decode(const char *text, uint32_t mode, const CpuModel *model)
{
    uint8_t code[32];
    X86Insn insn;
    unsigned count = parse(text, code);
    cr_expect_eq(x86_decode(&insn, code, count, mode, model), DECODE_OK, "%s", text);
    cr_expect(insn.id == INSN_UD || insn.length == count, "%s: %u", text, insn.length);
    return insn;
}

static void expect_id(const char *text, uint32_t mode, const CpuModel *model, InsnId id)
{
    X86Insn insn = decode(text, mode, model);
    cr_expect_eq(insn.id, id, "%s: %s, not %s", text, x86_insn_name(insn.id), x86_insn_name(id));
}

static void without(CpuModel *model, CpuFeature feature)
{
    model->features[feature / 64] &= ~(UINT64_C(1) << feature % 64);
}

Test(decode_rules, last_prefix_of_a_group_counts)
{
    CpuModel m = full_model();
    cr_expect_eq(decode("f3 f2 a6", CODE32, &m).rep, 0xf2);
    cr_expect_eq(decode("f2 f3 a6", CODE32, &m).rep, 0xf3);
    cr_expect_eq(decode("26 65 8b 00", CODE32, &m).seg, SEG_GS);
    cr_expect_eq(decode("64 3e 8b 45 00", CODE32, &m).seg, SEG_DS);
    cr_expect_eq(decode("8b 45 00", CODE32, &m).seg, SEG_SS);
    cr_expect_eq(decode("66 66 8b 00", CODE32, &m).op_size, 2);
    cr_expect_eq(decode("67 67 8b 00", CODE32, &m).addr_size, 2);
    expect_id("f3 f2 0f 58 c1", CODE32, &m, INSN_ADDSD);
    expect_id("f2 f3 0f 58 c1", CODE32, &m, INSN_ADDSS);
    expect_id("66 f3 0f 58 c1", CODE32, &m, INSN_ADDSS);
    expect_id("f3 66 0f 58 c1", CODE32, &m, INSN_ADDSS);
    expect_id("66 f3 90", CODE32, &m, INSN_PAUSE);
    cr_expect_eq(decode("66 f3 0f b8 c1", CODE32, &m).opd[0].size, 2);
    cr_expect_eq(decode("66 f2 0f 38 f1 c1", CODE32, &m).opd[1].size, 2);
}

Test(decode_rules, fifteen_bytes_and_no_more)
{
    CpuModel m = full_model();
    X86Insn insn;
    uint8_t code[16];
    memset(code, 0x3e, sizeof code);
    code[14] = 0x90;
    cr_expect_eq(x86_decode(&insn, code, 16, CODE32, &m), DECODE_OK);
    cr_expect_eq(insn.length, 15);
    code[14] = 0x8b; /* needs a ModRM as 16th byte */
    cr_expect_eq(x86_decode(&insn, code, 16, CODE32, &m), DECODE_TOO_LONG);
    cr_expect_eq(x86_decode(&insn, code, 15, CODE32, &m), DECODE_TOO_LONG);
    cr_expect_eq(x86_decode(&insn, code, 14, CODE32, &m), DECODE_MORE);
    code[14] = 0x3e;
    cr_expect_eq(x86_decode(&insn, code, 16, CODE32, &m), DECODE_TOO_LONG);
}

Test(decode_rules, every_cut_of_an_instruction_asks_for_more)
{
    static const char *const texts[] = {"c7 84 98 11 22 33 44 55 66 77 88", "9a 11 22 33 44 55 66",
                                        "c8 11 22 33", "66 0f 3a 63 44 98 11 22", "c4 e2 73 f5 c2"};
    CpuModel m = full_model();
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        uint8_t code[32];
        X86Insn insn;
        unsigned count = parse(texts[i], code);
        for (unsigned cut = 0; cut < count; cut++)
            cr_expect_eq(x86_decode(&insn, code, cut, CODE32, &m), DECODE_MORE, "%s", texts[i]);
        expect_id(texts[i], CODE32, &m, decode(texts[i], CODE32, &m).id);
    }
}

/* SDM 2A "LOCK": ADD ADC AND BTC BTR BTS CMPXCHG CMPXCHG8B DEC INC NEG NOT OR SBB SUB XOR XADD
 * XCHG with a memory destination. */
Test(decode_rules, lock)
{
    static const char *const legal[] = {
        "f0 00 00",       "f0 09 00",       "f0 10 00",
        "f0 19 00",       "f0 20 00",       "f0 29 00",
        "f0 30 00",       "f0 80 00 01",    "f0 81 08 01 02 03 04",
        "f0 82 00 01",    "f0 83 30 01",    "f0 86 00",
        "f0 87 00",       "f0 f6 10",       "f0 f7 18",
        "f0 fe 00",       "f0 ff 08",       "f0 0f ab 00",
        "f0 0f b3 00",    "f0 0f bb 00",    "f0 0f ba 28 01",
        "f0 0f ba 30 01", "f0 0f ba 38 01", "f0 0f b0 00",
        "f0 0f b1 00",    "f0 0f c0 00",    "f0 0f c1 00",
        "f0 0f c7 08",
    };
    static const char *const illegal[] = {
        "f0 00 c0",    "f0 02 00",    "f0 38 00",       "f0 83 38 01",    "f0 84 00", "f0 87 c0",
        "f0 88 00",    "f0 90",       "f0 91",          "f0 f6 00 01",    "f0 f7 20", "f0 ff 10",
        "f0 ff 30",    "f0 0f a3 00", "f0 0f ba 20 01", "f0 0f ab c0",    "f0 a4",    "f0 c0 00 01",
        "f0 0f 58 00", "f0 d8 00",    "f0 0f 20 c0",    "f0 0f a4 00 01",
    };
    CpuModel m = full_model();
    for (unsigned i = 0; i < G_N_ELEMENTS(legal); i++)
        cr_expect(decode(legal[i], CODE32, &m).id != INSN_UD, "%s", legal[i]);
    for (unsigned i = 0; i < G_N_ELEMENTS(illegal); i++)
        cr_expect(decode(illegal[i], CODE32, &m).id == INSN_UD, "%s", illegal[i]);
}

Test(decode_rules, modes)
{
    CpuModel m = full_model();
    expect_id("c4 e2 70 f2 c2", CODE32, &m, INSN_ANDN);
    expect_id("c4 e2 70 f2 c2", CODE16, &m, INSN_ANDN);
    expect_id("c4 e2 70 f2 c2", REAL16, &m, INSN_UD);
    expect_id("c4 e2 70 f2 c2", VM86, &m, INSN_UD);
    expect_id("c4 07", REAL16, &m, INSN_LES);
    expect_id("c5 07", CODE32, &m, INSN_LDS);
    expect_id("66 c4 e2 70 f2 c2", CODE32, &m, INSN_UD);
    expect_id("c4 e2 74 f2 c2", CODE32, &m, INSN_UD);    /* L */
    expect_id("c4 e3 73 f0 c2 01", CODE32, &m, INSN_UD); /* vvvv without a use */
    expect_id("c4 e3 7b f0 c2 01", CODE32, &m, INSN_RORX);
    expect_id("63 c8", CODE32, &m, INSN_ARPL);
    expect_id("63 c8", REAL16, &m, INSN_UD);
    expect_id("0f 00 c0", VM86, &m, INSN_UD);
    expect_id("0f 01 e0", VM86, &m, INSN_SMSW);
}

Test(decode_rules, models)
{
    CpuModel m = full_model();
    expect_id("f3 0f bc c1", CODE32, &m, INSN_TZCNT);
    without(&m, FEAT_BMI1);
    without(&m, FEAT_ABM);
    without(&m, FEAT_POPCNT);
    without(&m, FEAT_CMOV);
    without(&m, FEAT_SSE2);
    expect_id("f3 0f bc c1", CODE32, &m, INSN_BSF);
    cr_expect_eq(decode("f3 0f bc c1", CODE32, &m).mandatory, 0);
    expect_id("f3 0f bd c1", CODE32, &m, INSN_BSR);
    expect_id("f3 0f b8 c1", CODE32, &m, INSN_UD);
    expect_id("0f 40 c1", CODE32, &m, INSN_UD);
    expect_id("da c1", CODE32, &m, INSN_UD);
    expect_id("66 0f 6f c1", CODE32, &m, INSN_UD);
    expect_id("0f 6f c1", CODE32, &m, INSN_MOVQ);
    m.family = 5;
    expect_id("0f 1f c0", CODE32, &m, INSN_UD);
    expect_id("0f c8", CODE32, &m, INSN_BSWAP);
    m.family = 3;
    expect_id("0f c8", CODE32, &m, INSN_UD);
    m.has_cpuid = false;
    expect_id("0f a2", CODE32, &m, INSN_UD);
}

Test(decode_rules, aliases_and_odd_ones)
{
    CpuModel m = full_model();
    expect_id("d0 f0", CODE32, &m, INSN_SHL);
    expect_id("f6 c8 01", CODE32, &m, INSN_TEST);
    expect_id("82 c0 01", CODE32, &m, INSN_ADD);
    expect_id("d6", CODE32, &m, INSN_SALC);
    expect_id("f1", CODE32, &m, INSN_ICEBP);
    expect_id("0f 20 0a", CODE32, &m, INSN_UD);     /* CR1 */
    expect_id("0f 20 02", CODE32, &m, INSN_MOV_CR); /* mod does not count */
    expect_id("8e c8", CODE32, &m, INSN_UD);
    expect_id("8c c8", CODE32, &m, INSN_MOV_FROM_SEG);
    expect_id("8d c0", CODE32, &m, INSN_UD);
    expect_id("ff f8", CODE32, &m, INSN_UD);
    expect_id("c6 c8 01", CODE32, &m, INSN_UD);
    cr_expect_eq(decode("66 98", CODE32, &m).id, INSN_CBW);
    cr_expect_eq(decode("c8 34 12 05", CODE32, &m).imm2, 5);
    cr_expect_eq(decode("6a ff", CODE32, &m).imm, -1);
    cr_expect_eq(decode("c2 ff ff", CODE32, &m).imm, 0xffff);
    cr_expect_eq(decode("e4 ff", CODE32, &m).imm, 0xff);
}

/* --- native --- */

static const HelperInfo helpers[] = {
#define HELPER(name, nargs, effects) {#name, NULL, nargs, effects},
#include "translator/x86/helpers.def"
#undef HELPER
};

/* The op in the printer's words; the last one of the instruction. */
static char *lift_text(const char *text, uint32_t mode)
{
    CpuModel m = full_model();
    X86Insn insn = decode(text, mode, &m);
    IrBlock block;
    ir_block_init(&block, helpers, G_N_ELEMENTS(helpers));
    Lift l = {.ir = &block, .insn = &insn, .mode = mode, .model = &m, .cs_limit = ~0u};
    lift_insn(&l);
    GString *out = g_string_new(NULL);
    for (unsigned i = 1; i < block.count; i++)
        ir_print_insn(&block, &block.insns[i], out);
    ir_block_destroy(&block);
    if (out->len)
        g_string_truncate(out, out->len - 1);
    return g_string_free(out, FALSE);
}

typedef struct {
    const char *bytes;
    uint32_t mode;
    const char *ir;
} NativeRow;

Test(decode_rules, native)
{
    static const NativeRow rows[] = {
#include "tests/unit/lift-native-rows.def"
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = lift_text(rows[i].bytes, rows[i].mode);
        cr_expect_str_eq(text, rows[i].ir, "%s:\n    %s\nnot %s", rows[i].bytes, text, rows[i].ir);
    }
}
