/* SPDX-License-Identifier: MIT
 * Delivery of exceptions and interrupts (SDM 3A "Interrupt and Exception Handling", SDM 2 "INT").
 * Faults met on the way are values; event_deliver applies the double-fault rules. */
#include "translator/x86/cpu-priv.h"

#include "translator/x86/helpers.h"

/* Contributory exceptions (SDM 3A "Interrupt 8—Double Fault Exception"). */
#define CONTRIBUTORY (BIT(VEC_DE) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP))

static bool is_software(EventKind kind)
{
    return kind == EVENT_SOFT || kind == EVENT_SOFT_TRAP;
}

/* Fault-class exceptions resume with RF set, so that a code breakpoint on the instruction does not
 * fire again (SDM 3B "RF"). */
static uint32_t pushed_eflags(const CpuX86 *cpu, const Event *event)
{
    const bool rf = event->kind == EVENT_FAULT && event->vector != VEC_DF;
    return cpu_eflags(cpu) | (rf ? EFLAGS_RF : 0);
}

/* ---- real mode, and V86 interrupts redirected to the 8086 table ---- */

static bool deliver_ivt(CpuX86 *cpu, const Event *event, uint64_t table, uint32_t flags,
                        uint32_t clear, Fault *f)
{
    uint64_t entry;
    Stack st = stack_current(cpu);
    /* The frame may lie on the table, which is read last (SDM 2 "INT", REAL-ADDRESS-MODE). */
    const uint32_t words[] = {flags, cpu->seg[SEG_CS].selector, event->return_pc};
    if (!stack_room(cpu, &st, 2, 3, f) || !stack_push_all(cpu, &st, 2, words, 3, f) ||
        !mem_read(cpu, table + event->vector * 4u, 4, cpu_mmu_mode(cpu), &entry, f))
        return false;
    const uint16_t selector = (uint16_t)(entry >> 16);
    SegReg cs = cpu_vm86(cpu) ? seg_vm86(selector) : seg_real(cpu, SEG_CS, selector);
    stack_commit(cpu, &st);
    cpu_set_eflags(cpu, 0, clear);
    cpu_set_cs(cpu, cs, entry & 0xffff, cpu->cpl);
    return true;
}

static bool deliver_real(CpuX86 *cpu, const Event *event, Fault *f)
{
    if (event->vector * 4u + 3 > cpu->idtr.limit)
        return fault_code(f, VEC_GP, event->vector * 8u + 2);
    return deliver_ivt(cpu, event, cpu->idtr.base, cpu_eflags(cpu),
                       EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF, f);
}

/* Bit of the interrupt redirection bitmap: 32 bytes below the I/O map (SDM 3A 20.3.3). */
static bool redirected(CpuX86 *cpu, uint8_t vector, bool *to_8086, Fault *f)
{
    uint64_t io_map, byte;
    if (!mem_read(cpu, cpu->tr.base + 0x66, 2, MMU_SUPERVISOR, &io_map, f))
        return false;
    const uint32_t at = (uint32_t)io_map - 32 + vector / 8u;
    if (io_map < 32 || at > cpu->tr.limit)
        return fault_code(f, VEC_GP, 0);
    if (!mem_read(cpu, cpu->tr.base + at, 1, MMU_SUPERVISOR, &byte, f))
        return false;
    *to_8086 = !((byte >> (vector & 7)) & 1);
    return true;
}

/* INT n in virtual-8086 mode (SDM 3A "Class 3—Software Interrupt Handling"). *done: delivered. */
static bool deliver_v86_soft(CpuX86 *cpu, const Event *event, bool *done, Fault *f)
{
    bool to_8086 = false;
    *done = false;
    if ((cpu->cr4 & CR4_VME) && !redirected(cpu, event->vector, &to_8086, f))
        return false;
    if (!to_8086)
        return cpu_iopl(cpu) == 3 || fault_code(f, VEC_GP, 0);
    *done = true;
    uint32_t flags = cpu_eflags(cpu);
    uint32_t clear = EFLAGS_TF | EFLAGS_RF;
    if (cpu_iopl(cpu) == 3) {
        clear |= EFLAGS_IF;
    } else {
        flags = (flags & ~EFLAGS_IF) | EFLAGS_IOPL | (flags & EFLAGS_VIF ? EFLAGS_IF : 0);
        clear |= EFLAGS_VIF;
    }
    return deliver_ivt(cpu, event, 0, flags, clear, f);
}

/* ---- protected mode ---- */

