/* SPDX-License-Identifier: MIT */
#include "cli/consoles.h"

#include <string.h>

static void io_lock(void *as)
{
    address_space_lock(as);
}

static void io_unlock(void *as)
{
    address_space_unlock(as);
}

static bool is_none(const char *spec)
{
    return !spec || strcmp(spec, "none") == 0;
}

/* NULL: it is not wanted, or *error. option: as the user gave it, for messages. */
static Chardev *open_one(Consoles *consoles, const char *label, const char *option,
                         const char *spec, AddressSpace *as, GError **error)
{
    if (is_none(spec))
        return NULL;
    g_assert(consoles->count < MACHINE_CHARDEVS);
    Chardev *chardev = chardev_open(spec, io_lock, io_unlock, as, error);
    if (!chardev) {
        g_prefix_error(error, "%s %s: ", option, spec);
        return NULL;
    }
    consoles->list[consoles->count++] = (MachineChardev){label, g_strdup(spec), chardev, 0};
    return chardev;
}

/* A console of the guest: what it shows can be waited for. */
static bool open_device(Consoles *consoles, Chardev **chardev, const char *label,
                        const char *option, const char *spec, AddressSpace *as, GError **error)
{
    *chardev = open_one(consoles, label, option, spec, as, error);
    if (*chardev)
        chardev_keep_tap(*chardev);
    return *chardev || is_none(spec);
}

bool consoles_open(Consoles *consoles, const Config *config, AddressSpace *as, ChardevQuit quit,
                   void *quit_opaque, GError **error)
{
    static const char *const labels[PC_SERIAL_PORTS] = {"serial0", "serial1"};
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++) {
        if (!open_device(consoles, &consoles->serial[i], labels[i], "-serial", config->serial[i],
                         as, error))
            return false;
        if (consoles->serial[i] && g_str_has_prefix(config->serial[i], "mon:"))
            chardev_make_mux(consoles->serial[i], config->escape_char, quit, quit_opaque);
    }
    return open_device(consoles, &consoles->debugcon, "debugcon", "-debugcon", config->debugcon, as,
                       error);
}

/* "mon:stdio" on a serial port: monitor and port share it. */
static Chardev *shared_chardev(const Consoles *consoles, const Config *config)
{
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
        if (consoles->serial[i] && g_str_has_prefix(config->serial[i], "mon:"))
            return consoles->serial[i];
    return NULL;
}

bool consoles_open_monitors(Consoles *consoles, const Config *config, Machine *machine,
                            GError **error)
{
    Chardev *monitor = shared_chardev(consoles, config);
    if (!monitor)
        monitor = open_one(consoles, "monitor", "-monitor", config->monitor, machine->as, error);
    if (!monitor && !is_none(config->monitor))
        return false;
    if (monitor)
        consoles->monitor = monitor_new(machine, monitor);
    Chardev *qmp = open_one(consoles, "qmp", "-qmp", config->qmp, machine->as, error);
    if (qmp)
        consoles->qmp = qmp_new(machine, qmp);
    return qmp || is_none(config->qmp);
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
        g_free(consoles->list[i].spec);
    }
    consoles->count = 0;
}
