/* SPDX-License-Identifier: MIT
 * The x86 vCPU's life and its derived state: EFLAGS image, mode bits, input pins. */
#include "translator/x86/cpu-priv.h"

#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

enum { REPEAT_BYTES = 65536 };

CpuX86 *cpu_new(AddressSpace *as, const CpuModel *model, const CpuBoard *board, GError **error)
{
    /* Tables and TLBs are large and mostly untouched: backed page by page on first use. */
    CpuX86 *cpu = mmap(NULL, sizeof(CpuX86), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (cpu == MAP_FAILED) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                    "no room for the CPU's tables (%zu MiB): raise the address space limit "
                    "(ulimit -v)",
                    sizeof(CpuX86) >> 20);
        return NULL;
    }
    cpu->model = *model;
    if (board)
        cpu->board = *board;
    cpu->v.guest = &x86_guest_ops;
    cpu->v.repeat_bytes = REPEAT_BYTES;
    if (!board || !board->set_tsc_deadline)
        cpu->model.features[FEAT_TSC_DEADLINE / 64] &= ~BIT(FEAT_TSC_DEADLINE % 64);
    mmu_init(&cpu->v.mmu, as, cpu->v.tlb);
    cpu_reset(cpu);
    return cpu;
}

void cpu_free(CpuX86 *cpu)
{
    if (!cpu)
        return;
    mmu_destroy(&cpu->v.mmu);
    munmap(cpu, sizeof(CpuX86));
}

/* FXSAVE64 image after FNINIT, with MXCSR as after reset (SDM 1 "MXCSR"). */
static void reset_fpu(CpuX86 *cpu)
{
    uint8_t *area = cpu->v.fp_area;
    const uint16_t fcw = 0x0040; /* power-on value, not FNINIT's 037f */
    const uint32_t mxcsr = 0x1f80, mxcsr_mask = 0xffff;
    memset(area, 0, sizeof(cpu->v.fp_area));
    memcpy(area, &fcw, sizeof(fcw));
    area[4] = 0xff; /* tag word 5555h: all registers hold +0.0, none is empty */
    memcpy(area + 24, &mxcsr, sizeof(mxcsr));
    memcpy(area + 28, &mxcsr_mask, sizeof(mxcsr_mask));
}

static void reset_segments(CpuX86 *cpu)
{
    const uint16_t data = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_RW | SEG_ATTR_ACCESSED;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = (SegReg){0, data, 0xffff, 0};
    cpu->seg[SEG_CS].selector = 0xf000;
    cpu->seg[SEG_CS].base = 0xffff0000u;
    cpu->ldtr = (SegReg){0, SEG_ATTR_P | SYS_LDT, 0xffff, 0};
    cpu->tr = (SegReg){0, SEG_ATTR_P | SYS_TSS32_BUSY, 0xffff, 0};
    cpu->gdtr = cpu->idtr = (DescTable){0, 0xffff};
}

static void reset_msrs(CpuX86 *cpu)
{
    cpu->sysenter_cs = cpu->sysenter_esp = cpu->sysenter_eip = 0;
    cpu->pat = UINT64_C(0x0007040600070406);
    cpu->misc_enable = 1; /* fast strings */
    cpu->mtrr_def_type = cpu->tsc_offset = cpu->tsc_aux = cpu->bios_sign = 0;
    memset(cpu->mtrr_phys, 0, sizeof(cpu->mtrr_phys));
    memset(cpu->mtrr_fixed, 0, sizeof(cpu->mtrr_fixed));
}

