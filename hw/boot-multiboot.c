/* SPDX-License-Identifier: MIT
 * Multiboot 1 kernels (ELF32, or any format with the address fields of the header):
 * makes the kernel's memory image, the modules and the information structure. The
 * option ROM adds the memory map. Sources: "Multiboot Specification" 0.6.96,
 * "Tool Interface Standard (TIS) ELF Specification" 1.2. */
#include <elf.h>
#include <inttypes.h>

#include "base/error.h"
#include "hw/boot-image-priv.h"

#define MB_MAGIC         0x1badb002u
#define MB_SEARCH        8192 /* the header lies in the first 8 KiB */
#define MB_NEED_KNOWN    0x7u /* of flags 0..15: page-aligned modules, memory, video mode */
#define MB_HAS_ADDRESSES (1u << 16)

/* Information structure: field offsets and flags */
#define MBI_FLAGS         0
#define MBI_MEM_LOWER     4
#define MBI_MEM_UPPER     8
#define MBI_CMDLINE       16
#define MBI_MODS_COUNT    20
#define MBI_MODS_ADDR     24
#define MBI_MMAP_ADDR     48
#define MBI_LOADER_NAME   64
#define MBI_SIZE          96
#define MBI_F_MEMORY      (1u << 0)
#define MBI_F_CMDLINE     (1u << 2)
#define MBI_F_MODS        (1u << 3)
#define MBI_F_MMAP        (1u << 6)
#define MBI_F_LOADER_NAME (1u << 9)

/* The information and its strings live here, between the BIOS's data and stacks
 * and any kernel; the ROM fills in the map, see MMAP_MAX_BYTES in linuxboot.S. */
#define INFO_ADDRESS   0x9000u
#define INFO_END       0x10000u
#define MMAP_BYTES     (32 * 24)
#define LOW_KERNEL_END 0x80000u /* a kernel below 1 MiB must end here */
#define BIOS_START     0xe0000u /* up to 1 MiB: not RAM for whoever it boots */
#define ONE_MIB        0x100000u
#define MODULES_MAX    256
#define MODULE_ALIGN   4096u

static const char role[] = "-kernel";

typedef struct {
    const BootFile *kernel;
    uint64_t low_ram;
    uint64_t start; /* of the memory image */
    uint64_t end;
    uint32_t entry;
} MbImage;

/* Offset of a valid header, or -1. */
static int64_t mb_find_header(const BootFile *kernel)
{
    size_t end = MIN(kernel->size, MB_SEARCH);
    for (size_t at = 0; at + 12 <= end; at += 4) {
        const uint8_t *p = kernel->data + at;
        if (get32(p) == MB_MAGIC && get32(p) + get32(p + 4) + get32(p + 8) == 0)
            return (int64_t)at;
    }
    return -1;
}

bool boot_multiboot_probe(const BootFile *kernel)
{
    return mb_find_header(kernel) >= 0;
}

static bool mb_error(const MbImage *mb, GError **error, const char *text)
{
    return boot_file_error(role, mb->kernel->path, error, "multiboot kernel: %s", text);
}

/* what, from start to end: RAM, clear of the BIOS and of the information structure. */
static bool mb_check_range(const MbImage *mb, const char *what, uint64_t start, uint64_t end,
                           GError **error)
{
    const char *wrong = NULL;
    if (end < start || (start < ONE_MIB && (start < INFO_END || end > LOW_KERNEL_END)))
        wrong = "where the BIOS keeps its data; link it to run at 1 MiB or above";
    else if (end + BOOT_TOP_RESERVE > mb->low_ram)
        wrong = "past the end of guest memory; give the guest more with -m";
    return !wrong ||
           boot_file_error(role, mb->kernel->path, error,
                           "multiboot kernel: %s at %#" PRIx64 " to %#" PRIx64 " loads %s", what,
                           start, end, wrong);
}

/* ---- address fields in the header ("a.out kludge") ---- */

