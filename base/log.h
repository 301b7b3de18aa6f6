/* SPDX-License-Identifier: MIT
 * Debug log (-d, -D). One log per process: it is a diagnostic channel, not
 * machine state. Not for messages to the user (those go to stderr at cli/).
 * log_printf may be called from any thread, never from the signal handler and
 * never while guest FP state is in the host's registers. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
#define LOG_ITEM(name, word, help) LOG_BIT_##name,
#include "base/log-items.def"
#undef LOG_ITEM
    LOG_BIT_COUNT
};

enum {
#define LOG_ITEM(name, word, help) LOG_##name = 1u << LOG_BIT_##name,
#include "base/log-items.def"
#undef LOG_ITEM
};

extern uint32_t log_mask; /* set by log_open before any thread starts, later by the monitor while the vCPU is paused */

static inline bool log_enabled(uint32_t items)
{
    return G_UNLIKELY((log_mask & items) != 0);
}

/* Parse "in_asm,int"; true and *mask on success. "trace:GLOB" turns trace events on at once. "help"
 * is the caller's business. */
bool log_parse_items(const char *list, uint32_t *mask, GError **error);
/* The list that `-d help` prints; caller frees. */
char *log_help(void);
/* Open `path` (NULL: stderr) and start logging `mask`. Again: no thread may be logging. */
bool log_open(uint32_t mask, const char *path, GError **error);

/* Write one line; prints only if an item of `items` is enabled. */
void log_printf(uint32_t items, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* As log_printf, at most 10 lines a second and site, for what a hostile guest
 * can repeat (GUEST_ERRORS, UNIMP). `site` is a static counter of the caller. */
typedef struct {
    int64_t window_start_us;
    unsigned count;
} LogSite;
void log_limited(LogSite *site, uint32_t items, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* One line, whatever is enabled. */
void log_line(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* -dfilter "ADDRESS..ADDRESS,ADDRESS+SIZE,ADDRESS-SIZE": guest addresses whose blocks in_asm, op,
 * op_opt, out_asm and exec show. Before any thread starts. */
bool log_set_filter(const char *ranges, GError **error);
bool log_in_filter(uint64_t address);

#define log_guest_error(...)                                                                       \
    do {                                                                                           \
        static LogSite log_site_;                                                                  \
        if (log_enabled(LOG_GUEST_ERRORS))                                                         \
            log_limited(&log_site_, LOG_GUEST_ERRORS, __VA_ARGS__);                                \
    } while (0)
#define log_unimp(...)                                                                             \
    do {                                                                                           \
        static LogSite log_site_;                                                                  \
        if (log_enabled(LOG_UNIMP))                                                                \
            log_limited(&log_site_, LOG_UNIMP, __VA_ARGS__);                                       \
    } while (0)

#endif
