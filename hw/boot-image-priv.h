/* SPDX-License-Identifier: MIT
 * What boot-linux.c and boot-multiboot.c share: pieces of memory that the option
 * ROM will load, and files with errors that name them. */
#ifndef HW_BOOT_IMAGE_PRIV_H
#define HW_BOOT_IMAGE_PRIV_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum {
    PIECE_KERNEL,
    PIECE_INITRD,  /* multiboot: the information structure */
    PIECE_CMDLINE, /* multiboot: the modules */
    PIECE_SETUP,
    PIECE_COUNT,
} BootPieceId;

typedef struct {
    uint32_t address;
    GByteArray *data; /* NULL: no such piece, or it is as in the file */
    GBytes *file;
} BootPiece;

typedef struct {
    BootPiece pieces[PIECE_COUNT];
    uint32_t entry; /* not 0: jump here in protected mode, the multiboot way */
} BootImage;

typedef struct {
    const char *path;
    GBytes *bytes;
    const uint8_t *data; /* of bytes */
    size_t size;
} BootFile;

/* The BIOS keeps its tables at the end of RAM: nothing of ours goes there. */
#define BOOT_TOP_RESERVE UINT64_C(0x80000)
/* Nothing is placed above this: kernels expect it, and GByteArray counts in 32 bits. */
#define BOOT_MAX_BYTES UINT64_C(0x80000000)

/* Read a whole file that must not be empty nor reach `limit` bytes. `role` names its option. */
bool boot_file_read(BootFile *file, const char *path, const char *role, uint64_t limit,
                    GError **error);
void boot_file_clear(BootFile *file);
/* Sets *error to "ROLE 'PATH': ..." and returns false. */
bool boot_file_error(const char *role, const char *path, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

bool boot_multiboot_probe(const BootFile *kernel);
bool boot_multiboot_load(BootImage *image, const BootFile *kernel, const char *initrd,
                         const char *cmdline, uint64_t low_ram, GError **error);

/* Little-endian fields of files; the caller checked the bounds. */
static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)v);
    put16(p + 2, (uint16_t)(v >> 16));
}

#endif
