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

/* The same, but what it returns to is EIP 0, like an entry of a table without any. */
enum { ZERO_PATCHED = BED_CODE + 0x10, ZERO_END = BED_CODE + 0x20 };
static const uint8_t to_zero[] = {
    0xb9, ROUNDS, 0,    0,    0,          /* 00 mov ecx, ROUNDS */
    0xe8, 0x00,   0x00, 0x00, 0x00,       /* 05 call 0a */
    0xe8, 0x00,   0x00, 0x00, 0x00,       /* 0a call 0f */
    0x6a, 0x00,                           /* 0f push 0: patched */
    0x89, 0x0d,   0x00, 0x00, 0x20, 0x00, /* 11 mov [200000h], ecx */
    0xc3,                                 /* 17 ret */
};

static void write_zero(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    const uint8_t zero = 0;
    address_space_dma_write(opaque, ZERO_PATCHED, &zero, 1);
}

static const RegionOps zero_device = {.write = write_zero, .max_size = 4};

static void check_zero(const EngineOptions *options)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    memcpy(bed.mem + BED_CODE, to_zero, sizeof to_zero);
    const int32_t again = BED_CODE + 0x05 - 7, end = ZERO_END - 12;
    memcpy(bed.mem, "\x49\x0f\x85", 3); /* 00 dec ecx; jnz again */
    memcpy(bed.mem + 3, &again, 4);
    bed.mem[7] = 0xe9; /* jmp end */
    memcpy(bed.mem + 8, &end, 4);
    address_space_add_mmio(bed.as, "device", DEVICE, 0x1000, 0, &zero_device, bed.as);
    Engine *engine = engine_new(&bed.cpu->v, bed.as, options, NULL);
    cr_assert_not_null(engine);
    engine_set_breakpoint(engine, ZERO_END);
    cr_assert_eq(engine_run(engine), RUN_DEBUG);
    cr_assert_eq(bed.cpu->v.pc, ZERO_END);
    cr_assert_eq(bed.cpu->v.gpr[REG_ECX], 0);
    engine_free(engine);
    bed_free(&bed);
}

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
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        check_sum(&all[i]);
        check_zero(&all[i]);
    }
}
