/* SPDX-License-Identifier: MIT
 * Files that a user was given by somebody: kernels, initial RAM disks, multiboot images and
 * modules (boot_linux_load), disk images (block_open), symbol tables. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hw/block/block.h"
#include "hw/boot-linux.h"
#include "hw/fw-cfg.h"
#include "monitor/symbols.h"
#include "tests/fuzz/fuzz.h"

#define LOW_RAM (UINT64_C(64) << 20)

static void boot(const char *kernel, const char *initrd, unsigned how)
{
    g_autoptr(GError) error = NULL;
    DeviceBus *bus = device_bus_new_for_test(1 << 20);
    FwCfg *fw_cfg = fw_cfg_new(bus);
    bool ok =
        boot_linux_load(fw_cfg, kernel, initrd, how & 1 ? "console=ttyS0 root=/dev/hda" : NULL,
                        how & 2 ? LOW_RAM : 2 << 20, &error);
    g_assert(ok == !error);
    device_bus_free_for_test(bus);
}

static void open_block(const char *path, unsigned how)
{
    g_autoptr(GError) error = NULL;
    const BlockOptions options = {.read_only = how & 1, .snapshot = how & 2};
    Block *block = block_open(path, &options, &error);
    g_assert(!block == !!error);
    if (!block)
        return;
    uint8_t sector[512] = {1};
    block_read(block, 0, sector, sizeof(sector));
    block_read(block, block_size(block) - 512, sector, sizeof(sector));
    block_write(block, 0, sector, sizeof(sector));
    block_free(block);
}

static void load_symbols(const char *path, uint64_t offset)
{
    g_autoptr(GError) error = NULL;
    uint64_t address, into;
    Symbols *symbols = symbols_load(path, offset, &error);
    g_assert(!symbols == !!error);
    if (!symbols)
        return;
    symbols_find(symbols, 0x100004, &into);
    symbols_lookup(symbols, "main", &address);
    symbols_free(symbols);
}

/* g_file_set_contents would flush and rename. */
static void write_file(const char *path, const uint8_t *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    fuzz_enter_sandbox();
    if (count < 1)
        return 0;
    const unsigned how = bytes[0];
    write_file("image", bytes + 1, count - 1);
    switch (how & 3) {
    case 0:
        boot("image", NULL, how >> 2);
        break;
    case 1:
        boot("image", how & 0x10 ? "image" : "image one two,image,,", how >> 2);
        break;
    case 2:
        open_block("image", how >> 2);
        break;
    default:
        load_symbols("image", how >> 2);
        break;
    }
    return 0;
}
