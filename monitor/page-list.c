/* SPDX-License-Identifier: MIT
 * Follows SDM 3A "Paging", tables of the paging-structure formats. */
#include "monitor/page-list.h"

#define ENTRY_P      (UINT64_C(1) << 0)
#define ENTRY_RW     (UINT64_C(1) << 1)
#define ENTRY_US     (UINT64_C(1) << 2)
#define ENTRY_PS     (UINT64_C(1) << 7)
#define ENTRY_NX     (UINT64_C(1) << 63)
#define ADDRESS_MASK UINT64_C(0x000ffffffffff000)

/* One row a level, from the root down. */
typedef struct {
    uint8_t shift, index_bits, entry_bytes;
    bool large;  /* bit 7 may end the walk here */
    bool rights; /* the entry restricts what lies below */
} Level;

static const Level levels_32[] = {{22, 10, 4, true, true}, {12, 10, 4, false, true}};
static const Level levels_pae[] = {
    {30, 2, 8, false, false}, {21, 9, 8, true, true}, {12, 9, 8, false, true}};
static const Level levels_4[] = {{39, 9, 8, false, true},
                                 {30, 9, 8, true, true},
                                 {21, 9, 8, true, true},
                                 {12, 9, 8, false, true}};

typedef struct {
    const PagingRegs *regs;
    const WalkMemory *memory;
    const Level *levels;
    unsigned depth;
    uint64_t left; /* entries */
    PageVisit visit;
    void *opaque;
} List;

static uint64_t read_entry(const List *list, unsigned level, uint64_t table, unsigned index)
{
    if (list->levels == levels_pae && level == 0)
        return list->regs->pdpte[index]; /* registers of the CPU */
    unsigned bytes = list->levels[level].entry_bytes;
    return list->memory->read(list->memory->opaque, table + index * bytes, bytes);
}

static gpa_t page_address(const List *list, unsigned level, uint64_t entry)
{
    uint64_t size = UINT64_C(1) << list->levels[level].shift;
    uint64_t address = entry & ADDRESS_MASK & ~(size - 1);
    if (list->levels == levels_32 && level == 0) /* PSE-36: bits 13-20 are 32-39 */
        address |= (entry & 0x1fe000) << 19;
    return address;
}

static bool visit_leaf(List *list, unsigned level, uint64_t entry, PageMapping *page)
{
    page->size = UINT64_C(1) << list->levels[level].shift;
    page->gpa = page_address(list, level, entry);
    page->entry = entry;
    return list->visit(list->opaque, page);
}

static bool visit_table(List *list, unsigned level, uint64_t table, const PageMapping *above)
{
    const Level *row = &list->levels[level];
    bool pse = row->entry_bytes == 8 || (list->regs->cr4 & WALK_CR4_PSE);
    for (unsigned i = 0; i < 1u << row->index_bits; i++) {
        uint64_t entry = read_entry(list, level, table, i);
        PageMapping page = *above;
        if (!(entry & ENTRY_P))
            continue;
        if (list->left-- == 0)
            return false;
        page.gva |= (gva_t)i << row->shift;
        if (level == 0 && row->shift == 39 && i >= 256)
            page.gva |= UINT64_C(0xffff) << 48; /* canonical */
        if (row->rights) {
            page.user &= (entry & ENTRY_US) != 0;
            page.writable &= (entry & ENTRY_RW) != 0;
            page.no_execute |=
                row->entry_bytes == 8 && (list->regs->efer & WALK_EFER_NXE) && (entry & ENTRY_NX);
        }
        bool leaf = level + 1 == list->depth || (row->large && pse && (entry & ENTRY_PS));
        if (!(leaf ? visit_leaf(list, level, entry, &page)
                   : visit_table(list, level + 1, entry & ADDRESS_MASK, &page)))
            return false;
    }
    return true;
}

bool page_list(const PagingRegs *regs, const WalkMemory *memory, uint64_t limit, PageVisit visit,
               void *opaque)
{
    bool pae = regs->cr4 & WALK_CR4_PAE, four = regs->efer & WALK_EFER_LMA;
    List list = {.regs = regs,
                 .memory = memory,
                 .levels = four  ? levels_4
                           : pae ? levels_pae
                                 : levels_32,
                 .depth = four  ? 4
                          : pae ? 3
                                : 2,
                 .left = limit,
                 .visit = visit,
                 .opaque = opaque};
    PageMapping all = {.user = true, .writable = true};
    return visit_table(&list, 0, regs->cr3 & (pae ? ADDRESS_MASK : 0xfffff000), &all);
}
