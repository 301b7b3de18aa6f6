/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/top-table.h"
#include "base/trace.h"
#include "monitor/symbols.h"

Test(top_table, keeps_the_frequent_in_bounded_memory)
{
    TopTable *table = g_new0(TopTable, 1);
    for (unsigned i = 0; i < 100000; i++) {
        top_table_count(table, 1000000 + i); /* noise */
        top_table_count(table, i % 4);
    }
    TopEntry top[4];
    cr_assert_eq(top_table_list(table, top, 4), 4);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_lt(top[i].key, 4);
        cr_expect_geq(top[i].count, 25000);
        cr_expect(i == 0 || top[i - 1].count >= top[i].count);
    }
    g_free(table);
}

Test(top_table, lists_what_there_is)
{
    TopTable *table = g_new0(TopTable, 1);
    TopEntry top[8];
    cr_assert_eq(top_table_list(table, top, 8), 0);
    top_table_count(table, 0);
    top_table_count(table, 7);
    top_table_count(table, 7);
    cr_assert_eq(top_table_list(table, top, 8), 2);
    cr_expect_eq(top[0].key, 7);
    cr_expect_eq(top[0].count, 2);
    cr_assert_eq(top_table_list(table, top, 1), 1);
    cr_expect_eq(top[0].key, 7);
    g_free(table);
}

Test(log, filters_by_address)
{
    cr_assert(log_in_filter(5));
    cr_assert(log_set_filter("0x100..0x1ff,0x300+0x10,0x40f-0x10", NULL));
    static const uint64_t in[] = {0x100, 0x1ff, 0x300, 0x30f, 0x400, 0x40f};
    static const uint64_t out[] = {0xff, 0x200, 0x2ff, 0x310, 0x3ff, 0x410};
    for (size_t i = 0; i < G_N_ELEMENTS(in); i++) {
        cr_expect(log_in_filter(in[i]));
        cr_expect_not(log_in_filter(out[i]));
    }
    static const char *const bad[] = {"", "1", "1..", "2..1", "1+0", "1-0", "x..y", "1..2x"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_expect_not(log_set_filter(bad[i], NULL), "%s", bad[i]);
}

Test(trace, globs)
{
    uint32_t mask;
    cr_assert_eq(trace_set("port_*", true), 2);
    cr_expect(trace_on[TRACE_port_read]);
    cr_expect_not(trace_on[TRACE_mmio_read]);
    cr_expect_eq(trace_set("nosuch*", true), 0);
    cr_assert(log_parse_items("int,trace:mmio_*", &mask, NULL));
    cr_expect_eq(mask, LOG_INT);
    cr_expect(trace_on[TRACE_mmio_read]);
    cr_expect_not(log_parse_items("trace:", &mask, NULL));
    cr_expect_eq(trace_set("*", false), TRACE_COUNT);
}

static Symbols *load_text(const char *text, uint64_t offset)
{
    char path[] = "/tmp/dbtvm-symbols-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    Symbols *symbols = symbols_load(path, offset, NULL);
    unlink(path);
    return symbols;
}

Test(symbols, nm_text)
{
    uint64_t into, address;
    Symbols *symbols =
        load_text("00002000 T second\n00001000 t first\r\n\nrubbish\n00003000 D data\n"
                  "00004000 W last\n",
                  0x100000);
    cr_assert_not_null(symbols);
    cr_expect_eq(symbols_count(symbols), 3);
    cr_expect_null(symbols_find(symbols, 0x100fff, &into));
    cr_expect_str_eq(symbols_find(symbols, 0x101000, &into), "first");
    cr_expect_str_eq(symbols_find(symbols, 0x1020ff, &into), "second");
    cr_expect_eq(into, 0xff);
    cr_expect_null(symbols_find(symbols, UINT64_C(0x10000000), &into), "too far from any");
    cr_assert(symbols_lookup(symbols, "last", &address));
    cr_expect_eq(address, 0x104000);
    cr_expect_not(symbols_lookup(symbols, "data", &address));
    symbols_free(symbols);
    cr_expect_null(symbols_find(NULL, 0, &into));
    cr_expect_null(load_text("", 0));
}
