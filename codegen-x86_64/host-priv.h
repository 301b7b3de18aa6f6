/* SPDX-License-Identifier: MIT
 * What the files of the code generator share: the state of one block's generation and the host's
 * register conventions.
 *
 *   guest GPRs     the host registers of the same number, ESP in R12 (less what lower-stack.c has put
 *                  off); upper halves are zero
 *   guest flags    the host's, always: whatever is inserted leaves them alone
 *   R15            VCpu + VCPU_BIAS; its low five bits are GUEST_PAGE_BITS, a shift count
 *   R14            base of the address window in blocks that use it; else an IR temp
 *   R13            IR temp, over its live range
 *   R8-R11         scratch within one op. A memory operand is [R8 + R10] (or [R8] in cold code, or
 *                  a guest register instead of R8); R11 holds ECX while a probe uses RCX; R9 and
 *                  R11 are free when the op itself is emitted */
#ifndef CODEGEN_X86_64_HOST_PRIV_H
#define CODEGEN_X86_64_HOST_PRIV_H

#include <assert.h>

#include "codegen-x86_64/codegen.h"
#include "codegen-x86_64/emit.h"

/* No IR op, and no piece of cold code, emits more than this. */
#define OP_MAX_BYTES 256

#define HOST_WINDOW_BASE R14

#define VCPU_FIELD(field) host_mem(R15, VCPU_DISP((int32_t)offsetof(VCpu, field)))

typedef enum {
    COLD_MEM,         /* TLB miss: redo the op through access_begin */
    COLD_SEGMENT,     /* offset beyond 64 KiB: checking helper */
    COLD_EXIT_CHAIN,  /* stub of an exit that is not chained yet */
    COLD_EXIT_TABLE,  /* a conditional exit to another page, by the jump table */
    COLD_EXIT_LOOKUP, /* return to the loop */
} ColdKind;

/* A piece of code to be emitted after the block: reached from `site`, returns to `resume`. */
typedef struct {
    uint8_t kind;
    bool fp_ready; /* hot code behind `resume` counts on guest FP state being loaded */
    uint8_t addr;  /* host register with the linear address */
    uint8_t exit;  /* index in out->exits */
    int8_t stack;  /* Codegen.stack when the guest instruction began */
    uint64_t pc;   /* of the guest instruction */
    const IrInsn *insn;
    uint8_t *site; /* rel32 */
    uint8_t *resume;
} Cold;

#define TEMP_NONE    0
#define TEMP_SPILLED 0x80 /* | slot of vcpu->temp */
#define TEMP_COUNT   256  /* IrOpd.n is a byte */

typedef struct {
    Emit e;
    uint8_t *limit;
    const IrBlock *block;
    const CodegenOptions *options;
    CodegenOutput *out;
    uint64_t pc;   /* of the current guest instruction */
    bool checked;  /* its accesses take the TLB whatever the strategy */
    bool fp_ready; /* an earlier op of the block has made sure that FP state is loaded */
    int8_t stack;  /* the guest's stack pointer less its register, see lower-stack.c */
    int8_t stack_at_pc;
    uint8_t stack_width; /* 0: not known yet */
    Cold *cold;
    unsigned cold_count;
    CodegenPcEntry *pcmap;
    unsigned pc_count;
    uint8_t temp[TEMP_COUNT]; /* host register, or TEMP_SPILLED | slot; fixed per temp */
} Codegen;

