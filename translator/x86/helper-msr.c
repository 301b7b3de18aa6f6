/* SPDX-License-Identifier: MIT
 * RDMSR and WRMSR: one row a register or a run of registers (SDM 4; AMD APM 2 appendix A). */
#include "translator/x86/helpers.h"

typedef enum {
    MSR_FIELD,      /* 8 bytes of CpuX86 at `offset`; writes outside `writable` are #GP */
    MSR_CONSTANT,   /* reads `value`; writes are dropped (writable != 0) or #GP */
    MSR_TSC,
    MSR_APIC_BASE,
    MSR_TSC_DEADLINE,
    MSR_PAT,
    MSR_EFER,
    MSR_BIOS_SIGN,  /* written 0, then CPUID, then read: the microcode revision */
} MsrKind;

typedef struct {
    uint32_t first, count;
    MsrKind kind;
    uint32_t offset;
    uint64_t writable, value;
} MsrRow;

#define ALL UINT64_MAX
#define FIELD(first, count, field, writable)                                                       \
    {first, count, MSR_FIELD, offsetof(CpuX86, field), writable, 0}
#define CONSTANT(first, count, value) {first, count, MSR_CONSTANT, 0, 0, value}
#define IGNORED(first, count) {first, count, MSR_CONSTANT, 0, ALL, 0}

static const MsrRow rows[] = {
    {0x10, 1, MSR_TSC, 0, ALL, 0},
    CONSTANT(0x17, 1, 0),                    /* PLATFORM_ID */
    {0x1b, 1, MSR_APIC_BASE, 0, ALL, 0},
    IGNORED(0x2a, 1),                        /* EBL_CR_POWERON */
    CONSTANT(0x3a, 1, 1),                    /* FEATURE_CONTROL: locked */
    IGNORED(0x79, 1),                        /* BIOS_UPDT_TRIG */
    {0x8b, 1, MSR_BIOS_SIGN, 0, ALL, 0},
    CONSTANT(0xce, 1, 0),                    /* PLATFORM_INFO */
    CONSTANT(0xfe, 1, 0x508),                /* MTRRCAP: 8 variable, fixed, write combining */
    FIELD(0x174, 1, sysenter_cs, ALL),
    FIELD(0x175, 1, sysenter_esp, ALL),
    FIELD(0x176, 1, sysenter_eip, ALL),
    CONSTANT(0x179, 1, 0),                   /* MCG_CAP: no banks */
    IGNORED(0x17a, 2),                       /* MCG_STATUS, MCG_CTL */
    FIELD(0x1a0, 1, misc_enable, ALL),
    IGNORED(0x1d9, 1),                       /* DEBUGCTL */
    IGNORED(0x1db, 4),                       /* last branch and exception records */
    FIELD(0x200, 16, mtrr_phys, ALL),
    FIELD(0x250, 1, mtrr_fixed[0], ALL),
    FIELD(0x258, 2, mtrr_fixed[1], ALL),
    FIELD(0x268, 8, mtrr_fixed[3], ALL),
    {0x277, 1, MSR_PAT, offsetof(CpuX86, pat), ALL, 0},
    FIELD(0x2ff, 1, mtrr_def_type, 0xcff),
    {0x6e0, 1, MSR_TSC_DEADLINE, 0, ALL, 0},
    {0xc0000080, 1, MSR_EFER, 0, ALL, 0},
    FIELD(0xc0000103, 1, tsc_aux, 0xffffffff),
    IGNORED(0xc0010000, 8),                  /* K7 performance counters */
    IGNORED(0xc0010010, 1),                  /* SYSCFG */
    IGNORED(0xc0010015, 1),                  /* HWCR */
    IGNORED(0xc001001a, 1),                  /* TOP_MEM */
    IGNORED(0xc001001d, 1),                  /* TOP_MEM2 */
    IGNORED(0xc001001f, 1),                  /* NB_CFG */
    IGNORED(0xc0010055, 1),                  /* interrupt pending message */
    IGNORED(0xc0010112, 2),                  /* SMM TSeg base and mask */
    IGNORED(0xc0011020, 16),                 /* LS_CFG .. BU_CFG2 */
};

static const MsrRow *find_row(uint32_t msr)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (msr - rows[i].first < rows[i].count)
            return &rows[i];
    }
    return NULL;
}

static uint64_t *field_of(CpuX86 *cpu, const MsrRow *row, uint32_t msr)
{
    return (uint64_t *)(void *)((uint8_t *)cpu + row->offset) + (msr - row->first);
}

uint64_t cpu_tsc(const CpuX86 *cpu)
{
    return (cpu->board.tsc ? cpu->board.tsc(cpu->board.opaque) : 0) + cpu->tsc_offset;
}

