/* SPDX-License-Identifier: MIT
 * Counters as text and as a list. */
#include "tcache/engine-priv.h"

#include <inttypes.h>

enum { TOP_SHOWN = 10 };

const EngineCounters *engine_counters(const Engine *engine)
{
    return &engine->cache.counters;
}

unsigned engine_list_counters(const Engine *engine, EngineCounter *out, unsigned capacity)
{
    const EngineCounters *c = &engine->cache.counters;
    const Mmu *mmu = &engine->vcpu->mmu;
    static const WindowCounters none;
    const WindowCounters *w = engine->windows ? window_set_counters(engine->windows) : &none;
    const EngineCounter all[] = {
#define COUNTER(name, help) {#name, help, c->name},
#include "tcache/counters.def"
#undef COUNTER
        {"tlb_fills", "TLB fills", mmu->fills},
        {"tlb_flushes", "TLB flushes", mmu->flushes},
        {"tlb_page_flushes", "TLB page flushes", mmu->page_flushes},
        {"window_fills", "window fills", w->fills},
        {"window_pages", "pages they mapped", w->filled_pages},
        {"ahead_fills", "of the fills, ahead of accesses that go on from page to page", w->ahead_fills},
        {"awaited_fills", "of the fills, after a page fault of the guest without another trap", w->awaited_fills},
        {"window_unmaps", "window pages unmapped", w->unmaps},
        {"window_validations", "window validations", w->validations},
        {"window_changed", "page-table entries they found changed", w->changed_entries},
        {"window_protects", "window pages write-protected", w->protects},
        {"window_promotions", "address spaces promoted to a window", w->promotions},
        {"window_demotions", "address spaces demoted to the TLB", w->demotions},
        {"refused_device", "window refusals: device or ROM", w->refused_device},
        {"refused_global", "window refusals: kernel access to a page that is not global", w->refused_global},
        {"refused_churn", "window refusals: page unmapped too often", w->refused_churn},
        {"refused_wrap", "window refusals: address wraps at 4 GiB", w->refused_wrap},
        {"refused_other", "window refusals: page tables or host", w->refused_other},
        {"window_evictions", "windows evicted", w->evictions},
        {"slow_accesses", "memory accesses that took the slow path", mmu->slow_accesses},
    };
    unsigned n = MIN(capacity, (unsigned)G_N_ELEMENTS(all));
    for (unsigned i = 0; i < n; i++)
        out[i] = all[i];
    return n;
}

static uint64_t bytes_in_use(const Cache *cache)
{
    uint64_t used = 0;
    for (unsigned i = 0; i < TB_UNITS; i++)
        used += cache->unit[i].used;
    return used;
}

const char *const engine_top_names[TOP_KINDS] = {
    [TOP_PORTS] = "ports",
    [TOP_MMIO] = "device memory",
    [TOP_SMC_PAGES] = "RAM pages with code that is written",
    [TOP_FAULTS] = "faulting code",
};

unsigned engine_list_top(const Engine *engine, EngineTop which, TopEntry *out, unsigned capacity)
{
    const TopTable *tables[TOP_KINDS] = {
        [TOP_PORTS] = address_space_port_counts(engine->cache.as),
        [TOP_MMIO] = address_space_mmio_counts(engine->cache.as),
        [TOP_SMC_PAGES] = &engine->top_smc,
        [TOP_FAULTS] = &engine->top_faults,
    };
    return top_table_list(tables[which], out, capacity);
}

static void print_top(const Engine *engine, EngineTop which, GString *out)
{
    TopEntry top[TOP_SHOWN];
    const unsigned count = engine_list_top(engine, which, top, G_N_ELEMENTS(top));
    if (count == 0)
        return;
    g_string_append_printf(out, "\nTop %s:\n", engine_top_names[which]);
    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(out, "0x%08" PRIx64 " %14" PRIu64 "\n", top[i].key, top[i].count);
}

void engine_print_stats(Engine *engine, GString *out)
{
    const EngineCounters *c = &engine->cache.counters;
    EngineCounter list[64];
    unsigned n = engine_list_counters(engine, list, G_N_ELEMENTS(list));
    g_string_append(out, "Translation buffer state:\n");
    g_string_append_printf(out, "gen code size       %" PRIu64 "/%zu\n", bytes_in_use(&engine->cache),
                           engine->cache.buf.size);
    if (c->blocks) {
        g_string_append_printf(out, "TB avg guest size   %.1f bytes\n",
                               (double)c->guest_bytes / (double)c->blocks);
        g_string_append_printf(out, "TB avg host size    %.1f bytes (expansion ratio: %.1f)\n",
                               (double)c->host_bytes / (double)c->blocks,
                               (double)c->host_bytes / (double)c->guest_bytes);
        g_string_append_printf(out, "translation time    %.3f us an instruction\n",
                               (double)c->translate_ns / 1e3 / (double)c->guest_insns);
    }
    g_string_append(out, "\nCounters:\n");
    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(out, "%-20s %14" PRIu64 "  %s\n", list[i].name, list[i].value,
                               list[i].help);
    for (unsigned which = 0; which < TOP_KINDS; which++)
        print_top(engine, (EngineTop)which, out);
}
