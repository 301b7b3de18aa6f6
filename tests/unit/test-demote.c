/* SPDX-License-Identifier: MIT
 * An instruction that faults at one page after the other is demoted if that is most of what it does. */
#include <string.h>

#include "tcache/engine.h"
#include "tests/unit/x86-bed.h"

enum {
    HANDLER = 0x11000,
    DIRECTORY = 0x20000,
    TABLE0 = 0x21000, /* 0-4 MiB: itself */
    TABLE1 = 0x22000, /* 4-8 MiB: what the handler maps, from FRAMES on */
    COUNT = 0x23000,  /* of page faults */
    FRAMES = 0x40000,
    DEVICE = 0x200000,
    PAGES = 96,
    FLAGS = 0x103, /* global, writable, present */
};

static const uint8_t program[] = {
    0xbf, 0x00, 0x00, 0x40, 0x00,       /* 00 mov edi, 400000h */
    0xb9, 0x01, 0x00, 0x00, 0x00,       /* 05 mov ecx, 1: patched */
    0x89, 0x3f,                         /* 0a mov [edi], edi */
    0x49,                               /* 0c dec ecx */
    0x75, 0xfb,                         /* 0d jnz 0a */
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, /* 0f add edi, 1000h */
    0x81, 0xff, 0x00, 0x00, 0x46, 0x00, /* 15 cmp edi, 460000h */
    0x72, 0xe8,                         /* 1b jb 05 */
    0xa3, 0x00, 0x00, 0x20, 0x00,       /* 1d mov [200000h], eax */
    0xeb, 0xfe,                         /* 22 jmp 22 */
};
static const uint8_t handler[] = {
    0x60,                                     /* pushad */
    0x0f, 0x20, 0xd0,                         /* mov eax, cr2 */
    0xc1, 0xe8, 0x0c,                         /* shr eax, 12 */
    0x89, 0xc2,                               /* mov edx, eax */
    0x81, 0xe2, 0xff, 0x03, 0x00, 0x00,       /* and edx, 3ffh */
    0x8d, 0x8a, 0x40, 0x00, 0x00, 0x00,       /* lea ecx, [edx + 40h] */
    0xc1, 0xe1, 0x0c,                         /* shl ecx, 12 */
    0x81, 0xc9, 0x03, 0x01, 0x00, 0x00,       /* or ecx, 103h */
    0x89, 0x0c, 0x95, 0x00, 0x20, 0x02, 0x00, /* mov [edx * 4 + 22000h], ecx */
    0xff, 0x05, 0x00, 0x30, 0x02, 0x00,       /* inc dword [23000h] */
    0x61,                                     /* popad */
    0x83, 0xc4, 0x04,                         /* add esp, 4 */
    0xcf,                                     /* iret */
};

static void stop(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    engine_request_stop(*(Engine **)opaque);
}

static const RegionOps device = {.write = stop};

static void set_up(Bed *bed, uint32_t stores, bool repeated)
{
    static const uint8_t rep_stosb[] = {0xf3, 0xaa, 0x4f, 0x90, 0x90}; /* and dec edi */
    bed_protected(bed, 0);
    memcpy(bed->mem + BED_CODE, program, sizeof program);
    memcpy(bed->mem + BED_CODE + 6, &stores, sizeof stores);
    if (repeated)
        memcpy(bed->mem + BED_CODE + 0x0a, rep_stosb, sizeof rep_stosb);
    memcpy(bed->mem + HANDLER, handler, sizeof handler);
    bed_gate(bed, 14, CODE0, HANDLER, 14, 0);
    bed_write(bed, DIRECTORY, 4, TABLE0 | 3);
    bed_write(bed, DIRECTORY + 4, 4, TABLE1 | 3);
    for (uint32_t i = 0; i < 1024; i++)
        bed_write(bed, TABLE0 + i * 4, 4, i << 12 | FLAGS);
    bed->cpu->cr3 = DIRECTORY;
    bed->cpu->cr4 |= CR4_PGE;
    bed->cpu->cr0 |= CR0_PG | CR0_WP;
    cpu_sync_paging(bed->cpu);
    cpu_update_mode(bed->cpu);
}

