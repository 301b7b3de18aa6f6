/* SPDX-License-Identifier: MIT
 * Control registers, TLB, CPUID, time stamp (SDM 3A "Control Registers"). */
#include "translator/x86/helpers.h"

#define CR0_KNOWN                                                                                  \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

/* CR4 bits and the feature that brings each. */
static const struct {
    uint32_t bits;
    CpuFeature feature;
} cr4_bits[] = {
    {CR4_VME | CR4_PVI, FEAT_VME}, {CR4_TSD, FEAT_TSC},     {CR4_DE, FEAT_DE},
    {CR4_PSE, FEAT_PSE},           {CR4_PAE, FEAT_PAE},     {CR4_MCE, FEAT_MCE},
    {CR4_PGE, FEAT_PGE},           {CR4_PCE, FEAT_MMX},     {CR4_OSFXSR, FEAT_FXSR},
    {CR4_OSXMMEXCPT, FEAT_SSE},
};

static uint32_t cr4_allowed(const CpuX86 *cpu)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(cr4_bits); i++) {
        if (cpu_has(&cpu->model, cr4_bits[i].feature))
            mask |= cr4_bits[i].bits;
    }
    return mask;
}

/* Take new paging registers if their PDPTEs are good (SDM 3A "PDPTE Registers"). */
static void set_paging(CpuX86 *cpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, bool load)
{
    PagingRegs regs = cpu->v.mmu.paging;
    regs.cr0 = cr0;
    regs.cr3 = cr3;
    regs.cr4 = cr4;
    if (load && (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !cpu_load_pdptes(cpu, &regs))
        cpu_raise_code(cpu, VEC_GP, 0);
    if (cr3 != cpu->cr3)
        trace(cr3_write, cr3);
    cpu->cr0 = cr0;
    cpu->cr3 = cr3;
    cpu->cr4 = cr4;
    cpu->v.mmu.paging = regs;
}

static void write_cr0(CpuX86 *cpu, uint32_t value)
{
    const uint32_t cr0 = (value & CR0_KNOWN) | CR0_ET;
    const uint32_t changed = cr0 ^ (uint32_t)cpu->cr0;
    const bool bad = ((cr0 & CR0_PG) && !(cr0 & CR0_PE)) || ((cr0 & CR0_NW) && !(cr0 & CR0_CD));
    if (bad)
        cpu_raise_code(cpu, VEC_GP, 0);
    set_paging(cpu, cr0, cpu->cr3, cpu->cr4, changed & (CR0_PG | CR0_CD | CR0_NW));
    if (changed & (CR0_PG | CR0_PE | CR0_WP))
        mmu_flush_all(&cpu->v.mmu);
    cpu_update_mode(cpu);
}

static void write_cr4(CpuX86 *cpu, uint32_t value)
{
    const uint32_t flushing = CR4_PSE | CR4_PAE | CR4_PGE;
    const uint32_t changed = value ^ (uint32_t)cpu->cr4;
    if (value & ~cr4_allowed(cpu))
        cpu_raise_code(cpu, VEC_GP, 0);
    set_paging(cpu, cpu->cr0, cpu->cr3, value, changed & flushing);
    if (changed & flushing)
        mmu_flush_all(&cpu->v.mmu);
    cpu_update_mode(cpu);
}

uint64_t helper_mov_to_cr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t value = (uint32_t)b;
    cpu_require_cpl0(cpu);
    switch (a) {
    case 0:
        write_cr0(cpu, value);
        break;
    case 2:
        cpu->cr2 = value;
        break;
    case 3:
        set_paging(cpu, cpu->cr0, value, cpu->cr4, true);
        mmu_flush_non_global(&vcpu->mmu);
        break;
    case 4:
        write_cr4(cpu, value);
        break;
    default:
        cpu_raise_plain(cpu, VEC_UD);
    }
    return 0;
}

uint64_t helper_mov_from_cr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    cpu_require_cpl0(cpu);
    switch (a) {
    case 0:
        return cpu->cr0;
    case 2:
        return cpu->cr2;
    case 3:
        return cpu->cr3;
    case 4:
        return cpu->cr4;
    default:
        cpu_raise_plain(cpu, VEC_UD);
    }
}

