/* SPDX-License-Identifier: MIT
 * The state that --check copies, compares and prints. */
#include "tcache/check.h"

#include <inttypes.h>
#include <string.h>

#include "translator/fx-image.h"

static const char *const gpr_names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
static const char *const reasons[EXIT_REASONS] = {
    [EXIT_CHAIN] = "branch",
    [EXIT_LOOKUP] = "branch",
    [EXIT_POLL] = "attention",
    [EXIT_FAULT] = "fault",
    [EXIT_SMC] = "store into its own code",
    [EXIT_HALT] = "halt",
    [EXIT_DEMOTE] = "access that the window cannot serve",
    [EXIT_CHECK] = "check",
};

/* ---- copies ---- */

static uint32_t guest_bytes(const GuestOps *guest, uint32_t *first)
{
    const GuestField *last = &guest->fields[guest->field_count - 1];
    *first = guest->fields[0].offset;
    return last->offset + last->size - *first;
}

void check_save(const VCpu *vcpu, CheckState *state)
{
    uint32_t first;
    const uint32_t size = guest_bytes(vcpu->guest, &first);
    g_assert(size <= sizeof state->guest);
    memcpy(state->gpr, vcpu->gpr, sizeof state->gpr);
    memcpy(state->seg_base, vcpu->seg_base, sizeof state->seg_base);
    memcpy(state->dir, vcpu->dir, sizeof state->dir);
    memcpy(state->fp, vcpu->fp_area, sizeof state->fp);
    memcpy(state->guest, (const uint8_t *)vcpu + first, size);
    state->pc = vcpu->pc;
    state->flags = vcpu->flags;
    state->halted = vcpu->halted;
    state->fault = vcpu->fault;
}

/* Field by field: what lies between them is not the instructions' (interrupt pins, which other
 * threads set). */
void check_restore(VCpu *vcpu, const CheckState *state)
{
    const GuestOps *guest = vcpu->guest;
    memcpy(vcpu->gpr, state->gpr, sizeof state->gpr);
    memcpy(vcpu->seg_base, state->seg_base, sizeof state->seg_base);
    memcpy(vcpu->dir, state->dir, sizeof state->dir);
    memcpy(vcpu->fp_area, state->fp, sizeof state->fp);
    for (unsigned i = 0; i < guest->field_count; i++) {
        const GuestField *f = &guest->fields[i];
        memcpy((uint8_t *)vcpu + f->offset, state->guest + (f->offset - guest->fields[0].offset),
               f->size);
    }
    vcpu->pc = state->pc;
    vcpu->flags = state->flags;
    vcpu->halted = state->halted;
    vcpu->fault = state->fault;
}

/* ---- comparison ---- */

uint32_t check_undefined_flags(const IrBlock *block)
{
    uint32_t undefined = 0;
    for (unsigned i = 0; i < block->count; i++) {
        const IrInsn *insn = &block->insns[i];
        const bool shift = insn->op >= IR_ROL && insn->op <= IR_SHRD;
        if (shift) /* a count of zero keeps all, so nothing becomes defined */
            undefined |= FLAG_OF | FLAG_AF | (insn->width < 4 ? FLAG_CF : 0);
        else if (!(ir_op_info[insn->op].attrs & (IR_ATTR_CALL | IR_ATTR_EXIT)) &&
                 insn->op != IR_NATIVE) /* these may leave flags alone */
            undefined &= ~(uint32_t)ir_op_info[insn->op].flags_written;
    }
    return undefined;
}

typedef struct {
    GString *out;
    bool same;
} Diff;

static void differ(Diff *d, const char *name, uint64_t wanted, uint64_t found)
{
    d->same = false;
    g_string_append_printf(d->out, "  %-12s interpreter %08" PRIx64 "  translated %08" PRIx64 "\n",
                           name, wanted, found);
}

static void append_bytes(GString *out, const uint8_t *bytes, unsigned size)
{
    for (unsigned i = size; i-- > 0;)
        g_string_append_printf(out, "%02x", bytes[i]);
}

static void compare_bytes(Diff *d, const char *name, const uint8_t *wanted, const uint8_t *found,
                          unsigned size)
{
    if (!memcmp(wanted, found, size))
        return;
    d->same = false;
    g_string_append_printf(d->out, "  %-12s interpreter ", name);
    append_bytes(d->out, wanted, size);
    g_string_append(d->out, "  translated ");
    append_bytes(d->out, found, size);
    g_string_append_c(d->out, '\n');
}

static void compare_flags(Diff *d, uint32_t wanted, uint32_t found, uint32_t undefined)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{FLAG_CF, "CF"}, {FLAG_PF, "PF"}, {FLAG_AF, "AF"},
                 {FLAG_ZF, "ZF"}, {FLAG_SF, "SF"}, {FLAG_OF, "OF"}};
    const uint32_t bits = (wanted ^ found) & FLAGS_ARITH & ~undefined;
    if (!bits)
        return;
    differ(d, "flags", wanted & FLAGS_ARITH, found & FLAGS_ARITH);
    g_string_append(d->out, "    of them");
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        if (bits & names[i].bit)
            g_string_append_printf(d->out, " %s", names[i].name);
    g_string_append_c(d->out, '\n');
}

