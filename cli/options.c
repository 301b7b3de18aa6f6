/* SPDX-License-Identifier: MIT
 * Reads the command line by one table (options.def) and writes the help from it.
 * Names and meanings are QEMU's where both have an option. */
#include "cli/options-priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool option_refuse(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return option_error(error, "not supported: %s", row->help);
}

static const OptionRow rows[] = {
#define SECTION(title)                              {.name = title},
#define OPTION(name, argument, handler, data, help) {name, argument, handler, data, help},
#define REFUSED(name, argument, why)                {name, argument, option_refuse, 0, why},
#include "cli/options.def"
#undef SECTION
#undef OPTION
#undef REFUSED
};

static bool is_option(const OptionRow *row)
{
    return row->handler != NULL;
}

/* Help */

static void print_refused(void)
{
    unsigned column = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].handler != option_refuse)
            continue;
        unsigned width = (unsigned)strlen(rows[i].name) + 2;
        if (column == 0 || column + width > 78) {
            printf("%s ", column ? "\n" : "");
            column = 1;
        }
        printf(" -%s", rows[i].name);
        column += width;
    }
    printf("\n");
}

/* "[=N]": only in the word itself. */
static bool argument_is_optional(const OptionRow *row)
{
    return row->argument && row->argument[0] == '[';
}

static void print_row(const OptionRow *row)
{
    const char *space = row->argument && !argument_is_optional(row) ? " " : "";
    g_autofree char *usage =
        g_strdup_printf("-%s%s%s", row->name, space, row->argument ? row->argument : "");
    const char *gap = strlen(usage) > 21 ? "\n                        " : "";
    printf("  %-21s %s%s\n", usage, gap, row->help);
}

bool option_help(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    printf("usage: dbtvm [options] [disk image]\n"
           "       dbtvm doctor    what on this host helps or hurts\n"
           "Runs a whole x86 PC in one process. One dash or two; Ctrl-A X leaves -nographic.\n");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!is_option(&rows[i]))
            printf("\n%s:\n", rows[i].name);
        else if (rows[i].help && rows[i].handler != option_refuse)
            print_row(&rows[i]);
    }
    print_refused();
    parser->leave = true;
    return true;
}

bool option_version(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return option_print(parser, "dbtvm version " DBTVM_VERSION "\n");
}

bool option_print(Parser *parser, const char *text)
{
    fputs(text, stdout);
    parser->leave = true;
    return true;
}

/* Handlers that serve many rows */

bool option_flag(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    *(bool *)((char *)parser->config + row->data) = true;
    return true;
}

bool option_string(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    char **field = (char **)((char *)parser->config + row->data);
    g_free(*field);
    *field = g_strdup(text);
    return true;
}

bool option_nothing(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return true;
}

/* Lookup */

static const OptionRow *find_row(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (is_option(&rows[i]) && !strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* Levenshtein distance of short words. */
static unsigned word_distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    unsigned row[LONGEST + 1];
    size_t length = MIN(strlen(b), LONGEST);
    for (unsigned j = 0; j <= length; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= length; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j - 1], row[j]) + 1);
        }
    }
    return row[length];
}

static const char *nearest_name(const char *name)
{
    unsigned best = (unsigned)MAX(strlen(name) / 3, 1) + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!is_option(&rows[i]) || rows[i].handler == option_refuse)
            continue;
        unsigned distance = word_distance(name, rows[i].name);
        if (distance < best && distance < strlen(name)) {
            best = distance;
            nearest = rows[i].name;
        }
    }
    return nearest;
}

static bool set_error_unknown(GError **error, const char *word, const char *name)
{
    const char *nearest = nearest_name(name);
    if (nearest)
        return option_error(error, "%s: unknown option; did you mean -%s?", word, nearest);
    return option_error(error, "%s: unknown option; -help lists them", word);
}

/* The walk */

typedef struct {
    char **argv;
    int argc, next;
} Words;

static bool run_row(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    if (row->handler(parser, row, text, error))
        return true;
    if (text)
        g_prefix_error(error, "-%s %s: ", row->name, text);
    else
        g_prefix_error(error, "-%s: ", row->name);
    return false;
}