/* select.c */
typedef struct SelectRule SelectRule;
typedef void SelectFn(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
/* How one IR op becomes host code. Opcodes are those of the byte form where there is one. */
struct SelectRule {
    SelectFn *emit;
    uint16_t op;    /* r/m, r form, or the only one */
    uint16_t op_rm; /* r, r/m form */
    uint8_t op_imm; /* r/m, immediate form */
    uint8_t ext;    /* its ModRM extension */
    uint8_t op_acc; /* eAX, immediate form; 0: none */
    uint8_t flags;  /* RULE_* */
};
enum {
    RULE_IMM8 = 1,     /* op_imm + 3 is the sign-extended byte form */
    RULE_WRITES_A = 2, /* a is written as well */
    RULE_NO_WIDTH = 4, /* the same for all widths: no prefix */
    RULE_COND = 8,     /* insn->cond is added to the opcode */
};
/* Emit an op that has no memory operand, or whose operand has been lowered to `mem`. */
void select_emit(Codegen *c, const IrInsn *insn, HostOpd mem);

/* block.c */
/* A guest instruction's code begins here; for `stack` see CodegenPcEntry. */
void codegen_mark_pc(Codegen *c, uint64_t pc, int8_t stack);
Cold *codegen_add_cold(Codegen *c, ColdKind kind, const IrInsn *insn, uint8_t *site);

static inline bool codegen_is_mem_op(const IrInsn *insn)
{
    return insn->op != IR_LEA && (insn->d.kind == IR_MEM || insn->a.kind == IR_MEM);
}

/* regalloc.c */
void regalloc_block(Codegen *c);
static inline bool temp_is_spilled(uint8_t temp)
{
    return temp & TEMP_SPILLED;
}
static inline HostOpd temp_slot(uint8_t temp)
{
    return host_mem(R15, VCPU_DISP((int32_t)(offsetof(VCpu, temp) + (temp & 7u) * 8)));
}
/* Register that holds a REG, REGH (its value, shifted down) or TEMP operand for reading; what is
 * in no register as it is wanted is brought to `scratch`. */
unsigned regalloc_read(Codegen *c, IrOpd opd, unsigned scratch);

/* lower-mem.c */
void lower_lea(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_mem_op(Codegen *c, const IrInsn *insn);
void lower_cold_mem(Codegen *c, const Cold *cold);
void lower_cold_segment(Codegen *c, const Cold *cold);

/* lower-stack.c */
/* Before each op, if something is put off, and each LEA. True: that is all the op needs; else the stack
 * pointer is as it needs it. */
bool lower_stack(Codegen *c, const IrInsn *insn);
/* Displacement of a memory operand from what its base register holds. */
static inline int32_t lower_disp(const Codegen *c, const IrMem *mem)
{
    const bool is_stack = mem->base.kind == IR_REG && mem->base.n == IR_STACK_REG;
    return (int32_t)mem->disp + (is_stack ? c->stack : 0);
}

/* lower-call.c */
void lower_call(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_store_pc(Codegen *c, uint64_t pc);
/* The last four bytes emitted are a field of this kind. */
void lower_note_pc(Codegen *c, CodegenPcFieldKind kind);
void lower_load_pc(Codegen *c, unsigned reg, uint64_t pc);
/* Guest FP state into the host's registers. Clobbers R9. */
void lower_fp_ensure(Codegen *c);

/* lower-exit.c */
void lower_exit(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_exit_cc(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_exit_zero(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_exit_indirect(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_exit_call(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_exit_repeat(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_exit_loop(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);
void lower_cold_exit(Codegen *c, const Cold *cold);

/* native.c */
void lower_native(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem);

/* stubs.S */
extern const char codegen_stub_fp_load[];
extern const char codegen_stub_helper[];
extern const char codegen_stub_mem_begin[];
extern const char codegen_stub_store_supervisor[];
extern const char codegen_stub_store_user[];
extern const char codegen_stub_mem_commit[];
extern const char codegen_stub_exit_chain[];
extern const char codegen_stub_exit_lookup[];
extern const char codegen_stub_return_miss[];
extern const char codegen_stub_return_none[];
extern const char codegen_stub_return_gone[];
void codegen_stub_leave(VCpu *vcpu, ExitReason reason) __attribute__((noreturn));
/* codegen_enter with a value for R8. */
ExitReason codegen_enter_with(VCpu *vcpu, const void *code, void *r8);
/* runtime.c, called by stubs.S and native thunks */
void *codegen_mem_begin(VCpu *vcpu, gva_t gva, uint32_t descriptor);
void codegen_mem_commit(VCpu *vcpu);
void codegen_run_native(VCpu *vcpu, const void *code, void *mem);

/* Descriptor of a slow access: size | MEM_DESC_*. */
#define MEM_DESC_SIZE    0xffffu
#define MEM_DESC_READ    0x10000u
#define MEM_DESC_WRITE   0x20000u
#define MEM_DESC_USER    0x40000u
#define MEM_DESC_ALIGNED 0x80000u
#define MEM_DESC_WAITS   0x100000u

#endif
