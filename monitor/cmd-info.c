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
    bool running = command->machine->running(command->machine);
    g_string_append_printf(command->out, "VM status: %s\n", running ? "running" : "paused");
    return true;
}

bool info_registers(Command *command, GError **error)
{
    machine_enter(command->machine);
    cpu_print_registers(command->machine->cpu, command->out);
    machine_leave(command->machine);
    return true;
}

bool info_cpus(Command *command, GError **error)
{
    const CpuX86 *cpu = command->machine->cpu;
    machine_enter(command->machine);
    g_string_append_printf(command->out, "* CPU #0: pc=0x%08" PRIx64 "%s\n",
                           cpu->seg[SEG_CS].base + cpu->v.pc, cpu->v.halted ? " (halted)" : "");
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

bool info_block(Command *command, GError **error)
{
    Machine *machine = command->machine;
    bool any = false;
    machine_enter(machine);
    for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++) {
        const Block *block = ide_drive_block(pc_ide(machine->pc), i / IDE_UNITS, i % IDE_UNITS);
        if (!block)
            continue;
        any = true;
        g_string_append_printf(command->out, "ide%u-%u: %s (raw, %" PRIu64 " bytes%s)\n",
                               i / IDE_UNITS, i % IDE_UNITS, block_path(block), block_size(block),
                               block_read_only(block) ? ", read-only" : "");
    }
    machine_leave(machine);
    if (!any)
        g_string_append(command->out, "no images\n");
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