void cpu_init(CpuX86 *cpu)
{
    memset(cpu->v.gpr, 0, sizeof(cpu->v.gpr));
    cpu->v.gpr[REG_EDX] = cpu_model_signature(&cpu->model);
    cpu->v.pc = 0xfff0;
    cpu->v.flags = 0;
    reset_segments(cpu);
    cpu->eflags = 0;
    cpu->cpl = 0;
    cpu->cr0 = (cpu->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    cpu->cr2 = cpu->cr3 = cpu->cr4 = cpu->efer = 0;
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr[6] = DR6_FIXED;
    cpu->dr[7] = DR7_FIXED;
    cpu->shadow = cpu->shadow_ss = cpu->shadow_fresh = cpu->step_armed = false;
    cpu->v.halted = cpu->nmi_masked = cpu->in_delivery = cpu->shutdown = false;
    cpu->ignne = false;
    cpu->x87_ignored = 0;
    cpu->pending_db = 0;
    atomic_fetch_and(&cpu->lines, CPU_LINE_INTR);
    cpu_sync_paging(cpu);
    mmu_flush_all(&cpu->v.mmu);
    cpu_set_eflags(cpu, 0, ~0u);
    debug_update_watches(cpu);
    cpu_update_mode(cpu);
}

void cpu_reset(CpuX86 *cpu)
{
    cpu->cr0 = CR0_CD | CR0_NW;
    cpu_init(cpu);
    reset_fpu(cpu);
    reset_msrs(cpu);
    cpu->history_count = 0;
}

uint32_t cpu_eflags(const CpuX86 *cpu)
{
    return (cpu->eflags & ~FLAGS_ARITH) | (cpu->v.flags & FLAGS_ARITH) | 2;
}

void cpu_set_eflags(CpuX86 *cpu, uint32_t value, uint32_t mask)
{
    const uint32_t known = EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF |
                           EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP | EFLAGS_ID;
    const uint32_t arith = mask & FLAGS_ARITH;
    const uint32_t old = cpu->eflags;
    cpu->v.boundary = BOUNDARY_NEW; /* whoever sets the state from outside begins anew */
    cpu->v.flags = (cpu->v.flags & ~arith) | (value & arith);
    mask &= known;
    cpu->eflags = (old & ~mask) | (value & mask);
    for (unsigned i = 0; i < G_N_ELEMENTS(cpu->v.dir); i++)
        cpu->v.dir[i] = cpu->eflags & EFLAGS_DF ? -(INT64_C(1) << i) : INT64_C(1) << i;
    if ((old ^ cpu->eflags) & EFLAGS_VM)
        cpu_update_mode(cpu);
    else
        cpu_update_flags_mode(cpu);
}

static unsigned segment_use(const CpuX86 *cpu, unsigned which)
{
    const SegReg *s = &cpu->seg[which];
    const unsigned type = s->attr & (SEG_ATTR_CODE | SEG_ATTR_EXPAND_CONFORM | SEG_ATTR_RW);
    const bool code = which == SEG_CS && (type & SEG_ATTR_CODE);
    if (cpu_protected(cpu)) {
        /* Writes through CS are the lifter's to refuse; reads need a readable segment. */
        const bool plain = code ? (type & SEG_ATTR_RW) != 0 : type == SEG_ATTR_RW;
        if (!plain || !(s->attr & SEG_ATTR_P))
            return IR_SEG_CHECK;
    } else if (!code && (type & SEG_ATTR_EXPAND_CONFORM)) {
        return IR_SEG_CHECK;
    }
    if (s->limit == 0xffffffffu)
        return s->base ? IR_SEG_BASE : IR_SEG_FLAT;
    return s->limit == 0xffff ? IR_SEG_64K : IR_SEG_CHECK;
}

/* Mode bits that EFLAGS, shadows and armed traps decide. TF's trap and pending ones hold the bit
 * until debug_boundary has seen them, also when the instruction cleared TF; an ignored x87 error,
 * until it is gone. */
static uint32_t flags_mode(const CpuX86 *cpu)
{
    uint32_t mode = 0;
    if ((cpu->eflags & EFLAGS_TF) || cpu->step_armed || cpu->pending_db || cpu->ignne ||
        cpu_virtual_interrupt_due(cpu))
        mode |= MODE_SINGLE_STEP;
    if (cpu->shadow)
        mode |= MODE_SHADOW;
    if (cpu->cpl == 3 && (cpu->cr0 & CR0_AM) && (cpu->eflags & EFLAGS_AC))
        mode |= MODE_ALIGN_CHECK;
    return mode;
}

void cpu_update_flags_mode(CpuX86 *cpu)
{
    const uint32_t bits = MODE_SINGLE_STEP | MODE_SHADOW | MODE_ALIGN_CHECK;
    cpu->mode = (cpu->mode & ~bits) | flags_mode(cpu);
}

static uint32_t fpu_mode(const CpuX86 *cpu)
{
    uint32_t mode = 0;
    if (cpu->cr0 & (CR0_TS | CR0_EM))
        mode |= MODE_FPU_TRAP;
    if (cpu->cr0 & CR0_EM)
        mode |= MODE_FPU_EM;
    if ((cpu->cr0 & CR0_MP) && (cpu->cr0 & CR0_TS))
        mode |= MODE_WAIT_TRAP;
    if (cpu->cr4 & CR4_OSFXSR)
        mode |= MODE_SSE;
    return mode;
}

/* Kernels leave in GS what their processes have there, and would be translated once for each kind
 * of it. IR_SEG_CHECK serves them all, at the price of a call for accesses through GS. */
static bool leaves_out(const CpuX86 *cpu, unsigned which)
{
    return which == SEG_GS && cpu->cpl == 0 && cpu_protected(cpu) && !cpu->kernel_uses_gs;
}

static uint32_t segment_mode(const CpuX86 *cpu, unsigned which)
{
    const unsigned use = leaves_out(cpu, which) ? IR_SEG_CHECK : segment_use(cpu, which);
    return use << (MODE_SEG_SHIFT + 2 * which);
}

void cpu_update_data_segment(CpuX86 *cpu, unsigned which)
{
    cpu->mode = (cpu->mode & ~(3u << (MODE_SEG_SHIFT + 2 * which))) | segment_mode(cpu, which);
    cpu->v.seg_base[which] = cpu->seg[which].base;
}

void cpu_update_mode(CpuX86 *cpu)
{
    uint32_t mode = flags_mode(cpu) | fpu_mode(cpu);
    if (cpu->seg[SEG_CS].attr & SEG_ATTR_DB)
        mode |= MODE_CODE32;
    if (cpu->seg[SEG_SS].attr & SEG_ATTR_DB)
        mode |= MODE_STACK32;
    if (cpu->cr0 & CR0_PE)
        mode |= MODE_PROTECTED;
    if (cpu_vm86(cpu))
        mode |= MODE_VM86;
    if (cpu->cpl == 3)
        mode |= MODE_USER;
    if (cpu->cpl == 0)
        mode |= MODE_CPL0;
    if (debug_armed(cpu))
        mode |= MODE_BREAKPOINTS;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        mode |= segment_mode(cpu, i);
        cpu->v.seg_base[i] = cpu->seg[i].base;
    }
    cpu->mode = mode;
}

