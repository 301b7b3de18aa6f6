/* SPDX-License-Identifier: MIT
 * PUSHA, POPA, ENTER, PUSHF, POPF and the flag instructions with privilege rules. */
#include "translator/x86/helpers.h"

uint64_t helper_pusha(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Stack st = stack_current(cpu);
    uint32_t values[8];
    Fault f;
    for (unsigned i = 0; i < 8; i++)
        values[i] = cpu_reg(cpu, i);
    if (!stack_push_all(cpu, &st, a & 0xff, values, 8, &f))
        cpu_raise(cpu, f);
    stack_commit(cpu, &st);
    return 0;
}

uint64_t helper_popa(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Stack st = stack_current(cpu);
    uint32_t values[8];
    Fault f;
    if (!stack_pop_all(cpu, &st, a & 0xff, values, 8, &f)) /* EDI first */
        cpu_raise(cpu, f);
    for (unsigned i = 0; i < 8; i++) {
        if (i != REG_ESP)
            cpu_set_reg(cpu, i, a & 0xff, values[7 - i]);
    }
    stack_commit(cpu, &st);
    return 0;
}

/* Copy the outer frame pointers of a nested procedure (SDM 2 "ENTER"). */
static bool enter_display(CpuX86 *cpu, Stack *st, unsigned level, unsigned size, Fault *f)
{
    Stack outer = *st;
    uint32_t pointer;
    outer.sp = cpu_reg(cpu, REG_EBP);
    for (unsigned i = 1; i < level; i++) {
        outer.sp = (outer.sp & ~outer.mask) | ((outer.sp - size) & outer.mask);
        Stack at = outer;
        if (!stack_pop(cpu, &at, size, &pointer, f) || !stack_push(cpu, st, size, pointer, f))
            return false;
    }
    return true;
}

uint64_t helper_enter(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = c & 0xff, level = b & 31;
    Stack st = stack_current(cpu);
    Fault f;
    if ((level > 1 && !stack_reserve(cpu, &st, size, level + 1, &f)) ||
        !stack_push(cpu, &st, size, cpu_reg(cpu, REG_EBP), &f))
        cpu_raise(cpu, f);
    const uint32_t frame = st.sp;
    if (level > 0 && (!enter_display(cpu, &st, level, size, &f) ||
                      !stack_push(cpu, &st, size, frame, &f)))
        cpu_raise(cpu, f);
    st.sp = (st.sp & ~st.mask) | ((st.sp - (a & 0xffff)) & st.mask);
    /* A page fault of the first push after it would come too late: the new top must be writable. */
    gva_t gva;
    gpa_t gpa;
    const uint32_t top = st.sp & st.mask;
    if (!seg_linear(cpu, &st.ss, SEG_SS, top, size, true, &gva, &f) ||
        !mmu_translate(&vcpu->mmu, gva, MMU_WRITE, st.mode, &gpa, &f))
        cpu_raise(cpu, f);
    cpu_set_reg(cpu, REG_EBP, size, frame);
    stack_commit(cpu, &st);
    return 0;
}

/* ---- PUSHF, POPF ---- */

/* Virtual-8086 mode, IOPL < 3 (SDM 2 "PUSHF", "POPF"): by VME, 16 bits only. */
uint64_t helper_v86_flags(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    if (cpu_vm86(cpu) && cpu_iopl(cpu) < 3 && (!(cpu->cr4 & CR4_VME) || (a & 0xff) != 2))
        cpu_raise_code(cpu, VEC_GP, 0);
    return 0;
}

uint64_t helper_pushf_value(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    uint32_t flags = cpu_eflags(cpu) & ~(EFLAGS_VM | EFLAGS_RF);
    if (!cpu_vm86(cpu) || cpu_iopl(cpu) == 3)
        return flags;
    helper_v86_flags(vcpu, a, 0, 0);
    return (flags & ~EFLAGS_IF) | EFLAGS_IOPL | (flags & EFLAGS_VIF ? EFLAGS_IF : 0);
}

#define POPF_ALWAYS (FLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT)
#define POPF_WIDE (EFLAGS_AC | EFLAGS_ID)

/* Virtual-8086 mode with IOPL < 3: VME keeps the program's IF in VIF (SDM 3A 20.2.7). */
static void popf_vme(CpuX86 *cpu, uint32_t value)
{
    const bool pending = (cpu->eflags & EFLAGS_VIP) && (value & EFLAGS_IF);
    if (pending || (value & EFLAGS_TF))
        cpu_raise_code(cpu, VEC_GP, 0);
    cpu_set_eflags(cpu, value, POPF_ALWAYS);
    cpu_set_eflags(cpu, value & EFLAGS_IF ? EFLAGS_VIF : 0, EFLAGS_VIF);
}

uint64_t helper_popf(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t value = (uint32_t)a;
    const unsigned size = b & 0xff;
    uint32_t mask = POPF_ALWAYS | (size == 4 ? POPF_WIDE : 0);
    if (cpu_vm86(cpu) && cpu_iopl(cpu) < 3) {
        popf_vme(cpu, value);
        return 0;
    }
    if (cpu->cpl <= cpu_iopl(cpu))
        mask |= EFLAGS_IF;
    if (cpu->cpl == 0) /* VIF and VIP stay: only IRET changes them */
        mask |= EFLAGS_IOPL;
    cpu_set_eflags(cpu, value, mask);
    return 0;
}

/* ---- CLI, STI (SDM 2 tables "Decision Table for CLI Results", "... STI Results") ---- */

typedef enum { IF_REAL, IF_VIRTUAL, IF_DENIED } IfRule;

static IfRule if_rule(const CpuX86 *cpu)
{
    if (cpu->cpl <= cpu_iopl(cpu)) /* real mode: CPL 0 */
        return IF_REAL;
    if (cpu->cpl == 3 && (cpu->cr4 & (cpu_vm86(cpu) ? CR4_VME : CR4_PVI)))
        return IF_VIRTUAL;
    return IF_DENIED;
}

uint64_t helper_cli(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const IfRule rule = if_rule(cpu);
    if (rule == IF_DENIED)
        cpu_raise_code(cpu, VEC_GP, 0);
    cpu->eflags &= ~(rule == IF_REAL ? EFLAGS_IF : EFLAGS_VIF);
    return 0;
}

uint64_t helper_sti(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const IfRule rule = if_rule(cpu);
    if (rule == IF_DENIED || (rule == IF_VIRTUAL && (cpu->eflags & EFLAGS_VIP)))
        cpu_raise_code(cpu, VEC_GP, 0);
    if (rule == IF_VIRTUAL) {
        cpu->eflags |= EFLAGS_VIF;
    } else if (!(cpu->eflags & EFLAGS_IF)) {
        cpu->eflags |= EFLAGS_IF;
        /* A block that goes on is not interrupted before its next instruction, unless it is left by
         * helper_settle. */
        cpu->behind_sti = a != 0;
        if (!a)
            debug_begin_shadow(cpu, false);
    }
    return 0;
}

uint64_t helper_cld(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    cpu_set_eflags(cpu_x86(vcpu), 0, EFLAGS_DF);
    return 0;
}

uint64_t helper_std(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    cpu_set_eflags(cpu_x86(vcpu), EFLAGS_DF, EFLAGS_DF);
    return 0;
}
