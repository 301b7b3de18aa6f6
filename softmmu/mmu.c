/* SPDX-License-Identifier: MIT
 * The soft TLB: filling and flushing it, and translation for those who need an
 * address rather than a value. */
#include "softmmu/mmu.h"

#include <string.h>

#include "base/log.h"
#include "base/trace.h"
#include "softmmu/shadow.h"

enum { JOURNAL_CAPACITY = 1 << 16 };

static uint64_t walk_read(void *opaque, gpa_t gpa, unsigned size)
{
    Mmu *mmu = opaque;
    return address_space_read(mmu->as, gpa, size);
}

/* Page tables are written by the walk itself; the one vCPU cannot race with itself. */
static bool walk_update(void *opaque, gpa_t gpa, unsigned size, uint64_t old, uint64_t new_value)
{
    Mmu *mmu = opaque;
    (void)old;
    address_space_write(mmu->as, gpa, new_value, size);
    return true;
}

WalkMemory mmu_walk_memory(Mmu *mmu, bool marks)
{
    return (WalkMemory){walk_read, marks ? walk_update : NULL, mmu};
}

WalkResult mmu_peek(Mmu *mmu, gva_t gva, WalkAccess access)
{
    const WalkMemory memory = mmu_walk_memory(mmu, false);
    return walk_x86_page(&mmu->paging, &memory, gva, access);
}

void mmu_init(Mmu *mmu, AddressSpace *as, TlbArrays *tlb)
{
    mmu->as = as;
    mmu->tlb = tlb;
    mmu->journal.index = g_new(uint32_t, JOURNAL_CAPACITY);
    mmu->global_journal.index = g_new(uint32_t, JOURNAL_CAPACITY);
    mmu->stored_pages =
        g_new0(uint8_t, ram_capacity(address_space_ram(as)) >> GUEST_PAGE_BITS);
}

void mmu_destroy(Mmu *mmu)
{
    g_free(mmu->journal.index);
    g_free(mmu->global_journal.index);
    g_free(mmu->stored_pages);
}

static void clear_entry(Mmu *mmu, uint32_t key)
{
    TlbArrays *tlb = &mmu->tlb[key >> TLB_INDEX_BITS];
    uint32_t i = key & (TLB_ENTRIES - 1);
    tlb->read_tag[i] = 0;
    tlb->write_tag[i] = 0;
    tlb->code_tag[i] = 0;
}

static void tell_flushed(Mmu *mmu, MmuFlush what, gva_t gva)
{
    if (mmu->flushed)
        mmu->flushed(mmu->opaque, what, gva);
}

static void clear_journal(Mmu *mmu)
{
    for (unsigned i = 0; i < mmu->journal.count; i++)
        clear_entry(mmu, mmu->journal.index[i]);
    mmu->journal.count = 0;
    mmu->flushes++;
}

void mmu_flush_non_global(Mmu *mmu)
{
    clear_journal(mmu);
    tell_flushed(mmu, MMU_FLUSH_NON_GLOBAL, 0);
}

void mmu_flush_all(Mmu *mmu)
{
    for (unsigned i = 0; i < mmu->global_journal.count; i++)
        clear_entry(mmu, mmu->global_journal.index[i]);
    mmu->global_journal.count = 0;
    mmu->large_start = mmu->large_end = 0;
    clear_journal(mmu);
    tell_flushed(mmu, MMU_FLUSH_ALL, 0);
}

void mmu_flush_page(Mmu *mmu, gva_t gva)
{
    if (gva >= mmu->large_start && gva < mmu->large_end) {
        mmu_flush_all(mmu);
        return;
    }
    uint32_t i = (gva >> GUEST_PAGE_BITS) & (TLB_ENTRIES - 1);
    for (uint32_t mode = 0; mode < MMU_MODES; mode++)
        clear_entry(mmu, mode << TLB_INDEX_BITS | i);
    mmu->page_flushes++;
    tell_flushed(mmu, MMU_FLUSH_PAGE, gva);
}

