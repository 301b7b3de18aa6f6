/* SPDX-License-Identifier: MIT */
#include "tests/oracle/compare.h"

#include <string.h>

#include "base/disas.h"
#include "translator/x86/cpu.h"
#include "translator/x86/decode.h"
#include "translator/x86/mode.h"

enum {
    MAX_ROUNDS = 5,     /* of a loop in a block */
    POINTER_BYTES = 14, /* of an FNSTENV image */
    GUEST_MODE = MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_USER | MODE_SSE,
};

static const char *const reg_names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
static const char *const end_names[END_COUNT] = {"normal end", "fault", "hang", "system call",
                                                 "single step in a stub"};

static uint32_t mask_of_insn(unsigned id)
{
    switch (id) {
#define MASK(insn, flags, citation)                                                                \
    case INSN_##insn:                                                                              \
        return flags;
#include "tests/oracle/masks.def"
    default:
        return 0;
    }
}

static unsigned cr2_slack(unsigned id)
{
    switch (id) {
#define CR2(insn, bytes, citation)                                                                 \
    case INSN_##insn:                                                                              \
        return bytes;
#include "tests/oracle/masks.def"
    default:
        return 0;
    }
}

static bool registers_open(unsigned id)
{
    switch (id) {
#define REGISTERS(insn, citation) case INSN_##insn:
#include "tests/oracle/masks.def"
        return true;
    default:
        return false;
    }
}

static bool fpu_open(unsigned id)
{
    switch (id) {
#define FPU(insn, citation) case INSN_##insn:
#include "tests/oracle/masks.def"
        return true;
    default:
        return false;
    }
}

static bool fault_open(unsigned id)
{
    switch (id) {
#define FAULT(insn, citation) case INSN_##insn:
#include "tests/oracle/masks.def"
        return true;
    default:
        return false;
    }
}

static bool byte_open(unsigned id, uint8_t host, uint8_t guest)
{
    switch (id) {
#define BYTE(insn, h, g, citation)                                                                 \
    case INSN_##insn:                                                                              \
        return host == (h) && guest == (g);
#include "tests/oracle/masks.def"
    default:
        return false;
    }
}

static unsigned insn_id(const OracleCase *oc, const CpuModel *model, uint32_t offset)
{
    X86Insn insn;
    if (offset >= oc->code_size || x86_decode(&insn, oc->code + offset, oc->code_size - offset,
                                              GUEST_MODE, model) != DECODE_OK)
        return INSN_UD;
    return insn.id;
}

/* Flags that do not count: undefined after one of the snippet's instructions. */
static uint32_t undefined_flags(const OracleCase *oc, const CpuModel *model)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < oc->insn_count; i++)
        mask |= mask_of_insn(insn_id(oc, model, oc->insn_at[i]));
    return mask;
}

static void say(GString *text, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(GString *text, const char *format, ...)
{
    if (!text)
        return;
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
}

static void say_end(GString *text, const char *who, const OracleOutcome *o)
{
    say(text, "  %s: %s", who, end_names[o->end]);
    if (o->end == END_FAULT)
        say(text, " vector %u error %x cr2 %08x", o->vector, o->error, o->cr2);
    say(text, " at eip %08x\n", o->out.eip);
}

static unsigned compare_end(const OracleOutcome *host, const OracleOutcome *guest, unsigned slack,
                            GString *text)
{
    unsigned diff = 0;
    uint32_t distance = MIN(host->cr2 - guest->cr2, guest->cr2 - host->cr2); /* may wrap */
    uint32_t errors = (host->error ^ guest->error) & ~(slack && distance ? 1u : 0u);
    if (host->end != guest->end || host->vector != guest->vector || errors ||
        (distance && distance >= slack))
        diff |= DIFF_END;
    if (host->out.eip != guest->out.eip)
        diff |= DIFF_EIP;
    if (diff) {
        say_end(text, "host ", host);
        say_end(text, "guest", guest);
    }
    return diff;
}

static unsigned compare_registers(const OracleState *host, const OracleState *guest,
                                  uint32_t undefined, GString *text)
{
    unsigned diff = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (host->gpr[i] == guest->gpr[i])
            continue;
        diff |= DIFF_GPR;
        say(text, "  %s: host %08x guest %08x\n", reg_names[i], host->gpr[i], guest->gpr[i]);
    }
    uint32_t mask = (FLAGS_ARITH | EFLAGS_DF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID) & ~undefined;
    if ((host->eflags ^ guest->eflags) & mask) {
        diff |= DIFF_FLAGS;
        say(text, "  eflags: host %06x guest %06x differ in %06x\n", host->eflags & mask,
            guest->eflags & mask, (host->eflags ^ guest->eflags) & mask);
    }
    return diff;
}

