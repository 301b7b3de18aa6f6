/* SPDX-License-Identifier: MIT
 * Memory that is about to be used, backed at once: the host's kernel gives out a run of pages for
 * little more than one page fault costs. Where the kernel knows no such request (before Linux 5.14)
 * pages come by faults as ever. */
#ifndef BASE_POPULATE_H
#define BASE_POPULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* madvise(2); C libraries older than the kernel do not name them. */
#define POPULATE_READ  22
#define POPULATE_WRITE 23

/* The whole pages in [at, at+size), to be written or read. */
static inline void populate(void *at, size_t size, bool write)
{
    const uintptr_t page = 4096, first = ((uintptr_t)at + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)at + size) & ~(page - 1);
    if (first < end)
        (void)!madvise((void *)first, end - first, write ? POPULATE_WRITE : POPULATE_READ);
}

#endif
