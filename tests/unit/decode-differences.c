/* SPDX-License-Identifier: MIT
 * Where the decoder and libcapstone 4.0.2 differ, and why that is right. */
#include "tests/unit/decode-differences.h"

#include <glib.h>
#include <string.h>

/* --- names --- */

static const struct {
    uint16_t id;
    const char *name;
} spellings[] = {
    /* 16- and 32-bit forms have names of their own, with one row here */
    {INSN_PUSHA, "pushaw"},
    {INSN_PUSHA, "pushal"},
    {INSN_POPA, "popaw"},
    {INSN_POPA, "popal"},
    {INSN_PUSHF, "pushfd"},
    {INSN_POPF, "popfd"},
    {INSN_IRET, "iretd"},
    {INSN_JCXZ, "jecxz"},
    /* SDM 2B "SAL/SAR/SHL/SHR": the same instruction */
    {INSN_SHL, "sal"},
    /* SDM 2B "UD": UD1's older name */
    {INSN_UD1, "ud2b"},
    /* hints, in a model that has none of them */
    {INSN_NOP, "endbr32"},
    {INSN_NOP, "endbr64"},
    /* what older coprocessors did with DB E0, E1, E4 */
    {INSN_FNOP, "feni8087_nop"},
    {INSN_FNOP, "fdisi8087_nop"},
    {INSN_FNOP, "fsetpm"},
    {INSN_FSTP, "fstpnce"},
    /* wrong in 16-bit mode */
    {INSN_CBW, "cwde"},
    {INSN_CWDE, "cbw"},
    {INSN_CWD, "cdq"},
    {INSN_CDQ, "cwd"},
    {INSN_PAUSE, "nop"},
};

static bool is_string(const X86Insn *insn)
{
    return insn->id >= INSN_MOVS && insn->id <= INSN_OUTS;
}

/* MOVSB MOVSW MOVSD: the size belongs to the name. */
static bool string_name_matches(const DecodePair *p)
{
    const char *name = x86_insn_name(p->insn->id);
    unsigned size = p->insn->opcode & 1 ? p->insn->op_size : 1;
    return g_str_has_prefix(p->name, name) && !strcmp(p->name + strlen(name), size == 1   ? "b"
                                                                              : size == 2 ? "w"
                                                                                          : "d");
}

bool name_is_explained(const DecodePair *p)
{
    if (!strcmp(x86_insn_name(p->insn->id), p->name))
        return true;
    if (is_string(p->insn))
        return string_name_matches(p);
    for (unsigned i = 0; i < G_N_ELEMENTS(spellings); i++)
        if (spellings[i].id == p->insn->id && !strcmp(spellings[i].name, p->name))
            return true;
    return false;
}

/* --- operands --- */

bool operands_are_explained(const DecodePair *p)
{
    const X86Insn *insn = p->insn;
    /* of NOP Ev nothing is accessed; ENDBR prints none, other hints two */
    if (is_string(insn) || (insn->id == INSN_NOP && insn->map == 1))
        return true;
    /* base 10 is the default and not printed */
    return (insn->id == INSN_AAM || insn->id == INSN_AAD) && insn->imm == 10;
}

/* SDM 2: what is accessed is what the decoder says; libcapstone's table has another size. */
static const uint16_t odd_sizes[] = {
    INSN_FNSTSW,    INSN_COMISS, INSN_COMISD, INSN_PUNPCKLBW,  INSN_PUNPCKLWD,
    INSN_PUNPCKLDQ, INSN_LAR,    INSN_LSL,    INSN_MOV_TO_SEG, INSN_PREFETCHW,
};

bool size_is_explained(const DecodePair *p)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(odd_sizes); i++)
        if (odd_sizes[i] == p->insn->id)
            return true;
    return false;
}

/* --- validity --- */

static bool has_name(const char *name, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        bool prefix = names[i][size - 1] == '*';
        if (prefix ? !strncmp(name, names[i], size - 1) : !strcmp(name, names[i]))
            return true;
    }
    return false;
}

