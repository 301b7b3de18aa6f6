/* SPDX-License-Identifier: MIT
 * Debug events between instructions: TF, breakpoints, interrupt shadows, and the debug registers
 * (SDM 3B "Debug, Branch Profile..."). Interrupts come between traps of the instruction before and
 * breakpoints of the next (SDM 3A table "Priority Among Concurrent Events").
 * Data breakpoints are the MMU's watches. */
#include "translator/x86/helpers.h"

enum { BREAK_EXEC = 0, BREAK_WRITE = 1, BREAK_IO = 2, BREAK_ACCESS = 3, BREAKPOINTS = 4 };

static bool dr7_enabled(const CpuX86 *cpu, unsigned i, unsigned kind)
{
    return ((cpu->dr[7] >> (2 * i)) & 3) != 0 && ((cpu->dr[7] >> (16 + 4 * i)) & 3) == kind;
}

bool debug_code_armed(const CpuX86 *cpu)
{
    for (unsigned i = 0; (cpu->dr[7] & DR7_ENABLES) && i < BREAKPOINTS; i++) {
        if (dr7_enabled(cpu, i, BREAK_EXEC))
            return true;
    }
    return false;
}

static bool data_armed(const CpuX86 *cpu, unsigned i)
{
    return dr7_enabled(cpu, i, BREAK_WRITE) || dr7_enabled(cpu, i, BREAK_ACCESS);
}

static bool io_armed(const CpuX86 *cpu, unsigned i)
{
    return (cpu->cr4 & CR4_DE) && dr7_enabled(cpu, i, BREAK_IO);
}

bool debug_armed(const CpuX86 *cpu)
{
    for (unsigned i = 0; (cpu->dr[7] & DR7_ENABLES) && i < BREAKPOINTS; i++) {
        if (data_armed(cpu, i) || io_armed(cpu, i))
            return true;
    }
    return debug_code_armed(cpu);
}

/* RF only matters to code breakpoints; without any it would have been cleared after the next
 * instruction, so it is dropped at once. */
uint32_t debug_rf_mask(const CpuX86 *cpu)
{
    return debug_code_armed(cpu) ? EFLAGS_RF : 0;
}

static unsigned break_length(const CpuX86 *cpu, unsigned i)
{
    static const uint8_t lengths[] = {1, 2, 8, 4};
    return lengths[(cpu->dr[7] >> (18 + 4 * i)) & 3];
}

void debug_update_watches(CpuX86 *cpu)
{
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        const unsigned length = break_length(cpu, i);
        const bool reads = dr7_enabled(cpu, i, BREAK_ACCESS);
        MmuWatch watch = {(uint32_t)cpu->dr[i] & ~(length - 1), data_armed(cpu, i) ? length : 0,
                          MMU_WATCH_WRITE | (reads ? MMU_WATCH_READ : 0u)};
        if (watch.size == 0)
            watch = (MmuWatch){0};
        mmu_set_watch(&cpu->v.mmu, i, watch);
    }
}

void debug_io_access(CpuX86 *cpu, uint16_t port, unsigned size)
{
    if (!(cpu->dr[7] & DR7_ENABLES))
        return;
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        const unsigned length = break_length(cpu, i);
        const uint32_t start = (uint32_t)cpu->dr[i] & ~(length - 1);
        if (io_armed(cpu, i) && port < start + length && start < port + size)
            cpu->pending_db |= 1u << i;
    }
    cpu_update_flags_mode(cpu);
}

void debug_begin_shadow(CpuX86 *cpu, bool ss)
{
    cpu->shadow = cpu->shadow_fresh = true;
    cpu->shadow_ss = ss;
    cpu_update_flags_mode(cpu);
}

/* The shadow covers the boundary before one instruction. */
static void age_shadow(CpuX86 *cpu)
{
    if (!cpu->shadow_fresh)
        cpu->shadow = cpu->shadow_ss = false;
    cpu->shadow_fresh = false;
}

static uint32_t code_hits(const CpuX86 *cpu)
{
    const uint32_t linear = (uint32_t)(cpu->seg[SEG_CS].base + cpu->v.pc);
    uint32_t hits = 0;
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        if (dr7_enabled(cpu, i, BREAK_EXEC) && (uint32_t)cpu->dr[i] == linear)
            hits |= 1u << i;
    }
    return hits;
}

