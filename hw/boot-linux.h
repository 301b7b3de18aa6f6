/* SPDX-License-Identifier: MIT
 * -kernel, -initrd and -append: checks a Linux or multiboot kernel and lays it out
 * in fw_cfg, where our option ROM (hw/optionrom/linuxboot.S) finds it when the
 * BIOS boots. Nothing is written to guest memory here. */
#ifndef HW_BOOT_LINUX_H
#define HW_BOOT_LINUX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include "hw/fw-cfg.h"

/* The ROM's name in fw_cfg and in the BIOS's boot order. */
#define BOOT_LINUX_ROM_FILE  "genroms/linuxboot_dma.bin"
#define BOOT_LINUX_BOOTORDER "/rom@genroms/linuxboot_dma.bin"

/* initrd (may be NULL): one file for Linux; for multiboot "file args,file args...", with
 * ",," for a comma. cmdline: may be NULL. low_ram: bytes of RAM from address 0 up to the
 * hole below 4 GiB. Adds the fw_cfg items, the ROM and "bootorder". On failure nothing
 * is added (fw_cfg NULL: only looks) and *error names the file and the remedy. */
bool boot_linux_load(FwCfg *fw_cfg, const char *kernel, const char *initrd, const char *cmdline,
                     uint64_t low_ram, GError **error);

/* Add "etc/e820", from which the BIOS makes its memory map: low_ram at 0 and high_ram
 * at 4 GiB. */
void boot_add_e820(FwCfg *fw_cfg, uint64_t low_ram, uint64_t high_ram);

#endif
