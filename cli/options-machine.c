/* SPDX-License-Identifier: MIT
 * The machine itself: memory, CPU, board, clock, boot order, small devices. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/options-priv.h"
#include "hw/debug-ports.h"
#include "hw/isa-debug-exit.h"
#include "hw/pvpanic.h"
#include "translator/x86/cpuid.h"

#define MIB             (UINT64_C(1) << 20)
#define RAM_MIN         (1 * MIB)
#define RAM_MAX         (64 * 1024 * MIB)
#define RAM_GRAIN       (UINT64_C(64) << 10)
#define RAM_BELOW_4G    (3 * 1024 * MIB) /* more lies above 4 GiB */
#define RAM_HOLE        (1024 * MIB)
#define TB_SIZE_MAX_MIB 1024

/* Memory and CPU */

static uint64_t host_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool set_memory(void *target, const char *value, GError **error)
{
    uint64_t bytes;
    if (!parse_size(value, MIB, &bytes))
        return option_error(error, "not a size; say 512, 512M or 2G");
    if (bytes < RAM_MIN)
        return option_error(error, "too little; the board needs at least 1M");
    if (bytes > RAM_MAX)
        return option_error(error, "too much; the board takes at most 64G");
    if (bytes > host_memory())
        return option_error(error, "more than this host has (%" PRIu64 "M)", host_memory() / MIB);
    *(uint64_t *)target = (bytes + RAM_GRAIN - 1) / RAM_GRAIN * RAM_GRAIN;
    return true;
}

static bool apply(const char *text, const char *implied, const KeyRule *rules, size_t count,
                  void *target, GError **error)
{
    GArray *list = key_values_parse(text, implied);
    bool good = key_values_apply(list, rules, count, target, error);
    key_values_free(list);
    return good;
}

bool option_memory(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"size", KEY_CUSTOM, .set = set_memory},
        {"slots", KEY_REFUSED, .text = "memory cannot be added while the machine runs"},
        {"maxmem", KEY_REFUSED, .text = "memory cannot be added while the machine runs"},
    };
    if (!*text)
        return option_error(error, "needs a size");
    return apply(text, "size", rules, G_N_ELEMENTS(rules), &parser->config->ram_bytes, error);
}

bool option_cpu(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    CpuModel model;
    if (word_in("help|?", text)) {
        g_autofree char *help = cpu_model_help();
        return option_print(parser, help);
    }
    if (!cpu_model_parse(&model, text, error))
        return false;
    g_free(parser->config->cpu);
    parser->config->cpu = g_strdup(text);
    return true;
}

static bool set_one(void *target, const char *value, GError **error)
{
    uint64_t count;
    if (!parse_number(value, &count) || count == 0)
        return option_error(error, "not a number of CPUs");
    return count == 1 || option_error(error, "dbtvm has one CPU");
}

bool option_smp(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"cpus", KEY_CUSTOM, .set = set_one},    {"sockets", KEY_CUSTOM, .set = set_one},
        {"dies", KEY_CUSTOM, .set = set_one},    {"cores", KEY_CUSTOM, .set = set_one},
        {"threads", KEY_CUSTOM, .set = set_one}, {"maxcpus", KEY_CUSTOM, .set = set_one},
    };
    return apply(text, "cpus", rules, G_N_ELEMENTS(rules), parser, error);
}

/* Board and accelerator */

static const char *other_accelerator(const char *name)
{
    static const char *const others[] = {"kvm", "hvf", "hax", "whpx", "xen", "nvmm", "mshv"};
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        if (!strcmp(others[i], name))
            return others[i];
    return NULL;
}

/* One name, or QEMU's "kvm:tcg": the first that is there; several options are tried in turn, too.
 */
static bool set_accelerator(void *target, const char *value, GError **error)
{
    Parser *parser = target;
    g_auto(GStrv) names = g_strsplit(value, ":", -1);
    for (char **name = names; *name && !parser->accel_found; name++) {
        const char *other = other_accelerator(*name);
        parser->accel_found = !strcmp(*name, "tcg");
        if (!parser->accel_found && !other)
            return option_error(error, "unknown accelerator '%s' (known: tcg)", *name);
        if (other)
            parser->accel_refused = other;
    }
    return true;
}

static bool check_accelerator(const Parser *parser, GError **error)
{
    const char *refused = parser->accel_refused;
    if (refused && !parser->accel_found)
        return option_error(error,
                            "-accel %s: dbtvm translates all code itself and never uses KVM or its "
                            "like; leave the option out",
                            refused);
    if (refused)
        fprintf(stderr, "dbtvm: -accel %s is not used here, falling back to tcg\n", refused);
    return true;
}

