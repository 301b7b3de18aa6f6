/* SPDX-License-Identifier: MIT
 * RDMSR and WRMSR: one row a register or a run of registers (SDM 4; AMD APM 2 appendix A). */
#include "translator/x86/helpers.h"

typedef enum {
    MSR_FIELD,      /* 8 bytes of CpuX86 at `offset`; writes outside `writable` are #GP */
    MSR_CONSTANT,   /* reads `value`; writes are dropped (writable != 0) or #GP */
    MSR_TSC,
    MSR_APIC_BASE,
    MSR_TSC_DEADLINE,
    MSR_EFER,
    MSR_BIOS_SIGN,  /* written 0, then CPUID, then read: the microcode revision */
} MsrKind;

typedef struct {
    uint32_t first, count;
    MsrKind kind;
    uint32_t offset;
    uint64_t writable, value;
    CpuFeature feature; /* without it the register is not there */
    bool (*valid)(const CpuX86 *cpu, uint32_t msr, uint64_t value); /* NULL: all that is writable */
} MsrRow;

enum { TYPE_UC_MINUS = 7, MTRR_PHYS_BASE0 = 0x200 };

/* Memory types that a field may hold: UC, WC, WT, WP, WB (SDM 3A "Memory Types"), in the PAT UC-, too. */
static bool type_valid(unsigned type)
{
    return type <= 1 || (type >= 4 && type <= 6);
}

static bool types_valid(uint64_t value, bool pat)
{
    for (unsigned i = 0; i < 8; i++) {
        const unsigned type = (value >> (8 * i)) & 0xff;
        if (!type_valid(type) && !(pat && type == TYPE_UC_MINUS))
            return false;
    }
    return true;
}

static bool pat_valid(const CpuX86 *cpu, uint32_t msr, uint64_t value)
{
    return types_valid(value, true);
}

static bool mtrr_fixed_valid(const CpuX86 *cpu, uint32_t msr, uint64_t value)
{
    return types_valid(value, false);
}

/* A pair is a base with a type and a mask with a valid bit. */
static bool mtrr_phys_valid(const CpuX86 *cpu, uint32_t msr, uint64_t value)
{
    const bool is_base = ((msr - MTRR_PHYS_BASE0) & 1) == 0;
    const uint64_t reserved = ~(BIT(cpu->model.phys_bits) - 1) | (is_base ? 0xf00 : 0x7ff);
    return !(value & reserved) && (!is_base || type_valid(value & 0xff));
}

static bool mtrr_default_valid(const CpuX86 *cpu, uint32_t msr, uint64_t value)
{
    return type_valid(value & 0xff);
}

#define ALL UINT64_MAX
#define SPECIAL(first, kind, feature) {first, 1, kind, 0, ALL, 0, FEAT_##feature, NULL}
#define CHECKED(first, count, field, writable, feature, valid)                                     \
    {first, count, MSR_FIELD, offsetof(CpuX86, field), writable, 0, FEAT_##feature, valid}
#define FIELD(first, count, field, writable, feature)                                              \
    CHECKED(first, count, field, writable, feature, NULL)
#define CONSTANT(first, count, value, feature)                                                     \
    {first, count, MSR_CONSTANT, 0, 0, value, FEAT_##feature, NULL}
#define IGNORED(first, count) {first, count, MSR_CONSTANT, 0, ALL, 0, FEAT_MSR, NULL}

static const MsrRow rows[] = {
    SPECIAL(0x10, MSR_TSC, TSC),
    CONSTANT(0x17, 1, 0, MSR),                    /* PLATFORM_ID */
    SPECIAL(0x1b, MSR_APIC_BASE, APIC),
    IGNORED(0x2a, 1),                        /* EBL_CR_POWERON */
    CONSTANT(0x3a, 1, 1, MSR),                    /* FEATURE_CONTROL: locked */
    IGNORED(0x79, 1),                        /* BIOS_UPDT_TRIG */
    SPECIAL(0x8b, MSR_BIOS_SIGN, MSR),
    CONSTANT(0xce, 1, 0, MSR),                    /* PLATFORM_INFO */
    CONSTANT(0xfe, 1, 0x508, MTRR),                /* MTRRCAP: 8 variable, fixed, write combining */
    FIELD(0x174, 1, sysenter_cs, ALL, SEP),
    FIELD(0x175, 1, sysenter_esp, ALL, SEP),
    FIELD(0x176, 1, sysenter_eip, ALL, SEP),
    CONSTANT(0x179, 1, 0, MCA),                   /* MCG_CAP: no banks */
    IGNORED(0x17a, 2),                       /* MCG_STATUS, MCG_CTL */
    FIELD(0x1a0, 1, misc_enable, ALL, MSR),
    IGNORED(0x1d9, 1),                       /* DEBUGCTL */
    IGNORED(0x1db, 4),                       /* last branch and exception records */
    CHECKED(MTRR_PHYS_BASE0, 16, mtrr_phys, ALL, MTRR, mtrr_phys_valid),
    CHECKED(0x250, 1, mtrr_fixed[0], ALL, MTRR, mtrr_fixed_valid),
    CHECKED(0x258, 2, mtrr_fixed[1], ALL, MTRR, mtrr_fixed_valid),
    CHECKED(0x268, 8, mtrr_fixed[3], ALL, MTRR, mtrr_fixed_valid),
    CHECKED(0x277, 1, pat, ALL, PAT, pat_valid),
    CHECKED(0x2ff, 1, mtrr_def_type, 0xcff, MTRR, mtrr_default_valid),
    SPECIAL(0x6e0, MSR_TSC_DEADLINE, TSC_DEADLINE),
    SPECIAL(0xc0000080, MSR_EFER, NX),
    FIELD(0xc0000103, 1, tsc_aux, 0xffffffff, RDTSCP),
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

static const MsrRow *find_row(const CpuX86 *cpu, uint32_t msr)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (msr - rows[i].first < rows[i].count && cpu_has(&cpu->model, rows[i].feature))
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
    const MsrRow *row = find_row(cpu, msr);
    const CpuBoard *board = &cpu->board;
    if (!row)
        return false;
    switch (row->kind) {
    case MSR_FIELD:
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
        return true;
    case MSR_EFER:
        *value = cpu->efer;
        return true;
    case MSR_BIOS_SIGN:
        *value = cpu->bios_sign;
        return true;
    }
    return false;
}

static bool write_efer(CpuX86 *cpu, uint64_t value)
{
    if (value & ~(uint64_t)EFER_NXE)
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
    const MsrRow *row = find_row(cpu, msr);
    const CpuBoard *board = &cpu->board;
    if (!row || (value & ~row->writable) || (row->valid && !row->valid(cpu, msr, value)))
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
        if (!board->set_tsc_deadline)
            return false;
        write_deadline(cpu, value);
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
