/* SPDX-License-Identifier: MIT
 * -kernel loading: what lands in fw_cfg, and what is refused before a guest starts. */
#include <criterion/criterion.h>
#include <elf.h>
#include <glib/gstdio.h>
#include "hw/boot-linux.h"

#define RAM (UINT64_C(64) << 20)

static uint8_t image[0x10000];
static char *directory;

static void open_dir(void)
{
    directory = g_dir_make_tmp("dbtvm-boot-XXXXXX", NULL);
    memset(image, 0, sizeof(image));
}

static void close_dir(void)
{
    GDir *dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        char *path = g_build_filename(directory, name, NULL);
        g_unlink(path);
        g_free(path);
    }
    g_dir_close(dir);
    g_rmdir(directory);
    g_free(directory);
}

TestSuite(boot_linux, .init = open_dir, .fini = close_dir);

static const char *put(const char *name, const void *data, size_t size)
{
    const char *path = g_intern_string(g_build_filename(directory, name, NULL));
    g_file_set_contents(path, data, (gssize)size, NULL);
    return path;
}

static void set32(uint32_t at, uint32_t value)
{
    memcpy(image + at, &value, 4);
}

/* A bzImage of protocol 2.15 with 4 setup sectors; 0x8000 bytes of kernel. */
static size_t make_bzimage(void)
{
    image[0x1f1] = 4;
    set32(0x1f4, 0x8000 / 16);
    image[0x1fe] = 0x55;
    image[0x1ff] = 0xaa;
    memcpy(image + 0x202, "HdrS", 4);
    image[0x206] = 0x0f;
    image[0x207] = 0x02;
    image[0x20e] = 0x80;
    memcpy(image + 0x280, "6.1.0 (test)", 12);
    image[0x211] = 1;
    set32(0x22c, 0x7fffffff);
    set32(0x238, 2047);
    set32(0x258, 0x1000000);
    set32(0x260, 0x800000);
    image[0xa00] = 0xab;
    return 0xa00 + 0x8000;
}

static uint32_t fw_byte(DeviceBus *bus)
{
    return (uint32_t)address_space_io_read(bus->as, 0x511, 1);
}

static uint32_t fw32(DeviceBus *bus, uint16_t key)
{
    uint32_t value = 0;
    address_space_io_write(bus->as, 0x510, key, 2);
    for (int i = 0; i < 4; i++)
        value |= fw_byte(bus) << (8 * i);
    return value;
}

static GByteArray *fw_data(DeviceBus *bus, uint16_t key, uint32_t size)
{
    GByteArray *data = g_byte_array_new();
    address_space_io_write(bus->as, 0x510, key, 2);
    for (uint32_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)fw_byte(bus);
        g_byte_array_append(data, &byte, 1);
    }
    return data;
}

static uint32_t at32(const GByteArray *data, uint32_t offset)
{
    uint32_t value;
    cr_assert_leq(offset + 4, data->len);
    memcpy(&value, data->data + offset, 4);
    return value;
}

static void refuse(const char *kernel, const char *initrd, const char *cmdline, const char *word)
{
    DeviceBus *bus = device_bus_new_for_test(0x10000);
    FwCfg *fw = fw_cfg_new(bus);
    GError *error = NULL;
    cr_assert(!boot_linux_load(fw, kernel, initrd, cmdline, RAM, &error), "%s", word);
    cr_assert_not_null(error);
    cr_assert_not_null(strstr(error->message, word), "'%s' in: %s", word, error->message);
    cr_assert_null(fw_cfg_file_data(fw, BOOT_LINUX_ROM_FILE, NULL));
    g_error_free(error);
    device_bus_free_for_test(bus);
}

static const char cpio[] = "070701"
                           "00000001"
                           "000081a4"
                           "00000000"
                           "00000000"
                           "00000001"
                           "00000000"
                           "00000004"
                           "00000000"
                           "00000000"
                           "00000000"
                           "00000000"
                           "00000002"
                           "00000000"
                           "a\0data";

