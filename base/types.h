/* SPDX-License-Identifier: MIT
 * Address types shared by every layer. They are never mixed: a guest virtual
 * (linear) address, a guest physical address and a host pointer are three
 * different things. */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gva_t; /* guest linear address; 32 significant bits until long mode */
typedef uint64_t gpa_t; /* guest physical address, after A20 */

#define GUEST_PAGE_BITS 12
#define GUEST_PAGE_SIZE ((uint64_t)1 << GUEST_PAGE_BITS)
#define GUEST_PAGE_MASK (~(GUEST_PAGE_SIZE - 1))

#endif