void mmu_protect_ram_page(Mmu *mmu, ram_off_t offset)
{
    uint64_t hva = (uint64_t)(uintptr_t)ram_hva(address_space_ram(mmu->as), offset & GUEST_PAGE_MASK);
    if (!mmu->stored_pages[offset >> GUEST_PAGE_BITS])
        return;
    mmu->stored_pages[offset >> GUEST_PAGE_BITS] = 0;
    unsigned counts[2] = {mmu->journal.count, mmu->global_journal.count};
    const uint32_t *keys[2] = {mmu->journal.index, mmu->global_journal.index};
    for (unsigned j = 0; j < 2; j++) {
        for (unsigned k = 0; k < counts[j]; k++) {
            TlbArrays *tlb = &mmu->tlb[keys[j][k] >> TLB_INDEX_BITS];
            uint32_t i = keys[j][k] & (TLB_ENTRIES - 1);
            if (!tlb->write_tag[i])
                continue;
            uint64_t page = -tlb->write_tag[i] - 1;
            if ((page << GUEST_PAGE_BITS) + tlb->addend[i] == hva)
                tlb->write_tag[i] = 0;
        }
    }
}

void mmu_set_watch(Mmu *mmu, unsigned slot, MmuWatch watch)
{
    g_assert(slot < MMU_WATCHES);
    const unsigned bit = 1u << slot;
    if (watch.size == 0 && !(mmu->watch_used & bit))
        return;
    mmu->watch[slot] = watch;
    mmu->watch_used = watch.size ? mmu->watch_used | bit : mmu->watch_used & ~bit;
    mmu->watch_hits &= ~bit;
    mmu_flush_all(mmu);
}

static bool page_watched(const Mmu *mmu, gva_t gva)
{
    const gva_t page = gva & GUEST_PAGE_MASK;
    for (unsigned i = 0; mmu->watch_used && i < MMU_WATCHES; i++) {
        const MmuWatch *w = &mmu->watch[i];
        if (w->size && w->start < page + GUEST_PAGE_SIZE && page < w->start + w->size)
            return true;
    }
    return false;
}

static void journal_add(Mmu *mmu, uint32_t key, bool global)
{
    unsigned *count = global ? &mmu->global_journal.count : &mmu->journal.count;
    uint32_t *index = global ? mmu->global_journal.index : mmu->journal.index;
    if (*count == JOURNAL_CAPACITY)
        mmu_flush_all(mmu);
    index[(*count)++] = key;
}

static void note_large_page(Mmu *mmu, gva_t gva, unsigned page_bits)
{
    gva_t start = gva & ~(((gva_t)1 << page_bits) - 1);
    gva_t end = start + ((gva_t)1 << page_bits);
    if (mmu->large_end == 0) {
        mmu->large_start = start;
        mmu->large_end = end;
    } else {
        mmu->large_start = MIN(mmu->large_start, start);
        mmu->large_end = MAX(mmu->large_end, end);
    }
}

/* Cache what a successful walk found, for every kind of access it serves. */
static void fill(Mmu *mmu, gva_t gva, int mode, const WalkResult *walk)
{
    PhysTarget target = address_space_find(mmu->as, walk->gpa & GUEST_PAGE_MASK);
    bool ram = target.kind == REGION_RAM;
    if ((!ram && target.kind != REGION_ROM) || target.length < GUEST_PAGE_SIZE)
        return;
    if (page_watched(mmu, gva))
        return;
    const bool user = mode == MMU_USER;
    uint64_t page = gva >> GUEST_PAGE_BITS;
    uint32_t i = page & (TLB_ENTRIES - 1);
    bool code = address_space_code_pages(mmu->as)[target.ram_offset >> GUEST_PAGE_BITS];
    bool read = walk_x86_permits(&mmu->paging, walk, (WalkAccess){WALK_READ, user, false});
    bool may = ram && walk->dirty &&
               walk_x86_permits(&mmu->paging, walk, (WalkAccess){WALK_WRITE, user, false});
    bool write = may && !code;
    TlbArrays *tlb = &mmu->tlb[mode];
    journal_add(mmu, (uint32_t)mode << TLB_INDEX_BITS | i, walk->global);
    tlb->read_tag[i] = read ? -(page + 1) : 0;
    tlb->write_tag[i] = write ? -(page + 1) : 0;
    if (write)
        mmu->stored_pages[target.ram_offset >> GUEST_PAGE_BITS] = 1;
    tlb->code_tag[i] = may && code ? -(page + 1) : 0;
    tlb->addend[i] = (uint64_t)(uintptr_t)ram_hva(address_space_ram(mmu->as), target.ram_offset) -
                     (gva & GUEST_PAGE_MASK);
    if (walk->page_bits > GUEST_PAGE_BITS && walk->page_bits < 32)
        note_large_page(mmu, gva, walk->page_bits);
    trace(tlb_fill, gva, walk->gpa, mode);
    mmu->fills++;
}

