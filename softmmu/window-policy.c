/* SPDX-License-Identifier: MIT
 * Which window to use, when it is still true, and when it is worth having.
 *
 * Validation: a guest may change page tables at will and then says so by INVLPG,
 * CR3 or CR4 writes. A window keeps a copy of every page-table page that it was
 * filled from. When it is next wanted after a flush, single pages follow entries that
 * differ (window_follow); what lies below a directory's entry that differs is unmapped.
 * Most flushes change few entries or none. */
#include <string.h>

#include "softmmu/window-priv.h"

#include "base/trace.h"

#define PTE_ACCESSED (UINT64_C(1) << 5)
#define PTE_DIRTY    (UINT64_C(1) << 6)
#define PAGING_CR0   (WALK_CR0_PG | WALK_CR0_WP)
#define PAGING_CR4   (WALK_CR4_PSE | WALK_CR4_PAE | WALK_CR4_PGE | WALK_CR4_SMEP | WALK_CR4_SMAP)

/* ---- copies of page tables ---- */

void window_forget_tracks(Window *window)
{
    for (unsigned i = 0; i < window->track_count; i++) {
        g_free(window->tracks[i].snapshot);
        window->tracks[i] = (Track){0}; /* whoever was at it finds nothing used */
    }
    window->track_count = 0;
}

static const uint8_t *table_bytes(WindowSet *set, gpa_t table)
{
    PhysTarget target = address_space_find(set->mmu->as, table);
    if (target.kind != REGION_RAM || target.length < GUEST_PAGE_SIZE)
        return NULL;
    return ram_hva(set->ram, target.ram_offset);
}

static Track *find_track(Window *window, gva_t base, unsigned shift)
{
    for (unsigned i = 0; i < window->track_count; i++)
        if (window->tracks[i].base == base && window->tracks[i].shift == shift)
            return &window->tracks[i];
    return NULL;
}

static void add_track(Window *window, const Track *wanted)
{
    if (window->track_count == window->track_capacity) {
        window->track_capacity = MAX(16, window->track_capacity * 2);
        window->tracks = g_renew(Track, window->tracks, window->track_capacity);
    }
    Track *track = &window->tracks[window->track_count++];
    *track = *wanted;
    track->snapshot = g_malloc(GUEST_PAGE_SIZE);
}

static bool is_used(const Track *track, unsigned index)
{
    return track->used[index / 64] >> (index % 64) & 1;
}

/* Where the table of a track is for the current address space; GPA_NONE: nowhere. */
#define GPA_NONE (~(gpa_t)0)
static gpa_t table_now(const WindowSet *set, const Track *track)
{
    const PagingRegs *p = &set->mmu->paging;
    if (!track->root)
        return track->table;
    if (!(p->cr4 & WALK_CR4_PAE))
        return p->cr3 & UINT32_MAX & GUEST_PAGE_MASK;
    uint64_t pdpte = p->pdpte[track->base >> 30 & 3];
    return pdpte & 1 ? pdpte & GUEST_PAGE_MASK & (((gpa_t)1 << p->phys_bits) - 1) : GPA_NONE;
}

/* The pages under one entry of a table are no longer known to be true: single ones wait in
 * set->changed for follow_changed. */
static void drop_entry(WindowSet *set, Window *window, Track *track, unsigned index)
{
    uint32_t count = 1u << (track->shift - GUEST_PAGE_BITS);
    uint32_t page = (uint32_t)(track->base >> GUEST_PAGE_BITS) + index * count;
    uint32_t before = window->mapped;
    set->counters.changed_entries++;
    if (count == 1 && window->pages[page]) {
        if (window->churn[page] < UINT8_MAX)
            window->churn[page]++;
        g_array_append_val(set->changed, page);
        return;
    }
    track->used[index / 64] &= ~(UINT64_C(1) << (index % 64));
    window_unmap(set, window, page, count);
    window->cost_ns += (uint64_t)(before - window->mapped) * 2 * set->remap_ns;
}

