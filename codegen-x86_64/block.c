/* SPDX-License-Identifier: MIT
 * One block from IR to bytes: hot code in order, then cold code in order, and the table that maps
 * both back to guest instructions. */
#include "codegen-x86_64/host-priv.h"

/* On the stack: 10 KiB. */
enum { USUAL_COLD = 256 };

void codegen_mark_pc(Codegen *c, uint64_t pc, int8_t stack)
{
    const CodegenPcEntry entry = {(uint32_t)(c->e.at - c->out->code), (uint16_t)(pc - c->block->pc),
                                  stack, c->stack_width};
    c->pc = pc;
    c->stack_at_pc = stack;
    CodegenPcEntry *last = c->pc_count ? &c->pcmap[c->pc_count - 1] : NULL;
    if (last && last->pc_offset == entry.pc_offset)
        return;
    if (last && last->host_offset == entry.host_offset)
        *last = entry;
    else
        c->pcmap[c->pc_count++] = entry;
}

Cold *codegen_add_cold(Codegen *c, ColdKind kind, const IrInsn *insn, uint8_t *site)
{
    Cold *cold = &c->cold[c->cold_count++];
    *cold = (Cold){.kind = kind,
                   .fp_ready = c->fp_ready,
                   .stack = c->stack_at_pc,
                   .pc = c->pc,
                   .insn = insn,
                   .site = site};
    return cold;
}

static bool has_room(const Codegen *c)
{
    return c->limit - c->e.at >= OP_MAX_BYTES;
}

static bool emit_hot(Codegen *c)
{
    const IrBlock *block = c->block;
    for (unsigned i = 0; i < block->count; i++) {
        const IrInsn *insn = &block->insns[i];
        if (!has_room(c))
            return false;
        if ((c->stack || insn->op == IR_LEA) && lower_stack(c, insn))
            continue;
        if (codegen_is_mem_op(insn))
            lower_mem_op(c, insn);
        else
            select_emit(c, insn, host_ext(0));
    }
    return true;
}

static bool emit_cold(Codegen *c)
{
    for (unsigned i = 0; i < c->cold_count; i++) {
        Cold *cold = &c->cold[i];
        if (!has_room(c))
            return false;
        codegen_mark_pc(c, cold->pc, cold->stack);
        emit_set_rel32(cold->site, c->e.at);
        switch ((ColdKind)cold->kind) {
        case COLD_MEM:
            lower_cold_mem(c, cold);
            break;
        case COLD_SEGMENT:
            lower_cold_segment(c, cold);
            break;
        case COLD_EXIT_CHAIN:
            c->out->exits[cold->exit].stub_offset = (uint32_t)(c->e.at - c->out->code);
            lower_cold_exit(c, cold);
            break;
        case COLD_EXIT_TABLE:
        case COLD_EXIT_LOOKUP:
            lower_cold_exit(c, cold);
            break;
        }
        if (cold->resume)
            emit_set_rel32(emit_jmp32(&c->e), cold->resume);
    }
    return true;
}

/* FP state is made sure of at the entry, so that blocks that follow each other skip it. */
static bool uses_fp(const IrBlock *block)
{
    for (unsigned i = 0; i < block->count; i++)
        if (block->insns[i].op == IR_NATIVE && block->insns[i].native.fpu)
            return true;
    return false;
}

/* Guest flags are live: LEA adds without touching them. */
static void emit_count(Emit *e, uint64_t *counter)
{
    emit_mov_imm(e, R8, (uint64_t)(uintptr_t)counter);
    emit_load(e, 8, R9, host_mem(R8, 0));
    emit_lea(e, 8, R9, host_mem(R9, 1));
    emit_store(e, 8, host_mem(R8, 0), R9);
}

/* Too few left: leave to the loop before anything is done. The budget is below 2^31 and so is what
 * is taken, so the upper half of the difference tells its sign. */
static void emit_budget(Codegen *c)
{
    Emit *e = &c->e;
    const int32_t insns = (int32_t)c->options->budget;
    emit_load(e, 8, R8, VCPU_FIELD(budget));
    emit_lea(e, 8, R8, host_mem(R8, -insns));
    emit_store(e, 8, VCPU_FIELD(budget), R8);
    emit_mov(e, 8, R11, RCX);
    emit_load(e, 4, RCX, host_mem(R15, VCPU_DISP((int32_t)offsetof(VCpu, budget) + 4)));
    uint8_t *enough = emit_jump8(e, OP_JRCXZ);
    emit_mov(e, 8, RCX, R11);
    emit_lea(e, 8, R8, host_mem(R8, insns));
    emit_store(e, 8, VCPU_FIELD(budget), R8);
    lower_store_pc(c, c->block->pc);
    emit_jmp_mem(e, VCPU_FIELD(thunk_exit_lookup));
    emit_set_rel8(enough, e->at);
    emit_mov(e, 8, RCX, R11);
}

bool codegen_block(const IrBlock *block, const CodegenOptions *options, CodegenOutput *out)
{
    /* an op has two pieces of cold code at most, and each piece one pc entry */
    unsigned max_cold = block->count * 2;
    Cold usual[USUAL_COLD];
    Codegen c;
    c.e.at = out->code;
    c.limit = out->code + out->capacity;
    c.block = block;
    c.options = options;
    c.out = out;
    c.pc = block->pc;
    c.checked = c.fp_ready = false;
    c.stack = c.stack_at_pc = 0;
    c.stack_width = 0;
    c.cold = max_cold <= USUAL_COLD ? usual : g_new(Cold, max_cold);
    c.cold_count = c.pc_count = 0;
    out->exit_count = 0;
    out->size = 0;
    out->movable = true;
    if (out->pc_fields)
        g_array_set_size(out->pc_fields, 0);
    g_array_set_size(out->pcmap, block->count + max_cold + 1);
    c.pcmap = (CodegenPcEntry *)(void *)out->pcmap->data;
    codegen_mark_pc(&c, block->pc, 0);
    regalloc_block(&c);
    bool fits = has_room(&c);
    out->fp_entry = 0;
    if (fits && uses_fp(block)) {
        lower_fp_ensure(&c);
        out->fp_entry = (uint32_t)(c.e.at - out->code);
    }
    if (fits && options->poll) {
        const uint8_t *poll = c.e.at;
        emit_load(&c.e, 4, R8, VCPU_FIELD(poll_page[sizeof((VCpu *)0)->poll_page - 4]));
        g_assert(c.e.at - poll == CODEGEN_POLL_SIZE);
    }
    if (fits && options->budget)
        emit_budget(&c);
    if (fits && options->executions)
        emit_count(&c.e, options->executions);
    fits = fits && emit_hot(&c) && emit_cold(&c);
    if (c.cold != usual)
        g_free(c.cold);
    out->size = fits ? (size_t)(c.e.at - out->code) : 0;
    g_array_set_size(out->pcmap, fits ? c.pc_count : 0);
    return fits;
}