static bool mb_load_flat(MbImage *mb, GByteArray *memory, uint32_t header, GError **error)
{
    const BootFile *kernel = mb->kernel;
    const uint8_t *p = kernel->data + header;
    if (header + 32 > kernel->size)
        return mb_error(mb, error, "truncated in its header; build it again");
    uint32_t header_addr = get32(p + 12), load_addr = get32(p + 16);
    uint32_t load_end = get32(p + 20), bss_end = get32(p + 24);
    mb->entry = get32(p + 28);
    if (load_addr > header_addr || header_addr - load_addr > header)
        return mb_error(mb, error,
                        "its header names a load address outside the file; link it again");
    uint32_t offset = header - (header_addr - load_addr);
    uint64_t length = load_end ? (uint64_t)load_end - load_addr : kernel->size - offset;
    if ((load_end && load_end < load_addr) || length > kernel->size - offset)
        return mb_error(mb, error,
                        "truncated: the file ends before the load end address; build it "
                        "again");
    mb->start = load_addr;
    mb->end = MAX(load_addr + length, (uint64_t)bss_end);
    if (mb->end == mb->start)
        return mb_error(mb, error, "nothing to load by the addresses in its header; link it again");
    if (!mb_check_range(mb, "its image", mb->start, mb->end, error))
        return false;
    g_byte_array_set_size(memory, (guint)(mb->end - mb->start));
    memset(memory->data, 0, memory->len);
    memcpy(memory->data, kernel->data + offset, (size_t)length);
    return true;
}

/* ---- ELF ---- */

static bool elf_check(const MbImage *mb, Elf32_Ehdr *header, GError **error)
{
    const BootFile *kernel = mb->kernel;
    if (kernel->size < sizeof(*header) || memcmp(kernel->data, ELFMAG, SELFMAG) != 0)
        return mb_error(mb, error,
                        "neither an ELF file nor load addresses in its header; link it "
                        "as 32-bit ELF");
    memcpy(header, kernel->data, sizeof(*header));
    if (header->e_ident[EI_CLASS] != ELFCLASS32 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_386)
        return mb_error(mb, error,
                        "not a 32-bit x86 ELF file; convert it with objcopy -O elf32-i386");
    uint64_t table_end = (uint64_t)header->e_phoff + (uint64_t)header->e_phnum * sizeof(Elf32_Phdr);
    if (header->e_phnum == 0 || header->e_phentsize != sizeof(Elf32_Phdr) ||
        table_end > kernel->size)
        return mb_error(mb, error,
                        "truncated: its program headers lie outside the file; build it "
                        "again");
    return true;
}

static Elf32_Phdr elf_segment(const BootFile *kernel, const Elf32_Ehdr *header, unsigned i)
{
    Elf32_Phdr segment;
    memcpy(&segment, kernel->data + header->e_phoff + i * sizeof(segment), sizeof(segment));
    return segment;
}

/* What of it is loaded. Linkers put the ELF headers into a read-only segment of their own below the
 * code: for a kernel at 1 MiB that is in the BIOS, where nothing can be loaded, and nobody looks
 * for them there. */
static Elf32_Phdr elf_loaded_part(Elf32_Phdr segment)
{
    const bool in_bios = segment.p_paddr >= BIOS_START && segment.p_paddr < ONE_MIB;
    if (segment.p_type != PT_LOAD)
        segment.p_memsz = segment.p_filesz = 0;
    if (!in_bios || segment.p_flags & PF_W)
        return segment;
    const uint32_t cut = MIN(ONE_MIB - segment.p_paddr, segment.p_memsz);
    const uint32_t file_cut = MIN(cut, segment.p_filesz);
    segment.p_vaddr += cut;
    segment.p_paddr += cut;
    segment.p_memsz -= cut;
    segment.p_offset += file_cut;
    segment.p_filesz -= file_cut;
    return segment;
}

static bool elf_check_segment(const MbImage *mb, const Elf32_Phdr *segment, GError **error)
{
    if ((uint64_t)segment->p_offset + segment->p_filesz > mb->kernel->size)
        return mb_error(mb, error, "truncated: a segment lies outside the file; build it again");
    if (segment->p_filesz > segment->p_memsz)
        return mb_error(mb, error, "a segment is larger in the file than in memory; link it again");
    return true;
}

