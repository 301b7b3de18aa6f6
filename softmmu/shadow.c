/* SPDX-License-Identifier: MIT */
#include "softmmu/shadow.h"

#include <string.h>
#include <sys/mman.h>

/* A REP instruction writes up to 64 KiB at a time. */
enum { SLOT_BITS = 15, SLOTS = 1 << SLOT_BITS, WORDS_MAX = 3 * SLOTS / 4, PAGES_MAX = 256 };

typedef struct {
    ram_off_t offset; /* of 8 aligned bytes */
    uint64_t value, before;
    uint64_t written; /* mask of bytes */
    uint64_t unsure; /* mask of bytes that a walk has marked: whether it does is the TLB's affair */
} Word;

typedef struct {
    gva_t page;
    int mode;
    bool write;
    ram_off_t ram; /* RAM_OFF_NONE: page fault */
} Page;

struct Shadow {
    Mmu *mmu;
    ShadowOps ops;
    ShadowVerdict verdict;
    TlbArrays *empty, *real; /* [MMU_MODES] */
    Word words[WORDS_MAX];
    unsigned count;
    uint16_t slots[SLOTS]; /* index + 1 of a word */
    Page pages[PAGES_MAX];
    unsigned page_count;
    bool pages_lost;
};

static const size_t tlb_bytes = MMU_MODES * sizeof(TlbArrays);

