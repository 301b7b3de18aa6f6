/* SPDX-License-Identifier: MIT
 * All memory a guest can reach without a device model: RAM, ROMs, video memory.
 * One memfd, mapped once as a whole between PROT_NONE guards, handed out in
 * page-aligned blocks. A "ram offset" is an offset into it: the name of a
 * physical page for the TLB, the code cache and (later) address windows.
 * Knows no addresses: the address space says where a block appears. */
#ifndef SOFTMMU_RAM_H
#define SOFTMMU_RAM_H

#include <glib.h>
#include "base/types.h"

typedef struct Ram Ram;
typedef uint64_t ram_off_t;
#define RAM_OFF_NONE ((ram_off_t)-1)

/* Reserve room for `capacity` bytes (rounded up to pages), zero filled, not yet
 * handed out. NULL and *error when the host has no room. */
Ram *ram_new(uint64_t capacity, GError **error);
void ram_free(Ram *ram);
/* As ram_new left it, for tests that build many machines: zero, nothing handed out. */
void ram_reset_for_test(Ram *ram);

/* Hand out `size` bytes (rounded up to pages). Asserts that capacity is left:
 * the board knows what it allocates. `name` is static. */
ram_off_t ram_alloc(Ram *ram, const char *name, uint64_t size);

uint8_t *ram_hva(const Ram *ram, ram_off_t offset); /* host address; whole capacity is mapped RW */
uint64_t ram_capacity(const Ram *ram);
int ram_fd(const Ram *ram); /* the memfd, for windows; owned by ram */

#endif
