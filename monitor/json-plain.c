/* SPDX-License-Identifier: MIT */
#include "monitor/json-plain.h"

#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SIGNS "{}[]:, \t\r\n"

static const char unknown_word[] = "JSON parse error, unexpected word";
static const char too_large[] = "JSON parse error, the number is out of range";

static const char *skip_digits(const char *p)
{
    while (g_ascii_isdigit(*p))
        p++;
    return p;
}

/* RFC 8259, "Numbers". */
static bool is_number(const char *p)
{
    p += *p == '-';
    if (!g_ascii_isdigit(*p))
        return false;
    p = *p == '0' ? p + 1 : skip_digits(p);
    if (*p == '.') {
        if (!g_ascii_isdigit(*++p))
            return false;
        p = skip_digits(p);
    }
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        if (!g_ascii_isdigit(*p))
            return false;
        p = skip_digits(p);
    }
    return !*p;
}

static const char *word_fault(const char *word)
{
    static const char *const names[] = {"true", "false", "null", NULL};
    if (g_strv_contains(names, word))
        return NULL;
    if (!is_number(word))
        return unknown_word;
    bool fits = strpbrk(word, ".eE")
                    ? isfinite(g_ascii_strtod(word, NULL))
                    : g_ascii_string_to_signed(word, 10, G_MININT64, G_MAXINT64, NULL, NULL);
    return fits ? NULL : too_large;
}

/* Behind the string that begins here; its end is missing: at the end of the text. */
static const char *skip_string(const char *p)
{
    const char quote = *p++;
    while (*p && *p != quote)
        p += p[0] == '\\' && p[1] ? 2 : 1;
    return *p ? p + 1 : p;
}

const char *json_plain_fault(const char *text)
{
    const char *fault = NULL;
    while (*text && !fault) {
        size_t length = strspn(text, SIGNS);
        if (length == 0 && (*text == '"' || *text == '\'')) {
            text = skip_string(text);
            continue;
        }
        if (length == 0) {
            length = strcspn(text, SIGNS "\"'");
            g_autofree char *word = g_strndup(text, length);
            fault = word_fault(word);
        }
        text += length;
    }
    return fault;
}
