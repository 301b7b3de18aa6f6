/* SPDX-License-Identifier: MIT
 * Keys are those of readline and VT100 cursor keys. A byte typed at the end of the line
 * is only echoed, so that transcripts of scripts stay clean. */
#include "monitor/line-edit.h"

#include <string.h>

enum { LINE_MAX_BYTES = 4096, HISTORY_MAX = 100, LISTED_MAX = 100 };
enum { CTRL_BASE = 0x40, ESCAPE = 0x1b, DEL = 0x7f };
#define CTRL(letter) ((letter)-CTRL_BASE)

typedef enum { ESC_NONE, ESC_SEEN, ESC_BRACKET } EscapeState;

struct LineEdit {
    char *prompt;
    GString *line;
    gsize cursor; /* byte offset, at the start of a character */
    EscapeState escape;
    uint8_t escape_digit;
    bool after_return; /* swallow the \n of \r\n */
    GPtrArray *history;
    LineEditComplete complete; /* NULL: none */
    void *complete_opaque;
    guint at; /* shown history entry; history->len: the new line */
};

LineEdit *line_edit_new(const char *prompt)
{
    LineEdit *edit = g_new0(LineEdit, 1);
    edit->prompt = g_strdup(prompt);
    edit->line = g_string_new(NULL);
    edit->history = g_ptr_array_new_with_free_func(g_free);
    return edit;
}

void line_edit_free(LineEdit *edit)
{
    g_free(edit->prompt);
    g_string_free(edit->line, TRUE);
    g_ptr_array_free(edit->history, TRUE);
    g_free(edit);
}

void line_edit_set_complete(LineEdit *edit, LineEditComplete complete, void *opaque)
{
    edit->complete = complete;
    edit->complete_opaque = opaque;
}

const GPtrArray *line_edit_history(const LineEdit *edit)
{
    return edit->history;
}

void line_edit_start(LineEdit *edit, GString *echo)
{
    g_string_truncate(edit->line, 0);
    edit->cursor = 0;
    edit->escape = ESC_NONE;
    edit->at = edit->history->len;
    g_string_append(echo, edit->prompt);
}

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80; /* UTF-8 */
}

static gsize previous(const LineEdit *edit, gsize at)
{
    while (at > 0 && is_continuation(edit->line->str[--at]))
        ;
    return at;
}

static gsize next(const LineEdit *edit, gsize at)
{
    if (at < edit->line->len)
        at++;
    while (at < edit->line->len && is_continuation(edit->line->str[at]))
        at++;
    return at;
}

static void redraw(const LineEdit *edit, GString *echo)
{
    unsigned behind = 0; /* characters after the cursor */
    for (gsize i = edit->cursor; i < edit->line->len; i++)
        behind += !is_continuation(edit->line->str[i]);
    g_string_append_printf(echo, "\r%s%s\x1b[K", edit->prompt, edit->line->str);
    if (behind)
        g_string_append_printf(echo, "\x1b[%uD", behind);
}

static void insert(LineEdit *edit, uint8_t byte, GString *echo)
{
    if (edit->line->len >= LINE_MAX_BYTES)
        return;
    bool at_end = edit->cursor == edit->line->len;
    g_string_insert_c(edit->line, (gssize)edit->cursor++, (char)byte);
    if (at_end)
        g_string_append_c(echo, (char)byte);
    else
        redraw(edit, echo);
}

static void erase(LineEdit *edit, gsize from, gsize to, GString *echo)
{
    if (from == to)
        return;
    bool last = to - from == 1 && to == edit->line->len && edit->cursor == to;
    g_string_erase(edit->line, (gssize)from, (gssize)(to - from));
    edit->cursor = from;
    if (last)
        g_string_append(echo, "\b \b");
    else
        redraw(edit, echo);
}

static void move_to(LineEdit *edit, gsize cursor, GString *echo)
{
    edit->cursor = cursor;
    redraw(edit, echo);
}

static void show_history(LineEdit *edit, int step, GString *echo)
{
    if ((step < 0 && edit->at == 0) || (step > 0 && edit->at == edit->history->len))
        return;
    edit->at = (guint)((int)edit->at + step);
    g_string_assign(edit->line, edit->at < edit->history->len
                                    ? g_ptr_array_index(edit->history, edit->at)
                                    : "");
    move_to(edit, edit->line->len, echo);
}

static gsize word_start(const LineEdit *edit)
{
    gsize at = edit->cursor;
    while (at > 0 && edit->line->str[at - 1] == ' ')
        at--;
    while (at > 0 && edit->line->str[at - 1] != ' ')
        at--;
    return at;
}

/* Completion */

static gsize common_length(const GPtrArray *words)
{
    const char *first = g_ptr_array_index(words, 0);
    gsize length = strlen(first);
    for (guint i = 1; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i);
        gsize same = 0;
        while (same < length && word[same] == first[same])
            same++;
        length = same;
    }
    return length;
}

static void list_words(const LineEdit *edit, const GPtrArray *words, GString *echo)
{
    for (guint i = 0; i < MIN(words->len, LISTED_MAX); i++)
        g_string_append_printf(echo, "%s%s", i ? "  " : "\n",
                               (const char *)g_ptr_array_index(words, i));
    g_string_append(echo, words->len > LISTED_MAX ? "  ...\n" : "\n");
    redraw(edit, echo);
}

