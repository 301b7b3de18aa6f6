/* SPDX-License-Identifier: MIT
 * Every IR op with every operand kind, width and memory form: the code generator against the IR
 * interpreter, on random state. Once with an empty TLB (cold code), once with a filled one. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/codegen-fixture.h"
#include "translator/ir/interp.h"

enum { K_REG = 1, K_HIGH = 2, K_TEMP = 4, K_MEM = 8, K_IMM = 16, K_NONE = 32 };
#define K_DST (K_REG | K_HIGH | K_TEMP | K_MEM)
#define K_WORD (K_REG | K_TEMP | K_MEM)
#define K_FILE (K_REG | K_TEMP)
enum { W1 = 1, W2 = 2, W4 = 4, W_ALL = 7, W_WORD = 6 };

/* What may be tried: operand kinds and widths of an op. */
typedef struct {
    IrOp op;
    uint8_t d, a, b, widths;
} Shape;

static const Shape shapes[] = {
    {IR_MOV, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_MOVZX, K_FILE, K_DST, 0, W_WORD},
    {IR_MOVSX, K_FILE, K_DST, 0, W_WORD},
    {IR_LEA, K_FILE, K_NONE, 0, W_WORD},
    {IR_XCHG, K_REG | K_HIGH | K_MEM, K_REG | K_HIGH | K_TEMP, 0, W_ALL},
    {IR_BSWAP, K_REG, K_NONE, 0, W4},
    {IR_LSHL, K_FILE, K_DST, 0, W_ALL},
    {IR_LSHR, K_FILE, K_DST, 0, W_ALL},
    {IR_LSAR, K_FILE, K_DST, 0, W_ALL},
    {IR_ADD, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_OR, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_ADC, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_SBB, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_AND, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_SUB, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_XOR, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_CMP, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_TEST, K_DST, K_DST | K_IMM, 0, W_ALL},
    {IR_INC, K_DST, K_NONE, 0, W_ALL},
    {IR_DEC, K_DST, K_NONE, 0, W_ALL},
    {IR_NEG, K_DST, K_NONE, 0, W_ALL},
    {IR_NOT, K_DST, K_NONE, 0, W_ALL},
    {IR_ROL, K_DST, K_NONE, K_REG | K_IMM, W_ALL},
    {IR_ROR, K_DST, K_NONE, K_REG | K_IMM, W_ALL},
    {IR_RCL, K_DST, K_NONE, K_REG | K_IMM, W_ALL},
    {IR_RCR, K_DST, K_NONE, K_REG | K_IMM, W_ALL},
    {IR_SHL, K_DST, K_NONE, K_REG | K_IMM, W_ALL},
    {IR_SHR, K_DST, K_NONE, K_REG | K_IMM, W_ALL},
    {IR_SAR, K_DST, K_NONE, K_REG | K_IMM, W_ALL},
    {IR_SHLD, K_WORD, K_FILE, K_REG | K_IMM, W_WORD},
    {IR_SHRD, K_WORD, K_FILE, K_REG | K_IMM, W_WORD},
    {IR_MUL, K_NONE, K_DST, 0, W_ALL},
    {IR_IMUL, K_NONE, K_DST, 0, W_ALL},
    {IR_DIV, K_NONE, K_DST, 0, W_ALL},
    {IR_IDIV, K_NONE, K_DST, 0, W_ALL},
    {IR_IMUL2, K_FILE, K_WORD, 0, W_WORD},
    {IR_IMUL3, K_FILE, K_WORD, 0, W_WORD},
    {IR_CONVERT, K_NONE, K_NONE, 0, W_WORD},
    {IR_BT, K_WORD, K_FILE | K_IMM, 0, W_WORD},
    {IR_BTS, K_WORD, K_FILE | K_IMM, 0, W_WORD},
    {IR_BTR, K_WORD, K_FILE | K_IMM, 0, W_WORD},
    {IR_BTC, K_WORD, K_FILE | K_IMM, 0, W_WORD},
    {IR_BSF, K_FILE, K_WORD, 0, W_WORD},
    {IR_BSR, K_FILE, K_WORD, 0, W_WORD},
    {IR_XADD, K_REG | K_HIGH | K_MEM, K_REG | K_HIGH, 0, W_ALL},
    {IR_CMPXCHG, K_REG | K_HIGH | K_MEM, K_REG | K_HIGH, 0, W_ALL},
    {IR_CMPXCHG8B, K_MEM, K_NONE, 0, W4},
    {IR_SETCC, K_DST, K_NONE, 0, W1},
    {IR_CMOVCC, K_FILE, K_WORD, 0, W_WORD},
    {IR_LAHF, K_NONE, K_NONE, 0, W1},
    {IR_SAHF, K_NONE, K_NONE, 0, W1},
    {IR_CLC, K_NONE, K_NONE, 0, W1},
    {IR_STC, K_NONE, K_NONE, 0, W1},
    {IR_CMC, K_NONE, K_NONE, 0, W1},
};

