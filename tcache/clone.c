/* SPDX-License-Identifier: MIT
 * Blocks copied from the same code at another EIP. Address-space randomisation maps each process's
 * libraries elsewhere; a copy with its pcs changed costs a tenth of a translation. Only the block
 * that was translated, the origin, is ever copied from. */
#include "tcache/engine-priv.h"

#include <string.h>

#include "base/log.h"

/* Away from both ends of the code space, where EIP would wrap. */
enum { LOWEST_PC = 0x10000 };
#define HIGHEST_PC UINT64_C(0xfffe0000)

bool clone_is_possible(const Engine *engine, const BlockState *state)
{
    const EngineOptions *options = &engine->options;
    return !(state->memory & MEMORY_GLOBAL) && state->cs_base == 0 &&
           state->cs_limit == UINT32_MAX && state->pc >= LOWEST_PC && state->pc < HIGHEST_PC &&
           !options->interp && !options->count && !engine->check && !engine->icount;
}

void clone_add_origin(Engine *engine, TranslationBlock *tb)
{
    Cache *cache = &engine->cache;
    const size_t size = engine->pc_fields->len * sizeof(CodegenPcField);
    CodegenPcField *fields = cache_alloc_meta(cache, MAX(size, 1));
    memcpy(fields, engine->pc_fields->data, size);
    tb->pc_fields = fields;
    tb->pc_field_count = engine->pc_fields->len;
    TranslationBlock **head = cache_origin_head(cache, tb->phys, &tb->state);
    tb->origin_next = *head;
    *head = tb;
}

static const TranslationBlock *find_origin(Engine *engine, const BlockState *state, ram_off_t phys)
{
    const TranslationBlock *tb = *cache_origin_head(&engine->cache, phys, state);
    while (tb && !(tb->phys == phys && tb->state.mode == state->mode &&
                   tb->state.memory == state->memory))
        tb = tb->origin_next;
    return tb;
}

/* Exits lead to their stubs again, and to other places of the guest. */
static void move_exits(Cache *cache, TranslationBlock *tb, const TranslationBlock *origin,
                       uint64_t delta)
{
    for (unsigned i = 0; i < origin->exit_count; i++) {
        const ExitSlot *from = &origin->exits[i];
        tb->exits[i] = (ExitSlot){.owner = tb,
                                  .target_pc = (uint32_t)(from->target_pc + delta),
                                  .jump_offset = from->jump_offset,
                                  .stub_offset = from->stub_offset,
                                  .fp_ready = from->fp_ready};
        const uint8_t *jump = tb->code + from->jump_offset;
        codegen_patch_jump(code_buf_to_rw(&cache->buf, jump), jump, tb->code + from->stub_offset);
    }
}

static TranslationBlock *copy_block(Cache *cache, const TranslationBlock *origin,
                                    const BlockState *state)
{
    Unit *unit = &cache->unit[cache->current];
    const uint64_t delta = state->pc - origin->state.pc;
    TranslationBlock *tb =
        cache_alloc_meta(cache, sizeof *tb + origin->exit_count * sizeof(ExitSlot));
    CodegenPcEntry *map = cache_alloc_meta(cache, origin->pcmap_count * sizeof *map);
    memcpy(map, origin->pcmap, origin->pcmap_count * sizeof *map);
    *tb = *origin;
    tb->code = cache->buf.rx + unit->start + unit->used;
    tb->state = *state;
    tb->unit = (uint16_t)cache->current;
    tb->pcmap = map;
    tb->pc_fields = NULL;
    tb->incoming = NULL;
    tb->has_volatile = false;
    unit->used += (origin->code_size + 15) & ~15u;
    uint8_t *code = code_buf_to_rw(&cache->buf, tb->code);
    memcpy(code, code_buf_to_rw(&cache->buf, origin->code), origin->code_size);
    codegen_move(code, origin->pc_fields, origin->pc_field_count, (int64_t)delta);
    move_exits(cache, tb, origin, delta);
    return tb;
}

TranslationBlock *clone_block(Engine *engine, const BlockState *state, ram_off_t phys)
{
    Cache *cache = &engine->cache;
    if (!clone_is_possible(engine, state) ||
        log_enabled(LOG_IN_ASM | LOG_OP | LOG_OP_OPT | LOG_OUT_ASM | LOG_NOCHAIN))
        return NULL;
    const TranslationBlock *origin = find_origin(engine, state, phys);
    if (!origin || !cache_has_room(cache, origin->code_size + 16) ||
        engine_room_to_breakpoint(engine, state->pc, origin->size) < origin->size)
        return NULL;
    TranslationBlock *tb = copy_block(cache, origin, state);
    cache_insert(cache, tb);
    cache->counters.blocks++;
    cache->counters.cloned++;
    return tb;
}
