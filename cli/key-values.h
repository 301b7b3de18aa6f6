/* SPDX-License-Identifier: MIT
 * Option arguments of the form key=value,key=value: split once, then applied to a
 * struct by a table of rules. A comma inside a value is written twice. */
#ifndef CLI_KEY_VALUES_H
#define CLI_KEY_VALUES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *key;
    char *value; /* NULL: the key stood alone */
} KeyValue;

typedef enum {
    KEY_STRING,  /* char * at offset */
    KEY_BOOL,    /* bool at offset; on, off, or the key alone */
    KEY_NUMBER,  /* uint64_t at offset; decimal or 0x */
    KEY_CUSTOM,  /* set() */
    KEY_ONLY,    /* text: the values, separated by '|', that change nothing here */
    KEY_REFUSED, /* text: why */
} KeyKind;

typedef struct {
    const char *key;
    KeyKind kind;
    size_t offset;
    const char *text;
    bool (*set)(void *target, const char *value, GError **error);
} KeyRule;

/* A first item without '=' gets the key `implied` (NULL: none). Free with key_values_free. */
GArray *key_values_parse(const char *text, const char *implied);
void key_values_free(GArray *list);
/* The value of a key, or NULL. */
const char *key_values_get(const GArray *list, const char *key);
/* Every pair must have a rule and stand there once. */
bool key_values_apply(const GArray *list, const KeyRule *rules, size_t count, void *target,
                      GError **error);

bool parse_on_off(const char *value, bool *on);
bool parse_number(const char *text, uint64_t *value);
/* "64K", "1.5G"; a bare number counts in `unit` bytes. */
bool parse_size(const char *text, uint64_t unit, uint64_t *bytes);
/* Is value one of the words of "a|b|c"? */
bool word_in(const char *words, const char *value);
/* false with *error set: so that a check is one line. */
bool option_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
