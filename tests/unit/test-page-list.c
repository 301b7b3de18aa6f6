/* SPDX-License-Identifier: MIT
 * Listing all of a guest's pages against the walk that is asked for one address at a time. */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>

#include "monitor/page-list.h"

enum { TABLES = 64, TABLE_BYTES = 4096, MEM = TABLES * TABLE_BYTES };
enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80 };
#define NX (UINT64_C(1) << 63)

typedef struct {
    uint8_t bytes[MEM];
    PagingRegs regs;
    unsigned next_table;
    uint64_t pages, covered, last_end;
} Bed;

static uint64_t bed_read(void *opaque, gpa_t gpa, unsigned size)
{
    const Bed *bed = opaque;
    uint64_t value = 0;
    if (gpa + size > MEM)
        return size == 4 ? UINT32_MAX : UINT64_MAX;
    memcpy(&value, bed->bytes + gpa, size);
    return value;
}

static void put(Bed *bed, uint64_t table, unsigned index, uint64_t entry, unsigned size)
{
    memcpy(bed->bytes + table + index * size, &entry, size);
}

/* A table with some entries, each a page, a table or a large page. levels: below this one. */
static uint64_t random_table(Bed *bed, GRand *random, unsigned levels, unsigned size)
{
    uint64_t table = (uint64_t)bed->next_table++ * TABLE_BYTES;
    unsigned large_bits = size == 4 ? 22 : 12 + 9 * levels;
    for (int i = 0; i < 12 && bed->next_table < TABLES; i++) {
        unsigned index = g_rand_int(random) % (TABLE_BYTES / size);
        uint64_t rights = P | (g_rand_int(random) & (RW | US | A | D));
        uint64_t page = (uint64_t)g_rand_int(random) << 12;
        bool large = levels > 0 && levels <= 2 && g_rand_boolean(random);
        if (size == 8 && g_rand_boolean(random))
            rights |= NX;
        if (large)
            rights |= PS | (page & ~((UINT64_C(1) << large_bits) - 1));
        else
            rights |= levels > 0 ? random_table(bed, random, levels - 1, size) : page;
        put(bed, table, index, size == 4 ? (uint32_t)rights : rights, size);
    }
    return table;
}

static bool check_page(void *opaque, const PageMapping *page)
{
    Bed *bed = opaque;
    const WalkMemory memory = {.read = bed_read, .opaque = bed};
    WalkResult walk = walk_x86_page(&bed->regs, &memory, page->gva + 5, (WalkAccess){WALK_READ});
    cr_assert_not(walk.fault, "%llx", (unsigned long long)page->gva);
    cr_assert_eq(walk.gpa, page->gpa + 5);
    cr_assert_eq(UINT64_C(1) << walk.page_bits, page->size);
    cr_assert_eq(walk.user, page->user);
    cr_assert_eq(walk.writable, page->writable);
    cr_assert_eq(walk.nx, page->no_execute);
    cr_assert(bed->pages == 0 || page->gva >= bed->last_end, "not in order");
    bed->last_end = page->gva + page->size;
    bed->covered += page->size;
    bed->pages++;
    return true;
}

static bool count_page(void *opaque, const PageMapping *page)
{
    *(uint64_t *)opaque += page->size;
    return true;
}

/* How many of the 4 KiB pages below 4 GiB a walk finds. */
static uint64_t walk_all(Bed *bed)
{
    const WalkMemory memory = {.read = bed_read, .opaque = bed};
    uint64_t found = 0;
    for (uint64_t gva = 0; gva < UINT64_C(1) << 32; gva += 4096)
        found += !walk_x86_page(&bed->regs, &memory, gva, (WalkAccess){WALK_READ}).fault;
    return found;
}

static void check(Bed *bed, bool all)
{
    const WalkMemory memory = {.read = bed_read, .opaque = bed};
    uint64_t covered = 0;
    bed->regs.phys_bits = 52;
    bed->regs.gib_pages = true;
    cr_assert(page_list(&bed->regs, &memory, 1 << 20, check_page, bed));
    cr_assert_gt(bed->pages, 10);
    if (all)
        cr_assert_eq(walk_all(bed), bed->covered / 4096);
    cr_assert_not(page_list(&bed->regs, &memory, 5, count_page, &covered), "the limit");
    cr_assert_lt(covered, bed->covered);
}

Test(page_list, two_levels)
{
    g_autofree Bed *bed = g_new0(Bed, 1);
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    bed->regs.cr0 = WALK_CR0_PG;
    bed->regs.cr4 = WALK_CR4_PSE;
    bed->regs.cr3 = random_table(bed, random, 1, 4);
    check(bed, true);
}

Test(page_list, pae)
{
    g_autofree Bed *bed = g_new0(Bed, 1);
    g_autoptr(GRand) random = g_rand_new_with_seed(2);
    bed->regs.cr0 = WALK_CR0_PG;
    bed->regs.cr4 = WALK_CR4_PAE;
    bed->regs.efer = WALK_EFER_NXE;
    for (int i = 0; i < 4; i++)
        bed->regs.pdpte[i] = i == 2 ? 0 : P | random_table(bed, random, 1, 8);
    check(bed, true);
}

Test(page_list, four_levels)
{
    g_autofree Bed *bed = g_new0(Bed, 1);
    g_autoptr(GRand) random = g_rand_new_with_seed(3);
    bed->regs.cr0 = WALK_CR0_PG;
    bed->regs.cr4 = WALK_CR4_PAE;
    bed->regs.efer = WALK_EFER_NXE | WALK_EFER_LMA;
    bed->regs.cr3 = random_table(bed, random, 3, 8);
    check(bed, false);
}

/* A table that is its own entry, many times: the limit ends it. */
Test(page_list, tables_that_contain_themselves)
{
    g_autofree Bed *bed = g_new0(Bed, 1);
    const WalkMemory memory = {.read = bed_read, .opaque = bed};
    uint64_t covered = 0;
    for (unsigned i = 0; i < 512; i++)
        put(bed, 0, i, P | RW, 8);
    bed->regs.cr0 = WALK_CR0_PG;
    bed->regs.cr4 = WALK_CR4_PAE;
    bed->regs.efer = WALK_EFER_LMA;
    cr_assert_not(page_list(&bed->regs, &memory, 1 << 20, count_page, &covered));
    cr_assert_gt(covered, 0);
}
