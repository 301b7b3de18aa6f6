/* SPDX-License-Identifier: MIT
 * A guest fault is a value. Pure code (walk, decode, segment checks, access)
 * returns it; one boundary (tcache/exec, or vcpu_exit_fault below a helper)
 * turns it into control flow. */
#ifndef SOFTMMU_FAULT_H
#define SOFTMMU_FAULT_H

#include "base/types.h"

typedef struct {
    uint8_t vector;      /* x86 exception vector */
    bool has_error;
    uint32_t error_code;
    uint64_t address;    /* CR2 of a page fault */
} Fault;

#endif
