/* SPDX-License-Identifier: MIT
 * Where the decoder and libcapstone 4.0.2 differ, and why that is right. */
#include "tests/unit/decode-differences.h"

#include <string.h>

bool name_is_explained(const X86Insn *insn, const char *name)
{
    return !strcmp(x86_insn_name(insn->id), name);
}

bool operands_are_explained(const X86Insn *insn)
{
    return false;
}

bool size_is_explained(const X86Insn *insn, unsigned size)
{
    return false;
}

bool difference_is_explained(const X86Insn *insn, const cs_insn *cs)
{
    return false;
}
