/* SPDX-License-Identifier: MIT
 * 32-bit and 16-bit instructions on the host CPU: the process enters its 32-bit code
 * segment (Linux gives every process one) or a 16-bit one of its LDT, sets all registers and flags,
 * runs the bytes and comes back. Code and state lie at fixed low addresses. */
#ifndef TESTS_ORACLE_HOST32_H
#define TESTS_ORACLE_HOST32_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t gpr[8];
    uint32_t flags;
} Host32State;

/* NULL, or what this host lacks. small: as below; data_base: of the 16-bit data and stack segment,
 * 64 KiB. */
const char *host32_init(bool small, uint32_t data_base);
/* The instructions must neither fault nor jump. small: 16-bit code, data and stack segments, else
 * flat 32-bit ones. */
void host32_run(const uint8_t *insns, unsigned size, bool small, const Host32State *in,
                Host32State *out);

#endif
