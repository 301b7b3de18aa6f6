/* SPDX-License-Identifier: MIT
 * The x86 page walk as a pure function: registers and a way to read memory in, a
 * translation or a #PF error code out. Knows no CPU state, TLB or address space.
 * Follows SDM 3A chapter "Paging". 32-bit (PSE, PSE-36), PAE and 4-level paging. */
#ifndef SOFTMMU_WALK_X86_H
#define SOFTMMU_WALK_X86_H

#include "base/types.h"

/* The register bits that the walk looks at. */
#define WALK_CR0_WP   (UINT64_C(1) << 16)
#define WALK_CR0_PG   (UINT64_C(1) << 31)
#define WALK_CR4_PSE  (UINT64_C(1) << 4)
#define WALK_CR4_PAE  (UINT64_C(1) << 5)
#define WALK_CR4_PGE  (UINT64_C(1) << 7)
#define WALK_CR4_SMEP (UINT64_C(1) << 20)
#define WALK_CR4_SMAP (UINT64_C(1) << 21)
#define WALK_EFER_LMA (UINT64_C(1) << 10)
#define WALK_EFER_NXE (UINT64_C(1) << 11)

typedef struct {
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
    uint64_t pdpte[4];  /* PAE: as walk_x86_load_pdptes left them */
    unsigned phys_bits; /* MAXPHYADDR as CPUID shows it, 32..52 */
    bool gib_pages;     /* CPUID shows 1 GiB pages (4-level paging only) */
} PagingRegs;

typedef enum { WALK_READ, WALK_WRITE, WALK_EXEC } WalkKind;

typedef struct {
    WalkKind kind;
    bool user; /* CPL 3, and not an implicit supervisor access (descriptor tables, TSS) */
    bool ac;   /* EFLAGS.AC for explicit supervisor data accesses: lifts SMAP */
} WalkAccess;

typedef struct {
    /* Little-endian read of `size` (4 or 8) aligned bytes. What is not memory reads as ones. */
    uint64_t (*read)(void *opaque, gpa_t gpa, unsigned size);
    /* Set accessed and dirty bits: if the entry still is `old`, store `new_value`. False only
     * if it was not `old`: then the walk starts over. Where nothing can be stored (ROM), true.
     * NULL: a walk without side effects (debugger, validation). */
    bool (*update)(void *opaque, gpa_t gpa, unsigned size, uint64_t old, uint64_t new_value);
    void *opaque;
} WalkMemory;

/* #PF error code, SDM 3A "Page-Fault Exceptions". */
enum {
    WALK_PF_P = 1 << 0,
    WALK_PF_WR = 1 << 1,
    WALK_PF_US = 1 << 2,
    WALK_PF_RSVD = 1 << 3,
    WALK_PF_ID = 1 << 4,
};

enum { WALK_LEVELS = 4 };

typedef struct {
    bool fault;
    uint32_t error_code; /* if fault; nothing else is valid then */
    gpa_t gpa;           /* of the very byte asked for, before A20 */
    unsigned page_bits;  /* the translation holds for 2^page_bits bytes; 32: paging is off */
    /* Rights as the entries of all levels combine to; who may do what with them:
     * walk_x86_permits. */
    bool writable;
    bool user;
    bool nx;     /* only with EFER.NXE */
    bool global; /* only with CR4.PGE */
    bool dirty;  /* after this walk; false: a write must walk again */
    bool accessed; /* before this walk: at every level */
    /* The entries that were read, from the root down; none with paging off. For those who keep
     * translations and must see entries change. */
    unsigned depth, entry_bytes;
    struct {
        gpa_t gpa;
        uint8_t shift, index_bits; /* which bits of the address index this table */
    } path[WALK_LEVELS];
} WalkResult;

/* Translate `gva` (with paging off or outside long mode: its low 32 bits) and, if the
 * access is allowed, set accessed bits at every level and, for a write, the dirty bit. */
WalkResult walk_x86_page(const PagingRegs *regs, const WalkMemory *memory, gva_t gva,
                         WalkAccess access);

/* Would `access` be allowed by a walk that ended in `result`? So that a TLB entry filled
 * for one access can tell which others it serves. Does not look at `dirty`. */
bool walk_x86_permits(const PagingRegs *regs, const WalkResult *result, WalkAccess access);

/* MOV to CR3, and to CR0/CR4 where it loads PDPTEs: read the four PAE entries at regs->cr3
 * into regs->pdpte. False, with regs->pdpte unchanged: a reserved bit is set, #GP(0). */
bool walk_x86_load_pdptes(PagingRegs *regs, const WalkMemory *memory);

#endif
