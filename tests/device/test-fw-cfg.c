/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "hw/fw-cfg.h"
#include "tests/device/port-io.h"

typedef struct {
    DeviceBus *bus;
    FwCfg *fw;
} Fixture;

static Fixture *fw_setup(void)
{
    Fixture *f = g_new0(Fixture, 1);
    f->bus = device_bus_new_for_test(65536);
    f->fw = fw_cfg_new(f->bus);
    device_reset_all(f->bus);
    return f;
}

static void fw_teardown(Fixture *f)
{
    device_bus_free_for_test(f->bus);
    g_free(f);
}

static void read_key(Fixture *f, uint16_t key, void *buffer, size_t size)
{
    address_space_io_write(f->bus->as, 0x510, key, 2);
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = inb(f->bus, 0x511);
}

/* One DMA request at 1000h; returns the status the device stored. */
static uint32_t dma(Fixture *f, uint32_t control, uint32_t length, uint64_t address)
{
    struct {
        uint32_t control, length;
        uint64_t address;
    } request = {GUINT32_TO_BE(control), GUINT32_TO_BE(length), GUINT64_TO_BE(address)};
    uint32_t status;
    address_space_dma_write(f->bus->as, 0x1000, &request, sizeof(request));
    address_space_io_write(f->bus->as, 0x514, 0, 4);
    address_space_io_write(f->bus->as, 0x518, GUINT32_TO_BE(0x1000), 4);
    address_space_dma_read(f->bus->as, 0x1000, &status, sizeof(status));
    return GUINT32_FROM_BE(status);
}

Test(fw_cfg, tells_signature_and_id)
{
    Fixture *f = fw_setup();
    uint8_t bytes[6];
    read_key(f, FW_CFG_SIGNATURE, bytes, 6);
    cr_assert_eq(memcmp(bytes, "QEMU\0\0", 6), 0);
    read_key(f, FW_CFG_ID, bytes, 4);
    cr_assert_eq(memcmp(bytes, "\3\0\0\0", 4), 0);
    cr_assert_eq(address_space_io_read(f->bus->as, 0x514, 4), 0x554d4551);
    cr_assert_eq(address_space_io_read(f->bus->as, 0x518, 4), 0x47464320);
    fw_teardown(f);
}

Test(fw_cfg, values_are_little_endian)
{
    Fixture *f = fw_setup();
    uint8_t bytes[8];
    fw_cfg_add_u16(f->fw, FW_CFG_NB_CPUS, 0x0102);
    fw_cfg_add_u64(f->fw, FW_CFG_RAM_SIZE, 0x1122334455667788);
    read_key(f, FW_CFG_NB_CPUS, bytes, 2);
    cr_assert_eq(bytes[0], 2);
    read_key(f, FW_CFG_RAM_SIZE, bytes, 8);
    cr_assert_eq(bytes[7], 0x11);
    read_key(f, 0x7fff, bytes, 1); /* unknown: zeros */
    cr_assert_eq(bytes[0], 0);
    fw_teardown(f);
}

Test(fw_cfg, lists_files_in_order)
{
    Fixture *f = fw_setup();
    uint8_t dir[4 + 128];
    fw_cfg_add_file(f->fw, "etc/zebra", "abc", 3);
    fw_cfg_add_file(f->fw, "etc/ape", "hello", 5);
    fw_cfg_add_file(f->fw, "etc/zebra", "longer", 6);
    read_key(f, FW_CFG_FILE_DIR, dir, sizeof(dir));
    cr_assert_eq(dir[3], 2);
    cr_assert_eq(dir[4 + 3], 6);
    cr_assert_eq(dir[4 + 5], 0x20);
    cr_assert_str_eq((char *)dir + 4 + 8, "etc/zebra");
    cr_assert_eq(dir[68 + 5], 0x21);
    cr_assert_str_eq((char *)dir + 68 + 8, "etc/ape");
    fw_teardown(f);
}

Test(fw_cfg, dma_selects_reads_and_skips)
{
    Fixture *f = fw_setup();
    char text[8];
    fw_cfg_add_file(f->fw, "etc/x", "0123456789", 10);
    cr_assert_eq(dma(f, 0x20 << 16 | 0x08 | 0x02, 4, 0x2000), 0);
    address_space_dma_read(f->bus->as, 0x2000, text, 4);
    cr_assert_eq(memcmp(text, "0123", 4), 0);
    cr_assert_eq(dma(f, 0x04, 2, 0), 0);
    cr_assert_eq(dma(f, 0x02, 8, 0x2000), 0);
    address_space_dma_read(f->bus->as, 0x2000, text, 8);
    cr_assert_eq(memcmp(text, "6789\0\0\0\0", 8), 0);
    fw_teardown(f);
}

static void count_write(void *opaque, size_t offset, size_t length)
{
    *(size_t *)opaque += offset + length;
}

Test(fw_cfg, dma_writes_only_writable_files)
{
    Fixture *f = fw_setup();
    size_t seen = 0, size;
    fw_cfg_add_file(f->fw, "etc/fixed", "abcd", 4);
    fw_cfg_add_writable_for_test(f->fw, "etc/open", "abcd", 4, count_write, &seen);
    address_space_dma_write(f->bus->as, 0x2000, "WXYZ", 4);
    cr_assert_eq(dma(f, 0x20 << 16 | 0x18, 4, 0x2000), 1);
    cr_assert_eq(dma(f, 0x21 << 16 | 0x18, 5, 0x2000), 1);
    cr_assert_eq(dma(f, 0x21 << 16 | 0x18, 4, 0x2000), 0);
    cr_assert_eq(memcmp(fw_cfg_file_data(f->fw, "etc/open", &size), "WXYZ", 4), 0);
    cr_assert_eq(memcmp(fw_cfg_file_data(f->fw, "etc/fixed", &size), "abcd", 4), 0);
    cr_assert_eq(seen, 4);
    fw_teardown(f);
}

Test(fw_cfg, dma_refuses_bad_requests)
{
    Fixture *f = fw_setup();
    cr_assert_eq(dma(f, 0x0a, 4, 0xfffff000), 1);    /* not RAM */
    cr_assert_eq(dma(f, 0x0a, 0xffffffff, 0), 1);    /* endless zeros */
    cr_assert_eq(dma(f, 0x0a, 16, ~UINT64_C(7)), 1); /* wraps */
    cr_assert_eq(dma(f, 0x04, 0xffffffff, 0), 0);
    cr_assert_eq(dma(f, 0x04, 0xffffffff, 0), 0);
    cr_assert_eq(dma(f, 0x02, 4, 0x2000), 0);
    address_space_io_write(f->bus->as, 0x514, 0xffffffff, 4);
    address_space_io_write(f->bus->as, 0x518, 0xffffffff, 4);
    fw_teardown(f);
}
