/* SPDX-License-Identifier: MIT
 * NATIVE ops: x87, MMX, SSE and rare integer instructions, re-encoded with their operands where the
 * host has them. */
#include "codegen-x86_64/host-priv.h"

static HostOpd native_operand(Codegen *c, IrOpd opd, HostOpd mem, unsigned scratch)
{
    if (opd.kind == IR_MEM)
        return mem;
    if (opd.kind == IR_NREG)
        return host_ext(opd.n);
    if (opd.kind == IR_NONE || opd.kind == IR_IMM)
        return host_ext(0);
    return host_reg(regalloc_read(c, opd, scratch));
}

/* POPCNT, LZCNT, TZCNT and CRC32 with 16-bit operands have 66 beside their own prefix. */
static bool has_both_prefixes(const IrInsn *insn)
{
    const IrNative *n = &insn->native;
    unsigned size = insn->a.kind == IR_MEM ? ir_mem_size(insn) : insn->src_width;
    bool gpr = insn->d.kind == IR_REG && insn->a.kind != IR_NREG;
    return (n->prefix == 0xf2 || n->prefix == 0xf3) && gpr && size == 2;
}

static void emit_without_modrm(Emit *e, const IrNative *n)
{
    static const uint8_t escapes[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    if (n->prefix)
        emit_u8(e, n->prefix);
    if (n->w)
        emit_u8(e, 0x48);
    for (unsigned i = 0; i < 2 && escapes[n->map & 3][i]; i++)
        emit_u8(e, escapes[n->map & 3][i]);
    emit_u8(e, n->opcode);
}

static void emit_native(Codegen *c, const IrInsn *insn, HostOpd mem)
{
    Emit *e = &c->e;
    const IrNative *n = &insn->native;
    uint32_t op = OP_PREFIX(n->prefix) | (n->map & 3u) << 8 | n->opcode;
    if (!n->modrm && !n->vex) {
        emit_without_modrm(e, n);
    } else {
        HostOpd reg = native_operand(c, insn->d, mem, R9);
        HostOpd rm = native_operand(c, insn->a, mem, R11);
        if (n->vex) {
            unsigned vvvv = insn->b.kind == IR_REG || insn->b.kind == IR_TEMP
                                ? regalloc_read(c, insn->b, R9)
                                : insn->b.n;
            emit_vex(e, op, n->w, reg, vvvv, rm);
        } else {
            bool byte = rm.kind == HOST_REG && insn->src_width == 1;
            if (has_both_prefixes(insn))
                emit_u8(e, 0x66);
            emit_insn(e, op | (byte ? OP_BYTE_RM : 0u), n->w ? 8 : 4, reg, rm);
        }
    }
    if (n->has_imm)
        emit_u8(e, n->imm);
}

void lower_native(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    if (insn->native.fpu && insn->a.kind != IR_MEM)
        lower_fp_ensure(c);
    emit_native(c, insn, mem);
}

/* Entered as a C function with vcpu in RDI and mem in RSI: passes the code behind itself on to
 * codegen_run_native, which enters it with mem in R8. So faults leave as in any translated code. */
size_t codegen_native_thunk(const IrInsn *insn, uint8_t *code, size_t capacity)
{
    if (capacity < OP_MAX_BYTES)
        return 0;
    Codegen c = {.e = {code}};
    Emit *e = &c.e;
    emit_mov(e, 8, RDX, RSI);
    emit_insn(e, 0x8d, 8, host_ext(RSI), host_ext(5)); /* lea rsi, [rip + disp32] */
    e->at[-1] = RSI << 3 | 5;
    uint8_t *body = e->at;
    emit_u32(e, 0);
    emit_mov_imm(e, RAX, (uint64_t)(uintptr_t)codegen_run_native);
    emit_insn(e, 0xff, 4, host_ext(4), host_reg(RAX));
    emit_set_rel32(body, e->at);
    if (insn->native.fpu)
        emit_call_mem(e, VCPU_FIELD(fp_ensure));
    emit_native(&c, insn, host_mem(R8, 0));
    emit_mov_imm(e, R8, EXIT_LOOKUP);
    emit_jmp_mem(e, VCPU_FIELD(thunk_exit_reason));
    return (size_t)(e->at - code);
}
