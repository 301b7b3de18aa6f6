/* SPDX-License-Identifier: MIT */
#include "softmmu/walk-x86.h"

#include <string.h>

#include "base/bits.h"

enum { LEVELS_MAX = WALK_LEVELS };

/* Bits of a paging-structure entry, SDM 3A "Paging-Structure Entries". */
#define PTE_P  BIT(0)
#define PTE_RW BIT(1)
#define PTE_US BIT(2)
#define PTE_A  BIT(5)
#define PTE_D  BIT(6)
#define PTE_PS BIT(7)
#define PTE_G  BIT(8)
#define PTE_NX BIT(63)

typedef enum {
    LARGE_NEVER,    /* bit 7 is ignored, or PAT in a last level */
    LARGE_RESERVED, /* bit 7 must be clear */
    LARGE_IF_PSE,
    LARGE_IF_GIB,
    LARGE_ALWAYS,
} LargeRule;

typedef struct {
    unsigned shift; /* lowest linear-address bit of the index */
    unsigned index_bits;
    LargeRule large;
} Level;

typedef struct {
    unsigned entry_bytes;
    unsigned physical_top; /* bits [phys_bits, physical_top) of an entry are reserved */
    unsigned level_count;
    Level levels[LEVELS_MAX];
} Mode;

/* PAE's first level is not here: its four entries are registers. */
static const Mode mode_32bit = {4, 0, 2, {{22, 10, LARGE_IF_PSE}, {12, 10, LARGE_NEVER}}};
static const Mode mode_pae = {8, 63, 2, {{21, 9, LARGE_ALWAYS}, {12, 9, LARGE_NEVER}}};
static const Mode mode_4level = {
    8,
    52,
    4,
    {{39, 9, LARGE_RESERVED}, {30, 9, LARGE_IF_GIB}, {21, 9, LARGE_ALWAYS}, {12, 9, LARGE_NEVER}}};

typedef struct {
    gpa_t gpa;
    uint64_t entry;
} Step;

typedef struct {
    const PagingRegs *regs;
    const WalkMemory *memory;
    const Mode *mode;
    gva_t gva;
    WalkAccess access;
    unsigned depth; /* entries in trail; the last one is the leaf */
    Step trail[LEVELS_MAX];
} Walk;

/* Bits [low, high). */
static uint64_t bit_range(unsigned low, unsigned high)
{
    return low < high ? (width_mask(8) >> (64 - (high - low))) << low : 0;
}

static WalkResult make_fault(const PagingRegs *regs, WalkAccess access, uint32_t cause)
{
    bool nx_on = (regs->cr4 & WALK_CR4_PAE) && (regs->efer & WALK_EFER_NXE);
    uint32_t code = cause;
    if (access.kind == WALK_WRITE)
        code |= WALK_PF_WR;
    if (access.user)
        code |= WALK_PF_US;
    if (access.kind == WALK_EXEC && (nx_on || (regs->cr4 & WALK_CR4_SMEP)))
        code |= WALK_PF_ID;
    return (WalkResult){.fault = true, .error_code = code};
}

static const Mode *select_mode(const PagingRegs *regs)
{
    if (!(regs->cr4 & WALK_CR4_PAE))
        return &mode_32bit;
    return (regs->efer & WALK_EFER_LMA) ? &mode_4level : &mode_pae;
}

/* Where the first table read from memory lies; false: the PDPTE is not present. */
static bool find_root(const Walk *w, gpa_t *table)
{
    const PagingRegs *regs = w->regs;
    if (w->mode == &mode_pae) {
        uint64_t pdpte = regs->pdpte[bits_get(w->gva, 30, 2)];
        *table = pdpte & bit_range(12, regs->phys_bits);
        return (pdpte & PTE_P) != 0;
    }
    *table = regs->cr3 & bit_range(12, w->mode == &mode_32bit ? 32 : regs->phys_bits);
    return true;
}

static bool entry_is_large(const PagingRegs *regs, const Level *level, uint64_t entry)
{
    if (!(entry & PTE_PS))
        return false;
    switch (level->large) {
    case LARGE_NEVER:
    case LARGE_RESERVED:
        return false;
    case LARGE_IF_PSE:
        return (regs->cr4 & WALK_CR4_PSE) != 0;
    case LARGE_IF_GIB:
        return regs->gib_pages;
    case LARGE_ALWAYS:
        return true;
    }
    return false;
}

/* PSE-36: physical address bits 39:32 of a 4 MiB page are in entry bits 20:13, as far
 * as MAXPHYADDR goes; the rest up to bit 21 is reserved. */
static uint64_t pse36_reserved(const PagingRegs *regs)
{
    unsigned used = regs->phys_bits <= 32 ? 0 : regs->phys_bits >= 40 ? 8 : regs->phys_bits - 32;
    return bit_range(13 + used, 22);
}

static uint64_t reserved_bits(const Walk *w, const Level *level, bool large)
{
    if (w->mode == &mode_32bit)
        return large ? pse36_reserved(w->regs) : 0;
    uint64_t mask = bit_range(w->regs->phys_bits, w->mode->physical_top);
    if (!(w->regs->efer & WALK_EFER_NXE))
        mask |= PTE_NX;
    if (large)
        mask |= bit_range(13, level->shift);
    else if (level->large == LARGE_RESERVED ||
             (level->large == LARGE_IF_GIB && !w->regs->gib_pages))
        mask |= PTE_PS;
    return mask;
}

static gpa_t page_address(const Walk *w, const Level *level, uint64_t entry, bool large)
{
    gpa_t offset = w->gva & bit_range(0, level->shift);
    if (w->mode != &mode_32bit)
        return (entry & bit_range(level->shift, w->regs->phys_bits)) | offset;
    gpa_t page = entry & bit_range(level->shift, 32);
    if (large)
        page |= bits_get(entry, 13, 8) << 32;
    return page | offset;
}

