/* SPDX-License-Identifier: MIT
 * Random integer instructions on random state: decoder, lifter, passes, interpreter
 * and code generator against the host CPU. Undefined flags included: dbtvm promises
 * the host's. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "codegen-x86_64/codegen.h"
#include "tests/oracle/host32.h"
#include "translator/ir/interp.h"
#include "translator/pipeline.h"
#include "translator/x86/lift.h"
#include "translator/x86/translate.h"

/* The same addresses for the guest and for the host's 32-bit code. */
#define ARENA 0x30000000u
enum { ARENA_MAX = 0x10000, ROUNDS = 60000, MAX_BYTES = 15, MAX_INSNS = 8, CODE_SIZE = 1 << 16 };

typedef struct {
    const char *name;
    uint8_t bytes[4];
    unsigned size; /* of bytes */
    enum {
        F_NONE,      /* no operands: also 66 form */
        F_MODRM,     /* any register or memory */
        F_MODRM_MEM, /* memory form only */
        F_BITS,      /* reg field: a small bit offset; not in a sequence */
    } form;
    int ext;       /* ModRM.reg, or -1: random register */
    unsigned imm;  /* bytes of immediate; 4: by operand size */
    bool bytewise; /* operand size prefix means nothing */
    bool alone;    /* changes a pointer register: not in a sequence */
} Template;

/* clang-format off */
#define ALU(n, name)                                                                               \
    {name, {(n) * 8}, 1, F_MODRM, -1, 0, true}, {name, {(n) * 8 + 1}, 1, F_MODRM, -1, 0, false},   \
        {name, {(n) * 8 + 2}, 1, F_MODRM, -1, 0, true},                                            \
        {name, {(n) * 8 + 3}, 1, F_MODRM, -1, 0, false},                                           \
        {name, {(n) * 8 + 4}, 1, F_NONE, -1, 1, true},                                             \
        {name, {(n) * 8 + 5}, 1, F_NONE, -1, 4, false},                                            \
        {name, {0x80}, 1, F_MODRM, n, 1, true}, {name, {0x81}, 1, F_MODRM, n, 4, false},           \
        {name, {0x83}, 1, F_MODRM, n, 1, false}
#define SHIFT(n, name)                                                                             \
    {name, {0xc0}, 1, F_MODRM, n, 1, true}, {name, {0xc1}, 1, F_MODRM, n, 1, false},               \
        {name, {0xd0}, 1, F_MODRM, n, 0, true}, {name, {0xd1}, 1, F_MODRM, n, 0, false},           \
        {name, {0xd2}, 1, F_MODRM, n, 0, true}, {name, {0xd3}, 1, F_MODRM, n, 0, false}
#define GROUP3(n, name)                                                                            \
    {name, {0xf6}, 1, F_MODRM, n, 0, true}, {name, {0xf7}, 1, F_MODRM, n, 0, false}
#define ONE(name, ...) {name, {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), F_NONE, -1, 0, false}
#define ALONE(name, ...)                                                                           \
    {name, {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), F_NONE, -1, 0, false, true}
#define RM2(name, form, imm, bytewise, ...)                                                        \
    {name, {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), form, -1, imm, bytewise}
#define BIT_IMM(n, name) {name, {0x0f, 0xba}, 2, F_MODRM, n, 1, false}
#define CONDITION(n)                                                                               \
    {"setcc", {0x0f, 0x90 + (n)}, 2, F_MODRM, 0, 0, true},                                         \
    {                                                                                              \
        "cmovcc", {0x0f, 0x40 + (n)}, 2, F_MODRM, -1, 0, false                                     \
    }

