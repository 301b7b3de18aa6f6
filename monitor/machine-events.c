/* SPDX-License-Identifier: MIT
 * Who wants to know when the machine stops, goes on, is reset or ends. */
#include <string.h>

#include "monitor/machine.h"

typedef struct {
    MachineListener fn;
    void *opaque;
} Listener;

void machine_listen(Machine *machine, MachineListener fn, void *opaque)
{
    Listener listener = {fn, opaque};
    if (!machine->listeners)
        machine->listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
    g_array_append_val(machine->listeners, listener);
}

void machine_unlisten(Machine *machine, MachineListener fn, void *opaque)
{
    GArray *list = machine->listeners;
    for (guint i = 0; list && i < list->len; i++) {
        const Listener *listener = &g_array_index(list, Listener, i);
        if (listener->fn != fn || listener->opaque != opaque)
            continue;
        g_array_remove_index(list, i);
        break;
    }
    if (list && list->len == 0)
        g_clear_pointer(&machine->listeners, g_array_unref);
}

void machine_emit(Machine *machine, const MachineEvent *event)
{
    for (guint i = 0; machine->listeners && i < machine->listeners->len; i++) {
        const Listener *listener = &g_array_index(machine->listeners, Listener, i);
        listener->fn(listener->opaque, event);
    }
}

MachineChardev *machine_chardev(Machine *machine, const char *label)
{
    for (unsigned i = 0; machine->chardevs && i < MACHINE_CHARDEVS; i++)
        if (g_strcmp0(machine->chardevs[i].label, label) == 0)
            return &machine->chardevs[i];
    return NULL;
}
