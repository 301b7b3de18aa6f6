/* SPDX-License-Identifier: MIT
 * Prototypes of all helpers, from helpers.def, and their table. */
#ifndef TRANSLATOR_X86_HELPERS_H
#define TRANSLATOR_X86_HELPERS_H

#include "translator/x86/cpu-priv.h"

#define HELPER(name, ...) uint64_t helper_##name(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c);
#include "translator/x86/helpers.def"
#undef HELPER

enum {
    X86_HELPER_COUNT = 0
#define HELPER(...) +1
#include "translator/x86/helpers.def"
#undef HELPER
};

extern const HelperInfo x86_helpers[X86_HELPER_COUNT];

#endif
