/* SPDX-License-Identifier: MIT
 * The decoder against libcapstone over the whole opcode space, 16 and 32 bits: what is an
 * instruction, how long it is, its name and its operands. Where they differ and libcapstone is
 * wrong or means the same, explain() says so and by which page of the manual. */
#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tests/unit/decode-differences.h"
#include "translator/x86/mode.h"

enum { ADDRESS = 0x1000, MAX_REPORTS = 40 };

typedef struct {
    csh handle;
    cs_insn *insn;
    CpuModel model;
    uint32_t mode;
    uint8_t code[16];
    unsigned reports;
    uint64_t compared, explained;
    uint32_t seen[4 * 256]; /* reports a map and opcode: one is enough */
} Sweep;

/* --- operands as text --- */

static const char *const regs32[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
static const char *const regs16[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
static const char *const regs8[] = {"al", "cl", "dl", "bl"};
static const char *const high8[] = {"ah", "ch", "dh", "bh"};
static const char *const segs[] = {"es", "cs", "ss", "ds", "fs", "gs"};

static const char *gpr_text(const Operand *opd)
{
    if (opd->size == 1)
        return opd->high8 ? high8[opd->reg] : regs8[opd->reg];
    return opd->size == 2 ? regs16[opd->reg] : regs32[opd->reg];
}

static uint64_t mask_of(unsigned bytes)
{
    return bytes >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << 8 * bytes) - 1;
}

/* "name ptr " in front of a memory operand -> bytes, 0: none. */
static unsigned skip_size(const char **text)
{
    static const struct {
        const char *name;
        unsigned size;
    } sizes[] = {{"byte ptr ", 1},  {"word ptr ", 2},   {"dword ptr ", 4},    {"fword ptr ", 6},
                 {"qword ptr ", 8}, {"xword ptr ", 10}, {"xmmword ptr ", 16}, {"ptr ", 0}};
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (g_str_has_prefix(*text, sizes[i].name)) {
            *text += strlen(sizes[i].name);
            return sizes[i].size;
        }
    }
    return 0;
}

static bool seg_matches(const char **text, const X86Insn *insn)
{
    for (unsigned s = 0; s < G_N_ELEMENTS(segs); s++)
        if (g_str_has_prefix(*text, segs[s]) && (*text)[2] == ':') {
            *text += 3;
            return insn->seg == s;
        }
    return !insn->seg_override;
}

/* "[eax + ecx*4 - 8]" */
static bool address_matches(const char *text, const X86Insn *insn)
{
    const char *const *names = insn->addr_size == 2 ? regs16 : regs32;
    char want[32] = "", got[32] = "";
    uint64_t disp = 0;
    if (insn->base != 0xff)
        strcat(want, names[insn->base]);
    if (insn->index != 0xff) {
        strcat(want, names[insn->index]);
        if (insn->scale > 1)
            sprintf(want + strlen(want), "*%u", insn->scale);
    }
    if (*text++ != '[')
        return false;
    bool minus = false;
    while (*text && *text != ']') {
        if (*text == ' ' || *text == '+') {
            text++;
        } else if (*text == '-') {
            minus = true;
            text++;
        } else if (isdigit((unsigned char)*text)) {
            char *end;
            uint64_t value = strtoull(text, &end, 0);
            disp += minus ? -value : value;
            text = end;
        } else {
            size_t size = strcspn(text, " ]");
            strncat(got, text, MIN(size, sizeof got - strlen(got) - 1));
            text += size;
        }
    }
    return !strcmp(want, got) && !((disp ^ (uint64_t)insn->disp) & mask_of(insn->addr_size));
}

static bool memory_matches(const char *text, const X86Insn *insn, const Operand *opd)
{
    unsigned size = skip_size(&text);
    if (size && opd->size && size != opd->size && !size_is_explained(insn, size))
        return false;
    return seg_matches(&text, insn) && address_matches(text, insn);
}

