/* SPDX-License-Identifier: MIT
 * A disk image: bytes in, bytes out. Raw files only for now; a raw image is never
 * re-probed for another format. Snapshot mode keeps writes in an unlinked
 * temporary file (TMPDIR, else /var/tmp). Synchronous; io lock held. */
#ifndef HW_BLOCK_BLOCK_H
#define HW_BLOCK_BLOCK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Block Block;

typedef struct {
    bool read_only;
    bool snapshot;
} BlockOptions;

/* Opens and locks the file (a second writer is refused). Refuses empty files, directories
 * and files with the magic of a format we do not read (qcow2, VMDK...) by name. */
Block *block_open(const char *path, const BlockOptions *options, GError **error);
/* `bytes` of zeroes in memory, for tests. */
Block *block_new_memory(uint64_t bytes);
/* Contents that stay the caller's; whole sectors. For tests. */
Block *block_new_buffer(uint8_t *contents, uint64_t bytes);
/* From now on writes fail with err (0: no more). */
void block_fail_writes_for_test(Block *block, int err);
/* The next flush fails so. */
void block_fail_flush_for_test(Block *block, int err);
void block_free(Block *block); /* flushes */

const char *block_path(const Block *block);
uint64_t block_size(const Block *block); /* bytes */
bool block_read_only(const Block *block);
/* 0, or a positive errno. Out of range is EINVAL. */
int block_read(Block *block, uint64_t offset, void *buffer, uint64_t size);
int block_write(Block *block, uint64_t offset, const void *buffer, uint64_t size);
/* Fails for ever after the first failure: the host reports lost data once (fsync(2)). */
int block_flush(Block *block);

#endif
