/* SPDX-License-Identifier: MIT
 * Where the decoder and libcapstone 4.0.2 differ, and why that is right. */
#ifndef TESTS_UNIT_DECODE_DIFFERENCES_H
#define TESTS_UNIT_DECODE_DIFFERENCES_H

#include <capstone/capstone.h>

#include "translator/x86/decode.h"

/* One pair of answers. */
typedef struct {
    const X86Insn *insn;
    const cs_insn *cs; /* NULL if libcapstone refuses the bytes */
    const char *name;  /* its mnemonic without prefixes */
    bool code32;
    /* what our decoder says of the same bytes otherwise; filled when the answers differ */
    X86Insn plain;   /* without 66, F2, F3 */
    X86Insn no_rep;  /* without F2, F3 */
    X86Insn no_lock; /* without LOCK */
    X86Insn wide;    /* in 32-bit mode */
} DecodePair;

/* libcapstone's name is ours or another spelling of it. */
bool name_is_explained(const DecodePair *pair);
/* Operands are implied, or libcapstone prints them in a way that cannot be compared. */
bool operands_are_explained(const DecodePair *pair);
/* libcapstone's size of a memory or register operand is another way to see the same one. */
bool size_is_explained(const DecodePair *pair);
/* One of the two is no instruction, or the lengths differ. */
bool difference_is_explained(const DecodePair *pair);

#endif
