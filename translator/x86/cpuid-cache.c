/* SPDX-License-Identifier: MIT
 * Caches in CPUID (SDM 2 "CPUID", leaves 2, 4 and 80000006H). Guest code runs on the host's own caches,
 * and what a guest's C library makes of their sizes (blocks, stores around the cache) is right only for
 * those. */
#include "translator/x86/cpuid.h"

#include <unistd.h>

enum { DATA = 1, INSTRUCTIONS, UNIFIED };

typedef struct {
    unsigned level, type;
    int size, ways, line; /* names for sysconf */
} CacheRow;

static const CacheRow rows[CPU_CACHES] = {
    {1, DATA, _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL1_DCACHE_ASSOC, _SC_LEVEL1_DCACHE_LINESIZE},
    {1, INSTRUCTIONS, _SC_LEVEL1_ICACHE_SIZE, _SC_LEVEL1_ICACHE_ASSOC, _SC_LEVEL1_ICACHE_LINESIZE},
    {2, UNIFIED, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL2_CACHE_ASSOC, _SC_LEVEL2_CACHE_LINESIZE},
    {3, UNIFIED, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL3_CACHE_ASSOC, _SC_LEVEL3_CACHE_LINESIZE},
};

/* A host that is a guest itself may tell the size and nothing else. */
static unsigned host_value(int name, long least, long most, unsigned otherwise)
{
    const long value = sysconf(name);
    return value < least || value > most ? otherwise : (unsigned)value;
}

void cpu_caches_of_host(CpuModel *model)
{
    for (unsigned i = 0; i < CPU_CACHES; i++) {
        const CacheRow *row = &rows[i];
        const long size = sysconf(row->size);
        CpuCache cache = {.level = row->level,
                          .type = row->type,
                          .ways = host_value(row->ways, 1, 1024, 8),
                          .line = host_value(row->line, 16, 4096, 64)};
        if (size <= 0)
            continue;
        cache.sets = (unsigned)MIN((unsigned long)size / (cache.ways * cache.line), UINT32_MAX);
        if (cache.sets)
            model->caches[model->cache_count++] = cache;
    }
}

void cpu_cache_leaf(const CpuModel *model, uint32_t subleaf, uint32_t regs[4])
{
    if (subleaf >= model->cache_count)
        return; /* type 0: no more caches */
    const CpuCache *cache = &model->caches[subleaf];
    const uint32_t self_initializing = 1u << 8; /* one processor uses it: no more bits in EAX */
    regs[0] = cache->type | cache->level << 5 | self_initializing;
    regs[1] = (cache->line - 1) | (cache->ways - 1) << 22;
    regs[2] = cache->sets - 1;
}

void cpu_cache_descriptors(const CpuModel *model, uint32_t regs[4])
{
    /* TLBs for 4 KiB and 4 MiB pages, instructions and data; then "leaf 4 has the caches", or the
     * Pentium II's: L1 16 KiB each, L2 512 KiB. */
    regs[0] = 0x03020101;
    regs[3] = model->cache_count ? 0x000400ff : 0x0c040843;
}

/* Ways as leaf 80000006H encodes them. */
static uint32_t ways_code(unsigned ways)
{
    static const struct {
        unsigned ways, code;
    } codes[] = {{1, 1}, {2, 2}, {4, 4}, {8, 6}, {16, 8}, {32, 10}, {48, 11}, {64, 12}, {96, 13}};
    uint32_t code = 15; /* fully associative */
    for (unsigned i = G_N_ELEMENTS(codes); i-- > 0;)
        if (ways <= codes[i].ways)
            code = codes[i].code;
    return code;
}

uint32_t cpu_cache_l2(const CpuModel *model)
{
    for (unsigned i = 0; i < model->cache_count; i++) {
        const CpuCache *cache = &model->caches[i];
        const uint64_t kib = (uint64_t)cache->ways * cache->line * cache->sets >> 10;
        if (cache->level == 2)
            return (uint32_t)MIN(kib, 0xffff) << 16 | ways_code(cache->ways) << 12 | (cache->line & 0xff);
    }
    return 512u << 16 | ways_code(16) << 12 | 64;
}
