/* SPDX-License-Identifier: MIT
 * Raw images, see block.h. The guest sees whole 512-byte sectors: a file with an odd tail
 * reads as zeroes up to the next sector and grows when the guest writes there.
 *
 * Snapshot: a sparse unlinked file of the same layout holds the clusters written so far, a
 * bitmap says which. The image itself is then opened read-only. */
#include "hw/block/block.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum {
    SECTOR = 512,
    CLUSTER = 4096,
    PROBE_BYTES = 512,
};

struct Block {
    char *path;
    int fd;          /* -1: in memory */
    uint8_t *memory; /* contents, if in memory */
    bool borrowed;   /* they are somebody else's */
    uint64_t size;
    bool read_only;
    int write_error; /* tests only */
    int flush_test;  /* tests only: what the next flush meets */
    int flush_error; /* sticks: what the host lost, no later flush brings back */
    int overlay_fd;  /* -1: no snapshot */
    uint8_t *bitmap; /* a bit per cluster that the overlay holds */
};

/* ---- opening ---- */

/* First bytes of formats that are not raw; used to refuse, never to guess a driver. */
static const struct {
    unsigned offset;
    const char *bytes;
    unsigned length;
    const char *name;
} foreign_formats[] = {
    {0, "QFI\xfb", 4, "qcow2"},
    {0, "QED\0", 4, "QED"},
    {0, "KDMV", 4, "VMDK"},
    {0, "COWD", 4, "VMDK"},
    {0, "# Disk DescriptorFile", 21, "VMDK"},
    {0, "vhdxfile", 8, "VHDX"},
    {0, "conectix", 8, "VHD (dynamic)"},
    {0, "WithoutFreeSpace", 16, "Parallels"},
    {0, "WithouFreSpacExt", 16, "Parallels"},
    {0, "Bochs Virtual HD Image", 22, "Bochs"},
    {64, "\x7f\x10\xda\xbe", 4, "VDI"},
};

static bool refuse_foreign(const Block *block, GError **error)
{
    char head[PROBE_BYTES] = {0};
    if (pread(block->fd, head, sizeof(head), 0) < 0) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot read '%s': %s", block->path,
                    g_strerror(errno));
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(foreign_formats); i++) {
        if (memcmp(head + foreign_formats[i].offset, foreign_formats[i].bytes,
                   foreign_formats[i].length) != 0)
            continue;
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_UNSUPPORTED,
                    "'%s' is a %s image; only raw images are read: convert it "
                    "(qemu-img convert -O raw)",
                    block->path, foreign_formats[i].name);
        return false;
    }
    return true;
}

static bool find_size(Block *block, GError **error)
{
    struct stat st;
    const char *trouble = NULL;
    off_t end = 0;
    if (fstat(block->fd, &st) < 0)
        trouble = g_strerror(errno);
    else if (S_ISDIR(st.st_mode))
        trouble = "it is a directory";
    else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        trouble = "it is neither a file nor a disk";
    else if ((end = lseek(block->fd, 0, SEEK_END)) < 0)
        trouble = g_strerror(errno);
    else if (end == 0)
        trouble = S_ISREG(st.st_mode) ? "the file is empty" : "the drive is empty";
    if (trouble) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot use '%s' as a disk: %s",
                    block->path, trouble);
        return false;
    }
    block->size = ((uint64_t)end + SECTOR - 1) / SECTOR * SECTOR;
    return true;
}

/* Writers exclude everybody, readers exclude writers. Open-file-description locks, because
 * they work over NFS and between two drives of one process; flock where there are none. */
static bool lock_file(const Block *block, bool writer, GError **error)
{
    struct flock lock = {.l_type = writer ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    int rc = fcntl(block->fd, F_OFD_SETLK, &lock);
    if (rc < 0 && errno == EINVAL)
        rc = flock(block->fd, (writer ? LOCK_EX : LOCK_SH) | LOCK_NB);
    if (rc == 0 || (errno != EAGAIN && errno != EACCES))
        return true; /* a file system without locks is used without */
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "'%s' is in use by another virtual machine or drive; %s", block->path,
                writer ? "close it, or open both with readonly=on or -snapshot"
                       : "close the one that writes to it");
    return false;
}

