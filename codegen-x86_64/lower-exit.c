/* SPDX-License-Identifier: MIT
 * Leaving a block: jumps that can be chained (inside the page; on global pages all direct ones), the
 * jump table for everything else, and the host's CALL and RET for the guest's. All of it leaves flags alone. */
#include "codegen-x86_64/host-priv.h"
#include "codegen-x86_64/stubs-offsets.h"

/* Jumps to cold code: JCC's condition, or another opcode. */
enum { JUMP_ALWAYS = 16, JUMP_CALL };
enum { REPEAT_COUNT_BITS = 20 };

static bool may_chain(const Codegen *c, uint64_t target)
{
    const CodegenOptions *o = c->options;
    return o->chain && target >= o->page_pc && target < o->page_end &&
           c->out->exit_count < CODEGEN_MAX_EXITS;
}

/* JMP, JCC or CALL to cold code; it can be patched if the target may be chained. */
static void exit_jump(Codegen *c, const IrInsn *insn, uint64_t target, unsigned how)
{
    Emit *e = &c->e;
    bool chain = may_chain(c, target);
    if (how < JUMP_ALWAYS) {
        emit_u8(e, 0x0f);
        emit_u8(e, 0x80 | how);
    } else {
        emit_u8(e, how == JUMP_CALL ? 0xe8 : 0xe9);
    }
    uint8_t *site = e->at;
    emit_u32(e, 0);
    ColdKind kind = chain               ? COLD_EXIT_CHAIN
                    : c->options->chain ? COLD_EXIT_TABLE
                                        : COLD_EXIT_LOOKUP;
    Cold *cold = codegen_add_cold(c, kind, insn, site);
    if (chain) {
        cold->exit = (uint8_t)c->out->exit_count++;
        c->out->exits[cold->exit] = (CodegenExit){.jump_offset = (uint32_t)(site - c->out->code),
                                                  .target_pc = target,
                                                  .fp_ready = c->fp_ready,
                                                  .forward = how != JUMP_CALL && target > c->pc};
    }
}

/* R10 = where to go on for the pc in R8. 64-bit code will have to compare the upper
 * half of R8 with that of its own pc first, and its jump tag to stand for it. */
static void emit_read_jump_table(Codegen *c)
{
    Emit *e = &c->e;
    emit_load(e, 8, R10, VCPU_FIELD(jump_table));
    emit_load(e, 4, R10, host_mem_index(R10, R8, 2, 0));
    emit_lea(e, 8, R10, host_mem_index(R10, R15, 0, VCPU_DISP(c->options->jump_stub)));
}

static void jump_to_constant(Codegen *c, uint64_t pc)
{
    lower_load_pc(c, R8, pc);
    emit_read_jump_table(c);
    emit_jmp_reg(&c->e, R10);
}

void codegen_emit_jump_stub(uint8_t *code)
{
    Emit e = {.at = code};
    emit_store(&e, 8, VCPU_FIELD(pc), R8);
    emit_jmp_mem(&e, VCPU_FIELD(thunk_exit_lookup));
    g_assert(e.at - code <= CODEGEN_JUMP_STUB);
}

/* ---- the guest's calls and returns: the return stack (VCpu.returns) ---- */

/* R8 = what the exit goes to. */
static void load_indirect_pc(Codegen *c, const IrInsn *insn)
{
    unsigned from = regalloc_read(c, insn->a, R8);
    if (insn->width == 2)
        emit_movzx(&c->e, 2, R8, host_reg(from));
    else if (from != R8) /* see is_exit_pc */
        emit_mov(&c->e, insn->width == 8 ? 8 : 4, R8, from);
}

/* R8 = pc. What has no entry goes to the loop by the same CALL. */
static void emit_call_by_table(Codegen *c)
{
    emit_read_jump_table(c);
    emit_call_reg(&c->e, R10);
}

