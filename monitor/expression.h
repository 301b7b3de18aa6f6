/* SPDX-License-Identifier: MIT
 * Address expressions of the monitor: 64-bit integers, C operators, $registers. */
#ifndef MONITOR_EXPRESSION_H
#define MONITOR_EXPRESSION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Value of the register called `name` (without $). */
typedef bool (*RegisterLookup)(void *opaque, const char *name, uint64_t *value);

/* One expression from *text on; *text is left behind it, blanks skipped.
 * Numbers: 10, 0x10, 'c'. Operators, weakest first: | ^ & then + - then * / % then unary + - ~. */
bool expression_parse(const char **text, RegisterLookup lookup, void *opaque, uint64_t *value,
                      GError **error);

#endif
