/* SPDX-License-Identifier: MIT
 * Hardware task switches, 16- and 32-bit TSS (SDM 3A "Task Switching"). */
#include "translator/x86/cpu-priv.h"

/* Where the dynamic fields lie (SDM 3A "Task-State Segment"). */
typedef struct {
    unsigned width;   /* of EIP, EFLAGS and the registers */
    unsigned size;    /* least limit + 1 */
    unsigned eip, eflags, gpr, seg, seg_step, segs, ldt;
} TssLayout;

static const TssLayout layout16 = {2, 0x2c, 0x0e, 0x10, 0x12, 0x22, 2, 4, 0x2a};
static const TssLayout layout32 = {4, 0x68, 0x20, 0x24, 0x28, 0x48, 4, 6, 0x60};

enum { TSS_CR3 = 0x1c, TSS_TRAP = 0x64 };

typedef struct {
    uint32_t eip, eflags, gpr[8], cr3, trap;
    uint16_t seg[SEG_COUNT], ldt;
} TaskState;

static const TssLayout *layout_of(unsigned type)
{
    return type & SYS_32 ? &layout32 : &layout16;
}

bool task_fetch_tss(CpuX86 *cpu, uint16_t selector, unsigned vector, bool busy, Desc *d, Fault *f)
{
    if (selector_null(selector) || (selector & 4))
        return fault_selector(cpu, f, vector, selector);
    if (!desc_fetch(cpu, selector, vector, d, f))
        return false;
    const unsigned type = desc_type(d);
    const bool is_tss = !(d->hi & DESC_S) && (type & ~(unsigned)(SYS_BUSY | SYS_32)) == SYS_TSS16;
    if (!is_tss || ((type & SYS_BUSY) != 0) != busy)
        return fault_selector(cpu, f, vector, selector);
    if (!(d->hi & DESC_P))
        return fault_selector(cpu, f, VEC_NP, selector);
    return true;
}

static bool get(CpuX86 *cpu, gva_t gva, unsigned size, uint32_t *value, Fault *f)
{
    uint64_t word;
    if (!mem_read(cpu, gva, size, MMU_SUPERVISOR, &word, f))
        return false;
    *value = (uint32_t)word;
    return true;
}

static bool read_task(CpuX86 *cpu, const SegReg *tss, TaskState *t, Fault *f)
{
    const TssLayout *l = layout_of(tss->attr);
    uint32_t selector;
    *t = (TaskState){.cr3 = (uint32_t)cpu->cr3};
    bool ok = get(cpu, tss->base + l->eip, l->width, &t->eip, f) &&
              get(cpu, tss->base + l->eflags, l->width, &t->eflags, f);
    for (unsigned i = 0; ok && i < 8; i++)
        ok = get(cpu, tss->base + l->gpr + i * l->width, l->width, &t->gpr[i], f);
    for (unsigned i = 0; ok && i < l->segs; i++) {
        ok = get(cpu, tss->base + l->seg + i * l->seg_step, 2, &selector, f);
        t->seg[i] = (uint16_t)selector;
    }
    if (!ok || !get(cpu, tss->base + l->ldt, 2, &selector, f))
        return false;
    t->ldt = (uint16_t)selector;
    if (l->width == 4)
        return get(cpu, tss->base + TSS_CR3, 4, &t->cr3, f) &&
               get(cpu, tss->base + TSS_TRAP, 2, &t->trap, f);
    /* MANUAL: silent about the upper halves; CPUs fill them with ones. */
    for (unsigned i = 0; i < 8; i++)
        t->gpr[i] |= 0xffff0000u;
    return true;
}

static bool save_task(CpuX86 *cpu, uint32_t eip, uint32_t eflags, Fault *f)
{
    const TssLayout *l = layout_of(cpu->tr.attr);
    const gva_t base = cpu->tr.base;
    const int mode = MMU_SUPERVISOR;
    bool ok = mem_write(cpu, base + l->eip, l->width, mode, eip & width_mask(l->width), f) &&
              mem_write(cpu, base + l->eflags, l->width, mode, eflags & width_mask(l->width), f);
    for (unsigned i = 0; ok && i < 8; i++)
        ok = mem_write(cpu, base + l->gpr + i * l->width, l->width, mode,
                       cpu->v.gpr[i] & width_mask(l->width), f);
    for (unsigned i = 0; ok && i < l->segs; i++)
        ok = mem_write(cpu, base + l->seg + i * l->seg_step, 2, mode, cpu->seg[i].selector, f);
    return ok;
}

static bool set_busy(CpuX86 *cpu, gva_t address, bool busy, Fault *f)
{
    uint64_t hi;
    if (!mem_read(cpu, address + 4, 4, MMU_SUPERVISOR, &hi, f))
        return false;
    hi = busy ? hi | SYS_BUSY << 8 : hi & ~(uint64_t)(SYS_BUSY << 8);
    return mem_write(cpu, address + 4, 4, MMU_SUPERVISOR, hi, f);
}

static void load_cr3(CpuX86 *cpu, uint32_t cr3)
{
    if (!(cpu->cr0 & CR0_PG) || cr3 == cpu->cr3)
        return;
    cpu->cr3 = cr3;
    cpu_sync_paging(cpu);
    if ((cpu->cr4 & CR4_PAE) && !cpu_load_pdptes(cpu, &cpu->v.mmu.paging))
        log_guest_error("task switch: reserved bits in a PDPTE at %08x", cr3);
    mmu_flush_non_global(&cpu->v.mmu);
}

