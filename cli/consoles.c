/* SPDX-License-Identifier: MIT */
#include "cli/consoles.h"

static void io_lock(void *as)
{
    address_space_lock(as);
}

static void io_unlock(void *as)
{
    address_space_unlock(as);
}

/* NULL: it is not wanted, or *error. */
static Chardev *open_console(Consoles *consoles, const Config *config, unsigned which,
                             AddressSpace *as, GError **error)
{
    const ConsoleConfig *console = &config->console[which];
    const ConsoleRole *role = &console_roles[which];
    if (console_absent(console))
        return NULL;
    g_assert(consoles->count < MACHINE_CHARDEVS);
    Chardev *chardev = chardev_open(console->spec, io_lock, io_unlock, as, error);
    if (!chardev) {
        g_prefix_error(error, "%s %s: ", role->option, console->spec);
        return NULL;
    }
    chardev_announce(chardev, role->label);
    consoles->list[consoles->count++] = (MachineChardev){
        role->label, g_strdup(chardev_filename(chardev, console->spec)), chardev, 0};
    return chardev;
}

/* Of the guest: what they show can be waited for. */
static bool open_devices(Consoles *consoles, const Config *config, unsigned first, unsigned count,
                         Chardev **chardevs, AddressSpace *as, GError **error)
{
    for (unsigned i = 0; i < count; i++) {
        chardevs[i] = open_console(consoles, config, first + i, as, error);
        if (chardevs[i])
            chardev_keep_tap(chardevs[i]);
        else if (!console_absent(&config->console[first + i]))
            return false;
    }
    return true;
}

bool consoles_open(Consoles *consoles, const Config *config, AddressSpace *as, ChardevQuit quit,
                   void *quit_opaque, GError **error)
{
    if (!open_devices(consoles, config, CONSOLE_SERIAL, PC_SERIAL_PORTS, consoles->serial, as,
                      error))
        return false;
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
        if (console_shared(&config->console[CONSOLE_SERIAL + i]))
            chardev_make_mux(consoles->serial[i], config->escape_char, quit, quit_opaque);
    return open_devices(consoles, config, CONSOLE_DEBUGCON, PC_DEBUGCONS, consoles->debugcon, as,
                        error);
}

/* "mon:stdio" on a serial port: monitor and port share it. */
static Chardev *shared_chardev(const Consoles *consoles, const Config *config)
{
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
        if (console_shared(&config->console[CONSOLE_SERIAL + i]))
            return consoles->serial[i];
    return NULL;
}

bool consoles_open_monitors(Consoles *consoles, const Config *config, Machine *machine,
                            GError **error)
{
    Chardev *monitor = shared_chardev(consoles, config);
    if (!monitor)
        monitor = open_console(consoles, config, CONSOLE_MONITOR, machine->as, error);
    if (!monitor && !console_absent(&config->console[CONSOLE_MONITOR]))
        return false;
    if (monitor)
        consoles->monitor = monitor_new(machine, monitor);
    Chardev *qmp = open_console(consoles, config, CONSOLE_QMP, machine->as, error);
    if (qmp)
        consoles->qmp = qmp_new(machine, qmp);
    return qmp || console_absent(&config->console[CONSOLE_QMP]);
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
