/* SPDX-License-Identifier: MIT
 * Calls of helpers: arguments in R8, R9, R10, function in R11, result in R8; the thunk saves and
 * reloads all guest state. Guest FP state stays in fp_area after it, until an op wants it. */
#include "codegen-x86_64/host-priv.h"

void lower_store_pc(Codegen *c, uint64_t pc)
{
    /* the high half is always zero while pcs have 32 bits */
    emit_insn(&c->e, 0xc7, 4, host_ext(0), VCPU_FIELD(pc));
    emit_u32(&c->e, (uint32_t)pc);
    lower_note_pc(c, PC_FIELD_VALUE);
}

void lower_note_pc(Codegen *c, CodegenPcFieldKind kind)
{
    if (!c->out->pc_fields)
        return;
    const CodegenPcField field = {(uint32_t)(c->e.at - 4 - c->out->code), kind};
    g_array_append_val(c->out->pc_fields, field);
}

void lower_load_pc(Codegen *c, unsigned reg, uint64_t pc)
{
    emit_mov_imm(&c->e, reg, pc);
    if (pc <= UINT32_MAX)
        lower_note_pc(c, PC_FIELD_VALUE);
    else
        c->out->movable = false;
}

void lower_fp_ensure(Codegen *c)
{
    if (c->fp_ready)
        return;
    emit_call_mem(&c->e, VCPU_FIELD(fp_ensure));
    c->fp_ready = true;
}

static void load_argument(Codegen *c, const IrInsn *insn, unsigned k)
{
    const int64_t immediates[3] = {insn->imm, insn->imm2, insn->imm3};
    unsigned reg = R8 + k;
    IrOpd arg = insn->args[k];
    if (arg.kind == IR_NONE)
        return;
    if (arg.kind == IR_IMM) {
        emit_mov_imm(&c->e, reg, (uint64_t)immediates[k]);
        return;
    }
    if (arg.kind == IR_PC) {
        lower_load_pc(c, reg, (uint64_t)immediates[k]);
        return;
    }
    unsigned from = regalloc_read(c, arg, reg);
    if (from != reg)
        emit_mov(&c->e, 8, reg, from);
}

static void store_result(Codegen *c, const IrInsn *insn)
{
    if (insn->d.kind == IR_NONE)
        return;
    if (insn->d.kind == IR_TEMP && temp_is_spilled(c->temp[insn->d.n]))
        emit_store(&c->e, 8, temp_slot(c->temp[insn->d.n]), R8);
    else
        emit_store(&c->e, insn->width ? insn->width : 8, host_reg(regalloc_read(c, insn->d, R9)),
                   R8);
}

void lower_call(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    g_assert(insn->aux < c->block->helper_count);
    const HelperInfo *helper = &c->block->helpers[insn->aux];
    for (unsigned k = 0; k < 3; k++)
        load_argument(c, insn, k);
    if (helper->effects & (HELPER_FAULTS | HELPER_ENDS_BLOCK | HELPER_WRITES_PC))
        lower_store_pc(c, c->pc);
    emit_mov_imm(&c->e, R11, (uint64_t)(uintptr_t)helper->fn);
    emit_call_mem(&c->e, VCPU_FIELD(thunk_helper));
    c->fp_ready = false;
    store_result(c, insn);
}