static bool open_file(Block *block, bool writer, GError **error)
{
    block->fd = open(block->path, (writer ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (block->fd >= 0)
        return true;
    int cause = errno;
    bool directory = g_file_test(block->path, G_FILE_TEST_IS_DIR);
    const char *remedy = "";
    if (!directory && writer && (cause == EACCES || cause == EROFS || cause == EPERM))
        remedy = "; it can only be read: use readonly=on or -snapshot";
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot open '%s': %s%s", block->path,
                directory ? "it is a directory" : g_strerror(cause), remedy);
    return false;
}

/* An unlinked file in TMPDIR, else /var/tmp (not /tmp, which may be memory). */
static int open_temporary(GError **error)
{
    const char *dir = g_getenv("TMPDIR");
    if (!dir || !*dir)
        dir = "/var/tmp";
    g_autofree char *path = g_build_filename(dir, "dbtvm-snapshot-XXXXXX", NULL);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                    "cannot create a snapshot file in '%s': %s; set TMPDIR to a directory with "
                    "room",
                    dir, g_strerror(errno));
    else
        unlink(path);
    return fd;
}

static bool open_overlay(Block *block, GError **error)
{
    block->overlay_fd = open_temporary(error);
    if (block->overlay_fd < 0)
        return false;
    uint64_t clusters = (block->size + CLUSTER - 1) / CLUSTER;
    block->bitmap = g_try_malloc0(clusters / 8 + 1);
    if (block->bitmap && ftruncate(block->overlay_fd, (off_t)block->size) == 0)
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "no room for a snapshot of '%s'",
                block->path);
    return false;
}

static Block *block_alloc(const char *path)
{
    Block *block = g_new0(Block, 1);
    block->path = g_strdup(path);
    block->fd = block->overlay_fd = -1;
    return block;
}

Block *block_open(const char *path, const BlockOptions *options, GError **error)
{
    Block *block = block_alloc(path);
    bool writer = !options->read_only && !options->snapshot;
    block->read_only = options->read_only;
    if (open_file(block, writer, error) && find_size(block, error) &&
        lock_file(block, writer, error) && refuse_foreign(block, error) &&
        (options->read_only || !options->snapshot || open_overlay(block, error)))
        return block;
    block_free(block);
    return NULL;
}

Block *block_new_memory(uint64_t bytes)
{
    Block *block = block_alloc("memory");
    block->size = (bytes + SECTOR - 1) / SECTOR * SECTOR;
    block->memory = g_malloc0(block->size);
    return block;
}

Block *block_new_buffer(uint8_t *contents, uint64_t bytes)
{
    Block *block = block_alloc("memory");
    g_assert(bytes % SECTOR == 0);
    block->size = bytes;
    block->memory = contents;
    block->borrowed = true;
    return block;
}

void block_fail_writes_for_test(Block *block, int err)
{
    block->write_error = err;
}

void block_fail_flush_for_test(Block *block, int err)
{
    block->flush_test = err;
}

void block_free(Block *block)
{
    if (!block)
        return;
    if (block->fd >= 0) {
        block_flush(block);
        close(block->fd);
    }
    if (block->overlay_fd >= 0)
        close(block->overlay_fd);
    g_free(block->bitmap);
    if (!block->borrowed)
        g_free(block->memory);
    g_free(block->path);
    g_free(block);
}

const char *block_path(const Block *block)
{
    return block->path;
}

uint64_t block_size(const Block *block)
{
    return block->size;
}

bool block_read_only(const Block *block)
{
    return block->read_only;
}

/* ---- bytes ---- */

