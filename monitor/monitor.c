/* SPDX-License-Identifier: MIT
 * The monitor's prompt on a chardev. Typed bytes arrive with the io lock held; lines
 * are executed without it, from a source of the main loop, so that commands may stop
 * the machine. */
#include "monitor/monitor.h"

#include <string.h>

#include "base/main-loop.h"
#include "monitor/execution.h"
#include "monitor/line-edit.h"

#define PROMPT "(dbtvm) "

enum { TYPED_MAX = 4096, CTRL_C = 3 };

struct Monitor {
    Machine *machine;
    Chardev *chardev;
    int front;   /* -1 while attaching */
    bool opened; /* somebody is at the other side */
    bool greeted;
    LineEdit *edit;
    GByteArray *typed; /* not edited yet */
    guint old_typed;   /* how much of it, from the start, is of clients who have gone */
    char *line;        /* waits for its source, or is being executed; NULL: none */
    bool old_line;     /* it is of one who has gone */
    guint source;
    Execution *execution; /* of the line; NULL: none, or not begun */
};

static const char greeting[] =
    "dbtvm " DBTVM_VERSION " monitor - type 'help' for more information\n";

/* Io lock held. Terminals and sockets alike want \r\n. */
static void print(Monitor *monitor, const char *text, gsize length)
{
    GString *out = g_string_sized_new(length + 64);
    for (gsize i = 0; i < length; i++) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
            g_string_append_c(out, '\r');
        g_string_append_c(out, text[i]);
    }
    if (out->len > 0 && monitor->front >= 0)
        chardev_write(monitor->chardev, monitor->front, (const uint8_t *)out->str, out->len);
    g_string_free(out, TRUE);
}

static void print_prompt(Monitor *monitor)
{
    GString *echo = g_string_new(NULL);
    line_edit_start(monitor->edit, echo);
    print(monitor, echo->str, echo->len);
    g_string_free(echo, TRUE);
}

static void greet(Monitor *monitor)
{
    if (!monitor->greeted)
        print(monitor, greeting, sizeof(greeting) - 1);
    monitor->greeted = true;
    if (!monitor->line)
        print_prompt(monitor);
}

static gboolean run_line(gpointer opaque);

/* Edit what was typed, up to the end of a line, unless nobody reads what came before. Io lock held.
 */
static void edit_typed(Monitor *monitor)
{
    GString *echo = g_string_new(NULL);
    guint used = 0;
    while (used < monitor->typed->len && !monitor->line && !chardev_is_full(monitor->chardev)) {
        const gsize shown = echo->len;
        monitor->old_line = used < monitor->old_typed;
        monitor->line = line_edit_feed(monitor->edit, monitor->typed->data[used++], echo);
        if (monitor->old_line)
            g_string_truncate(echo, shown);
        if (monitor->old_line && used == monitor->old_typed && !monitor->line)
            line_edit_start(monitor->edit, echo); /* the prompt that the new client waits for */
    }
    g_byte_array_remove_range(monitor->typed, 0, used);
    monitor->old_typed -= MIN(used, monitor->old_typed);
    print(monitor, echo->str, echo->len);
    g_string_free(echo, TRUE);
    if (monitor->line && !monitor->source && !monitor->execution) /* not the line that runs now */
        monitor->source = main_loop_post(run_line, monitor);
}

static void next_line(Monitor *monitor)
{
    if (monitor->old_typed == 0)
        print_prompt(monitor);
    edit_typed(monitor);
    chardev_accept_input(monitor->chardev);
}

/* The line is done: the next one. What those who have gone asked for is not shown to others. */
static void finish_line(void *opaque, const char *output, const GError *error, bool leaving)
{
    Monitor *monitor = opaque;
    address_space_lock(monitor->machine->as);
    monitor->execution = NULL;
    if (!monitor->old_line)
        print(monitor, output, strlen(output));
    if (error && !monitor->old_line) {
        print(monitor, error->message, strlen(error->message));
        print(monitor, "\n", 1);
    }
    if (!leaving) {
        g_clear_pointer(&monitor->line, g_free);
        next_line(monitor);
    }
    address_space_unlock(monitor->machine->as);
}

