/* SPDX-License-Identifier: MIT
 * The ACPI 1.0 tables of our PC (i440FX, PIIX3, PIIX4 power management), handed to the
 * BIOS through fw_cfg with a linker script that places and checksums them. */
#ifndef HW_ACPI_TABLES_H
#define HW_ACPI_TABLES_H

#include "hw/fw-cfg.h"

/* Where the board's power management sits; the PM device and the tables must agree. */
#define ACPI_PM_BASE     0x600 /* PM1a event; control at +4, timer at +8 */
#define ACPI_GPE0_BASE   0xafe0
#define ACPI_GPE0_LENGTH 4
#define ACPI_SMI_COMMAND 0xb2
#define ACPI_SCI_IRQ     9

typedef struct {
    uint64_t low_ram; /* bytes of RAM from 0: the PCI window begins behind it */
    unsigned cpus;    /* 1..8, APIC ids from 0 */
    bool serial[2];   /* COM1, COM2 */
    bool floppy;
    bool ps2; /* keyboard and mouse */
    bool hpet;
} AcpiConfig;

/* Adds etc/acpi/rsdp, etc/acpi/tables and etc/table-loader. */
void acpi_tables_add(FwCfg *fw_cfg, const AcpiConfig *config);

/* Appends the DSDT's definition block (what follows the table header). acpi-dsdt.c */
void acpi_dsdt_append(GByteArray *out, const AcpiConfig *config);

#endif
