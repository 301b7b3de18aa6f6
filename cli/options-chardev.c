/* SPDX-License-Identifier: MIT
 * Serial ports, monitor, debug console, and the -chardev they may name. What comes out
 * are specs for chardev_open. */
#include <string.h>

#include "cli/options-priv.h"

typedef struct {
    ConsoleConfig console; /* less its spec */
    char *path, *host;
    uint64_t port;
    bool server, wait, nowait, port_given;
} ChardevKeys;

const ConsoleRole console_roles[CONSOLE_SPARE] = {
    [CONSOLE_SERIAL] = {"serial0", "-serial", "the first serial port"},
    [CONSOLE_SERIAL + 1] = {"serial1", "-serial", "the second serial port"},
    [CONSOLE_MONITOR] = {"monitor", "-monitor", "the monitor"},
    [CONSOLE_DEBUGCON] = {"debugcon", "-debugcon", "the debug console"},
    [CONSOLE_DEBUGCON + 1] = {"debugcon1", "-debugcon", "the second debug console"},
    [CONSOLE_GDB] = {"gdb", "-gdb", "gdb"},
    [CONSOLE_QMP] = {"qmp", "-qmp", "QMP"},
};

static bool has_mon(const char *spec)
{
    return g_str_has_prefix(spec, "mon:");
}

static const char *without_mon(const char *spec)
{
    return has_mon(spec) ? spec + strlen("mon:") : spec;
}

bool console_absent(const ConsoleConfig *console)
{
    return !console->spec || strcmp(console->spec, "none") == 0;
}

void console_clear(ConsoleConfig *console)
{
    g_free(console->spec);
    g_free(console->id);
    g_free(console->log_file);
    *console = (ConsoleConfig){0};
}

/* prefix: of the copy's spec. */
static ConsoleConfig console_copy(const ConsoleConfig *console, const char *prefix)
{
    ConsoleConfig copy = *console;
    copy.spec = g_strconcat(prefix, console->spec, NULL);
    copy.id = g_strdup(console->id);
    copy.log_file = g_strdup(console->log_file);
    return copy;
}

bool console_shared(const ConsoleConfig *console)
{
    return console->spec && has_mon(console->spec);
}

/* Specs */

static const struct {
    const char *name;
    bool argument;
    const char *refused;
} backends[] = {
    {"stdio", false, NULL},
    {"mon:stdio", false, NULL},
    {"null", false, NULL},
    {"none", false, NULL},
    {"pty", false, NULL},
    {"file", true, NULL},
    {"pipe", true, NULL},
    {"tcp", true, NULL},
    {"unix", true, NULL},
    {"chardev", true, NULL},
    {"vc", false, "the window has no text consoles; use stdio, pty or a socket"},
    {"telnet", true, "use tcp:HOST:PORT"},
    {"websocket", true, "use tcp:HOST:PORT"},
    {"udp", true, "use tcp:HOST:PORT"},
    {"msmouse", false, "the mouse is PS/2"},
    {"braille", false, "use stdio, pty or a socket"},
};

static bool check_spec(const char *spec, GError **error)
{
    const char *plain = strcmp(spec, "mon:stdio") != 0 ? without_mon(spec) : spec;
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++) {
        size_t length = strlen(backends[i].name);
        if (strncmp(plain, backends[i].name, length) != 0 ||
            (plain[length] && plain[length] != ':'))
            continue;
        if (backends[i].refused)
            return option_error(error, "'%s' is not supported; %s", backends[i].name,
                                backends[i].refused);
        bool argument = plain[length] == ':' && plain[length + 1];
        if (argument != backends[i].argument || (plain[length] && !argument))
            return option_error(error, "'%s' takes %s argument", backends[i].name,
                                backends[i].argument ? "an" : "no");
        return true;
    }
    return option_error(error, "unknown character device (known: stdio, mon:stdio, null, none, "
                               "pty, file:PATH, pipe:PATH, tcp:HOST:PORT, unix:PATH, chardev:ID)");
}

bool option_serial(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    if (!check_spec(text, error))
        return false;
    if (parser->serials == PC_SERIAL_PORTS)
        return option_error(error, "the board has %d serial ports", PC_SERIAL_PORTS);
    parser->config->console[CONSOLE_SERIAL + parser->serials++].spec = g_strdup(text);
    return true;
}

