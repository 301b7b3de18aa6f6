/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "monitor/json-plain.h"
#include "monitor/json-split.h"

/* What comes out, separated by |; "!" for what is no JSON value. */
static char *split(const char *bytes, size_t count)
{
    JsonSplit split = {0};
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < count; i++) {
        g_autofree char *text = NULL;
        const char *fault = NULL;
        if (!json_split_feed(&split, (uint8_t)bytes[i], &text, &fault))
            continue;
        cr_assert((text == NULL) == (fault != NULL));
        g_string_append_printf(out, "%s|", text ? text : "!");
    }
    json_split_clear(&split);
    return g_string_free(out, FALSE);
}

Test(json_split, values)
{
    static const struct {
        const char *bytes, *values;
    } cases[] = {
        {"{}", "{}|"},
        {" {} \r\n[]{}", "{}|[]|{}|"},
        {"{\"a\": [1, {}]}{", "{\"a\": [1, {}]}|"},
        {"{\"}\": \"\\\"}\"}[1]", "{\"}\": \"\\\"}\"}|[1]|"},
        {"{\"\\\\\"}[]", "{\"\\\\\"}|[]|"},
        {"junk {} []\n{}", "!|{}|"},
        {"}\n]\n{}", "!|!|{}|"},
        {"{\"a\n{}", "!|{}|"},
        {"{\"a\001\"}\n{}", "!|{}|"},
        {"{\n\t\r}", "{\n\t\r}|"},
        {"{]{", "{]|"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *values = split(cases[i].bytes, strlen(cases[i].bytes));
        cr_expect_str_eq(values, cases[i].values, "'%s' gave '%s'", cases[i].bytes, values);
    }
}

Test(json_plain, numbers_and_words)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"{\"a\": [true,false,null, -1, 0, 1.5e3, 1E-7, \"1e999 /*\", '0x\\'1']}", true},
        {"{\"a\":9223372036854775807,\"b\":-9223372036854775808}", true},
        {"[18446744073709551615]", false},
        {"[9223372036854775808]", false},
        {"[1e400]", false},
        {"[-1e400]", false},
        {"[010]", false},
        {"[0x10]", false},
        {"[1.]", false},
        {"[.5]", false},
        {"[+1]", false},
        {"[1e]", false},
        {"[NaN]", false},
        {"[nul]", false},
        {"[1 /* one */]", false},
        {"[\"x\"1e400]", false},
        {"[\"x", true}, /* the parser's affair */
        {"", true},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        cr_expect_eq(json_plain_fault(cases[i].text) == NULL, cases[i].good, "%s", cases[i].text);
}

Test(json_split, bounds)
{
    GString *text = g_string_new("{\"");
    while (text->len < 3 * JSON_SPLIT_MAX)
        g_string_append_c(text, 'x');
    g_string_append(text, "\"}{}");
    g_autofree char *long_value = split(text->str, text->len);
    cr_expect_str_eq(long_value, "!|{}|");
    g_string_truncate(text, 0);
    for (int i = 0; i < 1000; i++)
        g_string_append_c(text, '[');
    for (int i = 0; i < 1000; i++)
        g_string_append_c(text, ']');
    g_string_append(text, "{}");
    g_autofree char *deep = split(text->str, text->len);
    cr_expect_str_eq(deep, "!|{}|");
    g_string_free(text, TRUE);
}
