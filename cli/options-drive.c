/* SPDX-License-Identifier: MIT
 * Drives: -hda and its kin, -drive, and which place each one takes. */
#include <inttypes.h>
#include <string.h>

#include "cli/options-priv.h"

enum { IDE_DRIVES = IDE_CHANNELS * IDE_UNITS };

typedef struct {
    char *file, *serial, *id, *media;
    bool floppy, snapshot, read_only, stops_when_full, reports_when_full;
    uint64_t index, bus, unit;
} DriveKeys;

#define NOT_GIVEN UINT64_MAX

void option_drives_clear(Parser *parser)
{
    if (parser->drive_ids)
        g_ptr_array_free(parser->drive_ids, TRUE);
    parser->drive_ids = NULL;
}

static bool place_taken(const Config *config, DriveInterface interface, unsigned index)
{
    for (guint i = 0; i < config->drives->len; i++) {
        const DriveConfig *other = &g_array_index(config->drives, DriveConfig, i);
        if (other->interface == interface && other->index == index)
            return true;
    }
    return false;
}

/* index NOT_GIVEN: the first free place. */
static bool find_place(const Config *config, DriveInterface interface, uint64_t index,
                       unsigned *place, GError **error)
{
    unsigned places = interface == DRIVE_IDE ? IDE_DRIVES : PC_FLOPPIES;
    const char *kind = interface == DRIVE_IDE ? "IDE" : "floppy";
    if (index == NOT_GIVEN) {
        for (index = 0; index < places && place_taken(config, interface, (unsigned)index);)
            index++;
        if (index == places)
            return option_error(error, "too many drives; the board has %u %s places", places, kind);
    }
    if (index >= places)
        return option_error(error,
                            "index %" PRIu64 " does not exist; the board has %s places 0 "
                            "to %u",
                            index, kind, places - 1);
    if (place_taken(config, interface, (unsigned)index))
        return option_error(error, "%s place %" PRIu64 " is taken by another drive", kind, index);
    *place = (unsigned)index;
    return true;
}

/* Takes over what drive points to. */
static bool add_drive(Parser *parser, DriveConfig *drive, uint64_t index, GError **error)
{
    if (!find_place(parser->config, drive->interface, index, &drive->index, error)) {
        g_free(drive->file);
        g_free(drive->option);
        g_free(drive->serial);
        return false;
    }
    g_array_append_val(parser->config->drives, *drive);
    return true;
}

static bool add_simple(Parser *parser, const OptionRow *row, const char *file,
                       DriveInterface interface, bool cdrom, GError **error)
{
    if (!*file)
        return option_error(error, "needs the name of a file");
    DriveConfig drive = {.file = g_strdup(file),
                         .option =
                             row ? g_strdup_printf("-%s %s", row->name, file) : g_strdup(file),
                         .interface = interface,
                         .cdrom = cdrom,
                         .read_only = cdrom};
    return add_drive(parser, &drive, row ? row->data : 0, error);
}

bool option_add_drive_file(Parser *parser, const char *file, GError **error)
{
    return add_simple(parser, NULL, file, DRIVE_IDE, false, error);
}

bool option_ide_disk(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return add_simple(parser, row, text, DRIVE_IDE, false, error);
}

bool option_cdrom(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return add_simple(parser, row, text, DRIVE_IDE, true, error);
}

bool option_floppy(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    return add_simple(parser, row, text, DRIVE_FLOPPY, false, error);
}

static bool set_interface(void *target, const char *value, GError **error)
{
    ((DriveKeys *)target)->floppy = !strcmp(value, "floppy");
    return word_in("ide|floppy", value) ||
           option_error(error, "if=%s is not supported (only ide and floppy)", value);
}

static bool set_format(void *target, const char *value, GError **error)
{
    return !strcmp(value, "raw") ||
           option_error(error, "format=%s is not supported; convert the image to raw", value);
}

static bool set_media(void *target, const char *value, GError **error)
{
    ((DriveKeys *)target)->media = g_strdup(value);
    return word_in("disk|cdrom", value) ||
           option_error(error, "media=%s: must be disk or cdrom", value);
}

static bool set_serial(void *target, const char *value, GError **error)
{
    ((DriveKeys *)target)->serial = g_strdup(value);
    return strlen(value) <= 20 ||
           option_error(error, "serial=%s: longer than 20 characters", value);
}

static bool set_write_error(void *target, const char *value, GError **error)
{
    DriveKeys *keys = target;
    keys->stops_when_full = !strcmp(value, "enospc");
    keys->reports_when_full = !keys->stops_when_full;
    return word_in("enospc|report", value) ||
           option_error(error, "werror=%s is not supported (only enospc, for floppies report)", value);
}

#define AT(field) offsetof(DriveKeys, field)

