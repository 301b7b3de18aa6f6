/* SPDX-License-Identifier: MIT
 * Random x86 code, lifted, run by the interpreter and by translated code from the same random
 * state: registers, flags, FP state, system state, memory, faults and exits must agree. */
#include <assert.h>
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/codegen-fixture.h"
#include "translator/ir/interp.h"
#include "translator/x86/cpu-priv.h"

enum { CODE_BYTES = 48, FP_IGNORED = 24 };

/* The first fields of VCpu. */
typedef struct {
    uint64_t gpr[VCPU_GPRS];
    uint64_t pc;
    uint32_t flags, fp_loaded;
    JumpTableEntry *jump_table;
    const uint8_t *jump_stub;
    uint64_t seg_base[8];
    int64_t dir[4];
} Head;
static_assert(sizeof(Head) == offsetof(VCpu, fp_ensure), "Head is what VCpu begins with");

/* What a block can change. */
typedef struct {
    Head head;
    uint8_t fp[416]; /* legacy part of the FXSAVE image */
    uint8_t tail[sizeof(CpuX86) - sizeof(VCpu)];
    Fault fault;
    uint8_t ram[FIXTURE_RAM], mmio[4096];
} State;

typedef struct {
    Fixture f;
    CpuX86 *cpu;
    GRand *rand;
    uint8_t code[CODE_BYTES];
    State start, want, got;
} Match;

static uint64_t fixed_tsc(void *opaque)
{
    return 0x123456789abc;
}

static int no_vector(void *opaque)
{
    return -1;
}

static void no_ferr(void *opaque, bool level)
{
}

static uint64_t apic_base(void *opaque)
{
    return 0xfee00900;
}

static bool set_apic_base(void *opaque, uint64_t value)
{
    return true;
}

static void set_deadline(void *opaque, uint64_t value)
{
}

static const CpuBoard board = {NULL,      no_vector,     fixed_tsc,    no_ferr,
                               apic_base, set_apic_base, set_deadline, fixed_tsc};

static void save_state(Match *m, State *s)
{
    memcpy(&s->head, m->cpu, sizeof s->head);
    memcpy(s->fp, m->cpu->v.fp_area, sizeof s->fp);
    memcpy(s->tail, &m->cpu->v + 1, sizeof s->tail);
    memcpy(s->ram, m->f.ram, FIXTURE_RAM);
    memcpy(s->mmio, m->f.mmio, sizeof s->mmio);
    s->fault = m->cpu->v.fault;
}

static void load_state(Match *m, const State *s)
{
    memcpy(m->cpu, &s->head, sizeof s->head);
    memcpy(m->cpu->v.fp_area, s->fp, sizeof s->fp);
    memcpy(&m->cpu->v + 1, s->tail, sizeof s->tail);
    memcpy(m->f.ram, s->ram, FIXTURE_RAM);
    memcpy(m->f.mmio, s->mmio, sizeof s->mmio);
    m->cpu->v.fault = s->fault;
    cpu_sync_paging(m->cpu);
}

/* Flat 32-bit ring 0 with SSE, as an operating system would have it; or real mode. */
static void init_mode(Match *m, bool protected)
{
    CpuX86 *cpu = m->cpu;
    cpu_reset(cpu);
    cpu->cr0 = CR0_ET | CR0_NE | (protected ? CR0_PE | CR0_WP : 0);
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        SegReg *seg = &cpu->seg[i];
        seg->base = i == SEG_FS ? 0x1000 : 0;
        seg->selector = (uint16_t)(protected ? 8 * (1 + i) : seg->base >> 4);
        seg->limit = protected ? 0xffffffff : 0xffff;
        if (protected)
            seg->attr |= SEG_ATTR_DB | SEG_ATTR_G | (i == SEG_CS ? SEG_ATTR_CODE : 0);
    }
    cpu->gdtr = (DescTable){0x3000, 0xff};
    cpu_sync_paging(cpu);
    cpu_update_mode(cpu);
    cpu->v.pc = FIXTURE_PC;
}

/* Registers point into RAM more often than not; small floats in the FP registers. */
/* As a load and a store leave it: an engine may or may not have gone through that. */
static void canonical_fp(uint8_t *image)
{
    _Alignas(16) uint8_t host[512];
    asm volatile("fxsave64 %0\n\tfxrstor64 %1\n\tfxsave64 %1\n\tfxrstor64 %0"
                 : "+m"(host), "+m"(*(uint8_t(*)[512])image)
                 :
                 : "memory");
}

