/* SPDX-License-Identifier: MIT */
#include "monitor/script.h"

#include <stdio.h>

#include "base/error.h"
#include "base/main-loop.h"
#include "monitor/execution.h"

struct Script {
    Machine *machine;
    char *path;
    char **lines;
    unsigned next;        /* the first line that was not begun; counts from 0 */
    bool ended;           /* the last one is done, or one has failed */
    guint source;         /* begins the next line; 0: none */
    Execution *execution; /* of the line before next; NULL: none */
};

static gboolean run_next(gpointer opaque);

static void line_done(void *opaque, const char *output, const GError *error, bool leaving)
{
    Script *script = opaque;
    script->execution = NULL;
    fputs(output, stdout);
    fflush(stdout);
    if (error) {
        fprintf(stderr, "dbtvm: %s:%u: %s\n", script->path, script->next, error->message);
        script->ended = true;
        script->machine->quit(script->machine, 1);
    } else if (leaving) {
        script->ended = true;
    } else {
        script->source = main_loop_post(run_next, script);
    }
}

static gboolean run_next(gpointer opaque)
{
    Script *script = opaque;
    script->source = 0;
    if (script->lines[script->next])
        script->execution = execution_start(script->machine, script->lines[script->next++], NULL,
                                            line_done, script);
    else
        script->ended = true;
    return G_SOURCE_REMOVE;
}

Script *script_new(Machine *machine, const char *path, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, &reason)) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "-script %s: %s", path, reason->message);
        return NULL;
    }
    Script *script = g_new0(Script, 1);
    script->machine = machine;
    script->path = g_strdup(path);
    script->lines = g_strsplit(text, "\n", -1);
    script->source = main_loop_post(run_next, script);
    return script;
}

void script_free(Script *script)
{
    if (!script)
        return;
    if (script->source)
        g_source_remove(script->source);
    execution_cancel(script->execution);
    g_strfreev(script->lines);
    g_free(script->path);
    g_free(script);
}

static bool only_comments_left(const Script *script)
{
    for (char **line = script->lines + script->next; *line; line++) {
        const char *p = *line;
        while (g_ascii_isspace(*p))
            p++;
        if (*p && *p != '#')
            return false;
    }
    return true;
}

int script_exit_code(Script *script, int code)
{
    if (!script || script->ended || code != 0)
        return code;
    bool awaited = script->execution ? execution_awaits_exit(script->execution) : true;
    if (awaited && only_comments_left(script))
        return code;
    fprintf(stderr, "dbtvm: %s:%u: the machine ended before the script did\n", script->path,
            script->next);
    return 1;
}
