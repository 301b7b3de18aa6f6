/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/trace.h"

enum { LIMIT_PER_SECOND = 10, MAX_RANGES = 64 };

typedef struct {
    uint64_t first, last;
} LogRange;

uint32_t log_mask;
static FILE *log_file;
static LogRange log_ranges[MAX_RANGES];
static unsigned log_range_count; /* 0: everything */

static const struct {
    const char *word;
    const char *help;
} log_items[] = {
#define LOG_ITEM(name, word, help) {word, help},
#include "base/log-items.def"
#undef LOG_ITEM
};

static bool enable_trace(const char *glob, GError **error)
{
    if (trace_set(glob, true) > 0)
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                "no trace event is called '%s'; '-d trace:help' lists them", glob);
    return false;
}

bool log_parse_items(const char *list, uint32_t *mask, GError **error)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    uint32_t result = 0;
    for (char **word = words; *word; word++) {
        unsigned i = 0;
        if (g_str_has_prefix(*word, "trace:")) {
            if (!enable_trace(*word + strlen("trace:"), error))
                return false;
            continue;
        }
        while (i < LOG_BIT_COUNT && strcmp(*word, log_items[i].word) != 0)
            i++;
        if (i == LOG_BIT_COUNT) {
            g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                        "unknown log item '%s'; '-d help' lists them", *word);
            return false;
        }
        result |= 1u << i;
    }
    *mask = result;
    return true;
}

char *log_help(void)
{
    GString *s = g_string_new("Log items (comma separated):\n");
    for (unsigned i = 0; i < LOG_BIT_COUNT; i++)
        g_string_append_printf(s, "%-13s %s\n", log_items[i].word, log_items[i].help);
    g_string_append_printf(s, "%-13s %s\n", "trace:GLOB", "trace events (trace:help lists them)");
    return g_string_free(s, FALSE);
}

bool log_open(uint32_t mask, const char *path, GError **error)
{
    FILE *f = stderr;
    if (path) {
        f = fopen(path, "we");
        if (!f) {
            g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot write log file '%s': %s",
                        path, g_strerror(errno));
            return false;
        }
        setvbuf(f, NULL, _IOLBF, 0);
    }
    if (log_file && log_file != stderr)
        fclose(log_file);
    log_file = f;
    log_mask = mask;
    return true;
}

static void G_GNUC_PRINTF(1, 0) log_write(const char *format, va_list ap)
{
    FILE *f = log_file ? log_file : stderr;
    flockfile(f);
    vfprintf(f, format, ap);
    size_t n = strlen(format);
    if (n == 0 || format[n - 1] != '\n')
        fputc('\n', f);
    funlockfile(f);
}

void log_printf(uint32_t items, const char *format, ...)
{
    if (!log_enabled(items))
        return;
    va_list ap;
    va_start(ap, format);
    log_write(format, ap);
    va_end(ap);
}

void log_limited(LogSite *site, uint32_t items, const char *format, ...)
{
    if (!log_enabled(items))
        return;
    int64_t now = g_get_monotonic_time();
    if (now - site->window_start_us > G_USEC_PER_SEC) {
        site->window_start_us = now;
        site->count = 0;
    }
    if (site->count++ >= LIMIT_PER_SECOND)
        return;
    va_list ap;
    va_start(ap, format);
    log_write(format, ap);
    va_end(ap);
}

void log_line(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    log_write(format, ap);
    va_end(ap);
}

/* ---- -dfilter ---- */

static bool parse_address(const char **text, uint64_t *value)
{
    char *end;
    if (!g_ascii_isdigit(**text))
        return false;
    errno = 0;
    *value = g_ascii_strtoull(*text, &end, 0);
    *text = end;
    return errno == 0;
}

static bool parse_range(const char *text, LogRange *range)
{
    uint64_t value;
    if (!parse_address(&text, &range->first))
        return false;
    const char how = *text++;
    const bool to = how == '.' && *text++ == '.';
    if ((!to && how != '+' && how != '-') || !parse_address(&text, &value) || *text)
        return false;
    range->last = to ? value : how == '+' ? range->first + value - 1 : range->first;
    if (how == '-')
        range->first -= value - 1;
    return range->first <= range->last && (to || value > 0);
}

static bool parse_range_error(const char *text, GError **error)
{
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                "'%s' is not FROM..TO, FROM+SIZE or LAST-SIZE (at most %d ranges)", text,
                MAX_RANGES);
    return false;
}

bool log_set_filter(const char *ranges, GError **error)
{
    g_auto(GStrv) words = g_strsplit(ranges, ",", -1);
    unsigned count = 0;
    if (!*words)
        return parse_range_error("", error);
    for (char **word = words; *word; word++) {
        if (count == MAX_RANGES || !parse_range(*word, &log_ranges[count++]))
            return parse_range_error(*word, error);
    }
    log_range_count = count;
    return true;
}

bool log_in_filter(uint64_t address)
{
    for (unsigned i = 0; i < log_range_count; i++)
        if (address >= log_ranges[i].first && address <= log_ranges[i].last)
            return true;
    return log_range_count == 0;
}
