/* SPDX-License-Identifier: MIT
 * The subjects of info. */
#include <inttypes.h>
#include <string.h>

#include "monitor/command.h"

bool info_version(Command *command, GError **error)
{
    g_string_append(command->out, "dbtvm " DBTVM_VERSION "\n");
    return true;
}

bool info_status(Command *command, GError **error)
{
    static const char *const names[] = {[MACHINE_RUNNING] = "running",
                                        [MACHINE_PAUSED] = "paused",
                                        [MACHINE_PRELAUNCH] = "paused (prelaunch)",
                                        [MACHINE_OFF] = "paused (shutdown)",
                                        [MACHINE_PANICKED] = "paused (guest-panicked)",
                                        [MACHINE_IO_ERROR] = "paused (io-error)"};
    MachineState state = command->machine->state(command->machine);
    g_string_append_printf(command->out, "VM status: %s\n", names[state]);
    return true;
}

/* -a: of all CPUs, as there is one. */
bool info_registers(Command *command, GError **error)
{
    if (!strcmp(command->rest, "-a"))
        command->rest += strlen("-a");
    if (!command_end(command, error))
        return false;
    machine_enter(command->machine);
    g_string_append(command->out, "CPU#0\n");
    cpu_print_registers(command->machine->cpu, true, command->out);
    machine_leave(command->machine);
    return true;
}

bool info_cpus(Command *command, GError **error)
{
    const CpuX86 *cpu = command->machine->cpu;
    machine_enter(command->machine);
    g_string_append_printf(command->out, "* CPU #0: pc=0x%08" PRIx64 "%s thread_id=%" PRId64 "\n",
                           cpu->seg[SEG_CS].base + cpu->v.pc, cpu->v.halted ? " (halted)" : "",
                           command->machine->vcpu_thread_id);
    machine_leave(command->machine);
    return true;
}

bool info_jit(Command *command, GError **error)
{
    machine_enter(command->machine);
    engine_print_stats(command->machine->engine, command->out);
    machine_leave(command->machine);
    return true;
}

bool info_mtree(Command *command, GError **error)
{
    machine_enter(command->machine);
    address_space_print(command->machine->as, command->out);
    machine_leave(command->machine);
    return true;
}

bool info_pci(Command *command, GError **error)
{
    machine_enter(command->machine);
    pci_bus_print(pc_pci(command->machine->pc), command->out);
    machine_leave(command->machine);
    return true;
}

static void print_device(Device *device, GString *out)
{
    const char *description = device->cls->description;
    g_string_append_printf(out, "dev: %s%s%s\n", device->cls->name, description ? ", " : "",
                           description ? description : "");
    if (!device->cls->info)
        return;
    GString *text = g_string_new(NULL);
    device->cls->info(device, text);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text->str), "\n", -1);
    for (char **line = lines; *line; line++)
        g_string_append_printf(out, "  %s\n", *line);
    g_string_free(text, TRUE);
}

/* names: separated by '|'; NULL: all. */
static bool print_devices(Command *command, const char *names)
{
    Machine *machine = command->machine;
    g_auto(GStrv) wanted = g_strsplit(names ? names : "", "|", -1);
    machine_enter(machine);
    const GPtrArray *devices = pc_bus(machine->pc)->devices;
    for (guint i = 0; i < devices->len; i++) {
        Device *device = g_ptr_array_index(devices, i);
        if (!names || g_strv_contains((const char *const *)wanted, device->cls->name))
            print_device(device, command->out);
    }
    machine_leave(machine);
    return true;
}

bool info_qtree(Command *command, GError **error)
{
    return print_devices(command, NULL);
}

bool info_pic(Command *command, GError **error)
{
    return print_devices(command, "i8259|ioapic");
}

bool info_lapic(Command *command, GError **error)
{
    return print_devices(command, "apic");
}

bool info_chardev(Command *command, GError **error)
{
    const MachineChardev *list = command->machine->chardevs;
    address_space_lock(command->machine->as);
    for (unsigned i = 0; list && i < MACHINE_CHARDEVS; i++)
        if (list[i].label)
            g_string_append_printf(command->out, "%s: filename=%s%s\n", list[i].label,
                                   list[i].filename,
                                   chardev_is_full(list[i].chardev)    ? " (its output is not read)"
                                   : !chardev_is_open(list[i].chardev) ? " (disconnected)"
                                                                       : "");
    address_space_unlock(command->machine->as);
    return true;
}

bool info_irq(Command *command, GError **error)
{
    machine_enter(command->machine);
    for (unsigned i = 0; i < PC_ISA_IRQS; i++) {
        uint64_t count = pc_irq_count(command->machine->pc, i);
        if (count > 0)
            g_string_append_printf(command->out, "%2u: %" PRIu64 "\n", i, count);
    }
    machine_leave(command->machine);
    return true;
}

/* ROM in the memory map, then what the firmware is given. */
bool info_roms(Command *command, GError **error)
{
    GString *map = g_string_new(NULL);
    machine_enter(command->machine);
    address_space_print(command->machine->as, map);
    machine_leave(command->machine);
    g_auto(GStrv) lines = g_strsplit(map->str, "\n", -1);
    g_string_free(map, TRUE);
    for (char **line = lines; *line && strcmp(*line, "ports") != 0; line++)
        if (strstr(*line, " rom ") && !g_str_has_suffix(*line, "(disabled)"))
            g_string_append_printf(command->out, "%s\n", *line);
    return print_devices(command, "fw_cfg");
}

bool info_history(Command *command, GError **error)
{
    for (guint i = 0; command->history && i < command->history->len; i++)
        g_string_append_printf(command->out, "%u: '%s'\n", i,
                               (const char *)g_ptr_array_index(command->history, i));
    return true;
}

bool info_events(Command *command, GError **error)
{
    const CpuX86 *cpu = command->machine->cpu;
    unsigned size = G_N_ELEMENTS(cpu->history);
    machine_enter(command->machine);
    for (unsigned i = cpu->history_count - MIN(cpu->history_count, size); i != cpu->history_count;
         i++) {
        const DeliveredEvent *event = &cpu->history[i % size];
        g_string_append_printf(command->out,
                               "vector 0x%02x at %04" PRIx64 ":%08" PRIx64 " error 0x%" PRIx64 "\n",
                               event->vector, event->cs, event->pc, event->error);
    }
    machine_leave(command->machine);
    return true;
}
