/* SPDX-License-Identifier: MIT
 * Segment register loads, descriptor table registers, LAR/LSL/VERR/VERW/ARPL, BOUND. */
#include "translator/x86/decode.h"
#include "translator/x86/helpers.h"

uint64_t helper_load_seg(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned which = a & 7;
    const uint16_t selector = (uint16_t)b;
    SegReg seg;
    Fault f;
    if (which >= SEG_COUNT || which == SEG_CS)
        cpu_raise_plain(cpu, VEC_UD);
    if (cpu_vm86(cpu))
        seg = seg_vm86(selector);
    else if (!cpu_protected(cpu))
        seg = seg_real(cpu, which, selector);
    else if (!seg_check_load(cpu, which, selector, cpu->cpl, VEC_GP, &seg, &f))
        cpu_raise(cpu, f);
    cpu->seg[which] = seg;
    if (which == SEG_SS) {
        if (!(a & LOAD_BY_LSS)) /* SDM 3A "Masking Exceptions and Interrupts When Switching Stacks" */
            debug_begin_shadow(cpu, true);
        cpu_update_mode(cpu);
    } else {
        cpu_update_data_segment(cpu, which);
    }
    return 0;
}

uint64_t helper_lldt(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    SegReg seg;
    Fault f;
    cpu_require_cpl0(cpu);
    if (!seg_check_ldt(cpu, (uint16_t)a, VEC_GP, &seg, &f))
        cpu_raise(cpu, f);
    cpu->ldtr = seg;
    return 0;
}

uint64_t helper_ltr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint16_t selector = (uint16_t)a;
    Desc d;
    Fault f;
    cpu_require_cpl0(cpu);
    if (selector_null(selector))
        cpu_raise_code(cpu, VEC_GP, 0);
    if (!task_fetch_tss(cpu, selector, VEC_GP, false, &d, &f))
        cpu_raise(cpu, f);
    d.hi |= SYS_BUSY << 8;
    if (!mem_write(cpu, d.address + 4, 4, MMU_SUPERVISOR, d.hi, &f))
        cpu_raise(cpu, f);
    cpu->tr = desc_segment(selector, &d);
    return 0;
}

static void load_table(CpuX86 *cpu, DescTable *table, uint64_t ref, uint64_t offset)
{
    cpu_require_cpl0(cpu);
    const gva_t gva = cpu_ref_linear(cpu, ref, offset, 6, false);
    const int mode = cpu_mmu_mode(cpu);
    const uint64_t limit = cpu_load(cpu, gva, 2, mode);
    uint64_t base = cpu_load(cpu, gva + 2, 4, mode);
    if (ref_op_size(ref) == 2)
        base &= 0x00ffffff; /* SDM 2 "LGDT/LIDT": 24-bit base */
    *table = (DescTable){base, (uint16_t)limit};
}

/* Raises what a store would, before anything is stored. */
static void require_writable(CpuX86 *cpu, gva_t gva, unsigned size)
{
    const int mode = cpu_mmu_mode(cpu);
    const gva_t end = (uint32_t)(gva + size - 1) & GUEST_PAGE_MASK;
    gpa_t gpa;
    Fault f;
    if (!mmu_translate(&cpu->v.mmu, gva, MMU_WRITE, mode, &gpa, &f) ||
        (end != (gva & GUEST_PAGE_MASK) &&
         !mmu_translate(&cpu->v.mmu, end, MMU_WRITE, mode, &gpa, &f)))
        cpu_raise(cpu, f);
}

static void store_table(CpuX86 *cpu, const DescTable *table, uint64_t ref, uint64_t offset)
{
    const gva_t gva = cpu_ref_linear(cpu, ref, offset, 6, true);
    const int mode = cpu_mmu_mode(cpu);
    cpu_check_alignment(cpu, gva, 2); /* SDM 3A "Pseudo-descriptor Format" */
    cpu_check_alignment(cpu, gva + 2, 4);
    require_writable(cpu, gva, 6);
    cpu_store(cpu, gva, 2, mode, table->limit);
    /* MANUAL: with 16-bit operands the SDM says that byte 5 is zero; since the 386 CPUs store it. */
    cpu_store(cpu, gva + 2, 4, mode, table->base);
}

uint64_t helper_lgdt(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    load_table(cpu_x86(vcpu), &cpu_x86(vcpu)->gdtr, a, b);
    return 0;
}

