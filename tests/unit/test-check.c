/* SPDX-License-Identifier: MIT
 * --check: it is silent about right code, and tells of code that was spoiled behind its back. */
#include <string.h>

#include "tcache/check.h"
#include "tests/unit/x86-bed.h"

enum { TARGET = 0x6000 };

/* mov eax, 12345678h; add eax, 11111111h; mov [6000h], eax; pushfd; nop */
static const uint8_t program[] = {0xb8, 0x78, 0x56, 0x34, 0x12, 0x05, 0x11, 0x11, 0x11,
                                  0x11, 0xa3, 0x00, 0x60, 0x00, 0x00, 0x9c, 0x90};

typedef struct {
    Bed bed;
    Engine *engine;
} CheckBed;

static CheckBed check_bed(uint64_t every)
{
    CheckBed c = {.bed = bed_new("max")};
    const EngineOptions options = {.check_every = every, .cache_bytes = 1 << 20, .no_window = true};
    bed_protected(&c.bed, 0);
    memcpy(c.bed.mem + BED_CODE, program, sizeof program);
    c.engine = engine_new(&c.bed.cpu->v, c.bed.as, &options, NULL);
    cr_assert_not_null(c.engine);
    engine_set_breakpoint(c.engine, BED_CODE + sizeof program - 1);
    return c;
}

static void check_bed_free(CheckBed *c)
{
    engine_free(c->engine);
    bed_free(&c->bed);
}

static RunResult run(CheckBed *c)
{
    c->bed.cpu->v.pc = BED_CODE;
    c->bed.cpu->v.gpr[REG_EAX] = 0;
    c->bed.cpu->v.gpr[REG_ESP] = BED_STACK0;
    c->bed.cpu->v.flags = 0;
    return engine_run(c->engine);
}

/* Change the first place in the translated code where these bytes stand. */
static void spoil(CheckBed *c, const void *bytes, size_t size, const void *others)
{
    Cache *cache = &c->engine->cache;
    for (unsigned u = 0; u < TB_UNITS; u++) {
        for (guint i = 0; i < cache->unit[u].blocks->len; i++) {
            const TranslationBlock *tb = g_ptr_array_index(cache->unit[u].blocks, i);
            uint8_t *at = memmem(tb->code, tb->code_size, bytes, size);
            if (tb->state.pc == BED_CODE && at) {
                memcpy(code_buf_to_rw(&cache->buf, at), others, size);
                return;
            }
        }
    }
    cr_assert_fail("the block does not contain these bytes");
}

static void expect_text(const CheckBed *c, const char *text)
{
    const char *report = engine_check_report(c->engine);
    cr_assert_not_null(report);
    cr_assert(strstr(report, text), "no '%s' in:\n%s", text, report);
}

Test(check, right_code_passes)
{
    CheckBed c = check_bed(1);
    cr_assert_eq(run(&c), RUN_DEBUG);
    cr_assert_eq(run(&c), RUN_DEBUG);
    cr_assert_null(engine_check_report(c.engine));
    cr_assert_geq(engine_counters(c.engine)->check_compared, 2);
    cr_assert_eq(bed_read(&c.bed, TARGET, 4), 0x23456789);
    check_bed_free(&c);
}

Test(check, wrong_immediate_is_reported)
{
    CheckBed c = check_bed(1);
    cr_assert_eq(run(&c), RUN_DEBUG);
    spoil(&c, "\x11\x11\x11\x11", 4, "\x13\x11\x11\x11");
    cr_assert_eq(run(&c), RUN_CHECK);
    expect_text(&c, "eax          interpreter 23456789  translated 2345678b");
    expect_text(&c, "of them PF");
    expect_text(&c, "RAM 00006000");
    expect_text(&c, "add eax, 0x11111111"); /* the guest's code */
    expect_text(&c, "add eax, 0x11111113"); /* the host's */
    expect_text(&c, "Before:\n  eax=00000000");
    expect_text(&c, "Engine: --check=1 --no-window");
    check_bed_free(&c);
}

/* The registers agree, RAM does not. */
Test(check, store_to_wrong_place_is_reported)
{
    CheckBed c = check_bed(1);
    cr_assert_eq(run(&c), RUN_DEBUG);
    bed_write(&c.bed, TARGET, 4, 0);
    spoil(&c, "\x00\x60\x00\x00", 4, "\x08\x60\x00\x00");
    cr_assert_eq(run(&c), RUN_CHECK);
    expect_text(&c, "RAM 00006000 interpreter 0000000023456789  translated 0000000000000000");
    cr_assert_null(strstr(engine_check_report(c.engine), "eax          interpreter"));
    check_bed_free(&c);
}

Test(check, every_second_block)
{
    CheckBed c = check_bed(2);
    cr_assert_eq(run(&c), RUN_DEBUG);
    cr_assert_eq(engine_counters(c.engine)->check_compared, 0);
    cr_assert_eq(run(&c), RUN_DEBUG);
    cr_assert_eq(engine_counters(c.engine)->check_compared, 1);
    check_bed_free(&c);
}

