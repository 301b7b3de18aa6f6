/* SPDX-License-Identifier: MIT
 * The part of a vCPU that the engine and translated code know, whatever the
 * guest. The guest's own state follows it in a larger struct (x86/cpu.h).
 *
 * While translated code runs, host R15 = (char *)vcpu + VCPU_BIAS. The bias makes
 * R15 mod 32 = 12 = GUEST_PAGE_BITS, so that "shrx reg, addr, r15" is a flag-free
 * shift to the page number, and keeps the hottest fields in disp8 range. */
#ifndef TRANSLATOR_VCPU_H
#define TRANSLATOR_VCPU_H

#include <stdatomic.h>

#include "softmmu/mmu.h"

#define VCPU_BIAS (4096 + 108)
#define VCPU_GPRS 16
#define VCPU_TEMPS 8
#define CODE_LINE_BITS 4
#define CODE_LINE (1u << CODE_LINE_BITS)

/* Arithmetic flags, in their EFLAGS positions. */
#define FLAG_CF 0x001u
#define FLAG_PF 0x004u
#define FLAG_AF 0x010u
#define FLAG_ZF 0x040u
#define FLAG_SF 0x080u
#define FLAG_OF 0x800u
#define FLAGS_ARITH 0x8d5u

typedef struct TranslationBlock TranslationBlock;

/* Why translated code (or the interpreter) came back to the execution loop. */
typedef enum {
    EXIT_CHAIN,  /* direct branch, not chained yet: vcpu->host_pc says which; pc is not set */
    EXIT_LOOKUP, /* pc is set: find the block (indirect branch missed, or mode changed) */
    EXIT_POLL,   /* pc is set: somebody asked for attention at a block entry */
    EXIT_FAULT,  /* vcpu->fault is set, pc is the faulting instruction's */
    EXIT_SMC,    /* the instruction at pc overwrites its own block: execute it alone */
    EXIT_HALT,   /* HLT: pc is the next instruction's */
    EXIT_DEMOTE, /* the instruction at pc made an access that the address window cannot serve */
    EXIT_CHECK,  /* --check: the block did not do what the interpreter did */
    EXIT_REASONS
} ExitReason;

/* A jump table has the code for each pc that jumps out of a page may go to, for blocks of one mode: 2^32
 * entries, most of them in pages that the host never backs. An entry is the code's distance from
 * VCpu.jump_stub, so 0 leads to the look-up. */
#define JUMP_TABLE_ENTRIES (UINT64_C(1) << 32)
typedef uint32_t JumpTableEntry;

/* The host's stack while translated code runs: a CALL pushes an entry, with the host's own CALL; a RET
 * returns with the host's own RET, which the host predicts, to code that compares where the RET goes with
 * the pc that it stands for. All that is in it leads to code that may still be reached, see
 * codegen_forget_returns. */
#define RETURN_ENTRIES 2048
typedef const void *ReturnEntry;

/* What the loop has looked for before the instruction at pc, which comes once each. */
typedef enum {
    BOUNDARY_NEW,
    BOUNDARY_TRAPPED, /* GuestOps.debug_boundary */
    BOUNDARY_BEGUN,   /* GuestOps.begin_instruction */
} BoundaryStage;

