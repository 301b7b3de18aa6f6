/* SPDX-License-Identifier: MIT
 * Linux kernels: checks a bzImage (or zImage), fills in the setup header and hands
 * the pieces to fw_cfg. Source: "The Linux/x86 Boot Protocol". Multiboot kernels
 * are boot-multiboot.c's. */
#include "hw/boot-linux.h"
#include <sys/stat.h>
#include "base/error.h"
#include "hw/boot-image-priv.h"
#include "hw/optionrom/roms.h"

/* Setup header, offsets from the start of the file */
#define HDR_SETUP_SECTS     0x1f1
#define HDR_SYSSIZE         0x1f4
#define HDR_VID_MODE        0x1fa
#define HDR_BOOT_FLAG       0x1fe
#define HDR_MAGIC           0x202
#define HDR_VERSION         0x206
#define HDR_KERNEL_VERSION  0x20e
#define HDR_TYPE_OF_LOADER  0x210
#define HDR_LOADFLAGS       0x211
#define HDR_RAMDISK_IMAGE   0x218
#define HDR_RAMDISK_SIZE    0x21c
#define HDR_HEAP_END_PTR    0x224
#define HDR_CMD_LINE_PTR    0x228
#define HDR_INITRD_ADDR_MAX 0x22c
#define HDR_CMDLINE_SIZE    0x238
#define HDR_PREF_ADDRESS    0x258
#define HDR_INIT_SIZE       0x260
#define HDR_MINIMUM         0x268 /* what we read of the header ends here */

/* Old command line: magic and offset in the boot sector, protocol 2.01 and older */
#define OLD_CMDLINE_MAGIC  0x20
#define OLD_CMDLINE_OFFSET 0x22

#define LOADED_HIGH      0x01
#define CAN_USE_HEAP     0x80
#define LOADER_UNDEFINED 0xff

/* Where pieces go ("The Memory Layout" in the boot protocol). From 2.02 on the setup code may lie
 * anywhere below 1 MiB ("X"), with its stack and heap behind it and the command line at X+10000h. */
enum {
    SETUP_AT = 0x10000, /* X */
    SETUP_ROOM = 0xf000,
    CMDLINE_AT = 0x20000,
    CMDLINE_END = 0x30000,
    OLD_SETUP_AT = 0x90000, /* the only place for older kernels and zImages */
    OLD_SETUP_ROOM = 0x8000,
    OLD_CMDLINE_END = 0x9a000,
    ZIMAGE_AT = 0x10000, /* up to the setup code */
    ZIMAGE_MAX = 0x80000,
    BZIMAGE_AT = 0x100000,
};

typedef struct {
    uint16_t version; /* 0: older than the HdrS header */
    bool high;
    uint32_t setup_size;
    uint32_t setup_address;
    uint32_t cmdline_end; /* exclusive, at most */
    uint32_t kernel_address;
} LinuxLayout;

static const char kernel_role[] = "-kernel";
static const char initrd_role[] = "-initrd";

bool boot_file_error(const char *role, const char *path, GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "%s '%s': %s", role, path, text);
    g_free(text);
    return false;
}

bool boot_file_read(BootFile *file, const char *path, const char *role, uint64_t limit,
                    GError **error)
{
    *file = (BootFile){.path = path};
    struct stat st;
    if (stat(path, &st) < 0)
        return boot_file_error(role, path, error, "%s; give the path of an existing file",
                               g_strerror(errno));
    if (!S_ISREG(st.st_mode))
        return boot_file_error(role, path, error, "not a regular file; give the path of a file");
    if (st.st_size == 0)
        return boot_file_error(role, path, error, "the file is empty; build or fetch it again");
    if ((uint64_t)st.st_size >= limit)
        return boot_file_error(role, path, error,
                               "%" G_GINT64_FORMAT " bytes do not fit into guest memory; "
                               "give the guest more with -m",
                               (gint64)st.st_size);
    GError *cause = NULL;
    char *data;
    if (!g_file_get_contents(path, &data, &file->size, &cause)) {
        boot_file_error(role, path, error, "%s; make the file readable", cause->message);
        g_error_free(cause);
        return false;
    }
    file->bytes = g_bytes_new_take(data, file->size);
    file->data = (const uint8_t *)data;
    if (file->size == 0 || file->size >= limit) {
        boot_file_clear(file);
        return boot_file_error(role, path, error, "the file changed while it was read; try again");
    }
    return true;
}

