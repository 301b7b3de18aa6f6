/* SPDX-License-Identifier: MIT */
#include "cli/consoles.h"

#include <assert.h>

static void io_lock(void *as)
{
    address_space_lock(as);
}

static void io_unlock(void *as)
{
    address_space_unlock(as);
}

static_assert((int)MACHINE_CHARDEVS >= (int)CONSOLES, "a place for each");

/* What its -chardev says beside the spec. */
static bool set_up(const Consoles *consoles, Chardev *chardev, const ConsoleConfig *console,
                   GError **error)
{
    if (console->mux || console_shared(console))
        chardev_make_mux(chardev, consoles->config->escape_char, consoles->quit, consoles->opaque);
    const bool used = console < &consoles->config->console[CONSOLE_SPARE];
    if (console->signals != SIGNALS_AS_USUAL && (used || console->mux)) /* or nobody hears Ctrl-C */
        chardev_keep_signals(chardev, console->signals == SIGNALS_ON);
    return !console->log_file ||
           chardev_keep_log(chardev, console->log_file, console->log_append, error);
}

/* NULL: it is not wanted, or *error. */
static Chardev *open_console(Consoles *consoles, unsigned which, GError **error)
{
    const ConsoleConfig *console = &consoles->config->console[which];
    const bool spare = which >= CONSOLE_SPARE;
    const char *label = spare ? console->id : console_roles[which].label;
    if (console_absent(console))
        return NULL;
    Chardev *chardev = chardev_open(console->spec, io_lock, io_unlock, consoles->as, error);
    if (!chardev || !set_up(consoles, chardev, console, error)) {
        g_prefix_error(error, "%s %s: ", spare ? "-chardev" : console_roles[which].option,
                       spare ? console->id : console->spec);
        chardev_free(chardev);
        return NULL;
    }
    if (spare && console->mux)
        chardev_accept_input(chardev); /* for the keys; with others, front ends ask */
    chardev_announce(chardev, console->id ? console->id : label);
    consoles->list[consoles->count++] =
        (MachineChardev){label, g_strdup(chardev_filename(chardev, console->spec)), chardev, 0};
    return chardev;
}

/* Of the guest: what they show can be waited for. */
static bool open_devices(Consoles *consoles, unsigned first, unsigned count, Chardev **chardevs,
                         GError **error)
{
    for (unsigned i = 0; i < count; i++) {
        chardevs[i] = open_console(consoles, first + i, error);
        if (!chardevs[i] && !console_absent(&consoles->config->console[first + i]))
            return false;
        if (!chardevs[i])
            continue;
        chardev_keep_tap(chardevs[i]);
        chardev_set_hold(chardevs[i], consoles->hold, consoles->opaque);
    }
    return true;
}

bool consoles_open(Consoles *consoles, const Config *config, AddressSpace *as, ChardevQuit quit,
                   ChardevHold hold, void *opaque, GError **error)
{
    consoles->config = config;
    consoles->as = as;
    consoles->quit = quit;
    consoles->hold = hold;
    consoles->opaque = opaque;
    if (!open_devices(consoles, CONSOLE_SERIAL, PC_SERIAL_PORTS, consoles->serial, error) ||
        !open_devices(consoles, CONSOLE_DEBUGCON, PC_DEBUGCONS, consoles->debugcon, error))
        return false;
    for (unsigned i = CONSOLE_SPARE; i < CONSOLES; i++)
        if (!open_console(consoles, i, error) && !console_absent(&config->console[i]))
            return false;
    return true;
}

/* "mon:stdio" on a serial port: monitor and port share it. */
static Chardev *shared_chardev(const Consoles *consoles)
{
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
        if (console_shared(&consoles->config->console[CONSOLE_SERIAL + i]))
            return consoles->serial[i];
    return NULL;
}

bool consoles_open_monitors(Consoles *consoles, Machine *machine, GError **error)
{
    const ConsoleConfig *console = consoles->config->console;
    Chardev *monitor = shared_chardev(consoles);
    if (!monitor)
        monitor = open_console(consoles, CONSOLE_MONITOR, error);
    if (!monitor && !console_absent(&console[CONSOLE_MONITOR]))
        return false;
    if (monitor)
        consoles->monitor = monitor_new(machine, monitor);
    Chardev *qmp = open_console(consoles, CONSOLE_QMP, error);
    if (qmp)
        consoles->qmp = qmp_new(machine, qmp);
    return qmp || console_absent(&console[CONSOLE_QMP]);
}

void consoles_close_monitors(Consoles *consoles)
{
    g_clear_pointer(&consoles->monitor, monitor_free);
    g_clear_pointer(&consoles->qmp, qmp_free);
}

void consoles_close(Consoles *consoles)
{
    for (unsigned i = 0; i < consoles->count; i++) {
        chardev_free(consoles->list[i].chardev);
        g_free(consoles->list[i].filename);
    }
    consoles->count = 0;
}
