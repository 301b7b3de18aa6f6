/* SPDX-License-Identifier: MIT
 * json-glib takes more than JSON (comments, octal and hexadecimal numbers), and turns numbers that
 * it cannot hold into others without a word. Looked for before, in the text. */
#ifndef MONITOR_JSON_PLAIN_H
#define MONITOR_JSON_PLAIN_H

/* What is wrong with the numbers and words of the text, or NULL. Strings may have single quotes, as
 * QMP's own parser takes them. */
const char *json_plain_fault(const char *text);

#endif
