/* SPDX-License-Identifier: MIT
 * A function that is patched before each call, by stores of every size at every place in and before
 * it: its results against what its bytes say. */
#include <string.h>

#include "tcache/engine.h"
#include "tests/unit/x86-bed.h"

enum { DEVICE = 0x200000, FUNCTION_PAGE = 0x20000, RESULTS = 0x30000, STEPS = 600 };
enum { MOV_EAX = 0xb8, MOV_ECX = 0xb9, BEFORE = 4, MOV_BYTES = 5 };

typedef struct {
    Bed bed;
    Engine *engine;
    uint8_t *at; /* where the next instruction is written */
    uint32_t function;
    uint8_t bytes[BEFORE + MOV_BYTES]; /* the function's first, and what lies before it */
    uint32_t eax, want[STEPS];
    GRand *rand;
} SmcBed;

static void stop(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    engine_request_stop(((SmcBed *)opaque)->engine);
}

static const RegionOps device = {.write = stop};

static void put(SmcBed *s, const void *bytes, size_t count)
{
    memcpy(s->at, bytes, count);
    s->at += count;
}

static void put32(SmcBed *s, uint32_t value)
{
    put(s, &value, 4);
}

/* mov [function + place - BEFORE], value */
static void put_store(SmcBed *s, unsigned place, unsigned size, const uint8_t *value)
{
    static const char *const opcodes[] = {[1] = "\xc6\x05", [2] = "\x66\xc7\x05", [4] = "\xc7\x05"};
    put(s, opcodes[size], strlen(opcodes[size]));
    put32(s, s->function + place - BEFORE);
    put(s, value, size);
}

/* The patched function is called; its result is kept. */
static void put_call(SmcBed *s, unsigned step)
{
    put(s, "\xe8", 1);
    put32(s, s->function - (BED_CODE + (uint32_t)(s->at - (s->bed.mem + BED_CODE)) + 4));
    put(s, "\xa3", 1);
    put32(s, RESULTS + step * 4);
}

static void put_step(SmcBed *s, unsigned step)
{
    const unsigned size = 1u << g_rand_int(s->rand) % 3;
    const unsigned place = g_rand_int(s->rand) % (BEFORE + MOV_BYTES - size + 1);
    uint8_t value[4];
    for (unsigned i = 0; i < size; i++) {
        const bool opcode = place + i == BEFORE;
        value[i] = (uint8_t)(opcode ? MOV_EAX + g_rand_int(s->rand) % 2 : g_rand_int(s->rand));
    }
    memcpy(s->bytes + place, value, size);
    if (s->bytes[BEFORE] == MOV_EAX)
        memcpy(&s->eax, s->bytes + BEFORE + 1, 4);
    s->want[step] = s->eax;
    put_store(s, place, size, value);
    put_call(s, step);
}

static void run(EngineOptions options, uint32_t function)
{
    SmcBed s = {
        .bed = bed_new("max"), .function = function, .rand = g_rand_new_with_seed(function)};
    address_space_add_mmio(s.bed.as, "stop", DEVICE, 0x1000, 1, &device, &s);
    bed_protected(&s.bed, 0);
    s.bytes[BEFORE] = MOV_EAX;
    memcpy(s.bed.mem + function - BEFORE, s.bytes, sizeof s.bytes);
    s.bed.mem[function + MOV_BYTES] = 0xc3;
    s.at = s.bed.mem + BED_CODE;
    put(&s, "\x31\xc0", 2); /* xor eax, eax */
    for (unsigned i = 0; i < STEPS; i++)
        put_step(&s, i);
    put(&s, "\xa3", 1);
    put32(&s, DEVICE);
    put(&s, "\xeb\xfe", 2); /* until the engine stops */
    options.cache_bytes = 4 << 20;
    s.engine = engine_new(&s.bed.cpu->v, s.bed.as, &options, NULL);
    cr_assert_not_null(s.engine);
    cr_assert_eq(engine_run(s.engine), RUN_STOPPED);
    for (unsigned i = 0; i < STEPS; i++)
        cr_assert_eq(bed_read(&s.bed, RESULTS + i * 4, 4), s.want[i],
                     "function at %x, step %u: %x, not %x", function, i,
                     bed_read(&s.bed, RESULTS + i * 4, 4), s.want[i]);
    engine_free(s.engine);
    g_rand_free(s.rand);
    bed_free(&s.bed);
}

/* At the start of a page and of a code line, across lines, across pages. */
static void run_everywhere(EngineOptions options)
{
    static const uint32_t offsets[] = {0x1000, 0x1100, 0x1101, 0x1104, 0x110e, 0x1ffd};
    for (unsigned i = 0; i < G_N_ELEMENTS(offsets); i++)
        run(options, FUNCTION_PAGE + offsets[i]);
}

Test(smc, patched_function, .timeout = 60)
{
    run_everywhere((EngineOptions){0});
    run_everywhere((EngineOptions){.no_window = true});
    run_everywhere((EngineOptions){.one_insn = true});
    run_everywhere((EngineOptions){.no_chain = true});
    run_everywhere((EngineOptions){.interp = true});
    run_everywhere((EngineOptions){.no_opt = true});
    run_everywhere((EngineOptions){.check_every = 1});
}