static const KeyRule drive_rules[] = {
    {"file", KEY_STRING, AT(file)},
    {"if", KEY_CUSTOM, .set = set_interface},
    {"index", KEY_NUMBER, AT(index)},
    {"bus", KEY_NUMBER, AT(bus)},
    {"unit", KEY_NUMBER, AT(unit)},
    {"media", KEY_CUSTOM, .set = set_media},
    {"format", KEY_CUSTOM, .set = set_format},
    {"snapshot", KEY_BOOL, AT(snapshot)},
    {"readonly", KEY_BOOL, AT(read_only)},
    {"read-only", KEY_BOOL, AT(read_only)},
    {"serial", KEY_CUSTOM, .set = set_serial},
    {"id", KEY_STRING, AT(id)},
    /* Images are read and written through the host's page cache, whatever these say. */
    {"cache", KEY_ONLY, .text = "writeback|writethrough|none|directsync|unsafe"},
    {"aio", KEY_ONLY, .text = "threads|native|io_uring"},
    {"discard", KEY_ONLY, .text = "ignore|off"},
    {"detect-zeroes", KEY_ONLY, .text = "off"},
    /* A full host stops the machine when a hard disk wants to write, other errors go to the guest. */
    {"werror", KEY_CUSTOM, .set = set_write_error},
    {"rerror", KEY_ONLY, .text = "report"},
};

static bool remember_id(Parser *parser, const char *id, GError **error)
{
    if (!parser->drive_ids)
        parser->drive_ids = g_ptr_array_new_with_free_func(g_free);
    if (g_ptr_array_find_with_equal_func(parser->drive_ids, id, g_str_equal, NULL))
        return option_error(error, "another drive has id=%s", id);
    g_ptr_array_add(parser->drive_ids, g_strdup(id));
    return true;
}

/* bus=,unit= are another way to say index=. */
static bool resolve_unit(DriveKeys *keys, GError **error)
{
    if (keys->bus == NOT_GIVEN && keys->unit == NOT_GIVEN)
        return true;
    if (keys->index != NOT_GIVEN)
        return option_error(error, "index= and bus=,unit= cannot both be given");
    unsigned units = keys->floppy ? PC_FLOPPIES : IDE_UNITS;
    unsigned buses = keys->floppy ? 1 : IDE_CHANNELS;
    uint64_t bus = keys->bus == NOT_GIVEN ? 0 : keys->bus;
    uint64_t unit = keys->unit == NOT_GIVEN ? 0 : keys->unit;
    if (bus >= buses || unit >= units)
        return option_error(error, "bus=%" PRIu64 ",unit=%" PRIu64 " does not exist", bus, unit);
    keys->index = bus * units + unit;
    return true;
}

static bool check_keys(Parser *parser, DriveKeys *keys, bool cdrom, GError **error)
{
    if (!keys->file && !cdrom)
        return option_error(error, "needs file=");
    if (keys->stops_when_full && keys->floppy)
        return option_error(error, "werror=enospc: errors of floppies go to the guest (report)");
    if (keys->reports_when_full && !keys->floppy)
        return option_error(error, "werror=report: a full host stops the machine (enospc)");
    if (cdrom && keys->floppy)
        return option_error(error, "a floppy drive takes no CD-ROM");
    return (!keys->id || remember_id(parser, keys->id, error)) && resolve_unit(keys, error);
}

bool option_drive(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    DriveKeys keys = {.index = NOT_GIVEN, .bus = NOT_GIVEN, .unit = NOT_GIVEN};
    GArray *list = key_values_parse(text, NULL);
    bool good = key_values_apply(list, drive_rules, G_N_ELEMENTS(drive_rules), &keys, error);
    bool cdrom = keys.media && !strcmp(keys.media, "cdrom");
    good = good && check_keys(parser, &keys, cdrom, error);
    if (good) {
        DriveConfig drive = {.file = g_steal_pointer(&keys.file),
                             .option = g_strdup_printf("-drive %s", text),
                             .interface = keys.floppy ? DRIVE_FLOPPY : DRIVE_IDE,
                             .cdrom = cdrom,
                             .snapshot = keys.snapshot,
                             .read_only = keys.read_only || cdrom,
                             .serial = g_steal_pointer(&keys.serial)};
        good = add_drive(parser, &drive, keys.index, error);
    }
    key_values_free(list);
    g_free(keys.file);
    g_free(keys.serial);
    g_free(keys.id);
    g_free(keys.media);
    return good;
}

/* As the board of QEMU has: an empty CD-ROM drive, so that a disc can be put in later. */
static bool add_default_cdrom(Parser *parser, GError **error)
{
    enum { SECONDARY_MASTER = 2 };
    if (parser->no_defaults || place_taken(parser->config, DRIVE_IDE, SECONDARY_MASTER))
        return true;
    DriveConfig drive = {.option = g_strdup("CD-ROM drive"),
                         .interface = DRIVE_IDE,
                         .cdrom = true,
                         .read_only = true};
    return add_drive(parser, &drive, SECONDARY_MASTER, error);
}

bool option_drives_finish(Parser *parser, GError **error)
{
    GArray *drives = parser->config->drives;
    if (!add_default_cdrom(parser, error))
        return false;
    for (guint i = 0; i < drives->len; i++) {
        DriveConfig *drive = &g_array_index(drives, DriveConfig, i);
        if (parser->config->snapshot && !drive->cdrom)
            drive->snapshot = true;
    }
    return true;
}
