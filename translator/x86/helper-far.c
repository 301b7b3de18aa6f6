/* SPDX-License-Identifier: MIT
 * Far jumps, calls and returns, call gates, SYSENTER and SYSEXIT (SDM 2 "JMP", "CALL", "RET"). */
#include "translator/x86/helpers.h"

static void enter_target(CpuX86 *cpu, const FarTarget *t)
{
    cpu_set_cs(cpu, t->cs, t->pc, t->cpl);
}

/* Of a checked code descriptor. */
static bool make_target(CpuX86 *cpu, uint16_t selector, const Desc *d, uint32_t pc, unsigned cpl,
                        FarTarget *t, Fault *f)
{
    if (!(d->hi & DESC_P))
        return fault_selector(cpu, f, VEC_NP, selector);
    *t = (FarTarget){desc_segment((uint16_t)((selector & ~3u) | cpl), d), *d, pc, cpl};
    return true;
}

bool far_settle(CpuX86 *cpu, FarTarget *t, Fault *f)
{
    if (t->pc > t->cs.limit)
        return fault_code(f, VEC_GP, cpu->in_delivery ? 1 : 0);
    t->cs.attr |= SEG_ATTR_ACCESSED;
    return desc_set_accessed(cpu, &t->desc, f);
}

/* Direct far JMP or CALL to a code segment: never changes the privilege level. */
static bool check_direct(CpuX86 *cpu, uint16_t selector, Desc *d, uint32_t pc, FarTarget *t, Fault *f)
{
    const unsigned dpl = desc_dpl(d), rpl = selector & 3;
    const bool ok = d->hi & DESC_CONFORM ? dpl <= cpu->cpl : rpl <= cpu->cpl && dpl == cpu->cpl;
    if (!(d->hi & DESC_CODE) || !ok)
        return fault_selector(cpu, f, VEC_GP, selector);
    return make_target(cpu, selector, d, pc, cpu->cpl, t, f);
}

/* Code segment behind a call gate; a call may go inwards. */
static bool check_gate_target(CpuX86 *cpu, const Desc *gate, bool call, FarTarget *t, Fault *f)
{
    const uint16_t selector = (uint16_t)(gate->lo >> 16);
    Desc d;
    if (selector_null(selector))
        return fault_selector(cpu, f, VEC_GP, 0);
    if (!desc_fetch(cpu, selector, VEC_GP, &d, f))
        return false;
    const unsigned dpl = desc_dpl(&d);
    const bool conforming = (d.hi & DESC_CONFORM) != 0;
    const bool ok = conforming || call ? dpl <= cpu->cpl : dpl == cpu->cpl;
    if (!desc_is_code(&d) || !ok)
        return fault_selector(cpu, f, VEC_GP, selector);
    return make_target(cpu, selector, &d, gate_offset(gate), conforming ? cpu->cpl : dpl, t, f);
}

/* Gates and TSS descriptors: privilege and presence of the gate itself. */
static bool check_system(CpuX86 *cpu, uint16_t selector, const Desc *d, Fault *f)
{
    const uint64_t allowed = BIT(SYS_TSS16) | BIT(SYS_TSS32) | BIT(SYS_CALL16) | BIT(SYS_CALL32) |
                             BIT(SYS_TASK_GATE);
    const unsigned dpl = desc_dpl(d);
    if (!((allowed >> desc_type(d)) & 1) || dpl < cpu->cpl || dpl < (selector & 3u))
        return fault_selector(cpu, f, VEC_GP, selector);
    if (!(d->hi & DESC_P))
        return fault_selector(cpu, f, VEC_NP, selector);
    return true;
}

/* A task gate or TSS as the destination. */
static bool far_task(CpuX86 *cpu, TaskCause cause, uint16_t selector, Desc *d, uint32_t next_pc,
                     Fault *f)
{
    if (desc_type(d) == SYS_TASK_GATE)
        selector = (uint16_t)(d->lo >> 16);
    if (!task_fetch_tss(cpu, selector, VEC_GP, false, d, f))
        return false;
    return task_switch(cpu, cause, selector, d, next_pc, cpu_eflags(cpu), f);
}