static bool set_monitor(Parser *parser, const char *spec, GError **error)
{
    ConsoleConfig *monitor = &parser->config->console[CONSOLE_MONITOR];
    if (monitor->spec)
        return option_error(error, "there is one monitor, and it has a place already");
    monitor->spec = g_strdup(spec);
    return true;
}

bool option_monitor(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return check_spec(text, error) && set_monitor(parser, without_mon(text), error);
}

static bool set_qmp(Parser *parser, const char *spec, GError **error)
{
    ConsoleConfig *qmp = &parser->config->console[CONSOLE_QMP];
    if (has_mon(spec))
        return option_error(error, "QMP cannot share a console");
    if (qmp->spec)
        return option_error(error, "there is one QMP monitor, and it has a place already");
    qmp->spec = g_strdup(spec);
    return true;
}

bool option_qmp(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return check_spec(text, error) && set_qmp(parser, text, error);
}

bool option_add_debugcon(Parser *parser, const char *spec, uint16_t port, GError **error)
{
    Config *config = parser->config;
    unsigned i = 0;
    if (!check_spec(spec, error))
        return false;
    if (has_mon(spec))
        return option_error(error, "a debug console cannot be shared with the monitor");
    while (i < PC_DEBUGCONS && config->console[CONSOLE_DEBUGCON + i].spec)
        i++;
    if (i == PC_DEBUGCONS)
        return option_error(error, "there can be %d debug consoles", PC_DEBUGCONS);
    config->console[CONSOLE_DEBUGCON + i].spec = g_strdup(spec);
    config->debugcon_port[i] = port;
    return true;
}

bool option_debugcon(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return option_add_debugcon(parser, text, 0, error);
}

bool option_gdb(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    ConsoleConfig *gdb = &parser->config->console[CONSOLE_GDB];
    const char *spec = text ? text : "tcp::1234";
    if (!check_spec(spec, error))
        return false;
    if (has_mon(spec))
        return option_error(error, "gdb's connection cannot be shared with the monitor");
    g_free(gdb->spec);
    gdb->spec = g_strdup(spec);
    return true;
}

bool option_parallel(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return word_in("none|null", text) || option_error(error, "there is no parallel port");
}

bool option_escape(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    uint64_t code;
    if (!parse_number(text, &code) || code < 1 || code > 255)
        return option_error(error, "must be a character code from 1 (Ctrl-A) to 255");
    parser->config->escape_char = (int)code;
    return true;
}

/* -chardev */

static bool set_port(void *target, const char *value, GError **error)
{
    ChardevKeys *keys = target;
    keys->port_given = true;
    return (parse_number(value, &keys->port) && keys->port <= 65535) ||
           option_error(error, "port=%s: must be a number up to 65535", value);
}

static bool set_signal(void *target, const char *value, GError **error)
{
    bool on;
    if (!parse_on_off(value, &on))
        return option_error(error, "signal=%s: must be on or off", value);
    ((ChardevKeys *)target)->console.signals = on ? SIGNALS_ON : SIGNALS_OFF;
    return true;
}

#define AT(field) offsetof(ChardevKeys, field)

#define CHARDEV_COMMON                                                                             \
    {"backend", KEY_ONLY, .text = "stdio|null|pty|file|pipe|socket"},                              \
        {"id", KEY_STRING, AT(console.id)}, {"mux", KEY_BOOL, AT(console.mux)},                    \
        {"logfile", KEY_STRING, AT(console.log_file)},                                             \
    {                                                                                              \
        "logappend", KEY_BOOL, AT(console.log_append)                                              \
    }

static const KeyRule plain_rules[] = {CHARDEV_COMMON};
static const KeyRule stdio_rules[] = {CHARDEV_COMMON, {"signal", KEY_CUSTOM, .set = set_signal}};
static const KeyRule path_rules[] = {
    CHARDEV_COMMON,
    {"path", KEY_STRING, AT(path)},
    {"append", KEY_ONLY, .text = "off"},
};
static const KeyRule socket_rules[] = {
    CHARDEV_COMMON,
    {"path", KEY_STRING, AT(path)},
    {"host", KEY_STRING, AT(host)},
    {"port", KEY_CUSTOM, .set = set_port},
    {"server", KEY_BOOL, AT(server)},
    {"wait", KEY_BOOL, AT(wait)},
    {"nowait", KEY_BOOL, AT(nowait)},
    {"nodelay", KEY_ONLY, .text = "on|off"}, /* always on */
    {"telnet", KEY_ONLY, .text = "off"},
    {"reconnect", KEY_ONLY, .text = "0"},
};

