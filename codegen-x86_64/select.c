/* SPDX-License-Identifier: MIT
 * Tiling: which host instruction an IR op becomes. One row per op; a row's function emits one form
 * (two-operand arithmetic, shift, ...) for every operand kind. Opcodes: SDM 2, opcode maps. */
#include "base/bits.h"
#include "codegen-x86_64/host-priv.h"

const uint8_t host_reg_of_gpr[VCPU_GPRS] = {RAX, RCX, RDX, RBX, R12, RBP, RSI, RDI};

/* d and a as host operands, and what has to be undone behind the op. */
typedef struct {
    HostOpd d, a;
    unsigned swapped; /* 4 + n: AH..BH and AL..BL are exchanged; 0: nothing */
} Operands;

static void emit_swap(Codegen *c, unsigned high)
{
    emit_u8(&c->e, 0x86);
    emit_u8(&c->e, 0xc0 | high << 3 | (high - 4));
}

static HostOpd resolve(Codegen *c, IrOpd opd, HostOpd mem, unsigned scratch, bool read)
{
    switch ((IrKind)opd.kind) {
    case IR_MEM:
        return mem;
    case IR_REGH:
        return (HostOpd){HOST_HIGH, (uint8_t)(4 + (opd.n & 3)), HOST_NO_REG, 0, 0};
    case IR_TEMP:
        if (!read && temp_is_spilled(c->temp[opd.n]))
            return host_reg(scratch);
        return host_reg(regalloc_read(c, opd, scratch));
    case IR_REG:
        return host_reg(regalloc_read(c, opd, scratch));
    case IR_NREG:
        return host_ext(opd.n);
    case IR_NONE:
    case IR_IMM:
    case IR_PC:
        break;
    }
    return host_ext(0);
}

/* AH..BH beside an operand that needs REX: a copy if it is only read, else exchange it with the
 * low byte around the op. */
static void legalize_high(Codegen *c, Operands *o, HostOpd *opd, bool written, unsigned scratch)
{
    if (opd->kind != HOST_HIGH)
        return;
    if (written) {
        emit_swap(c, opd->reg);
        o->swapped = opd->reg;
        *opd = host_reg(opd->reg - 4u);
    } else {
        emit_rorx(&c->e, false, scratch, opd->reg - 4u, 8);
        *opd = host_reg(scratch);
    }
}

static Operands operands_begin(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    unsigned shape = ir_op_info[insn->op].shape;
    Operands o = {0};
    bool merged = insn->width < 4; /* a narrow write keeps the rest */
    o.d = resolve(c, insn->d, mem, R9, merged || (shape & IR_SHAPE_D_READ));
    o.a = resolve(c, insn->a, mem, R11, true);
    if (o.d.kind != HOST_HIGH && o.a.kind != HOST_HIGH)
        return o;
    if (emit_needs_rex(o.d, insn->width) || emit_needs_rex(o.a, insn->width)) {
        legalize_high(c, &o, &o.d, shape & IR_SHAPE_D_WRITE, R9);
        legalize_high(c, &o, &o.a, rule->flags & RULE_WRITES_A, R11);
    }
    return o;
}

static void store_spilled(Codegen *c, IrOpd opd, HostOpd host)
{
    if (opd.kind == IR_TEMP && temp_is_spilled(c->temp[opd.n]))
        emit_store(&c->e, 8, temp_slot(c->temp[opd.n]), host.reg);
}

static void operands_end(Codegen *c, const IrInsn *insn, const SelectRule *rule, const Operands *o)
{
    if (o->swapped)
        emit_swap(c, o->swapped);
    if (ir_op_info[insn->op].shape & IR_SHAPE_D_WRITE)
        store_spilled(c, insn->d, o->d);
    if (rule->flags & RULE_WRITES_A)
        store_spilled(c, insn->a, o->a);
}

/* The opcode for this width: the low bit tells bytes from the rest. */
static unsigned sized(unsigned op, unsigned width)
{
    return width == 1 ? op : op | 1;
}

static void put_lock(Codegen *c, const IrInsn *insn, HostOpd d)
{
    if (insn->lock && c->options->keep_lock && d.kind == HOST_MEM)
        emit_u8(&c->e, 0xf0);
}

