/* SPDX-License-Identifier: MIT
 * Chaining: a jump is redirected. Moving: adding to each field that holds a pc. */
#include "codegen-x86_64/host-priv.h"

void codegen_patch_jump(uint8_t *rw_rel32, const uint8_t *rx_rel32, const uint8_t *target)
{
    int32_t rel = (int32_t)(target - (rx_rel32 + 4));
    memcpy(rw_rel32, &rel, sizeof rel);
}

void codegen_move(uint8_t *rw_code, const CodegenPcField *fields, unsigned count, int64_t delta)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t value;
        memcpy(&value, rw_code + fields[i].offset, sizeof value);
        value += fields[i].kind == PC_FIELD_NEGATED ? -(uint32_t)delta : (uint32_t)delta;
        memcpy(rw_code + fields[i].offset, &value, sizeof value);
    }
}
