/* SPDX-License-Identifier: MIT
 * Chaining: one aligned store redirects a jump. */
#include "codegen-x86_64/codegen.h"

void codegen_patch_jump(uint8_t *rw_rel32, const uint8_t *rx_rel32, const uint8_t *target)
{
    int32_t rel = (int32_t)(target - (rx_rel32 + 4));
    __atomic_store_n((int32_t *)(void *)rw_rel32, rel, __ATOMIC_RELEASE);
}