/* Fields of the FXSAVE64 image (SDM 1 "FXSAVE Area"). */
static const struct {
    const char *name;
    uint16_t offset, size;
    unsigned diff;
} fx_fields[] = {
    {"fcw", 0, 2, DIFF_FPU},      {"fsw", 2, 2, DIFF_FPU},      {"ftw", 4, 1, DIFF_FPU},
    {"fop", 6, 2, DIFF_POINTERS}, {"fip", 8, 8, DIFF_POINTERS}, {"fdp", 16, 8, DIFF_POINTERS},
    {"mxcsr", 24, 4, DIFF_FPU},   {"st0", 32, 10, DIFF_FPU},    {"st1", 48, 10, DIFF_FPU},
    {"st2", 64, 10, DIFF_FPU},    {"st3", 80, 10, DIFF_FPU},    {"st4", 96, 10, DIFF_FPU},
    {"st5", 112, 10, DIFF_FPU},   {"st6", 128, 10, DIFF_FPU},   {"st7", 144, 10, DIFF_FPU},
    {"xmm0", 160, 16, DIFF_FPU},  {"xmm1", 176, 16, DIFF_FPU},  {"xmm2", 192, 16, DIFF_FPU},
    {"xmm3", 208, 16, DIFF_FPU},  {"xmm4", 224, 16, DIFF_FPU},  {"xmm5", 240, 16, DIFF_FPU},
    {"xmm6", 256, 16, DIFF_FPU},  {"xmm7", 272, 16, DIFF_FPU},
};

static void say_bytes(GString *text, const uint8_t *bytes, unsigned size)
{
    for (unsigned i = size; i-- > 0;)
        say(text, "%02x", bytes[i]);
}

static unsigned compare_fx(const uint8_t *host, const uint8_t *guest, GString *text)
{
    unsigned diff = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(fx_fields); i++) {
        unsigned at = fx_fields[i].offset, size = fx_fields[i].size;
        if (!memcmp(host + at, guest + at, size))
            continue;
        diff |= fx_fields[i].diff;
        say(text, "  %s: host ", fx_fields[i].name);
        say_bytes(text, host + at, size);
        say(text, " guest ");
        say_bytes(text, guest + at, size);
        say(text, "\n");
    }
    return diff;
}

static bool byte_allowed(const OracleCase *oc, const CpuModel *model, uint8_t host, uint8_t guest)
{
    for (unsigned i = 0; i < oc->insn_count; i++) {
        if (byte_open(insn_id(oc, model, oc->insn_at[i]), host, guest))
            return true;
    }
    return false;
}

static unsigned compare_memory(const OracleCase *oc, const CpuModel *model, const uint8_t *host,
                               const uint8_t *guest, GString *text)
{
    if (!memcmp(host, guest, ORACLE_DATA_SIZE))
        return 0;
    unsigned shown = 0;
    for (unsigned i = 0; i < ORACLE_DATA_SIZE && shown < 16; i++) {
        if (host[i] == guest[i] || byte_allowed(oc, model, host[i], guest[i]))
            continue;
        say(text, "  [%08x]: host %02x guest %02x\n", ORACLE_DATA + i, host[i], guest[i]);
        shown++;
    }
    return shown ? DIFF_MEMORY : 0;
}

