/* SPDX-License-Identifier: MIT
 * How the program runs: names, directories, log, what ends it. */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trace.h"
#include "cli/options-priv.h"

enum { SECONDS_MAX = 1000000 };

bool option_name(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"guest", KEY_STRING, offsetof(Config, name)},
        {"process", KEY_REFUSED, .text = "the process keeps its name"},
        {"debug-threads", KEY_ONLY, .text = "on|off"},
    };
    g_clear_pointer(&parser->config->name, g_free);
    GArray *list = key_values_parse(text, "guest");
    bool good = key_values_apply(list, rules, G_N_ELEMENTS(rules), parser->config, error);
    key_values_free(list);
    return good;
}

/* Where Debian and others install the firmware. */
static const char *const built_in_dirs[] = {"/usr/share/dbtvm", "/usr/share/seabios",
                                            "/usr/share/qemu"};

void option_data_dirs_finish(Parser *parser)
{
    for (size_t i = 0; i < G_N_ELEMENTS(built_in_dirs); i++)
        g_ptr_array_add(parser->config->data_dirs, g_strdup(built_in_dirs[i]));
}

bool option_data_dir(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    GPtrArray *dirs = parser->config->data_dirs;
    if (!strcmp(text, "help")) {
        option_data_dirs_finish(parser);
        g_ptr_array_add(dirs, NULL);
        g_autofree char *lines = g_strjoinv("\n", (char **)dirs->pdata);
        g_autofree char *out = g_strconcat(lines, "\n", NULL);
        return option_print(parser, out);
    }
    if (!g_file_test(text, G_FILE_TEST_IS_DIR))
        return option_error(error, "not a directory");
    g_ptr_array_add(dirs, g_strdup(text));
    return true;
}

static bool print_trace_events(Parser *parser)
{
    g_autoptr(GString) out = g_string_new("Trace events:\n");
    trace_list(out);
    return option_print(parser, out->str);
}

static bool trace_glob(const char *glob, GError **error)
{
    uint32_t items;
    g_autofree char *item = g_strconcat("trace:", glob, NULL);
    return log_parse_items(item, &items, error);
}

/* One glob a line; empty lines and lines that begin with # do not count. */
static bool trace_file(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, error))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (*g_strstrip(*line) && **line != '#' && !trace_glob(*line, error))
            return false;
    return true;
}

/* [enable=]GLOB, events=FILE of globs, file=LOG, as in QEMU. */
bool option_trace(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    if (!*parts)
        return option_error(error, "a GLOB is missing");
    for (char **part = parts; *part; part++) {
        const char *equals = strchr(*part, '='), *value = equals ? equals + 1 : *part;
        bool good = true;
        if (word_in("help|?", value))
            return print_trace_events(parser);
        if (!equals || g_str_has_prefix(*part, "enable="))
            good = trace_glob(value, error);
        else if (g_str_has_prefix(*part, "events="))
            good = trace_file(value, error);
        else if (g_str_has_prefix(*part, "file="))
            good = option_log_file(parser, row, value, error);
        else
            good = option_error(error, "'%s' is not [enable=]GLOB, events=FILE or file=LOG", *part);
        if (!good)
            return false;
    }
    return true;
}

bool option_log_filter(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return log_set_filter(text, error);
}

bool option_log_items(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    if (word_in("help|?", text)) {
        g_autofree char *help = log_help();
        return option_print(parser, help);
    }
    if (!strcmp(text, "trace:help"))
        return print_trace_events(parser);
    uint32_t items;
    if (!log_parse_items(text, &items, error))
        return false;
    parser->config->log_items |= items;
    parser->config->engine.no_chain |= (items & LOG_NOCHAIN) != 0;
    return true;
}

/* %d stands for the process id. */
bool option_log_file(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "%d", -1);
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
    g_free(parser->config->log_file);
    parser->config->log_file = g_strjoinv(pid, parts);
    return true;
}

typedef struct {
    char *reboot, *shutdown, *panic;
} ActionKeys;