uint64_t helper_lidt(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    load_table(cpu_x86(vcpu), &cpu_x86(vcpu)->idtr, a, b);
    return 0;
}

uint64_t helper_sgdt(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    store_table(cpu_x86(vcpu), &cpu_x86(vcpu)->gdtr, a, b);
    return 0;
}

uint64_t helper_sidt(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    store_table(cpu_x86(vcpu), &cpu_x86(vcpu)->idtr, a, b);
    return 0;
}

uint64_t helper_sldt(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return cpu_x86(vcpu)->ldtr.selector;
}

uint64_t helper_str(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return cpu_x86(vcpu)->tr.selector;
}

/* ---- queries: ZF tells whether the selector would do ---- */

static void set_zf(CpuX86 *cpu, bool zf)
{
    cpu->v.flags = (cpu->v.flags & ~FLAG_ZF) | (zf ? FLAG_ZF : 0);
}

/* The descriptor of a selector that may be null, bad or out of its table; a #PF on the way is
 * real, all else only means no. */
static bool query_desc(CpuX86 *cpu, uint16_t selector, Desc *d)
{
    Fault f;
    if (selector_null(selector))
        return false;
    if (desc_fetch(cpu, selector, VEC_GP, d, &f))
        return true;
    if (f.vector != VEC_GP)
        cpu_raise(cpu, f);
    return false;
}

/* Visible at CPL and RPL: conforming code always, all else by DPL. */
static bool query_visible(const CpuX86 *cpu, uint16_t selector, const Desc *d)
{
    if (desc_is_code(d) && (d->hi & DESC_CONFORM))
        return true;
    return desc_dpl(d) >= cpu->cpl && desc_dpl(d) >= (selector & 3u);
}

/* System types that LAR and LSL accept (SDM 2 "LAR", "LSL"). */
#define LAR_TYPES (BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(9) | BIT(11) | BIT(12))
#define LSL_TYPES (BIT(1) | BIT(2) | BIT(3) | BIT(9) | BIT(11))

static bool query_segment(CpuX86 *cpu, uint16_t selector, uint64_t types, Desc *d)
{
    if (!query_desc(cpu, selector, d) || !query_visible(cpu, selector, d))
        return false;
    return (d->hi & DESC_S) || ((types >> desc_type(d)) & 1);
}

uint64_t helper_lar(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Desc d;
    const bool ok = query_segment(cpu, (uint16_t)a, LAR_TYPES, &d);
    set_zf(cpu, ok);
    /* Manuals leave bits 19:16 open; CPUs give those of the limit. */
    return ok ? d.hi & 0x00ffff00u : 0;
}

uint64_t helper_lsl(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Desc d;
    const bool ok = query_segment(cpu, (uint16_t)a, LSL_TYPES, &d);
    set_zf(cpu, ok);
    return ok ? desc_segment(0, &d).limit : 0;
}

uint64_t helper_verr(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Desc d;
    const bool ok = query_segment(cpu, (uint16_t)a, 0, &d);
    set_zf(cpu, ok && (!(d.hi & DESC_CODE) || (d.hi & DESC_RW)));
    return 0;
}

uint64_t helper_verw(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    Desc d;
    const bool ok = query_segment(cpu, (uint16_t)a, 0, &d);
    set_zf(cpu, ok && (d.hi & (DESC_CODE | DESC_RW)) == DESC_RW);
    return 0;
}

uint64_t helper_check_store(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = ref_op_size(a);
    const gva_t gva = cpu_ref_linear(cpu, a, b, size, true);
    cpu_check_alignment(cpu, gva, size);
    require_writable(cpu, gva, size);
    return 0;
}

uint64_t helper_arpl(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    const bool raised = (a & 3) < (b & 3);
    set_zf(cpu_x86(vcpu), raised);
    return raised ? (a & ~UINT64_C(3)) | (b & 3) : a;
}

uint64_t helper_bound(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const unsigned size = ref_op_size(a);
    const gva_t gva = cpu_ref_linear(cpu, a, b, 2 * size, false);
    const int mode = cpu_mmu_mode(cpu);
    cpu_check_alignment(cpu, gva, size);
    const int64_t low = sign_extend(cpu_load(cpu, gva, size, mode), size);
    const int64_t high = sign_extend(cpu_load(cpu, gva + size, size, mode), size);
    const int64_t index = sign_extend(c, size);
    if (index < low || index > high)
        cpu_raise_plain(cpu, VEC_BR);
    return 0;
}