/* Instructions of no CPU model. A star: all that begin so. */
static bool is_not_offered(const char *name)
{
    static const char *const names[] = {
        "xabort",  "xbegin",     "xend",     "xtest", /* RTM */
        "vm*",     "invept",     "invvpid",  "getsec",  "stgi",    "clgi",     "skinit",
        "invlpga", /* VMX, SVM, SMX */
        "monitor", "mwait",      "monitorx", "mwaitx",  "clac",    "stac",     "encls",
        "enclu",   "invpcid",    "xgetbv",   "xsetbv",  "xsave*",  "xrstor*", /* XSAVE */
        "swapgs",  "syscall",    "sysret",   "rsm",                           /* 64-bit mode, SMM */
        "femms",   "montmul",    "xsha*",    "xstore*", "xcrypt*",            /* 3DNow!, PadLock */
        "extrq",   "insertq",    "movntsd",  "movntss",                       /* SSE4A */
        "clwb",    "clflushopt", "pcommit",  "rdpid",   "clzero",  "wbnoinvd", "ptwrite",
        "incssp*", "k*", /* AVX-512 */
    };
    return has_name(name, names, G_N_ELEMENTS(names));
}

/* SDM 2A "Opcode Column in the Instruction Summary Table", NP: no 66, F2, F3 here. libcapstone
 * overlooks them where no other instruction has the place. */
static bool is_overlooked_prefix(const DecodePair *p)
{
    if (!p->insn->rep && !p->insn->opsize_prefix)
        return false;
    return p->plain.id != INSN_UD && !strcmp(x86_insn_name(p->plain.id), p->name);
}

/* SDM 2A "LOCK": memory destinations of listed instructions. libcapstone looks at the opcode's
 * name only. Which forms are legal has its own test. */
static bool is_illegal_lock(const DecodePair *p)
{
    return p->insn->lock && p->no_lock.id != INSN_UD;
}

/* 66 with F2 or F3 that selects nothing: libcapstone forgets 66 for half of the operands. Our
 * answer must be that to 66 alone, which is compared by itself. */
static bool is_rep_ignored(const DecodePair *p)
{
    const X86Insn *insn = p->insn, *same = &p->no_rep;
    return insn->opsize_prefix && insn->rep && insn->id == same->id &&
           insn->length == same->length + 1 && insn->opd_count == same->opd_count &&
           !memcmp(insn->opd, same->opd, sizeof insn->opd);
}

/* Rows by opcode where libcapstone refuses or takes too few bytes. */
static bool is_known_row(const DecodePair *p)
{
    const X86Insn *insn = p->insn;
    switch (insn->id) {
    case INSN_UD0: /* SDM 2B "UD": UD0 and UD1 have a ModRM byte */
    case INSN_UD1:
        return true;
    case INSN_NOP: /* SDM 2D "Two-byte Opcode Map": 0F 18-1F with any ModRM */
    case INSN_PREFETCH:
    case INSN_PREFETCHW:
    case INSN_PREFETCHWT1:
        return insn->map == 1 && !p->cs;
    case INSN_LFENCE: /* SDM 2A "LFENCE": any rm */
    case INSN_MFENCE:
    case INSN_SFENCE:
        return !p->cs;
    default:
        return false;
    }
}

/* SDM 2B "MOV": CS cannot be loaded; "MOV - Move to/from Control Registers": CR1, CR5-7 are none.
 */
static bool is_no_such_register(const DecodePair *p)
{
    const X86Insn *insn = p->insn;
    return (insn->map == 0 && insn->opcode == 0x8e) ||
           (insn->map == 1 && (insn->opcode & 0xfd) == 0x20);
}

/* libcapstone in 16-bit mode finds no mandatory prefixes. Our answer must be the one to the same
 * bytes in 32-bit mode, which is compared there. */
static bool is_lost_in_16_bits(const DecodePair *p)
{
    const X86Insn *insn = p->insn;
    return !p->code32 && (insn->opsize_prefix || insn->rep) && insn->map != 0 &&
           insn->id == p->wide.id;
}

bool difference_is_explained(const DecodePair *p)
{
    if (is_lost_in_16_bits(p) || is_rep_ignored(p))
        return true;
    if (p->insn->id == INSN_UD)
        return is_not_offered(p->name) || is_overlooked_prefix(p) || is_illegal_lock(p) ||
               is_no_such_register(p);
    return is_known_row(p);
}
