/* SPDX-License-Identifier: MIT
 * What happens to a block between lifting and code generation. */
#ifndef TRANSLATOR_PIPELINE_H
#define TRANSLATOR_PIPELINE_H

#include "translator/ir/ir.h"

/* Run the passes of passes/pass-list.def in order; `optimise` false skips the optional ones.
 * Verifies after each in debug builds. */
void pipeline_run(IrBlock *block, bool optimise);

#endif