typedef struct VCpu {
    _Alignas(4096) uint8_t poll_page[4096]; /* its end is read at block entries; PROT_NONE to break out */

    /* What translated code wants most: displacements from R15 have eight bits up to here and below. */
    JumpTableEntry *jump_table; /* of the blocks that run, and of those that `returns` leads to */
    const uint8_t *jump_stub; /* code that leaves with EXIT_LOOKUP for the pc in R8 */
    /* Entry points that translated code calls or jumps to (codegen stubs). */
    void *fp_ensure;         /* call: ret if loaded, else loads; changes with fp_loaded */
    void *thunk_exit_chain;
    void *thunk_exit_lookup;
    void *thunk_exit_reason;
    void *thunk_return_miss;
    void *thunk_helper;
    void *thunk_mem_begin;
    void *thunk_mem_store[MMU_MODES]; /* the same for plain stores of at most CODE_LINE bytes */
    void *thunk_mem_commit;
    uint64_t pc;             /* offset in CS; exact at exits and in helpers that declare it */
    uint32_t flags;          /* arithmetic flags while translated code does not run */
    uint32_t fp_loaded;      /* guest FP/SIMD state is in the host's registers */
    uint64_t seg_base[8];    /* by SEG_*; for IR_SEG_BASE and IR_SEG_64K operands */
    int64_t dir[4];          /* string step for 1, 2, 4, 8 bytes: +size or -size (DF) */

    uint64_t gpr[VCPU_GPRS]; /* the guest's registers while translated code does not run */
    void *host_rsp;          /* of the entry trampoline */
    void *return_sp;         /* top of `returns` while translated code does not run; in a thunk, its
                                return address */
    uint64_t temp[VCPU_TEMPS]; /* IR temps that found no register */
    Fault fault;
    atomic_uint attention;   /* nonzero: somebody wants the loop (irq, stop, posted code writes) */
    bool halted;             /* HLT executed: the loop waits for an interrupt */
    uint8_t boundary;        /* BoundaryStage of the instruction at pc */
    bool stepping;           /* one instruction is wanted: repeated ones do one iteration */
    /* Break the vCPU out of translated code or of its wait; any thread. Set by the engine. */
    void (*kick)(struct VCpu *vcpu);
    int64_t budget;          /* -icount: instructions until the loop wants to see the vCPU; the
                                interpreter counts it down in any case */
    const void *host_pc;     /* return address of the thunk call that runs now; NULL: none */
    uint64_t window_base;    /* host address of the window that blocks entered now may use */
    /* A byte for each CODE_LINE bytes of RAM, at code_lines + host address / CODE_LINE: not 0 where
     * translated code may lie, so that stores must ask the engine first. Set by the engine. */
    uint64_t code_lines;
    uint32_t beside_left;    /* stores beside code until the engine sees one again */
    uint32_t repeat_bytes;   /* a repeated string instruction moves before the loop sees it again: a
                                power of two, 4096 or more */
    bool steadfast;          /* -icount: what asks for attention ends no repeated instruction early */

    Mmu mmu;
    MemAccess access;        /* the slow access in flight */
    /* How vcpu_exit leaves whatever runs now: the stub's, or the interpreter's. */
    void (*leave)(struct VCpu *vcpu, ExitReason reason) __attribute__((noreturn));
    void *interp_jump;       /* jmp_buf of the interpreter while it runs */
    /* Guest pc of the instruction that host code at host_pc belongs to (tcache's side table). *sp, if the
     * instruction is abandoned there: from what the stack pointer's register holds to the guest's. */
    uint64_t (*pc_of_host)(struct VCpu *vcpu, const void *host_pc, uint64_t *sp);
    const struct GuestOps *guest;
    void *engine;            /* tcache's */
    /* A guest that spins (PAUSE) may be made to wait a little. Set by the engine; NULL: no. */
    void (*relax)(struct VCpu *vcpu);

    _Alignas(64) uint8_t fp_area[512]; /* FXSAVE64 image while !fp_loaded */
    _Alignas(64) uint8_t host_fp_area[512];

    _Alignas(4096) uint8_t return_guard[4096]; /* below the return stack: PROT_NONE */
    ReturnEntry returns[RETURN_ENTRIES + 1];   /* grows down; the last one stands for none */
    TlbArrays tlb[MMU_MODES];
} VCpu;

/* An unmasked x87 exception waits for the next waiting instruction: FSW.ES in the saved image. */
static inline bool vcpu_x87_pending(const VCpu *vcpu)
{
    return vcpu->fp_area[2] & 0x80;
}

/* Displacement of a VCpu (or guest state) field from R15. */
#define VCPU_DISP(offset) ((int32_t)(offset)-VCPU_BIAS)

/* Leave the helper that runs now (called from translated code or from the interpreter) and
 * report `fault` at vcpu->pc to the execution loop. Registers and flags are those the helper
 * left in the VCpu. Never returns; no lock, no heap object owned by a frame may be held. */
_Noreturn void vcpu_exit_fault(VCpu *vcpu, Fault fault);
/* The same for any other reason; pc as the caller left it. */
_Noreturn void vcpu_exit(VCpu *vcpu, ExitReason reason);

#endif