static void deliver_db(CpuX86 *cpu, uint32_t bits)
{
    Event event = {.kind = EVENT_DEBUG, .vector = VEC_DB, .return_pc = (uint32_t)cpu->v.pc};
    cpu->dr[6] |= bits;
    cpu->dr[7] &= ~(uint64_t)DR7_GD;
    cpu->pending_db = 0;
    if (!event_deliver(cpu, event))
        cpu->shutdown = true;
}

/* RF holds back code breakpoints for one instruction. */
static bool check_code(CpuX86 *cpu)
{
    if (!(cpu->mode & MODE_BREAKPOINTS) || cpu->shadow_ss)
        return false;
    cpu->rf_served = (cpu->eflags & EFLAGS_RF) != 0;
    const uint32_t hits = cpu->rf_served ? 0 : code_hits(cpu);
    cpu->eflags &= ~EFLAGS_RF;
    if (hits)
        deliver_db(cpu, hits);
    return hits != 0;
}

void debug_take_rf_back(CpuX86 *cpu)
{
    if (cpu->v.boundary == BOUNDARY_BEGUN && cpu->rf_served)
        cpu->eflags |= debug_rf_mask(cpu);
}

/* SDM 3A "Class 2—Maskable Hardware Interrupt Handling in Virtual-8086 Mode": VIF and VIP both set
 * when an instruction begins. */
static bool check_virtual_interrupt(CpuX86 *cpu)
{
    if (!cpu_virtual_interrupt_due(cpu))
        return false;
    if (!event_deliver(cpu, (Event){EVENT_FAULT, VEC_GP, true, 0, (uint32_t)cpu->v.pc}))
        cpu->shutdown = true;
    return true;
}

/* What the last instruction left. The frame may lie on watched data, and lead to the next. */
static bool deliver_traps(CpuX86 *cpu)
{
    enum { ROUNDS_MAX = 16 };
    Mmu *mmu = &cpu->v.mmu;
    unsigned round = 0;
    for (; round < ROUNDS_MAX; round++) {
        cpu->pending_db |= mmu->watch_hits & DEBUG_WATCHES;
        mmu->watch_hits &= ~DEBUG_WATCHES;
        if (!cpu->pending_db || cpu->shadow_ss || cpu->shutdown)
            break;
        deliver_db(cpu, cpu->pending_db);
    }
    if (round == ROUNDS_MAX) /* or a gate that is watched would lead to itself for ever */
        mmu->watch_hits &= ~DEBUG_WATCHES;
    return round > 0;
}

bool x86_debug_boundary(VCpu *vcpu)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    if (!(cpu->mode & (MODE_SINGLE_STEP | MODE_SHADOW | MODE_BREAKPOINTS)))
        return false;
    age_shadow(cpu);
    fpu_update_ignne(cpu);
    if (cpu->step_armed && !cpu->shadow_ss)
        cpu->pending_db |= DR6_BS;
    cpu->step_armed = (cpu->eflags & EFLAGS_TF) != 0;
    const bool moved = deliver_traps(cpu);
    cpu_update_flags_mode(cpu);
    return moved;
}

bool x86_begin_instruction(VCpu *vcpu)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    cpu->rf_served = false;
    if (!(cpu->mode & (MODE_SINGLE_STEP | MODE_BREAKPOINTS)))
        return false;
    const bool moved = check_code(cpu) || check_virtual_interrupt(cpu);
    cpu_update_flags_mode(cpu);
    return moved;
}

/* ---- MOV DRn ---- */

static unsigned debug_register(CpuX86 *cpu, uint64_t number)
{
    cpu_require_cpl0(cpu);
    if (number == 4 || number == 5) {
        if (cpu->cr4 & CR4_DE)
            cpu_raise_plain(cpu, VEC_UD);
        number += 2;
    }
    if (cpu->dr[7] & DR7_GD) {
        cpu->dr[6] |= DR6_BD;
        cpu->dr[7] &= ~(uint64_t)DR7_GD;
        cpu_raise_plain(cpu, VEC_DB);
    }
    return number & 7;
}

uint64_t helper_mov_from_dr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    return (uint32_t)cpu->dr[debug_register(cpu, a)];
}

uint64_t helper_mov_to_dr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned number = debug_register(cpu, a);
    uint32_t value = (uint32_t)b;
    if (number == 6)
        value = (value & (0xf | DR6_BD | DR6_BS | DR6_BT)) | DR6_FIXED;
    if (number == 7)
        value = (value & ~0xd800u) | DR7_FIXED;
    cpu->dr[number] = value;
    debug_update_watches(cpu);
    cpu_update_mode(cpu);
    return 0;
}
