/* SPDX-License-Identifier: MIT
 * Counted time: timers fire to the instruction, whatever the engine makes of the code. */
#include <string.h>

#include "tcache/icount.h"
#include "tests/unit/x86-bed.h"

enum { DEVICE = 0x200000, TICKS = 400 };

/* A loop with what makes counting hard: conditional branches, faults in the middle of a straight
 * run, a repeated instruction, a store into its own block, device accesses, RDTSC.
 * All of it is position-dependent on BED_CODE only by the store. */
static const uint8_t program[] = {
    0x40,                               /* 00 inc eax */
    0xa8, 0x03,                         /* 01 test al, 3 */
    0x74, 0x04,                         /* 03 jz 09 */
    0x01, 0xc3,                         /* 05 add ebx, eax */
    0x31, 0xd8,                         /* 07 xor eax, ebx */
    0x50,                               /* 09 push eax */
    0x0f, 0x0b,                         /* 0a ud2: the handler skips it */
    0xfe, 0x05, 0x1b, 0x00, 0x01, 0x00, /* 0c inc byte [1001b]: the immediate below */
    0x81, 0xc2, 0x11, 0x00, 0x00, 0x00, /* 12 add edx, 11h */
    0x90,                               /* 18 nop */
    0x83, 0xc2, 0x55,                   /* 19 add edx, 55h: patched */
    0xa1, 0x00, 0x00, 0x20, 0x00,       /* 1c mov eax, [200000h]: a device */
    0x01, 0xc3,                         /* 21 add ebx, eax */
    0x0f, 0x31,                         /* 23 rdtsc */
    0x01, 0xc3,                         /* 25 add ebx, eax */
    0xbe, 0x00, 0x00, 0x02, 0x00,       /* 27 mov esi, 20000h */
    0xbf, 0x00, 0x40, 0x02, 0x00,       /* 2c mov edi, 24000h */
    0xb9, 0x40, 0x00, 0x00, 0x00,       /* 31 mov ecx, 64 */
    0xf3, 0xa4,                         /* 36 rep movsb */
    0x59,                               /* 38 pop ecx */
    0xe2, 0xc5,                         /* 39 loop 00 */
    0xeb, 0xc3,                         /* 3b jmp 00 */
};

/* #UD: add dword [esp], 2; iret */
static const uint8_t handler[] = {0x83, 0x04, 0x24, 0x02, 0xcf};

typedef struct {
    uint64_t executed;
    uint32_t pc, eax, ebx, ecx, edx;
    uint64_t digest;
} Tick;

typedef struct {
    Bed bed;
    Engine *engine;
    int64_t deadline, step;
    Tick tick[TICKS];
    unsigned ticks;
    uint64_t digest;
} CountBed;

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    return (uint32_t)engine_executed_for_test(((CountBed *)opaque)->engine);
}

static const RegionOps device = {.read = device_read};

static uint64_t tsc(void *opaque)
{
    return (uint64_t)engine_time_ns(((CountBed *)opaque)->engine);
}

static int64_t next_deadline(void *opaque)
{
    return ((CountBed *)opaque)->deadline;
}

static void run_timers(void *opaque)
{
    CountBed *c = opaque;
    const VCpu *v = &c->bed.cpu->v;
    cr_assert_lt(c->ticks, TICKS);
    c->tick[c->ticks++] =
        (Tick){engine_executed_for_test(c->engine), (uint32_t)v->pc,           (uint32_t)v->gpr[REG_EAX],
               (uint32_t)v->gpr[REG_EBX],  (uint32_t)v->gpr[REG_ECX], (uint32_t)v->gpr[REG_EDX],
               engine_digest(c->engine)};
    c->deadline += 4 * (1 + 7 * (c->ticks % 13));
    if (c->ticks == TICKS)
        engine_request_stop(c->engine);
}

static CountBed *count_run(EngineOptions options)
{
    CountBed *c = g_new0(CountBed, 1);
    c->bed = bed_new("max");
    address_space_add_mmio(c->bed.as, "counter", DEVICE, 0x1000, 1, &device, c);
    bed_protected(&c->bed, 0);
    bed_gate(&c->bed, VEC_UD, CODE0, BED_CODE + 0x1000, 14, 0);
    memcpy(c->bed.mem + BED_CODE, program, sizeof program);
    memcpy(c->bed.mem + BED_CODE + 0x1000, handler, sizeof handler);
    c->bed.cpu->board.tsc = tsc;
    c->bed.cpu->board.opaque = c;
    options.cache_bytes = options.cache_bytes ? options.cache_bytes : 4 << 20;
    c->engine = engine_new(&c->bed.cpu->v, c->bed.as, &options, NULL);
    cr_assert_not_null(c->engine);
    const EngineTime time = {
        .shift = 2, .next_deadline = next_deadline, .run_timers = run_timers, .opaque = c};
    c->deadline = 4;
    engine_count_time(c->engine, &time);
    cr_assert_eq(engine_run(c->engine), RUN_STOPPED);
    cr_assert_eq(c->ticks, TICKS);
    return c;
}

static void count_free(CountBed *c)
{
    engine_free(c->engine);
    bed_free(&c->bed);
    g_free(c);
}

