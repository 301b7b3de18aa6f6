/* SPDX-License-Identifier: MIT
 * Host memory that is about to be used: one call instead of a page fault for each page. */
#ifndef BASE_PREFAULT_H
#define BASE_PREFAULT_H

#include <stddef.h>

/* What a growing area is prefaulted by. */
#define PREFAULT_STEP ((size_t)64 << 10)

/* Back the pages of [p, p + size) with memory, for writing or only for reading. A hint: where the
 * host has no such call (Linux before 5.14), or no room, pages come as they are touched. */
void prefault_write(void *p, size_t size);
void prefault_read(const void *p, size_t size);

#endif