static bool fetch_gate(CpuX86 *cpu, const Event *event, Desc *gate, Fault *f)
{
    const uint32_t at = event->vector * 8u;
    const uint32_t code = at + 2 + (cpu->in_delivery ? 1 : 0);
    uint64_t value;
    if (at + 7 > cpu->idtr.limit)
        return fault_code(f, VEC_GP, code);
    if (!mem_read(cpu, cpu->idtr.base + at, 8, MMU_SUPERVISOR, &value, f))
        return false;
    *gate = (Desc){(uint32_t)value, (uint32_t)(value >> 32), cpu->idtr.base + at};
    const uint64_t gates =
        BIT(SYS_TASK_GATE) | BIT(SYS_INT16) | BIT(SYS_TRAP16) | BIT(SYS_INT32) | BIT(SYS_TRAP32);
    if ((gate->hi & DESC_S) || !((gates >> desc_type(gate)) & 1))
        return fault_code(f, VEC_GP, code);
    if (is_software(event->kind) && desc_dpl(gate) < cpu->cpl)
        return fault_code(f, VEC_GP, code);
    if (!(gate->hi & DESC_P))
        return fault_code(f, VEC_NP, code);
    return true;
}

static bool deliver_task(CpuX86 *cpu, const Event *event, const Desc *gate, Fault *f)
{
    const uint16_t selector = (uint16_t)(gate->lo >> 16);
    Desc tss;
    if (!task_fetch_tss(cpu, selector, VEC_GP, false, &tss, f) ||
        !task_switch(cpu, TASK_GATE, selector, &tss, event->return_pc, pushed_eflags(cpu, event), f))
        return false;
    if (!event->has_error)
        return true;
    Stack st = stack_current(cpu);
    if (!stack_push(cpu, &st, cpu->tr.attr & SYS_32 ? 4 : 2, event->error_code, f))
        return false;
    stack_commit(cpu, &st);
    return true;
}

static bool fetch_handler(CpuX86 *cpu, const Desc *gate, Desc *code, Fault *f)
{
    const uint16_t selector = (uint16_t)(gate->lo >> 16);
    if (selector_null(selector))
        return fault_selector(cpu, f, VEC_GP, 0);
    if (!desc_fetch(cpu, selector, VEC_GP, code, f))
        return false;
    if (!desc_is_code(code) || desc_dpl(code) > cpu->cpl)
        return fault_selector(cpu, f, VEC_GP, selector);
    return code->hi & DESC_P || fault_selector(cpu, f, VEC_NP, selector);
}

/* The stack that the frame goes to: the current one, or the handler level's from the TSS. */
static bool handler_stack(CpuX86 *cpu, unsigned level, bool inner, Stack *st, Fault *f)
{
    uint16_t selector;
    uint32_t esp;
    SegReg ss;
    if (!inner) {
        *st = stack_current(cpu);
        return true;
    }
    if (!tss_inner_stack(cpu, level, &selector, &esp, f) ||
        !seg_check_stack(cpu, selector, level, VEC_TS, &ss, f))
        return false;
    *st = stack_make(cpu, ss, esp, level, true);
    return true;
}