static void random_state(Match *m)
{
    VCpu *v = &m->cpu->v;
    for (unsigned i = 0; i < 8; i++)
        v->gpr[i] = g_rand_int(m->rand) & (g_rand_int(m->rand) % 4 ? 0x1fff8 : 0xffffffff);
    v->flags = g_rand_int(m->rand) & FLAGS_ARITH;
    for (unsigned i = 0; i < 8; i++) {
        long double x = g_rand_int_range(m->rand, -100, 100);
        float y[4] = {(float)x / 4, 1.5f, (float)i, -2.25f};
        memcpy(v->fp_area + 32 + 16 * i, &x, 10);
        memcpy(v->fp_area + 160 + 16 * i, y, 16);
    }
    v->fp_area[0] = 0x7f;
    v->fp_area[1] = 0x03;
    v->fp_area[4] = (uint8_t)g_rand_int(m->rand);
    canonical_fp(v->fp_area);
    for (unsigned i = 0; i < FIXTURE_RAM; i += 4) {
        uint32_t x = i * 2654435761u ^ v->flags;
        memcpy(m->f.ram + i, &x, 4);
    }
}

/* Lift m->code as it lies at pc. */
static bool lift_at(Match *m, uint64_t pc, unsigned max_insns)
{
    BlockState state;
    bool need_second = false;
    const TranslateLimits limits = {.max_insns = max_insns, .max_bytes = 64};
    x86_guest_ops.block_state(&m->cpu->v, &state);
    state.pc = pc;
    ir_block_reset(&m->f.ir, pc);
    return x86_guest_ops.translate(&m->cpu->v, &state, &limits, m->code, CODE_BYTES, NULL, 0,
                                   &m->f.ir, &need_second);
}

static bool make_block(Match *m)
{
    for (unsigned i = 0; i < CODE_BYTES; i++)
        m->code[i] = (uint8_t)g_rand_int(m->rand);
    unsigned shape = g_rand_int(m->rand) % 4;
    if (shape == 1)
        m->code[0] = 0x0f;
    if (shape == 2)
        m->code[0] = (uint8_t)(0xd8 + g_rand_int(m->rand) % 8);
    if (shape == 3)
        m->code[0] = (uint8_t)(m->code[0] & 0x3f);
    return lift_at(m, FIXTURE_PC, 1 + g_rand_int(m->rand) % 3);
}

typedef void (*NativeThunk)(VCpu *vcpu, void *mem);

static void run_native(void *opaque, VCpu *vcpu, const IrInsn *insn, void *mem)
{
    Match *m = opaque;
    uint8_t *code = m->f.code + FIXTURE_THUNKS;
    cr_assert(codegen_native_thunk(insn, code, 512));
    ((NativeThunk)(uintptr_t)code)(vcpu, mem);
}

/* Undefined results that depend on how the host instruction was encoded are left out. */
static uint32_t compared_flags(const IrBlock *ir)
{
    uint32_t mask = FLAGS_ARITH;
    for (unsigned i = 0; i < ir->count; i++) {
        unsigned op = ir->insns[i].op;
        bool shift = op >= IR_ROL && op <= IR_SHRD;
        if (shift)
            mask &= ~(FLAG_OF | FLAG_AF | (ir->insns[i].width < 4 ? FLAG_CF : 0));
    }
    return mask;
}

static void describe(Match *m, GString *text, const char *what)
{
    g_string_append_printf(text, "%s:", what);
    for (unsigned i = 0; i < 16; i++)
        g_string_append_printf(text, " %02x", m->code[i]);
    g_string_append_c(text, '\n');
    ir_print(&m->f.ir, text);
    const Head *a = &m->want.head;
    const Head *b = &m->got.head;
    for (unsigned i = 0; i < 8; i++)
        g_string_append_printf(text, "r%u %lx %lx\n", i, a->gpr[i], b->gpr[i]);
    g_string_append_printf(text, "pc %lx %lx flags %x %x fault %u %u", a->pc, b->pc, a->flags,
                           b->flags, m->want.fault.vector, m->got.fault.vector);
}

static void compare(Match *m, ExitReason want, ExitReason got)
{
    uint32_t mask = compared_flags(&m->f.ir);
    Head *a = &m->want.head, *b = &m->got.head;
    a->flags &= mask;
    b->flags &= mask;
    memset(a->gpr + 8, 0, 64);
    memset(b->gpr + 8, 0, 64);
    const char *bad = NULL;
    if (want != got)
        bad = "exit reason";
    else if (memcmp(a, b, sizeof *a) != 0)
        bad = "registers";
    else if (memcmp(m->want.ram, m->got.ram, FIXTURE_RAM) != 0)
        bad = "memory";
    else if (memcmp(m->want.mmio, m->got.mmio, sizeof m->want.mmio) != 0)
        bad = "device";
    else if (memcmp(m->want.tail, m->got.tail, sizeof m->want.tail) != 0)
        bad = "system state";
    else if (memcmp(m->want.fp, m->got.fp, 6) != 0 ||
             memcmp(m->want.fp + FP_IGNORED, m->got.fp + FP_IGNORED,
                    sizeof m->got.fp - FP_IGNORED) != 0)
        bad = "FP state";
    else if (want == EXIT_FAULT && (m->want.fault.vector != m->got.fault.vector ||
                                    m->want.fault.error_code != m->got.fault.error_code))
        bad = "fault";
    if (bad) {
        GString *text = g_string_new(NULL);
        describe(m, text, bad);
        cr_assert_fail("%s", text->str);
    }
}