static size_t make_cpio(char *out)
{
    size_t size = sizeof(cpio) - 1;
    memcpy(out, cpio, size);
    memcpy(out + size, cpio, 110);
    memcpy(out + size + 54, "00000000", 8);
    memcpy(out + size + 94, "0000000b", 8);
    memcpy(out + size + 110, "TRAILER!!!\0\0\0", 14);
    return size + 124;
}

Test(boot_linux, bzimage)
{
    char archive[512];
    const char *kernel = put("vmlinuz", image, make_bzimage());
    const char *initrd = put("initrd", archive, make_cpio(archive));
    DeviceBus *bus = device_bus_new_for_test(0x10000);
    FwCfg *fw = fw_cfg_new(bus);
    GError *error = NULL;
    cr_assert(boot_linux_load(fw, kernel, initrd, "console=ttyS0 vga=0x317", RAM, &error), "%s",
              error ? error->message : "");
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ADDR), 0x100000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_SIZE), 0x8000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ENTRY), 0);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_DATA), 0xab);
    cr_assert_eq(fw32(bus, FW_CFG_SETUP_ADDR), 0x10000);
    cr_assert_eq(fw32(bus, FW_CFG_SETUP_SIZE), 0xa00);
    GByteArray *setup = fw_data(bus, FW_CFG_SETUP_DATA, 0xa00);
    cr_assert_eq(setup->data[0x210], 0xff);
    cr_assert_eq(setup->data[0x211], 0x81);
    cr_assert_eq(at32(setup, 0x228), 0x20000);
    cr_assert_eq(at32(setup, 0x1fa) & 0xffff, 0x317);
    cr_assert_eq(at32(setup, 0x224) & 0xffff, 0xfe00);
    uint32_t address = fw32(bus, FW_CFG_INITRD_ADDR);
    cr_assert_eq(at32(setup, 0x218), address);
    cr_assert_eq(at32(setup, 0x21c), fw32(bus, FW_CFG_INITRD_SIZE));
    cr_assert_eq(address & 4095, 0);
    cr_assert(address >= 0x1800000 && address + 512 <= RAM - 0x80000);
    g_byte_array_unref(setup);
    size_t size;
    const uint8_t *rom = fw_cfg_file_data(fw, BOOT_LINUX_ROM_FILE, &size);
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += rom[i];
    cr_assert(size <= 2048 && rom[2] * 512u == size && sum == 0);
    device_bus_free_for_test(bus);
}

Test(boot_linux, refuses_bad_kernels)
{
    size_t size = make_bzimage();
    refuse("/nonexistent/vmlinuz", NULL, NULL, "/nonexistent/vmlinuz");
    refuse(directory, NULL, NULL, "regular file");
    refuse(put("empty", "", 0), NULL, NULL, "is empty");
    refuse(put("short", image, size - 4096), NULL, NULL, "truncated");
    refuse(put("setup-only", image, 0x800), NULL, NULL, "truncated");
    refuse(put("tiny", image, 100), NULL, NULL, "neither");
    char *line = g_strnfill(3000, 'x');
    refuse(put("vmlinuz", image, size), NULL, line, "-append");
    g_free(line);
    set32(0x260, 0x7f000000);
    refuse(put("big", image, size), NULL, NULL, "-m");
    GRand *rand = g_rand_new_with_seed(7);
    for (size_t i = 0; i < sizeof(image); i++)
        image[i] = (uint8_t)g_rand_int(rand);
    g_rand_free(rand);
    refuse(put("random", image, sizeof(image)), NULL, NULL, "neither");
}

Test(boot_linux, refuses_bad_initrds)
{
    char archive[512];
    size_t size = make_cpio(archive);
    const char *kernel = put("vmlinuz", image, make_bzimage());
    refuse(kernel, "/nonexistent/initrd", NULL, "/nonexistent/initrd");
    refuse(kernel, put("empty", "", 0), NULL, "is empty");
    refuse(kernel, put("short", archive, size - 10), NULL, "truncated");
    refuse(kernel, put("no-trailer", archive, sizeof(cpio) - 1), NULL, "truncated");
    refuse(kernel, put("random", "some random text", 16), NULL, "neither");
}