uint64_t helper_clts(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    cpu_require_cpl0(cpu);
    cpu->cr0 &= ~(uint64_t)CR0_TS;
    vcpu->mmu.paging.cr0 = cpu->cr0;
    cpu_update_mode(cpu);
    return 0;
}

uint64_t helper_lmsw(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint32_t bits = CR0_MP | CR0_EM | CR0_TS;
    cpu_require_cpl0(cpu);
    /* LMSW may set PE but not clear it. */
    write_cr0(cpu, ((uint32_t)cpu->cr0 & ~bits) | ((uint32_t)a & (bits | CR0_PE)));
    return 0;
}

uint64_t helper_smsw(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return cpu_x86(vcpu)->cr0;
}

uint64_t helper_invlpg(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned which = a & 7;
    const uint64_t base = which < SEG_COUNT ? cpu->seg[which].base : 0;
    cpu_require_cpl0(cpu);
    mmu_flush_page(&vcpu->mmu, (uint32_t)(base + (b & width_mask((a >> 8) & 0xff))));
    return 0;
}

/* INVD, WBINVD: there is no cache to lose. */
uint64_t helper_invd(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    cpu_require_cpl0(cpu_x86(vcpu));
    return 0;
}

static bool apic_on(const CpuX86 *cpu)
{
    return !cpu->board.apic_base || (cpu->board.apic_base(cpu->board.opaque) & BIT(11));
}

uint64_t helper_cpuid(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    uint32_t regs[4];
    cpu_model_cpuid(&cpu->model, cpu_reg(cpu, REG_EAX), cpu_reg(cpu, REG_ECX), cpu->cr4,
                    apic_on(cpu), regs);
    vcpu->gpr[REG_EAX] = regs[0];
    vcpu->gpr[REG_EBX] = regs[1];
    vcpu->gpr[REG_ECX] = regs[2];
    vcpu->gpr[REG_EDX] = regs[3];
    return 0;
}

/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
static uint64_t next_seeded(CpuX86 *cpu)
{
    uint64_t z = cpu->random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void cpu_seed_random(CpuX86 *cpu, uint64_t seed)
{
    cpu->seeded = true;
    cpu->random_state = seed;
}

/* a: size -> value; CF: there was one. The decoder has made sure that the host has RDRAND. */
uint64_t helper_random(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    uint64_t value = 0;
    bool good = true;
    if (cpu->seeded)
        value = next_seeded(cpu);
    else
        asm volatile("rdrand %0\n\tsetc %1" : "=r"(value), "=qm"(good) : : "cc");
    vcpu->flags = good ? FLAG_CF : 0; /* SDM 2B "RDRAND": the others are cleared */
    return value & width_mask((unsigned)a);
}

static void read_tsc(CpuX86 *cpu)
{
    if ((cpu->cr4 & CR4_TSD) && cpu->cpl != 0)
        cpu_raise_code(cpu, VEC_GP, 0);
    const uint64_t tsc = cpu_tsc(cpu);
    cpu->v.gpr[REG_EAX] = (uint32_t)tsc;
    cpu->v.gpr[REG_EDX] = tsc >> 32;
}

uint64_t helper_rdtsc(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    read_tsc(cpu_x86(vcpu));
    return 0;
}

uint64_t helper_pause(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    if (vcpu->relax)
        vcpu->relax(vcpu);
    return 0;
}

uint64_t helper_rdtscp(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    read_tsc(cpu_x86(vcpu));
    vcpu->gpr[REG_ECX] = (uint32_t)cpu_x86(vcpu)->tsc_aux;
    return 0;
}

/* No performance counter exists, so every index is out of range (SDM 2 "RDPMC"). */
uint64_t helper_rdpmc(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    log_unimp("RDPMC of counter %x: no performance counters", (unsigned)vcpu->gpr[REG_ECX]);
    cpu_raise_code(cpu_x86(vcpu), VEC_GP, 0);
}
