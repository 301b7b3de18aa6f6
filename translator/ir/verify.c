/* SPDX-License-Identifier: MIT
 * What every block must satisfy, after lifting and after each pass. */
#include "translator/ir/ir.h"

enum { MAX_TEMPS = 64 };

typedef struct {
    const IrBlock *block;
    const IrInsn *insn;
    uint64_t defined; /* temps written so far */
    GString *why;
    bool bad;
} Verify;

static void fail(Verify *v, const char *what)
{
    if (v->bad)
        return;
    v->bad = true;
    g_string_append_printf(v->why, "op %td: %s: ", v->insn - v->block->insns, what);
    ir_print_insn(v->block, v->insn, v->why);
}

static void check_read(Verify *v, IrOpd opd)
{
    if (opd.kind == IR_TEMP && !(opd.n < MAX_TEMPS && (v->defined >> opd.n & 1)))
        fail(v, "a temp is read before it is written");
    if (opd.kind == IR_REG && opd.n >= VCPU_GPRS)
        fail(v, "no such register");
    if (opd.kind == IR_REGH && (opd.n > 3 || v->insn->width != 1))
        if (v->insn->op != IR_MOVZX && v->insn->op != IR_MOVSX)
            fail(v, "a high byte needs width 1 and register 0..3");
}

static void check_address(Verify *v)
{
    const IrMem *m = &v->insn->mem;
    check_read(v, m->base);
    check_read(v, m->index);
    if (m->addr_width != 2 && m->addr_width != 4 && m->addr_width != 8)
        fail(v, "address width");
    if (m->index.kind != IR_NONE && m->scale != 1 && m->scale != 2 && m->scale != 4 &&
        m->scale != 8)
        fail(v, "scale");
}

static void check_operands(Verify *v)
{
    const IrInsn *i = v->insn;
    unsigned shape = ir_op_info[i->op].shape;
    if (i->op == IR_NATIVE || i->op == IR_CALL) {
        for (unsigned k = 0; k < G_N_ELEMENTS(i->args); k++)
            check_read(v, i->args[k]);
    } else {
        if ((shape & IR_SHAPE_RW) && i->d.kind == IR_NONE)
            fail(v, "destination missing");
        if ((shape & IR_SHAPE_A) && i->a.kind == IR_NONE)
            fail(v, "source missing");
        if ((shape & IR_SHAPE_B) && i->b.kind == IR_NONE)
            fail(v, "count missing");
        if (i->d.kind == IR_MEM && i->a.kind == IR_MEM)
            fail(v, "two memory operands");
        if ((shape & IR_SHAPE_D_WRITE) && ir_is_imm(i->d))
            fail(v, "an immediate is written");
    }
    bool keeps = i->width < 4 && i->d.kind == IR_TEMP && i->op != IR_LDSTATE;
    if ((shape & IR_SHAPE_D_READ) || keeps)
        check_read(v, i->d);
    check_read(v, i->a);
    check_read(v, i->b);
    if (i->d.kind == IR_MEM || i->a.kind == IR_MEM || (shape & IR_SHAPE_M))
        check_address(v);
}

bool ir_verify(const IrBlock *block, GString *why)
{
    Verify v = {.block = block, .why = why};
    for (unsigned n = 0; n < block->count && !v.bad; n++) {
        v.insn = &block->insns[n];
        if (v.insn->op >= IR_OP_COUNT) {
            g_string_append(why, "no such op");
            return false;
        }
        if (v.insn->width != 1 && v.insn->width != 2 && v.insn->width != 4 && v.insn->width != 8 &&
            v.insn->op != IR_INSN)
            if (ir_op_info[v.insn->op].shape != IR_SHAPE_N)
                fail(&v, "width");
        check_operands(&v);
        if (v.insn->d.kind == IR_TEMP && v.insn->d.n < MAX_TEMPS)
            v.defined |= UINT64_C(1) << v.insn->d.n;
        if (v.insn->op == IR_CALL && v.insn->aux >= block->helper_count)
            fail(&v, "no such helper");
        if ((v.insn->op == IR_EXIT_CALL || v.insn->op == IR_EXIT_CALL_INDIRECT) &&
            (uint64_t)v.insn->imm2 > UINT32_MAX)
            fail(&v, "a call returns beyond 4 GiB");
        bool end = ir_op_info[v.insn->op].attrs & IR_ATTR_END;
        if (end != (n + 1 == block->count))
            fail(&v, end ? "ops after the end" : "the block does not end in an exit");
    }
    return !v.bad;
}