/* A multiboot ELF: one segment, virtual C0100000h, physical 100000h, 0x2000 of bss. */
static size_t make_elf(void)
{
    Elf32_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1},
                         .e_type = ET_EXEC,
                         .e_machine = EM_386,
                         .e_version = 1,
                         .e_entry = 0xc0100010,
                         .e_phoff = 52,
                         .e_ehsize = 52,
                         .e_phentsize = sizeof(Elf32_Phdr),
                         .e_phnum = 1};
    Elf32_Phdr segment = {.p_type = PT_LOAD,
                          .p_offset = 0x1000,
                          .p_vaddr = 0xc0100000,
                          .p_paddr = 0x100000,
                          .p_filesz = 0x100,
                          .p_memsz = 0x2000};
    memcpy(image, &header, sizeof(header));
    memcpy(image + 52, &segment, sizeof(segment));
    set32(0x1000, 0x1badb002);
    set32(0x1004, 3);
    set32(0x1008, 0u - 0x1badb002 - 3);
    return 0x1100;
}

Test(boot_linux, multiboot_elf)
{
    const char *kernel = put("kernel.elf", image, make_elf());
    char *modules = g_strdup_printf("%s one,%s", put("m,1", "first", 5), put("m2", "second", 6));
    char *escaped = g_strjoinv(",,1", g_strsplit(modules, ",1", -1));
    DeviceBus *bus = device_bus_new_for_test(0x10000);
    FwCfg *fw = fw_cfg_new(bus);
    GError *error = NULL;
    cr_assert(boot_linux_load(fw, kernel, escaped, "args", RAM, &error), "%s",
              error ? error->message : "");
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ADDR), 0x100000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_SIZE), 0x2000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ENTRY), 0x100010);
    cr_assert_eq(fw32(bus, FW_CFG_CMDLINE_ADDR), 0x102000);
    cr_assert_eq(fw32(bus, FW_CFG_CMDLINE_SIZE), 0x1006);
    uint32_t base = fw32(bus, FW_CFG_INITRD_ADDR);
    GByteArray *info = fw_data(bus, FW_CFG_INITRD_DATA, fw32(bus, FW_CFG_INITRD_SIZE));
    cr_assert_eq(at32(info, 0), 0x24d);
    cr_assert_str_eq((char *)info->data + at32(info, 64) - base, "dbtvm " DBTVM_VERSION);
    cr_assert(g_str_has_suffix((char *)info->data + at32(info, 16) - base, "kernel.elf args"));
    cr_assert_eq(at32(info, 20), 2);
    uint32_t table = at32(info, 24) - base;
    cr_assert_eq(at32(info, table), 0x102000);
    cr_assert_eq(at32(info, table + 4), 0x102005);
    cr_assert(g_str_has_suffix((char *)info->data + at32(info, table + 8) - base, "m,1 one"));
    cr_assert_eq(at32(info, table + 16), 0x103000);
    g_byte_array_unref(info);
    g_free(modules);
    g_free(escaped);
    device_bus_free_for_test(bus);
}

/* As ld links for 1 MiB: a read-only segment with the ELF headers below it, where the BIOS is. */
static size_t make_elf_with_headers_in_bios(uint32_t flags)
{
    const size_t size = make_elf();
    const Elf32_Phdr headers = {.p_type = PT_LOAD,
                                .p_vaddr = 0xff000,
                                .p_paddr = 0xff000,
                                .p_filesz = 0x94,
                                .p_memsz = 0x94,
                                .p_flags = flags};
    image[44] = 2; /* e_phnum */
    set32(24, 0x100010);
    set32(52 + 8, 0x100000);
    memcpy(image + 52 + sizeof(Elf32_Phdr), &headers, sizeof(headers));
    return size;
}