static const Template templates[] = {
    ALU(0, "add"), ALU(1, "or"), ALU(2, "adc"), ALU(3, "sbb"),
    ALU(4, "and"), ALU(5, "sub"), ALU(6, "xor"), ALU(7, "cmp"),
    SHIFT(0, "rol"), SHIFT(1, "ror"), SHIFT(2, "rcl"), SHIFT(3, "rcr"),
    SHIFT(4, "shl"), SHIFT(5, "shr"), SHIFT(6, "sal"), SHIFT(7, "sar"),
    GROUP3(2, "not"), GROUP3(3, "neg"), GROUP3(4, "mul"), GROUP3(5, "imul"),
    {"test", {0xf6}, 1, F_MODRM, 0, 1, true}, {"test", {0xf7}, 1, F_MODRM, 0, 4, false},
    {"inc", {0xfe}, 1, F_MODRM, 0, 0, true}, {"dec", {0xff}, 1, F_MODRM, 1, 0, false},
    {"push", {0xff}, 1, F_MODRM, 6, 0, false}, {"pop", {0x8f}, 1, F_MODRM, 0, 0, false},
    {"mov", {0xc6}, 1, F_MODRM, 0, 1, true}, {"mov", {0xc7}, 1, F_MODRM, 0, 4, false},
    RM2("test", F_MODRM, 0, true, 0x84), RM2("test", F_MODRM, 0, false, 0x85),
    RM2("xchg", F_MODRM, 0, true, 0x86), RM2("xchg", F_MODRM, 0, false, 0x87),
    RM2("mov", F_MODRM, 0, true, 0x88), RM2("mov", F_MODRM, 0, false, 0x89),
    RM2("mov", F_MODRM, 0, true, 0x8a), RM2("mov", F_MODRM, 0, false, 0x8b),
    RM2("lea", F_MODRM_MEM, 0, false, 0x8d),
    RM2("imul", F_MODRM, 0, false, 0x0f, 0xaf), RM2("imul", F_MODRM, 4, false, 0x69),
    RM2("imul", F_MODRM, 1, false, 0x6b),
    RM2("movzx", F_MODRM, 0, false, 0x0f, 0xb6), RM2("movzx", F_MODRM, 0, false, 0x0f, 0xb7),
    RM2("movsx", F_MODRM, 0, false, 0x0f, 0xbe), RM2("movsx", F_MODRM, 0, false, 0x0f, 0xbf),
    RM2("shld", F_MODRM, 1, false, 0x0f, 0xa4), RM2("shld", F_MODRM, 0, false, 0x0f, 0xa5),
    RM2("shrd", F_MODRM, 1, false, 0x0f, 0xac), RM2("shrd", F_MODRM, 0, false, 0x0f, 0xad),
    RM2("bt", F_BITS, 0, false, 0x0f, 0xa3), RM2("bts", F_BITS, 0, false, 0x0f, 0xab),
    RM2("btr", F_BITS, 0, false, 0x0f, 0xb3), RM2("btc", F_BITS, 0, false, 0x0f, 0xbb),
    BIT_IMM(4, "bt"), BIT_IMM(5, "bts"), BIT_IMM(6, "btr"), BIT_IMM(7, "btc"),
    RM2("bsf", F_MODRM, 0, false, 0x0f, 0xbc), RM2("bsr", F_MODRM, 0, false, 0x0f, 0xbd),
    RM2("cmpxchg", F_MODRM, 0, true, 0x0f, 0xb0), RM2("cmpxchg", F_MODRM, 0, false, 0x0f, 0xb1),
    RM2("xadd", F_MODRM, 0, true, 0x0f, 0xc0), RM2("xadd", F_MODRM, 0, false, 0x0f, 0xc1),
    {"cmpxchg8b", {0x0f, 0xc7}, 2, F_MODRM_MEM, 1, 0, true},
    CONDITION(0), CONDITION(1), CONDITION(2), CONDITION(3), CONDITION(4), CONDITION(5),
    CONDITION(6), CONDITION(7), CONDITION(8), CONDITION(9), CONDITION(10), CONDITION(11),
    CONDITION(12), CONDITION(13), CONDITION(14), CONDITION(15),
    ONE("cbw", 0x98), ONE("cwd", 0x99), ONE("lahf", 0x9f), ONE("sahf", 0x9e),
    ONE("clc", 0xf8), ONE("stc", 0xf9), ONE("cmc", 0xf5), ONE("salc", 0xd6), ONE("xlat", 0xd7),
    ONE("push", 0x50), ONE("push", 0x54), ONE("pop", 0x59), ALONE("pop", 0x5c), ONE("inc", 0x45),
    ONE("dec", 0x4e), ALONE("xchg", 0x93), ALONE("leave", 0xc9), ONE("cld", 0xfc), ONE("std", 0xfd),
    ONE("movs", 0xa4), ONE("movs", 0xa5), ONE("cmps", 0xa6), ONE("cmps", 0xa7),
    ONE("stos", 0xaa), ONE("stos", 0xab), ONE("lods", 0xac), ONE("lods", 0xad),
    ALONE("div", 0xf7, 0xf3), ALONE("idiv", 0xf7, 0xfb), ONE("pusha", 0x60), ALONE("popa", 0x61), ALONE("enter", 0xc8, 0x20, 0, 0),
    ALONE("enter", 0xc8, 0x10, 0, 3), ALONE("aaa", 0x37), ALONE("aas", 0x3f), ALONE("daa", 0x27),
    ALONE("das", 0x2f), ALONE("aam", 0xd4, 0x0a), ALONE("aad", 0xd5, 0x07),
    ALONE("rep movs", 0xf3, 0xa4), ALONE("rep movs", 0xf3, 0xa5), ALONE("rep stos", 0xf3, 0xaa),
    ALONE("rep stos", 0xf3, 0xab), ALONE("rep lods", 0xf3, 0xac), ALONE("repe cmps", 0xf3, 0xa6),
    ALONE("repne cmps", 0xf2, 0xa7), ALONE("repne scas", 0xf2, 0xae), ALONE("repe scas", 0xf3, 0xaf),
    ONE("scas", 0xae), ONE("scas", 0xaf), ALONE("bswap", 0x0f, 0xcb),
    RM2("push", F_NONE, 1, true, 0x6a), RM2("push", F_NONE, 4, false, 0x68),
    RM2("test", F_NONE, 1, true, 0xa8), {"mov", {0xb7}, 1, F_NONE, -1, 1, true, true},
    {"mov", {0xbe}, 1, F_NONE, -1, 4, false, true},
};
/* clang-format on */