static bool set_tb_size(void *target, const char *value, GError **error)
{
    uint64_t mib;
    if (!parse_number(value, &mib) || mib < 1 || mib > TB_SIZE_MAX_MIB)
        return option_error(error, "must be a number of MiB from 1 to %d", TB_SIZE_MAX_MIB);
    ((Parser *)target)->config->engine.cache_bytes = mib * MIB;
    return true;
}

bool option_tb_size(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return set_tb_size(parser, text, error);
}

static bool set_one_insn(void *target, const char *value, GError **error)
{
    return parse_on_off(value, &((Parser *)target)->config->engine.one_insn) ||
           option_error(error, "one-insn-per-tb=%s: must be on or off", value);
}

bool option_accel(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"accel", KEY_CUSTOM, .set = set_accelerator},
        {"tb-size", KEY_CUSTOM, .set = set_tb_size},
        {"one-insn-per-tb", KEY_CUSTOM, .set = set_one_insn},
        {"thread", KEY_ONLY, .text = "single|multi"}, /* one CPU is one thread */
    };
    if (word_in("help|?", text))
        return option_print(parser, "Accelerators supported:\ntcg\n");
    GArray *list = key_values_parse(text, "accel");
    const char *name = key_values_get(list, "accel");
    bool good = name && other_accelerator(name) /* whatever it would be told */
                    ? set_accelerator(parser, name, error)
                    : key_values_apply(list, rules, G_N_ELEMENTS(rules), parser, error);
    key_values_free(list);
    return good;
}

static bool set_machine_type(void *target, const char *value, GError **error)
{
    return !strcmp(value, "pc") ||
           option_error(error, "unknown machine '%s'; there is one: pc (i440FX)", value);
}

static bool set_hpet(void *target, const char *value, GError **error)
{
    bool on;
    if (!parse_on_off(value, &on))
        return option_error(error, "hpet=%s: must be on or off", value);
    ((Parser *)target)->config->no_hpet = !on;
    return true;
}

bool option_machine(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"type", KEY_CUSTOM, .set = set_machine_type},
        {"accel", KEY_CUSTOM, .set = set_accelerator},
        {"acpi", KEY_ONLY, .text = "on"},
        {"hpet", KEY_CUSTOM, .set = set_hpet},
        {"usb", KEY_ONLY, .text = "off"},
        {"smm", KEY_ONLY, .text = "off|auto"},
        {"vmport", KEY_ONLY, .text = "off|auto"},
    };
    if (word_in("help|?", text))
        return option_print(parser, "Supported machines are:\n"
                                    "pc                   i440FX and PIIX3 PC (default)\n");
    return apply(text, "type", rules, G_N_ELEMENTS(rules), parser, error);
}

bool option_no_defaults(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    parser->no_defaults = true;
    return true;
}

bool option_network(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return !strcmp(text, "none") || option_error(error, "there is no network");
}

bool option_vga(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    if (word_in("help|?", text))
        return option_print(parser, "std                  standard VGA (default)\nnone\n");
    parser->config->vga = !strcmp(text, "std");
    parser->vga_given = true;
    return word_in("std|none", text) || option_error(error, "the adapters are std and none");
}

bool option_display(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    if (word_in("help|?", text))
        return option_print(parser, "Available display types:\nsdl\nnone\n");
    bool sdl = word_in("sdl|sdl,gl=off", text);
    parser->config->display = sdl ? DISPLAY_SDL : DISPLAY_NONE;
    return sdl || !strcmp(text, "none") || option_error(error, "the displays are sdl and none");
}

/* Clock */

static bool set_rtc_base(void *target, const char *value, GError **error)
{
    Config *config = target;
    config->rtc_localtime = !strcmp(value, "localtime");
    config->rtc_base = -1;
    if (word_in("utc|localtime", value))
        return true;
    struct tm tm = {0};
    const char *end = strptime(value, "%Y-%m-%d", &tm);
    if (end && *end)
        end = strptime(end, "T%H:%M:%S", &tm);
    config->rtc_base = end && !*end ? timegm(&tm) : -1;
    return config->rtc_base >= 0 ||
           option_error(error,
                        "base=%s: must be utc, localtime, or a date from 1970 on like "
                        "2006-06-17T16:01:21",
                        value);
}