static bool is_call_gate(const Desc *d)
{
    return desc_type(d) == SYS_CALL16 || desc_type(d) == SYS_CALL32;
}

static SegReg plain_cs(const CpuX86 *cpu, uint16_t selector)
{
    return cpu_vm86(cpu) ? seg_vm86(selector) : seg_real(cpu, SEG_CS, selector);
}

/* ---- JMP ---- */

static bool jmp_protected(CpuX86 *cpu, uint16_t selector, uint32_t pc, uint32_t next_pc, Fault *f)
{
    Desc d;
    FarTarget t;
    if (selector_null(selector))
        return fault_selector(cpu, f, VEC_GP, 0);
    if (!desc_fetch(cpu, selector, VEC_GP, &d, f))
        return false;
    if (d.hi & DESC_S) {
        if (!check_direct(cpu, selector, &d, pc, &t, f))
            return false;
    } else {
        if (!check_system(cpu, selector, &d, f))
            return false;
        if (!is_call_gate(&d))
            return far_task(cpu, TASK_JMP, selector, &d, next_pc, f);
        if (!check_gate_target(cpu, &d, false, &t, f))
            return false;
    }
    if (!far_settle(cpu, &t, f))
        return false;
    enter_target(cpu, &t);
    return true;
}

uint64_t helper_far_jmp(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t pc = (uint32_t)b & (uint32_t)width_mask((unsigned)(c & 0xff));
    Fault f;
    log_printf(LOG_PCALL, "far jmp %04x:%08x at %04x:%08x CPL %u", (unsigned)a & 0xffff, pc,
               cpu->seg[SEG_CS].selector, (unsigned)vcpu->pc, cpu->cpl);
    if (cpu_protected(cpu)) {
        /* A task switch saves the EIP of the next instruction: its length is in the upper half. */
        if (!jmp_protected(cpu, (uint16_t)a, pc, (uint32_t)(vcpu->pc + ((c >> 8) & 15)), &f))
            cpu_raise(cpu, f);
        return 0;
    }
    const SegReg cs = plain_cs(cpu, (uint16_t)a);
    if (pc > cs.limit)
        cpu_raise_code(cpu, VEC_GP, 0);
    cpu_set_cs(cpu, cs, pc, cpu->cpl);
    return 0;
}

/* ---- CALL ---- */

static bool push_return(CpuX86 *cpu, Stack *st, unsigned size, uint32_t next_pc, Fault *f)
{
    const uint32_t words[] = {cpu->seg[SEG_CS].selector, next_pc};
    return stack_push_all(cpu, st, size, words, G_N_ELEMENTS(words), f);
}

/* Through a call gate to an inner level: new stack, old SS:ESP, parameters, return address. */
static bool call_inner(CpuX86 *cpu, const Desc *gate, FarTarget *t, uint32_t next_pc, Fault *f)
{
    const unsigned width = desc_type(gate) & SYS_32 ? 4 : 2;
    const unsigned count = gate->hi & 31;
    uint32_t params[31], words[2 + 31 + 2], esp;
    unsigned n = 0;
    uint16_t selector;
    SegReg ss;
    if (!tss_inner_stack(cpu, t->cpl, &selector, &esp, f) ||
        !seg_check_stack(cpu, selector, t->cpl, VEC_TS, &ss, f))
        return false;
    Stack old = stack_current(cpu);
    Stack st = stack_make(cpu, ss, esp, t->cpl, true);
    if (!stack_room(cpu, &st, width, count + 4, f) || !far_settle(cpu, t, f))
        return false;
    if (!stack_pop_all(cpu, &old, width, params, count, f))
        return false;
    words[n++] = cpu->seg[SEG_SS].selector;
    words[n++] = cpu_reg(cpu, REG_ESP);
    for (unsigned i = count; i-- > 0;)
        words[n++] = params[i];
    words[n++] = cpu->seg[SEG_CS].selector;
    words[n++] = next_pc;
    if (!stack_push_all(cpu, &st, width, words, n, f))
        return false;
    cpu->seg[SEG_SS] = ss;
    stack_commit(cpu, &st);
    return true;
}

