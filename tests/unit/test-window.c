/* SPDX-License-Identifier: MIT
 * A user window follows its page tables, as a TLB must: at once after the guest's flush, as far as user
 * code can tell. */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>

#include "softmmu/window.h"
#include "tests/unit/pte-bits.h"

enum {
    PRESENT = P | US | A,
    DIRTY = PRESENT | RW | D,
    ROOT = 0x1000,
    TABLE = 0x2000,
    OTHER_TABLE = 0x3000,
    PAGE = 0x400000, /* the first of TABLE; page n is entry n */
    FRAME = 0x10000,
    FRAMES = 512,
};

typedef struct {
    Ram *ram;
    AddressSpace *as;
    TlbArrays *tlb;
    Mmu mmu;
    WindowSet *set;
    Window *window;
} Bed;

static void on_flush(void *opaque, MmuFlush what, gva_t gva)
{
    window_flushed(((Bed *)opaque)->set, what, gva);
}

static void put(Bed *b, gpa_t gpa, uint32_t value)
{
    memcpy(ram_hva(b->ram, gpa), &value, sizeof value);
}

static void map(Bed *b, unsigned page, unsigned frame, uint32_t flags)
{
    put(b, TABLE + page * 4, (FRAME + frame * 0x1000) | flags);
}

static void bed_init(Bed *b)
{
    memset(b, 0, sizeof *b);
    b->ram = ram_new(4 << 20, NULL);
    b->as = address_space_new(b->ram);
    address_space_add_ram(b->as, "ram", 0, 4 << 20, ram_alloc(b->ram, "ram", 4 << 20), 0);
    b->tlb = g_malloc0(sizeof(TlbArrays) * MMU_MODES);
    mmu_init(&b->mmu, b->as, b->tlb);
    b->mmu.paging = (PagingRegs){.cr0 = WALK_CR0_PG | WALK_CR0_WP | 1, .cr3 = ROOT, .phys_bits = 32};
    b->set = window_set_new(&b->mmu);
    cr_assert(b->set);
    b->mmu.flushed = on_flush;
    b->mmu.opaque = b;
    put(b, ROOT + 4, TABLE | PRESENT | RW);
    for (unsigned i = 0; i < FRAMES; i++)
        put(b, FRAME + i * 0x1000, 1000 + i); /* says which frame it is */
}

static void bed_free(Bed *b)
{
    window_set_free(b->set);
    mmu_destroy(&b->mmu);
    address_space_free(b->as);
    ram_free(b->ram);
    g_free(b->tlb);
}

/* User code is about to run. */
static void enter(Bed *b)
{
    b->window = window_select(b->set, MMU_USER, true);
    cr_assert(b->window);
}

static WindowOutcome touch(Bed *b, unsigned page, bool write)
{
    Fault fault;
    return window_fault(b->set, b->window, PAGE + page * 0x1000, write, &fault);
}

static void fill(Bed *b, unsigned page, bool write)
{
    cr_assert_eq(touch(b, page, write), WINDOW_FILLED);
}

static bool is_mapped(const Bed *b, unsigned page, bool write)
{
    ram_off_t found;
    return window_find(b->window, PAGE + page * 0x1000, write, &found);
}

/* What translated code would read: by the host's own mapping. */
static uint32_t frame_seen(const Bed *b, unsigned page)
{
    cr_assert(is_mapped(b, page, false));
    return *(volatile uint32_t *)(uintptr_t)(window_base(b->window) + PAGE + page * 0x1000) - 1000;
}

