/* SPDX-License-Identifier: MIT
 * The fixed ACPI tables and the linker script for the BIOS. Sources: ACPI specification
 * 1.0b and "IA-PC HPET Specification" 1.0a; the script's format is that of fw_cfg's
 * etc/table-loader as SeaBIOS executes it. */
#include "hw/acpi-tables.h"
#include "hw/ioapic.h"
#include "hw/lapic.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"

/* What an OS would write to ACPI_SMI_COMMAND. */
#define ENABLE_VALUE  0xf1
#define DISABLE_VALUE 0xf0

#define HEADER_SIZE     36
#define HEADER_LENGTH   4
#define HEADER_CHECKSUM 9

enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

/* One command of the script: 128 bytes, little endian. */
typedef struct __attribute__((packed)) {
    uint32_t command;
    union {
        struct __attribute__((packed)) {
            char file[56];
            uint32_t align;
            uint8_t zone;
        } allocate;
        struct __attribute__((packed)) {
            char dest_file[56];
            char source_file[56];
            uint32_t offset;
            uint8_t size;
        } pointer;
        struct __attribute__((packed)) {
            char file[56];
            uint32_t offset;
            uint32_t start;
            uint32_t length;
        } checksum;
        uint8_t pad[124];
    };
} LoaderEntry;
G_STATIC_ASSERT(sizeof(LoaderEntry) == 128);

typedef struct {
    GByteArray *tables;
    GByteArray *rsdp;
    GArray *script;
} AcpiBuild;

static void put8(GByteArray *out, uint8_t value)
{
    g_byte_array_append(out, &value, 1);
}

static void put16(GByteArray *out, uint16_t value)
{
    value = GUINT16_TO_LE(value);
    g_byte_array_append(out, (const uint8_t *)&value, 2);
}

static void put32(GByteArray *out, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(out, (const uint8_t *)&value, 4);
}

static void put_text(GByteArray *out, const char *text)
{
    g_byte_array_append(out, (const uint8_t *)text, (guint)strlen(text));
}

static void put_zeros(GByteArray *out, guint count)
{
    while (count--)
        put8(out, 0);
}

/* ---- linker script ---- */

static void script_allocate(AcpiBuild *build, const char *file, uint32_t align, uint8_t zone)
{
    LoaderEntry entry = {.command = GUINT32_TO_LE(LOADER_ALLOCATE)};
    g_strlcpy(entry.allocate.file, file, sizeof(entry.allocate.file));
    entry.allocate.align = GUINT32_TO_LE(align);
    entry.allocate.zone = zone;
    g_array_append_val(build->script, entry);
}

/* The 4 bytes at offset of dest hold an offset into the tables: make it an address. */
static void script_pointer(AcpiBuild *build, const char *dest, uint32_t offset)
{
    LoaderEntry entry = {.command = GUINT32_TO_LE(LOADER_ADD_POINTER)};
    g_strlcpy(entry.pointer.dest_file, dest, sizeof(entry.pointer.dest_file));
    g_strlcpy(entry.pointer.source_file, TABLES_FILE, sizeof(entry.pointer.source_file));
    entry.pointer.offset = GUINT32_TO_LE(offset);
    entry.pointer.size = 4;
    g_array_append_val(build->script, entry);
}

static void script_checksum(AcpiBuild *build, const char *file, uint32_t offset, uint32_t start,
                            uint32_t length)
{
    LoaderEntry entry = {.command = GUINT32_TO_LE(LOADER_ADD_CHECKSUM)};
    g_strlcpy(entry.checksum.file, file, sizeof(entry.checksum.file));
    entry.checksum.offset = GUINT32_TO_LE(offset);
    entry.checksum.start = GUINT32_TO_LE(start);
    entry.checksum.length = GUINT32_TO_LE(length);
    g_array_append_val(build->script, entry);
}

/* ---- tables ---- */

/* Starts a table; returns its offset. Length and checksum come in table_end. */
static uint32_t table_begin(AcpiBuild *build, const char *signature, uint8_t revision)
{
    GByteArray *out = build->tables;
    uint32_t start = out->len;
    put_text(out, signature);
    put32(out, 0);
    put8(out, revision);
    put8(out, 0);
    put_text(out, "DBTVM DBTVM PC");
    put32(out, 1);
    put_text(out, "DBTV");
    put32(out, 1);
    g_assert(out->len - start == HEADER_SIZE);
    return start;
}

