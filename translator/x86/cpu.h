/* SPDX-License-Identifier: MIT
 * The x86 vCPU: VCpu plus segments, control registers and all else that only
 * helpers touch. Public to tcache's user (cli), monitor and tests. */
#ifndef TRANSLATOR_X86_CPU_H
#define TRANSLATOR_X86_CPU_H

#include "translator/guest.h"
#include "translator/x86/cpuid.h"

enum { REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI };

/* EFLAGS bits besides the arithmetic ones (SDM 1 "EFLAGS Register"). */
#define EFLAGS_TF 0x00000100u
#define EFLAGS_IF 0x00000200u
#define EFLAGS_DF 0x00000400u
#define EFLAGS_IOPL 0x00003000u
#define EFLAGS_IOPL_SHIFT 12
#define EFLAGS_NT 0x00004000u
#define EFLAGS_RF 0x00010000u
#define EFLAGS_VM 0x00020000u
#define EFLAGS_AC 0x00040000u
#define EFLAGS_VIF 0x00080000u
#define EFLAGS_VIP 0x00100000u
#define EFLAGS_ID 0x00200000u

#define CR0_PE 0x00000001u
#define CR0_MP 0x00000002u
#define CR0_EM 0x00000004u
#define CR0_TS 0x00000008u
#define CR0_ET 0x00000010u
#define CR0_NE 0x00000020u
#define CR0_WP 0x00010000u
#define CR0_AM 0x00040000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u

#define CR4_VME 0x0001u
#define CR4_PVI 0x0002u
#define CR4_TSD 0x0004u
#define CR4_DE 0x0008u
#define CR4_PSE 0x0010u
#define CR4_PAE 0x0020u
#define CR4_MCE 0x0040u
#define CR4_PGE 0x0080u
#define CR4_PCE 0x0100u
#define CR4_OSFXSR 0x0200u
#define CR4_OSXMMEXCPT 0x0400u
#define CR4_UMIP 0x0800u

#define EFER_SCE 0x001u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u

enum {
    VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6,
    VEC_NM = 7, VEC_DF = 8, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13, VEC_PF = 14,
    VEC_MF = 16, VEC_AC = 17, VEC_MC = 18, VEC_XM = 19,
};

/* A loaded segment: the hidden part. attr has the descriptor's bits 8-23 of its high dword at
 * the same positions minus 8: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15. */
typedef struct {
    uint16_t selector;
    uint16_t attr;
    uint32_t limit; /* in bytes, granularity applied */
    uint64_t base;  /* mirrored in v.seg_base for ES..GS */
} SegReg;

#define SEG_ATTR_TYPE 0x000fu
#define SEG_ATTR_ACCESSED 0x0001u
#define SEG_ATTR_RW 0x0002u         /* data: writable, code: readable */
#define SEG_ATTR_EXPAND_CONFORM 0x0004u
#define SEG_ATTR_CODE 0x0008u
#define SEG_ATTR_S 0x0010u
#define SEG_ATTR_DPL_SHIFT 5
#define SEG_ATTR_DPL 0x0060u
#define SEG_ATTR_P 0x0080u
#define SEG_ATTR_L 0x2000u
#define SEG_ATTR_DB 0x4000u
#define SEG_ATTR_G 0x8000u

typedef struct {
    uint64_t base;
    uint16_t limit;
} DescTable;

/* What the CPU tells the board about a guest in trouble. */
typedef enum { CPU_DEAD_HALT, CPU_FAULT_STORM } CpuDistress;

/* What the board does for the CPU; every callback runs on the vCPU thread, no lock held (the
 * board takes the io lock). opaque is the board. */
typedef struct {
    void *opaque;
    int (*acknowledge)(void *opaque);          /* INTA: vector, or -1 if the request went away */
    uint64_t (*tsc)(void *opaque);             /* before TSC offset */
    void (*ferr)(void *opaque, bool level);    /* FERR# for CR0.NE=0 (IRQ 13) */
    uint64_t (*apic_base)(void *opaque);
    bool (*set_apic_base)(void *opaque, uint64_t value);
    void (*set_tsc_deadline)(void *opaque, uint64_t value);
    uint64_t (*tsc_deadline)(void *opaque);
    /* HLT with interrupts off, or one instruction faulted FAULT_STORM times; may be NULL. */
    void (*distress)(void *opaque, CpuDistress what);
} CpuBoard;

#define FAULT_STORM (1u << 20)