static bool call_same(CpuX86 *cpu, unsigned width, FarTarget *t, uint32_t next_pc, Fault *f)
{
    Stack st = stack_current(cpu);
    if (!stack_room(cpu, &st, width, 2, f) || !far_settle(cpu, t, f) ||
        !push_return(cpu, &st, width, next_pc, f))
        return false;
    stack_commit(cpu, &st);
    return true;
}

static bool call_gate(CpuX86 *cpu, const Desc *gate, uint32_t next_pc, FarTarget *t, Fault *f)
{
    if (!check_gate_target(cpu, gate, true, t, f))
        return false;
    if (t->cpl < cpu->cpl)
        return call_inner(cpu, gate, t, next_pc, f);
    return call_same(cpu, desc_type(gate) & SYS_32 ? 4 : 2, t, next_pc, f);
}

static bool call_protected(CpuX86 *cpu, uint16_t selector, uint32_t pc, unsigned size,
                           uint32_t next_pc, Fault *f)
{
    Desc d;
    FarTarget t;
    if (selector_null(selector))
        return fault_selector(cpu, f, VEC_GP, 0);
    if (!desc_fetch(cpu, selector, VEC_GP, &d, f))
        return false;
    if (d.hi & DESC_S) {
        if (!check_direct(cpu, selector, &d, pc, &t, f) || !call_same(cpu, size, &t, next_pc, f))
            return false;
    } else {
        if (!check_system(cpu, selector, &d, f))
            return false;
        if (!is_call_gate(&d))
            return far_task(cpu, TASK_CALL, selector, &d, next_pc, f);
        if (!call_gate(cpu, &d, next_pc, &t, f))
            return false;
    }
    enter_target(cpu, &t);
    return true;
}

uint64_t helper_far_call(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = (a >> 16) & 0xff;
    const uint32_t pc = (uint32_t)b & (uint32_t)width_mask(size);
    Fault f;
    bool ok;
    log_printf(LOG_PCALL, "far call %04x:%08x at %04x:%08x CPL %u", (unsigned)a & 0xffff, pc,
               cpu->seg[SEG_CS].selector, (unsigned)vcpu->pc, cpu->cpl);
    if (cpu_protected(cpu)) {
        ok = call_protected(cpu, (uint16_t)a, pc, size, (uint32_t)c, &f);
    } else {
        Stack st = stack_current(cpu);
        const SegReg cs = plain_cs(cpu, (uint16_t)a);
        ok = stack_room(cpu, &st, size, 2, &f) && (pc <= cs.limit || fault_code(&f, VEC_GP, 0)) &&
             push_return(cpu, &st, size, (uint32_t)c, &f);
        if (ok) {
            stack_commit(cpu, &st);
            cpu_set_cs(cpu, cs, pc, cpu->cpl);
        }
    }
    if (!ok)
        cpu_raise(cpu, f);
    return 0;
}

/* ---- RET ---- */

bool far_check_return(CpuX86 *cpu, uint16_t selector, uint32_t pc, FarTarget *t, Fault *f)
{
    const unsigned rpl = selector & 3;
    Desc d;
    if (selector_null(selector))
        return fault_selector(cpu, f, VEC_GP, 0);
    if (!desc_fetch(cpu, selector, VEC_GP, &d, f))
        return false;
    const unsigned dpl = desc_dpl(&d);
    const bool ok = d.hi & DESC_CONFORM ? dpl <= rpl : dpl == rpl;
    if (!desc_is_code(&d) || rpl < cpu->cpl || !ok)
        return fault_selector(cpu, f, VEC_GP, selector);
    return make_target(cpu, selector, &d, pc, rpl, t, f);
}

static void release(Stack *st, uint32_t bytes)
{
    st->sp = (st->sp & ~st->mask) | ((st->sp + bytes) & st->mask);
}

