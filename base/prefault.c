/* SPDX-License-Identifier: MIT */
#include "base/prefault.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/types.h"

/* Linux 5.14; older headers do not name them. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void advise(const void *p, size_t size, int advice)
{
    const int saved = errno;
    const uintptr_t first = (uintptr_t)p & GUEST_PAGE_MASK;
    madvise((void *)first, (uintptr_t)p + size - first, advice);
    errno = saved;
}

void prefault_write(void *p, size_t size)
{
    advise(p, size, MADV_POPULATE_WRITE);
}

void prefault_read(const void *p, size_t size)
{
    advise(p, size, MADV_POPULATE_READ);
}