/* The immediate just emitted is a pc. */
static void note_pc_operand(Codegen *c, unsigned width)
{
    if (width >= 4)
        lower_note_pc(c, PC_FIELD_VALUE);
    else
        c->out->movable = false;
}

static void put_imm_form(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd d)
{
    Emit *e = &c->e;
    unsigned width = insn->width;
    int64_t imm = sign_extend((uint64_t)insn->imm, width < 4 ? width : 4);
    if (width > 1 && (rule->flags & RULE_IMM8) && imm == (int8_t)imm) {
        emit_insn(e, rule->op_imm + 3u, width, host_ext(rule->ext), d);
        emit_u8(e, (uint8_t)imm);
        return;
    }
    if (rule->op_acc && d.kind == HOST_REG && d.reg == RAX) {
        if (width == 2)
            emit_u8(e, 0x66);
        if (width == 8)
            emit_u8(e, 0x48);
        emit_u8(e, sized(rule->op_acc, width));
    } else {
        emit_insn(e, sized(rule->op_imm, width), width, host_ext(rule->ext), d);
    }
    emit_imm(e, width, imm);
    if (insn->a.kind == IR_PC)
        note_pc_operand(c, width);
}

/* d op= a with r/m,r  r,r/m  and r/m,immediate forms. */
static void select_alu(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    put_lock(c, insn, o.d);
    if (ir_is_imm(insn->a))
        put_imm_form(c, insn, rule, o.d);
    else if (o.a.kind == HOST_MEM)
        emit_insn(&c->e, sized(rule->op_rm, insn->width), insn->width, o.d, o.a);
    else
        emit_insn(&c->e, sized(rule->op, insn->width), insn->width, o.a, o.d);
    operands_end(c, insn, rule, &o);
}

/* MOV: an immediate into a register has a short form of its own. */
static void select_mov(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    if (insn->a.kind != IR_IMM || insn->d.kind == IR_MEM) {
        select_alu(c, insn, rule, mem);
        return;
    }
    Operands o = operands_begin(c, insn, rule, mem);
    if (insn->width == 8) {
        emit_mov_imm(&c->e, o.d.reg, (uint64_t)(int32_t)insn->imm);
    } else if (insn->width == 4) {
        emit_mov_imm(&c->e, o.d.reg, (uint32_t)insn->imm);
    } else {
        if (insn->width == 2)
            emit_u8(&c->e, 0x66);
        if (o.d.kind == HOST_REG && (o.d.reg >= 8 || (insn->width == 1 && o.d.reg >= 4)))
            emit_u8(&c->e, 0x40 | o.d.reg >> 3);
        emit_u8(&c->e, (insn->width == 1 ? 0xb0 : 0xb8) | (o.d.reg & 7));
        emit_imm(&c->e, insn->width, insn->imm);
    }
    operands_end(c, insn, rule, &o);
}

/* One operand, in d or (MUL, DIV...) in a. */
static void select_unary(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    HostOpd rm = insn->d.kind == IR_NONE ? o.a : o.d;
    put_lock(c, insn, o.d);
    emit_insn(&c->e, sized(rule->op_imm, insn->width), insn->width, host_ext(rule->ext), rm);
    operands_end(c, insn, rule, &o);
}

static void select_shift(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    bool by_imm = insn->b.kind == IR_IMM;
    unsigned count = (unsigned)insn->imm2 & 0xff;
    unsigned op = !by_imm ? 0xd2 : count == 1 ? 0xd0 : 0xc0;
    emit_insn(&c->e, sized(op, insn->width), insn->width, host_ext(rule->ext), o.d);
    if (op == 0xc0)
        emit_u8(&c->e, count);
    operands_end(c, insn, rule, &o);
}

static void select_double_shift(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    bool by_imm = insn->b.kind == IR_IMM;
    emit_insn(&c->e, rule->op | !by_imm, insn->width, o.a, o.d);
    if (by_imm)
        emit_u8(&c->e, (uint8_t)insn->imm2);
    operands_end(c, insn, rule, &o);
}

