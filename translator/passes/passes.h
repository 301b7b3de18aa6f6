/* SPDX-License-Identifier: MIT
 * The passes, one file each. All work in place on one block. */
#ifndef TRANSLATOR_PASSES_PASSES_H
#define TRANSLATOR_PASSES_PASSES_H

#include "translator/ir/ir.h"

#define PASS(name, optional) void pass_##name(IrBlock *block);
#include "translator/passes/pass-list.def"
#undef PASS

#endif