/* The host's own rights, which /proc tells; a store would be a signal. */
static bool host_writes(const Bed *b, unsigned page)
{
    g_autofree char *maps = NULL;
    const uint64_t at = window_base(b->window) + PAGE + page * 0x1000;
    cr_assert(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    for (char *line = maps; *line; line = strchr(line, '\n') + 1) {
        char *end;
        const uint64_t from = g_ascii_strtoull(line, &end, 16);
        const uint64_t to = g_ascii_strtoull(end + 1, &end, 16);
        if (from <= at && at < to)
            return end[2] == 'w';
    }
    return false;
}

/* The first pages are frames 10, 11..., and in the window for writes. */
static void bed_init_filled(Bed *b, unsigned pages)
{
    bed_init(b);
    for (unsigned i = 0; i < pages; i++)
        map(b, i, 10 + i, DIRTY);
    enter(b);
    for (unsigned i = 0; i < pages; i++)
        if (!is_mapped(b, i, true)) /* a run or the one before may have brought it */
            fill(b, i, true);
}

Test(window, an_invalidated_page_is_gone_when_user_code_runs)
{
    Bed b;
    bed_init(&b);
    map(&b, 0, 7, DIRTY);
    map(&b, 1, 9, DIRTY);
    enter(&b);
    fill(&b, 0, true);
    fill(&b, 1, true);
    cr_assert_eq(frame_seen(&b, 0), 7);
    map(&b, 0, 0, 0);
    mmu_flush_page(&b.mmu, PAGE);
    enter(&b);
    cr_assert_not(is_mapped(&b, 0, false));
    cr_assert_not(host_writes(&b, 0));
    cr_assert(is_mapped(&b, 1, true)); /* nobody spoke of this one */
    cr_assert_eq(touch(&b, 0, false), WINDOW_FAULT);
    bed_free(&b);
}

Test(window, a_replaced_page_shows_the_new_frame_without_a_trap)
{
    Bed b;
    bed_init_filled(&b, 6);
    map(&b, 1, 30, DIRTY);  /* a run of frames, */
    map(&b, 2, 31, DIRTY);
    map(&b, 3, 50, DIRTY);  /* another, */
    map(&b, 4, 51, PRESENT); /* that may not be written */
    for (unsigned i = 1; i < 5; i++)
        mmu_flush_page(&b.mmu, PAGE + i * 0x1000);
    enter(&b);
    const unsigned frames[] = {10, 30, 31, 50, 51, 15};
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(frame_seen(&b, i), frames[i]);
        cr_assert_eq(is_mapped(&b, i, true), i != 4);
        cr_assert_eq(host_writes(&b, i), i != 4);
    }
    bed_free(&b);
}

Test(window, a_protected_page_keeps_its_frame)
{
    Bed b;
    bed_init_filled(&b, 4);
    for (unsigned i = 1; i < 3; i++)
        map(&b, i, 10 + i, DIRTY & ~RW); /* as a fork does */
    mmu_flush_non_global(&b.mmu);
    enter(&b);
    for (unsigned i = 0; i < 4; i++) {
        const bool writable = i == 0 || i == 3;
        cr_assert_eq(frame_seen(&b, i), 10 + i);
        cr_assert_eq(is_mapped(&b, i, true), writable);
        cr_assert_eq(host_writes(&b, i), writable);
    }
    cr_assert_eq(touch(&b, 1, true), WINDOW_FAULT);
    bed_free(&b);
}

Test(window, a_page_copied_on_write_replaces_the_old_one_once)
{
    Bed b;
    bed_init(&b);
    map(&b, 0, 10, DIRTY & ~RW);
    enter(&b);
    fill(&b, 0, false);
    cr_assert_eq(touch(&b, 0, true), WINDOW_FAULT);
    map(&b, 0, 0, 0);
    mmu_flush_page(&b.mmu, PAGE);
    map(&b, 0, 40, DIRTY);
    const uint64_t unmaps = window_set_counters(b.set)->unmaps;
    enter(&b);
    cr_assert_eq(frame_seen(&b, 0), 40);
    cr_assert(host_writes(&b, 0));
    cr_assert_eq(window_set_counters(b.set)->unmaps, unmaps);
    cr_assert_eq(window_set_counters(b.set)->awaited_fills, 1);
    bed_free(&b);
}

Test(window, a_page_not_accessed_is_not_mapped)
{
    Bed b;
    bed_init(&b);
    map(&b, 0, 10, DIRTY);
    enter(&b);
    fill(&b, 0, true);
    map(&b, 0, 20, (DIRTY) & ~A); /* the guest wants to know whether it is used */
    mmu_flush_page(&b.mmu, PAGE);
    enter(&b);
    cr_assert_not(is_mapped(&b, 0, false));
    bed_free(&b);
}