static void replace_word(LineEdit *edit, gsize start, const char *word, gsize length)
{
    g_string_erase(edit->line, (gssize)start, (gssize)(edit->cursor - start));
    g_string_insert_len(edit->line, (gssize)start, word, (gssize)length);
    edit->cursor = start + length;
}

static void complete(LineEdit *edit, GString *echo)
{
    g_autofree char *before = g_strndup(edit->line->str, edit->cursor);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    if (edit->complete)
        edit->complete(edit->complete_opaque, before, words);
    if (words->len == 0)
        return;
    const char *blank = strrchr(before, ' ');
    gsize start = blank ? (gsize)(blank + 1 - before) : 0, length = common_length(words);
    if (edit->line->len + length + 1 > LINE_MAX_BYTES)
        return;
    if (words->len > 1 && length <= edit->cursor - start) {
        list_words(edit, words, echo);
        return;
    }
    const char *word = g_ptr_array_index(words, 0);
    replace_word(edit, start, word, length);
    if (words->len == 1 && !g_str_has_suffix(word, "/") && edit->cursor == edit->line->len)
        g_string_insert_c(edit->line, (gssize)edit->cursor++, ' ');
    redraw(edit, echo);
}

static char *finish(LineEdit *edit, GString *echo)
{
    GPtrArray *history = edit->history;
    const char *line = edit->line->str;
    g_string_append_c(echo, '\n');
    bool repeated = history->len > 0 && !strcmp(g_ptr_array_index(history, history->len - 1), line);
    if (*line && !repeated) {
        if (history->len == HISTORY_MAX)
            g_ptr_array_remove_index(history, 0);
        g_ptr_array_add(history, g_strdup(line));
    }
    return g_strdup(line);
}

/* The final byte of ESC [ ... */
static void cursor_key(LineEdit *edit, uint8_t byte, GString *echo)
{
    switch (byte) {
    case 'A':
        show_history(edit, -1, echo);
        break;
    case 'B':
        show_history(edit, 1, echo);
        break;
    case 'C':
        move_to(edit, next(edit, edit->cursor), echo);
        break;
    case 'D':
        move_to(edit, previous(edit, edit->cursor), echo);
        break;
    case 'H':
        move_to(edit, 0, echo);
        break;
    case 'F':
        move_to(edit, edit->line->len, echo);
        break;
    case '~':
        if (edit->escape_digit == '3')
            erase(edit, edit->cursor, next(edit, edit->cursor), echo);
        break;
    default:
        break;
    }
}

static void escape_byte(LineEdit *edit, uint8_t byte, GString *echo)
{
    if (edit->escape == ESC_SEEN) {
        edit->escape = byte == '[' || byte == 'O' ? ESC_BRACKET : ESC_NONE;
        edit->escape_digit = 0;
    } else if (byte >= 0x20 && byte < 0x40) { /* a parameter */
        edit->escape_digit = byte;
    } else {
        edit->escape = ESC_NONE;
        cursor_key(edit, byte, echo);
    }
}

static void control_key(LineEdit *edit, uint8_t byte, GString *echo)
{
    switch (byte) {
    case CTRL('A'):
        move_to(edit, 0, echo);
        break;
    case CTRL('E'):
        move_to(edit, edit->line->len, echo);
        break;
    case CTRL('B'):
        move_to(edit, previous(edit, edit->cursor), echo);
        break;
    case CTRL('F'):
        move_to(edit, next(edit, edit->cursor), echo);
        break;
    case CTRL('P'):
        show_history(edit, -1, echo);
        break;
    case CTRL('N'):
        show_history(edit, 1, echo);
        break;
    case CTRL('H'):
    case DEL:
        erase(edit, previous(edit, edit->cursor), edit->cursor, echo);
        break;
    case CTRL('D'):
        erase(edit, edit->cursor, next(edit, edit->cursor), echo);
        break;
    case CTRL('I'):
        complete(edit, echo);
        break;
    case CTRL('K'):
        erase(edit, edit->cursor, edit->line->len, echo);
        break;
    case CTRL('U'):
        erase(edit, 0, edit->cursor, echo);
        break;
    case CTRL('W'):
        erase(edit, word_start(edit), edit->cursor, echo);
        break;
    case CTRL('L'):
        g_string_append(echo, "\x1b[2J\x1b[H");
        redraw(edit, echo);
        break;
    case CTRL('C'):
        g_string_append(echo, "^C\n");
        line_edit_start(edit, echo);
        break;
    default:
        break;
    }
}

char *line_edit_feed(LineEdit *edit, uint8_t byte, GString *echo)
{
    bool after_return = edit->after_return;
    edit->after_return = byte == '\r';
    if (byte == '\n' && after_return)
        return NULL;
    if (byte == '\r' || byte == '\n') {
        edit->escape = ESC_NONE;
        return finish(edit, echo);
    }
    if (edit->escape != ESC_NONE)
        escape_byte(edit, byte, echo);
    else if (byte == ESCAPE)
        edit->escape = ESC_SEEN;
    else if (byte < 0x20 || byte == DEL)
        control_key(edit, byte, echo);
    else
        insert(edit, byte, echo);
    return NULL;
}
