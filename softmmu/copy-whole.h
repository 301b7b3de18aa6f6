/* SPDX-License-Identifier: MIT
 * Copies between guest memory and values. */
#ifndef SOFTMMU_COPY_WHOLE_H
#define SOFTMMU_COPY_WHOLE_H

#include <stdint.h>
#include <string.h>

/* Naturally sized accesses in one piece: another thread must not see half of one, and a copy of a
 * variable size would be a call. */
static inline void copy_whole(void *to, const void *from, uint64_t size)
{
    switch (size) {
    case 1:
        memcpy(to, from, 1);
        break;
    case 2:
        memcpy(to, from, 2);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    default:
        memcpy(to, from, size);
        break;
    }
}

#endif
