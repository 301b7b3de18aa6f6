/* SPDX-License-Identifier: MIT
 * What a user may type at the monitor: each line typed through the editor (escape sequences, Tab),
 * then executed as a script would. */
#include <string.h>

#include "monitor/command.h"
#include "monitor/execution.h"
#include "monitor/line-edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine-bed.h"

enum { LINES_MAX = 32 };

static void complete(void *opaque, const char *line, GPtrArray *words)
{
    command_complete(opaque, line, words);
}

static void note_done(void *opaque, const char *output, const GError *error, bool leaving)
{
    *(bool *)opaque = true;
    g_assert(!error || error->message[0]);
}

static void execute(Machine *machine, const char *line)
{
    bool done = false;
    Execution *execution = execution_start(machine, line, NULL, note_done, &done);
    for (int i = 0; i < 3 && !done; i++)
        g_main_context_iteration(NULL, FALSE);
    if (!done)
        execution_cancel(execution);
}

static void type(Machine *machine, const char *text, size_t count)
{
    LineEdit *edit = line_edit_new("> ");
    g_autoptr(GString) echo = g_string_new(NULL);
    line_edit_set_complete(edit, complete, machine);
    for (size_t i = 0; i < count; i++)
        g_free(line_edit_feed(edit, (uint8_t)text[i], echo));
    line_edit_free(edit);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    Machine *machine = machine_bed_open();
    g_autofree char *text = fuzz_text(bytes, count);
    type(machine, text, count);
    g_auto(GStrv) lines = g_strsplit(text, "\n", LINES_MAX);
    for (unsigned i = 0; lines[i]; i++) {
        g_strdelimit(lines[i], "\n", ' ');
        execute(machine, lines[i]);
    }
    machine_bed_close();
    return 0;
}