bool option_rtc(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"base", KEY_CUSTOM, .set = set_rtc_base},
        /* The guest clock counts host time while the machine runs: both in one. */
        {"clock", KEY_ONLY, .text = "host|vm|rt"},
        {"driftfix", KEY_ONLY, .text = "none"},
    };
    return apply(text, NULL, rules, G_N_ELEMENTS(rules), parser->config, error);
}

/* Boot order */

static bool set_boot_order(void *target, const char *value, GError **error)
{
    Config *config = target;
    for (const char *p = value; *p; p++) {
        if (!strchr("acdn", *p))
            return option_error(error,
                                "boot device '%c' is unknown (a floppy, c disk, d CD, n "
                                "network)",
                                *p);
        if (strchr(p + 1, *p))
            return option_error(error, "boot device '%c' is given twice", *p);
    }
    g_free(config->boot_order);
    config->boot_order = g_strdup(value);
    return true;
}

bool option_boot(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"order", KEY_CUSTOM, .set = set_boot_order},
        {"menu", KEY_BOOL, offsetof(Config, boot_menu)},
        {"once", KEY_REFUSED, .text = "use order= with -no-reboot, then start without it"},
        {"splash", KEY_REFUSED, .text = "there is no boot picture"},
        {"splash-time", KEY_REFUSED, .text = "there is no boot picture"},
        {"reboot-timeout", KEY_REFUSED, .text = "the firmware waits for a key"},
        {"strict", KEY_ONLY, .text = "off"},
    };
    return apply(text, "order", rules, G_N_ELEMENTS(rules), parser->config, error);
}

/* -device */

typedef struct {
    char *chardev, *id;
    uint64_t iobase, iosize;
} DeviceKeys;

static bool add_debug_exit(Parser *parser, const DeviceKeys *keys, GError **error)
{
    Config *config = parser->config;
    if (keys->iosize < 1 || keys->iosize > 8 || keys->iobase > 0x10000 - keys->iosize)
        return option_error(error, "the ports must lie in 0 to 0xffff, at most 8 of them");
    for (unsigned i = 0; i < config->debug_exits; i++) {
        const PcDebugExit *other = &config->debug_exit[i];
        if (keys->iobase < other->iobase + other->iosize &&
            other->iobase < keys->iobase + keys->iosize)
            return option_error(error, "another isa-debug-exit has these ports");
    }
    if (config->debug_exits == PC_MAX_DEBUG_EXITS)
        return option_error(error, "there can be %d of these", PC_MAX_DEBUG_EXITS);
    config->debug_exit[config->debug_exits++] =
        (PcDebugExit){.iobase = (uint16_t)keys->iobase, .iosize = (unsigned)keys->iosize};
    return true;
}

static bool add_debugcon(Parser *parser, const DeviceKeys *keys, GError **error)
{
    if (keys->iobase > 0xffff)
        return option_error(error, "the port must lie in 1 to 0xffff");
    if (!keys->chardev)
        return option_error(error, "needs chardev=ID");
    g_autofree char *spec = g_strconcat("chardev:", keys->chardev, NULL);
    return option_add_debugcon(parser, spec, (uint16_t)keys->iobase, error);
}

static bool add_pvpanic(Parser *parser, const DeviceKeys *keys, GError **error)
{
    if (keys->iobase < 1 || keys->iobase > 0xffff)
        return option_error(error, "the port must lie in 1 to 0xffff");
    if (parser->config->pvpanic)
        return option_error(error, "there can be one of these");
    parser->config->pvpanic = (uint16_t)keys->iobase;
    return true;
}

static const struct {
    const char *name, *properties, *description;
    uint64_t iobase, iosize;
    bool (*add)(Parser *parser, const DeviceKeys *keys, GError **error);
} devices[] = {
    {"isa-debug-exit", "  iobase=<number> (default 0x501)\n  iosize=<number> (default 2)\n",
     "a write of V to its port ends dbtvm with exit code 2*V+1", ISA_DEBUG_EXIT_IOBASE,
     ISA_DEBUG_EXIT_IOSIZE, add_debug_exit},
    {"isa-debugcon", "  iobase=<number> (default 0xe9)\n  chardev=<id>\n",
     "what the guest writes to its port; SeaBIOS writes its log to 0x402", 0, 1, add_debugcon},
    {"pvpanic", "  ioport=<number> (default 0x505)\n",
     "port by which a guest reports that it has panicked", PVPANIC_IOBASE, 1, add_pvpanic},
};

