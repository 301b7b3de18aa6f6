/* SPDX-License-Identifier: MIT
 * Leaving a block: chained jumps inside the page, the jump cache for everything else. All of it
 * leaves flags alone. */
#include "codegen-x86_64/host-priv.h"

#define COND_ALWAYS 16u
enum { REPEAT_COUNT_BITS = 20 };

static bool may_chain(const Codegen *c, uint64_t target)
{
    const CodegenOptions *o = c->options;
    return o->chain && target >= o->page_pc && target < o->page_end &&
           c->out->exit_count < CODEGEN_MAX_EXITS;
}

/* JMP or JCC to cold code; its rel32 aligned if the jump will be patched. */
static void exit_jump(Codegen *c, const IrInsn *insn, unsigned cond)
{
    Emit *e = &c->e;
    uint64_t target = (uint64_t)insn->imm;
    bool chain = may_chain(c, target);
    unsigned opcode_bytes = cond == COND_ALWAYS ? 1 : 2;
    if (chain)
        emit_nops(e, (0u - ((unsigned)(uintptr_t)e->at + opcode_bytes)) & 3);
    if (cond != COND_ALWAYS) {
        emit_u8(e, 0x0f);
        emit_u8(e, 0x80 | cond);
    } else {
        emit_u8(e, 0xe9);
    }
    uint8_t *site = e->at;
    emit_u32(e, 0);
    ColdKind kind = chain               ? COLD_EXIT_CHAIN
                    : c->options->chain ? COLD_EXIT_PROBE
                                        : COLD_EXIT_LOOKUP;
    Cold *cold = codegen_add_cold(c, kind, insn, site);
    if (chain) {
        cold->exit = (uint8_t)c->out->exit_count++;
        c->out->exits[cold->exit] = (CodegenExit){.jump_offset = (uint32_t)(site - c->out->code),
                                                  .target_pc = target,
                                                  .fp_ready = c->fp_ready};
    }
}

#define JUMP_CACHE(field, index)                                                                   \
    host_mem_index(                                                                                \
        R15, index, 3,                                                                             \
        VCPU_DISP((int32_t)(offsetof(VCpu, jump_cache) + offsetof(JumpCacheEntry, field))))
#define JUMP_CACHE_AT(field, pc)                                                                   \
    host_mem(R15,                                                                                  \
             VCPU_DISP((int32_t)(offsetof(VCpu, jump_cache) + offsetof(JumpCacheEntry, field) +    \
                                 ((pc) & (JUMP_CACHE_ENTRIES - 1)) * sizeof(JumpCacheEntry))))

/* R8 = pc; tag and code are its entry in the jump cache, which follows from the code if `constant`. */
static void emit_jump_cache_probe(Codegen *c, HostOpd tag, HostOpd code, bool constant)
{
    Emit *e = &c->e;
    emit_mov(e, 8, R11, RCX);
    emit_load(e, 8, RCX, tag);
    if (constant)
        lower_note_pc(c, PC_FIELD_JUMP_SLOT);
    emit_lea(e, 8, RCX, host_mem_index(RCX, R8, 0, (int32_t)c->options->jump_tag));
    uint8_t *hit = emit_jump8(e, OP_JRCXZ);
    emit_mov(e, 8, RCX, R11);
    emit_store(e, 8, VCPU_FIELD(pc), R8);
    emit_jmp_mem(e, VCPU_FIELD(thunk_exit_lookup));
    emit_set_rel8(hit, e->at);
    emit_mov(e, 8, RCX, R11);
    emit_jmp_mem(e, code);
    if (constant)
        lower_note_pc(c, PC_FIELD_JUMP_SLOT);
}

static_assert(offsetof(VCpu, jump_cache) - VCPU_BIAS > INT8_MAX,
              "a displacement into the jump cache has 32 bits");

static void probe_constant(Codegen *c, uint64_t pc)
{
    lower_load_pc(c, R8, pc);
    emit_jump_cache_probe(c, JUMP_CACHE_AT(tag, pc), JUMP_CACHE_AT(code, pc), true);
}

void lower_exit(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    if (!c->options->chain)
        lower_exit_loop(c, insn, rule, mem);
    else if (may_chain(c, (uint64_t)insn->imm))
        exit_jump(c, insn, COND_ALWAYS);
    else
        probe_constant(c, (uint64_t)insn->imm);
}

void lower_exit_cc(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    exit_jump(c, insn, insn->cond & 15u);
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
        exit_jump(c, insn, COND_ALWAYS);
    uint8_t *over = rule->ext ? emit_jump8(e, OP_JMP8) : NULL;
    emit_set_rel8(zero, e->at);
    if (!in_place)
        emit_mov(e, 8, RCX, R11);
    if (rule->ext)
        exit_jump(c, insn, COND_ALWAYS);
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
    exit_jump(c, insn, COND_ALWAYS);
    emit_set_rel32(over, e->at);
}

bool codegen_is_repeat(const uint8_t *at)
{
    at += *at == 0x66;
    return (*at & 0xfe) == 0xf2 && ((at[1] & 0xfc) == 0xa4 || (at[1] >= 0xaa && at[1] <= 0xaf));
}

void lower_exit_indirect(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    unsigned width = insn->width == 8 ? 8 : 4;
    unsigned from = regalloc_read(c, insn->a, R8);
    if (insn->width == 2)
        emit_movzx(&c->e, 2, R8, host_reg(from));
    else
        emit_mov(&c->e, width, R8, from);
    if (!c->options->chain) {
        emit_store(&c->e, 8, VCPU_FIELD(pc), R8);
        emit_jmp_mem(&c->e, VCPU_FIELD(thunk_exit_lookup));
        return;
    }
    /* R10 = 2 * the low 20 bits of pc: shifting by R15 is shifting by 12. */
    emit_shift(&c->e, EMIT_SHLX, false, R10, host_reg(R8), R15);
    emit_shift(&c->e, EMIT_SHRX, false, R10, host_reg(R10), R15);
    emit_lea(&c->e, 4, R10, host_mem_index(R10, R10, 0, 0));
    emit_jump_cache_probe(c, JUMP_CACHE(tag, R10), JUMP_CACHE(code, R10), false);
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
    if (cold->kind == COLD_EXIT_PROBE) {
        probe_constant(c, target);
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
