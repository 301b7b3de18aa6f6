/* SPDX-License-Identifier: MIT
 * Bits of page-table entries (SDM 3A "Paging"), for tests that write tables by hand. */
#ifndef TESTS_UNIT_PTE_BITS_H
#define TESTS_UNIT_PTE_BITS_H

enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };

#endif