enum { MAX_TEMPS_TESTED = 5 };

typedef struct {
    Fixture f;
    GRand *rand;
    unsigned temps;  /* live over the op: more than two are spilled */
    uint32_t gpr[8];
    uint64_t temp[MAX_TEMPS_TESTED];
    uint32_t flags;
    bool has_base;
    uint8_t base;    /* register that an address depends on */
    bool mmio;
    int32_t moved;   /* what the block adds to the stack pointer before the op */
    uint8_t ram_before[FIXTURE_RAM], mmio_before[4096];
} Trial;

static unsigned pick(Trial *t, unsigned n)
{
    return g_rand_int(t->rand) % n;
}

static uint32_t interesting(Trial *t)
{
    static const uint32_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
                                      0x7fffffff, 0x80000000, 0xffffffff, 2};
    return pick(t, 3) ? g_rand_int(t->rand) : values[pick(t, G_N_ELEMENTS(values))];
}

static unsigned pick_kind(Trial *t, unsigned kinds)
{
    for (;;) {
        unsigned kind = 1u << pick(t, 6);
        if (kinds & kind)
            return kind;
    }
}

static IrOpd make_operand(Trial *t, unsigned kind, unsigned width)
{
    switch (kind) {
    case K_REG:
        return ir_reg(pick(t, width == 1 ? 4 : 8));
    case K_HIGH:
        return ir_regh(pick(t, 4));
    case K_TEMP:
        return ir_temp(pick(t, t->temps));
    case K_MEM:
        return ir_mem();
    case K_IMM:
        return ir_imm();
    default:
        return ir_none();
    }
}

/* A memory operand whose linear address lies in RAM, or sometimes in the device or behind a limit:
 * the base register is set so that it does. */
static void make_memory(Trial *t, IrInsn *insn, unsigned size)
{
    IrMem *m = &insn->mem;
    m->seg = (uint8_t)pick(t, 6);
    m->seg_use = (uint8_t)pick(t, 4);
    m->addr_width = pick(t, 3) ? 4 : 2;
    m->scale = (uint8_t)(1u << pick(t, 4));
    m->size = (uint16_t)size;
    m->user = pick(t, 2);
    bool page_cross = !pick(t, 8);
    uint32_t offset = page_cross ? 0x1000 * (1 + pick(t, 14)) - 1 - pick(t, 8) : pick(t, 0xfff0);
    if (m->seg_use >= IR_SEG_64K && !pick(t, 8))
        offset = m->addr_width == 2 ? 0xffff
                 : pick(t, 2)       ? 0xfff8 + pick(t, 0x10000)
                                    : 0u - 1 - pick(t, 8);
    t->mmio = m->seg_use == IR_SEG_FLAT && m->addr_width == 4 && !pick(t, 4);
    if (t->mmio)
        offset = FIXTURE_MMIO + pick(t, 0xf00);
    uint32_t disp = pick(t, 3) ? (pick(t, 2) ? (uint32_t)(int8_t)pick(t, 256) : interesting(t)) : 0;
    m->disp = (int32_t)disp;
    t->base = (uint8_t)pick(t, 8);
    uint32_t rest = offset - disp;
    if (!pick(t, 6)) { /* absolute */
        m->disp = (int32_t)offset;
        return;
    }
    t->has_base = true;
    if (pick(t, 2)) {
        unsigned index = (t->base + 1 + pick(t, 7)) & 7;
        m->index = ir_reg(index);
        rest -= t->gpr[index] * m->scale;
    }
    m->base = ir_reg(t->base);
    if (m->addr_width == 2)
        rest = (rest & 0xffff) | (interesting(t) & 0xffff0000);
    if (pick(t, 5) == 0) { /* the base in a temp instead */
        unsigned n = pick(t, t->temps);
        m->base = ir_temp(n);
        t->temp[n] = rest;
    } else {
        t->gpr[t->base] = rest;
    }
}

