/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "base/log.h"

Test(log, parses_items)
{
    uint32_t mask = 0;
    cr_assert(log_parse_items("in_asm,int", &mask, NULL));
    cr_assert_eq(mask, LOG_IN_ASM | LOG_INT);
}

Test(log, names_the_unknown_item)
{
    uint32_t mask = 0;
    GError *error = NULL;
    cr_assert_not(log_parse_items("in_asm,bogus", &mask, &error));
    cr_assert_not_null(strstr(error->message, "bogus"));
    g_error_free(error);
}

/* A monitor's line may be any bytes; GLib's pattern matching aborts on what is not UTF-8. */
Test(log, trace_pattern_that_is_not_utf8)
{
    uint32_t mask = 0;
    GError *error = NULL;
    cr_assert_not(log_parse_items("trace:?\xd7", &mask, &error));
    cr_assert_not_null(strstr(error->message, "no trace event"), "%s", error->message);
    g_error_free(error);
}