static bool push_frame(CpuX86 *cpu, const Event *event, FarTarget *t, Stack *st, unsigned width,
                       bool inner, Fault *f)
{
    uint32_t words[10];
    unsigned n = 0;
    if (cpu_vm86(cpu)) {
        static const uint8_t order[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
        for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
            words[n++] = cpu->seg[order[i]].selector;
    }
    if (inner) {
        words[n++] = cpu->seg[SEG_SS].selector;
        words[n++] = cpu_reg(cpu, REG_ESP);
    }
    words[n++] = pushed_eflags(cpu, event);
    words[n++] = cpu->seg[SEG_CS].selector;
    words[n++] = event->return_pc;
    if (event->has_error)
        words[n++] = event->error_code;
    return stack_room(cpu, st, width, n, f) && far_settle(cpu, t, f) &&
           stack_push_all(cpu, st, width, words, n, f);
}

static bool deliver_gate(CpuX86 *cpu, const Event *event, const Desc *gate, Fault *f)
{
    const bool vm86 = cpu_vm86(cpu);
    Desc code;
    Stack st;
    if (!fetch_handler(cpu, gate, &code, f))
        return false;
    const uint16_t selector = (uint16_t)(gate->lo >> 16);
    const bool inner = !(code.hi & DESC_CONFORM) && desc_dpl(&code) < cpu->cpl;
    const unsigned level = inner ? desc_dpl(&code) : cpu->cpl;
    if (vm86 && level != 0)
        return fault_selector(cpu, f, VEC_GP, selector);
    if (!handler_stack(cpu, level, inner, &st, f))
        return false;
    const SegReg cs = desc_segment((uint16_t)((selector & ~3u) | level), &code);
    FarTarget target = {cs, code, gate_offset(gate), level};
    if (!push_frame(cpu, event, &target, &st, desc_type(gate) & SYS_32 ? 4 : 2, inner, f))
        return false;
    stack_commit(cpu, &st);
    if (inner)
        cpu->seg[SEG_SS] = st.ss;
    for (unsigned i = 0; vm86 && i < SEG_COUNT; i++) {
        if (i != SEG_SS && i != SEG_CS)
            cpu->seg[i] = (SegReg){0};
    }
    const bool trap = desc_type(gate) & 1;
    cpu_set_eflags(cpu, 0, EFLAGS_TF | EFLAGS_NT | EFLAGS_VM | EFLAGS_RF | (trap ? 0u : EFLAGS_IF));
    cpu_set_cs(cpu, target.cs, target.pc, level);
    return true;
}

bool event_deliver_once(CpuX86 *cpu, const Event *event, Fault *f)
{
    Desc gate;
    bool done;
    if (!(cpu->cr0 & CR0_PE))
        return deliver_real(cpu, event, f);
    if (cpu_vm86(cpu) && event->kind == EVENT_SOFT) {
        if (!deliver_v86_soft(cpu, event, &done, f))
            return false;
        if (done)
            return true;
    }
    if (!fetch_gate(cpu, event, &gate, f))
        return false;
    if (desc_type(&gate) == SYS_TASK_GATE)
        return deliver_task(cpu, event, &gate, f);
    return deliver_gate(cpu, event, &gate, f);
}

/* ---- what the execution loop calls ---- */

/* A fault whose handler returns to the same instruction for ever. Virtual-8086 guests do that by
 * design: their monitor emulates the instruction. */
static void note_same_fault(CpuX86 *cpu, const DeliveredEvent *event)
{
    DeliveredEvent *last = &cpu->same_fault;
    const bool same = last->vector == event->vector && last->pc == event->pc &&
                      last->cs == event->cs && last->cr2 == event->cr2 && !cpu_vm86(cpu);
    cpu->same_count = same ? cpu->same_count + 1 : 0;
    *last = *event;
    if (cpu->same_count == FAULT_STORM && cpu->board.distress)
        cpu->board.distress(cpu->board.opaque, CPU_FAULT_STORM);
}

static DeliveredEvent *remember(CpuX86 *cpu, const Event *event, bool first)
{
    DeliveredEvent *slot = &cpu->history[cpu->history_count++ % G_N_ELEMENTS(cpu->history)];
    *slot = (DeliveredEvent){
        .vector = event->vector,
        .pc = event->return_pc,
        .cs = cpu->seg[SEG_CS].selector,
        .error = event->has_error ? event->error_code : 0,
        .cr2 = event->vector == VEC_PF ? cpu->cr2 : 0,
        .exception = event->kind == EVENT_FAULT,
        .has_error = event->has_error,
        .first = first,
        .cpl = (uint8_t)cpu->cpl,
    };
    return slot;
}

/* In the layout that readers of QEMU's -d int know; i is 1 for INT n. The number counts all events
 * since the start. */
static void log_event(const CpuX86 *cpu, const Event *event)
{
    const uint32_t pc = (uint32_t)cpu->v.pc;
    const bool page_fault = event->vector == VEC_PF && !is_software(event->kind);
    g_autoptr(GString) text = g_string_new(NULL);
    if (event->kind == EVENT_EXTERNAL)
        g_string_append_printf(text, "Servicing hardware INT=0x%02x\n", event->vector);
    g_string_append_printf(
        text, "%6u: v=%02x e=%04x i=%d cpl=%u IP=%04x:%08x pc=%08x SP=%04x:%08x %s=%08x\n",
        cpu->history_count - 1, event->vector, event->error_code, is_software(event->kind),
        cpu->cpl, cpu->seg[SEG_CS].selector, pc, (uint32_t)cpu->seg[SEG_CS].base + pc,
        cpu->seg[SEG_SS].selector, cpu_reg(cpu, REG_ESP), page_fault ? "CR2" : "EAX",
        page_fault ? (uint32_t)cpu->cr2 : cpu_reg(cpu, REG_EAX));
    cpu_print_registers(cpu, false, text);
    g_string_truncate(text, text->len - 1); /* the log ends lines itself */
    log_printf(LOG_INT, "%s", text->str);
}

static void record(CpuX86 *cpu, const Event *event, bool first)
{
    const DeliveredEvent *slot = remember(cpu, event, first);
    if (slot->exception)
        note_same_fault(cpu, slot);
    if (log_enabled(LOG_INT))
        log_event(cpu, event);
}

/* The event that follows when delivering `first` met `second` (SDM 3A table "Conditions for
 * Generating a Double Fault"). Only exceptions combine; after an interrupt the second is served. */
static Event combine(const CpuX86 *cpu, const Event *first, const Fault *second)
{
    const bool exception = first->kind == EVENT_FAULT || first->kind == EVENT_DEBUG;
    const bool contributory =
        exception && first->vector < 32 && ((CONTRIBUTORY >> first->vector) & 1);
    const bool page_fault = exception && first->vector == VEC_PF;
    const bool second_contributory = second->vector < 32 && ((CONTRIBUTORY >> second->vector) & 1);
    const bool doubles = (contributory && second_contributory) ||
                         (page_fault && (second_contributory || second->vector == VEC_PF));
    Event event = {EVENT_FAULT, second->vector, second->has_error, second->error_code,
                   (uint32_t)cpu->v.pc};
    if (doubles)
        event = (Event){EVENT_FAULT, VEC_DF, true, 0, (uint32_t)cpu->v.pc};
    return event;
}

/* The real-mode handlers get no error code; the event keeps it for the log.
 * Delivering #AC at CPL 3 may meet #AC, which no rule makes a double fault: a CPU never leaves that
 * again (CVE-2015-5307). Here the loop does, and the instruction faults again. */
bool event_deliver(CpuX86 *cpu, Event event)
{
    enum { ROUNDS_MAX = 16 };
    Fault f;
    bool ok = false, first = true;
    unsigned rounds = 0;
    cpu->v.halted = false;
    cpu->shadow = cpu->shadow_ss = cpu->shadow_fresh = cpu->step_armed = false;
    if (event.kind == EVENT_FAULT || event.kind == EVENT_DEBUG)
        log_printf(LOG_INT, "check_exception old: 0xffffffff new 0x%x", event.vector);
    for (;;) {
        cpu->in_delivery = !is_software(event.kind);
        record(cpu, &event, first);
        first = false;
        ok = event_deliver_once(cpu, &event, &f) ||
             (event.vector != VEC_DF && ++rounds == ROUNDS_MAX);
        if (ok || event.vector == VEC_DF)
            break;
        if (f.vector == FAULT_SMC) { /* no block runs now: the engine never answers this here */
            log_guest_error("delivery of vector %02x stopped by a code page", event.vector);
            break;
        }
        if (f.vector == VEC_PF)
            cpu->cr2 = f.address;
        log_printf(LOG_INT, "check_exception old: 0x%x new 0x%x", event.vector, f.vector);
        event = combine(cpu, &event, &f);
    }
    if (!ok && f.vector != FAULT_SMC) {
        log_printf(LOG_INT, "check_exception old: 0x%x new 0x%x", event.vector, f.vector);
        log_printf(LOG_INT, "Triple fault");
        const Event lost = {EVENT_FAULT, f.vector, f.has_error, f.error_code, (uint32_t)cpu->v.pc};
        DeliveredEvent *slot = remember(cpu, &lost, false);
        slot->lost = true;
        slot->cr2 = f.address;
    }
    cpu->in_delivery = false;
    cpu_update_flags_mode(cpu);
    return ok;
}

uint64_t helper_raise(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    Fault f = {.vector = (uint8_t)a, .has_error = b != 0, .error_code = (uint32_t)c};
    cpu_raise(cpu_x86(vcpu), f);
}

static void software_event(CpuX86 *cpu, Event event)
{
    Fault f;
    cpu->in_delivery = event.kind == EVENT_ICEBP;
    record(cpu, &event, true);
    if (!event_deliver_once(cpu, &event, &f))
        cpu_raise(cpu, f);
    cpu->in_delivery = false;
    /* SDM 3B "Single-Step Exception Condition": TF was cleared before the trap was due. */
    cpu->step_armed = false;
    cpu_update_flags_mode(cpu);
}

uint64_t helper_soft_int(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    static const EventKind kinds[] = {EVENT_SOFT, EVENT_SOFT_TRAP, EVENT_SOFT_TRAP, EVENT_ICEBP};
    Event event = {.kind = kinds[c & 3], .vector = (uint8_t)a, .return_pc = (uint32_t)b};
    software_event(cpu_x86(vcpu), event);
    return 0;
}

uint64_t helper_into(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Event event = {.kind = EVENT_SOFT_TRAP, .vector = VEC_OF, .return_pc = (uint32_t)a};
    if (vcpu->flags & FLAG_OF)
        software_event(cpu, event);
    else
        vcpu->pc = (uint32_t)a;
    return 0;
}

uint64_t helper_hlt(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    cpu_require_cpl0(cpu);
    vcpu->pc = (uint32_t)a;
    vcpu->halted = true;
    if (!(cpu->eflags & EFLAGS_IF) && cpu->board.distress)
        cpu->board.distress(cpu->board.opaque, CPU_DEAD_HALT);
    vcpu_exit(vcpu, EXIT_HALT);
}
