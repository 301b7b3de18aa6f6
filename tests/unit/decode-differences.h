/* SPDX-License-Identifier: MIT
 * Where the decoder and libcapstone 4.0.2 differ, and why that is right. */
#ifndef TESTS_UNIT_DECODE_DIFFERENCES_H
#define TESTS_UNIT_DECODE_DIFFERENCES_H

#include <capstone/capstone.h>

#include "translator/x86/decode.h"

/* libcapstone's name is ours or another spelling of it. */
bool name_is_explained(const X86Insn *insn, const char *name);
/* Operands are implied, or libcapstone prints them in a way that cannot be compared. */
bool operands_are_explained(const X86Insn *insn);
/* libcapstone's memory size is another way to see the same access. */
bool size_is_explained(const X86Insn *insn, unsigned size);
/* cs: NULL if libcapstone refuses the bytes. */
bool difference_is_explained(const X86Insn *insn, const cs_insn *cs);

#endif
