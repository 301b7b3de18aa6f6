/* SPDX-License-Identifier: MIT
 * Descriptors and the checks of segment loads (SDM 3A "Protection"). Nothing here changes a
 * segment register: results are values. */
#include "translator/x86/cpu-priv.h"

bool desc_fetch(CpuX86 *cpu, uint16_t selector, unsigned vector, Desc *d, Fault *f)
{
    const bool local = (selector & 4) != 0;
    const uint32_t at = selector & 0xfff8u;
    const uint32_t limit = local ? cpu->ldtr.limit : cpu->gdtr.limit;
    const uint64_t base = local ? cpu->ldtr.base : cpu->gdtr.base;
    uint64_t value;
    if ((local && !(cpu->ldtr.attr & SEG_ATTR_P)) || at + 7 > limit)
        return fault_selector(cpu, f, vector, selector);
    if (!mem_read(cpu, base + at, 8, MMU_SUPERVISOR, &value, f))
        return false;
    *d = (Desc){(uint32_t)value, (uint32_t)(value >> 32), (uint32_t)(base + at)};
    return true;
}

SegReg desc_segment(uint16_t selector, const Desc *d)
{
    uint32_t limit = (d->lo & 0xffff) | (d->hi & 0x000f0000u);
    if (d->hi & 0x00800000u)
        limit = limit << 12 | 0xfff;
    return (SegReg){
        .selector = selector,
        .attr = (uint16_t)((d->hi >> 8) & 0xf0ff),
        .limit = limit,
        .base = d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000u),
    };
}

bool desc_set_accessed(CpuX86 *cpu, Desc *d, Fault *f)
{
    if (d->hi & DESC_ACCESSED)
        return true;
    d->hi |= DESC_ACCESSED;
    return mem_write(cpu, d->address + 4, 4, MMU_SUPERVISOR, d->hi, f);
}

SegReg seg_real(const CpuX86 *cpu, unsigned which, uint16_t selector)
{
    /* Limit and D/B stay as they were ("unreal mode"); CS becomes writable. */
    SegReg seg = cpu->seg[which];
    seg.selector = selector;
    seg.base = (uint32_t)selector << 4;
    if (which == SEG_CS)
        seg.attr = (seg.attr & SEG_ATTR_DB) | SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW |
                   SEG_ATTR_ACCESSED;
    return seg;
}

SegReg seg_vm86(uint16_t selector)
{
    const uint16_t attr = SEG_ATTR_P | SEG_ATTR_DPL | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED;
    return (SegReg){selector, attr, 0xffff, (uint32_t)selector << 4};
}

bool seg_check_stack(CpuX86 *cpu, uint16_t selector, unsigned cpl, unsigned vector, SegReg *seg,
                     Fault *f)
{
    Desc d;
    if (selector_null(selector))
        return fault_selector(cpu, f, vector, 0);
    if (!desc_fetch(cpu, selector, vector, &d, f))
        return false;
    const bool writable = (d.hi & (DESC_S | DESC_CODE | DESC_RW)) == (DESC_S | DESC_RW);
    if ((selector & 3) != cpl || desc_dpl(&d) != cpl || !writable)
        return fault_selector(cpu, f, vector, selector);
    if (!(d.hi & DESC_P))
        return fault_selector(cpu, f, VEC_SS, selector);
    if (!desc_set_accessed(cpu, &d, f))
        return false;
    *seg = desc_segment(selector, &d);
    return true;
}

bool seg_check_load(CpuX86 *cpu, unsigned which, uint16_t selector, unsigned cpl, unsigned vector,
                    SegReg *seg, Fault *f)
{
    Desc d;
    if (which == SEG_SS)
        return seg_check_stack(cpu, selector, cpl, vector, seg, f);
    if (selector_null(selector)) {
        *seg = (SegReg){.selector = selector};
        return true;
    }
    if (!desc_fetch(cpu, selector, vector, &d, f))
        return false;
    const bool code = (d.hi & DESC_CODE) != 0;
    const bool conforming = code && (d.hi & DESC_CONFORM);
    if (!(d.hi & DESC_S) || (code && !(d.hi & DESC_RW)))
        return fault_selector(cpu, f, vector, selector);
    if (!conforming && (desc_dpl(&d) < cpl || desc_dpl(&d) < (selector & 3u)))
        return fault_selector(cpu, f, vector, selector);
    if (!(d.hi & DESC_P))
        return fault_selector(cpu, f, VEC_NP, selector);
    if (!desc_set_accessed(cpu, &d, f))
        return false;
    *seg = desc_segment(selector, &d);
    return true;
}

bool tss_inner_stack(CpuX86 *cpu, unsigned level, uint16_t *ss, uint32_t *esp, Fault *f)
{
    const bool wide = (cpu->tr.attr & SYS_32) != 0;
    const unsigned width = wide ? 4 : 2;
    const uint32_t at = wide ? 4 + level * 8 : 2 + level * 4;
    uint64_t sp, selector;
    if (at + width + 1 > cpu->tr.limit)
        return fault_selector(cpu, f, VEC_TS, cpu->tr.selector);
    if (!mem_read(cpu, cpu->tr.base + at, width, MMU_SUPERVISOR, &sp, f) ||
        !mem_read(cpu, cpu->tr.base + at + width, 2, MMU_SUPERVISOR, &selector, f))
        return false;
    *esp = (uint32_t)sp;
    *ss = (uint16_t)selector;
    return true;
}

void seg_drop_inner(CpuX86 *cpu)
{
    static const uint8_t data_segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (unsigned i = 0; i < G_N_ELEMENTS(data_segments); i++) {
        SegReg *s = &cpu->seg[data_segments[i]];
        const unsigned dpl = (s->attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
        const unsigned conforming = SEG_ATTR_CODE | SEG_ATTR_EXPAND_CONFORM;
        if (dpl < cpu->cpl && (s->attr & conforming) != conforming)
            *s = (SegReg){0};
    }
}

bool seg_check_ldt(CpuX86 *cpu, uint16_t selector, unsigned vector, SegReg *seg, Fault *f)
{
    Desc d;
    if (selector_null(selector)) {
        *seg = (SegReg){.selector = selector};
        return true;
    }
    if (selector & 4)
        return fault_selector(cpu, f, vector, selector);
    if (!desc_fetch(cpu, selector, vector, &d, f))
        return false;
    if ((d.hi & DESC_S) || desc_type(&d) != SYS_LDT)
        return fault_selector(cpu, f, vector, selector);
    /* LLDT of an absent one is #NP, a task switch's is #TS (SDM 3A "Invalid TSS Conditions"). */
    if (!(d.hi & DESC_P))
        return fault_selector(cpu, f, vector == VEC_TS ? VEC_TS : VEC_NP, selector);
    *seg = desc_segment(selector, &d);
    return true;
}
