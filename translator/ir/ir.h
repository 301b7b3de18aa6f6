/* SPDX-License-Identifier: MIT
 * The IR: linear, x86-shaped, explicit. One guest instruction is usually one op.
 * It knows registers, arithmetic flags, segmented memory operands and native
 * instructions; it knows no system state. Ops are listed in ir-ops.def. */
#ifndef TRANSLATOR_IR_IR_H
#define TRANSLATOR_IR_IR_H

#include <glib.h>
#include "translator/helper.h"

typedef enum {
#define IR_OP(name, ...) IR_##name,
#include "translator/ir/ir-ops.def"
#undef IR_OP
    IR_OP_COUNT
} IrOp;

enum {
    IR_ATTR_MARK = 1,
    IR_ATTR_ACC = 2,    /* implicit eAX/eDX(/eBX/eCX) operands */
    IR_ATTR_FAULTS = 4, /* may raise by a host fault */
    IR_ATTR_CALL = 8,
    IR_ATTR_EXIT = 16,
    IR_ATTR_END = 32,
};

/* Shape bits of ir-ops.def: how d, a, b are used. */
enum {
    IR_SHAPE_D_READ = 1,
    IR_SHAPE_D_WRITE = 2,
    IR_SHAPE_A = 4,
    IR_SHAPE_B = 8,
    IR_SHAPE_M = 16, /* mem without access (LEA) */
    IR_SHAPE_N = 0,
    IR_SHAPE_A_ONLY = IR_SHAPE_A,
    IR_SHAPE_D = IR_SHAPE_D_WRITE,
    IR_SHAPE_R = IR_SHAPE_D_READ,
    IR_SHAPE_RW = IR_SHAPE_D_READ | IR_SHAPE_D_WRITE,
    IR_SHAPE_D_A = IR_SHAPE_D | IR_SHAPE_A,
    IR_SHAPE_D_M = IR_SHAPE_D | IR_SHAPE_M,
    IR_SHAPE_R_A = IR_SHAPE_R | IR_SHAPE_A,
    IR_SHAPE_RW_A = IR_SHAPE_RW | IR_SHAPE_A,
    IR_SHAPE_RW_B = IR_SHAPE_RW | IR_SHAPE_B,
    IR_SHAPE_RW_A_B = IR_SHAPE_RW | IR_SHAPE_A | IR_SHAPE_B,
};

typedef struct {
    const char *text;
    uint8_t shape;
    uint8_t attrs;
    uint16_t flags_read, flags_written;
} IrOpInfo;
extern const IrOpInfo ir_op_info[IR_OP_COUNT];

typedef enum {
    IR_NONE,
    IR_REG,  /* guest register `n`, low `width` bytes */
    IR_REGH, /* bits 8-15 of guest register n (0..3): AH CH DH BH; width 1 only */
    IR_TEMP, /* block-local value n */
    IR_IMM,  /* insn->imm, sign-extended from 32 bits where width is 8 */
    IR_PC,   /* the same, but a place in the code: it moves with the block */
    IR_MEM,  /* insn->mem */
    IR_NREG, /* NATIVE only: x87/MMX/XMM/opcode-extension number n of a ModRM field */
} IrKind;

typedef struct {
    uint8_t kind;
    uint8_t n;
} IrOpd;

/* Guest segment registers, x86's numbers. */
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT, SEG_NONE = 7 };

/* How a segment is applied; decided by the lifter from the block's mode bits. */
typedef enum {
    IR_SEG_FLAT,  /* base 0: nothing to do */
    IR_SEG_BASE,  /* add the base (VCpu field seg_base), no limit check */
    IR_SEG_64K,   /* add the base; offset+size-1 must not pass 0xffff, else the checking helper */
    IR_SEG_CHECK, /* checking helper computes the linear address or raises */
} IrSegUse;

/* Address: base + index * scale + disp, truncated to addr_width bytes, then the segment. */
typedef struct {
    uint8_t seg;     /* SEG_* or SEG_NONE (linear already: IR_SEG_FLAT) */
    uint8_t seg_use; /* IrSegUse */
    IrOpd base;      /* IR_NONE, IR_REG, IR_TEMP; low addr_width bytes count */
    IrOpd index;
    uint8_t scale;   /* 1 2 4 8 */
    uint8_t addr_width; /* 2, 4, 8 */
    uint16_t size;   /* bytes accessed; 0 = width of the op */
    bool user;       /* access with user rights (CPL 3) */
    bool waits;      /* a pending x87 exception comes before any page fault */
    bool aligned;    /* #GP before any page fault unless size-aligned; on TLB hits the host's */
    int64_t disp;
} IrMem;