/* Has entry `index` of the table, whose bytes are `now` (NULL: gone), lost what its copy gave? */
static void check_entry(WindowSet *set, Window *window, Track *track, const uint8_t *now,
                        unsigned index)
{
    unsigned n = track->entry_bytes;
    uint64_t before = 0, after = 0;
    if (!is_used(track, index))
        return;
    memcpy(&before, track->snapshot + (size_t)index * n, n);
    if (now)
        memcpy(&after, now + (size_t)index * n, n);
    if (before == after)
        return;
    memcpy(track->snapshot + (size_t)index * n, &after, n);
    /* Accessed and dirty bits that were set take no right away. */
    uint64_t changed = before ^ after;
    if ((changed & ~(PTE_ACCESSED | PTE_DIRTY)) || (after & changed) != changed)
        drop_entry(set, window, track, index);
}

static void check_table(WindowSet *set, Window *window, Track *track, const uint8_t *now)
{
    for (unsigned w = 0; w < G_N_ELEMENTS(track->used); w++)
        for (uint64_t bits = track->used[w]; bits; bits &= bits - 1)
            check_entry(set, window, track, now, w * 64 + (unsigned)__builtin_ctzll(bits));
}

static void follow_changed(WindowSet *set, Window *window)
{
    window_follow(set, window, (const uint32_t *)(void *)set->changed->data, set->changed->len);
    g_array_set_size(set->changed, 0);
}

/* Remember the entries that `walk` went through, as they are now: it has just read them, and may
 * have set their accessed and dirty bits. */
bool window_track(WindowSet *set, Window *window, gva_t gva, const WalkResult *walk)
{
    for (unsigned i = 0; i < walk->depth; i++) {
        unsigned shift = walk->path[i].shift;
        unsigned covered = shift + walk->path[i].index_bits;
        Track wanted = {.table = walk->path[i].gpa & GUEST_PAGE_MASK,
                        .base = covered >= 32 ? 0 : gva & ~(((gva_t)1 << covered) - 1),
                        .shift = (uint8_t)shift,
                        .entry_bytes = (uint8_t)walk->entry_bytes,
                        .root = i == 0};
        const uint8_t *bytes = table_bytes(set, wanted.table);
        if (!bytes)
            return false;
        Track *track = find_track(window, wanted.base, shift);
        if (!track) {
            add_track(window, &wanted);
            track = &window->tracks[window->track_count - 1];
        } else if (track->table != wanted.table) {
            /* Another table took its place. A root: another address space. */
            track->table = wanted.table;
            check_table(set, window, track, bytes);
            follow_changed(set, window);
        }
        size_t at = walk->path[i].gpa & ~GUEST_PAGE_MASK;
        size_t index = at / walk->entry_bytes;
        if (shift > GUEST_PAGE_BITS) /* what other pages came from, before its copy is made anew */
            check_entry(set, window, track, bytes, (unsigned)index);
        if (window->track_count == 0) /* it had to be emptied */
            return false;
        memcpy(track->snapshot + at, bytes + at, walk->entry_bytes);
        track->used[index / 64] |= UINT64_C(1) << (index % 64);
    }
    return true;
}

void window_track_run(WindowSet *set, Window *window, uint32_t page, uint32_t count)
{
    for (unsigned i = 0; i < window->track_count; i++) {
        Track *track = &window->tracks[i];
        uint64_t index = page - (track->base >> GUEST_PAGE_BITS);
        if (track->shift != GUEST_PAGE_BITS || (gva_t)page << GUEST_PAGE_BITS < track->base ||
            index + count > GUEST_PAGE_SIZE / track->entry_bytes)
            continue;
        const uint8_t *bytes = table_bytes(set, track->table);
        if (!bytes)
            return;
        memcpy(track->snapshot + index * track->entry_bytes, bytes + index * track->entry_bytes,
               (size_t)count * track->entry_bytes);
        for (uint64_t k = index; k < index + count; k++)
            track->used[k / 64] |= UINT64_C(1) << (k % 64);
        return;
    }
}

static void validate(WindowSet *set, Window *window)
{
    set->counters.validations++;
    for (unsigned i = 0; i < window->track_count; i++) {
        Track *track = &window->tracks[i];
        gpa_t table = table_now(set, track);
        check_table(set, window, track, table == GPA_NONE ? NULL : table_bytes(set, table));
    }
    window->invalidated_count = 0;
    follow_changed(set, window);
}

/* ---- flushes ---- */

