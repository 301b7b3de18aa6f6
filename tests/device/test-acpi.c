/* SPDX-License-Identifier: MIT
 * ACPI tables: runs the linker script as a BIOS does and checks what comes out. */
#include <criterion/criterion.h>
#include "hw/acpi-tables.h"
#include "hw/aml.h"

#define TABLES_BASE 0x0ff00000u
#define RSDP_BASE   0x000f5a00u

typedef struct {
    const char *name;
    uint32_t base;
    uint8_t *data;
    size_t size;
} Blob;

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint8_t sum(const uint8_t *data, size_t size)
{
    uint8_t total = 0;
    while (size--)
        total += *data++;
    return total;
}

static Blob *find(Blob *blobs, const char *name)
{
    Blob *blob = g_str_equal(blobs[0].name, name) ? &blobs[0] : &blobs[1];
    cr_assert_str_eq(blob->name, name);
    return blob;
}

static void run_script(const uint8_t *script, size_t size, Blob *blobs)
{
    cr_assert_eq(size % 128, 0);
    for (const uint8_t *p = script; p < script + size; p += 128) {
        Blob *blob = find(blobs, (const char *)p + 4);
        uint32_t at = get32(p + 60);
        switch (get32(p)) {
        case 1: /* allocate: file, alignment, zone */
            cr_assert(p[64] == 1 || p[64] == 2);
            cr_assert_eq(blob->base % at, 0);
            break;
        case 2: /* add pointer: destination, source, offset, size */
            at = get32(p + 116);
            cr_assert_eq(p[120], 4);
            cr_assert(at + 4 <= blob->size);
            uint32_t value =
                GUINT32_TO_LE(get32(blob->data + at) + find(blobs, (const char *)p + 60)->base);
            memcpy(blob->data + at, &value, 4);
            break;
        case 3: /* checksum: file, offset, start, length */
            cr_assert(get32(p + 64) + get32(p + 68) <= blob->size);
            blob->data[at] -= sum(blob->data + get32(p + 64), get32(p + 68));
            break;
        default:
            cr_assert_fail("unknown command %u", get32(p));
        }
    }
}

static const uint8_t *table_at(const Blob *tables, uint32_t address, const char *signature)
{
    cr_assert(address >= tables->base && address - tables->base + 36 <= tables->size);
    const uint8_t *table = tables->data + (address - tables->base);
    cr_assert(memcmp(table, signature, 4) == 0, "%.4s", table);
    cr_assert(address - tables->base + get32(table + 4) <= tables->size);
    if (memcmp(table, "FACS", 4) != 0)
        cr_assert_eq(sum(table, get32(table + 4)), 0, "checksum of %s", signature);
    return table;
}

static void check_tables(const AcpiConfig *config)
{
    DeviceBus *bus = device_bus_new_for_test(0x10000);
    FwCfg *fw = fw_cfg_new(bus);
    acpi_tables_add(fw, config);
    Blob blobs[2] = {{"etc/acpi/rsdp", RSDP_BASE, NULL, 0},
                     {"etc/acpi/tables", TABLES_BASE, NULL, 0}};
    for (int i = 0; i < 2; i++) {
        const void *data = fw_cfg_file_data(fw, blobs[i].name, &blobs[i].size);
        blobs[i].data = g_memdup2(data, blobs[i].size);
    }
    size_t size;
    const uint8_t *script = fw_cfg_file_data(fw, "etc/table-loader", &size);
    run_script(script, size, blobs);

    cr_assert_eq(blobs[0].size, 20);
    cr_assert(memcmp(blobs[0].data, "RSD PTR ", 8) == 0);
    cr_assert_eq(sum(blobs[0].data, 20), 0);
    const uint8_t *rsdt = table_at(&blobs[1], get32(blobs[0].data + 16), "RSDT");
    cr_assert_eq(get32(rsdt + 4), config->hpet ? 48 : 44);
    const uint8_t *fadt = table_at(&blobs[1], get32(rsdt + 36), "FACP");
    cr_assert_eq(get32(fadt + 36) % 64, 0);
    table_at(&blobs[1], get32(fadt + 36), "FACS");
    const uint8_t *dsdt = table_at(&blobs[1], get32(fadt + 40), "DSDT");
    cr_assert_eq(get32(fadt + 56), 0x600);
    cr_assert_eq(get32(fadt + 64), 0x604);
    cr_assert_eq(get32(fadt + 76), 0x608);
    cr_assert_eq(get32(fadt + 80), 0xafe0);
    const uint8_t *madt = table_at(&blobs[1], get32(rsdt + 40), "APIC");
    cr_assert_eq(get32(madt + 36), 0xfee00000);
    if (config->hpet)
        table_at(&blobs[1], get32(rsdt + 44), "HPET");

    /* The first package length of the DSDT: the scopes fill it exactly. */
    size_t at = 36, end = get32(dsdt + 4);
    for (int scopes = 0; scopes < 2; scopes++) {
        cr_assert_eq(dsdt[at], 0x10);
        unsigned extra = dsdt[at + 1] >> 6;
        uint32_t length = extra ? dsdt[at + 1] & 0xf : dsdt[at + 1] & 0x3f;
        for (unsigned i = 0; i < extra; i++)
            length |= (uint32_t)dsdt[at + 2 + i] << (4 + 8 * i);
        at += 1 + length;
        cr_assert(at < end);
    }
    cr_assert(memcmp(dsdt + at, "\x08\\_S5_\x12", 7) == 0);
    g_free(blobs[0].data);
    g_free(blobs[1].data);
    device_bus_free_for_test(bus);
}

Test(acpi, linked_tables)
{
    check_tables(&(AcpiConfig){.low_ram = 64 << 20,
                               .cpus = 1,
                               .serial = {true, true},
                               .floppy = true,
                               .ps2 = true,
                               .hpet = true});
    check_tables(&(AcpiConfig){.low_ram = UINT64_C(0xe0000000), .cpus = 8});
}

Test(acpi, aml_encodings)
{
    GByteArray *out = g_byte_array_new();
    Aml aml;
    aml_init(&aml, out);
    aml_eisa_id(&aml, "PNP0A03");
    cr_assert(memcmp(out->data, "\x0c\x41\xd0\x0a\x03", 5) == 0);
    g_byte_array_set_size(out, 0);
    aml_begin_device(&aml, "\\_SB.PCI0.X");
    aml_end(&aml);
    cr_assert(out->len == 18 && memcmp(out->data, "\x5b\x82\x10\\\x2f\x03_SB_PCI0X___", 18) == 0);
    for (unsigned size = 1; size < 5000; size += size < 100 ? 1 : 97) {
        g_byte_array_set_size(out, 0);
        aml_begin_package(&aml, 1);
        g_byte_array_set_size(out, out->len + size);
        aml_end(&aml);
        unsigned extra = out->data[1] >> 6;
        uint32_t length = extra ? (out->data[1] & 0xf) | (uint32_t)out->data[2] << 4 : out->data[1];
        length |= extra > 1 ? (uint32_t)out->data[3] << 12 : 0;
        cr_assert_eq(length, out->len - 1, "size %u", size);
    }
    g_byte_array_unref(out);
}
