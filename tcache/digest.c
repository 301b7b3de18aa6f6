/* SPDX-License-Identifier: MIT
 * A number for the whole state of the guest's CPU and memory. */
#include <string.h>
#include <xxhash.h>

#include "tcache/check.h"
#include "tcache/icount.h"
#include "translator/fx-image.h"

static void add_registers(const Engine *engine, XXH3_state_t *hash)
{
    CheckState *state = g_new0(CheckState, 1);
    const GuestOps *guest = engine->guest;
    check_save(engine->vcpu, state);
    XXH3_64bits_update(hash, state->gpr, guest->gprs * sizeof state->gpr[0]);
    XXH3_64bits_update(hash, &state->pc, sizeof state->pc);
    XXH3_64bits_update(hash, &state->flags, sizeof state->flags);
    XXH3_64bits_update(hash, &state->halted, sizeof state->halted);
    /* What the host's FPU notes of its last instruction (FOP, FIP, FDP) is no guest state, and
     * MXCSR_MASK is there once the host has stored it. */
    XXH3_64bits_update(hash, state->fp, FX_FOP);
    XXH3_64bits_update(hash, state->fp + FX_MXCSR, FX_MXCSR_MASK - FX_MXCSR);
    XXH3_64bits_update(hash, state->fp + FX_ST, sizeof state->fp - FX_ST);
    for (unsigned i = 0; i < guest->field_count; i++) {
        const GuestField *f = &guest->fields[i];
        if (f->derived)
            continue;
        XXH3_64bits_update(hash, state->guest + (f->offset - guest->fields[0].offset), f->size);
    }
    g_free(state);
}

uint64_t engine_digest(const Engine *engine)
{
    const Ram *ram = address_space_ram(engine->cache.as);
    XXH3_state_t *hash = XXH3_createState();
    XXH3_64bits_reset(hash);
    add_registers(engine, hash);
    XXH3_64bits_update(hash, ram_hva(ram, 0), ram_capacity(ram));
    const uint64_t digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return digest;
}
