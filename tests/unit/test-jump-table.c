/* SPDX-License-Identifier: MIT
 * Jump tables: one for each jump tag in use, and what is in them only as long as it may be. */
#include <criterion/criterion.h>

#include "tcache/tb.h"

static const uint8_t *const stub = (const uint8_t *)0x7f1234560000;
static JumpTables *tables;
static VCpu vcpu;
static EngineCounters counters;

static void setup(void)
{
    tables = g_new0(JumpTables, 1);
    vcpu.jump_stub = stub;
    cr_assert(jump_tables_init(tables, &vcpu, &counters));
}

static void teardown(void)
{
    jump_tables_destroy(tables);
    g_free(tables);
}

TestSuite(jump_table, .init = setup, .fini = teardown);

static TranslationBlock block(uint32_t tag, uint32_t pc, bool global)
{
    TranslationBlock tb = {.code =
                               (uint8_t *)(uintptr_t)stub + 0xf0000000 + tag * 0x100 + pc % 0x100,
                           .jump_tag = tag};
    tb.state.pc = pc;
    tb.state.memory = global ? MEMORY_GLOBAL : 0;
    return tb;
}

static void add(uint32_t tag, uint32_t pc, bool global)
{
    const TranslationBlock tb = block(tag, pc, global);
    jump_tables_add(tables, &tb);
}

/* Translated code's way to pc, as in lower-exit.c. */
static const uint8_t *follow(uint32_t pc)
{
    return vcpu.jump_table[pc] + stub;
}

static bool has(uint32_t tag, uint32_t pc)
{
    const uint8_t *code = jump_tables_find(tables, tag, pc);
    cr_assert(!code || code == block(tag, pc, false).code);
    return code != NULL;
}

Test(jump_table, leads_to_code_or_to_the_stub)
{
    add(7, 0xc0000000, false);
    add(8, 0xffffffff, false);
    cr_assert_eq(follow(0xc0000000), stub, "no table is selected");
    cr_assert(jump_tables_select(tables, 7, false));
    cr_assert_not(jump_tables_select(tables, 7, false));
    cr_assert_eq(follow(0xc0000000), block(7, 0xc0000000, false).code);
    cr_assert_eq(follow(0xffffffff), stub);
    cr_assert(jump_tables_select(tables, 8, false));
    cr_assert_eq(follow(0xffffffff), block(8, 0xffffffff, false).code);
    cr_assert_eq(follow(0), stub);
    jump_tables_leave(tables);
    cr_assert_eq(follow(0xffffffff), stub);
    cr_assert(jump_tables_select(tables, 8, false));
    cr_assert(has(7, 0xc0000000) && has(8, 0xffffffff) && !has(7, 0xffffffff) && !has(9, 0));
}

Test(jump_table, removes_that_block_only)
{
    const TranslationBlock old = block(3, 0x1000, false);
    TranslationBlock new = old;
    new.code += 0x40;
    jump_tables_add(tables, &old);
    jump_tables_add(tables, &new);
    jump_tables_remove(tables, &old);
    cr_assert_eq(jump_tables_find(tables, 3, 0x1000), new.code);
    jump_tables_remove(tables, &new);
    cr_assert_null(jump_tables_find(tables, 3, 0x1000));
}

Test(jump_table, flushes_all_or_others)
{
    cr_assert_not(jump_tables_flush(tables, false));
    add(1, 0x1000, true);
    cr_assert_not(jump_tables_flush(tables, true));
    add(2, 0x1000, false);
    cr_assert(jump_tables_flush(tables, true));
    cr_assert(has(1, 0x1000) && !has(2, 0x1000));
    cr_assert(jump_tables_flush(tables, false));
    cr_assert_not(has(1, 0x1000));
}

/* The table that was not wanted for longest goes to another tag, empty. */
Test(jump_table, more_tags_than_tables)
{
    for (uint32_t tag = 1; tag <= JUMP_TABLES; tag++)
        add(tag, 0x1000 + tag, tag == 2);
    jump_tables_select(tables, 1, false);
    add(1000, 0x5000, false);
    cr_assert(has(1000, 0x5000) && has(1, 0x1001) && !has(2, 0x1002) && has(3, 0x1003));
    cr_assert_not(has(1000, 0x1002));
    cr_assert(jump_tables_flush(tables, true), "it is not the global table that it was");
    cr_assert_not(has(1000, 0x5000));
}

Test(jump_table, losing_the_selected_table)
{
    jump_tables_select(tables, 1, false);
    for (uint32_t tag = 2; tag <= JUMP_TABLES + 1; tag++)
        add(tag, 0x1000, false);
    cr_assert_eq(follow(0x1000), stub, "it is another tag's by now");
    cr_assert(jump_tables_select(tables, 1, false));
}

Test(jump_table, tags_that_mean_something_else)
{
    add(5, 0x1000, false);
    jump_tables_select(tables, 5, false);
    jump_tables_forget_tags(tables);
    cr_assert_not(has(5, 0x1000));
    cr_assert(jump_tables_select(tables, 5, false));
    cr_assert_eq(follow(0x1000), stub);
}

/* A guest that jumps everywhere takes only so much of the host's memory, whether code is there or
 * not. */
Test(jump_table, memory_is_bounded)
{
    unsigned most = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        const uint32_t pc = i << 12;
        if (i % 2)
            add(1 + i % 3, pc, false);
        jump_tables_select(tables, 1 + i % 3, false);
        jump_tables_missed(tables, pc + 1);
        most = MAX(most, tables->runs);
        cr_assert(!(i % 2) || has(1 + i % 3, pc));
    }
    cr_assert_leq(most, 6144);
    cr_assert_geq(counters.jump_table_drops, 2);
    cr_assert_leq(tables->used, 6144);
}