static void make_state(Trial *t)
{
    t->temps = pick(t, 2) ? 2 : MAX_TEMPS_TESTED;
    for (unsigned i = 0; i < 8; i++)
        t->gpr[i] = interesting(t);
    for (unsigned i = 0; i < MAX_TEMPS_TESTED; i++)
        t->temp[i] = interesting(t);
    t->flags = g_rand_int(t->rand) & FLAGS_ARITH;
    t->has_base = false;
    t->mmio = false;
    for (unsigned i = 0; i < FIXTURE_RAM; i += 4) {
        uint32_t v = i * 2654435761u + t->flags;
        memcpy(t->ram_before + i, &v, 4);
    }
    memcpy(t->mmio_before, t->ram_before + 8192, 4096);
}

static bool is_bit_op(const IrInsn *insn)
{
    return insn->op == IR_BT || insn->op == IR_BTS || insn->op == IR_BTR || insn->op == IR_BTC;
}

/* Ops whose result the manual leaves open for some operands, or that cannot be encoded. */
static bool is_defined(Trial *t, const IrInsn *insn)
{
    bool high = insn->d.kind == IR_REGH || insn->a.kind == IR_REGH;
    if (insn->op == IR_SHLD || insn->op == IR_SHRD) {
        unsigned count = insn->b.kind == IR_IMM ? (unsigned)insn->imm2 : t->gpr[1];
        return (count & 31) < insn->width * 8u;
    }
    if (is_bit_op(insn) && insn->d.kind == IR_MEM && insn->a.kind != IR_IMM) {
        bool temp = insn->a.kind == IR_TEMP;
        return (temp ? t->temp[insn->a.n] : t->gpr[insn->a.n]) < insn->width * 8u;
    }
    if (high && insn->width != 1 && insn->op != IR_MOVZX && insn->op != IR_MOVSX)
        return false;
    /* no guest instruction has these: CMPXCHG and XCHG take registers */
    if (insn->op == IR_XCHG && insn->d.kind == IR_REGH && insn->a.kind == IR_TEMP)
        return false;
    return true;
}

static void append_move(Trial *t)
{
    IrInsn *lea = fixture_op(&t->f, IR_LEA, 4, ir_reg(IR_STACK_REG), ir_none());
    const int32_t by = pick(t, 16) ? (int8_t)g_rand_int(t->rand) : (int32_t)interesting(t);
    lea->mem = (IrMem){.seg = SEG_NONE, .base = lea->d, .scale = 1, .addr_width = 4, .disp = by};
    t->moved = (int32_t)((uint32_t)t->moved + (uint32_t)by);
}

/* The stack pointer has moved before the op's instruction, maybe in it as well, maybe an exit is between;
 * codegen-x86_64/lower-stack.c may put that off. */
static void append_moves(Trial *t)
{
    t->moved = 0;
    if (pick(t, 2))
        append_move(t);
    ir_append(&t->f.ir, IR_INSN, 0)->imm = FIXTURE_PC + 4;
    if (!pick(t, 4))
        append_move(t);
    if (!pick(t, 8))
        fixture_op(&t->f, IR_EXIT_ZERO, 4, ir_reg(pick(t, 8)), ir_none())->imm = FIXTURE_PC + 6;
}

