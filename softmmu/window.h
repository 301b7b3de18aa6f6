/* SPDX-License-Identifier: MIT
 * Address windows: 4 GiB of reserved host addresses per guest address space, whose
 * pages are mmaps of the RAM memfd, so that translated code reaches guest memory in
 * one instruction through the host's MMU. A window is a TLB: it is filled on first
 * touch by the SIGSEGV handler from a page walk, and validated against copies of the
 * page tables it was filled from when the guest says that those changed.
 *
 * Three kinds: "paging off" (identity), the kernel's (supervisor accesses to global
 * pages, one for all address spaces), and one per recent CR3 for user accesses.
 * vCPU thread only, its signal handler included (no locks but the io lock, which
 * translated code never holds). */
#ifndef SOFTMMU_WINDOW_H
#define SOFTMMU_WINDOW_H

#include "softmmu/mmu.h"

typedef struct WindowSet WindowSet;
typedef struct Window Window;

typedef enum {
    WINDOW_FILLED, /* retry the access */
    WINDOW_FAULT,  /* the guest's page fault, in *fault */
    WINDOW_DEMOTE, /* this access cannot use the window: the instruction takes the TLB from now on
                    */
    WINDOW_CODE,   /* a store to a page of translated code */
} WindowOutcome;

typedef struct {
    uint64_t fills, filled_pages, awaited_fills, ahead_fills, unmaps, validations, changed_entries, evictions, protects;
    uint64_t promotions, demotions, resets;
    uint64_t refused_device, refused_global, refused_churn, refused_wrap, refused_other;
} WindowCounters;

/* NULL where the host lacks address space for them. */
WindowSet *window_set_new(Mmu *mmu);
void window_set_free(WindowSet *set);
const WindowCounters *window_set_counters(const WindowSet *set);

/* The window to use for accesses with `mode`'s rights now, validated; NULL: use the TLB. Address
 * spaces start on the TLB; see window_note_user_time. `always`: promote at once. */
Window *window_select(WindowSet *set, int mode, bool always);
/* The current address space ran user code, some of it at pc, for so long. */
void window_note_user_time(WindowSet *set, uint64_t ns, gva_t pc);
/* Host address of guest address 0; a multiple of WINDOW_ALIGN. */
#define WINDOW_ALIGN (UINT64_C(1) << 32)
uint64_t window_base(const Window *window);
/* Does this host address belong to a window, guards included, and which guest address is it? */
bool window_contains(const Window *window, uintptr_t host, gva_t *gva);

/* The RAM page that is mapped at gva, writable if `write`; false: none. */
bool window_find(const Window *window, gva_t gva, bool write, ram_off_t *page);

/* A host fault at gva, as window_contains gave it, in `window`. */
WindowOutcome window_fault(WindowSet *set, Window *window, gva_t gva, bool write, Fault *fault);

/* The guest is about to be told of a page fault at gva that the window did not see: what window_fault
 * remembers of its own. */
void window_await(Window *window, gva_t gva, bool write);

/* The MMU dropped translations. */
void window_flushed(WindowSet *set, MmuFlush what, gva_t gva);
/* The physical memory map changed: drop everything. */
void window_reset(WindowSet *set);
/* The page at this ram offset holds translated code now: withdraw write rights. */
void window_protect_ram_page(WindowSet *set, ram_off_t offset);
/* For tests: as if the host gave all windows so many mappings. */
void window_set_budget(WindowSet *set, uint32_t mappings);

#endif