/* What is in RAM, from 1 MiB on. */
static void expect_kernel_at_1_mib(const char *name, size_t size)
{
    GError *error = NULL;
    DeviceBus *bus = device_bus_new_for_test(0x10000);
    cr_assert(boot_linux_load(fw_cfg_new(bus), put(name, image, size), NULL, NULL, RAM, &error),
              "%s", error ? error->message : "");
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ADDR), 0x100000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_SIZE), 0x2000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ENTRY), 0x100010);
    GByteArray *kernel = fw_data(bus, FW_CFG_KERNEL_DATA, 0x2000);
    cr_assert_eq(at32(kernel, 0), 0x1badb002);
    g_byte_array_unref(kernel);
    device_bus_free_for_test(bus);
}

Test(boot_linux, multiboot_headers_in_the_bios_are_left_out)
{
    const size_t size = make_elf_with_headers_in_bios(PF_R);
    expect_kernel_at_1_mib("headers", size);
    const uint32_t across[] = {0x800, 0xff800, 0xff800, 0x900, 0x2800}; /* p_offset to p_memsz */
    for (size_t i = 0; i < G_N_ELEMENTS(across); i++)
        set32(52 + 4 + 4 * i, across[i]);
    expect_kernel_at_1_mib("across", size);
    set32(24, 0xff810);
    refuse(put("entry", image, size), NULL, NULL, "entry point 0xff810");
    make_elf_with_headers_in_bios(PF_R);
    set32(52 + 32 + 16, 0x7fffffff); /* a size in the file, none in memory: nothing to load */
    set32(52 + 32 + 20, 0);
    expect_kernel_at_1_mib("no-memory", size);
    make_elf_with_headers_in_bios(PF_R | PF_W);
    refuse(put("data", image, size), NULL, NULL,
           "segment at 0xff000 to 0xff094 loads where the BIOS");
    set32(52 + 12, 0xc0000);
    refuse(put("video", image, size), NULL, NULL, "segment at 0xc0000 to 0xc2000");
}

Test(boot_linux, multiboot_flat_and_refusals)
{
    size_t size = make_elf();
    refuse(put("cut", image, size - 1), NULL, NULL, "truncated");
    refuse(put("kernel", image, size), "/nonexistent/module", NULL, "/nonexistent/module");
    set32(52 + 12, 0x500); /* p_paddr */
    refuse(put("low", image, size), NULL, NULL, "segment at 0x500 to 0x2500 loads where the BIOS");
    set32(52 + 12, 0xfffff000);
    refuse(put("high", image, size), NULL, NULL, "-m");
    make_elf();
    image[4] = ELFCLASS64;
    refuse(put("elf64", image, size), NULL, NULL, "elf32-i386");

    memset(image, 0, sizeof(image));
    const uint32_t header[8] = {0x1badb002, 0x10003,  0u - 0x1badb002 - 0x10003,
                                0x200040,   0x200000, 0x200800,
                                0x201000,   0x200100};
    memcpy(image + 0x40, header, sizeof(header));
    const char *kernel = put("flat", image, 0x800);
    refuse(put("flat-cut", image, 0x700), NULL, NULL, "truncated");
    DeviceBus *bus = device_bus_new_for_test(0x10000);
    cr_assert(boot_linux_load(fw_cfg_new(bus), kernel, NULL, NULL, RAM, NULL));
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ADDR), 0x200000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_SIZE), 0x1000);
    cr_assert_eq(fw32(bus, FW_CFG_KERNEL_ENTRY), 0x200100);
    device_bus_free_for_test(bus);
    set32(0x40 + 20, 0x200000); /* ends where it begins */
    set32(0x40 + 24, 0);
    refuse(put("flat-empty", image, 0x800), NULL, NULL, "nothing to load");
}

Test(boot_linux, e820)
{
    DeviceBus *bus = device_bus_new_for_test(0x10000);
    FwCfg *fw = fw_cfg_new(bus);
    size_t size;
    boot_add_e820(fw, RAM, 0);
    const uint8_t *table = fw_cfg_file_data(fw, "etc/e820", &size);
    cr_assert(size == 20 && table[11] == 4 && table[16] == 1);
    device_bus_free_for_test(bus);
}