static bool number_matches(const char *text, uint64_t value, unsigned bytes)
{
    char *end;
    uint64_t got = strtoull(text, &end, 0);
    return !*end && !((got ^ value) & mask_of(bytes));
}

static bool far_matches(const char *text, const X86Insn *insn)
{
    char *end;
    uint64_t selector = strtoull(text, &end, 0);
    return *end == ':' && selector == (uint64_t)insn->imm2 &&
           number_matches(end + 1, (uint64_t)insn->imm, insn->opd[0].size - 2);
}

static bool operand_matches(const char *text, const X86Insn *insn, unsigned k)
{
    const Operand *opd = &insn->opd[k];
    bool second = opd->kind == OPD_IMM && k > 0 && insn->opd[k - 1].kind == OPD_IMM;
    uint64_t imm = (uint64_t)(second ? insn->imm2 : insn->imm);
    char want[16] = "";
    switch ((OperandKind)opd->kind) {
    case OPD_GPR:
        return !strcmp(text, gpr_text(opd));
    case OPD_SEG:
        return !strcmp(text, segs[opd->reg]);
    case OPD_CR:
        sprintf(want, "cr%u", opd->reg);
        return !strcmp(text, want);
    case OPD_DR:
        sprintf(want, "dr%u", opd->reg);
        return !strcmp(text, want);
    case OPD_MMX:
        sprintf(want, "mm%u", opd->reg);
        return !strcmp(text, want);
    case OPD_XMM:
        sprintf(want, "xmm%u", opd->reg);
        return !strcmp(text, want);
    case OPD_X87:
        sprintf(want, "st(%u)", opd->reg);
        return !strcmp(text, want) || (opd->reg == 0 && !strcmp(text, "st"));
    case OPD_MEM:
        return memory_matches(text, insn, opd);
    case OPD_IMM:
        return number_matches(text, imm, opd->size);
    case OPD_REL:
        return number_matches(text, ADDRESS + insn->length + imm, insn->op_size);
    case OPD_FAR:
        return far_matches(text, insn);
    case OPD_NONE:
        break;
    }
    return false;
}

static bool operands_match(const char *text, const X86Insn *insn)
{
    g_auto(GStrv) parts = g_strsplit(text, ", ", -1);
    unsigned count = *text ? g_strv_length(parts) : 0;
    if (count != insn->opd_count)
        return false;
    for (unsigned k = 0; k < count; k++)
        if (!operand_matches(parts[k], insn, k))
            return false;
    return true;
}

/* --- the comparison --- */

static bool insn_matches(const X86Insn *insn, const cs_insn *cs)
{
    const char *name = strrchr(cs->mnemonic, ' ');
    name = name ? name + 1 : cs->mnemonic;
    if (insn->length != cs->size)
        return false;
    return name_is_explained(insn, name) &&
           (operands_are_explained(insn) || operands_match(cs->op_str, insn));
}

static void report(Sweep *s, const X86Insn *insn, bool valid)
{
    unsigned key = insn->map * 256u + insn->opcode;
    if (s->seen[key]++ || ++s->reports > MAX_REPORTS)
        return;
    g_autoptr(GString) hex = g_string_new(NULL);
    for (unsigned i = 0; i < 12; i++)
        g_string_append_printf(hex, "%02x ", s->code[i]);
    cr_expect(false, "%u-bit %s: %s/%u, libcapstone: %s %s/%u", s->mode & MODE_CODE32 ? 32 : 16,
              hex->str, x86_insn_name(insn->id), insn->length, valid ? s->insn->mnemonic : "(bad)",
              valid ? s->insn->op_str : "", valid ? s->insn->size : 0);
}

static void compare(Sweep *s)
{
    X86Insn insn;
    DecodeResult result = x86_decode(&insn, s->code, 15, s->mode, &s->model);
    const uint8_t *p = s->code;
    size_t left = 15;
    uint64_t address = ADDRESS;
    bool valid = cs_disasm_iter(s->handle, &p, &left, &address, s->insn);
    s->compared++;
    bool undefined = insn.id == INSN_UD;
    if (result == DECODE_OK && undefined != valid && (undefined || insn_matches(&insn, s->insn)))
        return;
    if (result == DECODE_OK && difference_is_explained(&insn, valid ? s->insn : NULL))
        s->explained++;
    else
        report(s, &insn, valid);
}

