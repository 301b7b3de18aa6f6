/* SPDX-License-Identifier: MIT */
#include "tests/torture/machine.h"

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
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (paging ? CR4_PGE : 0) | (p->pae ? CR4_PAE : 0);
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
    address_space_dma_write(machine->bare.as, 0, p->ram, RAM_SIZE);
    set_cpu(machine->bare.cpu, p);
    if (blocks)
        machine->bare.cpu->v.gpr[REG_ECX] = blocks;
}

static void run(Machine *machine)
{
    if (!machine->stepping)
        engine_run(machine->bare.engine);
    while (machine->stepping && engine_step(machine->bare.engine, false) == RUN_STEPPED)
        ;
}

void machine_run(Machine *machine, const Program *p, uint32_t blocks, EndState *end)
{
    CpuX86 *cpu = machine->bare.cpu;
    load(machine, p, blocks);
    run(machine);
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

static bool equal32(const char *name, uint32_t a, uint32_t b, GString *text)
{
    if (a != b && text)
        g_string_append_printf(text, "  %s: %08x, %08x\n", name, a, b);
    return a == b;
}

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

bool end_states_equal(const EndState *a, const EndState *b, GString *text)
{
    static const char *const names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    bool equal = true;
    for (unsigned i = 0; i < 8; i++)
        equal &= equal32(names[i], a->gpr[i], b->gpr[i], text);
    equal &= equal32("eip", a->eip, b->eip, text) & equal32("eflags", a->eflags, b->eflags, text);
    equal &= equal32("vector", a->vector, b->vector, text) & equal32("cpl", a->cpl, b->cpl, text);
    equal &= equal32("cr2", a->cr2, b->cr2, text) & equal32("cr3", a->cr3, b->cr3, text);
    equal &= equal32("cr4", a->cr4, b->cr4, text);
    equal &= fx_equal(a->fx, b->fx, text);
    if (memcmp(a->ram, b->ram, RAM_SIZE))
        equal &= ram_equal(a->ram, b->ram, text);
    return equal;
}
