/* SPDX-License-Identifier: MIT */
#include "tests/unit/engine-match.h"

#include <criterion/criterion.h>
#include <string.h>

enum { FP_IGNORED = 24 };

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

void match_save(Match *m, MatchState *s)
{
    memcpy(&s->head, &m->cpu->v.pc, sizeof s->head);
    memcpy(s->fp, m->cpu->v.fp_area, sizeof s->fp);
    memcpy(s->tail, &m->cpu->v + 1, sizeof s->tail);
    memcpy(s->ram, m->f.ram, FIXTURE_RAM);
    memcpy(s->mmio, m->f.mmio, sizeof s->mmio);
    s->fault = m->cpu->v.fault;
}

void match_load(Match *m, const MatchState *s)
{
    memcpy(&m->cpu->v.pc, &s->head, sizeof s->head);
    memcpy(m->cpu->v.fp_area, s->fp, sizeof s->fp);
    memcpy(&m->cpu->v + 1, s->tail, sizeof s->tail);
    memcpy(m->f.ram, s->ram, FIXTURE_RAM);
    memcpy(m->f.mmio, s->mmio, sizeof s->mmio);
    m->cpu->v.fault = s->fault;
    cpu_sync_paging(m->cpu);
}

void match_init_mode(Match *m, bool protected)
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

/* As a load and a store leave it: an engine may or may not have gone through that. */
static void canonical_fp(uint8_t *image)
{
    _Alignas(16) uint8_t host[512];
    asm volatile("fxsave64 %0\n\tfxrstor64 %1\n\tfxsave64 %1\n\tfxrstor64 %0"
                 : "+m"(host), "+m"(*(uint8_t(*)[512])image)
                 :
                 : "memory");
}

void match_random_state(Match *m)
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

bool match_lift_at(Match *m, uint64_t pc, unsigned max_insns)
{
    BlockState state;
    bool need_second = false;
    const TranslateLimits limits = {.max_insns = max_insns, .max_bytes = 64};
    x86_guest_ops.block_state(&m->cpu->v, &state);
    state.pc = pc;
    ir_block_reset(&m->f.ir, pc);
    return x86_guest_ops.translate(&m->cpu->v, &state, &limits, m->code, MATCH_CODE, NULL, 0,
                                   &m->f.ir, &need_second);
}

typedef void (*NativeThunk)(VCpu *vcpu, void *mem);

void match_run_native(void *opaque, VCpu *vcpu, const IrInsn *insn, void *mem)
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

void match_describe(Match *m, GString *text, const char *what)
{
    g_string_append_printf(text, "%s:", what);
    for (unsigned i = 0; i < 16; i++)
        g_string_append_printf(text, " %02x", m->code[i]);
    g_string_append_c(text, '\n');
    ir_print(&m->f.ir, text);
    const MatchHead *a = &m->want.head;
    const MatchHead *b = &m->got.head;
    for (unsigned i = 0; i < 8; i++)
        g_string_append_printf(text, "r%u %lx %lx\n", i, a->gpr[i], b->gpr[i]);
    g_string_append_printf(text, "pc %lx %lx flags %x %x fault %u %u", a->pc, b->pc, a->flags,
                           b->flags, m->want.fault.vector, m->got.fault.vector);
}

void match_compare(Match *m, ExitReason want, ExitReason got)
{
    uint32_t mask = compared_flags(&m->f.ir);
    MatchHead *a = &m->want.head, *b = &m->got.head;
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
        match_describe(m, text, bad);
        cr_assert_fail("%s", text->str);
    }
}

Match *match_new(unsigned seed)
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