static Match *match_new(unsigned seed)
{
    Match *m = g_new0(Match, 1);
    CpuModel model;
    cr_assert(cpu_model_parse(&model, "max", NULL));
    fixture_init(&m->f);
    m->cpu = cpu_new(m->f.as, &model, &board, NULL);
    fixture_use_vcpu(&m->f, &m->cpu->v);
    cpu_seed_random(m->cpu, seed);
    m->f.ir.helpers = x86_guest_ops.helpers;
    m->f.ir.helper_count = x86_guest_ops.helper_count;
    m->rand = g_rand_new_with_seed(seed);
    return m;
}

static void match(bool protected, unsigned seed, unsigned rounds)
{
    static const bool stop = false;
    Match *m = match_new(seed);
    const InterpEnv env = {run_native, m};
    for (unsigned round = 0; round < rounds; round++) {
        init_mode(m, protected);
        random_state(m);
        if (!make_block(m))
            continue;
        save_state(m, &m->start);
        ExitReason want = interp_run(&env, &m->cpu->v, &m->f.ir, &stop);
        save_state(m, &m->want);
        fixture_generate(&m->f, 0);
        for (unsigned warm = 0; warm < 2; warm++) {
            bool paging = m->cpu->cr0 & CR0_PG; /* the block turned it on */
            load_state(m, &m->start);
            if (!warm || paging)
                mmu_flush_all(&m->cpu->v.mmu);
            ExitReason got = fixture_run(&m->f);
            save_state(m, &m->got);
            compare(m, want, got);
        }
    }
}

Test(engines_agree, flat)
{
    match(true, 1, 30000);
}
Test(engines_agree, real_mode)
{
    match(false, 2, 30000);
}

/* ---- code that is moved is what translating it at the other pc gives ---- */

static void generate_at(Match *m, uint64_t pc, unsigned where)
{
    m->f.options.page_pc = pc & ~(uint64_t)4095;
    m->f.options.page_end = m->f.options.page_pc + 4096;
    fixture_generate(&m->f, where);
}

static bool exits_moved(const CodegenExit *a, const CodegenExit *b, unsigned count, uint64_t delta)
{
    for (unsigned i = 0; i < count; i++)
        if (a[i].jump_offset != b[i].jump_offset || a[i].stub_offset != b[i].stub_offset ||
            (uint32_t)(a[i].target_pc + delta) != b[i].target_pc)
            return false;
    return true;
}

Test(engines_agree, moved)
{
    enum { ROUNDS = 30000, OTHER = 0x4000, SMALLEST = ROUNDS / 2 };
    Match *m = match_new(3);
    m->f.out.pc_fields = g_array_new(FALSE, FALSE, sizeof(CodegenPcField));
    m->f.options.chain = true;
    unsigned moved = 0, fields = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        m->f.options.memory = round % 2 ? MEM_WINDOW : MEM_TLB;
        init_mode(m, true);
        if (!make_block(m) || !m->f.ir.movable)
            continue;
        const uint64_t from = 0x8048000 + g_rand_int(m->rand) % 2048;
        const uint64_t to =
            (from & 4095) | (0x10000000 + ((uint64_t)g_rand_int(m->rand) << 12)) % 0xe0000000;
        const unsigned insns = 1 + g_rand_int(m->rand) % 12;
        cr_assert(lift_at(m, from, insns));
        generate_at(m, from, 0);
        const CodegenOutput before = m->f.out;
        if (!m->f.ir.movable || !before.movable)
            continue;
        codegen_move(m->f.code, (const void *)before.pc_fields->data, before.pc_fields->len,
                     (int64_t)(to - from));
        fields += before.pc_fields->len;
        cr_assert(lift_at(m, to, insns));
        generate_at(m, to, OTHER);
        moved++;
        cr_assert_eq(before.size, m->f.out.size);
        if (memcmp(m->f.code, m->f.code + OTHER, before.size) != 0 ||
            before.exit_count != m->f.out.exit_count ||
            !exits_moved(before.exits, m->f.out.exits, before.exit_count, to - from)) {
            GString *text = g_string_new(NULL);
            describe(m, text, "moved code");
            cr_assert_fail("%s", text->str);
        }
    }
    cr_assert_gt(moved, SMALLEST);
    cr_assert_gt(fields, moved);
}
