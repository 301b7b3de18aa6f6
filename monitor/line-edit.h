/* SPDX-License-Identifier: MIT
 * One edited line of a terminal in raw mode: bytes in, echo out. Knows no chardev. */
#ifndef MONITOR_LINE_EDIT_H
#define MONITOR_LINE_EDIT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LineEdit LineEdit;

LineEdit *line_edit_new(const char *prompt);
void line_edit_free(LineEdit *edit);
/* A fresh line: the prompt. */
void line_edit_start(LineEdit *edit, GString *echo);
/* One typed byte; what the terminal shall show is appended to echo. When it ends the line: the
 * line (caller frees), else NULL. */
char *line_edit_feed(LineEdit *edit, uint8_t byte, GString *echo);

#endif
