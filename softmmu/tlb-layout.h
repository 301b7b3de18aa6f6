/* SPDX-License-Identifier: MIT
 * The contract between the soft TLB and the probes that the code generator
 * inlines. A probe must leave the guest's flags, which live in the host's flags,
 * alone: so it uses no compare. It adds the page number of the access's last
 * byte to a stored negated tag and tests the sum with JRCXZ.
 *
 *   index  = page number of the first byte, low TLB_INDEX_BITS bits
 *   sum    = tag[index] + page number of the last byte + 1
 *   sum==0 -> the whole access lies in the page; host = gva + addend[index]
 *
 * A zero entry never matches, so that a zeroed TLB is an empty one. */
#ifndef SOFTMMU_TLB_LAYOUT_H
#define SOFTMMU_TLB_LAYOUT_H

#include "base/types.h"

/* 16: the width of a flag-free MOVZX. */
#define TLB_INDEX_BITS 16
#define TLB_ENTRIES (1u << TLB_INDEX_BITS)

enum { MMU_SUPERVISOR, MMU_USER, MMU_MODES };

typedef struct {
    uint64_t read_tag[TLB_ENTRIES];  /* -(page number + 1) */
    uint64_t write_tag[TLB_ENTRIES]; /* only pages that a plain host store may change */
    uint64_t addend[TLB_ENTRIES];    /* host address - gva */
    uint64_t code_tag[TLB_ENTRIES];  /* pages that could be stored to but for translated code */
} TlbArrays;

#endif
