/* SPDX-License-Identifier: MIT
 * IRET in all its variants (SDM 2 "IRET/IRETD"). */
#include "translator/x86/helpers.h"

#define EFLAGS_ALWAYS (FLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT)

/* Which EFLAGS bits the return may change. */
static uint32_t iret_mask(const CpuX86 *cpu, unsigned size)
{
    uint32_t mask = EFLAGS_ALWAYS;
    if (cpu->cpl <= cpu_iopl(cpu))
        mask |= EFLAGS_IF;
    if (cpu->cpl == 0)
        mask |= EFLAGS_IOPL;
    if (size == 4) {
        mask |= EFLAGS_AC | EFLAGS_ID | debug_rf_mask(cpu);
        if (cpu->cpl == 0)
            mask |= EFLAGS_VIF | EFLAGS_VIP;
    }
    return mask;
}

typedef struct {
    uint32_t pc, cs, eflags;
    Stack st; /* behind these */
} Frame;

static bool pop_frame(CpuX86 *cpu, unsigned size, Frame *frame, Fault *f)
{
    uint32_t words[3];
    frame->st = stack_current(cpu);
    if (!stack_pop_all(cpu, &frame->st, size, words, G_N_ELEMENTS(words), f))
        return false;
    frame->pc = words[0];
    frame->cs = words[1];
    frame->eflags = words[2];
    return true;
}

static bool iret_real(CpuX86 *cpu, unsigned size, Fault *f)
{
    Frame frame;
    if (!pop_frame(cpu, size, &frame, f))
        return false;
    const SegReg cs = seg_real(cpu, SEG_CS, (uint16_t)frame.cs);
    if (frame.pc > cs.limit)
        return fault_code(f, VEC_GP, 0);
    uint32_t mask = EFLAGS_ALWAYS | EFLAGS_IF | EFLAGS_IOPL;
    if (size == 4)
        mask |= EFLAGS_AC | EFLAGS_ID | debug_rf_mask(cpu);
    stack_commit(cpu, &frame.st);
    cpu_set_eflags(cpu, frame.eflags, mask);
    cpu_set_cs(cpu, cs, frame.pc, 0);
    return true;
}

/* Virtual-8086 mode: by IOPL, else with VME and 16-bit operands through VIF (SDM 3A 20.2.7). */
static bool iret_v86(CpuX86 *cpu, unsigned size, Fault *f)
{
    const bool virtual_if = cpu_iopl(cpu) < 3;
    Frame frame;
    if (virtual_if && (!(cpu->cr4 & CR4_VME) || size == 4))
        return fault_code(f, VEC_GP, 0);
    if (!pop_frame(cpu, size, &frame, f))
        return false;
    const bool pending = (cpu->eflags & EFLAGS_VIP) && (frame.eflags & EFLAGS_IF);
    if (virtual_if && (pending || (frame.eflags & EFLAGS_TF)))
        return fault_code(f, VEC_GP, 0);
    if (frame.pc > 0xffff)
        return fault_code(f, VEC_GP, 0);
    uint32_t mask = EFLAGS_ALWAYS | (virtual_if ? 0u : EFLAGS_IF);
    if (size == 4)
        mask |= EFLAGS_AC | EFLAGS_ID | debug_rf_mask(cpu);
    stack_commit(cpu, &frame.st);
    cpu_set_eflags(cpu, frame.eflags, mask);
    if (virtual_if)
        cpu_set_eflags(cpu, frame.eflags & EFLAGS_IF ? EFLAGS_VIF : 0, EFLAGS_VIF);
    cpu_set_cs(cpu, seg_vm86((uint16_t)frame.cs), frame.pc, 3);
    return true;
}

