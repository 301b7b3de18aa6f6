/* SPDX-License-Identifier: MIT
 * The CPU's state by name, and SELECTOR:OFFSET addresses. */
#include <string.h>

#include "monitor/command.h"

void machine_enter(Machine *machine)
{
    machine->pause(machine);
    address_space_lock(machine->as);
}

void machine_leave(Machine *machine)
{
    address_space_unlock(machine->as);
    machine->resume(machine);
}

int machine_code_bits(const Machine *machine)
{
    const CpuX86 *cpu = machine->cpu;
    uint16_t attr = cpu->seg[SEG_CS].attr;
    if ((cpu->efer & EFER_LMA) && (attr & SEG_ATTR_L))
        return 64;
    return attr & SEG_ATTR_DB ? 32 : 16;
}

#define GPR(name, n)                                                                               \
    {                                                                                              \
        name, offsetof(CpuX86, v.gpr[n]), 4, 0                                                     \
    }
#define PART(name, n, size, shift)                                                                 \
    {                                                                                              \
        name, offsetof(CpuX86, v.gpr[n]), size, shift                                              \
    }
#define SEGMENT(name, n)                                                                           \
    {name, offsetof(CpuX86, seg[n].selector), 2, 0},                                               \
        {name ".limit", offsetof(CpuX86, seg[n].limit), 4, 0},                                     \
    {                                                                                              \
        name ".base", offsetof(CpuX86, seg[n].base), 8, 0                                          \
    }

static const struct {
    const char *name;
    size_t offset;
    unsigned size, shift;
} registers[] = {
    GPR("eax", REG_EAX),
    GPR("ecx", REG_ECX),
    GPR("edx", REG_EDX),
    GPR("ebx", REG_EBX),
    GPR("esp", REG_ESP),
    GPR("ebp", REG_EBP),
    GPR("esi", REG_ESI),
    GPR("edi", REG_EDI),
    PART("ax", REG_EAX, 2, 0),
    PART("cx", REG_ECX, 2, 0),
    PART("dx", REG_EDX, 2, 0),
    PART("bx", REG_EBX, 2, 0),
    PART("sp", REG_ESP, 2, 0),
    PART("bp", REG_EBP, 2, 0),
    PART("si", REG_ESI, 2, 0),
    PART("di", REG_EDI, 2, 0),
    PART("al", REG_EAX, 1, 0),
    PART("cl", REG_ECX, 1, 0),
    PART("dl", REG_EDX, 1, 0),
    PART("bl", REG_EBX, 1, 0),
    PART("ah", REG_EAX, 1, 8),
    PART("ch", REG_ECX, 1, 8),
    PART("dh", REG_EDX, 1, 8),
    PART("bh", REG_EBX, 1, 8),
    SEGMENT("es", SEG_ES),
    SEGMENT("cs", SEG_CS),
    SEGMENT("ss", SEG_SS),
    SEGMENT("ds", SEG_DS),
    SEGMENT("fs", SEG_FS),
    SEGMENT("gs", SEG_GS),
    {"eip", offsetof(CpuX86, v.pc), 4, 0},
    {"cr0", offsetof(CpuX86, cr0), 8, 0},
    {"cr2", offsetof(CpuX86, cr2), 8, 0},
    {"cr3", offsetof(CpuX86, cr3), 8, 0},
    {"cr4", offsetof(CpuX86, cr4), 8, 0},
    {"efer", offsetof(CpuX86, efer), 8, 0},
    {"ldtr", offsetof(CpuX86, ldtr.selector), 2, 0},
    {"tr", offsetof(CpuX86, tr.selector), 2, 0},
    {"tr.base", offsetof(CpuX86, tr.base), 8, 0},
    {"gdtr", offsetof(CpuX86, gdtr.base), 8, 0},
    {"idtr", offsetof(CpuX86, idtr.base), 8, 0},
};

bool machine_register(const Machine *machine, const char *name, uint64_t *value)
{
    const CpuX86 *cpu = machine->cpu;
    if (!strcmp(name, "eflags")) {
        *value = cpu_eflags(cpu);
        return true;
    }
    if (!strcmp(name, "pc")) { /* linear */
        *value = (uint32_t)(cpu->seg[SEG_CS].base + cpu->v.pc);
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(registers); i++) {
        if (strcmp(registers[i].name, name) != 0)
            continue;
        uint64_t raw = 0; /* little endian like the host */
        memcpy(&raw, (const char *)cpu + registers[i].offset,
               registers[i].size > 2 ? registers[i].size : 2);
        raw >>= registers[i].shift;
        *value = registers[i].size == 1 ? (uint8_t)raw : raw;
        return true;
    }
    return false;
}

/* Base of the segment with this selector: computed in real and virtual-8086 mode, else that of a
 * loaded segment register. */
static bool find_base(const CpuX86 *cpu, uint64_t selector, uint64_t *base)
{
    if (!(cpu->cr0 & CR0_PE) || (cpu->eflags & EFLAGS_VM)) {
        *base = (selector & 0xffff) << 4;
        return true;
    }
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (cpu->seg[i].selector == selector) {
            *base = cpu->seg[i].base;
            return true;
        }
    }
    return false;
}

bool command_address(Command *command, uint64_t *value, GError **error)
{
    uint64_t base, selector;
    if (!command_expression(command, "address", value, error))
        return false;
    if (*command->rest != ':')
        return true;
    command->rest++;
    selector = *value;
    if (!command_expression(command, "offset", value, error))
        return false;
    machine_enter(command->machine);
    bool found = find_base(command->machine->cpu, selector, &base);
    machine_leave(command->machine);
    if (!found)
        return command_error(error, "no segment register holds selector 0x%x", (unsigned)selector);
    *value = (uint32_t)(base + *value);
    return true;
}
