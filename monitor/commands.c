/* SPDX-License-Identifier: MIT
 * The command table: finds what a line asks for, hands it its arguments, prints what
 * went wrong in one line. */
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "monitor/command.h"
#include "monitor/expression.h"
#include "monitor/monitor.h"

static const struct {
    const char *name, *alias;
    CommandRun run;
    const char *args, *help;
} commands[] = {
#define COMMAND(name, alias, run, args, help) {name, alias, run, args, help},
#include "monitor/commands.def"
#undef COMMAND
};

static const struct {
    const char *name;
    CommandRun run;
    const char *help;
} infos[] = {
#define INFO(name, run, help) {name, run, help},
#include "monitor/infos.def"
#undef INFO
};

bool command_error(GError **error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (error)
        *error = g_error_new_valist(DBTVM_ERROR, DBTVM_ERROR_OPTION, format, ap);
    va_end(ap);
    return false;
}

/* Arguments */

static void skip_blanks(Command *command)
{
    while (g_ascii_isspace(*command->rest))
        command->rest++;
}

bool command_has_more(const Command *command)
{
    return *command->rest != '\0';
}

bool command_end(const Command *command, GError **error)
{
    return !command_has_more(command) ||
           command_error(error, "too many arguments: '%s'", command->rest);
}

static bool unescape_one(const char *p, char *c)
{
    static const char letters[] = "nte\\\"' ", values[] = "\n\t\x1b\\\"' ";
    const char *at = *p ? strchr(letters, *p) : NULL;
    if (at)
        *c = values[at - letters];
    return at != NULL;
}

char *command_unescape(const char *text, size_t length, GError **error)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '\\' && (i + 1 == length || !unescape_one(&text[++i], &c))) {
            command_error(error, "bad escape; known are \\n \\t \\e \\\\ \\\"");
            g_string_free(out, TRUE);
            return NULL;
        }
        g_string_append_c(out, c);
    }
    return g_string_free(out, FALSE);
}

static char *quoted_word(Command *command, bool raw, GError **error)
{
    const char *start = ++command->rest, *p = start;
    while (*p && *p != '"')
        p += *p == '\\' && p[1] ? 2 : 1;
    if (!*p) {
        command_error(error, "missing closing quote");
        return NULL;
    }
    command->rest = p + 1;
    return raw ? g_strndup(start, (gsize)(p - start))
               : command_unescape(start, (size_t)(p - start), error);
}

static char *take_word(Command *command, const char *what, bool raw, GError **error)
{
    char *word;
    if (!command_has_more(command)) {
        command_error(error, "%s is missing", what);
        return NULL;
    }
    if (*command->rest == '"') {
        word = quoted_word(command, raw, error);
    } else {
        size_t length = strcspn(command->rest, " \t");
        word = g_strndup(command->rest, length);
        command->rest += length;
    }
    skip_blanks(command);
    return word;
}

char *command_word(Command *command, const char *what, GError **error)
{
    return take_word(command, what, false, error);
}

char *command_pattern(Command *command, const char *what, GError **error)
{
    return take_word(command, what, true, error);
}

static bool lookup_register(void *opaque, const char *name, uint64_t *value)
{
    Machine *machine = opaque;
    machine_enter(machine);
    bool found = machine_register(machine, name, value);
    machine_leave(machine);
    return found;
}

bool command_expression(Command *command, const char *what, uint64_t *value, GError **error)
{
    if (!command_has_more(command))
        return command_error(error, "%s is missing", what);
    return expression_parse(&command->rest, lookup_register, command->machine, value, error);
}

bool command_number(Command *command, const char *what, uint64_t *value, GError **error)
{
    g_autofree char *word = command_word(command, what, error);
    Command one = {.machine = command->machine, .rest = word};
    return word && command_expression(&one, what, value, error) && command_end(&one, error);
}

/* Running a line */

static bool is_name_char(char c)
{
    return g_ascii_isalnum(c) || c == '_' || c == '-' || c == '?';
}

static bool take_format(Command *command, GError **error)
{
    if (*command->rest != '/')
        return true;
    size_t length = strcspn(++command->rest, " \t");
    if (length == 0 || length >= sizeof(command->format))
        return command_error(error, "bad format");
    memcpy(command->format, command->rest, length);
    command->rest += length;
    skip_blanks(command);
    return true;
}

static bool run_line(Command *command, GError **error)
{
    const char *name = command->rest;
    size_t length = 0;
    while (is_name_char(name[length]))
        length++;
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        const char *names[] = {commands[i].name, commands[i].alias};
        for (size_t k = 0; k < 2 && names[k]; k++) {
            if (strlen(names[k]) != length || strncmp(names[k], name, length) != 0)
                continue;
            command->rest += length;
            skip_blanks(command);
            if (commands[i].args[0] == '/' && !take_format(command, error))
                return false;
            return commands[i].run(command, error);
        }
    }
    return command_error(error, "unknown command: '%.*s'; help lists them",
                         (int)strcspn(name, " \t"), name);
}

bool command_run(Command *command, GError **error)
{
    skip_blanks(command);
    return !*command->rest || *command->rest == '#' || run_line(command, error);
}

void monitor_execute(Machine *machine, const char *line, GString *out)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_strchomp(g_strdup(line));
    Command command = {.machine = machine, .rest = copy, .out = out};
    if (command_run(&command, &error) && command.poll && !command.unattended)
        command_error(&error, "this command takes its time; it cannot be used here");
    if (command.poll_free)
        command.poll_free(command.poll_state);
    if (error)
        g_string_append_printf(out, "%s\n", error->message);
}

/* help and info */

static void print_help_row(GString *out, const char *name, const char *alias, const char *args,
                           const char *help)
{
    g_autofree char *usage =
        g_strdup_printf("%s%s%s%s%s", name, alias ? "|" : "", alias ? alias : "",
                        *args && *args != '/' ? " " : "", args);
    g_string_append_printf(out, "%-28s %s\n", usage, help);
}

bool command_help(Command *command, GError **error)
{
    g_autofree char *name = command_has_more(command) ? command_word(command, "", NULL) : NULL;
    bool found = false;
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (name && strcmp(name, commands[i].name) != 0 && g_strcmp0(name, commands[i].alias) != 0)
            continue;
        print_help_row(command->out, commands[i].name, commands[i].alias, commands[i].args,
                       commands[i].help);
        found = true;
    }
    if (!found)
        return command_error(error, "unknown command: '%s'; help lists them", name);
    return !name || strcmp(name, "info") != 0 || command_info(command, error);
}

/* Most subjects take nothing and leave what they were given. */
static bool run_info(Command *command, CommandRun run, GError **error)
{
    const gsize before = command->out->len;
    if (run(command, error) && command_end(command, error))
        return true;
    g_string_truncate(command->out, before);
    return false;
}

bool command_info(Command *command, GError **error)
{
    if (!command_has_more(command)) {
        for (size_t i = 0; i < G_N_ELEMENTS(infos); i++)
            g_string_append_printf(command->out, "info %-23s %s\n", infos[i].name, infos[i].help);
        return true;
    }
    g_autofree char *name = command_word(command, "subject", error);
    for (size_t i = 0; name && i < G_N_ELEMENTS(infos); i++)
        if (!strcmp(infos[i].name, name))
            return run_info(command, infos[i].run, error);
    return name && command_error(error, "unknown subject: '%s'; info lists them", name);
}