static void table_end(AcpiBuild *build, uint32_t start)
{
    uint32_t length = build->tables->len - start;
    uint32_t field = GUINT32_TO_LE(length);
    memcpy(build->tables->data + start + HEADER_LENGTH, &field, 4);
    script_checksum(build, TABLES_FILE, start + HEADER_CHECKSUM, start, length);
}

/* A pointer field inside the tables to the table at `target`. */
static void put_pointer(AcpiBuild *build, uint32_t target)
{
    script_pointer(build, TABLES_FILE, build->tables->len);
    put32(build->tables, target);
}

static uint32_t acpi_facs(AcpiBuild *build)
{
    GByteArray *out = build->tables;
    uint32_t start = out->len;
    g_assert(start % 64 == 0);
    put_text(out, "FACS");
    put32(out, 64);
    put_zeros(out, 56); /* no hardware signature, no waking vector, lock free */
    return start;
}

static uint32_t acpi_dsdt(AcpiBuild *build, const AcpiConfig *config)
{
    uint32_t start = table_begin(build, "DSDT", 1);
    acpi_dsdt_append(build->tables, config);
    table_end(build, start);
    return start;
}

/* FADT flags: WBINVD works; C1 works; no fixed sleep button (the power button is fixed). */
#define FADT_FLAGS (1u << 0 | 1u << 2 | 1u << 5)
#define LATENCY_C2_NONE 101
#define LATENCY_C3_NONE 1001

/* ACPI 1.0b "Fixed ACPI Description Table", 116 bytes. */
static uint32_t acpi_fadt(AcpiBuild *build, uint32_t facs, uint32_t dsdt)
{
    uint32_t start = table_begin(build, "FACP", 1);
    GByteArray *out = build->tables;
    put_pointer(build, facs);
    put_pointer(build, dsdt);
    put8(out, 1); /* INT_MODEL: multiple APIC */
    put8(out, 0);
    put16(out, ACPI_SCI_IRQ);
    put32(out, ACPI_SMI_COMMAND);
    put8(out, ENABLE_VALUE);
    put8(out, DISABLE_VALUE);
    put16(out, 0);                /* no S4BIOS request */
    put32(out, ACPI_PM_BASE);     /* PM1a event */
    put32(out, 0);                /* PM1b event */
    put32(out, ACPI_PM_BASE + 4); /* PM1a control */
    put32(out, 0);                /* PM1b control */
    put32(out, 0);                /* PM2 control */
    put32(out, ACPI_PM_BASE + 8); /* timer */
    put32(out, ACPI_GPE0_BASE);
    put32(out, 0); /* GPE1 */
    put8(out, 4);  /* PM1 event length */
    put8(out, 2);  /* PM1 control length */
    put8(out, 0);
    put8(out, 4); /* timer length */
    put8(out, ACPI_GPE0_LENGTH);
    put8(out, 0);
    put16(out, 0);
    put16(out, LATENCY_C2_NONE);
    put16(out, LATENCY_C3_NONE);
    put32(out, 0);   /* flush size and stride: WBINVD */
    put16(out, 0);   /* no clock throttling */
    put16(out, 0);   /* no day and month alarm */
    put8(out, 0x32); /* century */
    put16(out, 3);   /* boot architecture of later revisions: legacy devices, 8042 */
    put8(out, 0);
    put32(out, FADT_FLAGS);
    g_assert(out->len - start == 116);
    table_end(build, start);
    return start;
}

static void madt_override(GByteArray *out, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    put8(out, 2);
    put8(out, 10);
    put8(out, 0); /* ISA */
    put8(out, irq);
    put32(out, gsi);
    put16(out, flags);
}

#define MADT_LEVEL_HIGH 0x000d

