/* SPDX-License-Identifier: MIT
 * What the engine (tcache, codegen, interpreter) needs of the guest architecture.
 * One const table per guest; x86/guest-x86.c defines the only one. */
#ifndef TRANSLATOR_GUEST_H
#define TRANSLATOR_GUEST_H

#include "translator/ir/ir.h"

/* Everything the code of a block depends on besides its bytes. */
typedef struct {
    uint64_t pc;       /* offset in CS */
    uint64_t cs_base;
    uint32_t cs_limit; /* 0xffffffff when it does not matter */
    uint32_t mode;     /* guest's mode bits (x86/mode.h) */
    uint32_t memory;   /* the engine's: which way to memory the code uses */
} BlockState;

typedef struct {
    unsigned max_insns;  /* 1 for --one-insn-per-tb and for executing one instruction alone */
    unsigned max_bytes;
    /* Are these bytes of RAM, a field of an instruction, overwritten again and again? NULL: none of the
     * page is. `ram`: where the code lies. */
    bool (*patched)(const void *opaque, ram_off_t offset, unsigned size);
    const void *opaque;
    ram_off_t ram;
} TranslateLimits;

/* A piece of the guest's own state, in the struct that follows the VCpu. */
typedef struct {
    const char *name;
    uint32_t offset, size; /* of the vCPU's struct */
    bool derived; /* follows from others, or from how the code was translated: never compared */
} GuestField;

typedef struct GuestOps {
    /* State of the vCPU between blocks -> key of the next block. */
    void (*block_state)(const VCpu *vcpu, BlockState *state);
    /* MMU_USER or MMU_SUPERVISOR: rights of fetches and of the code's own accesses. */
    int (*fetch_mode)(const VCpu *vcpu);
    /* Decode and lift one block starting at state->pc into `block` (already reset). `code` holds
     * the guest bytes from there on: code_size of them in the first page, then, if second is not
     * NULL, second_size of the next page. A block takes at most one instruction that needs bytes
     * of the second page (it ends after it). If the bytes of an instruction would lie in a page
     * that is not there, the block ends before it, or - if it is the first - *need_second is set
     * and false returned, so that the engine fetches that page or raises its fault. */
    bool (*translate)(VCpu *vcpu, const BlockState *state, const TranslateLimits *limits,
                      const uint8_t *code, unsigned code_size, const uint8_t *second,
                      unsigned second_size, IrBlock *block, bool *need_second);
    /* Deliver vcpu->fault (raised at pc) to the guest; may change it to a double fault and so on.
     * false: triple fault. */
    bool (*deliver_fault)(VCpu *vcpu);
    /* An interrupt (INTR, NMI) is waiting and may be taken now. */
    bool (*interrupt_ready)(VCpu *vcpu);
    /* Take it. false: triple fault. */
    bool (*deliver_interrupt)(VCpu *vcpu);
    /* Traps that the instruction before this boundary left (TF, data breakpoints); true if pc
     * changed. To be called once a boundary: it counts instructions (VCpu.boundary). */
    bool (*debug_boundary)(VCpu *vcpu);
    /* After traps and interrupts, once an instruction: faults of one that begins (code breakpoints);
     * true if pc changed. */
    bool (*begin_instruction)(VCpu *vcpu);
    /* a = seg | size << 8 | write << 24 | aligned << 25 (IrMem.aligned), b = offset: limit, type,
     * null and alignment checks of IR_SEG_CHECK and IR_SEG_64K operands -> linear address, or
     * raises (#GP, #SS, #AC) at vcpu->pc. */
    HelperFn seg_check;
    /* A trap or fault at a boundary could not be delivered: triple fault. deliver_interrupt says
     * so, too. */
    bool (*shut_down)(const VCpu *vcpu);
    /* All that instructions change besides registers, flags, FP state and memory; ascending. */
    const GuestField *fields;
    unsigned field_count;
    const HelperInfo *helpers;
    unsigned helper_count;
    unsigned gprs; /* registers of the file in use: 8 */
    /* For the log, between blocks; NULL: nothing is printed. */
    void (*print_state)(VCpu *vcpu, bool fpu, GString *out);
} GuestOps;

#endif
