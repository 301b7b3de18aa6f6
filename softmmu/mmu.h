/* SPDX-License-Identifier: MIT
 * The vCPU's view of guest memory: linear addresses in, host pointers, device
 * accesses or Faults out. Owns the soft TLB. vCPU thread only.
 * Knows no instructions; "user" and "supervisor" are the only privileges here. */
#ifndef SOFTMMU_MMU_H
#define SOFTMMU_MMU_H

#include "softmmu/address-space.h"
#include "softmmu/fault.h"
#include "softmmu/tlb-layout.h"
#include "softmmu/walk-x86.h"

typedef enum { MMU_READ, MMU_WRITE, MMU_EXEC } MmuAccess;

/* A write is about to change [offset, offset+size) of RAM, which holds translated code.
 * Returns false if the running block overlaps: the access is not done, the caller leaves
 * translated code and executes the instruction alone (mmu->self_modified tells). */
typedef bool (*MmuCodeWrite)(void *opaque, ram_off_t offset, uint64_t size);

/* Watched linear bytes (debug registers, debugger). Their pages stay out of the TLB, so that every
 * access comes by access_begin, which notes it. */
enum { MMU_WATCHES = 8, MMU_WATCH_READ = 1, MMU_WATCH_WRITE = 2 };
#define MMU_WATCH_STOPS 0xf0u /* slots of the debugger; the others are the guest's */
typedef struct {
    gva_t start;
    unsigned size;  /* 0: unused */
    unsigned kinds; /* MMU_WATCH_* */
} MmuWatch;

typedef struct Shadow Shadow; /* softmmu/shadow.h */

typedef enum { MMU_FLUSH_ALL, MMU_FLUSH_NON_GLOBAL, MMU_FLUSH_PAGE } MmuFlush;

typedef struct Mmu {
    AddressSpace *as;
    TlbArrays *tlb; /* [MMU_MODES], embedded in the VCpu for the inline probes */
    PagingRegs paging;
    MmuCodeWrite code_write;
    /* Translations were dropped: whatever else is cached by linear address must follow. gva: for
     * MMU_FLUSH_PAGE. */
    void (*flushed)(void *opaque, MmuFlush what, gva_t gva);
    /* An access hits a slot of MMU_WATCH_STOPS, or see devices_alone; false: give up as for
     * self_modified. */
    bool (*watch_access)(void *opaque);
    void *opaque; /* of the callbacks */
    /* Large pages that were filled or fetched from lie in here: INVLPG of one drops everything. */
    gva_t large_start, large_end;
    MmuWatch watch[MMU_WATCHES];
    unsigned watch_used;  /* bit i: slot i watches */
    unsigned watch_hits;  /* bit i: slot i was accessed; whoever acts on it clears it */
    Shadow *shadow;       /* accesses go into this log, not to memory; NULL: usual */
    uint8_t *stored_pages; /* by RAM page: a write entry may lead to it */
    bool devices_alone;    /* what reaches a device asks watch_access first */
    bool self_modified; /* why the last access gave up without a fault: execute it alone */
    /* Entries filled since the last flush, so that a flush costs what was used. */
    struct {
        uint32_t *index; /* mode << 16 | tlb index */
        unsigned count;
    } journal, global_journal;
    uint64_t fills, flushes, page_flushes, slow_accesses;
} Mmu;

void mmu_init(Mmu *mmu, AddressSpace *as, TlbArrays *tlb);
void mmu_destroy(Mmu *mmu);

/* Drop cached translations: all, all but global pages, one page (INVLPG). */
void mmu_flush_all(Mmu *mmu);
void mmu_flush_non_global(Mmu *mmu);
void mmu_flush_page(Mmu *mmu, gva_t gva);
/* The page at this ram offset became (or stopped being) a code page: withdraw write entries. */
void mmu_protect_ram_page(Mmu *mmu, ram_off_t offset);
/* Watch [start, start+size) by slot; size 0 frees it. Flushes the TLB. */
void mmu_set_watch(Mmu *mmu, unsigned slot, MmuWatch watch);