/* reg = d, r/m = a: IMUL, BSF, CMOV. */
static void select_load_op(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    unsigned op = rule->op + (rule->flags & RULE_COND ? insn->cond & 15u : 0);
    emit_insn(&c->e, op, insn->width, o.d, o.a);
    operands_end(c, insn, rule, &o);
}

/* d = a * imm */
static void select_imul3(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    int64_t imm = sign_extend((uint64_t)insn->imm, insn->width < 4 ? insn->width : 4);
    bool byte = imm == (int8_t)imm;
    emit_insn(&c->e, byte ? 0x6b : 0x69, insn->width, o.d, o.a);
    emit_imm(&c->e, byte ? 1 : insn->width, imm);
    operands_end(c, insn, rule, &o);
}

/* MOVZX and MOVSX: opcodes for byte and word sources; wider ones are moves. */
static void select_extend(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    unsigned from = insn->src_width, to = insn->width;
    if (from == 1)
        emit_insn(&c->e, rule->op | OP_BYTE_RM, to, o.d, o.a);
    else if (from == 2)
        emit_insn(&c->e, rule->op + 1u, to, o.d, o.a);
    else if (to == 8 && rule->op_imm)
        emit_insn(&c->e, rule->op_imm, 8, o.d, o.a); /* MOVSXD */
    else
        emit_insn(&c->e, 0x8b, from, o.d, o.a);
    operands_end(c, insn, rule, &o);
}

/* r/m = d, reg = a: XCHG, XADD, CMPXCHG. */
static void select_exchange(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    put_lock(c, insn, o.d);
    emit_insn(&c->e, sized(rule->op, insn->width), insn->width, o.a, o.d);
    operands_end(c, insn, rule, &o);
}

static void select_cmpxchg8b(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    put_lock(c, insn, mem);
    emit_insn(&c->e, rule->op, 4, host_ext(rule->ext), mem);
}

static void select_bit(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    put_lock(c, insn, o.d);
    if (insn->a.kind == IR_IMM) {
        emit_insn(&c->e, OP_0F | rule->op_imm, insn->width, host_ext(rule->ext), o.d);
        emit_u8(&c->e, (unsigned)insn->imm & (insn->width * 8u - 1));
    } else {
        emit_insn(&c->e, rule->op, insn->width, o.a, o.d);
    }
    operands_end(c, insn, rule, &o);
}

static void select_setcc(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    emit_insn(&c->e, rule->op + (insn->cond & 15u), 1, host_ext(0), o.d);
    if (insn->width > 1 && o.d.kind == HOST_REG)
        emit_insn(&c->e, OP_0F | 0xb6 | OP_BYTE_RM, insn->width, o.d, o.d);
    operands_end(c, insn, rule, &o);
}

static void select_bswap(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    unsigned rex = (unsigned)(insn->width == 8) << 3 | o.d.reg >> 3;
    if (insn->width == 2)
        emit_u8(&c->e, 0x66);
    if (rex)
        emit_u8(&c->e, 0x40 | rex);
    emit_u8(&c->e, 0x0f);
    emit_u8(&c->e, 0xc8 | (o.d.reg & 7));
    operands_end(c, insn, rule, &o);
}

/* No operands but eAX, eDX and flags. */
static void select_fixed(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    if (rule->flags & RULE_NO_WIDTH) {
        emit_u8(&c->e, rule->op);
        return;
    }
    if (insn->width == 2)
        emit_u8(&c->e, 0x66);
    if (insn->width == 8)
        emit_u8(&c->e, 0x48);
    emit_u8(&c->e, rule->op);
}

/* R11 = narrow a, extended as the shift needs it, shifted; then the narrow store to d. */
static void shift_narrow(Codegen *c, const IrInsn *insn, EmitShift shift, const Operands *o)
{
    Emit *e = &c->e;
    HostOpd a = o->a;
    unsigned width = insn->width;
    if (a.kind == HOST_HIGH) {
        emit_rorx(e, false, R11, a.reg - 4u, 8);
        a = host_reg(R11);
    }
    uint32_t op = (shift == EMIT_SARX ? 0xbeu : 0xb6u) | (width == 2);
    emit_insn(e, OP_0F | op | (width == 1 ? OP_BYTE_RM : 0u), 4, host_reg(R11), a);
    emit_mov_imm(e, R10, (unsigned)insn->imm & (width * 8u - 1));
    emit_shift(e, shift, false, R11, host_reg(R11), R10);
    if (o->d.kind == HOST_HIGH) {
        emit_swap(c, o->d.reg);
        emit_store(e, 1, host_reg(o->d.reg - 4u), R11);
        emit_swap(c, o->d.reg);
    } else {
        emit_store(e, width, o->d, R11);
    }
}