void boot_file_clear(BootFile *file)
{
    g_clear_pointer(&file->bytes, g_bytes_unref);
    file->data = NULL;
}

/* ---- the kernel image ---- */

static bool linux_probe(const BootFile *kernel)
{
    return kernel->size >= HDR_MINIMUM && get16(kernel->data + HDR_BOOT_FLAG) == 0xaa55 &&
           memcmp(kernel->data + HDR_MAGIC, "HdrS", 4) == 0;
}

static bool linux_check(LinuxLayout *layout, const BootFile *kernel, GError **error)
{
    const uint8_t *header = kernel->data;
    uint32_t setup_sects = header[HDR_SETUP_SECTS] ? header[HDR_SETUP_SECTS] : 4;
    layout->version = get16(header + HDR_VERSION);
    layout->high = header[HDR_LOADFLAGS] & LOADED_HIGH;
    layout->setup_size = (setup_sects + 1) * 512;
    bool modern = layout->version >= 0x202 && layout->high;
    layout->setup_address = modern ? SETUP_AT : OLD_SETUP_AT;
    layout->cmdline_end = modern ? CMDLINE_END : OLD_CMDLINE_END;
    layout->kernel_address = layout->high ? BZIMAGE_AT : ZIMAGE_AT;

    if (layout->setup_size >= kernel->size)
        return boot_file_error(kernel_role, kernel->path, error,
                               "truncated: the setup code alone should be %u bytes; fetch or "
                               "build the kernel again",
                               layout->setup_size);
    uint64_t system_size = (uint64_t)kernel->size - layout->setup_size;
    uint32_t paragraphs =
        layout->version >= 0x204 ? get32(header + HDR_SYSSIZE) : get16(header + HDR_SYSSIZE);
    if ((uint64_t)paragraphs * 16 > system_size + 15)
        return boot_file_error(kernel_role, kernel->path, error,
                               "truncated: %" G_GUINT64_FORMAT " bytes of kernel, the header says "
                               "%" G_GUINT64_FORMAT "; fetch or build the kernel again",
                               system_size, (uint64_t)paragraphs * 16);
    if (layout->setup_size > (modern ? SETUP_ROOM : OLD_SETUP_ROOM) ||
        (!layout->high && system_size > ZIMAGE_MAX))
        return boot_file_error(kernel_role, kernel->path, error,
                               "the image is too large for its load address; use a bzImage");
    return true;
}

/* vga= of the command line goes into the header, as every boot loader does. */
static void linux_set_video_mode(uint8_t *setup, const char *cmdline)
{
    static const struct {
        const char *word;
        uint16_t mode;
    } names[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
    const char *value = NULL;
    for (const char *p = cmdline; (p = strstr(p, "vga=")); p += 4) {
        if (p == cmdline || p[-1] == ' ')
            value = p + 4;
    }
    if (!value)
        return;
    uint16_t mode = (uint16_t)g_ascii_strtoull(value, NULL, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_str_has_prefix(value, names[i].word))
            mode = names[i].mode;
    }
    put16(setup + HDR_VID_MODE, mode);
}

