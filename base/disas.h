/* SPDX-License-Identifier: MIT
 * Disassembly for logs, monitor and tests (libcapstone). Never used to translate. */
#ifndef BASE_DISAS_H
#define BASE_DISAS_H

#include <glib.h>
#include <stdint.h>

/* Append `count` bytes at `code` as Intel-syntax lines "address: bytes  text" to
 * out. bits: 16, 32 or 64. Undecodable bytes show as ".byte". */
void disas_append(GString *out, const uint8_t *code, size_t count, uint64_t address, int bits);

/* Length of the first instruction; 1 if these bytes are none. */
unsigned disas_length(const uint8_t *code, size_t count, int bits);

#endif