static void compare_fp(Diff *d, const uint8_t *wanted, const uint8_t *found)
{
    if (!memcmp(wanted, found, CHECK_FP_BYTES))
        return;
    compare_bytes(d, "fcw", wanted + FX_FCW, found + FX_FCW, 2);
    compare_bytes(d, "fsw", wanted + FX_FSW, found + FX_FSW, 2);
    compare_bytes(d, "tags", wanted + FX_TAG, found + FX_TAG, 1);
    compare_bytes(d, "mxcsr", wanted + FX_MXCSR, found + FX_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) {
        char name[8];
        g_snprintf(name, sizeof name, "st%u", i);
        compare_bytes(d, name, wanted + FX_ST + 16 * i, found + FX_ST + 16 * i, 10);
        g_snprintf(name, sizeof name, "xmm%u", i);
        compare_bytes(d, name, wanted + FX_XMM + 16 * i, found + FX_XMM + 16 * i, 16);
    }
}

static void compare_guest(Diff *d, const GuestOps *guest, const CheckState *wanted,
                          const CheckState *found)
{
    uint32_t first;
    if (!memcmp(wanted->guest, found->guest, guest_bytes(guest, &first)))
        return;
    for (unsigned i = 0; i < guest->field_count; i++) {
        const GuestField *f = &guest->fields[i];
        if (f->derived)
            continue;
        compare_bytes(d, f->name, wanted->guest + (f->offset - first),
                      found->guest + (f->offset - first), f->size);
    }
}

static void compare_end(Diff *d, const CheckState *wanted, const CheckState *found)
{
    if (wanted->reason != found->reason) {
        d->same = false;
        g_string_append_printf(d->out, "  ended by     interpreter %s  translated %s\n",
                               reasons[wanted->reason], reasons[found->reason]);
        return;
    }
    if (wanted->reason != EXIT_FAULT)
        return;
    const Fault *a = &wanted->fault, *b = &found->fault;
    if (a->vector != b->vector)
        differ(d, "vector", a->vector, b->vector);
    if (a->has_error != b->has_error || (a->has_error && a->error_code != b->error_code))
        differ(d, "error code", a->error_code, b->error_code);
    if (a->vector == b->vector && a->vector == 14 && a->address != b->address)
        differ(d, "address", a->address, b->address);
}

bool check_compare(const GuestOps *guest, const CheckState *wanted, const CheckState *found,
                   uint32_t undefined, GString *out)
{
    Diff d = {out, true};
    compare_end(&d, wanted, found);
    for (unsigned i = 0; i < guest->gprs; i++)
        if (wanted->gpr[i] != found->gpr[i])
            differ(&d, gpr_names[i], wanted->gpr[i], found->gpr[i]);
    if (wanted->pc != found->pc)
        differ(&d, "eip", wanted->pc, found->pc);
    compare_flags(&d, wanted->flags, found->flags, undefined);
    compare_bytes(&d, "bases", (const uint8_t *)wanted->seg_base, (const uint8_t *)found->seg_base,
                  sizeof wanted->seg_base);
    compare_bytes(&d, "steps", (const uint8_t *)wanted->dir, (const uint8_t *)found->dir,
                  sizeof wanted->dir);
    compare_fp(&d, wanted->fp, found->fp);
    if (guest->field_count)
        compare_guest(&d, guest, wanted, found);
    return d.same;
}

/* ---- text ---- */

void check_print(const GuestOps *guest, const CheckState *state, bool full, GString *out)
{
    for (unsigned i = 0; i < guest->gprs; i++)
        g_string_append_printf(out, "%s%s=%08" PRIx64,
                               i % 4 ? " "
                               : i   ? "\n  "
                                     : "  ",
                               gpr_names[i], state->gpr[i]);
    g_string_append_printf(out, "\n  eip=%08" PRIx64 " flags=%03x", state->pc,
                           state->flags & FLAGS_ARITH);
    if (state->reason == EXIT_FAULT)
        g_string_append_printf(out, " fault: vector %u error %x address %08" PRIx64,
                               state->fault.vector, state->fault.error_code, state->fault.address);
    g_string_append(out, "\n  fp=");
    append_bytes(out, state->fp, 32);
    g_string_append_c(out, '\n');
    for (unsigned i = 0; full && i < guest->field_count; i++) {
        const GuestField *f = &guest->fields[i];
        g_string_append_printf(out, "%s%s=", i % 6 ? " " : "  ", f->name);
        append_bytes(out, state->guest + (f->offset - guest->fields[0].offset), MIN(f->size, 16u));
        if (i % 6 == 5 || i + 1 == guest->field_count)
            g_string_append_c(out, '\n');
    }
}