static bool linux_place_cmdline(BootImage *image, const LinuxLayout *layout, const BootFile *kernel,
                                const char *cmdline, GError **error)
{
    uint8_t *setup = image->pieces[PIECE_SETUP].data->data;
    size_t length = strlen(cmdline) + 1;
    size_t limit = layout->version >= 0x206 ? (size_t)get32(setup + HDR_CMDLINE_SIZE) + 1 : 256;
    limit = MIN(limit, 0x1000);
    if (length > limit) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                    "-append: %zu characters; the kernel '%s' takes %zu at most; shorten it",
                    length - 1, kernel->path, limit - 1);
        return false;
    }
    uint32_t address = layout->setup_address == SETUP_AT
                           ? CMDLINE_AT
                           : (layout->cmdline_end - (uint32_t)length) & ~15u;
    BootPiece *piece = &image->pieces[PIECE_CMDLINE];
    piece->address = address;
    piece->data = g_byte_array_new();
    g_byte_array_append(piece->data, (const uint8_t *)cmdline, (guint)length);

    if (layout->version >= 0x202) {
        put32(setup + HDR_CMD_LINE_PTR, address);
    } else {
        put16(setup + OLD_CMDLINE_MAGIC, 0xa33f);
        put16(setup + OLD_CMDLINE_OFFSET, (uint16_t)(address - layout->setup_address));
    }
    setup[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    if (layout->version >= 0x201) {
        /* The heap ends 512 bytes below the command line: room for the stack. */
        setup[HDR_LOADFLAGS] |= CAN_USE_HEAP;
        put16(setup + HDR_HEAP_END_PTR, (uint16_t)(address - layout->setup_address - 0x200));
    }
    linux_set_video_mode(setup, cmdline);
    return true;
}

/* ---- the initial RAM disk ---- */

static uint32_t hex8(const uint8_t *p)
{
    char text[9] = {0};
    memcpy(text, p, 8);
    return (uint32_t)g_ascii_strtoull(text, NULL, 16);
}

/* Walk a "newc" archive ("initramfs buffer format"): false when a member runs past the end. */
static bool cpio_is_whole(const BootFile *file)
{
    size_t at = 0;
    while (at + 6 <= file->size && memcmp(file->data + at, "07070", 5) == 0) {
        if (at + 110 > file->size)
            return false;
        uint64_t name_size = hex8(file->data + at + 94);
        uint64_t data_at = (at + 110 + name_size + 3) & ~UINT64_C(3);
        if (data_at > file->size)
            return false;
        bool trailer = name_size == 11 && memcmp(file->data + at + 110, "TRAILER!!!", 10) == 0;
        uint64_t end = data_at + hex8(file->data + at + 54);
        if (end > file->size)
            return false;
        if (trailer)
            return true;
        at = (end + 3) & ~UINT64_C(3);
    }
    return false;
}

/* What Linux takes as an initial RAM disk: an archive, packed or not, or a file system. */
static bool initrd_is_known(const BootFile *file)
{
    static const struct {
        uint32_t offset;
        uint8_t length;
        const char *magic;
    } kinds[] = {
        {0, 5, "07070"},
        {0, 2, "\x1f\x8b"},
        {0, 2, "\x1f\x9e"},
        {0, 3, "BZh"},
        {0, 4,
         "\xfd"
         "7zX"},
        {0, 3, "\x5d\x00\x00"},
        {0, 4, "\x89LZO"},
        {0, 4, "\x02\x21\x4c\x18"},
        {0, 4, "\x28\xb5\x2f\xfd"},
        {0, 4, "\x45\x3d\xcd\x28"},
        {0, 8, "-rom1fs-"},
        {0, 4, "hsqs"},
        {0x410, 2, "\x7f\x13"},
        {0x410, 2, "\x8f\x13"},
        {0x438, 2, "\x53\xef"},
        {0, 4, "\0\0\0\0"}, /* padding before an archive is skipped */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (file->size >= kinds[i].offset + kinds[i].length &&
            memcmp(file->data + kinds[i].offset, kinds[i].magic, kinds[i].length) == 0)
            return true;
    }
    return false;
}

/* Programs such as MEMDISK use the boot protocol with other kinds of initrd: only what
 * has a Linux version string is held to Linux's formats. */
static bool kernel_is_linux(const BootFile *kernel)
{
    uint32_t at = get16(kernel->data + HDR_KERNEL_VERSION);
    return at && at + 0x200 < kernel->size && g_ascii_isdigit(kernel->data[at + 0x200]);
}

