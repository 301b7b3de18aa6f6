/* SPDX-License-Identifier: MIT
 * Shortcuts between blocks inside a page or on global pages: patched jumps. They only ever lead to blocks that are
 * valid where they are reached. */
#include "tcache/tb.h"

static void patch(Cache *cache, ExitSlot *slot, const uint8_t *to)
{
    const uint8_t *rx = slot->owner->code + slot->jump_offset;
    codegen_patch_jump(code_buf_to_rw(&cache->buf, rx), rx, to);
}

void chain_reset(Cache *cache, ExitSlot *slot)
{
    patch(cache, slot, slot->owner->code + slot->stub_offset);
}

static const uint8_t *entry_for(const ExitSlot *slot, const TranslationBlock *target)
{
    const bool poll_first = slot->fp_ready || !target->fp_entry;
    return target->code + (slot->fp_ready ? target->fp_entry : 0) +
           (slot->forward && poll_first ? CODEGEN_POLL_SIZE : 0);
}

void chain_link(Cache *cache, ExitSlot *slot, TranslationBlock *target)
{
    if (slot->target)
        return;
    slot->target = target;
    slot->next_incoming = target->incoming;
    target->incoming = slot;
    patch(cache, slot, entry_for(slot, target));
    cache->counters.chains++;
}

static void forget_incoming(ExitSlot *slot)
{
    ExitSlot **link = &slot->target->incoming;
    while (*link != slot)
        link = &(*link)->next_incoming;
    *link = slot->next_incoming;
}

static bool move_together(const TranslationBlock *a, const TranslationBlock *b)
{
    return a->moving && b->moving;
}

void chain_unlink(Cache *cache, TranslationBlock *tb)
{
    for (ExitSlot **link = &tb->incoming, *slot; (slot = *link);) {
        if (move_together(slot->owner, tb)) {
            link = &slot->next_incoming;
            continue;
        }
        *link = slot->next_incoming;
        slot->target = NULL;
        chain_reset(cache, slot);
    }
    for (unsigned i = 0; i < tb->exit_count; i++) {
        ExitSlot *slot = &tb->exits[i];
        if (!slot->target || move_together(tb, slot->target))
            continue;
        forget_incoming(slot);
        slot->target = NULL;
        chain_reset(cache, slot);
    }
}

void chain_drop_outgoing(Cache *cache, TranslationBlock *tb)
{
    for (unsigned i = 0; i < tb->exit_count; i++) {
        if (!tb->exits[i].target)
            continue;
        for (ExitSlot **link = &tb->exits[i].target->incoming, *slot; (slot = *link);) {
            if (slot->owner->valid) {
                link = &slot->next_incoming;
                continue;
            }
            *link = slot->next_incoming;
            slot->target = NULL;
            chain_reset(cache, slot);
        }
    }
}

void chain_link_volatile(Cache *cache, ExitSlot *slot, TranslationBlock *target)
{
    if (slot->target)
        return;
    chain_link(cache, slot, target);
    slot->owner->has_volatile = true;
    if (slot->listed)
        return; /* since a target that went meanwhile: a guest could do so for ever */
    slot->listed = true;
    g_ptr_array_add(cache->volatile_links, slot);
}

void chain_unlink_volatile(Cache *cache)
{
    for (guint i = cache->volatile_links->len; i-- > 0;) { /* newest first, as they are in the lists */
        ExitSlot *slot = g_ptr_array_index(cache->volatile_links, i);
        slot->listed = false;
        if (!slot->target)
            continue;
        forget_incoming(slot);
        slot->target = NULL;
        chain_reset(cache, slot);
    }
    g_ptr_array_set_size(cache->volatile_links, 0);
}

void chain_unlink_all(Cache *cache)
{
    for (unsigned i = 0; i < TB_UNITS; i++) {
        for (guint k = 0; k < cache->unit[i].blocks->len; k++) {
            TranslationBlock *tb = g_ptr_array_index(cache->unit[i].blocks, k);
            tb->incoming = NULL;
            for (unsigned n = 0; n < tb->exit_count; n++) {
                if (!tb->exits[n].target)
                    continue;
                tb->exits[n].target = NULL;
                chain_reset(cache, &tb->exits[n]);
            }
        }
    }
}
