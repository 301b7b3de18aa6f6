/* SPDX-License-Identifier: MIT
 * Chaining: one aligned store redirects a jump. Moving: adding to each field that holds a pc. */
#include "codegen-x86_64/host-priv.h"

void codegen_patch_jump(uint8_t *rw_rel32, const uint8_t *rx_rel32, const uint8_t *target)
{
    int32_t rel = (int32_t)(target - (rx_rel32 + 4));
    __atomic_store_n((int32_t *)(void *)rw_rel32, rel, __ATOMIC_RELEASE);
}

/* The displacement of entry i is base + i * size; i is the pc's low bits. */
static uint32_t move_slot(uint32_t disp, int64_t delta)
{
    const uint32_t base = (uint32_t)VCPU_DISP((int32_t)offsetof(VCpu, jump_cache));
    const uint32_t size = sizeof(JumpCacheEntry), within = (disp - base) % size;
    const uint32_t i = (disp - base) / size;
    return base + ((i + (uint32_t)delta) & (JUMP_CACHE_ENTRIES - 1)) * size + within;
}

static uint32_t move_field(CodegenPcFieldKind kind, uint32_t value, int64_t delta)
{
    switch (kind) {
    case PC_FIELD_VALUE:
        return value + (uint32_t)delta;
    case PC_FIELD_NEGATED:
        return value - (uint32_t)delta;
    case PC_FIELD_JUMP_SLOT:
        return move_slot(value, delta);
    }
    g_assert_not_reached();
}

void codegen_move(uint8_t *rw_code, const CodegenPcField *fields, unsigned count, int64_t delta)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t value;
        memcpy(&value, rw_code + fields[i].offset, sizeof value);
        value = move_field((CodegenPcFieldKind)fields[i].kind, value, delta);
        memcpy(rw_code + fields[i].offset, &value, sizeof value);
    }
}
