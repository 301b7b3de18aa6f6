/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

#include <string.h>

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

void board_open(Board *board)
{
    static const uint8_t bios[BIOS_BYTES], vga_bios[VGA_BIOS_BYTES] = {0x55, 0xaa, 8};
    memset(board, 0, sizeof(*board));
    board->ram = ram_new(pc_ram_capacity(BOARD_RAM), NULL);
    g_assert(board->ram);
    board->as = address_space_new(board->ram);
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
        .debugcon = board->debugcon,
        .drive = {{block_new_memory(DISK_BYTES), false, NULL},
                  {0},
                  {block_new_memory(CD_BYTES), true, NULL},
                  {NULL, true, NULL}},
        .floppy = {block_new_memory(FLOPPY_BYTES)},
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
    address_space_free(board->as);
    ram_free(board->ram);
}
