/* SPDX-License-Identifier: MIT */
#include "base/trace.h"

#include <stdarg.h>

#include "base/log.h"

bool trace_on[TRACE_COUNT];

static const struct {
    const char *name, *help;
} events[] = {
#define TRACE(name, format, help) {#name, help},
#include "base/trace.def"
#undef TRACE
};

void trace_print(unsigned event, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    g_vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    log_line("%s %s", events[event].name, text);
}

unsigned trace_set(const char *glob, bool on)
{
    unsigned count = 0;
    if (!g_utf8_validate(glob, -1, NULL))
        return 0; /* GLib's patterns abort on it */
    for (unsigned i = 0; i < TRACE_COUNT; i++) {
        if (!g_pattern_match_simple(glob, events[i].name))
            continue;
        trace_on[i] = on;
        count++;
    }
    return count;
}

void trace_list(GString *out)
{
    for (unsigned i = 0; i < TRACE_COUNT; i++)
        g_string_append_printf(out, "%-17s %-3s  %s\n", events[i].name, trace_on[i] ? "on" : "off",
                               events[i].help);
}
