/* SPDX-License-Identifier: MIT
 * The x86 guest as the engine sees it: one const table. */
#include "translator/guest.h"

#include "translator/x86/helpers.h"
#include "translator/x86/translate.h"

/* See cpu_update_mode; the next change of mode sees it. */
enum { GS_ACCESSES_BEFORE_USE = 1000 };

static void x86_block_state(const VCpu *vcpu, BlockState *state)
{
    const CpuX86 *cpu = (const CpuX86 *)vcpu;
    *state = (BlockState){vcpu->pc, cpu->seg[SEG_CS].base, cpu->seg[SEG_CS].limit, cpu->mode};
}

static int x86_fetch_mode(const VCpu *vcpu)
{
    return cpu_mmu_mode((const CpuX86 *)vcpu);
}

/* The instruction waits, and no longer in the shadow of STI. */
static void wait_for_ferr(CpuX86 *cpu)
{
    cpu->board.ferr(cpu->board.opaque, true);
    cpu->shadow = cpu->shadow_ss = false;
    cpu_update_flags_mode(cpu);
}

/* An x87 error without CR0.NE asserts FERR#, and the instruction waits for the interrupt that the
 * board makes of it; but if that asserts IGNNE#, it executes (SDM 1 "MS-DOS* Compatibility
 * Sub-mode"). */
static bool is_boards_error(CpuX86 *cpu)
{
    if (cpu->v.fault.vector != VEC_MF || (cpu->cr0 & CR0_NE) || !cpu->board.ferr)
        return false;
    if (cpu->ignne)
        fpu_hide_error(cpu);
    else
        wait_for_ferr(cpu);
    cpu->v.boundary = BOUNDARY_BEGUN; /* nothing has been executed */
    return true;
}

static void take_ignne(CpuX86 *cpu)
{
    atomic_fetch_and(&cpu->lines, ~(uint32_t)CPU_LINE_IGNNE);
    cpu->ignne = true;
    fpu_update_ignne(cpu);
    cpu_update_flags_mode(cpu);
}

static bool x86_deliver_fault(VCpu *vcpu)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Fault *f = &vcpu->fault;
    fpu_show_error(cpu);
    if (is_boards_error(cpu))
        return true;
    if (f->vector == VEC_XM && !(cpu->cr4 & CR4_OSXMMEXCPT)) /* SDM 3A "#XM" */
        f->vector = VEC_UD;
    cpu->v.mmu.watch_hits &= ~DEBUG_WATCHES; /* the instruction did not complete */
    if (f->vector == VEC_PF)
        cpu->cr2 = f->address;
    Event event = {EVENT_FAULT, f->vector, f->has_error, f->error_code, (uint32_t)vcpu->pc};
    return event_deliver(cpu, event);
}

static bool x86_interrupt_ready(VCpu *vcpu)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t lines = atomic_load(&cpu->lines);
    if (cpu->shutdown || (lines & (CPU_LINE_INIT | CPU_LINE_IGNNE)))
        return true;
    if ((lines & CPU_LINE_NMI) && !cpu->nmi_masked && !cpu->shadow_ss)
        return true;
    return (lines & CPU_LINE_INTR) && (cpu->eflags & EFLAGS_IF) && !cpu->shadow;
}

static bool x86_shut_down(const VCpu *vcpu)
{
    return ((const CpuX86 *)vcpu)->shutdown;
}

bool cpu_event_due(CpuX86 *cpu)
{
    return atomic_load(&cpu->v.attention) || x86_interrupt_ready(&cpu->v);
}

uint64_t helper_settle(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const bool behind_sti = cpu->behind_sti;
    cpu->behind_sti = false;
    if (cpu->mode != (uint32_t)b || cpu_event_due(cpu)) {
        if (behind_sti)
            debug_begin_shadow(cpu, false);
        vcpu->pc = a;
        vcpu_exit(vcpu, EXIT_LOOKUP);
    }
    return 0;
}

static bool deliver_external(CpuX86 *cpu, unsigned vector)
{
    const Event event = {
        .kind = EVENT_EXTERNAL, .vector = (uint8_t)vector, .return_pc = (uint32_t)cpu->v.pc};
    debug_take_rf_back(cpu);
    return event_deliver(cpu, event);
}

static bool deliver_nmi(CpuX86 *cpu)
{
    atomic_fetch_and(&cpu->lines, ~(uint32_t)CPU_LINE_NMI); /* edge triggered */
    cpu->nmi_masked = true;
    return deliver_external(cpu, VEC_NMI);
}

static bool deliver_intr(CpuX86 *cpu)
{
    const int vector = cpu->board.acknowledge ? cpu->board.acknowledge(cpu->board.opaque) : -1;
    if (vector < 0)
        return true;
    trace(irq_taken, (unsigned)vector, cpu->v.pc);
    return deliver_external(cpu, (unsigned)vector);
}

static bool x86_deliver_interrupt(VCpu *vcpu)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t lines = atomic_load(&cpu->lines);
    if (cpu->shutdown)
        return false;
    fpu_show_error(cpu);
    if (lines & CPU_LINE_INIT) {
        atomic_fetch_and(&cpu->lines, ~(uint32_t)CPU_LINE_INIT);
        cpu_init(cpu);
        return true;
    }
    if (lines & CPU_LINE_IGNNE) {
        take_ignne(cpu);
        return true;
    }
    if ((lines & CPU_LINE_NMI) && !cpu->nmi_masked && !cpu->shadow_ss)
        return deliver_nmi(cpu);
    return deliver_intr(cpu);
}

/* a = seg | size << 8 | write << 24 | aligned << 25, b = offset. */
static uint64_t x86_seg_check(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned which = a & 7;
    const unsigned size = (a >> 8) & 0xffff;
    gva_t gva;
    Fault f;
    if (which >= SEG_COUNT)
        return (uint32_t)b;
    if (which == SEG_GS && cpu->cpl == 0 && !cpu->kernel_uses_gs)
        cpu->kernel_uses_gs = ++cpu->kernel_gs_accesses >= GS_ACCESSES_BEFORE_USE;
    if (!seg_linear(cpu, &cpu->seg[which], which, (uint32_t)b, MAX(size, 1u), (a >> 24) & 1, &gva,
                    &f))
        cpu_raise(cpu, f);
    if (!((a >> 25) & 1)) /* what must be aligned in any case has its own #GP */
        cpu_check_alignment(cpu, gva, size);
    return gva;
}

static void x86_print_state(VCpu *vcpu, bool fpu, GString *out)
{
    cpu_print_registers(cpu_x86(vcpu), fpu, out);
}

const GuestOps x86_guest_ops = {
    .block_state = x86_block_state,
    .fetch_mode = x86_fetch_mode,
    .translate = x86_translate,
    .deliver_fault = x86_deliver_fault,
    .interrupt_ready = x86_interrupt_ready,
    .deliver_interrupt = x86_deliver_interrupt,
    .debug_boundary = x86_debug_boundary,
    .begin_instruction = x86_begin_instruction,
    .seg_check = x86_seg_check,
    .shut_down = x86_shut_down,
    .fields = x86_state_fields,
    .field_count = X86_STATE_FIELDS,
    .helpers = x86_helpers,
    .helper_count = X86_HELPER_COUNT,
    .gprs = 8,
    .print_state = x86_print_state,
};