static bool parse_option(Parser *parser, Words *words, GError **error)
{
    const char *word = words->argv[words->next++];
    const char *name = word + (word[1] == '-' ? 2 : 1);
    const OptionRow *row = find_row(name);
    if (row && row->argument && !argument_is_optional(row)) {
        if (words->next >= words->argc)
            return option_error(error, "-%s: needs an argument (%s)", row->name, row->argument);
        return run_row(parser, row, words->argv[words->next++], error);
    }
    if (row)
        return run_row(parser, row, NULL, error);
    const char *equals = strchr(name, '=');
    if (!equals)
        return set_error_unknown(error, word, name);
    g_autofree char *left = g_strndup(name, (gsize)(equals - name));
    row = find_row(left);
    if (!row)
        return set_error_unknown(error, word, left);
    if (!row->argument)
        return option_error(error, "-%s: takes no argument", row->name);
    return run_row(parser, row, equals + 1, error);
}

static bool parse_words(Parser *parser, int argc, char **argv, GError **error)
{
    Words words = {argv, argc, 1};
    while (words.next < argc && !parser->leave) {
        const char *word = argv[words.next];
        if (word[0] == '-') {
            if (!parse_option(parser, &words, error))
                return false;
        } else {
            words.next++;
            if (!option_add_drive_file(parser, word, error))
                return g_prefix_error(error, "%s: ", word), false;
        }
    }
    return true;
}

static bool check_output(const char *option, const char *path, GError **error)
{
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        return option_error(error, "%s %s: is a directory", option, path);
    bool exists = g_file_test(path, G_FILE_TEST_EXISTS);
    g_autofree char *directory = g_path_get_dirname(path);
    if (access(exists ? path : directory, W_OK) < 0)
        return option_error(error, "%s %s: cannot write it: %s", option, path, g_strerror(errno));
    return true;
}

/* Files that are written later: better to hear of it at the start. */
static bool check_outputs(const Config *config, GError **error)
{
    const struct {
        const char *option, *path;
    } outputs[] = {
        {"-D", config->log_file},
        {"-stats-json", config->stats_json},
        {"-pidfile", config->pidfile},
        {"-profile", config->profile},
        {"-check-report", config->check_report},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(outputs); i++) {
        const char *path = outputs[i].path;
        if (path && !check_output(outputs[i].option, path, error))
            return false;
        for (size_t j = 0; path && j < i; j++)
            if (outputs[j].path && !strcmp(path, outputs[j].path))
                return option_error(error, "%s %s: is the file of %s already", outputs[i].option,
                                    path, outputs[j].option);
    }
    return true;
}

static bool finish(Parser *parser, GError **error)
{
    option_data_dirs_finish(parser);
    if (parser->config->engine.check_every && parser->config->engine.interp)
        return option_error(error, "-check compares translated code with the interpreter; "
                                   "-interp translates none");
    if (parser->config->digest_every && !parser->config->icount)
        return option_error(error, "-digest-every counts instructions: it needs -icount");
    return option_machine_finish(parser, error) && option_drives_finish(parser, error) &&
           option_chardevs_finish(parser, error) && check_outputs(parser->config, error);
}

static void config_init(Config *config)
{
    *config = (Config){
        .ram_bytes = UINT64_C(128) << 20,
        .cpu = g_strdup("max"),
        .drives = g_array_new(FALSE, TRUE, sizeof(DriveConfig)),
        .data_dirs = g_ptr_array_new_with_free_func(g_free),
        .vga = true,
        .rtc_base = -1,
        .escape_char = 1,
    };
}

bool config_parse(Config *config, int argc, char **argv, int *exit_code, GError **error)
{
    Parser parser = {.config = config};
    config_init(config);
    bool good = parse_words(&parser, argc, argv, error) && (parser.leave || finish(&parser, error));
    option_chardevs_clear(&parser);
    option_drives_clear(&parser);
    *exit_code = good ? 0 : 1;
    if (good && !parser.leave)
        return true;
    config_clear(config);
    return false;
}

void config_clear(Config *config)
{
    char *strings[] = {config->cpu,      config->kernel,      config->initrd,  config->append,
                       config->bios,     config->boot_order,  config->name,    config->pidfile,
                       config->log_file, config->stats_json,  config->symbols, config->script,
                       config->profile,  config->check_report};
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(strings[i]);
    for (unsigned i = 0; i < CONSOLES; i++)
        console_clear(&config->console[i]);
    for (guint i = 0; config->drives && i < config->drives->len; i++) {
        DriveConfig *drive = &g_array_index(config->drives, DriveConfig, i);
        g_free(drive->file);
        g_free(drive->option);
        g_free(drive->serial);
    }
    if (config->drives)
        g_array_free(config->drives, TRUE);
    if (config->data_dirs)
        g_ptr_array_free(config->data_dirs, TRUE);
    *config = (Config){0};
}