static char *plain_spec(const ChardevKeys *keys, const char *kind, GError **error)
{
    return g_strdup(kind);
}

static char *path_spec(const ChardevKeys *keys, const char *kind, GError **error)
{
    if (!keys->path) {
        option_error(error, "%s needs path=", kind);
        return NULL;
    }
    return g_strdup_printf("%s:%s", kind, keys->path);
}

static char *socket_spec(const ChardevKeys *keys, const char *kind, GError **error)
{
    const char *server = keys->server ? ",server" : "";
    const char *nowait = keys->server && (keys->nowait || !keys->wait) ? ",nowait" : "";
    if (!keys->path == !keys->port_given) {
        option_error(error, "a socket needs either path=, or host= and port=");
        return NULL;
    }
    if (keys->path && strchr(keys->path, ',')) {
        option_error(error, "the path of a socket cannot contain a comma");
        return NULL;
    }
    if (keys->path)
        return g_strdup_printf("unix:%s%s%s", keys->path, server, nowait);
    const char *host = keys->host ? keys->host : "";
    bool v6 = strchr(host, ':') && host[0] != '[';
    return g_strdup_printf("tcp:%s%s%s:%u%s%s", v6 ? "[" : "", host, v6 ? "]" : "",
                           (unsigned)keys->port, server, nowait);
}

static const struct {
    const char *name;
    const KeyRule *rules;
    size_t count;
    char *(*spec)(const ChardevKeys *keys, const char *kind, GError **error);
} kinds[] = {
    {"stdio", stdio_rules, G_N_ELEMENTS(stdio_rules), plain_spec},
    {"null", plain_rules, G_N_ELEMENTS(plain_rules), plain_spec},
    {"pty", plain_rules, G_N_ELEMENTS(plain_rules), plain_spec},
    {"file", path_rules, G_N_ELEMENTS(path_rules), path_spec},
    {"pipe", path_rules, G_N_ELEMENTS(path_rules), path_spec},
    {"socket", socket_rules, G_N_ELEMENTS(socket_rules), socket_spec},
};

/* NULL behind the last one. */
static const ConsoleConfig *chardev_at(const Parser *parser, guint i)
{
    return parser->chardevs && i < parser->chardevs->len
               ? &g_array_index(parser->chardevs, ConsoleConfig, i)
               : NULL;
}

static const ConsoleConfig *find_chardev(const Parser *parser, const char *id)
{
    const ConsoleConfig *chardev;
    for (guint i = 0; (chardev = chardev_at(parser, i)); i++)
        if (!strcmp(chardev->id, id))
            return chardev;
    return NULL;
}

static bool add_chardev(Parser *parser, ChardevKeys *keys, size_t kind, GError **error)
{
    ConsoleConfig *console = &keys->console;
    if (!console->id)
        return option_error(error, "needs id=");
    if (find_chardev(parser, console->id))
        return option_error(error, "another chardev has id=%s", console->id);
    console->spec = kinds[kind].spec(keys, kinds[kind].name, error);
    if (!console->spec)
        return false;
    if (!parser->chardevs)
        parser->chardevs = g_array_new(FALSE, TRUE, sizeof(ConsoleConfig));
    g_array_append_val(parser->chardevs, *console);
    *console = (ConsoleConfig){0}; /* the array's now */
    return true;
}

bool option_chardev(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    if (!strcmp(text, "help"))
        return option_print(parser, "Available chardev backends:\n"
                                    "  stdio\n  null\n  pty\n  file\n  pipe\n  socket\n");
    GArray *list = key_values_parse(text, "backend");
    const char *backend = key_values_get(list, "backend");
    ChardevKeys keys = {.wait = true};
    size_t kind = 0;
    while (kind < G_N_ELEMENTS(kinds) && (!backend || strcmp(kinds[kind].name, backend) != 0))
        kind++;
    bool good = kind < G_N_ELEMENTS(kinds)
                    ? key_values_apply(list, kinds[kind].rules, kinds[kind].count, &keys, error)
                    : option_error(error, "unknown backend (known: stdio, null, pty, file, pipe, "
                                          "socket)");
    good = good && add_chardev(parser, &keys, kind, error);
    console_clear(&keys.console);
    g_free(keys.path);
    g_free(keys.host);
    key_values_free(list);
    return good;
}

