/* SPDX-License-Identifier: MIT
 * IR -> host code. Guest registers sit in host registers of the same number (ESP in R12), guest
 * arithmetic flags in the host's; R15 points into the VCpu. See docs/architecture.md,
 * "The code a block becomes". Knows no guest architecture. */
#ifndef CODEGEN_X86_64_CODEGEN_H
#define CODEGEN_X86_64_CODEGEN_H

#include "translator/ir/ir.h"

/* Host register of each guest GPR (data-driven: x86-64 guests will bring another map). */
extern const uint8_t host_reg_of_gpr[VCPU_GPRS];

/* The way to memory: the soft TLB probed in line, or an address window at vcpu->window_base
 * (instructions whose INSN mark says `checked`, and IR_SEG_CHECK operands, take the TLB anyway). */
typedef enum { MEM_TLB, MEM_WINDOW } MemStrategy;

typedef struct {
    MemStrategy memory;
    bool chain; /* false: every exit, indirect ones too, returns to the loop */
    /* pc of the block's page, or of everything if it is global: direct exits into [page_pc, page_end)
     * chain by rel32, others go through the jump table (VCpu.jump_table) */
    uint64_t page_pc, page_end;
    bool poll;            /* emit the poll load at entry */
    unsigned budget;      /* guest instructions to take from vcpu->budget at entry; 0: do not */
    uint64_t *executions; /* counted up at entry; NULL: no */
    const uint8_t *ram;   /* where RAM lies: for LDCODE */
    int32_t jump_stub;    /* distance of VCpu.jump_stub from the VCpu; with `chain` */
    bool keep_lock;       /* other threads write memory while the code runs: LOCK means something */
    bool stack_runs;      /* a run of pushes or pops moves the stack pointer once: lower-stack.c */
} CodegenOptions;

/* A direct exit that can be chained: a jump whose rel32 leads to its stub first. The stub leaves
 * with EXIT_CHAIN and vcpu->host_pc = block + stub_offset + CODEGEN_EXIT_STUB; vcpu->pc is not set.
 */
#define CODEGEN_EXIT_STUB 4
typedef struct {
    uint32_t jump_offset; /* of the rel32 field, from the block's start */
    uint32_t stub_offset; /* where it points while unchained */
    uint64_t target_pc;
    bool fp_ready; /* guest FP state is loaded when it is taken: it may lead to fp_entry */
    bool forward;  /* a jump to a higher pc: it may lead behind the poll, since no loop has only such */
} CodegenExit;

/* Size of the poll, which comes first in a block, or at fp_entry. */
#define CODEGEN_POLL_SIZE 4

/* Maps host code to the guest instruction it belongs to, for faults. When the instruction is
 * abandoned, the guest's stack pointer is what its register holds plus `stack`. */
typedef struct {
    uint32_t host_offset; /* first host byte of this instruction's (hot or cold) code */
    uint16_t pc_offset;   /* guest pc - block pc */
    int8_t stack;
    uint8_t stack_width;  /* bytes of the stack pointer: what is above is zero */
} CodegenPcEntry;

static inline uint64_t codegen_stack_pointer(CodegenPcEntry entry, uint64_t reg)
{
    const uint64_t sp = reg + (uint64_t)(int64_t)entry.stack;
    return entry.stack_width == 4 ? (uint32_t)sp : sp;
}

/* A 32-bit field of the code that depends on where in the guest's code space the block is. */
typedef enum {
    PC_FIELD_VALUE,     /* a pc */
    PC_FIELD_NEGATED,   /* -pc */
} CodegenPcFieldKind;
typedef struct {
    uint32_t offset : 30; /* in the code */
    uint32_t kind : 2;
} CodegenPcField;

#define CODEGEN_MAX_EXITS 64