static bool linux_check_initrd(const BootFile *kernel, const BootFile *initrd, GError **error)
{
    if (!kernel_is_linux(kernel))
        return true;
    if (!initrd_is_known(initrd))
        return boot_file_error(initrd_role, initrd->path, error,
                               "neither an initramfs archive nor a file system that Linux can "
                               "start from; give the initrd that belongs to the kernel");
    if (initrd->size >= 5 && memcmp(initrd->data, "07070", 5) == 0 && initrd->data[5] != '7' &&
        !cpio_is_whole(initrd))
        return boot_file_error(initrd_role, initrd->path, error,
                               "truncated archive; fetch or build the initrd again");
    return true;
}

/* The first byte behind the kernel while it unpacks itself. */
static uint64_t linux_kernel_end(const LinuxLayout *layout, const BootFile *kernel)
{
    uint64_t end = layout->kernel_address + (uint64_t)kernel->size - layout->setup_size;
    if (layout->version >= 0x20a) {
        uint64_t preferred = get32(kernel->data + HDR_PREF_ADDRESS);
        uint64_t start = MAX(preferred, (uint64_t)layout->kernel_address);
        end = MAX(end, start + get32(kernel->data + HDR_INIT_SIZE));
    }
    return end;
}

static bool linux_place_initrd(BootImage *image, const LinuxLayout *layout, const BootFile *kernel,
                               BootFile *initrd, uint64_t low_ram, GError **error)
{
    uint8_t *setup = image->pieces[PIECE_SETUP].data->data;
    if (layout->version < 0x200 || !layout->high)
        return boot_file_error(kernel_role, kernel->path, error,
                               "this old kernel takes no -initrd; leave it out");
    uint64_t top = layout->version >= 0x203 ? get32(setup + HDR_INITRD_ADDR_MAX) : 0x37ffffff;
    top = MIN(top + 1, low_ram - BOOT_TOP_RESERVE);
    uint64_t floor = linux_kernel_end(layout, kernel);
    if (top < floor || ((top - initrd->size) & ~UINT64_C(4095)) < floor || initrd->size > top)
        return boot_file_error(initrd_role, initrd->path, error,
                               "%zu bytes do not fit behind the kernel into %" G_GUINT64_FORMAT
                               " MiB; give the guest more memory with -m",
                               initrd->size, low_ram >> 20);
    BootPiece *piece = &image->pieces[PIECE_INITRD];
    piece->address = (uint32_t)((top - initrd->size) & ~UINT64_C(4095));
    piece->file = g_bytes_ref(initrd->bytes);
    put32(setup + HDR_RAMDISK_IMAGE, piece->address);
    put32(setup + HDR_RAMDISK_SIZE, (uint32_t)initrd->size);
    return true;
}

static bool linux_load(BootImage *image, const BootFile *kernel, const char *initrd_path,
                       const char *cmdline, uint64_t low_ram, GError **error)
{
    LinuxLayout layout;
    if (!linux_check(&layout, kernel, error))
        return false;
    if (linux_kernel_end(&layout, kernel) + BOOT_TOP_RESERVE > low_ram)
        return boot_file_error(kernel_role, kernel->path, error,
                               "the kernel needs more than %" G_GUINT64_FORMAT
                               " MiB; give the guest more memory with -m",
                               low_ram >> 20);
    BootPiece *setup = &image->pieces[PIECE_SETUP];
    setup->address = layout.setup_address;
    setup->data = g_byte_array_new();
    g_byte_array_append(setup->data, kernel->data, layout.setup_size);
    BootPiece *system = &image->pieces[PIECE_KERNEL];
    system->address = layout.kernel_address;
    system->file =
        g_bytes_new_from_bytes(kernel->bytes, layout.setup_size, kernel->size - layout.setup_size);
    if (!linux_place_cmdline(image, &layout, kernel, cmdline, error))
        return false;
    if (!initrd_path)
        return true;
    BootFile initrd;
    if (!boot_file_read(&initrd, initrd_path, initrd_role, low_ram, error))
        return false;
    bool ok = linux_check_initrd(kernel, &initrd, error) &&
              linux_place_initrd(image, &layout, kernel, &initrd, low_ram, error);
    boot_file_clear(&initrd);
    return ok;
}

/* ---- both kinds ---- */