/* CS of the new task (SDM 3A "Task Switching", step 13 and "Invalid TSS Conditions"). */
static bool check_cs(CpuX86 *cpu, uint16_t selector, SegReg *cs, Fault *f)
{
    Desc d;
    if (selector_null(selector))
        return fault_selector(cpu, f, VEC_TS, selector);
    if (!desc_fetch(cpu, selector, VEC_TS, &d, f))
        return false;
    const unsigned rpl = selector & 3;
    const bool conforming = (d.hi & DESC_CONFORM) != 0;
    if (!desc_is_code(&d) || (conforming ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl))
        return fault_selector(cpu, f, VEC_TS, selector);
    if (!(d.hi & DESC_P))
        return fault_selector(cpu, f, VEC_NP, selector);
    if (!desc_set_accessed(cpu, &d, f))
        return false;
    *cs = desc_segment(selector, &d);
    return true;
}

static bool load_segments(CpuX86 *cpu, const TaskState *t, Fault *f)
{
    static const uint8_t rest[] = {SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    if (!seg_check_ldt(cpu, t->ldt, VEC_TS, &cpu->ldtr, f))
        return false;
    if (cpu_vm86(cpu)) {
        for (unsigned i = 0; i < SEG_COUNT; i++)
            cpu->seg[i] = seg_vm86(t->seg[i]);
        return true;
    }
    SegReg seg;
    if (!check_cs(cpu, t->seg[SEG_CS], &seg, f))
        return false;
    cpu->seg[SEG_CS] = seg;
    for (unsigned i = 0; i < G_N_ELEMENTS(rest); i++) {
        if (!seg_check_load(cpu, rest[i], t->seg[rest[i]], cpu->cpl, VEC_TS, &seg, f))
            return false;
        cpu->seg[rest[i]] = seg;
    }
    return true;
}

/* The new task cannot run: its fault must be delivered all the same. MANUAL: SDM 3A "Task Switching"
 * says that the switch is completed without further checks. SS is loaded if it is good; if not,
 * delivery fetches a stack from the new TSS, as from an outer level. */
static void settle_stack(CpuX86 *cpu, uint16_t selector)
{
    SegReg ss;
    Fault ignored;
    if (cpu_vm86(cpu) || (cpu->seg[SEG_SS].attr & SEG_ATTR_P))
        return;
    if (seg_check_stack(cpu, selector, cpu->cpl, VEC_TS, &ss, &ignored))
        cpu->seg[SEG_SS] = ss;
    else
        cpu->cpl = 3;
}

/* From here on the CPU is in the new task; a fault belongs to it. */
static bool enter_task(CpuX86 *cpu, const TaskState *t, uint32_t eflags, Fault *f)
{
    load_cr3(cpu, t->cr3);
    for (unsigned i = 0; i < 8; i++)
        cpu->v.gpr[i] = t->gpr[i];
    cpu->v.pc = t->eip;
    cpu->dr[7] &= ~UINT64_C(0x155); /* L0-L3, LE: breakpoints of the old task */
    cpu_set_eflags(cpu, eflags, ~EFLAGS_RF | debug_rf_mask(cpu));
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = (SegReg){.selector = t->seg[i]};
    cpu->ldtr = (SegReg){.selector = t->ldt};
    cpu->cpl = cpu_vm86(cpu) ? 3 : t->seg[SEG_CS] & 3;
    cpu->cr0 |= CR0_TS;
    cpu->v.mmu.paging.cr0 = cpu->cr0;
    debug_update_watches(cpu);
    if (t->trap & 1)
        cpu->pending_db |= DR6_BT;
    bool ok = load_segments(cpu, t, f);
    if (!ok)
        settle_stack(cpu, t->seg[SEG_SS]);
    cpu_update_mode(cpu);
    if (ok && t->eip > cpu->seg[SEG_CS].limit)
        ok = fault_code(f, VEC_GP, cpu->in_delivery ? 1 : 0);
    return ok;
}

static bool links(TaskCause cause)
{
    return cause == TASK_CALL || cause == TASK_GATE;
}

bool task_switch(CpuX86 *cpu, TaskCause cause, uint16_t selector, Desc *d, uint32_t next_pc,
                 uint32_t eflags, Fault *f)
{
    SegReg tss = desc_segment(selector, d);
    const gva_t old_desc = cpu->gdtr.base + (cpu->tr.selector & 0xfff8u);
    TaskState t;
    if (tss.limit + 1u < layout_of(tss.attr)->size && tss.limit != 0xffffffffu)
        return fault_selector(cpu, f, VEC_TS, selector);
    if (cpu->tr.limit < layout_of(cpu->tr.attr)->size - 1)
        return fault_selector(cpu, f, VEC_TS, cpu->tr.selector);
    if (cpu->v.host_pc) /* stores all over the place: without a block that could be in the way */
        return fault_plain(f, FAULT_SMC);
    log_printf(LOG_PCALL, "task switch %04x -> %04x cause %d", cpu->tr.selector, selector, cause);
    if (!read_task(cpu, &tss, &t, f) || !save_task(cpu, next_pc, eflags, f))
        return false;
    if (links(cause) && !mem_write(cpu, tss.base, 2, MMU_SUPERVISOR, cpu->tr.selector, f))
        return false;
    if (cause != TASK_IRET && !set_busy(cpu, d->address, true, f))
        return false;
    if (!links(cause) && !set_busy(cpu, old_desc, false, f))
        return false;
    tss.attr |= SYS_BUSY;
    cpu->tr = tss;
    return enter_task(cpu, &t, t.eflags | (links(cause) ? EFLAGS_NT : 0u), f);
}
