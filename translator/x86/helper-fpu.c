/* SPDX-License-Identifier: MIT
 * FPU state images (SDM 1 "Saving the x87 FPU's State", "FXSAVE"): built from and into
 * vcpu->fp_area, which is an FXSAVE64 image with the abridged tag byte. */
#include "translator/fx-image.h"
#include "translator/x86/helpers.h"

#include <string.h>

#define MXCSR_MASK 0xffffu

enum { FX_LEGACY_END = 288, FX_SIZE = 512 }; /* behind the XMM registers there are outside long mode */

static uint32_t get16(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static void put16(uint8_t *p, uint32_t value)
{
    const uint16_t word = (uint16_t)value;
    memcpy(p, &word, sizeof(word));
}

static void put32(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, sizeof(value));
}

/* Copy an image to or from guest memory; nothing is written before all of it is known to be
 * writable. */
static void *begin_image(CpuX86 *cpu, MemAccess *access, gva_t gva, unsigned size, bool read,
                         bool write)
{
    Fault f;
    void *host = access_begin(&cpu->v.mmu, access, gva, size, read, write, cpu_mmu_mode(cpu), &f);
    if (host)
        return host;
    if (cpu->v.mmu.self_modified)
        fault_plain(&f, FAULT_SMC);
    cpu_raise(cpu, f);
}

static void copy_image(CpuX86 *cpu, gva_t gva, uint8_t *image, unsigned size, bool write)
{
    MemAccess access;
    void *host = begin_image(cpu, &access, gva, size, !write, write);
    if (write) {
        memcpy(host, image, size);
        access_commit(&cpu->v.mmu, &access);
    } else {
        memcpy(image, host, size);
    }
}

/* Guest FIP (offset in CS) and FDP. While the host's FPU held the state it noted host addresses,
 * which no guest may see: FIP is looked up, FDP is dropped. Values below 4 GiB are the guest's own
 * from an earlier load. */
static uint32_t guest_fip(const CpuX86 *cpu)
{
    VCpu *vcpu = (VCpu *)(uintptr_t)&cpu->v;
    uint64_t fip;
    if (cpu->no_fp_pointers)
        return 0;
    memcpy(&fip, vcpu->fp_area + FX_FIP, sizeof(fip));
    if (fip <= UINT32_MAX)
        return (uint32_t)fip;
    const void *host = (const void *)(uintptr_t)fip;
    return vcpu->pc_of_host ? (uint32_t)vcpu->pc_of_host(vcpu, host, NULL) : 0;
}

static uint32_t guest_fdp(const CpuX86 *cpu)
{
    const uint8_t *area = cpu->v.fp_area;
    if (cpu->no_fp_pointers)
        return 0;
    return get32(area + FX_FDP + 4) ? 0 : get32(area + FX_FDP);
}

static uint32_t guest_fop(const CpuX86 *cpu)
{
    return cpu->no_fp_pointers ? 0 : get16(cpu->v.fp_area + FX_FOP) & 0x7ff;
}

/* ---- FXSAVE, FXRSTOR ---- */

static gva_t fx_linear(CpuX86 *cpu, uint64_t ref, uint64_t offset, bool write)
{
    const gva_t gva = cpu_ref_linear(cpu, ref, offset, FX_SIZE, write);
    cpu_check_alignment(cpu, gva, 4); /* as host CPUs have it: #AC below 4, #GP below 16 */
    if (gva & 15)
        cpu_raise_code(cpu, VEC_GP, 0);
    return gva;
}

uint64_t helper_fxsave(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const gva_t gva = fx_linear(cpu, a, b, true);
    MemAccess access;
    uint8_t *image = begin_image(cpu, &access, gva, FX_SIZE, true, true);
    memcpy(image, vcpu->fp_area, FX_LEGACY_END); /* what FXSAVE leaves alone stays */
    image[5] = 0;
    put16(image + FX_FOP, guest_fop(cpu));
    put32(image + FX_MXCSR_MASK, MXCSR_MASK);
    put32(image + FX_FIP, guest_fip(cpu));
    put32(image + FX_FDP, guest_fdp(cpu));
    put32(image + FX_FIP + 4, 0); /* FCS and FDS: deprecated, zero (CPUID 7.EBX[13]) */
    put32(image + FX_FDP + 4, 0);
    access_commit(&cpu->v.mmu, &access);
    return 0;
}

