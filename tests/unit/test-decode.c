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
    } sizes[] = {{"byte ptr ", 1},   {"word ptr ", 2},     {"dword ptr ", 4},
                 {"fword ptr ", 6},  {"qword ptr ", 8},    {"xword ptr ", 10},
                 {"tbyte ptr ", 10}, {"xmmword ptr ", 16}, {"ptr ", 0}};
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
static bool address_matches(const char *text, const DecodePair *p)
{
    const X86Insn *insn = p->insn;
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
    /* an absolute address in 16-bit code is printed with 16 bits whatever its size */
    unsigned width = !*want && !p->code32 ? 2 : insn->addr_size;
    return !strcmp(want, got) && !((disp ^ (uint64_t)insn->disp) & mask_of(width));
}

static bool memory_matches(const char *text, const DecodePair *p, const Operand *opd)
{
    unsigned size = skip_size(&text);
    if (size && opd->size && size != opd->size && !size_is_explained(p))
        return false;
    return seg_matches(&text, p->insn) && address_matches(text, p);
}

static bool gpr_matches(const char *text, const DecodePair *p, const Operand *opd)
{
    return !strcmp(text, gpr_text(opd)) ||
           (size_is_explained(p) && !strcmp(text, regs32[opd->reg]));
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

/* With 66 in 16-bit code, 67 in 32-bit code, only 16 bits of the displacement are printed. */
static bool target_matches(const char *text, const DecodePair *p)
{
    unsigned bytes = p->code32 && p->insn->addr_size == 4 ? p->insn->op_size : 2;
    return number_matches(text, ADDRESS + p->insn->length + (uint64_t)p->insn->imm, bytes);
}

static bool operand_matches(const char *text, const DecodePair *p, unsigned k)
{
    const X86Insn *insn = p->insn;
    const Operand *opd = &insn->opd[k];
    bool second = opd->kind == OPD_IMM && k > 0 && insn->opd[k - 1].kind == OPD_IMM;
    char want[16] = "";
    switch ((OperandKind)opd->kind) {
    case OPD_GPR:
        return gpr_matches(text, p, opd);
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
        return !strcmp(text, want);
    case OPD_MEM:
        return memory_matches(text, p, opd);
    case OPD_IMM:
        return number_matches(text, (uint64_t)(second ? insn->imm2 : insn->imm), opd->size);
    case OPD_REL:
        return target_matches(text, p);
    case OPD_FAR:
        return far_matches(text, insn);
    case OPD_NONE:
        break;
    }
    return false;
}

/* ST(0) is printed or not as libcapstone likes; ST(i) must be there. */
static bool x87_registers_match(const char *text, const X86Insn *insn)
{
    char want[8];
    sprintf(want, "st(%u)", insn->modrm & 7);
    return insn->opd_count == 0 ? !*text : strstr(text, want) != NULL;
}

static bool operands_match(const char *text, const DecodePair *p)
{
    const X86Insn *insn = p->insn;
    g_auto(GStrv) parts = g_strsplit(text, ", ", -1);
    unsigned count = *text ? g_strv_length(parts) : 0;
    unsigned want = insn->opd_count;
    if (want && insn->opd[0].kind == OPD_X87)
        return x87_registers_match(text, insn);
    /* the XMM0 of BLENDV is implied */
    if (want == 3 && count == 2 && insn->opd[2].kind == OPD_XMM)
        want = 2;
    if (count != want)
        return false;
    bool swap = insn->id == INSN_XCHG && !operand_matches(parts[0], p, 0);
    for (unsigned k = 0; k < count; k++)
        if (!operand_matches(parts[swap ? 1 - k : k], p, k))
            return false;
    return true;
}

/* --- the comparison --- */

static bool insn_matches(const DecodePair *p)
{
    return p->insn->length == p->cs->size && name_is_explained(p) &&
           (operands_are_explained(p) || operands_match(p->cs->op_str, p));
}

static void report(Sweep *s, const DecodePair *p)
{
    const X86Insn *insn = p->insn;
    unsigned key = insn->map * 256u + insn->opcode;
    if (s->seen[key]++ || ++s->reports > MAX_REPORTS)
        return;
    g_autoptr(GString) hex = g_string_new(NULL);
    for (unsigned i = 0; i < 12; i++)
        g_string_append_printf(hex, "%02x ", s->code[i]);
    cr_expect(false, "%u-bit %s: %s/%u, libcapstone: %s %s/%u", p->code32 ? 32 : 16, hex->str,
              x86_insn_name(insn->id), insn->length, p->cs ? p->cs->mnemonic : "(bad)",
              p->cs ? p->cs->op_str : "", p->cs ? p->cs->size : 0);
}

static const cs_insn *ask_libcapstone(Sweep *s)
{
    const uint8_t *p = s->code;
    size_t left = 15;
    uint64_t address = ADDRESS;
    return cs_disasm_iter(s->handle, &p, &left, &address, s->insn) ? s->insn : NULL;
}

static const char *bare_name(const cs_insn *cs)
{
    if (!cs)
        return "";
    const char *space = strrchr(cs->mnemonic, ' ');
    return space ? space + 1 : cs->mnemonic;
}

/* The code without those of its prefixes that `drop` names, in `mode`. */
static X86Insn decode_variant(const Sweep *s, const char *drop, uint32_t mode)
{
    uint8_t code[16];
    unsigned at = 0, from = 0;
    for (; s->code[from] == 0x66 || s->code[from] == 0x67 || s->code[from] == 0xf0 ||
           s->code[from] == 0xf2 || s->code[from] == 0xf3;
         from++)
        if (!memchr(drop, s->code[from], strlen(drop)))
            code[at++] = s->code[from];
    memcpy(code + at, s->code + from, 15 - from);
    X86Insn insn;
    x86_decode(&insn, code, 15 - (from - at), mode, &s->model);
    return insn;
}

static void explain(Sweep *s, DecodePair *p)
{
    p->plain = decode_variant(s, "\x66\xf2\xf3", s->mode);
    p->no_rep = decode_variant(s, "\xf2\xf3", s->mode);
    p->no_lock = decode_variant(s, "\xf0", s->mode);
    p->wide = decode_variant(s, "", s->mode | MODE_CODE32);
    if (difference_is_explained(p))
        s->explained++;
    else
        report(s, p);
}

static void compare(Sweep *s)
{
    X86Insn insn;
    DecodeResult result = x86_decode(&insn, s->code, 15, s->mode, &s->model);
    const cs_insn *cs = ask_libcapstone(s);
    bool undefined = insn.id == INSN_UD;
    DecodePair pair;
    pair.insn = &insn;
    pair.cs = cs;
    pair.name = bare_name(cs);
    pair.code32 = s->mode & MODE_CODE32;
    cr_assert_eq(result, DECODE_OK);
    s->compared++;
    if (undefined != (cs != NULL) && (undefined || insn_matches(&pair)))
        return;
    explain(s, &pair);
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

/* The VEX forms on general registers, in all four implied prefixes, and their neighbours. */
static void sweep_vex(Sweep *s)
{
    static const uint8_t payloads[] = {0x78, 0x68, 0x28, 0xe0, 0x7c};
    for (unsigned map = 2; map < 4; map++)
        for (unsigned i = 0; i < G_N_ELEMENTS(payloads) * 4; i++)
            for (unsigned opcode = 0xf0; opcode < 0xf8; opcode++) {
                memset(s->code, 0x91, sizeof s->code);
                s->code[0] = 0xc4;
                s->code[1] = 0xe0 | map;
                s->code[2] = payloads[i / 4] | (i & 3);
                s->code[3] = opcode;
                sweep_modrm(s, 4);
            }
}

Test(decode, agrees_with_libcapstone_vex)
{
    Sweep s = {0};
    sweep_open(&s, true);
    sweep_vex(&s);
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
