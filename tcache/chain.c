/* SPDX-License-Identifier: MIT
 * Shortcuts between blocks: patched jumps inside a page, the jump cache for all
 * others. Both only ever lead to blocks that are valid where they are reached. */
#include "tcache/tb.h"

static void patch(Cache *cache, ExitSlot *slot, const uint8_t *to)
{
    const uint8_t *rx = slot->owner->code + slot->jump_offset;
    codegen_patch_jump(code_buf_to_rw(&cache->buf, rx), rx, to);
}

void chain_link(Cache *cache, ExitSlot *slot, TranslationBlock *target)
{
    if (slot->target)
        return;
    slot->target = target;
    slot->next_incoming = target->incoming;
    target->incoming = slot;
    patch(cache, slot, target->code);
    cache->counters.chains++;
}

static void forget_incoming(ExitSlot *slot)
{
    ExitSlot **link = &slot->target->incoming;
    while (*link != slot)
        link = &(*link)->next_incoming;
    *link = slot->next_incoming;
}

void chain_unlink(Cache *cache, TranslationBlock *tb)
{
    for (ExitSlot *slot = tb->incoming; slot; slot = slot->next_incoming) {
        slot->target = NULL;
        patch(cache, slot, slot->owner->code + slot->stub_offset);
    }
    tb->incoming = NULL;
    for (unsigned i = 0; i < tb->exit_count; i++) {
        if (tb->exits[i].target) {
            forget_incoming(&tb->exits[i]);
            tb->exits[i].target = NULL;
            patch(cache, &tb->exits[i], tb->code + tb->exits[i].stub_offset);
        }
    }
}

void jump_cache_add(Cache *cache, const TranslationBlock *tb)
{
    JumpCache *jc = &cache->vcpu->jump_cache;
    uint32_t i = tb->state.pc & (JUMP_CACHE_ENTRIES - 1);
    if (jc->tag[i] == 0) {
        if (cache->jump_count == JUMP_CACHE_ENTRIES)
            jump_cache_flush(cache);
        cache->jump_journal[cache->jump_count++] = i;
    }
    jc->code[i] = (uint64_t)(uintptr_t)tb->code;
    jc->tag[i] = -(tb->state.pc + tb->jump_tag);
}

void jump_cache_flush(Cache *cache)
{
    JumpCache *jc = &cache->vcpu->jump_cache;
    for (unsigned i = 0; i < cache->jump_count; i++)
        jc->tag[cache->jump_journal[i]] = 0;
    cache->jump_count = 0;
    cache->counters.jump_cache_flushes++;
}