/* Behind a CALL: a host RET has come back for the guest's to the pc in R8, RCX in R11. Is it this one? Flag-free, and
 * where codegen_stub_return_miss finds the pc (CODEGEN_RETURN_TAG). */
static void emit_check_return(Codegen *c, uint64_t return_pc)
{
    Emit *e = &c->e;
    const uint8_t *start = e->at;
    emit_u8(e, 0x41); /* LEA ECX, [R8 + disp32], and no shorter one */
    emit_u8(e, 0x8d);
    emit_u8(e, 0x88);
    g_assert(e->at == start + CODEGEN_RETURN_TAG);
    emit_u32(e, -(uint32_t)return_pc);
    lower_note_pc(c, PC_FIELD_NEGATED);
    uint8_t *same = emit_jump8(e, OP_JRCXZ);
    emit_jmp_mem(e, VCPU_FIELD(thunk_return_miss));
    emit_set_rel8(same, e->at);
    emit_mov(e, 8, RCX, R11);
}

/* EXIT_CALL, EXIT_CALL_INDIRECT. What follows is where the RET comes back. */
void lower_exit_call(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    const uint64_t pc = (uint64_t)insn->imm, return_pc = (uint64_t)insn->imm2;
    if (!c->options->chain) {
        if (insn->op == IR_EXIT_CALL)
            lower_exit_loop(c, insn, rule, mem);
        else
            lower_exit_indirect(c, insn, rule, mem);
        return;
    }
    if (insn->op == IR_EXIT_CALL_INDIRECT) {
        load_indirect_pc(c, insn);
        emit_call_by_table(c);
    } else if (may_chain(c, pc)) {
        exit_jump(c, insn, pc, JUMP_CALL);
    } else {
        lower_load_pc(c, R8, pc);
        emit_call_by_table(c);
    }
    emit_check_return(c, return_pc);
    c->fp_ready = false;
}

/* To the pc in R8, by emit_check_return. */
static void emit_return(Codegen *c)
{
    emit_mov(&c->e, 8, R11, RCX);
    emit_u8(&c->e, 0xc3);
}

/* ---- exits ---- */

void lower_exit(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    const uint64_t pc = (uint64_t)insn->imm;
    if (!c->options->chain)
        lower_exit_loop(c, insn, rule, mem);
    else if (may_chain(c, pc))
        exit_jump(c, insn, pc, JUMP_ALWAYS);
    else
        jump_to_constant(c, pc);
}

void lower_exit_cc(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    exit_jump(c, insn, (uint64_t)insn->imm, insn->cond & 15u);
}

/* EXIT_ZERO (rule->ext) and EXIT_NONZERO: JRCXZ with the value in RCX. ECX itself, the usual one
 * (JECXZ, LOOP), needs no copy. */
void lower_exit_zero(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Emit *e = &c->e;
    bool in_place = insn->d.kind == IR_REG && insn->d.n == RCX && insn->width >= 4;
    if (!in_place) {
        emit_mov(e, 8, R11, RCX);
        unsigned from = regalloc_read(c, insn->d, R9);
        if (insn->width < 4)
            emit_movzx(e, insn->width, RCX, host_reg(from));
        else
            emit_mov(e, insn->width, RCX, from);
    }
    uint8_t *zero = emit_jump8(e, OP_JRCXZ);
    if (!in_place)
        emit_mov(e, 8, RCX, R11);
    if (!rule->ext)
        exit_jump(c, insn, (uint64_t)insn->imm, JUMP_ALWAYS);
    uint8_t *over = rule->ext ? emit_jump8(e, OP_JMP8) : NULL;
    emit_set_rel8(zero, e->at);
    if (!in_place)
        emit_mov(e, 8, RCX, R11);
    if (rule->ext)
        exit_jump(c, insn, (uint64_t)insn->imm, JUMP_ALWAYS);
    if (over)
        emit_set_rel8(over, e->at);
}