static int file_read(int fd, uint64_t offset, uint8_t *buffer, uint64_t size)
{
    while (size > 0) {
        ssize_t n = pread(fd, buffer, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0) { /* the odd tail */
            memset(buffer, 0, size);
            return 0;
        }
        buffer += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

static int file_write(int fd, uint64_t offset, const uint8_t *buffer, uint64_t size)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, buffer, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        buffer += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

static bool in_overlay(const Block *block, uint64_t offset)
{
    uint64_t cluster = offset / CLUSTER;
    return block->bitmap[cluster / 8] >> (cluster % 8) & 1;
}

static void mark_overlay(Block *block, uint64_t offset)
{
    uint64_t cluster = offset / CLUSTER;
    block->bitmap[cluster / 8] |= (uint8_t)(1u << (cluster % 8));
}

/* Bytes from offset on that lie in the same file, at most size. */
static uint64_t overlay_run(const Block *block, uint64_t offset, uint64_t size)
{
    bool where = in_overlay(block, offset);
    uint64_t run = CLUSTER - offset % CLUSTER;
    while (run < size && in_overlay(block, offset + run) == where)
        run += CLUSTER;
    return MIN(run, size);
}

static int overlay_read(Block *block, uint64_t offset, uint8_t *buffer, uint64_t size)
{
    for (uint64_t n; size > 0; offset += n, buffer += n, size -= n) {
        n = overlay_run(block, offset, size);
        int fd = in_overlay(block, offset) ? block->overlay_fd : block->fd;
        int err = file_read(fd, offset, buffer, n);
        if (err)
            return err;
    }
    return 0;
}

/* Bring the cluster around offset into the overlay, so that a part of it can be written. */
static int overlay_fill(Block *block, uint64_t offset)
{
    uint8_t cluster[CLUSTER];
    uint64_t start = offset - offset % CLUSTER;
    uint64_t size = MIN(CLUSTER, block->size - start);
    if (in_overlay(block, offset))
        return 0;
    int err = file_read(block->fd, start, cluster, size);
    if (!err)
        err = file_write(block->overlay_fd, start, cluster, size);
    if (!err)
        mark_overlay(block, start);
    return err;
}

static int overlay_write(Block *block, uint64_t offset, const uint8_t *buffer, uint64_t size)
{
    uint64_t end = offset + size;
    int err = 0;
    if (offset % CLUSTER)
        err = overlay_fill(block, offset);
    if (!err && end % CLUSTER && end < block->size)
        err = overlay_fill(block, end);
    if (!err)
        err = file_write(block->overlay_fd, offset, buffer, size);
    if (!err)
        for (uint64_t at = offset - offset % CLUSTER; at < end; at += CLUSTER)
            mark_overlay(block, at);
    return err;
}

static bool in_range(const Block *block, uint64_t offset, uint64_t size)
{
    return offset <= block->size && size <= block->size - offset;
}

int block_read(Block *block, uint64_t offset, void *buffer, uint64_t size)
{
    if (!in_range(block, offset, size))
        return EINVAL;
    if (block->memory)
        memcpy(buffer, block->memory + offset, size);
    else if (block->bitmap)
        return overlay_read(block, offset, buffer, size);
    else
        return file_read(block->fd, offset, buffer, size);
    return 0;
}

int block_write(Block *block, uint64_t offset, const void *buffer, uint64_t size)
{
    if (!in_range(block, offset, size))
        return EINVAL;
    if (block->read_only)
        return EROFS;
    if (block->write_error)
        return block->write_error;
    if (block->memory)
        memcpy(block->memory + offset, buffer, size);
    else if (block->bitmap)
        return overlay_write(block, offset, buffer, size);
    else
        return file_write(block->fd, offset, buffer, size);
    return 0;
}

static int sync_file(Block *block)
{
    if (block->flush_test) {
        int err = block->flush_test;
        block->flush_test = 0;
        return err;
    }
    if (block->memory || block->bitmap || block->read_only)
        return 0;
    while (fdatasync(block->fd) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

int block_flush(Block *block)
{
    if (block->flush_error)
        return block->flush_error;
    block->flush_error = sync_file(block);
    if (block->flush_error)
        fprintf(stderr,
                "dbtvm: the host could not write '%s' back: %s; what the guest wrote since its last "
                "flush may be lost\n",
                block->path, g_strerror(block->flush_error));
    return block->flush_error;
}
