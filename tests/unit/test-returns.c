/* SPDX-License-Identifier: MIT
 * Returns to a block that was removed while it ran: a device, written to by a block, patches what
 * the block does behind its next call. */
#include <string.h>

#include "tcache/engine-priv.h"
#include "tests/unit/x86-bed.h"

enum { DEVICE = 0x200000, ROUNDS = 200, PATCHED = BED_CODE + 0x11, END = BED_CODE + 0x19 };

static const uint8_t program[] = {
    0xb9, ROUNDS, 0,    0,    0,                      /* 00 mov ecx, ROUNDS */
    0x89, 0x0d,   0x00, 0x00, 0x20, 0x00,             /* 05 mov [200000h], ecx */
    0xe8, 0x10,   0x00, 0x00, 0x00,                   /* 0b call 20 */
    0xb8, 0x00,   0x00, 0x00, 0x00,                   /* 10 mov eax, 0: patched */
    0x01, 0xc3,                                       /* 15 add ebx, eax */
    0xe2, 0xec,                                       /* 17 loop 05 */
    0x90, 0x90,   0x90, 0x90, 0x90, 0x90, 0x90, 0xc3, /* 20 ret */
};

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    const uint32_t ecx = (uint32_t)value;
    address_space_dma_write(opaque, PATCHED, &ecx, 4);
}

static const RegionOps device = {.write = device_write, .max_size = 4};

static void check_sum(const EngineOptions *options)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    memcpy(bed.mem + BED_CODE, program, sizeof program);
    address_space_add_mmio(bed.as, "device", DEVICE, 0x1000, 0, &device, bed.as);
    Engine *engine = engine_new(&bed.cpu->v, bed.as, options, NULL);
    cr_assert_not_null(engine);
    engine_set_breakpoint(engine, END);
    bed.cpu->v.gpr[REG_EBX] = 0;
    cr_assert_eq(engine_run(engine), RUN_DEBUG);
    cr_assert_eq(bed.cpu->v.gpr[REG_EBX], ROUNDS * (ROUNDS + 1) / 2);
    cr_assert_gt(engine_counters(engine)->invalidated_other, 0);
    engine_free(engine);
    bed_free(&bed);
}

Test(returns, to_a_block_that_a_device_has_patched)
{
    const EngineOptions all[] = {
        {.cache_bytes = 1 << 20},
        {.cache_bytes = 1 << 20, .no_window = true},
        {.cache_bytes = 1 << 20, .no_chain = true},
        {.cache_bytes = 1 << 20, .interp = true},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
        check_sum(&all[i]);
}