static WalkKind walk_kind(MmuAccess access)
{
    return access == MMU_READ ? WALK_READ : access == MMU_WRITE ? WALK_WRITE : WALK_EXEC;
}

bool mmu_translate(Mmu *mmu, gva_t gva, MmuAccess access, int mode, gpa_t *gpa, Fault *fault)
{
    if (mmu->shadow)
        return shadow_probe(mmu->shadow, gva, access == MMU_WRITE, mode, gpa, fault);
    WalkMemory memory = mmu_walk_memory(mmu, true);
    WalkAccess wanted = {walk_kind(access), mode == MMU_USER, false};
    WalkResult walk = walk_x86_page(&mmu->paging, &memory, gva, wanted);
    if (walk.fault) {
        *fault = (Fault){14, true, walk.error_code, gva};
        log_printf(LOG_MMU, "walk of %08" PRIx64 " mode %d: #PF %x", gva, mode, walk.error_code);
        return false;
    }
    log_printf(LOG_MMU, "walk of %08" PRIx64 " mode %d -> %08" PRIx64 "%s%s, page of 2^%u", gva, mode,
               walk.gpa, walk.dirty ? " dirty" : "", walk.global ? " global" : "", walk.page_bits);
    fill(mmu, gva, mode, &walk);
    *gpa = walk.gpa;
    return true;
}

bool mmu_translate_debug(Mmu *mmu, gva_t gva, gpa_t *gpa)
{
    const WalkResult walk = mmu_peek(mmu, gva, (WalkAccess){WALK_READ, false, true});
    *gpa = walk.gpa;
    return !walk.fault;
}

bool mmu_fetch_page(Mmu *mmu, gva_t gva, int mode, FetchPage *page, Fault *fault)
{
    WalkMemory tables = mmu_walk_memory(mmu, true);
    WalkResult walk =
        walk_x86_page(&mmu->paging, &tables, gva, (WalkAccess){WALK_EXEC, mode == MMU_USER, false});
    if (walk.fault) {
        *fault = (Fault){14, true, walk.error_code, gva};
        return false;
    }
    page->gpa = walk.gpa & GUEST_PAGE_MASK;
    page->global = walk.global || walk.depth == 0;
    if (walk.page_bits > GUEST_PAGE_BITS && walk.page_bits < 32)
        note_large_page(mmu, gva, walk.page_bits);
    PhysTarget target = address_space_find(mmu->as, page->gpa);
    bool memory = (target.kind == REGION_RAM || target.kind == REGION_ROM) &&
                  target.length >= GUEST_PAGE_SIZE;
    page->ram_offset = memory ? target.ram_offset : RAM_OFF_NONE;
    page->host = memory ? ram_hva(address_space_ram(mmu->as), target.ram_offset) : NULL;
    return true;
}

/* Apply f to each piece of [gva, gva+size) that lies in one page; false at the first hole. */
static bool debug_copy(Mmu *mmu, gva_t gva, uint8_t *buffer, unsigned size, bool write)
{
    while (size > 0) {
        unsigned n = MIN(size, (unsigned)(GUEST_PAGE_SIZE - (gva & ~GUEST_PAGE_MASK)));
        gpa_t gpa;
        if (!mmu_translate_debug(mmu, gva, &gpa))
            return false;
        gpa = address_space_behind_a20(mmu->as, gpa);
        bool ok = write ? address_space_debug_write(mmu->as, gpa, buffer, n)
                        : address_space_debug_read(mmu->as, gpa, buffer, n);
        if (!ok)
            return false;
        gva += n;
        buffer += n;
        size -= n;
    }
    return true;
}

bool mmu_debug_read(Mmu *mmu, gva_t gva, void *buffer, unsigned size)
{
    return debug_copy(mmu, gva, buffer, size, false);
}

bool mmu_debug_write(Mmu *mmu, gva_t gva, const void *buffer, unsigned size)
{
    return debug_copy(mmu, gva, (uint8_t *)(uintptr_t)buffer, size, true);
}