static void boot_image_publish(BootImage *image, FwCfg *fw_cfg)
{
    static const struct {
        uint16_t address;
        uint16_t size;
        uint16_t data;
    } keys[PIECE_COUNT] = {
        [PIECE_KERNEL] = {FW_CFG_KERNEL_ADDR, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA},
        [PIECE_INITRD] = {FW_CFG_INITRD_ADDR, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA},
        [PIECE_CMDLINE] = {FW_CFG_CMDLINE_ADDR, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA},
        [PIECE_SETUP] = {FW_CFG_SETUP_ADDR, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA},
    };
    static const char bootorder[] = BOOT_LINUX_BOOTORDER "\n";
    for (int i = 0; i < PIECE_COUNT; i++) {
        BootPiece *piece = &image->pieces[i];
        if (piece->data)
            piece->file = g_byte_array_free_to_bytes(g_steal_pointer(&piece->data));
        if (!piece->file)
            continue;
        fw_cfg_add_u32(fw_cfg, keys[i].address, piece->address);
        fw_cfg_add_u32(fw_cfg, keys[i].size, (uint32_t)g_bytes_get_size(piece->file));
        fw_cfg_add_shared(fw_cfg, keys[i].data, piece->file);
    }
    if (image->entry)
        fw_cfg_add_u32(fw_cfg, FW_CFG_KERNEL_ENTRY, image->entry);
    fw_cfg_add_file(fw_cfg, BOOT_LINUX_ROM_FILE, linuxboot_rom, linuxboot_rom_size);
    fw_cfg_add_file(fw_cfg, "bootorder", bootorder, sizeof(bootorder));
}

bool boot_linux_load(FwCfg *fw_cfg, const char *kernel_path, const char *initrd,
                     const char *cmdline, uint64_t low_ram, GError **error)
{
    BootFile kernel;
    BootImage image = {0};
    bool ok = false;
    cmdline = cmdline ? cmdline : "";
    low_ram = MIN(low_ram, BOOT_MAX_BYTES);
    if (low_ram < 2 * BOOT_TOP_RESERVE + 0x100000) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                    "-kernel needs at least 2 MiB of guest memory; give more with -m");
        return false;
    }
    if (!boot_file_read(&kernel, kernel_path, kernel_role, low_ram, error))
        return false;
    if (linux_probe(&kernel))
        ok = linux_load(&image, &kernel, initrd, cmdline, low_ram, error);
    else if (boot_multiboot_probe(&kernel))
        ok = boot_multiboot_load(&image, &kernel, initrd, cmdline, low_ram, error);
    else
        boot_file_error(kernel_role, kernel_path, error,
                        "neither a Linux bzImage nor a multiboot kernel (no boot header found); "
                        "give the file that a boot loader would load, such as vmlinuz");
    if (ok && fw_cfg)
        boot_image_publish(&image, fw_cfg);
    for (int i = 0; i < PIECE_COUNT; i++) {
        if (image.pieces[i].data)
            g_byte_array_unref(image.pieces[i].data);
        if (image.pieces[i].file)
            g_bytes_unref(image.pieces[i].file);
    }
    boot_file_clear(&kernel);
    return ok;
}

void boot_add_e820(FwCfg *fw_cfg, uint64_t low_ram, uint64_t high_ram)
{
    /* Packed entries of address (8), length (8), type (4); type 1 is RAM. */
    uint8_t table[40] = {0};
    const uint64_t ranges[2][2] = {{0, low_ram}, {UINT64_C(1) << 32, high_ram}};
    int count = high_ram ? 2 : 1;
    for (int i = 0; i < count; i++) {
        uint8_t *entry = table + 20 * i;
        put32(entry, (uint32_t)ranges[i][0]);
        put32(entry + 4, (uint32_t)(ranges[i][0] >> 32));
        put32(entry + 8, (uint32_t)ranges[i][1]);
        put32(entry + 12, (uint32_t)(ranges[i][1] >> 32));
        put32(entry + 16, 1);
    }
    fw_cfg_add_file(fw_cfg, "etc/e820", table, (size_t)count * 20);
}