/* A host instruction to be emitted with its operands re-targeted. */
typedef struct {
    uint8_t map;     /* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
    uint8_t opcode;
    uint8_t prefix;  /* mandatory 66/F2/F3 or 0; also operand size 66 for GPR forms */
    bool vex;        /* VEX.L0 encoding; insn->b is vvvv (IR_REG) */
    bool w;          /* VEX.W / REX.W */
    bool has_imm;
    uint8_t imm;
    bool modrm;      /* reg field: insn->d (IR_NREG or IR_REG), rm: insn->a (IR_NREG, IR_REG, IR_MEM) */
    bool mem_read, mem_write;
    bool fpu;        /* needs the guest's FP/SIMD state loaded */
    bool x87;        /* waits for pending x87 exceptions, records FIP */
} IrNative;

typedef struct {
    uint8_t op;        /* IrOp */
    uint8_t width;     /* 1 2 4 8 */
    uint8_t src_width; /* MOVZX, MOVSX; width of a GPR rm of NATIVE */
    uint8_t cond;      /* x86 condition 0..15 */
    bool lock;
    bool checked;      /* INSN: the instruction's accesses do not use the address window */
    uint16_t aux;      /* helper id, instruction length, ExitReason; EXIT_INDIRECT: a guest's return */
    IrOpd d, a, b;
    IrOpd args[3];     /* CALL */
    int64_t imm;       /* for IR_IMM, targets, offsets */
    int64_t imm2;      /* SHLD/shift count when a is used; STSTATE value; CALL: second immediate; pc that
                          an EXIT_CALL returns to */
    int64_t imm3;
    IrMem mem;
    IrNative native;
} IrInsn;
/* Immediates: d/a IR_IMM, IR_PC -> imm; b IR_IMM -> imm2; CALL args[k] -> imm, imm2, imm3. The imm of
 * an exit and of INSN is a place in the code too. */

/* Guest bytes of the block that LDCODE reads each time: what is stored there leaves it as it is. */
#define IR_MAX_HOLES 8
typedef struct {
    uint16_t offset, size; /* offset: from the block's first byte */
} IrHole;

typedef struct {
    IrInsn *insns;
    unsigned count, capacity;
    unsigned temps;     /* temps used: 0..temps-1 */
    const HelperInfo *helpers; /* names and effects for aux of CALL */
    unsigned helper_count;
    uint64_t pc;        /* guest pc of the entry */
    uint64_t next_pc;   /* after the last instruction */
    unsigned guest_insns;
    unsigned guest_bytes;
    bool movable; /* at another pc it would be the same, but for pcs, all moved by as much */
    bool solo; /* every exit must return to the loop (single step, interrupt shadow) */
    IrHole holes[IR_MAX_HOLES];
    unsigned hole_count;
} IrBlock;

/* At most this many temps are live at once across a memory access or call (two host registers). */
#define IR_MAX_LIVE_TEMPS 2
/* The guest's stack pointer. */
#define IR_STACK_REG 4

void ir_block_init(IrBlock *block, const HelperInfo *helpers, unsigned helper_count);
void ir_block_reset(IrBlock *block, uint64_t pc);
void ir_block_destroy(IrBlock *block);
/* Append a zeroed op; the pointer is valid until the next append. */
IrInsn *ir_append(IrBlock *block, IrOp op, unsigned width);

static inline IrOpd ir_none(void) { return (IrOpd){IR_NONE, 0}; }
static inline IrOpd ir_reg(unsigned n) { return (IrOpd){IR_REG, (uint8_t)n}; }
static inline IrOpd ir_regh(unsigned n) { return (IrOpd){IR_REGH, (uint8_t)n}; }
static inline IrOpd ir_temp(unsigned n) { return (IrOpd){IR_TEMP, (uint8_t)n}; }
static inline IrOpd ir_imm(void) { return (IrOpd){IR_IMM, 0}; }
static inline IrOpd ir_pc(void) { return (IrOpd){IR_PC, 0}; }
static inline IrOpd ir_mem(void) { return (IrOpd){IR_MEM, 0}; }

void ir_print_insn(const IrBlock *block, const IrInsn *insn, GString *out);
void ir_print(const IrBlock *block, GString *out);
/* Reads back what ir_print wrote. */
bool ir_parse(IrBlock *block, const char *text, GError **error);
/* NULL if well formed, else what is wrong (static or leaked into `out`). */
bool ir_verify(const IrBlock *block, GString *why);

/* Most ops have none: quick to say. */
static inline bool ir_has_temps(const IrInsn *insn)
{
    return (insn->d.kind == IR_TEMP) | (insn->a.kind == IR_TEMP) | (insn->b.kind == IR_TEMP) |
           (insn->args[0].kind == IR_TEMP) | (insn->args[1].kind == IR_TEMP) |
           (insn->args[2].kind == IR_TEMP) | (insn->mem.base.kind == IR_TEMP) |
           (insn->mem.index.kind == IR_TEMP);
}
static inline bool ir_is_imm(IrOpd opd) { return opd.kind == IR_IMM || opd.kind == IR_PC; }

/* Size in bytes of the memory operand's access. */
static inline unsigned ir_mem_size(const IrInsn *insn)
{
    return insn->mem.size ? insn->mem.size : insn->width;
}
/* How the op uses its memory operand. */
bool ir_mem_reads(const IrInsn *insn);
bool ir_mem_writes(const IrInsn *insn);

#endif