/* Bounds of the memory image, and the physical address of the entry point. */
static bool elf_measure(MbImage *mb, const Elf32_Ehdr *header, GError **error)
{
    mb->start = UINT64_MAX;
    mb->end = 0;
    mb->entry = header->e_entry;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf32_Phdr whole = elf_segment(mb->kernel, header, i);
        const Elf32_Phdr segment = elf_loaded_part(whole);
        if (!segment.p_memsz)
            continue;
        const uint64_t end = (uint64_t)segment.p_paddr + segment.p_memsz;
        if (!elf_check_segment(mb, &whole, error) ||
            !mb_check_range(mb, "its segment", segment.p_paddr, end, error))
            return false;
        mb->start = MIN(mb->start, (uint64_t)segment.p_paddr);
        mb->end = MAX(mb->end, end);
        /* The entry is a virtual address where the kernel is linked elsewhere than loaded. */
        if (header->e_entry >= segment.p_vaddr &&
            header->e_entry - segment.p_vaddr < segment.p_memsz)
            mb->entry = header->e_entry - segment.p_vaddr + segment.p_paddr;
    }
    if (mb->end == 0)
        return mb_error(mb, error,
                        "nothing to load in it; link it as an executable at 1 MiB or above");
    return mb_check_range(mb, "its image", mb->start, mb->end, error);
}

static bool mb_load_elf(MbImage *mb, GByteArray *memory, GError **error)
{
    Elf32_Ehdr header;
    if (!elf_check(mb, &header, error) || !elf_measure(mb, &header, error))
        return false;
    g_byte_array_set_size(memory, (guint)(mb->end - mb->start));
    memset(memory->data, 0, memory->len);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        const Elf32_Phdr segment = elf_loaded_part(elf_segment(mb->kernel, &header, i));
        if (segment.p_memsz) /* measured and checked */
            memcpy(memory->data + (segment.p_paddr - mb->start),
                   mb->kernel->data + segment.p_offset, segment.p_filesz);
    }
    return true;
}

/* ---- information structure and modules ---- */

/* Append a string with its NUL; returns its guest address. */
static uint32_t info_add_string(GByteArray *info, const char *text)
{
    uint32_t address = INFO_ADDRESS + info->len;
    g_byte_array_append(info, (const uint8_t *)text, (guint)strlen(text) + 1);
    return address;
}

static void byte_array_pad(GByteArray *array, uint32_t alignment)
{
    while (array->len % alignment)
        g_byte_array_append(array, (const uint8_t *)"", 1);
}

/* "a,b,,c" -> "a", "b,c". */
static GPtrArray *split_modules(const char *list)
{
    GPtrArray *modules = g_ptr_array_new_with_free_func(g_free);
    GString *one = g_string_new(NULL);
    for (const char *p = list;; p++) {
        if (p[0] == ',' && p[1] == ',') {
            g_string_append_c(one, *p++);
        } else if (*p == ',' || *p == '\0') {
            g_ptr_array_add(modules, g_strdup(one->str));
            g_string_truncate(one, 0);
            if (*p == '\0')
                break;
        } else {
            g_string_append_c(one, *p);
        }
    }
    g_string_free(one, TRUE);
    return modules;
}

/* Read one module behind the others; its table entry gets start, end and string. */
static bool mb_add_module(const MbImage *mb, BootImage *image, const char *text, guint entry,
                          GError **error)
{
    BootPiece *modules = &image->pieces[PIECE_CMDLINE];
    GByteArray *info = image->pieces[PIECE_INITRD].data;
    char *path = g_strndup(text, strcspn(text, " "));
    byte_array_pad(modules->data, MODULE_ALIGN);
    uint64_t start = (uint64_t)modules->address + modules->data->len;
    uint64_t room = mb->low_ram - BOOT_TOP_RESERVE;
    BootFile file = {0};
    bool ok = boot_file_read(&file, path, "-initrd", mb->low_ram, error);
    if (ok && start + file.size > room)
        ok = boot_file_error("-initrd", path, error,
                             "the modules do not fit into guest memory; give "
                             "the guest more with -m");
    if (ok) {
        g_byte_array_append(modules->data, file.data, (guint)file.size);
        uint32_t string = info_add_string(info, text);
        put32(info->data + entry, (uint32_t)start);
        put32(info->data + entry + 4, (uint32_t)(start + file.size));
        put32(info->data + entry + 8, string);
        put32(info->data + entry + 12, 0);
    }
    boot_file_clear(&file);
    g_free(path);
    return ok;
}