static bool iret_task(CpuX86 *cpu, uint32_t next_pc, Fault *f)
{
    uint64_t link;
    Desc d;
    if (!mem_read(cpu, cpu->tr.base, 2, MMU_SUPERVISOR, &link, f) ||
        !task_fetch_tss(cpu, (uint16_t)link, VEC_TS, true, &d, f))
        return false;
    return task_switch(cpu, TASK_IRET, (uint16_t)link, &d, next_pc, cpu_eflags(cpu) & ~EFLAGS_NT,
                       f);
}

static bool iret_to_v86(CpuX86 *cpu, Frame *frame, Fault *f)
{
    static const uint8_t order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint32_t words[6]; /* ESP, SS, then these */
    if (!stack_pop_all(cpu, &frame->st, 4, words, G_N_ELEMENTS(words), f))
        return false;
    if ((frame->pc & 0xffff0000u) != 0)
        return fault_code(f, VEC_GP, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
        cpu->seg[order[i]] = seg_vm86((uint16_t)words[2 + i]);
    cpu->seg[SEG_SS] = seg_vm86((uint16_t)words[1]);
    cpu->v.gpr[REG_ESP] = words[0];
    cpu->cpl = 3;
    cpu_set_eflags(cpu, frame->eflags, ~EFLAGS_RF | debug_rf_mask(cpu));
    cpu_set_cs(cpu, seg_vm86((uint16_t)frame->cs), frame->pc, 3);
    return true;
}

static bool iret_outer(CpuX86 *cpu, unsigned size, Frame *frame, FarTarget *t, Fault *f)
{
    const unsigned rpl = t->cpl;
    const uint32_t mask = iret_mask(cpu, size);
    uint32_t words[2]; /* ESP, SS */
    SegReg ss;
    if (!stack_pop_all(cpu, &frame->st, size, words, G_N_ELEMENTS(words), f) ||
        !seg_check_stack(cpu, (uint16_t)words[1], rpl, VEC_GP, &ss, f) || !far_settle(cpu, t, f))
        return false;
    cpu->seg[SEG_SS] = ss;
    cpu_set_reg(cpu, REG_ESP, ss.attr & SEG_ATTR_DB ? 4 : 2, words[0]);
    cpu->cpl = rpl;
    seg_drop_inner(cpu);
    cpu_set_eflags(cpu, frame->eflags, mask);
    cpu_set_cs(cpu, t->cs, t->pc, rpl);
    return true;
}

static bool iret_protected(CpuX86 *cpu, unsigned size, Fault *f)
{
    Frame frame;
    FarTarget t;
    if (!pop_frame(cpu, size, &frame, f))
        return false;
    if (size == 4 && (frame.eflags & EFLAGS_VM) && cpu->cpl == 0)
        return iret_to_v86(cpu, &frame, f);
    if (!far_check_return(cpu, (uint16_t)frame.cs, frame.pc, &t, f))
        return false;
    if (t.cpl > cpu->cpl)
        return iret_outer(cpu, size, &frame, &t, f);
    if (!far_settle(cpu, &t, f))
        return false;
    stack_commit(cpu, &frame.st);
    cpu_set_eflags(cpu, frame.eflags, iret_mask(cpu, size));
    cpu_set_cs(cpu, t.cs, t.pc, t.cpl);
    return true;
}

uint64_t helper_iret(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = a & 0xff;
    Fault f;
    bool ok;
    cpu->nmi_masked = false; /* also if it faults (SDM 3A "Handling Multiple NMIs") */
    if (!(cpu->cr0 & CR0_PE))
        ok = iret_real(cpu, size, &f);
    else if (cpu_vm86(cpu))
        ok = iret_v86(cpu, size, &f);
    else if (cpu->eflags & EFLAGS_NT)
        ok = iret_task(cpu, (uint32_t)b, &f);
    else
        ok = iret_protected(cpu, size, &f);
    if (!ok)
        cpu_raise(cpu, f);
    log_printf(LOG_PCALL, "iret to %04x:%08x CPL %u", cpu->seg[SEG_CS].selector, (unsigned)vcpu->pc,
               cpu->cpl);
    return 0;
}
