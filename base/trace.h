/* SPDX-License-Identifier: MIT
 * Trace events: one row each in trace.def, off until a pattern names them. A site costs one load
 * and branch while off. Like the log, one set per process; never from the signal handler. */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>

enum {
#define TRACE(name, format, help) TRACE_##name,
#include "base/trace.def"
#undef TRACE
    TRACE_COUNT
};

/* Formats as arrays, so that the compiler checks the values against them. */
#define TRACE(name, format, help) G_GNUC_UNUSED static const char trace_format_##name[] = format;
#include "base/trace.def"
#undef TRACE

extern bool trace_on[TRACE_COUNT];

#define trace(name, ...)                                                                           \
    do {                                                                                           \
        if (G_UNLIKELY(trace_on[TRACE_##name]))                                                    \
            trace_print(TRACE_##name, trace_format_##name, __VA_ARGS__);                           \
    } while (0)

void trace_print(unsigned event, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Turn the events that a glob names on or off; returns how many. */
unsigned trace_set(const char *glob, bool on);
/* One line an event. */
void trace_list(GString *out);

#endif