static void invalidate_page(WindowSet *set, Window *window, gva_t gva)
{
    for (unsigned i = 0; i < window->track_count; i++) {
        Track *track = &window->tracks[i];
        gva_t index = (gva - track->base) >> track->shift;
        if (gva < track->base || index >= GUEST_PAGE_SIZE / track->entry_bytes)
            continue;
        gpa_t table = table_now(set, track);
        check_entry(set, window, track, table == GPA_NONE ? NULL : table_bytes(set, table),
                    (unsigned)index);
    }
}

/* User code does not run now; the guest may give the page another entry before it does, or not at all. */
static void note_invalidated(Window *window, gva_t gva)
{
    if (window->invalidated_count < WINDOW_INVALIDATED)
        window->invalidated[window->invalidated_count++] = gva;
    else
        window->generation = 0;
}

static void check_invalidated(WindowSet *set, Window *window)
{
    for (unsigned i = 0; i < window->invalidated_count; i++)
        invalidate_page(set, window, window->invalidated[i]);
    window->invalidated_count = 0;
    follow_changed(set, window);
}

static AddressSpaceNote *note_of(WindowSet *set, uint64_t cr3)
{
    return &set->notes[(cr3 >> GUEST_PAGE_BITS ^ cr3 >> 5) % WINDOW_NOTES];
}

void window_flushed(WindowSet *set, MmuFlush what, gva_t gva)
{
    if (what == MMU_FLUSH_PAGE) {
        invalidate_page(set, &set->windows[WINDOW_KERNEL], gva);
        follow_changed(set, &set->windows[WINDOW_KERNEL]);
        AddressSpaceNote *note = note_of(set, set->mmu->paging.cr3);
        if (note->window && note->cr3 == set->mmu->paging.cr3)
            note_invalidated(note->window, gva);
        return;
    }
    set->generation++;
    if (what == MMU_FLUSH_ALL)
        set->kernel_generation++;
}

void window_reset(WindowSet *set)
{
    for (unsigned i = 0; i < WINDOW_COUNT; i++)
        window_clear(set, &set->windows[i]);
    set->counters.resets++;
}

/* ---- address spaces ---- */

static void release(WindowSet *set, Window *window)
{
    AddressSpaceNote *note = note_of(set, window->key);
    if (note->window == window)
        note->window = NULL;
    window_clear(set, window);
    window->key = 0;
    window->cost_ns = window->user_ns = 0;
}

static Window *oldest_user(WindowSet *set, const Window *keep)
{
    Window *best = NULL;
    for (unsigned i = WINDOW_USER; i < WINDOW_COUNT; i++) {
        Window *w = &set->windows[i];
        if (w->key && w != keep && (!best || w->last_used < best->last_used))
            best = w;
    }
    return best;
}

bool window_shrink(WindowSet *set, Window *window)
{
    if (set->total_vmas <= set->vma_budget)
        return false;
    window_clear(set, &set->windows[WINDOW_IDENTITY]); /* idle, mostly */
    if (set->total_vmas > set->vma_budget)
        window_clear(set, window);
    return true;
}

void window_make_room(WindowSet *set, Window *keep)
{
    Window *identity = &set->windows[WINDOW_IDENTITY];
    if (set->total_vmas > set->vma_budget && keep != identity)
        window_clear(set, identity); /* idle while paging is on */
    while (set->total_vmas > set->vma_budget) {
        Window *victim = oldest_user(set, keep);
        if (!victim) {
            window_clear(set, &set->windows[WINDOW_KERNEL]);
            if (set->total_vmas > set->vma_budget)
                window_clear(set, keep);
            return;
        }
        release(set, victim);
        set->counters.evictions++;
    }
}

static Window *take_user_window(WindowSet *set, uint64_t cr3)
{
    for (unsigned i = WINDOW_USER; i < WINDOW_COUNT; i++) {
        Window *w = &set->windows[i];
        if (!w->key && window_ready(w)) {
            w->key = cr3;
            return w;
        }
    }
    Window *w = oldest_user(set, NULL);
    if (w) {
        release(set, w);
        set->counters.evictions++;
        w->key = cr3;
    }
    return w;
}

/* Where the entry for gva is in the current page tables; 0: nowhere. */
static gpa_t find_entry(const WindowSet *set, gva_t gva)
{
    const WalkResult walk = mmu_peek(set->mmu, gva, (WalkAccess){WALK_EXEC, true, false});
    return walk.fault || walk.depth == 0 ? 0 : walk.path[walk.depth - 1].gpa;
}