static bool near_top(const OracleCase *oc, unsigned seg, uint32_t address)
{
    const uint32_t slack = 512; /* the largest operand */
    uint32_t base = seg == SEG_FS ? ORACLE_FS_BASE : seg == SEG_GS ? ORACLE_GS_BASE : 0;
    if (oc->recoded && base &&
        address >= 0u - base - slack) /* no wrap with a base in 64-bit mode */
        return true;
    return address + slack / 2 < slack;
}

/* SDM 2A "BT": a bit offset in a register reaches beyond the operand. */
static uint32_t bit_displacement(const X86Insn *insn, const OracleState *at)
{
    if (insn->id < INSN_BT || insn->id > INSN_BTC || insn->opd[1].kind != OPD_GPR)
        return 0;
    uint32_t value = at->gpr[insn->opd[1].reg & 7];
    int32_t offset = insn->opd[1].size == 2 ? (int16_t)value : (int32_t)value;
    return (uint32_t)(offset >> 3);
}

/* SDM 3A "Limit Checking": with a 4 GiB limit, whether an access that wraps faults is up to the
 * CPU: does the instruction that one of the two stopped at do so? */
static bool wraps_around(const OracleCase *oc, const CpuModel *model, const OracleState *at)
{
    X86Insn insn;
    uint32_t offset = at->eip - oc->code_at;
    if (offset >= oc->code_size || x86_decode(&insn, oc->code + offset, oc->code_size - offset,
                                              GUEST_MODE, model) != DECODE_OK)
        return false;
    static const uint8_t implicit[] = {REG_ESP, REG_EBP, REG_ESI, REG_EDI};
    for (unsigned i = 0; i < G_N_ELEMENTS(implicit); i++) {
        if (near_top(oc, insn.seg, at->gpr[implicit[i]]))
            return true;
    }
    uint32_t address = (uint32_t)insn.disp;
    address += insn.base < 8 ? at->gpr[insn.base] : 0;
    address += insn.index < 8 ? at->gpr[insn.index] * insn.scale : 0;
    address += bit_displacement(&insn, at);
    if (insn.id == INSN_XLAT)
        return near_top(oc, insn.seg, at->gpr[REG_EBX] + (at->gpr[REG_EAX] & 0xff));
    return insn.has_modrm && near_top(oc, insn.seg, address);
}

/* Nothing is there for the guest. */
static bool in_control_block(const OracleOutcome *guest)
{
    return guest->end == END_FAULT && guest->vector == VEC_PF &&
           guest->cr2 - HOST_CTL < HOST_STUBS + HOST_STUBS_SIZE - HOST_CTL;
}

/* In 64-bit mode nothing stops such an access, or the fault is another one. */
static bool wrap_allowed(const OracleCase *oc, const CpuModel *model, const OracleOutcome *host,
                         const OracleOutcome *guest)
{
    if (host->end == guest->end && host->vector == guest->vector && host->cr2 == guest->cr2 &&
        host->error == guest->error && host->out.eip == guest->out.eip)
        return false;
    return wraps_around(oc, model, &host->out) || wraps_around(oc, model, &guest->out);
}

static bool segment_fault(const OracleOutcome *o)
{
    return o->end == END_FAULT && (o->vector == VEC_GP || o->vector == VEC_SS) && o->error == 0;
}

/* After FNSTENV and its like the pointers lie in memory. */
static unsigned memory_kind(const OracleCase *oc, const CpuModel *model, const OracleOutcome *host,
                            const OracleOutcome *guest)
{
    unsigned stores = 0, rounds = oc->insn_count > 2 ? MAX_ROUNDS : 1;
    for (unsigned i = 0; i < oc->insn_count; i++) {
        unsigned id = insn_id(oc, model, oc->insn_at[i]);
        stores += id == INSN_FNSTENV || id == INSN_FNSAVE || id == INSN_FXSAVE;
    }
    unsigned differ = 0;
    for (unsigned i = 0; stores && i < ORACLE_DATA_SIZE; i++)
        differ += host->data[i] != guest->data[i];
    return stores && differ <= POINTER_BYTES * stores * rounds ? DIFF_POINTERS : DIFF_MEMORY;
}