typedef struct {
    char *id, *mode;
} MonKeys;

bool option_mon(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"chardev", KEY_STRING, offsetof(MonKeys, id)},
        {"mode", KEY_STRING, offsetof(MonKeys, mode)},
        {"pretty", KEY_ONLY, .text = "off"},
    };
    MonKeys keys = {0};
    GArray *list = key_values_parse(text, "chardev");
    bool good = key_values_apply(list, rules, G_N_ELEMENTS(rules), &keys, error);
    bool control = g_strcmp0(keys.mode, "control") == 0;
    if (good && !keys.id)
        good = option_error(error, "needs chardev=ID");
    if (good && keys.mode && !control && strcmp(keys.mode, "readline") != 0)
        good = option_error(error, "mode= must be readline or control");
    g_autofree char *spec = g_strconcat("chardev:", keys.id, NULL);
    good = good && (control ? set_qmp : set_monitor)(parser, spec, error);
    g_free(keys.id);
    g_free(keys.mode);
    key_values_free(list);
    return good;
}

void option_chardevs_clear(Parser *parser)
{
    for (guint i = 0; parser->chardevs && i < parser->chardevs->len; i++)
        console_clear(&g_array_index(parser->chardevs, ConsoleConfig, i));
    if (parser->chardevs)
        g_array_free(parser->chardevs, TRUE);
    parser->chardevs = NULL;
}

/* References */

/* What chardev:ID names, by console; NULL: something else. */
typedef struct {
    const ConsoleConfig *chardev[CONSOLE_SPARE];
} References;

static bool find_references(const Parser *parser, References *references, GError **error)
{
    for (unsigned i = 0; i < CONSOLE_SPARE; i++) {
        const char *spec = parser->config->console[i].spec;
        if (!spec || !g_str_has_prefix(spec, "chardev:"))
            continue;
        references->chardev[i] = find_chardev(parser, spec + strlen("chardev:"));
        if (!references->chardev[i])
            return option_error(error, "%s %s: there is no -chardev with that id",
                                console_roles[i].who, spec);
    }
    return true;
}

static bool is_serial(unsigned console)
{
    return console < CONSOLE_SERIAL + PC_SERIAL_PORTS;
}

static bool check_shared(const References *references, GError **error)
{
    for (unsigned i = 0; i < CONSOLE_SPARE; i++)
        for (unsigned j = i + 1; j < CONSOLE_SPARE && references->chardev[i]; j++) {
            const ConsoleConfig *chardev = references->chardev[i];
            if (chardev != references->chardev[j])
                continue;
            if (j != CONSOLE_MONITOR || !is_serial(i))
                return option_error(error,
                                    "chardev '%s' is used twice, by %s and %s; only a serial port "
                                    "and the monitor can share one",
                                    chardev->id, console_roles[i].who, console_roles[j].who);
            if (!chardev->mux)
                return option_error(error, "chardev '%s' is used by %s and %s; it needs mux=on",
                                    chardev->id, console_roles[i].who, console_roles[j].who);
        }
    return true;
}

/* A serial port and the monitor on one chardev become "mon:SPEC" of the serial port. */
static void resolve_references(Config *config, const References *references)
{
    const ConsoleConfig *monitor = references->chardev[CONSOLE_MONITOR];
    bool monitor_shared = false;
    for (unsigned i = 0; i < CONSOLE_SPARE; i++) {
        const ConsoleConfig *chardev = references->chardev[i];
        if (!chardev)
            continue;
        bool shared = is_serial(i) && chardev == monitor;
        monitor_shared |= shared;
        console_clear(&config->console[i]);
        config->console[i] = console_copy(chardev, shared ? "mon:" : "");
    }
    if (monitor_shared)
        console_clear(&config->console[CONSOLE_MONITOR]);
}