/* --- the opcode space --- */

static const uint8_t prefix_sets[][3] = {
    /* count, bytes */
    {0}, {1, 0x66}, {1, 0x67}, {1, 0xf2}, {1, 0xf3}, {1, 0xf0}, {2, 0x66, 0xf2}, {2, 0x66, 0xf3},
};
static const uint8_t map_bytes[4][3] = {{0}, {1, 0x0f}, {2, 0x0f, 0x38}, {2, 0x0f, 0x3a}};

static bool is_prefix_or_escape(unsigned map, unsigned opcode)
{
    if (map == 1)
        return opcode == 0x38 || opcode == 0x3a;
    if (map != 0)
        return false;
    return (opcode & 0xe7) == 0x26 || (opcode >= 0x64 && opcode <= 0x67) || opcode == 0xf0 ||
           opcode == 0xf2 || opcode == 0xf3 || opcode == 0x0f;
}

/* All ModRM bytes, and a few SIBs behind each; the bytes after them are a displacement or an
 * immediate with its sign bit set. */
static void sweep_modrm(Sweep *s, unsigned at)
{
    static const uint8_t sibs[] = {0x98, 0x25, 0xe5, 0x64};
    for (unsigned modrm = 0; modrm < 256; modrm++) {
        bool sib = (modrm & 7) == 4 && modrm < 0xc0;
        s->code[at] = modrm;
        for (unsigned i = 0; i < (sib ? G_N_ELEMENTS(sibs) : 1); i++) {
            s->code[at + 1] = sibs[i];
            compare(s);
        }
    }
}

static void sweep_opcode(Sweep *s, const uint8_t *prefixes, unsigned map, unsigned opcode)
{
    unsigned at = 0;
    memcpy(s->code, (const uint8_t[16]){[10] = 0x77, [11] = 0x66, [15] = 0}, 16);
    for (unsigned i = 0; i < 16; i++)
        s->code[i] = 0x91 + 0x11 * (i & 7);
    for (unsigned i = 1; i <= prefixes[0]; i++)
        s->code[at++] = prefixes[i];
    for (unsigned i = 1; i <= map_bytes[map][0]; i++)
        s->code[at++] = map_bytes[map][i];
    s->code[at++] = opcode;
    sweep_modrm(s, at);
}

static void sweep_open(Sweep *s, bool code32)
{
    cr_assert_eq(cs_open(CS_ARCH_X86, code32 ? CS_MODE_32 : CS_MODE_16, &s->handle), CS_ERR_OK);
    s->insn = cs_malloc(s->handle);
    s->mode = MODE_PROTECTED | MODE_CPL0 | (code32 ? MODE_CODE32 | MODE_STACK32 : 0);
    s->model = (CpuModel){.family = 6, .has_cpuid = true, .features = {~UINT64_C(0), ~UINT64_C(0)}};
}

static void sweep(bool code32)
{
    Sweep s = {0};
    sweep_open(&s, code32);
    for (unsigned p = 0; p < G_N_ELEMENTS(prefix_sets); p++)
        for (unsigned map = 0; map < 4; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                if (!is_prefix_or_escape(map, opcode))
                    sweep_opcode(&s, prefix_sets[p], map, opcode);
    cr_log_info("%" PRIu64 " compared, %" PRIu64 " explained", s.compared, s.explained);
    cr_expect_eq(s.reports, 0);
    cs_free(s.insn, 1);
    cs_close(&s.handle);
}

Test(decode, agrees_with_libcapstone_16_bit)
{
    sweep(false);
}

Test(decode, agrees_with_libcapstone_32_bit)
{
    sweep(true);
}