void cpu_set_cpl(CpuX86 *cpu, unsigned cpl)
{
    cpu->cpl = cpl;
}

void cpu_set_cs(CpuX86 *cpu, SegReg cs, uint32_t pc, unsigned cpl)
{
    cpu->seg[SEG_CS] = cs;
    cpu->cpl = cpl;
    cpu->v.pc = pc;
    cpu_update_mode(cpu);
}

void cpu_sync_paging(CpuX86 *cpu)
{
    PagingRegs *regs = &cpu->v.mmu.paging;
    regs->cr0 = cpu->cr0;
    regs->cr3 = cpu->cr3;
    regs->cr4 = cpu->cr4;
    regs->efer = cpu->efer;
    regs->phys_bits = cpu->model.phys_bits;
    regs->gib_pages = false;
}

static uint64_t read_physical(void *opaque, gpa_t gpa, unsigned size)
{
    CpuX86 *cpu = opaque;
    return address_space_read(cpu->v.mmu.as, gpa, size);
}

bool cpu_load_pdptes(CpuX86 *cpu, PagingRegs *regs)
{
    WalkMemory memory = {read_physical, NULL, cpu};
    return walk_x86_load_pdptes(regs, &memory);
}

void cpu_set_line(CpuX86 *cpu, uint32_t line, bool level)
{
    if (!level) { /* the others are edges: the latch stays until they are taken */
        atomic_fetch_and(&cpu->lines, ~(line & CPU_LINE_INTR));
        return;
    }
    atomic_fetch_or(&cpu->lines, line);
    if (cpu->v.kick)
        cpu->v.kick(&cpu->v);
}
