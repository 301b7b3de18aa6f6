/* SPDX-License-Identifier: MIT
 * The decoder's loop: prefixes, row, ModRM, operands, immediates. What an opcode
 * is stands in tables-*.c; this file knows only how an instruction is put
 * together (SDM 2A "Instruction Format"). */
#include "translator/x86/decode.h"

const char *x86_insn_name(InsnId id)
{
    static const char *const names[INSN_COUNT] = {
#define INSN(id, text, ...) [INSN_##id] = text,
#include "translator/x86/insns.def"
#undef INSN
    };
    return id < INSN_COUNT ? names[id] : "?";
}
