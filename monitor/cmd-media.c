/* SPDX-License-Identifier: MIT
 * Drives by name, what is in them, and changing it. */
#include <inttypes.h>
#include <string.h>

#include "monitor/command.h"
#include "monitor/media.h"

const MediaDrive media_drives[MEDIA_DRIVES] = {
    {"ide0-hd0", "ide0-cd0", 0, 0}, {"ide0-hd1", "ide0-cd1", 0, 1}, {"ide1-hd0", "ide1-cd0", 1, 0},
    {"ide1-hd1", "ide1-cd1", 1, 1}, {"floppy0", NULL, 0, 0},        {"floppy1", NULL, 0, 1},
};

static bool is_floppy(const MediaDrive *drive)
{
    return drive->cdrom_name == NULL;
}

MediaState media_state(Machine *machine, const MediaDrive *drive)
{
    const Ide *ide = pc_ide(machine->pc);
    const Fdc *fdc = pc_fdc(machine->pc);
    unsigned channel = drive->channel, unit = drive->unit;
    if (is_floppy(drive))
        return (MediaState){.name = drive->name,
                            .there = fdc && fdc_drive_type(fdc, unit) != FDC_DRIVE_NONE,
                            .removable = true,
                            .block = fdc ? fdc_drive_block(fdc, unit) : NULL};
    IdeKind kind = ide ? ide_drive_kind(ide, channel, unit) : IDE_NOTHING;
    return (MediaState){.name = kind == IDE_CDROM ? drive->cdrom_name : drive->name,
                        .there = kind != IDE_NOTHING,
                        .removable = kind == IDE_CDROM,
                        .locked = ide && ide_cdrom_locked(ide, channel, unit),
                        .block = ide ? ide_drive_block(ide, channel, unit) : NULL};
}

bool info_block(Command *command, GError **error)
{
    bool any = false;
    machine_enter(command->machine);
    for (unsigned i = 0; i < MEDIA_DRIVES; i++) {
        MediaState state = media_state(command->machine, &media_drives[i]);
        if (!state.there)
            continue;
        any = true;
        if (state.block)
            g_string_append_printf(command->out, "%s: %s (raw, %" PRIu64 " bytes%s)%s\n",
                                   state.name, block_path(state.block), block_size(state.block),
                                   block_read_only(state.block) ? ", read-only" : "",
                                   state.locked ? ", locked" : "");
        else
            g_string_append_printf(command->out, "%s: [not inserted]\n", state.name);
    }
    machine_leave(command->machine);
    if (!any)
        g_string_append(command->out, "no drives\n");
    return true;
}

static const MediaDrive *find_drive(Machine *machine, const char *name, GError **error)
{
    for (unsigned i = 0; i < MEDIA_DRIVES; i++) {
        MediaState state = media_state(machine, &media_drives[i]);
        if (!state.there || strcmp(state.name, name) != 0)
            continue;
        if (state.removable)
            return &media_drives[i];
        command_error(error, "'%s' is not removable", name);
        return NULL;
    }
    command_error(error, "there is no drive '%s'; info block lists them", name);
    return NULL;
}

/* Changed floppies stay as protected as the first one was, unless the user says otherwise. */
static bool choose_options(Machine *machine, const MediaDrive *drive, const char *mode,
                           BlockOptions *options, GError **error)
{
    const bool writable = g_strcmp0(mode, "read-write") == 0;
    const bool protected = g_strcmp0(mode, "read-only") == 0;
    *options =
        is_floppy(drive) ? machine->floppy_options[drive->unit] : (BlockOptions){.read_only = true};
    if (mode && !writable && !protected && strcmp(mode, "retain") != 0)
        return command_error(error, "'%s' is none of retain, read-only, read-write", mode);
    if (writable && !is_floppy(drive))
        return command_error(error, "a CD-ROM cannot be written to");
    if (writable || protected)
        options->read_only = protected;
    return true;
}

bool media_change(Machine *machine, const char *name, const char *path, const char *mode,
                  bool force, GError **error)
{
    Block *block = NULL;
    bool done = false;
    const MediaDrive *drive = find_drive(machine, name, error);
    if (!drive)
        return false;
    BlockOptions options;
    if (!choose_options(machine, drive, mode, &options, error) ||
        (path && !(block = block_open(path, &options, error))))
        return false;
    machine_enter(machine);
    if (is_floppy(drive))
        done = fdc_change(pc_fdc(machine->pc), drive->unit, block, error);
    else
        done =
            ide_cdrom_change(pc_ide(machine->pc), drive->channel, drive->unit, block, force, error);
    machine_leave(machine);
    if (done && path && is_floppy(drive))
        machine->floppy_options[drive->unit] = options;
    if (!done && block)
        block_free(block);
    return done;
}

static bool take_force(Command *command)
{
    bool force = g_str_has_prefix(command->rest, "-f ");
    if (force)
        g_free(command_word(command, "", NULL));
    return force;
}

bool command_change(Command *command, GError **error)
{
    bool force = take_force(command);
    g_autofree char *name = command_word(command, "drive", error);
    g_autofree char *path = name ? command_word(command, "file", error) : NULL;
    g_autofree char *format =
        path && command_has_more(command) ? command_word(command, "", NULL) : NULL;
    g_autofree char *mode =
        format && command_has_more(command) ? command_word(command, "", NULL) : NULL;
    if (format && strcmp(format, "raw") != 0)
        return command_error(error, "'%s' is no format that can be read; raw is", format);
    return path && command_end(command, error) &&
           media_change(command->machine, name, path, mode, force, error);
}

bool command_eject(Command *command, GError **error)
{
    bool force = take_force(command);
    g_autofree char *name = command_word(command, "drive", error);
    return name && command_end(command, error) &&
           media_change(command->machine, name, NULL, NULL, force, error);
}