bool oracle_comparable(const OracleOutcome *host)
{
    return host->end != END_HANG && host->end != END_OPEN;
}

unsigned oracle_compare(const OracleCase *oc, const CpuModel *model, const OracleOutcome *host,
                        const OracleOutcome *guest, GString *text)
{
    unsigned faulting = INSN_UD;
    if (host->end == END_FAULT)
        faulting = insn_id(oc, model, host->out.eip - oc->code_at);
    if (!oracle_comparable(host) || in_control_block(guest))
        return 0;
    if (guest->end == END_FAULT && fault_open(insn_id(oc, model, guest->out.eip - oc->code_at)))
        return 0;
    bool both = segment_fault(guest) && guest->out.eip == host->out.eip;
    if (segment_fault(host) && !both && wraps_around(oc, model, &host->out))
        return 0;
    if (oc->recoded && wrap_allowed(oc, model, host, guest))
        return 0;
    unsigned diff = compare_end(host, guest, cr2_slack(faulting), text);
    uint32_t undefined = 0;
    if ((host->out.eflags ^ guest->out.eflags) & FLAGS_ARITH)
        undefined = undefined_flags(oc, model);
    unsigned registers = compare_registers(&host->out, &guest->out, undefined, text);
    diff |= registers_open(faulting) ? registers & ~(unsigned)DIFF_GPR : registers;
    unsigned fpu = compare_fx(host->out.fx, guest->out.fx, text);
    diff |= fpu_open(faulting) ? 0 : fpu;
    bool same = !memcmp(host->data, guest->data, ORACLE_DATA_SIZE);
    if (!compare_memory(oc, model, host->data, guest->data, text))
        return same ? diff : diff & ~(unsigned)DIFF_FPU; /* allowed bytes may be loaded again */
    unsigned kind = memory_kind(oc, model, host, guest);
    return kind == DIFF_POINTERS ? kind : diff | kind; /* pointers in memory lead to anything */
}

static void print_fx(const uint8_t *fx, GString *text)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(fx_fields); i++) {
        g_string_append_printf(text, "%s%s ", i % 6 ? " " : i ? "\n  " : "  ", fx_fields[i].name);
        say_bytes(text, fx + fx_fields[i].offset, fx_fields[i].size);
    }
    g_string_append_c(text, '\n');
}

void oracle_print_case(const OracleCase *oc, GString *text)
{
    g_string_append_printf(text, "case %llu\n ", (unsigned long long)oc->seed);
    for (unsigned i = 0; i < 8; i++)
        g_string_append_printf(text, " %s %08x", reg_names[i], oc->in.gpr[i]);
    g_string_append_printf(text, " eflags %06x\n", oc->in.eflags);
    print_fx(oc->in.fx, text);
    for (unsigned i = 0; i < oc->patch_count; i++) {
        g_string_append_printf(text, "  [%08x] = ", ORACLE_DATA + oc->patches[i].offset);
        say_bytes(text, oc->patches[i].bytes, oc->patches[i].size);
        g_string_append_c(text, '\n');
    }
    for (unsigned i = 0; i < oc->insn_count; i++) {
        unsigned at = oc->insn_at[i], size = oc->insn_at[i + 1] - at;
        if (oc->code[at] != 0x90 || size == 1) /* else the shrinker's NOPs */
            disas_append(text, oc->code + at, size, oc->code_at + at, 32);
    }
    g_string_append_printf(text, "0x%08x:  end\n", oc->code_at + oc->code_size);
}
