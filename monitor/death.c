/* SPDX-License-Identifier: MIT
 * Writes the death report. */
#include "monitor/death.h"

#include <inttypes.h>

#include "base/disas.h"
#include "monitor/command.h"
#include "monitor/symbols.h"

static const char *const headlines[] = {
    [DEATH_TRIPLE_FAULT] = ("triple fault: an exception could not be delivered, nor the double "
                            "fault that followed"),
    [DEATH_RESET] = "the guest asked for a reset",
    [DEATH_HALT] = "the guest halted the CPU with interrupts off: nothing will wake it",
    [DEATH_SPIN] = "the guest only spins at one place",
    [DEATH_STORM] = "one instruction raises the same fault over and over",
    [DEATH_PANIC] = "the guest reported a panic",
    [DEATH_TIMEOUT] = "time is up",
};

static const char *const exceptions[32] = {
    "#DE divide error",
    "#DB debug",
    "NMI",
    "#BP breakpoint",
    "#OF overflow",
    "#BR bound range",
    "#UD invalid opcode",
    "#NM no FPU",
    "#DF double fault",
    "coprocessor overrun",
    "#TS invalid TSS",
    "#NP segment not present",
    "#SS stack fault",
    "#GP general protection",
    "#PF page fault",
    NULL,
    "#MF x87 error",
    "#AC alignment",
    "#MC machine check",
    "#XM SIMD error",
};

static bool real_mode(const CpuX86 *cpu)
{
    return !(cpu->cr0 & CR0_PE) || (cpu->eflags & EFLAGS_VM);
}

static uint64_t linear(const CpuX86 *cpu, uint64_t cs, uint64_t pc)
{
    return (uint32_t)(real_mode(cpu) ? (cs << 4) + pc : cpu->seg[SEG_CS].base + pc);
}

static void append_page_fault(const DeliveredEvent *event, GString *out)
{
    const uint64_t e = event->error;
    g_string_append_printf(out, " (%s %s of %08" PRIx64 ", %s)", e & 4 ? "user" : "supervisor",
                           e & 16  ? "fetch"
                           : e & 2 ? "write"
                                   : "read",
                           event->cr2,
                           e & 8   ? "reserved bit set"
                           : e & 1 ? "not permitted"
                                   : "not present");
}

static void append_selector(const DeliveredEvent *event, GString *out)
{
    const uint64_t e = event->error;
    if (e & 2)
        g_string_append_printf(out, " (gate of vector %02x in the IDT)", (unsigned)(e >> 3) & 0xff);
    else if (e & 0xfffc)
        g_string_append_printf(out, " (selector %04x)", (unsigned)e & 0xfffc);
}

static void append_event(const Machine *machine, const DeliveredEvent *event, GString *out)
{
    const char *name = event->exception && event->vector < 32 ? exceptions[event->vector] : NULL;
    g_string_append(out, event->first ? "    " : event->lost ? "      lost: " : "      then ");
    if (name)
        g_string_append(out, name);
    else
        g_string_append_printf(out, "interrupt %02x", event->vector);
    if (event->has_error)
        g_string_append_printf(out, ", error %" PRIx64, event->error);
    if (event->exception && event->vector == VEC_PF)
        append_page_fault(event, out);
    else if (event->has_error)
        append_selector(event, out);
    g_string_append_printf(out, " at %04" PRIx64 ":%08" PRIx64, event->cs, event->pc);
    symbols_append(machine->symbols, linear(machine->cpu, event->cs, event->pc), out);
    g_string_append_printf(out, " CPL %u\n", event->cpl);
}

static bool same_event(const DeliveredEvent *a, const DeliveredEvent *b)
{
    return a->vector == b->vector && a->pc == b->pc && a->cs == b->cs && a->cr2 == b->cr2 &&
           a->first && b->first;
}

static void append_events(const Machine *machine, GString *out)
{
    const CpuX86 *cpu = machine->cpu;
    const unsigned size = G_N_ELEMENTS(cpu->history);
    const unsigned count = MIN(cpu->history_count, size);
    if (count == 0)
        return;
    g_string_append(out, "  exceptions and interrupts, the last is what happened last:\n");
    unsigned same = 1;
    for (unsigned i = cpu->history_count - count; i != cpu->history_count; i++) {
        const DeliveredEvent *event = &cpu->history[i % size];
        if (i + 1 != cpu->history_count && same_event(event, &cpu->history[(i + 1) % size])) {
            same++;
            continue;
        }
        append_event(machine, event, out);
        if (same > 1)
            g_string_append_printf(out, "      %u times in a row\n", same);
        same = 1;
    }
}