/* Translate without touching memory contents (A/D bits are set as by an access). */
bool mmu_translate(Mmu *mmu, gva_t gva, MmuAccess access, int mode, gpa_t *gpa, Fault *fault);
/* The same with no side effects at all, for debuggers; false: not mapped. */
bool mmu_translate_debug(Mmu *mmu, gva_t gva, gpa_t *gpa);

/* One access of 1..MMU_MAX_ACCESS bytes that may be MMIO, cross pages, or hit code:
 * begin gives a host pointer (RAM itself or a bounce buffer with the alignment of gva
 * modulo 64, filled if `read`), the caller operates on it, commit writes a bounce back.
 * One access in flight per Mmu caller's MemAccess. */
#define MMU_MAX_ACCESS 512
typedef struct {
    gva_t gva;
    unsigned size;
    bool write;
    bool bounced;
    gpa_t gpa[2];     /* of the first byte and, if it crosses, of the second page */
    unsigned first;   /* bytes in the first page */
    _Alignas(64) uint8_t buffer[MMU_MAX_ACCESS + 64];
} MemAccess;

/* Host pointer, or NULL: then mmu->self_modified tells whether the running block would have been
 * overwritten, else *fault is set. `read`: contents are needed; `write`: the access will modify
 * (checked before anything is read). */
void *access_begin(Mmu *mmu, MemAccess *access, gva_t gva, unsigned size, bool read, bool write,
                   int mode, Fault *fault);
void access_commit(Mmu *mmu, MemAccess *access);

/* What a walk finds now; it sets no accessed or dirty bits. */
WalkResult mmu_peek(Mmu *mmu, gva_t gva, WalkAccess access);
/* How a page walk reads this guest's memory; `marks`: it sets accessed and dirty bits. */
WalkMemory mmu_walk_memory(Mmu *mmu, bool marks);

/* Host pointer for a store of `size` bytes, all in one page, to a page of translated code that the
 * TLB knows; the blocks in the way are gone then. NULL: another kind of page, or the running block is
 * in the way. */
void *mmu_store_beside_code(Mmu *mmu, gva_t gva, unsigned size, int mode);

/* Host pointer to RAM (for reads, ROM too) if all bytes are in one page that the TLB has for such an
 * access; else NULL: the access takes another way. */
void *mmu_tlb_lookup(Mmu *mmu, gva_t gva, unsigned size, int mode, bool write);
/* Plain loads and stores for helpers, 1..8 bytes, any alignment. false: as access_begin's NULL. */
bool mmu_load(Mmu *mmu, gva_t gva, unsigned size, int mode, uint64_t *value, Fault *fault);
bool mmu_store(Mmu *mmu, gva_t gva, unsigned size, int mode, uint64_t value, Fault *fault);
/* What would mmu_store do? All but storing: pages are marked as dirty. */
typedef enum { STORE_DONE, STORE_FAULTS, STORE_GIVES_UP /* self_modified */ } StoreProbe;
StoreProbe mmu_probe_store(Mmu *mmu, gva_t gva, unsigned size, int mode);

/* 1, 2 or 4 bytes of RAM, whatever is mapped where: part of an instruction that is read anew each time
 * it is executed. */
uint64_t mmu_load_ram(Mmu *mmu, ram_off_t offset, unsigned size);

/* The page under gva, for code fetch. false: *fault says why not. */
typedef struct {
    const uint8_t *host; /* first byte of the RAM or ROM page; NULL: of a device, read by the bus */
    ram_off_t ram_offset; /* of the page; RAM_OFF_NONE for MMIO */
    gpa_t gpa;            /* of the page */
    bool global;          /* the same in every address space until told otherwise */
} FetchPage;
bool mmu_fetch_page(Mmu *mmu, gva_t gva, int mode, FetchPage *page, Fault *fault);

/* Debugger access: no faults, no A/D bits; false if unmapped. */
bool mmu_debug_read(Mmu *mmu, gva_t gva, void *buffer, unsigned size);
bool mmu_debug_write(Mmu *mmu, gva_t gva, const void *buffer, unsigned size);

#endif