/* An event that was delivered, for the death report. */
typedef struct {
    uint32_t vector;
    uint64_t pc, cs, error, cr2;
    bool exception;  /* of the instruction at pc; else INT n or an interrupt */
    bool has_error;
    bool first;      /* not met while delivering the one before */
    bool lost;       /* could not be delivered: the triple fault */
    uint8_t cpl;
} DeliveredEvent;


typedef struct CpuX86 {
    VCpu v; /* first: a VCpu* is a CpuX86* */

    SegReg seg[SEG_COUNT];
    SegReg ldtr, tr;
    DescTable gdtr, idtr;
    uint32_t eflags; /* all bits but the arithmetic ones and the reserved bit 1; DF too (v.dir follows) */
    uint32_t cpl;
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t dr[8];
    uint32_t mode;   /* current mode bits, kept by cpu_update_mode */
    bool shadow;     /* interrupt shadow of STI, MOV SS, POP SS: one instruction */
    bool shadow_ss;  /* it also holds back debug exceptions */
    bool shadow_fresh; /* no boundary has seen it yet */
    bool behind_sti;   /* helper_settle comes right behind an STI that set IF */
    bool kernel_uses_gs; /* code at CPL 0 does: GS is part of the mode there too */
    uint32_t kernel_gs_accesses; /* before it was seen to */
    bool step_armed;  /* the next instruction began with TF set: trap after it */
    bool shutdown;    /* triple fault met outside deliver_*: the next deliver_interrupt reports it */
    bool nmi_masked; /* until IRET */
    bool rf_served;    /* RF held back code breakpoints for the instruction that has begun */
    bool ignne;      /* the board ignores the x87 error that FERR# told it of, until it is gone */
    uint8_t x87_ignored; /* what FSW does not show of it to the instruction that is next */
    bool in_delivery; /* delivering an exception or interrupt (double-fault rules) */
    uint32_t pending_db; /* DR6 bits of a debug trap due at the next boundary (TF, data/IO bp, T bit) */
    _Atomic uint32_t lines; /* CPU_LINE_*: input pins, set by any thread */
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable, mtrr_def_type, tsc_offset, bios_sign;
    uint64_t mtrr_phys[16], mtrr_fixed[11];
    uint64_t tsc_aux;
    CpuModel model;  /* what CPUID says; what the decoder accepts */
    CpuBoard board;
    bool no_fp_pointers; /* FIP, FDP and FOP read as zero: they depend on the engine */
    bool seeded;         /* RDRAND and RDSEED are computed from random_state, not the host's */
    uint64_t random_state;
    DeliveredEvent history[16];
    unsigned history_count;
    DeliveredEvent same_fault; /* the last exception, and how often in a row */
    unsigned same_count;
} CpuX86;

enum { CPU_LINE_INTR = 1, CPU_LINE_NMI = 2, CPU_LINE_INIT = 4, CPU_LINE_IGNNE = 8 };

static inline CpuX86 *cpu_x86(VCpu *vcpu)
{
    return (CpuX86 *)vcpu;
}

extern const GuestOps x86_guest_ops;

/* One vCPU in its own mapping (page aligned, large: TLBs and tables are lazily backed). */
CpuX86 *cpu_new(AddressSpace *as, const CpuModel *model, const CpuBoard *board, GError **error);
void cpu_free(CpuX86 *cpu);
/* Power-on state (SDM 3A "Processor State After Reset"). */
void cpu_reset(CpuX86 *cpu);
/* State after INIT: x87, SSE and most MSRs stay. The vCPU's thread, no block running. */
void cpu_init(CpuX86 *cpu);
/* From now on RDRAND and RDSEED give the same values for the same seed. */
void cpu_seed_random(CpuX86 *cpu, uint64_t seed);
/* Full EFLAGS image, and setting it (mask: bits that may change). Keeps v.dir and mode right. */
uint32_t cpu_eflags(const CpuX86 *cpu);
void cpu_set_eflags(CpuX86 *cpu, uint32_t value, uint32_t mask);
/* Recompute cpu->mode after segments, CRs, CPL or EFLAGS changed; mirrors seg_base. */
void cpu_update_mode(CpuX86 *cpu);
/* Input pins; any thread. Wakes and breaks the vCPU out of translated code. */
void cpu_set_line(CpuX86 *cpu, uint32_t line, bool level);
/* Registers as text, in QEMU's layout of `info registers`; fpu: x87 and SSE registers too. */
void cpu_print_registers(const CpuX86 *cpu, bool fpu, GString *out);

#endif
