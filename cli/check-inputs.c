/* SPDX-License-Identifier: MIT */
#include "cli/check-inputs.h"

#include "base/error.h"
#include "cli/firmware.h"
#include "hw/boot-linux.h"

#define BIOS_GRAIN 65536u
#define BIOS_MAX   (4u << 20)

static bool check_bios(const Config *config, GError **error)
{
    const char *name = config->bios ? config->bios : "bios-256k.bin";
    GBytes *bios = firmware_load(config, name, error);
    if (!bios)
        return false;
    const gsize size = g_bytes_get_size(bios);
    g_bytes_unref(bios);
    if (size % BIOS_GRAIN == 0 && size <= BIOS_MAX)
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "-bios %s: has %zu bytes; firmware is a multiple of 64 KiB, at most 4 MiB", name,
                size);
    return false;
}

static bool check_drive(const Config *config, const DriveConfig *drive, GError **error)
{
    const bool kept = drive->read_only || drive->cdrom || drive->snapshot || config->snapshot;
    if (!drive->file || !*drive->file)
        return true;
    Block *block = block_open(drive->file, &(BlockOptions){.read_only = kept}, error);
    if (block)
        block_free(block);
    else
        g_prefix_error(error, "%s: ", drive->option);
    return block != NULL;
}

bool check_inputs(const Config *config, GError **error)
{
    if (!check_bios(config, error))
        return false;
    if (config->kernel && !boot_linux_load(NULL, config->kernel, config->initrd, config->append,
                                           config->ram_bytes, error))
        return false;
    for (guint i = 0; i < config->drives->len; i++)
        if (!check_drive(config, &g_array_index(config->drives, DriveConfig, i), error))
            return false;
    return true;
}
