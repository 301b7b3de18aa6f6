/* SPDX-License-Identifier: MIT
 * Fills the man page and the shell completion from the program's own tables. Usage:
 * generate TEMPLATE man|bash; a template line "@name@" is replaced by the chapter of that name. */
#include <glib.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name, *argument, *help; /* help NULL: an alias; name only: a section's title */
    gboolean section, refused;
} Row;

static const Row options[] = {
#define SECTION(title)                              {title, NULL, NULL, TRUE, FALSE},
#define OPTION(name, argument, handler, data, help) {name, argument, help, FALSE, FALSE},
#define REFUSED(name, argument, why)                {name, argument, why, FALSE, TRUE},
#include "cli/options.def"
#undef SECTION
#undef OPTION
#undef REFUSED
};

static const Row commands[] = {
#define COMMAND(name, alias, run, args, help) {name, args, help, FALSE, FALSE},
#include "monitor/commands.def"
#undef COMMAND
};

static const Row infos[] = {
#define INFO(name, run, help) {name, "", help, FALSE, FALSE},
#include "monitor/infos.def"
#undef INFO
};

static const Row log_items[] = {
#define LOG_ITEM(name, word, help) {word, NULL, help, FALSE, FALSE},
#include "base/log-items.def"
#undef LOG_ITEM
};

static const Row traces[] = {
#define TRACE(name, format, help) {#name, NULL, help, FALSE, FALSE},
#include "base/trace.def"
#undef TRACE
};

static const Row counters[] = {
#define COUNTER(name, help) {#name, NULL, help, FALSE, FALSE},
#include "tcache/counters.def"
#undef COUNTER
};

/* roff: backslashes and hyphens; a line must not begin with a dot or quote. Blanks run together. */
static void print_roff(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            fputs("\\e", stdout);
        else if (*p == '-')
            fputs("\\-", stdout);
        else if (!g_ascii_isspace(*p))
            putchar(*p);
        else if (!g_ascii_isspace(p[1]))
            putchar(' ');
    }
}

static void print_item(const char *prefix, const Row *row)
{
    printf(".TP\n\\fB");
    print_roff(prefix);
    print_roff(row->name);
    printf("\\fR");
    if (row->argument && *row->argument) {
        printf("%s\\fI", row->argument[0] == '/' || row->argument[0] == '[' ? "" : " ");
        print_roff(row->argument);
        printf("\\fR");
    }
    printf("\n\\&");
    print_roff(row->help);
    printf("\n");
}

static void print_options(gboolean refused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const Row *row = &options[i];
        if (row->section && !refused && strcmp(row->name, "Not offered") != 0)
            printf(".SS %s\n", row->name);
        else if (!row->section && row->help && row->refused == refused)
            print_item("-", row);
    }
}

static void print_rows(const char *prefix, const Row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        print_item(prefix, &rows[i]);
}

static gboolean print_chapter(const char *name)
{
    if (!strcmp(name, "options"))
        print_options(FALSE);
    else if (!strcmp(name, "refused"))
        print_options(TRUE);
    else if (!strcmp(name, "commands"))
        print_rows("", commands, G_N_ELEMENTS(commands));
    else if (!strcmp(name, "infos"))
        print_rows("info ", infos, G_N_ELEMENTS(infos));
    else if (!strcmp(name, "log"))
        print_rows("", log_items, G_N_ELEMENTS(log_items));
    else if (!strcmp(name, "trace"))
        print_rows("", traces, G_N_ELEMENTS(traces));
    else if (!strcmp(name, "counters"))
        print_rows("", counters, G_N_ELEMENTS(counters));
    else if (!strcmp(name, "version"))
        printf(".TH DBTVM 1 \"\" \"dbtvm " DBTVM_VERSION "\" \"User Commands\"\n");
    else
        return FALSE;
    return TRUE;
}

/* For the shell: words of one kind on a line. */
static gboolean print_words(const char *name)
{
    const gboolean takes_file = !strcmp(name, "file-options");
    if (!strcmp(name, "log-words")) {
        printf("    local items='");
        for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++)
            printf("%s%s", i ? " " : "", log_items[i].name);
        for (size_t i = 0; i < G_N_ELEMENTS(traces); i++)
            printf(" trace:%s", traces[i].name);
        printf("'\n");
        return TRUE;
    }
    if (!takes_file && strcmp(name, "option-words") != 0)
        return FALSE;
    printf("    local %s='", takes_file ? "files" : "options");
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const Row *row = &options[i];
        if (row->section || row->refused || !row->help)
            continue;
        if (!takes_file || (row->argument && !strcmp(row->argument, "FILE")))
            printf(" -%s", row->name);
    }
    printf(" '\n");
    return TRUE;
}

int main(int argc, char **argv)
{
    char line[1024];
    FILE *template = argc == 3 ? fopen(argv[1], "r") : NULL;
    if (!template) {
        fprintf(stderr, "usage: generate TEMPLATE man|bash\n");
        return 1;
    }
    const gboolean man = !strcmp(argv[2], "man");
    while (fgets(line, sizeof line, template)) {
        g_autofree char *name = g_strdup(line);
        const size_t length = strlen(g_strchomp(name));
        if (length < 3 || name[0] != '@' || name[length - 1] != '@') {
            fputs(line, stdout);
            continue;
        }
        name[length - 1] = '\0';
        if (!(man ? print_chapter(name + 1) : print_words(name + 1))) {
            fprintf(stderr, "generate: no chapter %s\n", line);
            return 1;
        }
    }
    fclose(template);
    return 0;
}