/* d = a shifted by imm, no flags. */
static void select_flagless_shift(Codegen *c, const IrInsn *insn, const SelectRule *rule,
                                  HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    EmitShift shift = (EmitShift)rule->op;
    if (insn->width < 4) {
        shift_narrow(c, insn, shift, &o);
    } else {
        emit_mov_imm(&c->e, R9, (unsigned)insn->imm & (insn->width * 8u - 1));
        emit_shift(&c->e, shift, insn->width == 8, o.d.reg, o.a, R9);
    }
    operands_end(c, insn, rule, &o);
}

static HostOpd state_field(int64_t offset)
{
    return host_mem(R15, VCPU_DISP((int32_t)offset));
}

static void select_load_state(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    Operands o = operands_begin(c, insn, rule, mem);
    HostOpd field = state_field(insn->imm);
    if (insn->width < 4)
        emit_movzx(&c->e, insn->width, o.d.reg, field);
    else
        emit_load(&c->e, insn->width, o.d.reg, field);
    operands_end(c, insn, rule, &o);
}

static void select_load_code(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    static const uint32_t opcodes[] = {
        [1] = OP_0F | 0xbe | OP_BYTE_RM, [2] = OP_0F | 0xbf, [4] = 0x8b};
    Operands o = operands_begin(c, insn, rule, mem);
    emit_mov_imm(&c->e, R11, (uint64_t)(uintptr_t)c->options->ram + (uint64_t)insn->imm);
    emit_insn(&c->e, opcodes[insn->src_width], 4, o.d, host_mem(R11, 0));
    operands_end(c, insn, rule, &o);
}

static void select_store_state(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    HostOpd field = state_field(insn->imm);
    unsigned width = insn->width;
    if (insn->a.kind == IR_IMM) {
        emit_insn(&c->e, sized(0xc6, width), width, host_ext(0), field);
        emit_imm(&c->e, width, insn->imm2);
    } else {
        emit_store(&c->e, width, field, regalloc_read(c, insn->a, R11));
    }
}

static void select_mark(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    codegen_mark_pc(c, (uint64_t)insn->imm, c->stack);
    c->checked = insn->checked;
}

#define ALU(n)                                                                                     \
    {                                                                                              \
        select_alu, (n)*8, (n)*8 + 2, 0x80, n, (n)*8 + 4, RULE_IMM8                                \
    }
#define UNARY(op, n)                                                                               \
    {                                                                                              \
        select_unary, .op_imm = op, .ext = n                                                       \
    }
#define SHIFT(n)                                                                                   \
    {                                                                                              \
        select_shift, .ext = n                                                                     \
    }
#define BITS(opcode, n)                                                                            \
    {                                                                                              \
        select_bit, OP_0F | (opcode), .op_imm = 0xba, .ext = n                                     \
    }