/* Combine the rights of all levels into `result`. */
static void combine_rights(const Walk *w, WalkResult *result)
{
    uint64_t all = ~UINT64_C(0), any = 0;
    for (unsigned i = 0; i < w->depth; i++) {
        all &= w->trail[i].entry;
        any |= w->trail[i].entry;
    }
    uint64_t leaf = w->trail[w->depth - 1].entry;
    result->depth = w->depth;
    result->entry_bytes = w->mode->entry_bytes;
    for (unsigned i = 0; i < w->depth; i++) {
        result->path[i].gpa = w->trail[i].gpa;
        result->path[i].shift = (uint8_t)w->mode->levels[i].shift;
        result->path[i].index_bits = (uint8_t)w->mode->levels[i].index_bits;
    }
    result->writable = (all & PTE_RW) != 0;
    result->user = (all & PTE_US) != 0;
    result->nx = w->mode != &mode_32bit && (any & PTE_NX) != 0;
    result->global = (leaf & PTE_G) && (w->regs->cr4 & WALK_CR4_PGE);
    result->dirty = (leaf & PTE_D) != 0;
    result->accessed = (all & PTE_A) != 0;
}

/* Read entries from the root to the leaf into w->trail. Faults in the order of the
 * hardware: the first entry that is absent or malformed, and only then the rights. */
static WalkResult descend(Walk *w)
{
    gpa_t table;
    if (!find_root(w, &table))
        return make_fault(w->regs, w->access, 0);
    for (unsigned i = 0; i < w->mode->level_count; i++) {
        const Level *level = &w->mode->levels[i];
        gpa_t at = table + bits_get(w->gva, level->shift, level->index_bits) * w->mode->entry_bytes;
        uint64_t entry = w->memory->read(w->memory->opaque, at, w->mode->entry_bytes);
        w->trail[i] = (Step){at, entry};
        w->depth = i + 1;
        if (!(entry & PTE_P))
            return make_fault(w->regs, w->access, 0);
        bool large = entry_is_large(w->regs, level, entry);
        if (entry & reserved_bits(w, level, large))
            return make_fault(w->regs, w->access, WALK_PF_P | WALK_PF_RSVD);
        if (large || level->shift == GUEST_PAGE_BITS) {
            WalkResult result = {.gpa = page_address(w, level, entry, large),
                                 .page_bits = level->shift};
            combine_rights(w, &result);
            return result;
        }
        table = entry & bit_range(12, w->mode == &mode_32bit ? 32 : w->regs->phys_bits);
    }
    __builtin_unreachable(); /* the last level has shift 12 */
}

/* Set accessed bits from the root down and the leaf's dirty bit. False: an entry changed
 * under the walk. */
static bool mark_used(Walk *w, WalkResult *result)
{
    for (unsigned i = 0; i < w->depth; i++) {
        const Step *step = &w->trail[i];
        uint64_t wanted = step->entry | PTE_A;
        if (i + 1 == w->depth && w->access.kind == WALK_WRITE)
            wanted |= PTE_D;
        if (wanted != step->entry && !w->memory->update(w->memory->opaque, step->gpa,
                                                        w->mode->entry_bytes, step->entry, wanted))
            return false;
    }
    if (w->access.kind == WALK_WRITE)
        result->dirty = true;
    return true;
}

bool walk_x86_permits(const PagingRegs *regs, const WalkResult *result, WalkAccess access)
{
    if (!(regs->cr0 & WALK_CR0_PG))
        return true;
    if (access.user && !result->user)
        return false;
    switch (access.kind) {
    case WALK_EXEC:
        if (result->nx)
            return false;
        return access.user || !result->user || !(regs->cr4 & WALK_CR4_SMEP);
    case WALK_WRITE:
        if (!result->writable && (access.user || (regs->cr0 & WALK_CR0_WP)))
            return false;
        break;
    case WALK_READ:
        break;
    }
    return access.user || !result->user || access.ac || !(regs->cr4 & WALK_CR4_SMAP);
}

WalkResult walk_x86_page(const PagingRegs *regs, const WalkMemory *memory, gva_t gva,
                         WalkAccess access)
{
    if (!(regs->efer & WALK_EFER_LMA))
        gva &= UINT32_MAX;
    if (!(regs->cr0 & WALK_CR0_PG))
        return (WalkResult){
            .gpa = gva, .page_bits = 32, .writable = true, .user = true, .dirty = true};
    Walk w = {
        .regs = regs, .memory = memory, .mode = select_mode(regs), .gva = gva, .access = access};
    for (;;) { /* again only when someone else changed an entry meanwhile */
        WalkResult result = descend(&w);
        if (result.fault)
            return result;
        if (!walk_x86_permits(regs, &result, access))
            return make_fault(regs, access, WALK_PF_P);
        if (!memory->update || mark_used(&w, &result))
            return result;
    }
}

/* SDM 3A "PDPTE Registers": bits 2:1, 8:5 and from MAXPHYADDR up are reserved. */
bool walk_x86_load_pdptes(PagingRegs *regs, const WalkMemory *memory)
{
    uint64_t reserved = bit_range(1, 3) | bit_range(5, 9) | bit_range(regs->phys_bits, 64);
    gpa_t table = regs->cr3 & bit_range(5, 32);
    uint64_t pdpte[4];
    for (unsigned i = 0; i < 4; i++) {
        pdpte[i] = memory->read(memory->opaque, table + 8 * i, 8);
        if ((pdpte[i] & PTE_P) && (pdpte[i] & reserved))
            return false;
    }
    memcpy(regs->pdpte, pdpte, sizeof(pdpte));
    return true;
}
