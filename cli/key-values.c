/* SPDX-License-Identifier: MIT */
#include "cli/key-values.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"

bool option_error(GError **error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (error)
        *error = g_error_new_valist(DBTVM_ERROR, DBTVM_ERROR_OPTION, format, ap);
    va_end(ap);
    return false;
}

bool word_in(const char *words, const char *value)
{
    g_auto(GStrv) list = g_strsplit(words, "|", -1);
    return g_strv_contains((const char *const *)list, value);
}

bool parse_on_off(const char *value, bool *on)
{
    *on = !value || word_in("on|yes|true|y", value);
    return *on || word_in("off|no|false|n", value);
}

bool parse_number(const char *text, uint64_t *value)
{
    bool hex = g_ascii_strncasecmp(text, "0x", 2) == 0;
    guint64 result;
    if (!g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0, G_MAXUINT64, &result,
                                    NULL))
        return false;
    *value = result;
    return true;
}

static unsigned suffix_shift(char c)
{
    switch (g_ascii_toupper(c)) {
    case 'K':
        return 10;
    case 'M':
        return 20;
    case 'G':
        return 30;
    case 'T':
        return 40;
    default:
        return 0;
    }
}

bool parse_size(const char *text, uint64_t unit, uint64_t *bytes)
{
    if (!g_ascii_isdigit(text[0]))
        return false;
    char *end;
    double number = g_ascii_strtod(text, &end); /* exact for every size that fits */
    double scale = (double)unit;
    if (*end) {
        unsigned shift = suffix_shift(*end);
        if ((shift == 0 && g_ascii_toupper(*end) != 'B') || end[1])
            return false;
        scale = (double)(UINT64_C(1) << shift);
    }
    if (!isfinite(number) || number * scale >= 0x1p63)
        return false;
    *bytes = (uint64_t)(number * scale);
    return true;
}

/* The text up to the next single comma; *rest: behind it, or NULL at the end. */
static char *take_item(const char *text, const char **rest)
{
    GString *item = g_string_new(NULL);
    while (*text && (*text != ',' || text[1] == ',')) {
        g_string_append_c(item, *text);
        text += *text == ',' ? 2 : 1;
    }
    *rest = *text ? text + 1 : NULL;
    return g_string_free(item, FALSE);
}

GArray *key_values_parse(const char *text, const char *implied)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(KeyValue));
    while (text && *text) {
        g_autofree char *item = take_item(text, &text);
        char *equals = strchr(item, '=');
        KeyValue pair = {0};
        if (equals) {
            pair.key = g_strndup(item, (gsize)(equals - item));
            pair.value = g_strdup(equals + 1);
        } else if (implied && list->len == 0) {
            pair.key = g_strdup(implied);
            pair.value = g_strdup(item);
        } else {
            pair.key = g_strdup(item);
        }
        g_array_append_val(list, pair);
    }
    return list;
}

void key_values_free(GArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        g_free(g_array_index(list, KeyValue, i).key);
        g_free(g_array_index(list, KeyValue, i).value);
    }
    g_array_free(list, TRUE);
}

const char *key_values_get(const GArray *list, const char *key)
{
    for (guint i = 0; i < list->len; i++)
        if (!strcmp(g_array_index(list, KeyValue, i).key, key))
            return g_array_index(list, KeyValue, i).value;
    return NULL;
}

static bool set_error_unknown(GError **error, const char *key, const KeyRule *rules, size_t count)
{
    GString *known = g_string_new(NULL);
    for (size_t i = 0; i < count; i++)
        if (rules[i].kind != KEY_REFUSED)
            g_string_append_printf(known, "%s%s", known->len ? ", " : "", rules[i].key);
    option_error(error, "unknown parameter '%s' (known: %s)", key, known->str);
    g_string_free(known, TRUE);
    return false;
}

static bool apply_one(const KeyRule *rule, const KeyValue *pair, void *target, GError **error)
{
    void *field = (char *)target + rule->offset;
    const char *value = pair->value;
    if (rule->kind == KEY_REFUSED)
        return option_error(error, "%s: %s", rule->key, rule->text);
    if (rule->kind == KEY_BOOL)
        return parse_on_off(value, field) ||
               option_error(error, "%s=%s: must be on or off", rule->key, value);
    if (rule->kind == KEY_ONLY && !value)
        value = "on";
    if (!value || !*value)
        return option_error(error, "parameter '%s' needs a value", rule->key);
    switch (rule->kind) {
    case KEY_STRING:
        *(char **)field = g_strdup(value);
        return true;
    case KEY_NUMBER:
        return parse_number(value, field) ||
               option_error(error, "%s=%s: not a number", rule->key, value);
    case KEY_CUSTOM:
        return rule->set(target, value, error);
    case KEY_ONLY:
        return word_in(rule->text, value) || option_error(error, "%s=%s is not supported (only %s)",
                                                          rule->key, value, rule->text);
    case KEY_BOOL:
    case KEY_REFUSED:
        break;
    }
    g_assert_not_reached();
}

static bool is_repeated(const GArray *list, guint index)
{
    for (guint i = 0; i < index; i++)
        if (!strcmp(g_array_index(list, KeyValue, i).key, g_array_index(list, KeyValue, index).key))
            return true;
    return false;
}

bool key_values_apply(const GArray *list, const KeyRule *rules, size_t count, void *target,
                      GError **error)
{
    for (guint i = 0; i < list->len; i++) {
        const KeyValue *pair = &g_array_index(list, KeyValue, i);
        size_t r = 0;
        while (r < count && strcmp(rules[r].key, pair->key) != 0)
            r++;
        if (r == count)
            return set_error_unknown(error, pair->key, rules, count);
        if (is_repeated(list, i))
            return option_error(error, "parameter '%s' is given twice", pair->key);
        if (!apply_one(&rules[r], pair, target, error))
            return false;
    }
    return true;
}