static void build(Trial *t, const Shape *shape)
{
    Fixture *f = &t->f;
    unsigned width;
    do
        width = 1u << pick(t, 3);
    while (!(shape->widths & width));
    fixture_begin(f);
    for (unsigned i = 0; i < t->temps; i++)
        fixture_op(f, IR_LDSTATE, 8, ir_temp(i), ir_none())->imm =
            (int64_t)offsetof(VCpu, gpr) + 8 * (8 + i);
    fixture_op(f, IR_NOT, 4, ir_reg(7), ir_none());
    append_moves(t);
    unsigned dk, ak;
    bool extend = shape->op == IR_MOVZX || shape->op == IR_MOVSX;
    unsigned from = extend ? (width == 4 && pick(t, 2) ? 2 : 1) : width;
    do {
        dk = pick_kind(t, shape->d);
        ak = pick_kind(t, shape->a);
    } while ((dk == K_MEM && ak == K_MEM) || (dk == K_HIGH && width != 1) ||
             (ak == K_HIGH && from != 1) || (dk == K_IMM));
    IrInsn *insn = fixture_op(f, shape->op, width, make_operand(t, dk, width),
                              make_operand(t, ak, from));
    insn->src_width = (uint8_t)from;
    insn->imm = (int32_t)interesting(t);
    insn->cond = (uint8_t)pick(t, 16);
    insn->imm2 = pick(t, 32);
    if (is_bit_op(insn))
        insn->imm &= width * 8 - 1; /* as the lifter masks it */
    if (shape->b)
        insn->b = pick_kind(t, shape->b) == K_IMM ? ir_imm() : ir_reg(1);
    insn->lock = dk == K_MEM && pick(t, 2) && shape->b == 0 && shape->op != IR_MOV &&
                 shape->op != IR_CMP && shape->op != IR_TEST && shape->op != IR_BT &&
                 shape->op != IR_SETCC;
    if (is_bit_op(insn) && dk == K_MEM && ak == K_TEMP)
        t->temp[insn->a.n] &= 15;
    if (is_bit_op(insn) && dk == K_MEM && ak == K_REG)
        t->gpr[insn->a.n] &= 15;
    if (dk == K_MEM || ak == K_MEM || shape->op == IR_LEA)
        make_memory(t, insn, shape->op == IR_CMPXCHG8B ? 8 : from);
    IrInsn op = *insn;
    for (unsigned i = 0; i < t->temps; i++) {
        IrInsn *store = fixture_op(f, IR_STSTATE, 8, ir_none(), ir_temp(i));
        store->imm = (int64_t)offsetof(VCpu, gpr) + 8 * (8 + i);
    }
    f->ir.temps = t->temps;
    fixture_exit(f, FIXTURE_PC + 8);
    if (!is_defined(t, &op)) {
        ir_block_reset(&f->ir, FIXTURE_PC);
        return;
    }
}

static void load_state(Trial *t)
{
    VCpu *v = t->f.vcpu;
    memset(v->gpr, 0, sizeof v->gpr);
    for (unsigned i = 0; i < 8; i++)
        v->gpr[i] = t->gpr[i];
    v->gpr[7] = ~t->gpr[7] & 0xffffffff; /* the block inverts it back */
    v->gpr[IR_STACK_REG] = (uint32_t)(t->gpr[IR_STACK_REG] - (uint32_t)t->moved);
    for (unsigned i = 0; i < MAX_TEMPS_TESTED; i++)
        v->gpr[8 + i] = t->temp[i];
    for (unsigned i = 0; i < 6; i++)
        v->seg_base[i] = 0x1000 * i;
    v->flags = t->flags;
    v->pc = 0;
    v->fault = (Fault){0};
    memcpy(t->f.ram, t->ram_before, FIXTURE_RAM);
    memcpy(t->f.mmio, t->mmio_before, 4096);
}

typedef struct {
    ExitReason reason;
    uint64_t gpr[VCPU_GPRS], pc;
    uint32_t flags;
    Fault fault;
    uint8_t ram[FIXTURE_RAM], mmio[4096];
} Result;

static void save_result(Trial *t, ExitReason reason, Result *r)
{
    VCpu *v = t->f.vcpu;
    r->reason = reason;
    memcpy(r->gpr, v->gpr, sizeof r->gpr);
    r->pc = v->pc;
    r->flags = v->flags & FLAGS_ARITH;
    r->fault = v->fault;
    memcpy(r->ram, t->f.ram, FIXTURE_RAM);
    memcpy(r->mmio, t->f.mmio, 4096);
}