static const SelectRule rules[] = {
    [IR_INSN] = {select_mark},
    [IR_MOV] = {select_mov, 0x88, 0x8a, 0xc6},
    [IR_MOVZX] = {select_extend, OP_0F | 0xb6},
    [IR_MOVSX] = {select_extend, OP_0F | 0xbe, .op_imm = 0x63},
    [IR_LEA] = {lower_lea},
    [IR_XCHG] = {select_exchange, 0x86, .flags = RULE_WRITES_A},
    [IR_BSWAP] = {select_bswap},
    [IR_LDSTATE] = {select_load_state},
    [IR_LDCODE] = {select_load_code},
    [IR_STSTATE] = {select_store_state},
    [IR_LSHL] = {select_flagless_shift, EMIT_SHLX},
    [IR_LSHR] = {select_flagless_shift, EMIT_SHRX},
    [IR_LSAR] = {select_flagless_shift, EMIT_SARX},
    [IR_ADD] = ALU(0),
    [IR_OR] = ALU(1),
    [IR_ADC] = ALU(2),
    [IR_SBB] = ALU(3),
    [IR_AND] = ALU(4),
    [IR_SUB] = ALU(5),
    [IR_XOR] = ALU(6),
    [IR_CMP] = ALU(7),
    [IR_TEST] = {select_alu, 0x84, 0x84, 0xf6, 0, 0xa8},
    [IR_INC] = UNARY(0xfe, 0),
    [IR_DEC] = UNARY(0xfe, 1),
    [IR_NEG] = UNARY(0xf6, 3),
    [IR_NOT] = UNARY(0xf6, 2),
    [IR_ROL] = SHIFT(0),
    [IR_ROR] = SHIFT(1),
    [IR_RCL] = SHIFT(2),
    [IR_RCR] = SHIFT(3),
    [IR_SHL] = SHIFT(4),
    [IR_SHR] = SHIFT(5),
    [IR_SAR] = SHIFT(7),
    [IR_SHLD] = {select_double_shift, OP_0F | 0xa4},
    [IR_SHRD] = {select_double_shift, OP_0F | 0xac},
    [IR_MUL] = UNARY(0xf6, 4),
    [IR_IMUL] = UNARY(0xf6, 5),
    [IR_DIV] = UNARY(0xf6, 6),
    [IR_IDIV] = UNARY(0xf6, 7),
    [IR_IMUL2] = {select_load_op, OP_0F | 0xaf},
    [IR_IMUL3] = {select_imul3},
    [IR_CONVERT] = {select_fixed, 0x99},
    [IR_BT] = BITS(0xa3, 4),
    [IR_BTS] = BITS(0xab, 5),
    [IR_BTR] = BITS(0xb3, 6),
    [IR_BTC] = BITS(0xbb, 7),
    [IR_BSF] = {select_load_op, OP_0F | 0xbc},
    [IR_BSR] = {select_load_op, OP_0F | 0xbd},
    [IR_XADD] = {select_exchange, OP_0F | 0xc0, .flags = RULE_WRITES_A},
    [IR_CMPXCHG] = {select_exchange, OP_0F | 0xb0},
    [IR_CMPXCHG8B] = {select_cmpxchg8b, OP_0F | 0xc7, .ext = 1},
    [IR_SETCC] = {select_setcc, OP_0F | 0x90},
    [IR_CMOVCC] = {select_load_op, OP_0F | 0x40, .flags = RULE_COND},
    [IR_LAHF] = {select_fixed, 0x9f, .flags = RULE_NO_WIDTH},
    [IR_SAHF] = {select_fixed, 0x9e, .flags = RULE_NO_WIDTH},
    [IR_CLC] = {select_fixed, 0xf8, .flags = RULE_NO_WIDTH},
    [IR_STC] = {select_fixed, 0xf9, .flags = RULE_NO_WIDTH},
    [IR_CMC] = {select_fixed, 0xf5, .flags = RULE_NO_WIDTH},
    [IR_NATIVE] = {lower_native},
    [IR_CALL] = {lower_call},
    [IR_EXIT] = {lower_exit},
    [IR_EXIT_CC] = {lower_exit_cc},
    [IR_EXIT_ZERO] = {lower_exit_zero, .ext = true},
    [IR_EXIT_NONZERO] = {lower_exit_zero, .ext = false},
    [IR_EXIT_REPEAT] = {lower_exit_repeat},
    [IR_EXIT_INDIRECT] = {lower_exit_indirect},
    [IR_EXIT_CALL] = {lower_exit_call},
    [IR_EXIT_CALL_INDIRECT] = {lower_exit_call},
    [IR_EXIT_LOOKUP] = {lower_exit_loop},
    [IR_EXIT_PC] = {lower_exit_loop},
    [IR_EXIT_REASON] = {lower_exit_loop},
};
static_assert(G_N_ELEMENTS(rules) == IR_OP_COUNT, "every IR op needs its row");

void select_emit(Codegen *c, const IrInsn *insn, HostOpd mem)
{
    const SelectRule *rule = &rules[insn->op];
    rule->emit(c, insn, rule, mem);
}
