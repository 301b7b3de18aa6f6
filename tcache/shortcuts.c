/* SPDX-License-Identifier: MIT
 * Shortcuts (chains across pages, jump tables) skip the page walk. They stay
 * true like this: those between pages that are the same in every address space
 * are kept over CR3 writes, and when the guest says that global mappings changed,
 * the pages that hold such code are walked again; all others go at every flush.
 * A flush that cannot concern a code page costs nothing. */
#include "tcache/engine-priv.h"

#include <string.h>

#define PAGE_NUMBERS (UINT64_C(1) << (32 - GUEST_PAGE_BITS))

/* mode: whose code it is; a page may lose one and keep the other. */
typedef struct {
    gva_t gva;
    ram_off_t ram_offset;
    int mode;
} GlobalPage;

static uint64_t page_number(gva_t gva)
{
    return (gva >> GUEST_PAGE_BITS) % PAGE_NUMBERS;
}

static bool bit_test(const uint64_t *bits, gva_t gva)
{
    uint64_t n = page_number(gva);
    return bits[n / 64] >> (n % 64) & 1;
}

static void bit_set(uint64_t *bits, gva_t gva)
{
    uint64_t n = page_number(gva);
    bits[n / 64] |= UINT64_C(1) << (n % 64);
}

void shortcuts_init(Engine *engine)
{
    for (int mode = 0; mode < MMU_MODES; mode++)
        engine->global_pages[mode] = g_new0(uint64_t, PAGE_NUMBERS / 64);
    engine->other_pages = g_new0(uint64_t, PAGE_NUMBERS / 64);
    engine->global_list = g_array_new(FALSE, FALSE, sizeof(GlobalPage));
}

void shortcuts_destroy(Engine *engine)
{
    for (int mode = 0; mode < MMU_MODES; mode++)
        g_free(engine->global_pages[mode]);
    g_free(engine->other_pages);
    g_array_free(engine->global_list, TRUE);
}

static void forget_global(Engine *engine)
{
    for (int mode = 0; mode < MMU_MODES; mode++)
        memset(engine->global_pages[mode], 0, PAGE_NUMBERS / 8);
    g_array_set_size(engine->global_list, 0);
    engine->validate_global = false;
}

void shortcuts_forget(Engine *engine)
{
    engine->generation++;
    forget_global(engine);
}

/* A block may be running, in the middle of which the TLB overflows or the memory map changes: its
 * page is not noted any more, so the returns that it adds are forgotten when the loop is next
 * entered. All ways out of its page lead there. */
static void flush_others(Engine *engine)
{
    for (unsigned i = 0; i < engine->other_count; i++)
        engine->other_pages[page_number(engine->other_list[i]) / 64] = 0;
    engine->other_count = 0;
    codegen_forget_returns(engine->vcpu);
    jump_tables_leave(&engine->cache.jumps);
    chain_unlink_volatile(&engine->cache);
    engine->cache.counters.jump_table_flushes += jump_tables_flush(&engine->cache.jumps, true);
}

void shortcuts_flushed(Engine *engine, MmuFlush what, gva_t gva)
{
    if (what != MMU_FLUSH_PAGE) {
        engine->generation++;
        engine->validate_global |= what == MMU_FLUSH_ALL;
        flush_others(engine);
        return;
    }
    FetchEntry *entry = &engine->fetch[page_number(gva) % FETCH_CACHE_SIZE];
    if (page_number(entry->page) == page_number(gva))
        entry->generation = 0;
    for (int mode = 0; mode < MMU_MODES; mode++)
        engine->validate_global |= bit_test(engine->global_pages[mode], gva);
    if (bit_test(engine->other_pages, gva))
        flush_others(engine);
}

void shortcuts_note_page(Engine *engine, gva_t gva, ram_off_t page)
{
    const int mode = engine->guest->fetch_mode(engine->vcpu);
    if (bit_test(engine->global_pages[mode], gva))
        return;
    bit_set(engine->global_pages[mode], gva);
    GlobalPage entry = {gva & GUEST_PAGE_MASK, page, mode};
    g_array_append_val(engine->global_list, entry);
}

/* A block outside global pages is about to enter a jump table; it may run on into the next page.
 */
void shortcuts_note_other(Engine *engine, gva_t gva)
{
    if (engine->other_count > OTHER_PAGES - 2)
        flush_others(engine);
    for (unsigned i = 0; i < 2; i++, gva = (uint32_t)(gva + GUEST_PAGE_SIZE)) {
        if (bit_test(engine->other_pages, gva))
            continue;
        bit_set(engine->other_pages, gva);
        engine->other_list[engine->other_count++] = gva;
    }
}

static bool still_true(Engine *engine, const GlobalPage *page)
{
    const WalkAccess fetch = {WALK_EXEC, page->mode == MMU_USER, false};
    const WalkResult walk = mmu_peek(&engine->vcpu->mmu, page->gva, fetch);
    /* The next fetch sets accessed bits that the guest has cleared: it must be one that walks. */
    if (walk.fault || (walk.depth && !(walk.global && walk.accessed)))
        return false;
    PhysTarget target = address_space_find(engine->cache.as, walk.gpa & GUEST_PAGE_MASK);
    return (target.kind == REGION_RAM || target.kind == REGION_ROM) &&
           target.ram_offset == page->ram_offset;
}

void shortcuts_validate(Engine *engine)
{
    if (!engine->validate_global)
        return;
    engine->validate_global = false;
    engine->cache.counters.shortcut_checks++;
    for (guint i = 0; i < engine->global_list->len; i++) {
        if (still_true(engine, &g_array_index(engine->global_list, GlobalPage, i)))
            continue;
        engine->cache.counters.shortcut_losses++;
        codegen_forget_returns(engine->vcpu);
        chain_unlink_all(&engine->cache);
        jump_tables_flush(&engine->cache.jumps, false);
        forget_global(engine);
        return;
    }
}