static bool check_gdb(const References *references, GError **error)
{
    const ConsoleConfig *gdb = references->chardev[CONSOLE_GDB];
    if (!gdb || !(gdb->mux || gdb->signals || gdb->log_file))
        return true;
    return option_error(error, "chardev '%s' is gdb's: mux=, signal= and logfile= are for consoles",
                        gdb->id);
}

static bool is_used(const References *references, const ConsoleConfig *chardev)
{
    bool used = false;
    for (unsigned i = 0; i < CONSOLE_SPARE; i++)
        used = used || references->chardev[i] == chardev;
    return used;
}

static bool keep_spare(Parser *parser, const References *references, GError **error)
{
    const ConsoleConfig *chardev;
    unsigned spare = CONSOLE_SPARE;
    for (guint i = 0; (chardev = chardev_at(parser, i)); i++) {
        if (is_used(references, chardev))
            continue;
        if (spare == CONSOLES)
            return option_error(error, "-chardev: more than %d that nobody uses",
                                CONSOLES - CONSOLE_SPARE);
        parser->config->console[spare++] = console_copy(chardev, "");
    }
    return true;
}

/* -nodefaults leaves only what was asked for; -nographic puts on the terminal what was not; else
 * the first serial port is there and nobody listens. */
static void add_defaults(const Parser *parser)
{
    const Config *config = parser->config;
    ConsoleConfig *serial = &parser->config->console[CONSOLE_SERIAL];
    ConsoleConfig *monitor = &parser->config->console[CONSOLE_MONITOR];
    bool has_monitor = monitor->spec != NULL;
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
        has_monitor = has_monitor || console_shared(&serial[i]);
    if (parser->no_defaults) {
        for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
            if (!serial[i].spec)
                serial[i].spec = g_strdup("none");
        if (!has_monitor)
            monitor->spec = g_strdup("none");
    } else if (!serial[0].spec) {
        const char *spec = !config->nographic ? "null" : has_monitor ? "stdio" : "mon:stdio";
        serial[0].spec = g_strdup(spec);
    } else if (config->nographic && !has_monitor) {
        monitor->spec = g_strdup("stdio");
    }
}

/* mon: in front of a serial port's spec makes the monitor; there is one. */
static bool check_monitors(Config *config, GError **error)
{
    ConsoleConfig *monitor = &config->console[CONSOLE_MONITOR];
    const char *found = console_absent(monitor) ? NULL : "-monitor";
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++) {
        const ConsoleConfig *serial = &config->console[CONSOLE_SERIAL + i];
        if (!console_shared(serial))
            continue;
        if (found)
            return option_error(error, "-serial %s: the monitor has a place already (%s)",
                                serial->spec, found);
        found = "-serial";
        console_clear(monitor);
    }
    return true;
}

static char *describe(const Config *config, unsigned console)
{
    return console < CONSOLE_SPARE ? g_strdup(console_roles[console].who)
                                   : g_strdup_printf("-chardev %s", config->console[console].id);
}

static bool check_twice(const Config *config, GError **error)
{
    for (unsigned i = 0; i < CONSOLES; i++)
        for (unsigned j = i + 1; j < CONSOLES; j++) {
            if (!config->console[i].spec || !config->console[j].spec)
                continue;
            const char *spec = without_mon(config->console[i].spec);
            if (strcmp(spec, without_mon(config->console[j].spec)) != 0 ||
                word_in("null|none|pty", spec))
                continue;
            const char *remedy = strcmp(spec, "stdio") != 0 ? ""
                                 : config->nographic
                                     ? "; -nographic uses it, -display none does not"
                                     : "; -serial mon:stdio shares it";
            g_autofree char *one = describe(config, i), *other = describe(config, j);
            return option_error(error, "'%s' is used by both %s and %s%s", spec, one, other,
                                remedy);
        }
    return true;
}

bool option_chardevs_finish(Parser *parser, GError **error)
{
    References references = {0};
    if (!find_references(parser, &references, error) || !check_shared(&references, error) ||
        !check_gdb(&references, error) || !keep_spare(parser, &references, error))
        return false;
    resolve_references(parser->config, &references);
    add_defaults(parser);
    return check_monitors(parser->config, error) && check_twice(parser->config, error);
}