/* The board counts without the guest's offset; 0 means that no deadline is armed. */
static uint64_t read_deadline(const CpuX86 *cpu)
{
    const CpuBoard *board = &cpu->board;
    const uint64_t value = board->tsc_deadline ? board->tsc_deadline(board->opaque) : 0;
    return value ? value + cpu->tsc_offset : 0;
}

/* As far from the board's count as from the guest's. What the board cannot count to has passed, or never
 * comes. */
static uint64_t board_deadline(const CpuX86 *cpu, uint64_t value)
{
    const uint64_t now = cpu_tsc(cpu), board_now = now - cpu->tsc_offset;
    if (value <= now)
        return now - value < board_now ? board_now - (now - value) : 1;
    return value - now <= UINT64_MAX - board_now ? board_now + (value - now) : UINT64_MAX;
}

static void write_deadline(CpuX86 *cpu, uint64_t value)
{
    cpu->board.set_tsc_deadline(cpu->board.opaque, value ? board_deadline(cpu, value) : 0);
}

/* A pending deadline keeps its value, so it moves with the offset. */
static void write_tsc(CpuX86 *cpu, uint64_t value)
{
    const uint64_t deadline = read_deadline(cpu);
    cpu->tsc_offset += value - cpu_tsc(cpu);
    if (deadline)
        write_deadline(cpu, deadline);
}

static bool read_msr(CpuX86 *cpu, uint32_t msr, uint64_t *value)
{
    const MsrRow *row = find_row(msr);
    const CpuBoard *board = &cpu->board;
    if (!row)
        return false;
    switch (row->kind) {
    case MSR_FIELD:
    case MSR_PAT:
        *value = *field_of(cpu, row, msr);
        return true;
    case MSR_CONSTANT:
        *value = row->value;
        return true;
    case MSR_TSC:
        *value = cpu_tsc(cpu);
        return true;
    case MSR_APIC_BASE:
        *value = board->apic_base ? board->apic_base(board->opaque) : 0;
        return board->apic_base != NULL;
    case MSR_TSC_DEADLINE:
        *value = read_deadline(cpu);
        return cpu_has(&cpu->model, FEAT_TSC_DEADLINE);
    case MSR_EFER:
        *value = cpu->efer;
        return cpu_has(&cpu->model, FEAT_NX);
    case MSR_BIOS_SIGN:
        *value = cpu->bios_sign;
        return true;
    }
    return false;
}

static bool pat_valid(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        const unsigned type = (value >> (8 * i)) & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool write_efer(CpuX86 *cpu, uint64_t value)
{
    if (!cpu_has(&cpu->model, FEAT_NX) || (value & ~(uint64_t)EFER_NXE))
        return false;
    if (value != cpu->efer) {
        cpu->efer = value;
        cpu_sync_paging(cpu);
        mmu_flush_all(&cpu->v.mmu);
    }
    return true;
}

static bool write_msr(CpuX86 *cpu, uint32_t msr, uint64_t value)
{
    const MsrRow *row = find_row(msr);
    const CpuBoard *board = &cpu->board;
    if (!row || (value & ~row->writable))
        return false;
    switch (row->kind) {
    case MSR_FIELD:
        *field_of(cpu, row, msr) = value;
        return true;
    case MSR_CONSTANT:
        return row->writable != 0;
    case MSR_TSC:
        write_tsc(cpu, value);
        return true;
    case MSR_APIC_BASE:
        return board->set_apic_base && board->set_apic_base(board->opaque, value);
    case MSR_TSC_DEADLINE:
        if (!cpu_has(&cpu->model, FEAT_TSC_DEADLINE) || !board->set_tsc_deadline)
            return false;
        write_deadline(cpu, value);
        return true;
    case MSR_PAT:
        if (!pat_valid(value))
            return false;
        cpu->pat = value;
        return true;
    case MSR_EFER:
        return write_efer(cpu, value);
    case MSR_BIOS_SIGN:
        return true; /* only CPUID loads it, and there is no microcode */
    }
    return false;
}

uint64_t helper_rdmsr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t msr = cpu_reg(cpu, REG_ECX);
    uint64_t value;
    cpu_require_cpl0(cpu);
    if (!read_msr(cpu, msr, &value)) {
        log_unimp("RDMSR %08x: unknown, #GP", msr);
        cpu_raise_code(cpu, VEC_GP, 0);
    }
    vcpu->gpr[REG_EAX] = (uint32_t)value;
    vcpu->gpr[REG_EDX] = value >> 32;
    return 0;
}

uint64_t helper_wrmsr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t msr = cpu_reg(cpu, REG_ECX);
    const uint64_t value = (uint64_t)cpu_reg(cpu, REG_EDX) << 32 | cpu_reg(cpu, REG_EAX);
    cpu_require_cpl0(cpu);
    if (!write_msr(cpu, msr, value)) {
        log_unimp("WRMSR %08x = %016" G_GINT64_MODIFIER "x: refused, #GP", msr, value);
        cpu_raise_code(cpu, VEC_GP, 0);
    }
    return 0;
}