/* Guests give the CR3 of a process that has ended to a new one, which begins as all do. */
static bool is_another(const WindowSet *set, AddressSpaceNote *note)
{
    if (!note->anchor_entry || note->generation == set->generation)
        return false;
    note->generation = set->generation;
    return find_entry(set, note->anchor) != note->anchor_entry;
}

static AddressSpaceNote *current_note(WindowSet *set)
{
    uint64_t cr3 = set->mmu->paging.cr3;
    AddressSpaceNote *note = note_of(set, cr3);
    if (note->cr3 != cr3 || note->threshold_ns == 0 || is_another(set, note)) {
        if (note->window)
            release(set, note->window);
        *note = (AddressSpaceNote){.cr3 = cr3, .threshold_ns = WINDOW_PROMOTE_NS};
    }
    return note;
}

void window_note_user_time(WindowSet *set, uint64_t ns, gva_t pc)
{
    AddressSpaceNote *note = current_note(set);
    if (note->window)
        note->window->user_ns += ns;
    else
        note->user_ns += ns;
    if (!note->anchor_entry) {
        note->anchor = pc;
        note->anchor_entry = find_entry(set, pc);
        note->generation = set->generation;
    }
}

/* Churn has cost more than the TLB would have: back to it, for longer. */
static void demote(WindowSet *set, AddressSpaceNote *note)
{
    release(set, note->window);
    note->window = NULL;
    note->user_ns = 0;
    note->threshold_ns *= 4;
    trace(window_demote, note->cr3);
    set->counters.demotions++;
}

/* On the TLB user code takes about twice as long. */
static bool churn_costs_more(Window *window)
{
    if (window->cost_ns <= WINDOW_DEMOTE_NS)
        return false;
    const bool more = window->cost_ns > window->user_ns;
    window->cost_ns = window->user_ns = 0;
    return more;
}

static Window *user_window(WindowSet *set, bool always)
{
    AddressSpaceNote *note = current_note(set);
    if (note->window && !always && churn_costs_more(note->window))
        demote(set, note);
    if (!note->window && (always || note->user_ns >= note->threshold_ns)) {
        note->window = take_user_window(set, note->cr3);
        if (note->window) {
            note->window->generation = set->generation;
            trace(window_promote, note->cr3);
            set->counters.promotions++;
        }
    }
    return note->window;
}

/* Bits that change what entries mean: nothing filled under others may be used. */
static uint64_t paging_bits(const PagingRegs *p)
{
    return (p->cr0 & PAGING_CR0) | (p->cr4 & PAGING_CR4) << 32 | (p->efer & WALK_EFER_NXE) << 40;
}

/* What was awaited comes first: it often replaces a page that was invalidated. */
static void bring_up_to_date(WindowSet *set, Window *window, uint64_t generation)
{
    if (window->awaited)
        window_fill_awaited(set, window);
    if (window->generation != generation)
        validate(set, window);
    else if (window->invalidated_count)
        check_invalidated(set, window);
    window->generation = generation;
    window->last_used = ++set->clock;
}

Window *window_select(WindowSet *set, int mode, bool always)
{
    const PagingRegs *paging = &set->mmu->paging;
    /* Watched bytes are noticed on the TLB's slow path only. */
    if (!address_space_a20(set->mmu->as) || set->mmu->watch_used)
        return NULL;
    if (!(paging->cr0 & WALK_CR0_PG))
        return &set->windows[WINDOW_IDENTITY];
    if (set->mode_bits != paging_bits(paging)) {
        for (unsigned i = WINDOW_KERNEL; i < WINDOW_COUNT; i++)
            window_clear(set, &set->windows[i]);
        set->mode_bits = paging_bits(paging);
    }
    Window *window = NULL;
    uint64_t generation = set->kernel_generation;
    if (mode == MMU_USER) {
        window = user_window(set, always);
        generation = set->generation;
    } else if (paging->cr4 & WALK_CR4_PGE) {
        window = &set->windows[WINDOW_KERNEL];
    }
    if (window)
        bring_up_to_date(set, window, generation);
    return window;
}