/* B and ES follow the unmasked pending exceptions (SDM 2 "FLDENV"). */
static uint32_t fix_status(uint32_t fcw, uint32_t fsw)
{
    fsw &= ~0x8080u;
    return fsw & ~fcw & 0x3f ? fsw | 0x8080 : fsw;
}

uint64_t helper_fxrstor(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const gva_t gva = fx_linear(cpu, a, b, false);
    uint8_t *area = vcpu->fp_area;
    uint8_t image[FX_SIZE];
    copy_image(cpu, gva, image, FX_SIZE, false);
    const bool sse = (cpu->cr4 & CR4_OSFXSR) != 0;
    if (get32(image + FX_MXCSR) & ~MXCSR_MASK)
        cpu_raise_code(cpu, VEC_GP, 0);
    put32(image + FX_FIP + 4, 0);
    put32(image + FX_FDP + 4, 0);
    memcpy(area, image, FX_MXCSR);
    put16(area + FX_FCW, (get16(image + FX_FCW) & 0x1f3f) | 0x40); /* reserved bits do not stay */
    put16(area + FX_FSW, fix_status(get16(area + FX_FCW), get16(image + FX_FSW)));
    area[FX_TAG + 1] = 0;
    put16(area + FX_FOP, get16(image + FX_FOP) & 0x7ff);
    memcpy(area + FX_ST, image + FX_ST, FX_XMM - FX_ST);
    put32(area + FX_MXCSR, get32(image + FX_MXCSR));
    if (sse) /* without CR4.OSFXSR whether XMM is restored is up to the CPU */
        memcpy(area + FX_XMM, image + FX_XMM, FX_LEGACY_END - FX_XMM);
    return 0;
}

uint64_t helper_ldmxcsr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    if (a & ~(uint64_t)MXCSR_MASK)
        cpu_raise_code(cpu_x86(vcpu), VEC_GP, 0);
    put32(vcpu->fp_area + FX_MXCSR, (uint32_t)a);
    return 0;
}

/* ---- FNSTENV, FLDENV, FNSAVE, FRSTOR ---- */

/* Two-bit tag of a register: 0 valid, 1 zero, 2 special, 3 empty. */
static unsigned full_tag(const uint8_t *st)
{
    const uint32_t exponent = get16(st + 8) & 0x7fff;
    uint64_t mantissa;
    memcpy(&mantissa, st, sizeof(mantissa));
    if (exponent == 0)
        return mantissa == 0 ? 1 : 2;
    return exponent == 0x7fff || !(mantissa >> 63) ? 2 : 0;
}

/* The abridged byte and the full word number physical registers; the image stores ST(i). */
static uint32_t tag_word(const uint8_t *area)
{
    const unsigned top = (get16(area + FX_FSW) >> 11) & 7;
    uint32_t word = 0;
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *st = area + FX_ST + 16 * ((i - top) & 7);
        const unsigned tag = (area[FX_TAG] >> i) & 1 ? full_tag(st) : 3;
        word |= tag << (2 * i);
    }
    return word;
}

static uint8_t abridged_tag(uint32_t word)
{
    unsigned tag = 0;
    for (unsigned i = 0; i < 8; i++)
        tag |= (((word >> (2 * i)) & 3) != 3 ? 1u : 0u) << i;
    return (uint8_t)tag;
}

static unsigned env_size(unsigned op_size)
{
    return op_size == 4 ? 28 : 14;
}

/* Real and V86 images hold 20-bit linear pointers instead of selector and offset (SDM 1 figures
 * "... Real-Address Mode Format"). The selectors themselves are not kept: zero. */
static uint32_t linear_fip(const CpuX86 *cpu)
{
    const uint32_t base = cpu_protected(cpu) ? 0 : (uint32_t)cpu->seg[SEG_CS].base;
    return guest_fip(cpu) + (get32(cpu->v.fp_area + FX_FIP + 4) ? base : 0);
}

