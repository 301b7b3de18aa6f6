/* SPDX-License-Identifier: MIT
 * gdbserver: begin, move or end serving gdb while the machine runs. */
#include <string.h>

#include "monitor/command.h"
#include "monitor/gdbstub.h"

bool command_gdbserver(Command *command, GError **error)
{
    Machine *machine = command->machine;
    g_autofree char *spec = command_has_more(command) ? command_word(command, "device", error)
                                                      : g_strdup("tcp::1234");
    if (!spec || !command_end(command, error))
        return false;
    if (machine->gdb && gdb_stub_connected(machine->gdb))
        return command_error(error, "gdb is connected; let it detach first");
    gdb_stub_free(machine->gdb, 0);
    machine->gdb = NULL;
    if (!strcmp(spec, "none"))
        return true;
    machine->gdb = gdb_stub_new(machine, spec, error);
    if (machine->gdb)
        g_string_append_printf(command->out, "waiting for gdb on %s\n", spec);
    return machine->gdb != NULL;
}