static bool print_devices(Parser *parser)
{
    GString *out = g_string_new("Devices that can be added:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++)
        g_string_append_printf(out, "name \"%s\", bus ISA, desc \"%s\"\n", devices[i].name,
                               devices[i].description);
    option_print(parser, out->str);
    g_string_free(out, TRUE);
    return true;
}

static bool add_device(Parser *parser, const GArray *list, GError **error)
{
    static const KeyRule rules[] = {
        {"driver", KEY_ONLY, .text = "isa-debug-exit|isa-debugcon|pvpanic"},
        {"id", KEY_STRING, offsetof(DeviceKeys, id)},
        {"iobase", KEY_NUMBER, offsetof(DeviceKeys, iobase)},
        {"ioport", KEY_NUMBER, offsetof(DeviceKeys, iobase)},
        {"iosize", KEY_NUMBER, offsetof(DeviceKeys, iosize)},
        {"chardev", KEY_STRING, offsetof(DeviceKeys, chardev)},
    };
    const char *driver = key_values_get(list, "driver");
    size_t i = 0;
    while (i < G_N_ELEMENTS(devices) && (!driver || strcmp(devices[i].name, driver) != 0))
        i++;
    if (i == G_N_ELEMENTS(devices))
        return option_error(error, "'%s' cannot be added; -device help lists what can",
                            driver ? driver : "");
    if (list->len == 2 && !strcmp(g_array_index(list, KeyValue, 1).key, "help"))
        return option_print(parser, devices[i].properties);
    DeviceKeys keys = {.iobase = devices[i].iobase, .iosize = devices[i].iosize};
    bool good = key_values_apply(list, rules, G_N_ELEMENTS(rules), &keys, error);
    if (good && keys.chardev && devices[i].add != add_debugcon)
        good = option_error(error, "%s has no chardev", driver);
    good = good && devices[i].add(parser, &keys, error);
    g_free(keys.chardev);
    g_free(keys.id);
    return good;
}

bool option_device(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    if (word_in("help|?", text))
        return print_devices(parser);
    GArray *list = key_values_parse(text, "driver");
    bool good = add_device(parser, list, error);
    key_values_free(list);
    return good;
}

bool option_global(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const char property[] = "isa-debugcon.iobase=";
    uint64_t port;
    if (!g_str_has_prefix(text, property))
        return option_error(error, "only isa-debugcon.iobase is set so; use -device for others");
    if (!parse_number(text + strlen(property), &port) || port < 1 || port > 0xffff)
        return option_error(error, "the port must lie in 1 to 0xffff");
    parser->debugcon_port = (uint16_t)port;
    return true;
}

/* What depends on several options. */

static bool place_debugcons(const Parser *parser, GError **error)
{
    Config *config = parser->config;
    const uint16_t usual = parser->debugcon_port ? parser->debugcon_port : DEBUG_PORT_BOCHS;
    for (unsigned i = 0; i < PC_DEBUGCONS; i++) {
        uint16_t *port = &config->debugcon_port[i];
        if (console_absent(&config->console[CONSOLE_DEBUGCON + i]))
            continue;
        *port = *port ? *port : usual;
        for (unsigned j = 0; j < i; j++)
            if (config->debugcon_port[j] == *port)
                return option_error(error, "there is one debug console at port %#x already", *port);
    }
    return true;
}

static bool check_address_width(const Config *config, GError **error)
{
    CpuModel model;
    if (config->ram_bytes <= RAM_BELOW_4G)
        return true;
    if (!cpu_model_parse(&model, config->cpu, error))
        return false;
    if (config->ram_bytes + RAM_HOLE <= UINT64_C(1) << model.phys_bits)
        return true;
    return option_error(error,
                        "-m: CPU '%s' reaches %" PRIu64 "M of memory at most, the rest of "
                        "its addresses are the devices'",
                        config->cpu, ((UINT64_C(1) << model.phys_bits) - RAM_HOLE) / MIB);
}

bool option_machine_finish(Parser *parser, GError **error)
{
    Config *config = parser->config;
    if (config->initrd && !config->kernel)
        return option_error(error, "-initrd %s: needs -kernel", config->initrd);
    if (config->append && !config->kernel)
        return option_error(error, "-append: needs -kernel");
    if (parser->no_defaults && !parser->vga_given)
        config->vga = false;
    return place_debugcons(parser, error) && check_accelerator(parser, error) &&
           check_address_width(config, error);
}
