/* SPDX-License-Identifier: MIT
 * One edited line of a terminal in raw mode: bytes in, echo out. Knows no chardev.
 * Not libedit: that one reads a file descriptor itself and waits for it, while a monitor's bytes
 * come from the main loop, several monitors at a time. */
#ifndef MONITOR_LINE_EDIT_H
#define MONITOR_LINE_EDIT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LineEdit LineEdit;

LineEdit *line_edit_new(const char *prompt);
void line_edit_free(LineEdit *edit);
/* Tab: complete appends (to be freed) the words that may stand instead of the last one of
 * `line`, which ends at the cursor. */
typedef void (*LineEditComplete)(void *opaque, const char *line, GPtrArray *words);
void line_edit_set_complete(LineEdit *edit, LineEditComplete complete, void *opaque);
/* Of char *, oldest first. */
const GPtrArray *line_edit_history(const LineEdit *edit);
/* A fresh line: the prompt. */
void line_edit_start(LineEdit *edit, GString *echo);
/* One typed byte; what the terminal shall show is appended to echo. When it ends the line: the
 * line (caller frees), else NULL. */
char *line_edit_feed(LineEdit *edit, uint8_t byte, GString *echo);

#endif
