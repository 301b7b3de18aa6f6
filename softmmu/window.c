/* SPDX-License-Identifier: MIT
 * Reservations, mapping and unmapping, and the map from RAM pages back to windows.
 * Policy and validation: window-policy.c. */
#include "softmmu/window-priv.h"

#include <string.h>
#include <sys/mman.h>

/* Pages mapped at once, all of them with memory: a page fault for each costs more. */
enum { RUN_SMALL = 16, RUN_LARGE = 64 };

static void *reserve(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *lazy_array(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static bool window_init(Window *window)
{
    window->reservation = reserve(WINDOW_RESERVATION);
    window->pages = lazy_array(WINDOW_PAGES * sizeof *window->pages);
    window->churn = lazy_array(WINDOW_PAGES);
    if (!window->reservation || !window->pages || !window->churn)
        return false;
    uintptr_t first = (uintptr_t)window->reservation + WINDOW_GUARD;
    window->base = (uint8_t *)((first + WINDOW_ALIGN - 1) & ~(uintptr_t)(WINDOW_ALIGN - 1));
    return true;
}

static void window_destroy(Window *window)
{
    if (window->reservation)
        munmap(window->reservation, WINDOW_RESERVATION);
    if (window->pages)
        munmap(window->pages, WINDOW_PAGES * sizeof *window->pages);
    if (window->churn)
        munmap(window->churn, WINDOW_PAGES);
    for (unsigned i = 0; i < window->track_count; i++)
        g_free(window->tracks[i].snapshot);
    g_free(window->tracks);
}

/* A page mapped, touched and unmapped. From 2 us to 15 us where the host is a guest itself; what
 * else runs makes it longer, so the least of a few. */
static uint64_t measure_remap(const WindowSet *set, const Window *window)
{
    enum { ROUNDS = 4, TIMES = 4, LEAST_NS = 2500, MOST_NS = 50000 };
    gint64 least = MOST_NS;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const gint64 from = g_get_monotonic_time();
        for (unsigned k = 0; k < TIMES; k++) {
            uint8_t *p = mmap(window->base, GUEST_PAGE_SIZE, PROT_READ,
                              MAP_SHARED | MAP_FIXED | MAP_POPULATE, ram_fd(set->ram), 0);
            if (p == window->base)
                (void)*(volatile uint8_t *)p;
            mmap(window->base, GUEST_PAGE_SIZE, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        }
        least = MIN(least, (g_get_monotonic_time() - from) * 1000 / TIMES);
    }
    return (uint64_t)MAX(least, LEAST_NS);
}

/* The rest of the process has a few hundred mappings. At the limit nothing could be protected any more. */
static uint32_t vma_budget(void)
{
    enum { OTHERS = 4096, LEAST = 1024 };
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/sys/vm/max_map_count", &text, NULL, NULL))
        return WINDOW_VMA_BUDGET;
    const uint64_t limit = g_ascii_strtoull(text, NULL, 10);
    return (uint32_t)CLAMP(limit > OTHERS ? limit - OTHERS : 0, LEAST, WINDOW_VMA_BUDGET);
}

void window_set_budget(WindowSet *set, uint32_t mappings)
{
    set->vma_budget = mappings;
}

WindowSet *window_set_new(Mmu *mmu)
{
    WindowSet *set = g_new0(WindowSet, 1);
    set->mmu = mmu;
    set->ram = address_space_ram(mmu->as);
    set->ram_pages = ram_capacity(set->ram) >> GUEST_PAGE_BITS;
    set->rev_head = lazy_array(set->ram_pages * sizeof *set->rev_head);
    set->rev = g_array_new(FALSE, FALSE, sizeof(RevNode));
    g_array_set_size(set->rev, 1); /* node 0 ends lists */
    set->changed = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    set->vma_budget = vma_budget();
    bool ok = set->rev_head && window_init(&set->windows[WINDOW_IDENTITY]) &&
              window_init(&set->windows[WINDOW_KERNEL]);
    if (!ok) {
        window_set_free(set);
        return NULL;
    }
    set->remap_ns = measure_remap(set, &set->windows[WINDOW_IDENTITY]);
    set->windows[WINDOW_IDENTITY].supervisor = set->windows[WINDOW_KERNEL].supervisor = true;
    set->generation = set->kernel_generation = 1;
    return set;
}

void window_set_free(WindowSet *set)
{
    for (unsigned i = 0; i < WINDOW_COUNT; i++)
        window_destroy(&set->windows[i]);
    if (set->rev_head)
        munmap(set->rev_head, set->ram_pages * sizeof *set->rev_head);
    g_array_free(set->rev, TRUE);
    g_array_free(set->changed, TRUE);
    g_free(set);
}

const WindowCounters *window_set_counters(const WindowSet *set)
{
    return &set->counters;
}

bool window_ready(Window *window)
{
    return window->base || window_init(window);
}

uint64_t window_base(const Window *window)
{
    return (uint64_t)(uintptr_t)window->base;
}

bool window_contains(const Window *window, uintptr_t host, gva_t *gva)
{
    *gva = host - (uintptr_t)window->base;
    return host - (uintptr_t)window->reservation < WINDOW_RESERVATION;
}

/* ---- RAM page -> where it is mapped ---- */

static unsigned window_index(const WindowSet *set, const Window *window)
{
    return (unsigned)(window - set->windows);
}

static void rev_add(WindowSet *set, uint32_t ram_page, Window *window, uint32_t page)
{
    uint32_t n = set->rev_free;
    if (n) {
        set->rev_free = g_array_index(set->rev, RevNode, n).next;
    } else {
        n = set->rev->len;
        g_array_set_size(set->rev, n + 1);
    }
    g_array_index(set->rev, RevNode, n) =
        (RevNode){set->rev_head[ram_page], page, (uint8_t)window_index(set, window)};
    set->rev_head[ram_page] = n;
}

/* Forget all places in [first, first + count) of the window where this RAM page is mapped: together,
 * since there may be thousands (Linux's page of zeroes). */
static void forget_ram_page(WindowSet *set, Window *window, uint32_t ram_page, uint32_t first,
                            uint32_t count)
{
    const unsigned w = window_index(set, window);
    uint32_t *link = &set->rev_head[ram_page];
    while (*link) {
        const uint32_t n = *link;
        RevNode *node = &g_array_index(set->rev, RevNode, n);
        if (node->window != w || node->page - first >= count) {
            link = &node->next;
            continue;
        }
        *link = node->next;
        node->next = set->rev_free;
        set->rev_free = n;
        window->pages[node->page] = 0;
        window->mapped--;
    }
}

/* ---- mapping ---- */

static void forget_pages(WindowSet *set, Window *window, uint32_t first, uint32_t count)
{
    for (uint32_t page = first; page < first + count; page++) {
        if (window->pages[page])
            forget_ram_page(set, window, window_ram_page(window->pages[page]), page,
                            first + count - page);
    }
}

/* Mappings of the host that a change may have added. Never more than this: pages alternate with holes. */
static void count_vmas(WindowSet *set, Window *window, uint32_t added)
{
    set->total_vmas -= window->vmas;
    window->vmas = MIN(window->vmas + added, 2 * window->mapped + 1);
    set->total_vmas += window->vmas;
}

void window_unmap(WindowSet *set, Window *window, uint32_t page, uint32_t count)
{
    uint32_t first = count, last = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!window->pages[page + i])
            continue;
        first = MIN(first, i);
        last = i;
        set->counters.unmaps++;
    }
    if (first > last)
        return;
    /* Never munmap: another mmap of the process would land in the hole, open to the guest. */
    void *at = window->base + ((uint64_t)(page + first) << GUEST_PAGE_BITS);
    void *p = mmap(at, (uint64_t)(last - first + 1) << GUEST_PAGE_BITS, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (p != at) {
        window_clear(set, window); /* as in protect_run */
        return;
    }
    forget_pages(set, window, page + first, last - first + 1);
    count_vmas(set, window, 2);
}

/* Only parts of the array that were ever written are looked at: the rest costs the host no memory.
 */
static void forget_all_pages(WindowSet *set, Window *window)
{
    for (uint32_t chunk = 0; chunk < WINDOW_PAGES / WINDOW_CHUNK; chunk++) {
        if (!(window->touched[chunk / 64] >> (chunk % 64) & 1))
            continue;
        forget_pages(set, window, chunk * (uint32_t)WINDOW_CHUNK, WINDOW_CHUNK);
    }
    memset(window->touched, 0, sizeof window->touched);
}

void window_clear(WindowSet *set, Window *window)
{
    if (window->base && window->mapped) {
        void *p = mmap(window->base, WINDOW_SIZE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        g_assert(p == window->base);
        forget_all_pages(set, window);
    }
    set->total_vmas -= window->vmas;
    window->vmas = 0;
    window->awaited = false;
    window->invalidated_count = 0;
    window_forget_tracks(window);
}

/* One mmap for `count` pages of contiguous RAM. */
static bool map_run(WindowSet *set, Window *window, uint32_t page, uint32_t ram_page,
                    uint32_t count, bool write)
{
    void *at = window->base + ((uint64_t)page << GUEST_PAGE_BITS);
    int prot = PROT_READ | (write ? PROT_WRITE : 0);
    void *p =
        mmap(at, (uint64_t)count << GUEST_PAGE_BITS, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
             ram_fd(set->ram), (off_t)((uint64_t)ram_page << GUEST_PAGE_BITS));
    if (p != at)
        return false;
    forget_pages(set, window, page, count);
    for (uint32_t i = 0; i < count; i++) {
        window->pages[page + i] = window_entry(ram_page + i, write);
        window->touched[(page + i) / WINDOW_CHUNK / 64] |= UINT64_C(1)
                                                           << ((page + i) / WINDOW_CHUNK % 64);
        rev_add(set, ram_page + i, window, page + i);
    }
    window->mapped += count;
    window->run_end = page + count;
    count_vmas(set, window, 2);
    set->counters.fills++;
    set->counters.filled_pages += count;
    return true;
}

/* What one page would be mapped as; ram_page RAM_OFF_NONE: not at all. */
typedef struct {
    uint64_t ram_page;
    bool write;
    bool code;
} Backing;

static Backing backing_of(WindowSet *set, const Window *window, const WalkResult *walk)
{
    Backing none = {RAM_OFF_NONE, false, false};
    PhysTarget target = address_space_find(set->mmu->as, walk->gpa & GUEST_PAGE_MASK);
    bool ram = target.kind == REGION_RAM;
    if ((!ram && target.kind != REGION_ROM) || target.length < GUEST_PAGE_SIZE)
        return none;
    if (window == &set->windows[WINDOW_KERNEL] && !walk->global)
        return none;
    WalkAccess store = {WALK_WRITE, !window->supervisor, false};
    uint64_t ram_page = target.ram_offset >> GUEST_PAGE_BITS;
    bool code = address_space_code_pages(set->mmu->as)[ram_page];
    bool may = ram && walk->dirty && walk_x86_permits(&set->mmu->paging, walk, store);
    return (Backing){ram_page, may && !code, may && code};
}

/* Is the page mapped so? */
static bool shows(const Window *window, uint32_t page, const Backing *b)
{
    return b->ram_page != RAM_OFF_NONE &&
           window->pages[page] == window_entry((uint32_t)b->ram_page, b->write);
}

/* May the page be mapped for a load without a change to the guest's tables, and as what? Only pages
 * that the guest has touched already: accessed bits stay exact. */
static bool is_ready(WindowSet *set, const Window *window, uint32_t page, WalkResult *walk,
                     Backing *b)
{
    const WalkAccess load = {WALK_READ, !window->supervisor, false};
    *walk = mmu_peek(set->mmu, (gva_t)page << GUEST_PAGE_BITS, load);
    if (walk->fault || (walk->depth && !walk->accessed))
        return false;
    *b = backing_of(set, window, walk);
    return b->ram_page < set->ram_pages;
}

/* May `page` join a run whose first page backs as `run` at distance `delta`? */
static bool joins(WindowSet *set, Window *window, int64_t page, int64_t delta, const Backing *run)
{
    WalkResult walk;
    Backing b;
    return page >= 0 && page < (int64_t)WINDOW_PAGES && !window->pages[page] &&
           is_ready(set, window, (uint32_t)page, &walk, &b) &&
           b.ram_page == run->ram_page + (uint64_t)delta && b.write == run->write;
}

static bool map_around(WindowSet *set, Window *window, uint32_t page, const Backing *b, bool large)
{
    int64_t run = large ? RUN_LARGE : RUN_SMALL;
    int64_t low = page, high = (int64_t)page + 1;
    int64_t floor = page & ~(run - 1), ceiling = floor + run;
    while (low > floor && joins(set, window, low - 1, low - 1 - page, b))
        low--;
    while (high < ceiling && joins(set, window, high, high - page, b))
        high++;
    uint32_t ram_page = (uint32_t)(b->ram_page - (uint64_t)(page - low));
    if (!large)
        window_track_run(set, window, (uint32_t)low, (uint32_t)(high - low));
    return map_run(set, window, (uint32_t)low, ram_page, (uint32_t)(high - low), b->write);
}

/* Map what `walk` found for an access at gva. */
static WindowOutcome fill(WindowSet *set, Window *window, gva_t gva, bool write,
                          const WalkResult *walk)
{
    const bool kernel = window == &set->windows[WINDOW_KERNEL];
    uint32_t page = (uint32_t)(gva >> GUEST_PAGE_BITS);
    Backing b = backing_of(set, window, walk);
    if (b.ram_page == RAM_OFF_NONE) {
        if (kernel && !walk->global)
            set->counters.refused_global++;
        else
            set->counters.refused_device++;
        return WINDOW_DEMOTE;
    }
    if (kernel && window->churn[page] >= WINDOW_CHURN_LIMIT) {
        set->counters.refused_churn++;
        return WINDOW_DEMOTE;
    }
    if (write && b.code) {
        window->cost_ns += set->remap_ns;
        return WINDOW_CODE;
    }
    if (write && !b.write)
        return WINDOW_DEMOTE; /* ROM */
    window_make_room(set, window);
    bool large = walk->page_bits > GUEST_PAGE_BITS;
    if (window_track(set, window, gva, walk) && map_around(set, window, page, &b, large))
        return WINDOW_FILLED;
    window_unmap(set, window, page, 1); /* what it showed before is not what the tracks say now */
    set->counters.refused_other++;
    return WINDOW_DEMOTE;
}

/* A fill at `page` has been made. Where accesses go on from page to page a trap for each costs more
 * than mapping: as with a file's read-ahead, the more there were the more are mapped. */
static void fill_ahead(WindowSet *set, Window *window, uint32_t page)
{
    enum { MOST = 15 };
    unsigned s = 0;
    while (s < WINDOW_STREAMS && window->streams[s].expected != page)
        s++;
    if (s == WINDOW_STREAMS) {
        s = window->oldest_stream++ % WINDOW_STREAMS;
        window->streams[s].ahead = 0;
    } else {
        window->streams[s].ahead = MIN(window->streams[s].ahead * 2 + 1, MOST);
    }
    uint32_t next = window->run_end;
    for (uint32_t n = 0; n < window->streams[s].ahead && next < WINDOW_PAGES; n++) {
        WalkResult walk;
        Backing b;
        if (window->pages[next]) {
            next++;
            continue;
        }
        if (!is_ready(set, window, next, &walk, &b) ||
            fill(set, window, (gva_t)next << GUEST_PAGE_BITS, false, &walk) != WINDOW_FILLED)
            break;
        set->counters.ahead_fills++;
        next = MAX(window->run_end, next + 1);
    }
    window->streams[s].expected = next;
}

void window_await(Window *window, gva_t gva, bool write)
{
    window->awaited = true;
    window->awaited_gva = gva;
    window->awaited_write = write;
}

WindowOutcome window_fault(WindowSet *set, Window *window, gva_t gva, bool write, Fault *fault)
{
    if (gva >= WINDOW_SIZE) {
        /* In a guard: base + register + displacement did not wrap at 4 GiB as the guest's does. */
        set->counters.refused_wrap++;
        return WINDOW_DEMOTE;
    }
    WalkMemory memory = mmu_walk_memory(set->mmu, true);
    WalkAccess access = {write ? WALK_WRITE : WALK_READ, !window->supervisor, false};
    WalkResult walk = walk_x86_page(&set->mmu->paging, &memory, gva, access);
    if (walk.fault) {
        *fault = (Fault){14, true, walk.error_code, gva};
        window_await(window, gva, write);
        return WINDOW_FAULT;
    }
    const WindowOutcome outcome = fill(set, window, gva, write, &walk);
    if (outcome == WINDOW_FILLED)
        fill_ahead(set, window, (uint32_t)(gva >> GUEST_PAGE_BITS));
    return outcome;
}

void window_fill_awaited(WindowSet *set, Window *window)
{
    window->awaited = false;
    WalkAccess access = {window->awaited_write ? WALK_WRITE : WALK_READ, !window->supervisor,
                         false};
    WalkResult walk = mmu_peek(set->mmu, window->awaited_gva, access);
    bool touched = walk.depth == 0 || (walk.accessed && (walk.dirty || !window->awaited_write));
    if (walk.fault || !touched)
        return;
    const uint32_t page = (uint32_t)(window->awaited_gva >> GUEST_PAGE_BITS);
    const Backing b = backing_of(set, window, &walk);
    if (shows(window, page, &b))
        return;
    if (window->pages[page])
        window->cost_ns += 2 * set->remap_ns;
    if (fill(set, window, window->awaited_gva, window->awaited_write, &walk) == WINDOW_FILLED)
        set->counters.awaited_fills++;
}

/* What becomes of a page whose entry changed. */
typedef enum { FOLLOW_KEEP, FOLLOW_PROTECT, FOLLOW_MAP, FOLLOW_UNMAP } Follow;

static Follow follow_how(WindowSet *set, const Window *window, uint32_t page, Backing *b)
{
    WalkResult walk;
    if (!window->pages[page])
        return FOLLOW_KEEP;
    if (window->supervisor || !is_ready(set, window, page, &walk, b))
        return FOLLOW_UNMAP;
    if (shows(window, page, b))
        return FOLLOW_KEEP;
    return window_ram_page(window->pages[page]) == b->ram_page && !b->write ? FOLLOW_PROTECT
                                                                            : FOLLOW_MAP;
}

static void protect_run(WindowSet *set, Window *window, uint32_t page, uint32_t count)
{
    void *at = window->base + ((uint64_t)page << GUEST_PAGE_BITS);
    set->counters.protects++;
    count_vmas(set, window, 2);
    if (mprotect(at, (size_t)count << GUEST_PAGE_BITS, PROT_READ) != 0) {
        window_clear(set, window); /* no VMA to split off: rather than stay unprotected */
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        window->pages[page + i] &= ~1u;
}

static void follow_run(WindowSet *set, Window *window, Follow how, uint32_t page, uint32_t count,
                       const Backing *b)
{
    /* What was protected or unmapped is likely to trap and to be mapped once more. */
    window->cost_ns += (how == FOLLOW_MAP ? 1 : 2) * count * set->remap_ns;
    if (how == FOLLOW_PROTECT)
        protect_run(set, window, page, count);
    else if (how == FOLLOW_UNMAP || !map_run(set, window, page, (uint32_t)b->ram_page, count, b->write))
        window_unmap(set, window, page, count);
}

void window_follow(WindowSet *set, Window *window, const uint32_t *pages, uint32_t count)
{
    Follow how = FOLLOW_KEEP;
    Backing run = {0};
    uint32_t length = 0;
    for (uint32_t i = 0; i <= count; i++) {
        Backing b = {0};
        const Follow next = i < count ? follow_how(set, window, pages[i], &b) : FOLLOW_KEEP;
        const bool joined = length && i < count && next == how && pages[i] == pages[i - 1] + 1 &&
                            (how != FOLLOW_MAP ||
                             (b.ram_page == run.ram_page + length && b.write == run.write));
        if (joined) {
            length++;
            continue;
        }
        if (how != FOLLOW_KEEP)
            follow_run(set, window, how, pages[i - length], length, &run);
        window_shrink(set, window);
        if (window->mapped == 0) /* emptied, maybe for want of mappings: `next` is not true any more */
            return;
        how = next;
        run = b;
        length = 1;
    }
}

void window_protect_ram_page(WindowSet *set, ram_off_t offset)
{
    uint32_t n = set->rev_head[offset >> GUEST_PAGE_BITS];
    while (n) {
        const RevNode *node = &g_array_index(set->rev, RevNode, n);
        Window *window = &set->windows[node->window];
        uint32_t page = node->page;
        n = node->next;
        if (!window_is_writable(window->pages[page]))
            continue;
        protect_run(set, window, page, 1);
        const bool shrunk = window_shrink(set, window);
        if (shrunk || window->mapped == 0) /* emptied: the list is another one */
            n = set->rev_head[offset >> GUEST_PAGE_BITS];
    }
}
