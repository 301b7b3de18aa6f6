/* SPDX-License-Identifier: MIT
 * The helper table: one row each in helpers.def. */
#include "translator/x86/helpers.h"

const HelperInfo x86_helpers[] = {
#define HELPER(name, nargs, effects) {#name, helper_##name, nargs, effects},
#include "translator/x86/helpers.def"
#undef HELPER
};

const unsigned x86_helper_count = G_N_ELEMENTS(x86_helpers);