static bool ret_protected(CpuX86 *cpu, unsigned size, uint32_t bytes, Fault *f)
{
    Stack st = stack_current(cpu);
    uint32_t pc, selector, esp, ss_selector;
    FarTarget t;
    SegReg ss;
    if (!stack_pop(cpu, &st, size, &pc, f) || !stack_pop(cpu, &st, size, &selector, f) ||
        !far_check_return(cpu, (uint16_t)selector, pc, &t, f))
        return false;
    const unsigned rpl = selector & 3;
    release(&st, bytes);
    if (rpl == cpu->cpl) {
        if (!far_settle(cpu, &t, f))
            return false;
        stack_commit(cpu, &st);
        enter_target(cpu, &t);
        return true;
    }
    if (!stack_pop(cpu, &st, size, &esp, f) || !stack_pop(cpu, &st, size, &ss_selector, f) ||
        !seg_check_stack(cpu, (uint16_t)ss_selector, rpl, VEC_GP, &ss, f) ||
        !far_settle(cpu, &t, f))
        return false;
    cpu->seg[SEG_SS] = ss;
    cpu_set_reg(cpu, REG_ESP, ss.attr & SEG_ATTR_DB ? 4 : 2, esp + bytes);
    cpu->cpl = rpl;
    seg_drop_inner(cpu);
    enter_target(cpu, &t);
    return true;
}

static bool ret_plain(CpuX86 *cpu, unsigned size, uint32_t bytes, Fault *f)
{
    Stack st = stack_current(cpu);
    uint32_t pc, selector;
    if (!stack_pop(cpu, &st, size, &pc, f) || !stack_pop(cpu, &st, size, &selector, f))
        return false;
    const SegReg cs = plain_cs(cpu, (uint16_t)selector);
    if (pc > cs.limit)
        return fault_code(f, VEC_GP, 0);
    release(&st, bytes);
    stack_commit(cpu, &st);
    cpu_set_cs(cpu, cs, pc, cpu->cpl);
    return true;
}

uint64_t helper_far_ret(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = a & 0xff;
    Fault f;
    log_printf(LOG_PCALL, "far ret at %04x:%08x CPL %u", cpu->seg[SEG_CS].selector,
               (unsigned)vcpu->pc, cpu->cpl);
    const bool ok = cpu_protected(cpu) ? ret_protected(cpu, size, b & 0xffff, &f)
                                       : ret_plain(cpu, size, b & 0xffff, &f);
    if (!ok)
        cpu_raise(cpu, f);
    return 0;
}

uint64_t helper_near_target(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    if ((uint32_t)a > cpu->seg[SEG_CS].limit)
        cpu_raise_code(cpu, VEC_GP, 0);
    return 0;
}

/* ---- SYSENTER, SYSEXIT (SDM 2) ---- */

static SegReg flat(uint16_t selector, unsigned dpl, uint16_t type)
{
    const uint16_t attr = (uint16_t)(SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED |
                                     SEG_ATTR_DB | SEG_ATTR_G | type | dpl << SEG_ATTR_DPL_SHIFT);
    return (SegReg){selector, attr, 0xffffffffu, 0};
}

uint64_t helper_sysenter(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint16_t cs = (uint16_t)(cpu->sysenter_cs & 0xfffc);
    if (!(cpu->cr0 & CR0_PE) || cs == 0)
        cpu_raise_code(cpu, VEC_GP, 0);
    cpu_set_eflags(cpu, 0, EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    cpu->seg[SEG_SS] = flat((uint16_t)(cs + 8), 0, 0);
    vcpu->gpr[REG_ESP] = (uint32_t)cpu->sysenter_esp;
    cpu_set_cs(cpu, flat(cs, 0, SEG_ATTR_CODE), (uint32_t)cpu->sysenter_eip, 0);
    return 0;
}

uint64_t helper_sysexit(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint16_t cs = (uint16_t)(cpu->sysenter_cs & 0xfffc);
    if (!(cpu->cr0 & CR0_PE) || cs == 0 || cpu->cpl != 0)
        cpu_raise_code(cpu, VEC_GP, 0);
    cpu->seg[SEG_SS] = flat((uint16_t)((cs + 24) | 3), 3, 0);
    vcpu->gpr[REG_ESP] = cpu_reg(cpu, REG_ECX);
    cpu_set_cs(cpu, flat((uint16_t)((cs + 16) | 3), 3, SEG_ATTR_CODE), cpu_reg(cpu, REG_EDX), 3);
    return 0;
}