/* REP in the window: ESI and EDI become host addresses for the instruction's time (a fault in it takes
 * the base off again, see codegen_is_repeat); the base is a multiple of 4 GiB. Only upwards, and only
 * so many elements that it ends within a millisecond, since it cannot be interrupted. RCX = 0 if so: the
 * count without its low bits, plus the sign of the step. */
void lower_exit_repeat(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Emit *e = &c->e;
    /* Where instructions are counted, all engines take the helper, which counts in 64 KiB. */
    if (c->options->memory != MEM_WINDOW || c->checked || c->options->budget)
        return;
    emit_mov(e, 8, R11, RCX);
    emit_rorx(e, true, R9, RCX, REPEAT_COUNT_BITS);
    emit_movzx(e, 2, R9, host_reg(R9));
    emit_movzx(e, 1, R10, host_mem(R15, VCPU_DISP((int32_t)offsetof(VCpu, dir) + 7)));
    emit_lea(e, 8, RCX, host_mem_index(R9, R10, 0, 0));
    uint8_t *quick = emit_jump8(e, OP_JRCXZ);
    emit_mov(e, 8, RCX, R11);
    uint8_t *over = emit_jmp32(e);
    emit_set_rel8(quick, e->at);
    emit_mov(e, 8, RCX, R11);
    emit_lea(e, 8, RSI, host_mem_index(HOST_WINDOW_BASE, RSI, 0, 0));
    emit_lea(e, 8, RDI, host_mem_index(HOST_WINDOW_BASE, RDI, 0, 0));
    if (insn->width == 2)
        emit_u8(e, 0x66);
    emit_u8(e, insn->aux >> 8);
    emit_u8(e, insn->aux & 0xff);
    emit_mov(e, 4, RSI, RSI);
    emit_mov(e, 4, RDI, RDI);
    exit_jump(c, insn, (uint64_t)insn->imm, JUMP_ALWAYS);
    emit_set_rel32(over, e->at);
}

bool codegen_is_repeat(const uint8_t *at)
{
    at += *at == 0x66;
    return (*at & 0xfe) == 0xf2 && ((at[1] & 0xfc) == 0xa4 || (at[1] >= 0xaa && at[1] <= 0xaf));
}

void lower_exit_indirect(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    load_indirect_pc(c, insn);
    if (!c->options->chain) {
        emit_store(&c->e, 8, VCPU_FIELD(pc), R8);
        emit_jmp_mem(&c->e, VCPU_FIELD(thunk_exit_lookup));
    } else if (insn->op == IR_EXIT_INDIRECT && insn->aux) {
        emit_return(c);
    } else {
        emit_read_jump_table(c);
        emit_jmp_reg(&c->e, R10);
    }
}

/* EXIT_LOOKUP, EXIT_PC, EXIT_REASON and unchained exits: back to the execution loop. */
void lower_exit_loop(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    if (insn->op != IR_EXIT_PC)
        lower_store_pc(c, (uint64_t)insn->imm);
    if (insn->op == IR_EXIT_REASON) {
        emit_mov_imm(&c->e, R8, insn->aux);
        emit_jmp_mem(&c->e, VCPU_FIELD(thunk_exit_reason));
    } else {
        emit_jmp_mem(&c->e, VCPU_FIELD(thunk_exit_lookup));
    }
}

void lower_cold_exit(Codegen *c, const Cold *cold)
{
    uint64_t target = (uint64_t)cold->insn->imm;
    if (cold->kind == COLD_EXIT_TABLE) {
        jump_to_constant(c, target);
        return;
    }
    if (cold->kind == COLD_EXIT_CHAIN) {
        uint8_t *stub = c->e.at;
        emit_call_mem(&c->e, VCPU_FIELD(thunk_exit_chain));
        g_assert(c->e.at - stub == CODEGEN_EXIT_STUB);
        return;
    }
    lower_store_pc(c, target);
    emit_jmp_mem(&c->e, VCPU_FIELD(thunk_exit_lookup));
}
