/* SPDX-License-Identifier: MIT
 * Cuts a stream of bytes into JSON objects and arrays, wherever it is broken into pieces. Knows
 * only strings and brackets; what it gives out still has to be parsed. Bounded: a value has at
 * most JSON_SPLIT_MAX bytes and JSON_SPLIT_DEPTH levels. */
#ifndef MONITOR_JSON_SPLIT_H
#define MONITOR_JSON_SPLIT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { JSON_SPLIT_MAX = 1 << 20, JSON_SPLIT_DEPTH = 64 };

typedef struct {
    GString *text;  /* of the value that is not complete */
    uint64_t depth; /* open brackets */
    bool in_string, escaped;
    bool skip_line;    /* something else: skipped up to the end of the line */
    const char *fault; /* why the value is thrown away */
} JsonSplit;

/* One byte. true: here is the end of *text (caller frees), or of something that is none, then
 * *text is NULL and *fault says why. */
bool json_split_feed(JsonSplit *split, uint8_t byte, char **text, const char **fault);
void json_split_clear(JsonSplit *split); /* start over; frees */

#endif
