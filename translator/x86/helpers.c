/* SPDX-License-Identifier: MIT
 * The helper table: one row each in helpers.def. */
#include "translator/x86/helpers.h"

const HelperInfo x86_helpers[X86_HELPER_COUNT] = {
#define HELPER(name, nargs, effects) {#name, helper_##name, nargs, effects},
#include "translator/x86/helpers.def"
#undef HELPER
};
