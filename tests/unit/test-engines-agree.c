/* SPDX-License-Identifier: MIT
 * Random x86 code in the interpreter and translated. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/engine-match.h"

static bool make_block(Match *m)
{
    for (unsigned i = 0; i < MATCH_CODE; i++)
        m->code[i] = (uint8_t)g_rand_int(m->rand);
    unsigned shape = g_rand_int(m->rand) % 4;
    if (shape == 1)
        m->code[0] = 0x0f;
    if (shape == 2)
        m->code[0] = (uint8_t)(0xd8 + g_rand_int(m->rand) % 8);
    if (shape == 3)
        m->code[0] = (uint8_t)(m->code[0] & 0x3f);
    return match_lift_at(m, FIXTURE_PC, 1 + g_rand_int(m->rand) % 3);
}

static void match(bool protected, unsigned seed, unsigned rounds)
{
    static const bool stop = false;
    Match *m = match_new(seed);
    const InterpEnv env = {match_run_native, m};
    for (unsigned round = 0; round < rounds; round++) {
        match_init_mode(m, protected);
        match_random_state(m);
        if (!make_block(m))
            continue;
        match_save(m, &m->start);
        ExitReason want = interp_run(&env, &m->cpu->v, &m->f.ir, &stop);
        match_save(m, &m->want);
        fixture_generate(&m->f, 0);
        for (unsigned warm = 0; warm < 2; warm++) {
            bool paging = m->cpu->cr0 & CR0_PG; /* the block turned it on */
            match_load(m, &m->start);
            if (!warm || paging)
                mmu_flush_all(&m->cpu->v.mmu);
            ExitReason got = fixture_run(&m->f);
            match_save(m, &m->got);
            match_compare(m, want, got);
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
        match_init_mode(m, true);
        if (!make_block(m) || !m->f.ir.movable)
            continue;
        const uint64_t from = 0x8048000 + g_rand_int(m->rand) % 2048;
        const uint64_t to =
            (from & 4095) | (0x10000000 + ((uint64_t)g_rand_int(m->rand) << 12)) % 0xe0000000;
        const unsigned insns = 1 + g_rand_int(m->rand) % 12;
        cr_assert(match_lift_at(m, from, insns));
        generate_at(m, from, 0);
        const CodegenOutput before = m->f.out;
        if (!m->f.ir.movable || !before.movable)
            continue;
        codegen_move(m->f.code, (const void *)before.pc_fields->data, before.pc_fields->len,
                     (int64_t)(to - from));
        fields += before.pc_fields->len;
        cr_assert(match_lift_at(m, to, insns));
        generate_at(m, to, OTHER);
        moved++;
        cr_assert_eq(before.size, m->f.out.size);
        if (memcmp(m->f.code, m->f.code + OTHER, before.size) != 0 ||
            before.exit_count != m->f.out.exit_count ||
            !exits_moved(before.exits, m->f.out.exits, before.exit_count, to - from)) {
            GString *text = g_string_new(NULL);
            match_describe(m, text, "moved code");
            cr_assert_fail("%s", text->str);
        }
    }
    cr_assert_gt(moved, SMALLEST);
    cr_assert_gt(fields, moved);
}