static void build_env32(const CpuX86 *cpu, uint8_t *env)
{
    const uint8_t *area = cpu->v.fp_area;
    const uint32_t fip = linear_fip(cpu), fdp = guest_fdp(cpu);
    const uint32_t fop = guest_fop(cpu);
    const uint32_t ones = 0xffff0000u; /* reserved halves read as ones */
    put32(env, get16(area + FX_FCW) | ones);
    put32(env + 4, get16(area + FX_FSW) | ones);
    put32(env + 8, tag_word(area) | ones);
    if (cpu_protected(cpu)) {
        put32(env + 12, fip);
        put32(env + 16, fop << 16);
        put32(env + 20, fdp);
        put32(env + 24, ones);
    } else {
        put32(env + 12, (fip & 0xffff) | ones);
        put32(env + 16, (fip >> 16) << 12 | fop);
        put32(env + 20, (fdp & 0xffff) | ones);
        put32(env + 24, (fdp >> 16) << 12);
    }
}

static void build_env16(const CpuX86 *cpu, uint8_t *env)
{
    const uint8_t *area = cpu->v.fp_area;
    const uint32_t fip = linear_fip(cpu), fdp = guest_fdp(cpu);
    const uint32_t fop = guest_fop(cpu);
    const bool plain = !cpu_protected(cpu);
    put16(env, get16(area + FX_FCW));
    put16(env + 2, get16(area + FX_FSW));
    put16(env + 4, tag_word(area));
    put16(env + 6, fip);
    put16(env + 8, plain ? ((fip >> 16) & 15) << 12 | fop : 0);
    put16(env + 10, fdp);
    put16(env + 12, plain ? ((fdp >> 16) & 15) << 12 : 0);
}

static void build_env(const CpuX86 *cpu, unsigned op_size, uint8_t *env)
{
    if (op_size == 4)
        build_env32(cpu, env);
    else
        build_env16(cpu, env);
}

/* The image's registers are numbered from the top of the stack: a new TOP renumbers them. */
static void set_status(uint8_t *area, uint32_t fsw)
{
    const unsigned by = ((fsw >> 11) - (get16(area + FX_FSW) >> 11)) & 7;
    uint8_t old[FX_XMM - FX_ST];
    memcpy(old, area + FX_ST, sizeof(old));
    for (unsigned i = 0; i < 8; i++)
        memcpy(area + FX_ST + 16 * i, old + 16 * ((i + by) & 7), 16);
    put16(area + FX_FSW, fsw);
}

/* FLDENV, FRSTOR and MASKMOVQ wait: an exception that is pending comes first. */
static void raise_pending(CpuX86 *cpu)
{
    const bool ignored = cpu->ignne && !(cpu->cr0 & CR0_NE);
    if (vcpu_x87_pending(&cpu->v) && !ignored)
        cpu_raise_plain(cpu, VEC_MF);
}

static void load_env(CpuX86 *cpu, unsigned op_size, const uint8_t *env)
{
    uint8_t *area = cpu->v.fp_area;
    const unsigned w = op_size == 4 ? 4 : 2;
    const bool plain = !cpu_protected(cpu);
    uint32_t fip = w == 4 ? get32(env + 12) : get16(env + 6);
    uint32_t fdp = w == 4 ? get32(env + 20) : get16(env + 10);
    uint32_t high = w == 4 ? get32(env + 16) : get16(env + 8);
    const uint32_t data_high = w == 4 ? get32(env + 24) : get16(env + 12);
    uint32_t fop = w == 4 ? (high >> 16) & 0x7ff : 0;
    if (plain) {
        fip = (fip & 0xffff) | (high >> 12) << 16;
        fdp = (fdp & 0xffff) | (data_high >> 12) << 16;
        fop = high & 0x7ff;
    }
    const uint32_t fcw = (get16(env) & 0x1f3f) | 0x40;
    put16(area + FX_FCW, fcw);
    set_status(area, fix_status(fcw, get16(env + w)));
    area[FX_TAG] = abridged_tag(get16(env + 2 * w));
    area[FX_TAG + 1] = 0;
    put16(area + FX_FOP, fop);
    put32(area + FX_FIP, fip);
    put32(area + FX_FIP + 4, 0);
    put32(area + FX_FDP, fdp);
    put32(area + FX_FDP + 4, 0);
}

static gva_t env_linear(CpuX86 *cpu, uint64_t ref, uint64_t offset, unsigned size, bool write)
{
    const gva_t gva = cpu_ref_linear(cpu, ref, offset, size, write);
    cpu_check_alignment(cpu, gva, ref_op_size(ref));
    return gva;
}

