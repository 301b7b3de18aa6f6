/* SPDX-License-Identifier: MIT */
#include "tests/torture/machine.h"

#include <stddef.h>
#include <string.h>

#include "tests/oracle/bare.h"
#include "translator/x86/cpu-priv.h"

struct Machine {
    Bare bare;
    bool stepping;
};

/* The exit is an undefined instruction at a place of its own; all else the program handles. */
static bool deliver_fault(VCpu *vcpu)
{
    bool at_exit = vcpu->pc == PHYS_KERNEL + KERNEL_EXIT || vcpu->pc == LINEAR_KERNEL + KERNEL_EXIT;
    if (at_exit && vcpu->fault.vector == VEC_UD)
        return false;
    return x86_guest_ops.deliver_fault(vcpu);
}

/* No interrupt ever comes: a HLT, which a program that wandered off may find, ends it. */
static bool is_halted(VCpu *vcpu)
{
    return vcpu->halted;
}

static bool end_halted(VCpu *vcpu)
{
    vcpu->fault = (Fault){.vector = 0};
    return false;
}

Machine *machine_new(const EngineOptions *options, bool stepping, GError **error)
{
    static const BareRam ram = {"ram", 0, RAM_SIZE};
    Machine *machine = g_new0(Machine, 1);
    CpuModel model;
    if (!cpu_model_parse(&model, "max", error) ||
        !bare_init(&machine->bare, &ram, 1, &model, options, error)) {
        machine_free(machine);
        return NULL;
    }
    machine->stepping = stepping;
    machine->bare.ops.deliver_fault = deliver_fault;
    machine->bare.ops.interrupt_ready = is_halted;
    machine->bare.ops.deliver_interrupt = end_halted;
    return machine;
}

void machine_free(Machine *machine)
{
    bare_free(&machine->bare);
    g_free(machine);
}

bool machine_has_windows(const Machine *machine)
{
    return engine_has_windows(machine->bare.engine);
}

const EngineCounters *machine_counters(const Machine *machine)
{
    return engine_counters(machine->bare.engine);
}

/* ---- one program ---- */

static void set_segments(CpuX86 *cpu, const Program *p)
{
    const bool user = p->kind == PROGRAM_USER;
    const uint16_t data = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED | SEG_ATTR_DB |
                          SEG_ATTR_G | (user ? SEG_ATTR_DPL : 0);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = (SegReg){user ? SEL_DATA3 : SEL_DATA0, data, 0xffffffff, 0};
    cpu->seg[SEG_CS].selector = user ? SEL_CODE3 : SEL_CODE0;
    cpu->seg[SEG_CS].attr |= SEG_ATTR_CODE;
    uint32_t system = p->kind == PROGRAM_FLAT ? PHYS_SYSTEM : LINEAR_SYSTEM;
    cpu->gdtr = (DescTable){system, SEL_TSS + 7};
    cpu->idtr = (DescTable){system + SYSTEM_IDT, VECTORS * 8 - 1};
    cpu->tr = (SegReg){SEL_TSS, SEG_ATTR_P | SYS_TSS32_BUSY, 103, system + SYSTEM_TSS};
}

static void set_cpu(CpuX86 *cpu, const Program *p)
{
    const bool paging = p->kind != PROGRAM_FLAT;
    cpu_reset(cpu);
    cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | (paging ? CR0_PG : 0);
    cpu->cr3 = p->cr3[0];
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (paging ? CR4_PGE : 0) | (p->pae ? CR4_PAE : CR4_PSE);
    cpu->cpl = p->kind == PROGRAM_USER ? 3 : 0;
    cpu_sync_paging(cpu);
    if (paging && p->pae)
        cpu_load_pdptes(cpu, &cpu->v.mmu.paging);
    set_segments(cpu, p);
    for (unsigned i = 0; i < 8; i++)
        cpu->v.gpr[i] = p->gpr[i];
    cpu->v.pc = p->eip;
    cpu_set_eflags(cpu, 2, ~0u);
    memset(cpu->v.fp_area, 0, sizeof cpu->v.fp_area);
    const uint16_t fcw = 0x37f;
    const uint32_t mxcsr = 0x1f80;
    memcpy(cpu->v.fp_area, &fcw, sizeof fcw);
    memcpy(cpu->v.fp_area + 24, &mxcsr, sizeof mxcsr);
    cpu_update_mode(cpu);
    mmu_flush_all(&cpu->v.mmu);
}

