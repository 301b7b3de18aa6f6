/* SPDX-License-Identifier: MIT */
#include "monitor/json-split.h"

#include <string.h>

enum { FIRST_PRINTABLE = 0x20 };

void json_split_clear(JsonSplit *split)
{
    if (split->text)
        g_string_free(split->text, TRUE);
    *split = (JsonSplit){0};
}

static bool finish(JsonSplit *split, char **text, const char **fault)
{
    *fault = split->fault;
    *text = split->fault ? NULL : g_strdup(split->text->str);
    json_split_clear(split);
    return true;
}

static bool fail(JsonSplit *split, const char *why, bool skip_line, char **text, const char **fault)
{
    split->fault = why;
    finish(split, text, fault);
    split->skip_line = skip_line;
    return true;
}

/* Outside of any value. */
static bool between(JsonSplit *split, uint8_t byte, char **text, const char **fault)
{
    if (split->skip_line) {
        split->skip_line = byte != '\n';
        return false;
    }
    if (byte == '{' || byte == '[') {
        split->text = g_string_new_len((const char *)&byte, 1);
        split->depth = 1;
        return false;
    }
    return !strchr(" \t\r\n", byte) &&
           fail(split, "JSON parse error, an object was expected", true, text, fault);
}

static void track(JsonSplit *split, uint8_t byte)
{
    if (split->in_string) {
        bool escaped = split->escaped;
        split->escaped = byte == '\\' && !escaped;
        split->in_string = escaped || byte != '"';
    } else if (byte == '"') {
        split->in_string = true;
    } else if (byte == '{' || byte == '[') {
        split->depth++;
    } else if (byte == '}' || byte == ']') {
        split->depth--;
    }
}

bool json_split_feed(JsonSplit *split, uint8_t byte, char **text, const char **fault)
{
    if (split->depth == 0)
        return between(split, byte, text, fault);
    /* A string never contains control characters: with the next line all is well again. */
    if (byte < FIRST_PRINTABLE && (split->in_string || !strchr("\t\r\n", byte) || byte == '\0'))
        return fail(split, "JSON parse error, control character", byte != '\n', text, fault);
    track(split, byte);
    if (split->depth > JSON_SPLIT_DEPTH)
        split->fault = "JSON parse error, nested too deeply";
    if (split->text->len == JSON_SPLIT_MAX)
        split->fault = "JSON parse error, the value is too long";
    if (split->fault)
        g_string_truncate(split->text, 0); /* go on to its end */
    else
        g_string_append_c(split->text, (char)byte);
    return split->depth == 0 && finish(split, text, fault);
}