uint64_t helper_fnstenv(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = env_size(ref_op_size(a));
    uint8_t env[28];
    build_env(cpu, ref_op_size(a), env);
    copy_image(cpu, env_linear(cpu, a, b, size, true), env, size, true);
    /* FNSTENV masks all exceptions afterwards. */
    const uint32_t fcw = get16(vcpu->fp_area + FX_FCW) | 0x3f;
    put16(vcpu->fp_area + FX_FCW, fcw);
    put16(vcpu->fp_area + FX_FSW, fix_status(fcw, get16(vcpu->fp_area + FX_FSW)));
    return 0;
}

uint64_t helper_fldenv(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = env_size(ref_op_size(a));
    uint8_t env[28];
    raise_pending(cpu);
    copy_image(cpu, env_linear(cpu, a, b, size, false), env, size, false);
    load_env(cpu, ref_op_size(a), env);
    return 0;
}

/* The state after FNINIT: MXCSR and XMM are not touched. */
static void init_x87(uint8_t *area)
{
    put16(area + FX_FCW, 0x37f);
    set_status(area, 0);
    memset(area + FX_TAG, 0, FX_MXCSR - FX_TAG);
}

uint64_t helper_fnsave(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned env = env_size(ref_op_size(a));
    uint8_t image[28 + 80];
    build_env(cpu, ref_op_size(a), image);
    for (unsigned i = 0; i < 8; i++)
        memcpy(image + env + 10 * i, vcpu->fp_area + FX_ST + 16 * i, 10);
    copy_image(cpu, env_linear(cpu, a, b, env + 80, true), image, env + 80, true);
    init_x87(vcpu->fp_area);
    return 0;
}

uint64_t helper_frstor(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned env = env_size(ref_op_size(a));
    uint8_t image[28 + 80];
    raise_pending(cpu);
    copy_image(cpu, env_linear(cpu, a, b, env + 80, false), image, env + 80, false);
    load_env(cpu, ref_op_size(a), image);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *st = vcpu->fp_area + FX_ST + 16 * i;
        memcpy(st, image + env + 10 * i, 10);
        memset(st + 10, 0, 6);
    }
    return 0;
}

/* ---- MASKMOVQ, MASKMOVDQU ---- */

/* Bytes whose mask has the top bit are stored to DS:eDI. All of the operand must be writable,
 * whatever the mask says, as AMD has it (SDM 2B "MASKMOVQ": implementation dependent). */
uint64_t helper_maskmov(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = ref_op_size(a) == 16 ? 16 : 8;
    uint8_t *area = vcpu->fp_area;
    if (size == 8)
        raise_pending(cpu);
    const gva_t gva = cpu_ref_linear(cpu, a, vcpu->gpr[REG_EDI], size, true);
    MemAccess access;
    uint8_t *image = begin_image(cpu, &access, gva, size, true, true);
    if (size == 8) { /* as any MMX instruction: TOP = 0, all registers valid */
        set_status(area, get16(area + FX_FSW) & ~0x3800u);
        area[FX_TAG] = 0xff;
    }
    const uint8_t *source = area + (size == 16 ? FX_XMM : FX_ST) + 16 * (b & 7);
    const uint8_t *mask = area + (size == 16 ? FX_XMM : FX_ST) + 16 * (c & 7);
    for (unsigned i = 0; i < size; i++)
        image[i] = mask[i] & 0x80 ? source[i] : image[i];
    access_commit(&cpu->v.mmu, &access);
    return 0;
}

/* ---- IGNNE# ---- */

void fpu_hide_error(CpuX86 *cpu)
{
    uint8_t *area = cpu->v.fp_area;
    const uint32_t fsw = get16(area + FX_FSW);
    cpu->x87_ignored = (uint8_t)(fsw & ~get16(area + FX_FCW) & 0x3f);
    put16(area + FX_FSW, fix_status(get16(area + FX_FCW), fsw & ~(uint32_t)cpu->x87_ignored));
}

void fpu_show_error(CpuX86 *cpu)
{
    uint8_t *area = cpu->v.fp_area;
    if (!cpu->x87_ignored)
        return;
    put16(area + FX_FSW,
          fix_status(get16(area + FX_FCW), get16(area + FX_FSW) | cpu->x87_ignored));
    cpu->x87_ignored = 0;
}

void fpu_update_ignne(CpuX86 *cpu)
{
    fpu_show_error(cpu);
    if (!cpu->ignne || vcpu_x87_pending(&cpu->v))
        return;
    cpu->ignne = false;
    if (cpu->board.ferr)
        cpu->board.ferr(cpu->board.opaque, false);
}