static bool mb_add_modules(const MbImage *mb, BootImage *image, const char *list, GError **error)
{
    GByteArray *info = image->pieces[PIECE_INITRD].data;
    GPtrArray *texts = split_modules(list);
    bool ok = texts->len <= MODULES_MAX;
    if (!ok)
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "-initrd: %u modules; give %d at most",
                    texts->len, MODULES_MAX);
    byte_array_pad(info, 16);
    guint table = info->len;
    g_byte_array_set_size(info, table + 16 * texts->len);
    BootPiece *modules = &image->pieces[PIECE_CMDLINE];
    modules->data = g_byte_array_new();
    modules->address = (uint32_t)((MAX(mb->end, (uint64_t)ONE_MIB) + MODULE_ALIGN - 1) &
                                  ~(uint64_t)(MODULE_ALIGN - 1));
    for (guint i = 0; ok && i < texts->len; i++)
        ok = mb_add_module(mb, image, g_ptr_array_index(texts, i), table + 16 * i, error);
    put32(info->data + MBI_MODS_COUNT, texts->len);
    put32(info->data + MBI_MODS_ADDR, INFO_ADDRESS + table);
    g_ptr_array_free(texts, TRUE);
    return ok;
}

static bool mb_make_info(const MbImage *mb, BootImage *image, const char *initrd,
                         const char *cmdline, GError **error)
{
    BootPiece *piece = &image->pieces[PIECE_INITRD];
    GByteArray *info = g_byte_array_new();
    piece->address = INFO_ADDRESS;
    piece->data = info;
    g_byte_array_set_size(info, MBI_SIZE + MMAP_BYTES);
    memset(info->data, 0, info->len);

    char *line = g_strconcat(mb->kernel->path, *cmdline ? " " : "", cmdline, NULL);
    uint32_t line_address = info_add_string(info, line);
    uint32_t name_address = info_add_string(info, "dbtvm " DBTVM_VERSION);
    g_free(line);
    uint32_t flags = MBI_F_MEMORY | MBI_F_CMDLINE | MBI_F_MMAP | MBI_F_LOADER_NAME;
    if (initrd) {
        if (!mb_add_modules(mb, image, initrd, error))
            return false;
        flags |= MBI_F_MODS;
    }
    if (info->len > INFO_END - INFO_ADDRESS) {
        g_set_error(
            error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
            "-append and -initrd: too many characters for a multiboot kernel; shorten them");
        return false;
    }
    /* mem_lower, mem_upper and the map come from the BIOS: the ROM overwrites these. */
    put32(info->data + MBI_MEM_LOWER, 639);
    put32(info->data + MBI_MEM_UPPER, (uint32_t)((mb->low_ram - BOOT_TOP_RESERVE - ONE_MIB) >> 10));
    put32(info->data + MBI_FLAGS, flags);
    put32(info->data + MBI_CMDLINE, line_address);
    put32(info->data + MBI_LOADER_NAME, name_address);
    put32(info->data + MBI_MMAP_ADDR, INFO_ADDRESS + MBI_SIZE);
    return true;
}

bool boot_multiboot_load(BootImage *image, const BootFile *kernel, const char *initrd,
                         const char *cmdline, uint64_t low_ram, GError **error)
{
    MbImage mb = {.kernel = kernel, .low_ram = low_ram};
    uint32_t header = (uint32_t)mb_find_header(kernel);
    uint32_t flags = get32(kernel->data + header + 4);
    /* DEVIATES: flag 2 asks for a video mode that we do not set; such kernels look at the
     * information structure's flags and use VGA text. */
    if (flags & 0xffff & ~MB_NEED_KNOWN)
        return mb_error(&mb, error,
                        "its header requires features that do not exist in multiboot 1");
    GByteArray *memory = g_byte_array_new();
    image->pieces[PIECE_KERNEL].data = memory;
    bool ok = flags & MB_HAS_ADDRESSES ? mb_load_flat(&mb, memory, header, error)
                                       : mb_load_elf(&mb, memory, error);
    if (!ok)
        return false;
    if (mb.entry < mb.start || mb.entry >= mb.end)
        return boot_file_error(role, kernel->path, error,
                               "multiboot kernel: its entry point %#x lies outside of what is "
                               "loaded, %#" PRIx64 " to %#" PRIx64 "; link it again",
                               mb.entry, mb.start, mb.end);
    image->pieces[PIECE_KERNEL].address = (uint32_t)mb.start;
    image->entry = mb.entry;
    return mb_make_info(&mb, image, initrd, cmdline, error);
}