static void append_code(const Machine *machine, GString *out)
{
    const CpuX86 *cpu = machine->cpu;
    const uint64_t at = linear(cpu, cpu->seg[SEG_CS].selector, cpu->v.pc);
    const int bits = machine_code_bits(machine);
    uint8_t code[16];
    unsigned size = 0;
    while (size < sizeof code && mmu_debug_read(&machine->cpu->v.mmu, at + size, &code[size], 1))
        size++;
    if (size == 0) {
        g_string_append(out, "  no memory at CS:EIP\n");
        return;
    }
    g_string_append(out, "  next instruction: ");
    disas_append(out, code, MIN(size, disas_length(code, size, bits)), at, bits);
}

static void append_place(const Machine *machine, GString *out)
{
    const CpuX86 *cpu = machine->cpu;
    const uint64_t at = linear(cpu, cpu->seg[SEG_CS].selector, cpu->v.pc);
    g_string_append_printf(out, "  CS:EIP %04x:%08x, linear %08" PRIx64, cpu->seg[SEG_CS].selector,
                           (unsigned)cpu->v.pc, at);
    symbols_append(machine->symbols, at, out);
    g_string_append_printf(out, ", %s mode, %d-bit code, CPL %u, interrupts %s%s\n",
                           !(cpu->cr0 & CR0_PE)      ? "real"
                           : cpu->eflags & EFLAGS_VM ? "virtual-8086"
                                                     : "protected",
                           machine_code_bits(machine), cpu->cpl,
                           cpu->eflags & EFLAGS_IF ? "on" : "off", cpu->v.halted ? ", halted" : "");
}

static void append_registers(const CpuX86 *cpu, GString *out)
{
    static const char *const names[] = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
    static const char *const segments[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        g_string_append_printf(out, "%s%s=%08x", i % 8 ? " " : "  ", names[i],
                               (unsigned)cpu->v.gpr[i]);
    g_string_append_printf(out, "\n  EFLAGS=%08x CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n ",
                           cpu_eflags(cpu), (unsigned)cpu->cr0, (unsigned)cpu->cr2,
                           (unsigned)cpu->cr3, (unsigned)cpu->cr4);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        g_string_append_printf(out, " %s=%04x", segments[i], cpu->seg[i].selector);
    g_string_append_printf(out, " GDT=%08x+%04x IDT=%08x+%04x TR=%04x\n", (unsigned)cpu->gdtr.base,
                           cpu->gdtr.limit, (unsigned)cpu->idtr.base, cpu->idtr.limit,
                           cpu->tr.selector);
}

static void append_blocks(const Machine *machine, GString *out)
{
    EngineBlock blocks[8];
    const unsigned count = engine_recent_blocks(machine->engine, blocks, G_N_ELEMENTS(blocks));
    if (count == 0)
        return;
    g_string_append(out, "  blocks entered last (chained ones do not show), newest first:\n");
    for (unsigned i = 0; i < count; i++) {
        const uint64_t at = (uint32_t)(blocks[i].cs_base + blocks[i].pc);
        g_string_append_printf(out, "    %08" PRIx64, at);
        symbols_append(machine->symbols, at, out);
        g_string_append_c(out, '\n');
    }
}

const char *death_report(Machine *machine, Death death, const char *detail)
{
    GString *out = g_string_new(NULL);
    address_space_lock(machine->as);
    g_string_append_printf(out, "dbtvm: %s%s%s%s\n", headlines[death], detail ? " (" : "",
                           detail ? detail : "", detail ? ")" : "");
    append_place(machine, out);
    append_code(machine, out);
    append_events(machine, out);
    append_registers(machine->cpu, out);
    append_blocks(machine, out);
    address_space_unlock(machine->as);
    g_free(machine->death);
    machine->death = g_string_free(out, FALSE);
    return machine->death;
}

bool info_death(Command *command, GError **error)
{
    machine_enter(command->machine);
    g_string_append(command->out,
                    command->machine->death ? command->machine->death : "the guest has not died\n");
    machine_leave(command->machine);
    return true;
}