Test(window, more_invalidations_than_are_noted)
{
    Bed b;
    bed_init_filled(&b, 200);
    for (unsigned i = 0; i < 200; i++) {
        if (i % 3 == 0)
            map(&b, i, 0, 0);
        if (i % 3 == 1)
            map(&b, i, 210 + i, DIRTY);
        mmu_flush_page(&b.mmu, PAGE + i * 0x1000);
    }
    enter(&b);
    for (unsigned i = 0; i < 200; i++) {
        cr_assert_eq(is_mapped(&b, i, true), i % 3 != 0);
        if (i % 3)
            cr_assert_eq(frame_seen(&b, i), (i % 3 == 1 ? 210 : 10) + i);
    }
    bed_free(&b);
}

Test(window, another_table_under_the_same_addresses)
{
    Bed b;
    bed_init(&b);
    map(&b, 0, 10, DIRTY);
    map(&b, 1, 11, DIRTY);
    enter(&b);
    fill(&b, 0, true);
    fill(&b, 1, true);
    put(&b, OTHER_TABLE, (FRAME + 0x64000) | DIRTY);
    put(&b, ROOT + 4, OTHER_TABLE | PRESENT | RW);
    mmu_flush_non_global(&b.mmu);
    enter(&b);
    cr_assert_not(is_mapped(&b, 1, false));
    if (!is_mapped(&b, 0, false))
        fill(&b, 0, true);
    cr_assert_eq(frame_seen(&b, 0), 100);
    cr_assert_eq(touch(&b, 1, false), WINDOW_FAULT);
    bed_free(&b);
}

/* A fault at one page of a large one, which the guest splits: the others were filled by the same entry. */
Test(window, a_large_page_is_split)
{
    Bed b;
    bed_init(&b);
    b.mmu.paging.cr4 = WALK_CR4_PSE;
    put(&b, ROOT + 4, 0 | PRESENT | PS); /* the first 4 MiB of RAM, read-only */
    enter(&b);
    fill(&b, 0x20, false);
    cr_assert(is_mapped(&b, 0x21, false));
    cr_assert_eq(touch(&b, 0x20, true), WINDOW_FAULT);
    put(&b, ROOT + 4, TABLE | PRESENT | RW);
    map(&b, 0x20, 7, DIRTY); /* and nothing at 21h */
    mmu_flush_non_global(&b.mmu);
    enter(&b);
    cr_assert_eq(frame_seen(&b, 0x20), 7);
    cr_assert_not(is_mapped(&b, 0x21, false));
    bed_free(&b);
}

/* What the window of unpaged code still has must not drive others' pages out of theirs at each
 * fill: REP MOVSD from one to the other would never get on. */
Test(window, an_idle_window_gives_its_mappings_up_first)
{
    enum { BUDGET = 64 };
    Bed b;
    bed_init(&b);
    window_set_budget(b.set, BUDGET);
    b.mmu.paging.cr0 &= ~WALK_CR0_PG;
    b.window = window_select(b.set, MMU_SUPERVISOR, false);
    Fault fault;
    for (unsigned run = BUDGET / 2; run-- > 0;) /* from above, or more would be mapped ahead */
        cr_assert_eq(window_fault(b.set, b.window, run * 0x10000, true, &fault), WINDOW_FILLED);
    b.mmu.paging.cr0 |= WALK_CR0_PG;
    b.mmu.paging.cr4 = WALK_CR4_PGE;
    map(&b, 0, 10, DIRTY | G);
    map(&b, 9, 30, DIRTY | G);
    b.window = window_select(b.set, MMU_SUPERVISOR, false);
    fill(&b, 0, true);
    fill(&b, 9, true);
    cr_assert_eq(frame_seen(&b, 0), 10);
    cr_assert_eq(frame_seen(&b, 9), 30);
    bed_free(&b);
}