static void load(Machine *machine, const Program *p, uint32_t blocks)
{
    if (p->seed % 8)
        engine_flush(machine->bare.engine);
    address_space_dma_write(machine->bare.as, 0, p->ram, RAM_SIZE);
    set_cpu(machine->bare.cpu, p);
    if (blocks)
        machine->bare.cpu->v.gpr[REG_ECX] = blocks;
}

static RunResult run(Machine *machine)
{
    return machine->stepping ? engine_steps(machine->bare.engine, STEPS_MAX, false)
                             : engine_run(machine->bare.engine);
}

void machine_run(Machine *machine, const Program *p, uint32_t blocks, EndState *end)
{
    CpuX86 *cpu = machine->bare.cpu;
    load(machine, p, blocks);
    end->endless = run(machine) == RUN_STEPPED;
    end->vector = cpu->v.fault.vector;
    end->eip = (uint32_t)cpu->v.pc;
    end->ended = (end->eip & (PAGE - 1)) == KERNEL_EXIT && end->vector == VEC_UD;
    end->eflags = cpu_eflags(cpu);
    for (unsigned i = 0; i < 8; i++)
        end->gpr[i] = (uint32_t)cpu->v.gpr[i];
    end->cr2 = (uint32_t)cpu->cr2;
    end->cr3 = (uint32_t)cpu->cr3;
    end->cr4 = (uint32_t)cpu->cr4;
    end->cpl = cpu->cpl;
    memcpy(end->fx, cpu->v.fp_area, sizeof end->fx);
    memcpy(end->ram, machine->bare.hva[0], RAM_SIZE);
}

/* ---- comparing ---- */

/* Where A bits do not count: SDM 3A "Accessed and Dirty Flags" lets speculation set them. */
static uint8_t ram_mask(unsigned at)
{
    bool table = at / PAGE == PHYS_TABLE(0) / PAGE || at / PAGE == PHYS_TABLE(1) / PAGE;
    return table ? (uint8_t)~PTE_A : 0xff;
}

static bool fx_equal(const uint8_t *a, const uint8_t *b, GString *text)
{
    enum { MXCSR_MASK = 28, END = 288 }; /* FXSAVE fills one and leaves the rest alone */
    bool equal = true;
    for (unsigned i = 0; i < END; i++) {
        if (a[i] == b[i] || (i >= MXCSR_MASK && i < MXCSR_MASK + 4))
            continue;
        equal = false;
        if (text)
            g_string_append_printf(text, "  FXSAVE image %03x: %02x, %02x\n", i, a[i], b[i]);
    }
    return equal;
}

static bool ram_equal(const uint8_t *a, const uint8_t *b, GString *text)
{
    unsigned shown = 0;
    for (unsigned i = 0; i < RAM_SIZE && shown < 24; i++) {
        if (!((a[i] ^ b[i]) & ram_mask(i)))
            continue;
        shown++;
        if (text)
            g_string_append_printf(text, "  physical %05x: %02x, %02x\n", i, a[i], b[i]);
    }
    return !shown;
}

/* The 32-bit fields. */
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
#define FIELD(text, member)                                                                        \
    {                                                                                              \
        text, offsetof(EndState, member)                                                           \
    }
    FIELD("eax", gpr[0]), FIELD("ecx", gpr[1]),    FIELD("edx", gpr[2]), FIELD("ebx", gpr[3]),
    FIELD("esp", gpr[4]), FIELD("ebp", gpr[5]),    FIELD("esi", gpr[6]), FIELD("edi", gpr[7]),
    FIELD("eip", eip),    FIELD("eflags", eflags), FIELD("cpl", cpl),    FIELD("vector", vector),
    FIELD("cr2", cr2),    FIELD("cr3", cr3),       FIELD("cr4", cr4),
};

bool end_states_equal(const EndState *a, const EndState *b, GString *text)
{
    bool equal = true;
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        uint32_t x, y;
        memcpy(&x, (const uint8_t *)a + fields[i].offset, sizeof x);
        memcpy(&y, (const uint8_t *)b + fields[i].offset, sizeof y);
        if (x == y)
            continue;
        equal = false;
        if (text)
            g_string_append_printf(text, "  %s: %08x, %08x\n", fields[i].name, x, y);
    }
    equal &= fx_equal(a->fx, b->fx, text);
    if (memcmp(a->ram, b->ram, RAM_SIZE))
        equal &= ram_equal(a->ram, b->ram, text);
    return equal;
}