typedef struct {
    bool small;    /* 16-bit code and stack, 64 KiB segments at ARENA */
    uint32_t size; /* of the arena in use */
    GRand *rand;
    AddressSpace *as;
    Ram *ram;
    ram_off_t arena_ram;
    uint8_t *arena; /* the host's, at ARENA */
    CpuX86 *cpu;
    IrBlock block;
    uint8_t *code; /* generated */
    GArray *pcmap;
} Oracle;

static uint8_t *map_pages(uintptr_t at, size_t size, int prot)
{
    void *p = mmap((void *)at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    return p;
}

/* What the guest's descriptors would say. */
static void set_segments(Oracle *o)
{
    o->cpu->cr0 = CR0_PE;
    for (unsigned k = 0; k < SEG_COUNT; k++) {
        SegReg *seg = &o->cpu->seg[k];
        *seg = (SegReg){.selector = 8, .attr = SEG_ATTR_P | SEG_ATTR_S | 3, .limit = 0xffffffff};
        if (k == SEG_CS)
            seg->attr |= SEG_ATTR_CODE;
        if (!o->small) {
            seg->attr |= SEG_ATTR_DB | SEG_ATTR_G;
            continue;
        }
        seg->limit = 0xffff;
        seg->base = ARENA;
    }
    cpu_update_mode(o->cpu);
}

static void oracle_init(Oracle *o, bool small, uint32_t seed)
{
    const char *lacks = host32_init(small, ARENA);
    if (lacks)
        cr_skip_test("%s", lacks);
    o->small = small;
    o->size = small ? 0x10000 : 0x4000;
    o->rand = g_rand_new_with_seed(seed);
    o->arena = map_pages(ARENA, ARENA_MAX, PROT_READ | PROT_WRITE);
    cr_assert_eq((uintptr_t)o->arena, ARENA);
    o->code = map_pages(0, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
    o->ram = ram_new(1 << 20, NULL);
    o->as = address_space_new(o->ram);
    o->arena_ram = ram_alloc(o->ram, "arena", ARENA_MAX);
    address_space_add_ram(o->as, "arena", ARENA, ARENA_MAX, 0, o->arena_ram);
    o->cpu =
        (CpuX86 *)map_pages(0, (sizeof *o->cpu + 0xfff) & ~(size_t)0xfff, PROT_READ | PROT_WRITE);
    memset(o->cpu->model.features, 0xff, sizeof o->cpu->model.features);
    o->cpu->model.family = 6;
    mmu_init(&o->cpu->v.mmu, o->as, o->cpu->v.tlb);
    o->cpu->v.guest = &x86_guest_ops;
    codegen_init_vcpu(&o->cpu->v);
    ir_block_init(&o->block, x86_guest_ops.helpers, x86_guest_ops.helper_count);
    set_segments(o);
    o->pcmap = g_array_new(FALSE, FALSE, sizeof(CodegenPcEntry));
}

/* --- one random case --- */

static uint32_t interesting(GRand *rand)
{
    static const uint32_t values[] = {0,          1,          0x7f,      0x80,    0xff,
                                      0x7fff,     0x8000,     0xffff,    0x10000, 0x7fffffff,
                                      0x80000000, 0xffffffff, 0x0f0f0f0f};
    if (g_rand_boolean(rand))
        return g_rand_int(rand);
    return values[g_rand_int_range(rand, 0, G_N_ELEMENTS(values))];
}

/* EAX anything; ECX, EDX small enough for an index or a bit offset every other time; the others
 * point into the middle of the arena. */
static void random_state(Oracle *o, Host32State *s)
{
    for (unsigned k = 0; k < 8; k++)
        s->gpr[k] = interesting(o->rand);
    s->gpr[REG_ECX] = (uint32_t)g_rand_int_range(o->rand, -64, 256);
    s->gpr[REG_EDX] = (uint32_t)g_rand_int_range(o->rand, -64, 256);
    static const uint8_t pointers[] = {REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
    static const uint16_t offsets[] = {0x4000, 0x8000, 0x4000, 0x2000, 0x2000};
    for (unsigned k = 0; k < G_N_ELEMENTS(pointers); k++) {
        uint32_t offset = (uint32_t)g_rand_int_range(o->rand, -512, 512);
        s->gpr[pointers[k]] = o->small
                                  ? (g_rand_int(o->rand) << 16 | ((offsets[k] + offset) & 0xffff))
                                  : ARENA + o->size / 2 + offset;
    }
    s->flags = 2 | (g_rand_int(o->rand) & FLAGS_ARITH) | (g_rand_boolean(o->rand) ? EFLAGS_DF : 0);
}

/* Bases and their sums are even multiples of 0x1000, give or take; so the access never wraps in
 * its middle, but the address may. */
static unsigned random_memory16(Oracle *o, uint8_t *out, unsigned reg)
{
    unsigned mod = 1 + g_rand_int(o->rand) % 2;
    int32_t disp = g_rand_int_range(o->rand, -128, 128);
    if (mod == 2)
        disp += (int32_t)(g_rand_int(o->rand) << 13) + 0x1000;
    out[0] = (uint8_t)(mod << 6 | reg << 3 | g_rand_int(o->rand) % 8);
    memcpy(out + 1, &disp, 2);
    return 1 + mod;
}

static unsigned random_memory(Oracle *o, uint8_t *out, unsigned reg, bool sequence)
{
    static const uint8_t bases[] = {REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
    static const uint8_t indexes[] = {REG_ECX, REG_EDX, REG_ESP /* none */};
    unsigned base = bases[g_rand_int_range(o->rand, 0, 5)], mod = 1 + g_rand_int(o->rand) % 2;
    unsigned n = 0;
    bool sib = base == REG_ESP || g_rand_boolean(o->rand);
    out[n++] = (uint8_t)(mod << 6 | reg << 3 | (sib ? 4 : base));
    if (sib)
        out[n++] = (uint8_t)(g_rand_int(o->rand) << 6 |
                             indexes[sequence ? 2 : g_rand_int(o->rand) % 3] << 3 | base);
    int32_t disp = g_rand_int_range(o->rand, -128, 128);
    memcpy(out + n, &disp, 4);
    return n + (mod == 1 ? 1 : 4);
}

/* In a sequence, registers 0..2 are the data and the others stay pointers. */
static unsigned random_insn(Oracle *o, const Template *t, uint8_t *out, bool sequence)
{
    unsigned n = 0, registers = sequence ? 3 : 8;
    bool word = !t->bytewise && g_rand_int(o->rand) % 3 == 0;
    if (word)
        out[n++] = 0x66;
    memcpy(out + n, t->bytes, t->size);
    n += t->size;
    unsigned reg = t->ext >= 0 ? (unsigned)t->ext : g_rand_int(o->rand) % registers;
    if (t->form == F_BITS)
        reg = REG_ECX + g_rand_int(o->rand) % 2;
    bool memory = t->form == F_MODRM_MEM || g_rand_boolean(o->rand);
    if (t->form != F_NONE && !memory)
        out[n++] = (uint8_t)(0xc0 | reg << 3 | g_rand_int(o->rand) % registers);
    else if (t->form != F_NONE)
        n += o->small ? random_memory16(o, out + n, reg) : random_memory(o, out + n, reg, sequence);
    uint32_t imm = interesting(o->rand);
    memcpy(out + n, &imm, 4);
    return n + (t->imm == 4 && word != o->small ? 2 : t->imm);
}

static unsigned random_code(Oracle *o, unsigned round, uint8_t *out)
{
    unsigned count = round % 2 ? 1 : 2 + g_rand_int(o->rand) % (MAX_INSNS - 1), size = 0;
    if (count == 1)
        return random_insn(o, &templates[round / 2 % G_N_ELEMENTS(templates)], out, false);
    while (count) {
        const Template *t = &templates[g_rand_int(o->rand) % G_N_ELEMENTS(templates)];
        if (t->alone || t->form == F_BITS)
            continue;
        size += random_insn(o, t, out + size, true);
        count--;
    }
    return size;
}

/* --- both sides --- */

typedef void (*RunFn)(Oracle *o);

static void run_interp(Oracle *o)
{
    const InterpEnv env = {NULL, NULL};
    bool stop = false;
    cr_assert_eq(interp_run(&env, &o->cpu->v, &o->block, &stop), EXIT_LOOKUP);
}

static void run_codegen(Oracle *o)
{
    const CodegenOptions options = {.chain = false, .poll = true, .stack_runs = true};
    static CodegenOutput out;
    out = (CodegenOutput){.code = o->code,
                          .exec = o->code,
                          .capacity = CODE_SIZE,
                          .pcmap = o->pcmap,
};
    g_array_set_size(o->pcmap, 0);
    cr_assert(codegen_block(&o->block, &options, &out));
    codegen_enter(&o->cpu->v, o->code);
}

static void run_guest(Oracle *o, const uint8_t *code, unsigned size, const Host32State *in,
                      Host32State *out, RunFn run)
{
    VCpu *v = &o->cpu->v;
    BlockState state = {.pc = 0x1000, .cs_limit = o->cpu->seg[SEG_CS].limit, .mode = o->cpu->mode};
    TranslateLimits limits = {MAX_INSNS, size};
    bool second;
    for (unsigned k = 0; k < 8; k++)
        v->gpr[k] = in->gpr[k];
    v->flags = in->flags & FLAGS_ARITH;
    o->cpu->eflags = in->flags & ~FLAGS_ARITH & ~2u;
    for (unsigned k = 0; k < 4; k++)
        v->dir[k] = in->flags & EFLAGS_DF ? -(INT64_C(1) << k) : INT64_C(1) << k;
    ir_block_reset(&o->block, state.pc);
    cr_assert(x86_translate(v, &state, &limits, code, size + 1, NULL, 0, &o->block, &second));
    cr_assert_eq(o->block.guest_bytes, size);
    pipeline_run(&o->block, true);
    run(o);
    for (unsigned k = 0; k < 8; k++)
        out->gpr[k] = (uint32_t)v->gpr[k];
    out->flags = v->flags | (o->cpu->eflags & EFLAGS_DF);
}

static void report(Oracle *o, const uint8_t *code, unsigned size, const Host32State *in,
                   const Host32State *host, const Host32State *guest)
{
    g_autoptr(GString) text = g_string_new("code");
    for (unsigned k = 0; k < size; k++)
        g_string_append_printf(text, " %02x", code[k]);
    g_string_append_c(text, '\n');
    const Host32State *states[] = {in, host, guest};
    static const char *const names[] = {"before", "host", "guest"};
    for (unsigned i = 0; i < 3; i++) {
        g_string_append_printf(text, "%-7s", names[i]);
        for (unsigned k = 0; k < 8; k++)
            g_string_append_printf(text, " %08x", states[i]->gpr[k]);
        g_string_append_printf(text, " flags %03x\n", states[i]->flags & (FLAGS_ARITH | EFLAGS_DF));
    }
    ir_print(&o->block, text);
    cr_assert_fail("%s", text->str);
}

/* SDM 1 "EFLAGS Cross-Reference": what decimal instructions, which are helpers, leave undefined. */
static uint32_t undefined_flags(uint8_t opcode)
{
    switch (opcode) {
    case 0x37: /* AAA */
    case 0x3f: /* AAS */
        return FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF;
    case 0x27: /* DAA */
    case 0x2f: /* DAS */
        return FLAG_OF;
    case 0xd4: /* AAM */
    case 0xd5: /* AAD */
        return FLAG_OF | FLAG_AF | FLAG_CF;
    default:
        return 0;
    }
}

static bool is_repeated(const uint8_t *code)
{
    uint8_t prefix = code[code[0] == 0x66];
    return prefix == 0xf2 || prefix == 0xf3;
}

/* By EBX: a small EDX keeps the quotient in range. */
static bool is_division(const uint8_t *code)
{
    code += code[0] == 0x66;
    return code[0] == 0xf7 && (code[1] & 0xf7) == 0xf3;
}

static void run_all(RunFn run, bool small)
{
    Oracle oracle, *o = &oracle;
    const char *seed = g_getenv("ORACLE_SEED");
    oracle_init(o, small, seed ? (uint32_t)atoi(seed) : 20);
    uint8_t *guest_arena = ram_hva(o->ram, o->arena_ram);
    for (unsigned round = 0; round < (small ? ROUNDS / 3 : ROUNDS); round++) {
        uint8_t code[MAX_INSNS * MAX_BYTES + 8] = {0};
        unsigned size = random_code(o, round, code);
        Host32State in, host, guest;
        random_state(o, &in);
        if (is_repeated(code))
            in.gpr[REG_ECX] &= 0x7f;
        in.gpr[REG_EDX] &= is_division(code) ? 0x7f : 0xffffffff;
        for (unsigned k = 0; k < o->size; k += 4)
            *(uint32_t *)(o->arena + k) = round & 4 ? 0x55555555 : (round + k) * 0x9e3779b1u;
        memcpy(guest_arena, o->arena, o->size);
        host32_run(code, size, small, &in, &host);
        run_guest(o, code, size, &in, &guest, run);
        uint32_t mask = (FLAGS_ARITH | EFLAGS_DF) & ~undefined_flags(code[code[0] == 0x66]);
        if (memcmp(host.gpr, guest.gpr, sizeof host.gpr) || ((host.flags ^ guest.flags) & mask) ||
            memcmp(guest_arena, o->arena, o->size))
            report(o, code, size, &in, &host, &guest);
    }
}

Test(oracle, interpreter_is_the_host)
{
    run_all(run_interp, false);
}

Test(oracle, generated_code_is_the_host)
{
    run_all(run_codegen, false);
}

Test(oracle, interpreter_is_the_host_in_16_bits)
{
    run_all(run_interp, true);
}

Test(oracle, generated_code_is_the_host_in_16_bits)
{
    run_all(run_codegen, true);
}