static uint32_t acpi_madt(AcpiBuild *build, const AcpiConfig *config)
{
    static const uint8_t level_irqs[] = {5, ACPI_SCI_IRQ, 10, 11};
    uint32_t start = table_begin(build, "APIC", 1);
    GByteArray *out = build->tables;
    put32(out, (uint32_t)LAPIC_BASE);
    put32(out, 1); /* PCAT_COMPAT: there are 8259s to mask */
    for (unsigned i = 0; i < config->cpus; i++) {
        put8(out, 0);
        put8(out, 8);
        put8(out, (uint8_t)i); /* processor id in the DSDT */
        put8(out, (uint8_t)i); /* APIC id */
        put32(out, 1);         /* enabled */
    }
    put8(out, 1); /* I/O APIC */
    put8(out, 12);
    put8(out, 0); /* id, as after reset */
    put8(out, 0);
    put32(out, (uint32_t)IOAPIC_BASE);
    put32(out, 0); /* first global interrupt */
    madt_override(out, 0, 2, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(level_irqs); i++)
        madt_override(out, level_irqs[i], level_irqs[i], MADT_LEVEL_HIGH);
    put8(out, 4); /* NMI on LINT1 of all processors */
    put8(out, 6);
    put8(out, 0xff);
    put16(out, 0);
    put8(out, 1);
    table_end(build, start);
    return start;
}

static uint32_t acpi_hpet(AcpiBuild *build)
{
    uint32_t start = table_begin(build, "HPET", 1);
    GByteArray *out = build->tables;
    put32(out, 0x8086a201); /* low half of the capability register */
    put32(out, 0);          /* memory space; width, offset, access size unspecified */
    put32(out, 0xfed00000);
    put32(out, 0);
    put8(out, 0);  /* sequence number */
    put16(out, 0); /* minimum tick in periodic mode: unspecified */
    put8(out, 0);  /* page protection: none */
    g_assert(out->len - start == 56);
    table_end(build, start);
    return start;
}

static uint32_t acpi_rsdt(AcpiBuild *build, const uint32_t *tables, unsigned count)
{
    uint32_t start = table_begin(build, "RSDT", 1);
    for (unsigned i = 0; i < count; i++)
        put_pointer(build, tables[i]);
    table_end(build, start);
    return start;
}

/* ACPI 1.0b "Root System Description Pointer", 20 bytes in the F segment. */
static void acpi_rsdp(AcpiBuild *build, uint32_t rsdt)
{
    GByteArray *out = build->rsdp;
    put_text(out, "RSD PTR ");
    put8(out, 0);
    put_text(out, "DBTVM ");
    put8(out, 0); /* revision: ACPI 1.0 */
    script_pointer(build, RSDP_FILE, out->len);
    put32(out, rsdt);
    script_checksum(build, RSDP_FILE, 8, 0, out->len);
}

void acpi_tables_add(FwCfg *fw_cfg, const AcpiConfig *config)
{
    g_assert(config->cpus >= 1 && config->cpus <= APIC_BUS_MAX_LAPICS);
    AcpiBuild build = {.tables = g_byte_array_new(),
                       .rsdp = g_byte_array_new(),
                       .script = g_array_new(FALSE, FALSE, sizeof(LoaderEntry))};
    script_allocate(&build, RSDP_FILE, 16, ZONE_FSEG);
    script_allocate(&build, TABLES_FILE, 64, ZONE_HIGH);
    uint32_t facs = acpi_facs(&build);
    uint32_t dsdt = acpi_dsdt(&build, config);
    uint32_t listed[3];
    unsigned count = 0;
    listed[count++] = acpi_fadt(&build, facs, dsdt);
    listed[count++] = acpi_madt(&build, config);
    if (config->hpet)
        listed[count++] = acpi_hpet(&build);
    acpi_rsdp(&build, acpi_rsdt(&build, listed, count));

    fw_cfg_add_file(fw_cfg, RSDP_FILE, build.rsdp->data, build.rsdp->len);
    fw_cfg_add_file(fw_cfg, TABLES_FILE, build.tables->data, build.tables->len);
    fw_cfg_add_file(fw_cfg, LOADER_FILE, build.script->data,
                    build.script->len * sizeof(LoaderEntry));
    g_byte_array_unref(build.tables);
    g_byte_array_unref(build.rsdp);
    g_array_unref(build.script);
}
