/* SPDX-License-Identifier: MIT */
#include "monitor/execution.h"

enum { POLL_MS = 5 };

struct Execution {
    Command command;
    char *line;
    ExecutionDone done;
    void *opaque;
    guint source;
};

static void free_execution(Execution *execution)
{
    if (execution->command.poll_free)
        execution->command.poll_free(execution->command.poll_state);
    g_string_free(execution->command.out, TRUE);
    g_free(execution->line);
    g_free(execution);
}

static void finish(Execution *execution, const GError *error)
{
    execution->done(execution->opaque, execution->command.out->str, error,
                    execution->command.leaving);
    free_execution(execution);
}

static gboolean poll(gpointer opaque)
{
    Execution *execution = opaque;
    Command *command = &execution->command;
    g_autoptr(GError) error = NULL;
    if (command->poll(command->poll_state, command->out, &error) == POLL_AGAIN)
        return G_SOURCE_CONTINUE;
    execution->source = 0;
    finish(execution, error);
    return G_SOURCE_REMOVE;
}

Execution *execution_start(Machine *machine, const char *line, const GPtrArray *history,
                           ExecutionDone done, void *opaque)
{
    g_autoptr(GError) error = NULL;
    Execution *execution = g_new0(Execution, 1);
    execution->line = g_strchomp(g_strdup(line));
    execution->command = (Command){
        .machine = machine, .rest = execution->line, .out = g_string_new(NULL), .history = history};
    execution->done = done;
    execution->opaque = opaque;
    if (command_run(&execution->command, &error) && execution->command.poll) {
        execution->source = g_timeout_add(POLL_MS, poll, execution);
        return execution;
    }
    finish(execution, error);
    return NULL;
}

bool execution_awaits_exit(const Execution *execution)
{
    return execution && execution->command.awaits_exit;
}

void execution_cancel(Execution *execution)
{
    if (!execution)
        return;
    g_source_remove(execution->source);
    free_execution(execution);
}
