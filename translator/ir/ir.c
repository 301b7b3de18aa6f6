/* SPDX-License-Identifier: MIT
 * Op table and building. */
#include "translator/ir/ir.h"

/* Shape letters of ir-ops.def. */
#define N IR_SHAPE_N
#define A IR_SHAPE_A_ONLY
#define D IR_SHAPE_D
#define R IR_SHAPE_R
#define RW IR_SHAPE_RW
#define D_A IR_SHAPE_D_A
#define D_M IR_SHAPE_D_M
#define R_A IR_SHAPE_R_A
#define RW_A IR_SHAPE_RW_A
#define RW_B IR_SHAPE_RW_B
#define RW_A_B IR_SHAPE_RW_A_B
#define F_ALL FLAGS_ARITH
#define F_NOCF (FLAGS_ARITH & ~FLAG_CF)

const IrOpInfo ir_op_info[IR_OP_COUNT] = {
#define IR_OP(name, text, shape, reads, writes, attrs)                                             \
    [IR_##name] = {text, shape, attrs, reads, writes},
#include "translator/ir/ir-ops.def"
#undef IR_OP
};

void ir_block_init(IrBlock *block, const HelperInfo *helpers, unsigned helper_count)
{
    *block = (IrBlock){.helpers = helpers, .helper_count = helper_count};
}

void ir_block_reset(IrBlock *block, uint64_t pc)
{
    block->count = 0;
    block->temps = 0;
    block->pc = pc;
    block->next_pc = pc;
    block->guest_insns = 0;
    block->guest_bytes = 0;
    block->solo = false;
    block->hole_count = 0;
    block->movable = false;
}

void ir_block_destroy(IrBlock *block)
{
    g_free(block->insns);
    block->insns = NULL;
    block->count = block->capacity = 0;
}

/* Copied, since a compiler clears this much by REP STOS, which takes longer to start. */
static const IrInsn blank = {.mem = {.seg = SEG_NONE}};

IrInsn *ir_append(IrBlock *block, IrOp op, unsigned width)
{
    if (block->count == block->capacity) {
        block->capacity = block->capacity ? block->capacity * 2 : 128;
        block->insns = g_renew(IrInsn, block->insns, block->capacity);
    }
    IrInsn *insn = &block->insns[block->count++];
    *insn = blank;
    insn->op = op;
    insn->width = (uint8_t)width;
    return insn;
}

static bool is_mem(IrOpd opd)
{
    return opd.kind == IR_MEM;
}

bool ir_mem_reads(const IrInsn *insn)
{
    if (insn->op == IR_NATIVE)
        return insn->native.mem_read && is_mem(insn->a);
    unsigned shape = ir_op_info[insn->op].shape;
    return (is_mem(insn->a) && (shape & IR_SHAPE_A)) || (is_mem(insn->d) && (shape & IR_SHAPE_D_READ));
}

bool ir_mem_writes(const IrInsn *insn)
{
    if (insn->op == IR_NATIVE)
        return insn->native.mem_write && is_mem(insn->a);
    return is_mem(insn->d) && (ir_op_info[insn->op].shape & IR_SHAPE_D_WRITE);
}
