/* SPDX-License-Identifier: MIT
 * One 32-bit instruction on the host CPU: the process enters its 32-bit code segment
 * (Linux gives every process one), sets all registers and flags, runs the bytes and
 * comes back. Code and state lie at fixed low addresses. */
#ifndef TESTS_ORACLE_HOST32_H
#define TESTS_ORACLE_HOST32_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t gpr[8];
    uint32_t flags;
} Host32State;

bool host32_init(void);
/* The instruction must neither fault nor jump. */
void host32_run(const uint8_t *insn, unsigned size, const Host32State *in, Host32State *out);

#endif