static void abandon_line(Monitor *monitor)
{
    g_clear_pointer(&monitor->execution, execution_cancel);
    g_clear_pointer(&monitor->line, g_free);
}

/* What was typed after it goes, too. */
static void interrupt(Monitor *monitor)
{
    g_byte_array_set_size(monitor->typed, 0);
    monitor->old_typed = 0;
    abandon_line(monitor);
}

static gboolean run_line(gpointer opaque)
{
    Monitor *monitor = opaque;
    const bool old = monitor->old_line;
    monitor->source = 0;
    /* The prompt comes when it is done: after sendkey and type, when the guest has read the keys */
    monitor->execution = execution_start(monitor->machine, monitor->line,
                                         line_edit_history(monitor->edit), finish_line, monitor);
    if (!old || !monitor->execution)
        return G_SOURCE_REMOVE;
    /* Nobody waits for it, but somebody else for the prompt. */
    address_space_lock(monitor->machine->as);
    abandon_line(monitor);
    next_line(monitor);
    address_space_unlock(monitor->machine->as);
    return G_SOURCE_REMOVE;
}

static size_t on_can_receive(void *opaque)
{
    const Monitor *monitor = opaque;
    return TYPED_MAX - MIN(monitor->typed->len, TYPED_MAX);
}

static void on_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Monitor *monitor = opaque;
    const uint8_t *ctrl_c = monitor->execution ? memrchr(bytes, CTRL_C, count) : NULL;
    if (ctrl_c) {
        print(monitor, "^C\n", 3);
        interrupt(monitor);
        print_prompt(monitor);
        count -= (size_t)(ctrl_c + 1 - bytes);
        bytes = ctrl_c + 1;
    }
    g_byte_array_append(monitor->typed, bytes, (guint)count);
    edit_typed(monitor);
}

/* Whole lines of the last client are still executed, unless they take their time. */
static void begin_client(Monitor *monitor)
{
    GByteArray *typed = monitor->typed;
    monitor->greeted = false;
    if (monitor->execution)
        interrupt(monitor);
    while (typed->len > 0 && typed->data[typed->len - 1] != '\n' &&
           typed->data[typed->len - 1] != '\r')
        g_byte_array_set_size(typed, typed->len - 1);
    monitor->old_typed = typed->len;
    monitor->old_line = true;
    greet(monitor);
}

static void on_event(void *opaque, ChardevEvent event)
{
    Monitor *monitor = opaque;
    switch (event) {
    case CHARDEV_OPENED:
        monitor->opened = true;
        if (monitor->front == 0)
            begin_client(monitor);
        break;
    case CHARDEV_FOCUS: /* of a mux: the console was on the screen until now */
        print(monitor, "\n", 1);
        greet(monitor);
        break;
    case CHARDEV_CLOSED:
        monitor->opened = false;
        break;
    case CHARDEV_DRAINED:
        edit_typed(monitor);
        chardev_accept_input(monitor->chardev);
        break;
    case CHARDEV_BREAK:
        break;
    }
}

static const ChardevHandler handler = {on_can_receive, on_receive, on_event};

static void on_complete(void *opaque, const char *line, GPtrArray *words)
{
    command_complete(opaque, line, words);
}

Monitor *monitor_new(Machine *machine, Chardev *chardev)
{
    Monitor *monitor = g_new0(Monitor, 1);
    monitor->machine = machine;
    monitor->chardev = chardev;
    monitor->edit = line_edit_new(PROMPT);
    line_edit_set_complete(monitor->edit, on_complete, machine);
    monitor->typed = g_byte_array_new();
    monitor->front = -1;
    address_space_lock(machine->as);
    monitor->front = chardev_attach(chardev, &handler, monitor);
    if (monitor->front == 0 && monitor->opened) /* behind a mux it waits for the focus */
        greet(monitor);
    address_space_unlock(machine->as);
    return monitor;
}

void monitor_free(Monitor *monitor)
{
    if (!monitor)
        return;
    if (monitor->source)
        g_source_remove(monitor->source);
    execution_cancel(monitor->execution);
    line_edit_free(monitor->edit);
    g_byte_array_free(monitor->typed, TRUE);
    g_free(monitor->line);
    g_free(monitor);
}