/* Host faults that PAGES page faults of the guest took; *demoted: instructions that lost the window. */
static uint64_t host_faults(uint32_t stores, bool repeated, uint64_t *demoted)
{
    Engine *engine = NULL;
    Bed bed = bed_new("max");
    address_space_add_mmio(bed.as, "stop", DEVICE, 0x1000, 1, &device, &engine);
    set_up(&bed, stores, repeated);
    engine = engine_new(&bed.cpu->v, bed.as, &(EngineOptions){.cache_bytes = 4 << 20}, NULL);
    cr_assert_not_null(engine);
    if (!engine_has_windows(engine))
        cr_skip_test("no windows here");
    cr_assert_eq(engine_run(engine), RUN_STOPPED);
    cr_assert_eq(bed.cpu->v.pc, BED_CODE + 0x22);
    cr_assert_eq(bed_read(&bed, COUNT, 4), PAGES);
    for (uint32_t i = 0; i < PAGES && !repeated; i++)
        cr_assert_eq(bed_read(&bed, FRAMES + i * 0x1000, 4), 0x400000 + i * 0x1000);
    *demoted = engine_counters(engine)->demoted;
    const uint64_t faults = engine_counters(engine)->host_faults;
    engine_free(engine);
    bed_free(&bed);
    return faults;
}

Test(demote, an_instruction_that_only_faults)
{
    uint64_t demoted;
    cr_assert_lt(host_faults(1, false, &demoted), PAGES - 20);
    cr_assert_eq(demoted, 2, "it, and the store to the device");
}

Test(demote, not_one_that_works_between_faults)
{
    uint64_t demoted;
    cr_assert_geq(host_faults(5000, false, &demoted), PAGES);
    cr_assert_eq(demoted, 1, "the store to the device");
}

Test(demote, not_a_repeated_one)
{
    uint64_t demoted;
    cr_assert_geq(host_faults(1, true, &demoted), PAGES);
    cr_assert_eq(demoted, 1, "the store to the device");
}

Test(demote, not_what_replaces_it)
{
    static const uint8_t other[] = {0x89, 0x07}; /* mov [edi], eax */
    const uint32_t stores = 5000;
    uint8_t no_pages[0x1000] = {0};
    Engine *engine = NULL;
    Bed bed = bed_new("max");
    address_space_add_mmio(bed.as, "stop", DEVICE, 0x1000, 1, &device, &engine);
    set_up(&bed, 1, false);
    engine = engine_new(&bed.cpu->v, bed.as, &(EngineOptions){.cache_bytes = 4 << 20}, NULL);
    cr_assert_not_null(engine);
    if (!engine_has_windows(engine))
        cr_skip_test("no windows here");
    cr_assert_eq(engine_run(engine), RUN_STOPPED);
    const uint64_t faults = engine_counters(engine)->host_faults;
    cr_assert_lt(faults, PAGES - 20);
    address_space_dma_write(bed.as, BED_CODE + 0x0a, other, sizeof other);
    address_space_dma_write(bed.as, BED_CODE + 0x06, &stores, sizeof stores);
    address_space_dma_write(bed.as, TABLE1, no_pages, sizeof no_pages);
    mmu_flush_all(&bed.cpu->v.mmu);
    bed.cpu->v.pc = BED_CODE;
    cr_assert_eq(engine_run(engine), RUN_STOPPED);
    cr_assert_geq(engine_counters(engine)->host_faults - faults, PAGES);
    cr_assert_eq(bed_read(&bed, COUNT, 4), 2 * PAGES);
    engine_free(engine);
    bed_free(&bed);
}
