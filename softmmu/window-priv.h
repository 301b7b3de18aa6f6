/* SPDX-License-Identifier: MIT
 * What window.c, window-policy.c and window-find.c share. */
#ifndef SOFTMMU_WINDOW_PRIV_H
#define SOFTMMU_WINDOW_PRIV_H

#include "softmmu/window.h"

#define WINDOW_SIZE (UINT64_C(1) << 32)
/* An operand is base + 32-bit register + signed 32-bit displacement: at most this far outside. */
#define WINDOW_GUARD       (UINT64_C(2) << 30)
#define WINDOW_RESERVATION (WINDOW_SIZE + 2 * WINDOW_GUARD + WINDOW_ALIGN)
#define WINDOW_PAGES       (WINDOW_SIZE >> GUEST_PAGE_BITS)
#define WINDOW_CHUNK       UINT64_C(1024) /* entries of Window.pages in a host page */
#define WINDOW_STREAMS     4
#define WINDOW_INVALIDATED 64 /* more: the whole window is validated */
#define WINDOW_VMA_BUDGET  40000u /* at most; see WindowSet.vma_budget */
/* A page of the kernel's window that was unmapped this often stays on the TLB (temporary mappings);
 * user windows are given up as a whole, see WINDOW_DEMOTE_NS. */
#define WINDOW_CHURN_LIMIT 4
#define WINDOW_DEMOTE_NS   2000000u
#define WINDOW_PROMOTE_NS  500000u

enum {
    WINDOW_IDENTITY,
    WINDOW_KERNEL,
    WINDOW_USER,
    WINDOW_USERS = 32,
    WINDOW_COUNT = WINDOW_USER + WINDOW_USERS
};

/* A page of the guest's page tables that pages of the window came from, as it was then. */
typedef struct {
    gpa_t table;   /* its guest physical page */
    gva_t base;    /* first address that its entries translate */
    uint8_t shift; /* an entry covers 1 << shift bytes */
    uint8_t entry_bytes;
    bool root;         /* the registers lead to it: every address space has its own */
    uint8_t *snapshot; /* 4 KiB; only entries in `used` count */
    uint64_t used[GUEST_PAGE_SIZE / 4 / 64];
} Track;

struct Window {
    uint8_t *reservation, *base;
    bool supervisor;
    uint32_t *pages; /* by page number: 0, or window_entry() */
    uint8_t *churn;  /* by page number: how often it was unmapped */
    uint64_t
        touched[WINDOW_PAGES / WINDOW_CHUNK / 64]; /* chunks of `pages` with entries, now or once */
    uint32_t mapped, vmas;
    Track *tracks;
    unsigned track_count, track_capacity;
    uint64_t generation; /* of the flushes it has seen */
    uint64_t cost_ns;    /* spent on churn, */
    uint64_t user_ns;    /* and by user code, in the same time */
    uint64_t key;        /* user windows: CR3; 0: free */
    uint64_t last_used;
    /* Fills that went on where another had ended: the page expected next, and how many were mapped
     * before they were asked for. */
    struct {
        uint32_t expected, ahead;
    } streams[WINDOW_STREAMS];
    unsigned oldest_stream;
    uint32_t run_end; /* behind what was mapped last */
    /* The access that faulted last in the guest; it will come again when the guest has served it.
     */
    bool awaited, awaited_write;
    gva_t awaited_gva;
    /* User windows: where the guest invalidated pages since user code ran last. */
    gva_t invalidated[WINDOW_INVALIDATED];
    unsigned invalidated_count;
};

/* What is known of an address space (CR3) that may have a window. */
typedef struct {
    uint64_t cr3;
    uint64_t user_ns;
    uint64_t threshold_ns;
    Window *window;
    /* Page table that code of it was in; another one: another process has the CR3 by now. */
    gva_t anchor;
    gpa_t anchor_entry;  /* 0: not known yet */
    uint64_t generation; /* of the flushes that it was looked at after */
} AddressSpaceNote;
#define WINDOW_NOTES 256

typedef struct {
    uint32_t next, page;
    uint8_t window;
} RevNode;

struct WindowSet {
    Mmu *mmu;
    Ram *ram;
    uint64_t ram_pages;
    Window windows[WINDOW_COUNT];
    AddressSpaceNote notes[WINDOW_NOTES];
    uint32_t *rev_head; /* by RAM page */
    GArray *rev;
    uint32_t rev_free;
    GArray *changed; /* uint32_t: pages of the window being validated whose entries changed */
    uint32_t total_vmas;
    uint32_t vma_budget; /* mappings that windows may have: the host limits them for a process */
    uint64_t generation, kernel_generation, clock;
    uint64_t mode_bits; /* of the paging registers that the windows were filled under */
    uint64_t remap_ns;  /* what it costs on this host to map a page and to unmap it; a trap costs
                           about as much */
    WindowCounters counters;
};

static inline uint32_t window_entry(uint32_t ram_page, bool write)
{
    return (ram_page + 1) << 1 | write;
}

static inline uint32_t window_ram_page(uint32_t entry)
{
    return (entry >> 1) - 1;
}

static inline bool window_is_writable(uint32_t entry)
{
    return entry & 1;
}

/* window.c */
bool window_ready(Window *window); /* reserve on first use */
void window_unmap(WindowSet *set, Window *window, uint32_t page, uint32_t count);
void window_clear(WindowSet *set, Window *window);
/* The entries of these pages (a part of them may not be mapped) are others now: what the window shows
 * follows them, so that a page that was only protected or replaced needs no trap. */
void window_follow(WindowSet *set, Window *window, const uint32_t *pages, uint32_t count);
/* Map the page of the awaited access, if the guest's tables allow it now without a change: a trap
 * less. */
void window_fill_awaited(WindowSet *set, Window *window);
/* window-policy.c */
bool window_track(WindowSet *set, Window *window, gva_t gva, const WalkResult *walk);
/* `count` pages from `page` on were mapped beside one that was tracked, by the same last table. */
void window_track_run(WindowSet *set, Window *window, uint32_t page, uint32_t count);
void window_forget_tracks(Window *window);
/* Before more is mapped in `keep`, the current window; it is emptied only if nothing else is left
 * to give up. */
void window_make_room(WindowSet *set, Window *keep);
/* After a change to `window`, where any may be the current one: no window becomes free. True if one
 * was emptied. */
bool window_shrink(WindowSet *set, Window *window);

#endif
