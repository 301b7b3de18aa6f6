/* SPDX-License-Identifier: MIT
 * What the guest's page tables say: info tlb, info mem, gva2gpa. */
#include <inttypes.h>

#include "monitor/command.h"
#include "monitor/page-list.h"

enum { LINES_MAX = 65536, ENTRIES_MAX = 1 << 22 };

typedef struct {
    GString *out;
    unsigned lines;
    PageMapping range; /* of info mem: pages side by side with the same rights; size 0: none */
} Report;

static bool add_line(Report *report)
{
    if (report->lines++ < LINES_MAX)
        return true;
    g_string_append(report->out, "...\n");
    return false;
}

/* X no execute, G global, P large, D dirty, A accessed, C cache disable, T write through, U user,
 * W writable: as in other emulators. */
static bool print_page(void *opaque, const PageMapping *page)
{
    static const struct {
        char letter;
        uint64_t bit;
    } flags[] = {{'G', 1 << 8}, {'P', 0},      {'D', 1 << 6}, {'A', 1 << 5},
                 {'C', 1 << 4}, {'T', 1 << 3}, {'U', 1 << 2}, {'W', 1 << 1}};
    Report *report = opaque;
    char text[G_N_ELEMENTS(flags) + 1] = "";
    if (!add_line(report))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        bool set = flags[i].bit ? (page->entry & flags[i].bit) != 0 : page->size > 4096;
        text[i] = set ? flags[i].letter : '-';
    }
    g_string_append_printf(report->out, "%016" PRIx64 ": %016" PRIx64 " %c%s\n",
                           (uint64_t)page->gva, (uint64_t)page->gpa, page->no_execute ? 'X' : '-',
                           text);
    return true;
}

static bool print_range(Report *report)
{
    const PageMapping *range = &report->range;
    if (range->size == 0)
        return true;
    if (!add_line(report))
        return false;
    g_string_append_printf(report->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c%s\n",
                           (uint64_t)range->gva, (uint64_t)range->gva + range->size, range->size,
                           range->user ? 'u' : '-', range->writable ? 'w' : '-',
                           range->no_execute ? "" : "x");
    return true;
}

static bool join_range(void *opaque, const PageMapping *page)
{
    Report *report = opaque;
    PageMapping *range = &report->range;
    if (range->size && range->gva + range->size == page->gva && range->user == page->user &&
        range->writable == page->writable && range->no_execute == page->no_execute) {
        range->size += page->size;
        return true;
    }
    bool good = print_range(report);
    *range = *page;
    return good;
}

static bool report_pages(Command *command, PageVisit visit)
{
    Mmu *mmu = &command->machine->cpu->v.mmu;
    Report report = {.out = command->out};
    machine_enter(command->machine);
    WalkMemory memory = mmu_walk_memory(mmu, false);
    bool paging = mmu->paging.cr0 & WALK_CR0_PG;
    if (paging && page_list(&mmu->paging, &memory, ENTRIES_MAX, visit, &report))
        print_range(&report);
    machine_leave(command->machine);
    if (!paging)
        g_string_append(command->out, "PG disabled\n");
    return true;
}

bool info_tlb(Command *command, GError **error)
{
    return report_pages(command, print_page);
}

bool info_mem(Command *command, GError **error)
{
    return report_pages(command, join_range);
}

bool command_gva2gpa(Command *command, GError **error)
{
    uint64_t address;
    gpa_t gpa;
    if (!command_address(command, &address, error) || !command_end(command, error))
        return false;
    machine_enter(command->machine);
    bool mapped = mmu_translate_debug(&command->machine->cpu->v.mmu, address, &gpa);
    machine_leave(command->machine);
    if (mapped)
        g_string_append_printf(command->out, "gpa: 0x%" PRIx64 "\n", (uint64_t)gpa);
    else
        g_string_append(command->out, "Unmapped\n");
    return true;
}
