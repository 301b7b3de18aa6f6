/* SPDX-License-Identifier: MIT
 * What the engine shows of its blocks: those entered last, the hottest ones, their code. */
#include "tcache/engine-priv.h"

#include <string.h>

static EngineBlock describe(const BlockState *state)
{
    return (EngineBlock){.pc = state->pc, .cs_base = state->cs_base, .mode = state->mode};
}

unsigned engine_recent_blocks(const Engine *engine, EngineBlock *out, unsigned capacity)
{
    unsigned count = MIN(engine->recent_count, RECENT_BLOCKS);
    count = MIN(count, capacity);
    for (unsigned i = 0; i < count; i++)
        out[i] = describe(&engine->recent[(engine->recent_count - 1 - i) % RECENT_BLOCKS]);
    return count;
}
