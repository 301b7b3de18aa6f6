/* SPDX-License-Identifier: MIT
 * gdbserver: begin, move or end serving gdb while the machine runs. */
#include <string.h>

#include "monitor/command.h"
#include "monitor/gdbstub.h"

/* In the sandbox no name is looked up and nothing connected to. */
static bool sandbox_allows(const char *spec, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(spec, ",", -1);
    bool serves = parts[0] && !parts[1];
    for (size_t i = 1; parts[0] && parts[i]; i++)
        serves = !strcmp(parts[i], "server") || !strcmp(parts[i], "server=on") ||
                 (serves && strcmp(parts[i], "server=off"));
    const bool tcp = g_str_has_prefix(spec, "tcp:"), unix_path = g_str_has_prefix(spec, "unix:");
    if ((tcp || unix_path) && !serves)
        return command_error(error, "the sandbox connects to nobody; dbtvm can only be the server");
    if (unix_path && g_file_test(parts[0] + strlen("unix:"), G_FILE_TEST_EXISTS))
        return command_error(error, "'%s' exists already", parts[0] + strlen("unix:"));
    const char *port = tcp ? strrchr(parts[0] + strlen("tcp:"), ':') : NULL;
    if (!port)
        return true;
    const char *host = parts[0] + strlen("tcp:");
    const bool bracket = *host == '[' && port > host + 1 && port[-1] == ']';
    g_autofree char *name = g_strndup(host + bracket, (gsize)(port - host) - 2 * bracket);
    if (!*name || !strcmp(name, "localhost") || g_hostname_is_ip_address(name))
        return true;
    return command_error(error, "the sandbox looks up no names: give the address of '%s'", name);
}

bool command_gdbserver(Command *command, GError **error)
{
    Machine *machine = command->machine;
    g_autofree char *spec =
        command_has_more(command) ? command_word(command, "device", error) : g_strdup("tcp::1234");
    if (!spec || !command_end(command, error))
        return false;
    if (machine->sandboxed && !sandbox_allows(spec, error))
        return false;
    if (machine->gdb && gdb_stub_connected(machine->gdb))
        return command_error(error, "gdb is connected; let it detach first");
    gdb_stub_free(machine->gdb, 0);
    machine->gdb = NULL;
    if (!strcmp(spec, "none"))
        return true;
    machine->gdb = gdb_stub_new(machine, spec, error);
    if (machine->gdb)
        g_string_append_printf(command->out, "waiting for gdb on %s\n",
                               chardev_filename(gdb_stub_chardev(machine->gdb), spec));
    return machine->gdb != NULL;
}