static bool set_panic_action(Config *config, const char *text, GError **error)
{
    static const char *const words[] = {
        [PANIC_SHUTDOWN] = "shutdown",
        [PANIC_PAUSE] = "pause",
        [PANIC_EXIT_FAILURE] = "exit-failure",
        [PANIC_NONE] = "none",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strcmp(words[i], text)) {
            config->panic_action = i;
            return true;
        }
    }
    return option_error(error, "panic= must be shutdown, pause, exit-failure or none");
}

bool option_action(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"reboot", KEY_STRING, offsetof(ActionKeys, reboot)},
        {"shutdown", KEY_STRING, offsetof(ActionKeys, shutdown)},
        {"panic", KEY_STRING, offsetof(ActionKeys, panic)},
        {"watchdog", KEY_REFUSED, .text = "there is no watchdog"},
    };
    ActionKeys keys = {0};
    GArray *list = key_values_parse(text, NULL);
    bool good = key_values_apply(list, rules, G_N_ELEMENTS(rules), &keys, error);
    if (good && keys.reboot && !word_in("reset|shutdown", keys.reboot))
        good = option_error(error, "reboot= must be reset or shutdown");
    if (good && keys.shutdown && !word_in("poweroff|pause", keys.shutdown))
        good = option_error(error, "shutdown= must be poweroff or pause");
    if (good && keys.panic)
        good = set_panic_action(parser->config, keys.panic, error);
    if (good && keys.reboot)
        parser->config->no_reboot = !strcmp(keys.reboot, "shutdown");
    if (good && keys.shutdown)
        parser->config->no_shutdown = !strcmp(keys.shutdown, "pause");
    g_free(keys.reboot);
    g_free(keys.shutdown);
    g_free(keys.panic);
    key_values_free(list);
    return good;
}

/* QEMU's on: elevateprivileges, spawn and the others are always denied. */
bool option_sandbox(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    typedef struct {
        char *enable;
    } Keys;
    static const KeyRule rules[] = {
        {"enable", KEY_STRING, offsetof(Keys, enable)},  {"obsolete", KEY_ONLY, .text = "deny"},
        {"elevateprivileges", KEY_ONLY, .text = "deny"}, {"spawn", KEY_ONLY, .text = "deny"},
        {"resourcecontrol", KEY_ONLY, .text = "deny"},
    };
    Keys keys = {0};
    GArray *list = key_values_parse(text, "enable");
    bool good = key_values_apply(list, rules, G_N_ELEMENTS(rules), &keys, error);
    if (good && !(keys.enable && word_in("on|off", keys.enable)))
        good = option_error(error, "must be on or off");
    if (good)
        parser->config->sandbox = strcmp(keys.enable, "on") ? SANDBOX_OFF : SANDBOX_ON;
    g_free(keys.enable);
    key_values_free(list);
    return good;
}

bool option_seconds(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    uint64_t seconds;
    if (!parse_number(text, &seconds) || seconds == 0 || seconds > SECONDS_MAX)
        return option_error(error, "must be 1 to %d seconds", SECONDS_MAX);
    *(unsigned *)((char *)parser->config + row->data) = (unsigned)seconds;
    return true;
}

bool option_symbols(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"file", KEY_STRING, offsetof(Config, symbols)},
        {"offset", KEY_NUMBER, offsetof(Config, symbols_offset)},
    };
    g_clear_pointer(&parser->config->symbols, g_free);
    GArray *list = key_values_parse(text, "file");
    bool good = key_values_apply(list, rules, G_N_ELEMENTS(rules), parser->config, error);
    key_values_free(list);
    if (good && !parser->config->symbols)
        good = option_error(error, "needs a file");
    return good;
}

bool option_check(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    uint64_t *every = &parser->config->engine.check_every;
    *every = 1;
    return !text || (parse_number(text, every) && *every > 0) ||
           option_error(error, "must be a number from 1 on: every Nth block is compared");
}
