/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "hw/debug-ports.h"

enum { MEDIA_BYTES = 4 << 20 };
enum { DISK_BYTES = 1 << 20, CD_BYTES = 64 * 2048, FLOPPY_BYTES = 1474560, BIOS_BYTES = 65536 };
enum { VGA_BIOS_BYTES = 4096, MASTER_AND_SPACES = 7 };
enum { PM_BASE = 0x40, PM_ENABLE = 0x80, SMBUS_BASE = 0x90, SMBUS_ENABLE = 0xd2 };

static void note_reset(void *opaque, const char *cause)
{
}

static void note_power_off(void *opaque)
{
}

static void note_exit(void *opaque, int code)
{
}

static void note_panic(void *opaque, bool crash_loaded)
{
}

static void on_intr(void *opaque, int number, bool level)
{
    ((Board *)opaque)->intr = level;
}

/* As a BIOS leaves them: every space decoded, every function a bus master. */
static void assign_addresses(PciBus *pci)
{
    const unsigned ide = PCI_DEVFN(1, 1), pm = PCI_DEVFN(1, 3), vga = PCI_DEVFN(2, 0);
    pci_config_write(pci, ide, PCI_BAR0 + 16, BOARD_BMDMA, 4);
    pci_config_write(pci, pm, PM_BASE, BOARD_PM, 4);
    pci_config_write(pci, pm, PM_ENABLE, 1, 1);
    pci_config_write(pci, pm, SMBUS_BASE, BOARD_SMBUS, 4);
    pci_config_write(pci, pm, SMBUS_ENABLE, 1, 1);
    pci_config_write(pci, vga, PCI_BAR0, BOARD_LFB, 4);
    pci_config_write(pci, vga, PCI_BAR0 + 8, BOARD_VGA_MMIO, 4);
    pci_config_write(pci, ide, PCI_COMMAND, MASTER_AND_SPACES, 2);
    pci_config_write(pci, pm, PCI_COMMAND, MASTER_AND_SPACES, 2);
    pci_config_write(pci, vga, PCI_COMMAND, MASTER_AND_SPACES, 2);
}

static void open_memory(Board *board)
{
    Ram *ram = board->ram ? board->ram : ram_new(pc_ram_capacity(BOARD_RAM), NULL);
    Ram *media = board->media ? board->media : ram_new(MEDIA_BYTES, NULL);
    g_assert(ram && media);
    ram_reset_for_test(ram);
    ram_reset_for_test(media);
    AddressSpace *as = board->as ? board->as : address_space_new(ram);
    address_space_clear_for_test(as);
    *board = (Board){.ram = ram, .media = media, .as = as};
}

static Block *new_medium(Board *board, uint64_t bytes)
{
    return block_new_buffer(ram_hva(board->media, ram_alloc(board->media, "medium", bytes)), bytes);
}

void board_open(Board *board)
{
    static const uint8_t bios[BIOS_BYTES], vga_bios[VGA_BIOS_BYTES] = {0x55, 0xaa, 8};
    open_memory(board);
    board->clock = clock_new_fake();
    board->serial = chardev_new_memory();
    board->debugcon = chardev_new_memory();
    const PcConfig config = {
        .ram_bytes = BOARD_RAM,
        .bios = bios,
        .bios_size = sizeof(bios),
        .vga_bios = vga_bios,
        .vga_bios_size = sizeof(vga_bios),
        .vga = true,
        .rtc_unix_seconds = 1709164798,
        .serial = {board->serial},
        .debugcon = {{board->debugcon, DEBUG_PORT_SEABIOS}},
        .drive = {{new_medium(board, DISK_BYTES), false, NULL},
                  {0},
                  {new_medium(board, CD_BYTES), true, NULL},
                  {NULL, true, NULL}},
        .floppy = {new_medium(board, FLOPPY_BYTES)},
        .debug_exit = {{BOARD_DEBUG_EXIT, 4}},
        .debug_exits = 1,
        .pvpanic = BOARD_PVPANIC,
        .tsc_hz = 2000000000,
        .intr = {on_intr, board, 0},
        .opaque = board,
        .request_reset = note_reset,
        .request_power_off = note_power_off,
        .request_exit = note_exit,
        .request_panic = note_panic,
    };
    address_space_begin(board->as); /* one rebuild of the map, not sixty */
    board->pc = pc_new(&config, board->as, board->clock, NULL);
    g_assert(board->pc);
    pc_reset(board->pc);
    address_space_set_a20(board->as, true);
    assign_addresses(pc_pci(board->pc));
    address_space_commit(board->as);
}

void board_close(Board *board)
{
    pc_free(board->pc);
    chardev_free(board->serial);
    chardev_free(board->debugcon);
    clock_free(board->clock);
}

static void add_device(const Device *device, XXH3_state_t *hash)
{
    for (const StateField *f = device->cls->state; f && f->name; f++) {
        const uint8_t *bytes = (const uint8_t *)device + f->offset;
        Timer *timer;
        if (!f->timer) {
            XXH3_64bits_update(hash, bytes, (size_t)f->size * f->count);
            continue;
        }
        memcpy(&timer, bytes, sizeof(timer));
        const int64_t deadline = timer && timer_armed(timer) ? timer_deadline(timer) : -1;
        XXH3_64bits_update(hash, &deadline, sizeof(deadline));
    }
}

/* What was never touched is zero, as are many pages that were. */
static void add_memory(const Ram *ram, XXH3_state_t *hash)
{
    enum { PAGE = 4096 };
    static const uint8_t zero[PAGE];
    const off_t end = (off_t)ram_capacity(ram);
    for (off_t at = 0; at < end && (at = lseek(ram_fd(ram), at, SEEK_DATA)) >= 0; at += PAGE) {
        const uint8_t *page = ram_hva(ram, (ram_off_t)at);
        if (memcmp(page, zero, PAGE) == 0)
            continue;
        XXH3_64bits_update(hash, &at, sizeof(at));
        XXH3_64bits_update(hash, page, PAGE);
    }
}

uint64_t board_digest(Board *board)
{
    XXH3_state_t *hash = XXH3_createState();
    const GPtrArray *devices = pc_bus(board->pc)->devices;
    const GString *out[] = {chardev_memory_output(board->serial),
                            chardev_memory_output(board->debugcon)};
    const int64_t now = clock_now(board->clock);
    XXH3_64bits_reset(hash);
    for (guint i = 0; i < devices->len; i++)
        add_device(g_ptr_array_index(devices, i), hash);
    for (unsigned i = 0; i < G_N_ELEMENTS(out); i++)
        XXH3_64bits_update(hash, out[i]->str, out[i]->len);
    XXH3_64bits_update(hash, &now, sizeof(now));
    XXH3_64bits_update(hash, &board->intr, sizeof(board->intr));
    add_memory(board->ram, hash);
    add_memory(board->media, hash);
    const uint64_t digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return digest;
}
