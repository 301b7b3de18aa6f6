/* SPDX-License-Identifier: MIT */
#include "monitor/expression.h"

#include <string.h>

#include "base/error.h"

enum { MAX_DEPTH = 64 }; /* of parentheses and signs */

typedef struct {
    const char *at;
    RegisterLookup lookup;
    void *opaque;
    unsigned depth;
    GError **error;
} Parse;

static bool parse_level(Parse *p, unsigned level, uint64_t *value);

static bool fail(Parse *p, const char *what)
{
    g_set_error(p->error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "%s", what);
    return false;
}

static void skip_blanks(Parse *p)
{
    while (g_ascii_isspace(*p->at))
        p->at++;
}

static bool parse_number(Parse *p, uint64_t *value)
{
    bool hex = p->at[0] == '0' && (p->at[1] == 'x' || p->at[1] == 'X');
    char *end;
    const char *digits = hex ? p->at + 2 : p->at;
    if (hex && !g_ascii_isxdigit(*digits))
        return fail(p, "bad number");
    *value = g_ascii_strtoull(digits, &end, hex ? 16 : 10);
    if (g_ascii_isalnum(*end))
        return fail(p, "bad number; hexadecimal ones begin with 0x");
    p->at = end;
    return true;
}

static bool parse_register(Parse *p, uint64_t *value)
{
    char name[16];
    size_t length = 0;
    p->at++;
    while ((g_ascii_isalnum(p->at[length]) || strchr("._", p->at[length])) && p->at[length])
        length++;
    if (length >= sizeof(name))
        return fail(p, "unknown register");
    memcpy(name, p->at, length);
    name[length] = '\0';
    if (!p->lookup || !p->lookup(p->opaque, name, value)) {
        g_set_error(p->error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "unknown register '$%s'", name);
        return false;
    }
    p->at += length;
    return true;
}

static bool parse_nested(Parse *p, uint64_t *value)
{
    char c = *p->at++;
    if (++p->depth > MAX_DEPTH)
        return fail(p, "expression is nested too deeply");
    if (c == '(') {
        if (!parse_level(p, 0, value))
            return false;
        skip_blanks(p);
        if (*p->at != ')')
            return fail(p, "missing )");
        p->at++;
    } else {
        if (!parse_level(p, 3, value)) /* a factor */
            return false;
        *value = c == '-' ? -*value : c == '~' ? ~*value : *value;
    }
    p->depth--;
    return true;
}

static bool parse_factor(Parse *p, uint64_t *value)
{
    skip_blanks(p);
    if (*p->at == '\0')
        return fail(p, "expression expected");
    if (strchr("(+-~", *p->at))
        return parse_nested(p, value);
    if (*p->at == '$')
        return parse_register(p, value);
    if (p->at[0] == '\'' && p->at[1] && p->at[2] == '\'') {
        *value = (uint8_t)p->at[1];
        p->at += 3;
        return true;
    }
    if (g_ascii_isdigit(*p->at))
        return parse_number(p, value);
    return fail(p, "expression expected");
}

static bool apply(Parse *p, char op, uint64_t *left, uint64_t right)
{
    if ((op == '/' || op == '%') && right == 0)
        return fail(p, "division by zero");
    switch (op) {
    case '|':
        *left |= right;
        break;
    case '^':
        *left ^= right;
        break;
    case '&':
        *left &= right;
        break;
    case '+':
        *left += right;
        break;
    case '-':
        *left -= right;
        break;
    case '*':
        *left *= right;
        break;
    case '/':
        *left /= right;
        break;
    default:
        *left %= right;
        break;
    }
    return true;
}

/* Levels 0..2 are left-associative binary operators, level 3 a factor. */
static bool parse_level(Parse *p, unsigned level, uint64_t *value)
{
    static const char *const operators[] = {"|^&", "+-", "*/%"};
    if (level == G_N_ELEMENTS(operators))
        return parse_factor(p, value);
    if (!parse_level(p, level + 1, value))
        return false;
    for (;;) {
        skip_blanks(p);
        char op = *p->at;
        if (!op || !strchr(operators[level], op))
            return true;
        p->at++;
        uint64_t right;
        if (!parse_level(p, level + 1, &right) || !apply(p, op, value, right))
            return false;
    }
}

bool expression_parse(const char **text, RegisterLookup lookup, void *opaque, uint64_t *value,
                      GError **error)
{
    Parse p = {*text, lookup, opaque, 0, error};
    if (!parse_level(&p, 0, value))
        return false;
    skip_blanks(&p);
    *text = p.at;
    return true;
}