/* Flags that the SDM leaves undefined; the two engines use different encodings. */
static uint32_t undefined_flags(const IrInsn *insn)
{
    switch (insn->op) {
    case IR_SHL: case IR_SHR: case IR_SAR: case IR_SHLD: case IR_SHRD:
        return FLAG_OF | FLAG_AF | (insn->width < 4 ? FLAG_CF : 0);
    case IR_ROL: case IR_ROR: case IR_RCL: case IR_RCR:
        return FLAG_OF;
    default:
        return 0;
    }
}

static void compare(Trial *t, const IrInsn *insn, const Result *want, const Result *got,
                    const char *how)
{
    GString *text = g_string_new(NULL);
    ir_print_insn(&t->f.ir, insn, text);
    g_string_append_printf(text, "(%s, %u temps)", how, t->temps);
    cr_assert_eq(want->reason, got->reason, "reason %d %d: %s", want->reason, got->reason,
                 text->str);
    for (unsigned i = 0; i < VCPU_GPRS; i++)
        cr_assert_eq(want->gpr[i], got->gpr[i], "r%u %lx %lx: %s", i, want->gpr[i], got->gpr[i],
                     text->str);
    cr_assert_eq(want->pc, got->pc, "pc %lx %lx: %s", want->pc, got->pc, text->str);
    uint32_t mask = ~undefined_flags(insn);
    cr_assert_eq(want->flags & mask, got->flags & mask, "flags %x %x: %s", want->flags, got->flags,
                 text->str);
    cr_assert_eq(want->fault.vector, got->fault.vector, "%s", text->str);
    cr_assert_eq(want->fault.error_code, got->fault.error_code, "%s", text->str);
    cr_assert(!memcmp(want->ram, got->ram, FIXTURE_RAM), "ram: %s", text->str);
    cr_assert(!memcmp(want->mmio, got->mmio, 4096), "mmio: %s", text->str);
    g_string_free(text, TRUE);
}

static void run_trial(Trial *t, const Shape *shape, Result *want, Result *got)
{
    static const bool stop = false;
    static const InterpEnv env = {NULL, NULL};
    make_state(t);
    build(t, shape);
    if (!t->f.ir.count)
        return;
    const IrInsn *insn = &t->f.ir.insns[t->temps + 3];
    load_state(t);
    save_result(t, interp_run(&env, t->f.vcpu, &t->f.ir, &stop), want);
    t->f.options.keep_lock = pick(t, 2);
    fixture_generate(&t->f, 0);
    mmu_flush_all(&t->f.vcpu->mmu);
    for (unsigned warm = 0; warm < 2; warm++) {
        uint64_t slow = t->f.vcpu->mmu.slow_accesses;
        load_state(t);
        save_result(t, fixture_run(&t->f), got);
        compare(t, insn, want, got, warm ? "warm" : "cold");
        bool crosses = slow != t->f.vcpu->mmu.slow_accesses;
        if (warm && !t->mmio && (insn->mem.size == 1))
            cr_assert(!crosses, "the filled TLB is not used");
    }
}

static void run_shapes(unsigned from, unsigned step, unsigned rounds)
{
    Trial *t = g_new0(Trial, 1);
    Result *want = g_new0(Result, 1), *got = g_new0(Result, 1);
    fixture_init(&t->f);
    t->rand = g_rand_new_with_seed(from + 1);
    for (unsigned i = from; i < G_N_ELEMENTS(shapes); i += step)
        for (unsigned k = 0; k < rounds; k++)
            run_trial(t, &shapes[i], want, got);
    g_rand_free(t->rand);
    fixture_destroy(&t->f);
    g_free(want);
    g_free(got);
    g_free(t);
}

Test(codegen, ops_match_the_interpreter_1) { run_shapes(0, 4, 400); }
Test(codegen, ops_match_the_interpreter_2) { run_shapes(1, 4, 400); }
Test(codegen, ops_match_the_interpreter_3) { run_shapes(2, 4, 400); }
Test(codegen, ops_match_the_interpreter_4) { run_shapes(3, 4, 400); }