typedef struct {
    uint8_t *code;       /* where the bytes are written (RW view) */
    const uint8_t *exec; /* where they will run (RX view); same size */
    size_t capacity;
    size_t size; /* out */
    CodegenExit exits[CODEGEN_MAX_EXITS];
    unsigned exit_count;
    /* Second entry, behind the code that makes sure of the guest's FP state; 0: none. */
    uint32_t fp_entry;
    GArray *pcmap; /* of CodegenPcEntry, ascending by host_offset; owned by the caller */
    /* of CodegenPcField: all there are, so that code can be moved; owned by the caller. NULL: not
     * wanted */
    GArray *pc_fields;
    bool movable; /* out: pc_fields is complete */
} CodegenOutput;

/* false: did not fit in capacity (nothing is kept; the caller makes room and retries). */
bool codegen_block(const IrBlock *block, const CodegenOptions *options, CodegenOutput *out);

/* Point the jump of an exit at `target` (RX address) or back at its stub. Writes the RW view. Only the
 * thread that runs the code may: the field lies as it comes, and is not written at once. */
void codegen_patch_jump(uint8_t *rw_rel32, const uint8_t *rx_rel32, const uint8_t *target);

/* Make code that was generated for pc into what it would be for pc + delta (both below 4 GiB, delta
 * a multiple of the page size), but for its exits, which the caller points at their stubs. */
void codegen_move(uint8_t *rw_code, const CodegenPcField *fields, unsigned count, int64_t delta);

/* Fill the thunk pointers of a vcpu (static stubs in stubs.S). */
void codegen_init_vcpu(VCpu *vcpu);
extern const char codegen_stub_enter[];
/* Enter translated code (RX) and run until an exit. By jumps both ways: what the host's own stack
 * of return addresses predicts of the guest's returns outlives a visit to C. */
static inline __attribute__((always_inline)) ExitReason codegen_enter(VCpu *vcpu, const void *code)
{
    uint64_t reason;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t" /* the red zone */
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "jmp codegen_stub_enter\n"
                     "1:\tlea 128(%%rsp), %%rsp"
                     : "=a"(reason), "+D"(vcpu), "+S"(code)
                     :
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1",
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return (ExitReason)reason;
}

/* Write the code that an empty entry of a jump table leads to, at most CODEGEN_JUMP_STUB bytes. All
 * code that a table leads to is less than 4 GiB above it. */
#define CODEGEN_JUMP_STUB 16
void codegen_emit_jump_stub(uint8_t *code);

/* Empty the return stack: its entries may lead to code that is gone, or that is another mode's.
 * From the loop or below a thunk; a signal handler loads and stores vcpu->return_sp around it. */
void codegen_forget_returns(VCpu *vcpu);
/* Only those that come back to this code. */
void codegen_forget_returns_to(VCpu *vcpu, const uint8_t *code, size_t size);
/* Translated code faulted at `address`: true if that was a CALL without room on the return stack.
 * It goes on with the RSP that is written. */
bool codegen_returns_overflowed(VCpu *vcpu, const void *address, uint64_t *rsp);

/* Emit a tiny function  void f(VCpu *vcpu [rdi], void *mem [rsi])  that executes one NATIVE op on
 * the vcpu's gpr/flags/fp_area state with its memory operand at `mem`: the interpreter's way to run
 * native instructions. A guest fault in it (codegen_stub_fault_exit) leaves by vcpu->leave. The
 * code can be moved. Returns the size, 0 if it does not fit. */
size_t codegen_native_thunk(const IrInsn *insn, uint8_t *code, size_t capacity);

/* Is the host instruction at `at`, in translated code, one for which ESI and EDI were made host
 * addresses in the window? */
bool codegen_is_repeat(const uint8_t *at);

/* Where the signal handler sends translated code (and native thunks) that faulted: guest registers
 * are live, R15 is the VCpu's, nothing else is needed but RIP, vcpu->pc and vcpu->fault. */
extern const char codegen_stub_poll_exit[];   /* RIP to set: leaves with EXIT_POLL at vcpu->pc */
extern const char codegen_stub_fault_exit[];  /* leaves with EXIT_FAULT, vcpu->fault set */
extern const char codegen_stub_exit_reason[]; /* RIP to set: leaves with the ExitReason in R8 */

#endif