static void expect_same(const CountBed *want, EngineOptions options, const char *name)
{
    CountBed *got = count_run(options);
    for (unsigned i = 0; i < TICKS; i++) {
        const Tick *a = &want->tick[i], *b = &got->tick[i];
        cr_assert_eq(a->executed, b->executed, "%s: tick %u at %lu, not %lu", name, i, b->executed,
                     a->executed);
        cr_assert_eq(a->pc, b->pc, "%s: tick %u: pc %x, not %x", name, i, b->pc, a->pc);
        cr_assert(a->eax == b->eax && a->ebx == b->ebx && a->ecx == b->ecx && a->edx == b->edx,
                  "%s: tick %u at %x: %x %x %x %x, not %x %x %x %x", name, i, a->pc, b->eax, b->ebx,
                  b->ecx, b->edx, a->eax, a->ebx, a->ecx, a->edx);
        cr_assert_eq(a->digest, b->digest, "%s: tick %u: digest", name, i);
    }
    count_free(got);
}

/* One instruction a block is the plainest of engines. */
Test(icount, every_engine_counts_alike, .timeout = 60)
{
    CountBed *want = count_run((EngineOptions){.one_insn = true, .no_chain = true});
    expect_same(want, (EngineOptions){0}, "default");
    expect_same(want, (EngineOptions){.one_insn = true}, "one instruction");
    expect_same(want, (EngineOptions){.no_chain = true}, "no chain");
    expect_same(want, (EngineOptions){.interp = true}, "interpreter");
    expect_same(want, (EngineOptions){.no_window = true}, "no window");
    expect_same(want, (EngineOptions){.window_always = true}, "window always");
    expect_same(want, (EngineOptions){.check_every = 1}, "check");
    expect_same(want, (EngineOptions){.no_opt = true}, "no passes");
    count_free(want);
}

Test(icount, timers_fire_to_the_instruction)
{
    CountBed *c = count_run((EngineOptions){0});
    int64_t deadline = 4;
    for (unsigned i = 0; i < TICKS; i++) {
        cr_assert_eq(c->tick[i].executed, (uint64_t)deadline / 4, "tick %u", i);
        deadline += 4 * (1 + 7 * ((i + 1) % 13));
    }
    count_free(c);
}

/* A bit of RAM that no register shows changes the digest; what is no state does not. */
Test(icount, digest_sees_ram_and_registers)
{
    Bed bed = bed_new("max");
    Engine *engine =
        engine_new(&bed.cpu->v, bed.as, &(EngineOptions){.cache_bytes = 1 << 20}, NULL);
    const uint64_t first = engine_digest(engine);
    bed.mem[BED_RAM - 1] ^= 1;
    const uint64_t second = engine_digest(engine);
    cr_assert_neq(first, second);
    bed.mem[BED_RAM - 1] ^= 1;
    cr_assert_eq(engine_digest(engine), first);
    bed.cpu->cr2 = 1;
    cr_assert_neq(engine_digest(engine), first);
    bed.cpu->cr2 = 0;
    bed.cpu->v.fp_area[16] ^= 1; /* FDP */
    cr_assert_eq(engine_digest(engine), first);
    engine_free(engine);
    bed_free(&bed);
}

/* HLT: the time to the next timer passes at once, and none of it is counted as instructions. */
static void halt_timer(void *opaque)
{
    CountBed *c = opaque;
    c->tick[c->ticks++].executed = engine_executed_for_test(c->engine);
    cr_assert_geq(engine_time_ns(c->engine), c->deadline);
    c->deadline += c->step;
    if (c->ticks == 5)
        engine_request_stop(c->engine);
}

static CountBed *run_halted(int64_t step, bool sleep)
{
    CountBed *c = g_new0(CountBed, 1);
    c->bed = bed_new("max");
    bed_protected(&c->bed, 0);
    c->bed.mem[BED_CODE] = 0xf4;
    c->engine =
        engine_new(&c->bed.cpu->v, c->bed.as, &(EngineOptions){.cache_bytes = 1 << 20}, NULL);
    const EngineTime time = {
        .sleep = sleep, .next_deadline = next_deadline, .run_timers = halt_timer, .opaque = c};
    c->deadline = c->step = step;
    engine_count_time(c->engine, &time);
    cr_assert_eq(engine_run(c->engine), RUN_STOPPED);
    cr_assert_eq(c->ticks, 5);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(c->tick[i].executed, 1);
    return c;
}

Test(icount, halt_jumps_to_the_next_timer, .timeout = 20)
{
    count_free(run_halted(INT64_C(3600000000000), false)); /* five hours */
}

Test(icount, halt_may_wait_for_the_next_timer, .timeout = 20)
{
    const gint64 start = g_get_monotonic_time();
    count_free(run_halted(4000000, true));
    cr_assert_geq(g_get_monotonic_time() - start, 5 * 4000 - 10);
}

static uint64_t random_value(Bed *bed, unsigned size)
{
    uint64_t value = 0;
    bed->cpu->v.flags = FLAGS_ARITH;
    cr_assert_eq(bed_call(bed, helper_random, size, 0, 0, &value), EXIT_REASONS);
    cr_assert_eq(bed->cpu->v.flags, FLAG_CF);
    return value;
}

Test(icount, seeded_chance_repeats)
{
    Bed bed = bed_new("max");
    cpu_seed_random(bed.cpu, 1);
    const uint64_t first = random_value(&bed, 4), second = random_value(&bed, 4);
    cr_assert(first != second && first <= UINT32_MAX);
    cpu_seed_random(bed.cpu, 1);
    cr_assert_eq(random_value(&bed, 4), first);
    cr_assert_eq(random_value(&bed, 2), second & 0xffff);
    cpu_seed_random(bed.cpu, 2);
    cr_assert_neq(random_value(&bed, 4), first);
    bed_free(&bed);
}
