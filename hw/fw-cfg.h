/* SPDX-License-Identifier: MIT
 * The firmware configuration device: named and numbered byte strings for SeaBIOS and guests.
 * Selector 510h, data 511h, DMA 514h-51Bh. Interface: "QEMU Firmware Configuration Device"
 * (qemu.org, specs/fw_cfg). */
#ifndef HW_FW_CFG_H
#define HW_FW_CFG_H

#include "hw/device.h"

enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_MACHINE_ID = 0x06,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_KERNEL_CMDLINE = 0x09,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_DEVICE = 0x0c,
    FW_CFG_NUMA = 0x0d,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_ENTRY = 0x10,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_ACPI_TABLES = 0x8000,
    FW_CFG_SMBIOS_ENTRIES = 0x8001,
    FW_CFG_IRQ0_OVERRIDE = 0x8002,
    FW_CFG_E820_TABLE = 0x8003,
    FW_CFG_HPET = 0x8004,
};

#define FW_CFG_NAME_MAX 55 /* bytes of a file name without its NUL */

typedef struct FwCfg FwCfg;
/* The guest wrote [offset, offset+length) of a writable file. */
typedef void (*FwCfgWritten)(void *opaque, size_t offset, size_t length);

FwCfg *fw_cfg_new(const DeviceBus *bus); /* knows SIGNATURE, ID and the file directory */

/* Adding a key or a name again replaces its contents. Multi-byte values are little endian. */
void fw_cfg_add_bytes(FwCfg *fw, uint16_t key, const void *data, size_t size); /* copied */
void fw_cfg_add_shared(FwCfg *fw, uint16_t key, GBytes *bytes); /* takes a reference */
void fw_cfg_add_u16(FwCfg *fw, uint16_t key, uint16_t value);
void fw_cfg_add_u32(FwCfg *fw, uint16_t key, uint32_t value);
void fw_cfg_add_u64(FwCfg *fw, uint16_t key, uint64_t value);

/* Files, listed in the order added. A name longer than FW_CFG_NAME_MAX is our bug. */
void fw_cfg_add_file(FwCfg *fw, const char *name, const void *data, size_t size); /* copied */
/* Copied; the guest may write it by DMA, as it may none of the board's. written may be NULL. */
void fw_cfg_add_writable_for_test(FwCfg *fw, const char *name, const void *data, size_t size,
                                  FwCfgWritten written, void *opaque);
/* A file's present bytes; NULL: no such file. Valid until it is replaced. */
const void *fw_cfg_file_data(const FwCfg *fw, const char *name, size_t *size);

#endif