/* The shadow run leaves no trace: what the guest sees is written once. */
Test(check, shadow_has_no_effects)
{
    static const uint8_t push_pop[] = {0x68, 0x44, 0x33, 0x22, 0x11,       /* push 11223344h */
                                       0x58,                               /* pop eax */
                                       0xff, 0x05, 0x00, 0x60, 0x00, 0x00, /* inc dword [6000h] */
                                       0x90, 0x90, 0x90, 0x90, 0x90};
    CheckBed c = check_bed(1);
    memcpy(c.bed.mem + BED_CODE, push_pop, sizeof push_pop);
    bed_write(&c.bed, TARGET, 4, 41);
    cr_assert_eq(run(&c), RUN_DEBUG);
    cr_assert_eq(bed_read(&c.bed, TARGET, 4), 42);
    cr_assert_eq(c.bed.cpu->v.gpr[REG_EAX], 0x11223344);
    check_bed_free(&c);
}

static uint64_t count_read(void *opaque, uint64_t offset, unsigned size)
{
    return ++*(unsigned *)opaque;
}

/* A device is read once; such a block is not compared, and counted as such. */
Test(check, devices_are_not_read_twice)
{
    static const uint8_t read_device[] = {0xbb, 0x01, 0x00, 0x00, 0x00, /* mov ebx, 1 */
                                          0xa1, 0x00, 0x00, 0x20, 0x00, /* mov eax, [200000h] */
                                          0x01, 0xc3,                   /* add ebx, eax */
                                          0x90, 0x90, 0x90, 0x90, 0x90};
    static const RegionOps ops = {.read = count_read};
    CheckBed c = check_bed(1);
    unsigned reads = 0;
    address_space_add_mmio(c.bed.as, "counter", 0x200000, 0x1000, 1, &ops, &reads);
    memcpy(c.bed.mem + BED_CODE, read_device, sizeof read_device);
    cr_assert_eq(run(&c), RUN_DEBUG);
    cr_assert_eq(reads, 1);
    cr_assert_eq(c.bed.cpu->v.gpr[REG_EBX], 2);
    cr_assert_eq(engine_counters(c.engine)->check_device, 1);
    check_bed_free(&c);
}

/* A fault is compared as well, and delivered once. The page tables: one page at 7000h is mapped to
 * itself and accessed for the first time; what the shadow run finds out about it leaves no mark. */
Test(check, faults_and_page_tables)
{
    static const uint8_t touch[] = {0xa1, 0x00, 0x70, 0x00, 0x00,       /* mov eax, [7000h] */
                                    0xa1, 0x00, 0x00, 0x00, 0xc0,       /* mov eax, [c0000000h] */
                                    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90};
    enum { DIRECTORY = 0x40000, TABLE = 0x41000, ACCESSED = 0x20 };
    CheckBed c = check_bed(1);
    CpuX86 *cpu = c.bed.cpu;
    bed_gate(&c.bed, VEC_PF, CODE0, BED_CODE + sizeof program - 1, 14, 0); /* the breakpoint */
    memcpy(c.bed.mem + BED_CODE, touch, sizeof touch);
    bed_write(&c.bed, DIRECTORY, 4, TABLE | 3);
    for (unsigned i = 0; i < 256; i++)
        bed_write(&c.bed, TABLE + 4 * i, 4, i << 12 | 3);
    cpu->cr3 = DIRECTORY;
    cpu->cr0 |= CR0_PG;
    cpu_sync_paging(cpu);
    cpu_update_mode(cpu);
    cr_assert_eq(run(&c), RUN_DEBUG);
    cr_assert_null(engine_check_report(c.engine));
    cr_assert_eq(cpu->cr2, 0xc0000000);
    cr_assert_eq(bed_read(&c.bed, BED_STACK0 - 12, 4), BED_CODE + 5); /* EIP, below the error code */
    cr_assert(bed_read(&c.bed, TABLE + 4 * 7, 4) & ACCESSED);
    cr_assert_not(bed_read(&c.bed, TABLE + 4 * 6, 4) & ACCESSED);
    cr_assert_eq(engine_counters(c.engine)->check_compared, 1);
    check_bed_free(&c);
}

static CheckState *state_of(CheckBed *c)
{
    CheckState *state = g_new0(CheckState, 1);
    check_save(&c->bed.cpu->v, state);
    state->reason = EXIT_LOOKUP;
    return state;
}

/* Each difference is told by its name, and nothing else is. */
Test(check, comparison_names_what_differs)
{
    CheckBed c = check_bed(1);
    CpuX86 *cpu = c.bed.cpu;
    const GuestOps *guest = cpu->v.guest;
    CheckState *a = state_of(&c);
    g_autoptr(GString) out = g_string_new(NULL);
    cr_assert(check_compare(guest, a, a, 0, out));
    cr_assert_str_empty(out->str);
    cpu->v.flags ^= FLAG_AF | FLAG_OF;
    cpu->seg[SEG_FS].selector ^= 8;
    cpu->v.fp_area[32 + 16] ^= 1;
    cpu->v.fp_area[8] ^= 1; /* FIP: not compared */
    CheckState *b = state_of(&c);
    cr_assert(!check_compare(guest, a, b, 0, out));
    cr_assert(strstr(out->str, "of them AF OF"), "%s", out->str);
    cr_assert(strstr(out->str, "  fs "), "%s", out->str);
    cr_assert(strstr(out->str, "  st1 "), "%s", out->str);
    cr_assert_null(strstr(out->str, "eax"), "%s", out->str);
    b->reason = EXIT_FAULT;
    g_string_truncate(out, 0);
    cr_assert(!check_compare(guest, a, b, FLAGS_ARITH, out));
    cr_assert(strstr(out->str, "ended by     interpreter branch  translated fault"), "%s",
              out->str);
    cr_assert_null(strstr(out->str, "flags"), "%s", out->str);
    g_free(a);
    g_free(b);
    check_bed_free(&c);
}