Shadow *shadow_new(Mmu *mmu, const ShadowOps *ops)
{
    Shadow *shadow = g_new0(Shadow, 1);
    shadow->mmu = mmu;
    shadow->ops = *ops;
    /* Only ever read: the host backs it with one page of zeros. */
    shadow->empty = mmap(NULL, tlb_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(shadow->empty != MAP_FAILED);
    return shadow;
}

void shadow_free(Shadow *shadow)
{
    munmap(shadow->empty, tlb_bytes);
    g_free(shadow);
}

/* ---- the log ---- */

static unsigned slot_of(ram_off_t offset)
{
    return (unsigned)((offset >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOT_BITS));
}

static Word *find_word(Shadow *s, ram_off_t offset)
{
    for (unsigned i = slot_of(offset); s->slots[i]; i = (i + 1) & (SLOTS - 1)) {
        Word *word = &s->words[s->slots[i] - 1];
        if (word->offset == offset)
            return word;
    }
    return NULL;
}

static uint64_t ram_word(const Shadow *s, ram_off_t offset)
{
    uint64_t value;
    memcpy(&value, ram_hva(address_space_ram(s->mmu->as), offset), sizeof value);
    return value;
}

/* NULL: the log is full. */
static Word *add_word(Shadow *s, ram_off_t offset)
{
    if (s->count == WORDS_MAX) {
        s->verdict = SHADOW_LARGE;
        return NULL;
    }
    unsigned i = slot_of(offset);
    while (s->slots[i])
        i = (i + 1) & (SLOTS - 1);
    Word *word = &s->words[s->count++];
    s->slots[i] = (uint16_t)s->count;
    uint64_t value = ram_word(s, offset);
    *word = (Word){.offset = offset, .value = value, .before = value};
    return word;
}

static void clear_log(Shadow *s)
{
    for (unsigned i = s->count; i-- > 0;) {
        unsigned slot = slot_of(s->words[i].offset);
        while (s->slots[slot] != i + 1)
            slot = (slot + 1) & (SLOTS - 1);
        s->slots[slot] = 0; /* later ones of its chain are gone already */
    }
    s->count = 0;
}

/* Bytes of [offset, offset+size) in the word at `at`, and where they begin in the range. */
static unsigned piece(ram_off_t at, ram_off_t offset, unsigned size, unsigned *in_word,
                      unsigned *in_range)
{
    const ram_off_t from = MAX(at, offset), to = MIN(at + 8, offset + size);
    *in_word = (unsigned)(from - at);
    *in_range = (unsigned)(from - offset);
    return (unsigned)(to - from);
}

static void log_read(Shadow *s, ram_off_t offset, void *buffer, unsigned size)
{
    memcpy(buffer, ram_hva(address_space_ram(s->mmu->as), offset), size);
    if (s->count == 0)
        return;
    for (ram_off_t at = offset & ~UINT64_C(7); at < offset + size; at += 8) {
        unsigned in_word, in_range;
        const Word *word = find_word(s, at);
        if (!word)
            continue;
        const unsigned n = piece(at, offset, size, &in_word, &in_range);
        memcpy((uint8_t *)buffer + in_range, (const uint8_t *)&word->value + in_word, n);
    }
}

static void log_write(Shadow *s, ram_off_t offset, const void *data, unsigned size, bool by_walk)
{
    for (ram_off_t at = offset & ~UINT64_C(7); at < offset + size; at += 8) {
        unsigned in_word, in_range;
        Word *word = find_word(s, at);
        if (!word && !(word = add_word(s, at)))
            return;
        const unsigned n = piece(at, offset, size, &in_word, &in_range);
        memcpy((uint8_t *)&word->value + in_word, (const uint8_t *)data + in_range, n);
        memset((uint8_t *)(by_walk ? &word->unsure : &word->written) + in_word, 0xff, n);
    }
}

/* ---- translation ---- */

static uint64_t walk_read(void *opaque, gpa_t gpa, unsigned size)
{
    Shadow *s = opaque;
    PhysTarget target = address_space_find(s->mmu->as, gpa);
    uint64_t value = 0;
    if (target.kind == REGION_RAM || target.kind == REGION_ROM)
        log_read(s, target.ram_offset, &value, size);
    else
        s->verdict = SHADOW_DEVICE;
    return value;
}

static bool walk_update(void *opaque, gpa_t gpa, unsigned size, uint64_t old, uint64_t new_value)
{
    Shadow *s = opaque;
    PhysTarget target = address_space_find(s->mmu->as, gpa);
    (void)old;
    if (target.kind == REGION_RAM)
        log_write(s, target.ram_offset, &new_value, size, true);
    return true;
}

static bool tlb_page(const Shadow *s, gva_t gva, bool write, int mode, ram_off_t *page)
{
    const TlbArrays *tlb = &s->real[mode];
    const uint32_t i = (gva >> GUEST_PAGE_BITS) & (TLB_ENTRIES - 1);
    const uint64_t wanted = -((gva >> GUEST_PAGE_BITS) + 1);
    const bool hit = write ? tlb->write_tag[i] == wanted || tlb->code_tag[i] == wanted
                           : tlb->read_tag[i] == wanted;
    const uint8_t *ram = ram_hva(address_space_ram(s->mmu->as), 0);
    if (hit)
        *page = (ram_off_t)((gva & GUEST_PAGE_MASK) + tlb->addend[i] - (uint64_t)(uintptr_t)ram);
    return hit;
}

static bool walk_page(Shadow *s, const WalkMemory *memory, gva_t gva, bool write, int mode,
                      PhysTarget *target, Fault *fault)
{
    const WalkAccess access = {write ? WALK_WRITE : WALK_READ, mode == MMU_USER, false};
    const WalkResult walk = walk_x86_page(&s->mmu->paging, memory, gva, access);
    if (walk.fault) {
        *fault = (Fault){14, true, walk.error_code, gva};
        return false;
    }
    *target = address_space_find(s->mmu->as, walk.gpa);
    return true;
}

static void note_page(Shadow *s, gva_t gva, bool write, int mode, ram_off_t ram)
{
    const Page page = {gva & GUEST_PAGE_MASK, mode, write, ram};
    const Page *last = s->page_count ? &s->pages[s->page_count - 1] : NULL;
    if (last && last->page == page.page && last->mode == mode && last->write == write)
        return;
    if (s->page_count < PAGES_MAX)
        s->pages[s->page_count++] = page;
    else
        s->pages_lost = true;
}

/* As the engines do it: a cached translation counts, if the access stays in its page. */
static bool translate(Shadow *s, gva_t gva, bool write, int mode, bool crosses, ram_off_t *offset,
                      Fault *fault)
{
    const WalkMemory memory = {walk_read, walk_update, s};
    PhysTarget target;
    ram_off_t page;
    if (!crosses && (s->ops.cached_page(s->ops.opaque, gva, write, &page) ||
                     tlb_page(s, gva, write, mode, &page))) {
        note_page(s, gva, write, mode, page);
        *offset = page + (gva & ~GUEST_PAGE_MASK);
        return true;
    }
    if (!walk_page(s, &memory, gva, write, mode, &target, fault)) {
        note_page(s, gva, write, mode, RAM_OFF_NONE);
        return false;
    }
    const bool memory_there = target.kind == REGION_RAM || (target.kind == REGION_ROM && !write);
    if (!memory_there)
        s->verdict = SHADOW_DEVICE;
    *offset = memory_there ? target.ram_offset : RAM_OFF_NONE;
    note_page(s, gva, write, mode, memory_there ? *offset & GUEST_PAGE_MASK : RAM_OFF_NONE);
    return true;
}

static bool page_ambiguous(Shadow *s, const Page *page)
{
    WalkMemory memory = mmu_walk_memory(s->mmu, false);
    PhysTarget target;
    Fault fault;
    ram_off_t cached, walked = RAM_OFF_NONE;
    if (walk_page(s, &memory, page->page, page->write, page->mode, &target, &fault) &&
        target.kind != REGION_UNASSIGNED && target.kind != REGION_MMIO)
        walked = target.ram_offset;
    if (walked != page->ram)
        return true;
    if (s->ops.cached_page(s->ops.opaque, page->page, page->write, &cached) && cached != page->ram)
        return true;
    return tlb_page(s, page->page, page->write, page->mode, &cached) && cached != page->ram;
}

/* ---- accesses ---- */

void *shadow_access_begin(Shadow *s, MemAccess *access, gva_t gva, unsigned size, bool read,
                          bool write, int mode, Fault *fault)
{
    const unsigned room = GUEST_PAGE_SIZE - (gva & ~GUEST_PAGE_MASK);
    const unsigned pages = size > room ? 2 : 1;
    uint8_t *buffer = access->buffer + (gva & 63);
    access->gva = gva;
    access->size = size;
    access->write = write;
    access->first = MIN(size, room);
    access->bounced = true;
    s->mmu->self_modified = false;
    for (unsigned i = 0; i < pages; i++) {
        gva_t at = i ? (uint32_t)(gva + room) : gva;
        if (!translate(s, at, write, mode, pages == 2, &access->gpa[i], fault))
            return NULL;
    }
    for (unsigned i = 0; i < pages && s->verdict == SHADOW_FINE; i++) {
        const unsigned n = i ? size - access->first : access->first;
        if (write && s->ops.own_code(s->ops.opaque, access->gpa[i], n))
            s->mmu->self_modified = true;
        else if (read)
            log_read(s, access->gpa[i], buffer + (i ? access->first : 0), n);
    }
    /* Whoever called leaves the block by the way of a store into it. */
    s->mmu->self_modified |= s->verdict != SHADOW_FINE;
    return s->mmu->self_modified ? NULL : buffer;
}

void shadow_access_commit(Shadow *s, MemAccess *access)
{
    const uint8_t *buffer = access->buffer + (access->gva & 63);
    log_write(s, access->gpa[0], buffer, access->first, false);
    if (access->size > access->first)
        log_write(s, access->gpa[1], buffer + access->first, access->size - access->first, false);
}

void shadow_read(Shadow *s, ram_off_t offset, void *buffer, unsigned size)
{
    log_read(s, offset, buffer, size);
}

bool shadow_probe(Shadow *s, gva_t gva, bool write, int mode, gpa_t *gpa, Fault *fault)
{
    ram_off_t offset;
    *gpa = 0;
    return translate(s, gva, write, mode, false, &offset, fault);
}

/* ---- life ---- */

void shadow_begin(Shadow *s)
{
    clear_log(s);
    s->verdict = SHADOW_FINE;
    s->page_count = 0;
    s->pages_lost = false;
    s->real = s->mmu->tlb;
    s->mmu->tlb = s->empty; /* helpers, too, come by the slow path */
    s->mmu->shadow = s;
}

void shadow_end(Shadow *s)
{
    s->mmu->tlb = s->real;
    s->mmu->shadow = NULL;
    s->mmu->self_modified = false;
}

ShadowVerdict shadow_verdict(const Shadow *s)
{
    return s->verdict;
}

static ShadowDiff describe(const Shadow *s, const Word *word)
{
    return (ShadowDiff){word->offset, word->before, word->value, ram_word(s, word->offset),
                        word->written};
}

unsigned shadow_compare(const Shadow *s, ShadowDiff *out, unsigned capacity)
{
    unsigned count = 0;
    for (unsigned i = 0; i < s->count; i++) {
        const Word *word = &s->words[i];
        const uint64_t differs =
            (ram_word(s, word->offset) ^ word->value) & word->written & ~word->unsure;
        if (!differs)
            continue;
        if (count < capacity)
            out[count] = describe(s, word);
        count++;
    }
    return count;
}

bool shadow_list(const Shadow *s, unsigned i, ShadowDiff *out)
{
    if (i >= s->count)
        return false;
    *out = describe(s, &s->words[i]);
    return true;
}

bool shadow_ambiguous(const Shadow *s)
{
    bool found = s->pages_lost;
    for (unsigned i = 0; i < s->page_count && !found; i++)
        found = page_ambiguous((Shadow *)(uintptr_t)s, &s->pages[i]);
    return found;
}
