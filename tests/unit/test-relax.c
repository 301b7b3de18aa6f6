/* SPDX-License-Identifier: MIT
 * A guest that spins with PAUSE leaves the host alone, and goes on when what it waits for has come. */
#include <string.h>

#include "tcache/icount.h"
#include "tests/unit/x86-bed.h"

enum { FLAG = 0x20000, DEVICE = 0x200000, SPIN_US = 100000 };

/* Until the byte at FLAG is set: pause. Then write the device, and spin for ever. */
static const uint8_t program[] = {
    0xf3, 0x90,                               /* 00 pause */
    0x80, 0x3d, 0x00, 0x00, 0x02, 0x00, 0x00, /* 02 cmp byte [20000h], 0 */
    0x74, 0xf5,                               /* 09 jz 00 */
    0xa3, 0x00, 0x00, 0x20, 0x00,             /* 0b mov [200000h], eax */
    0xeb, 0xfe,                               /* 10 jmp 10 */
};

static void stop(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    engine_request_stop(*(Engine **)opaque);
}

static const RegionOps device = {.write = stop};

static void *set_flag(void *opaque)
{
    const uint8_t one = 1;
    g_usleep(SPIN_US);
    address_space_dma_write(opaque, FLAG, &one, 1);
    return NULL;
}

static int64_t no_deadline(void *opaque)
{
    return INT64_MAX;
}

static void no_timers(void *opaque)
{
}

static uint64_t relaxed_while_spinning(bool counted)
{
    Engine *engine = NULL;
    Bed bed = bed_new("max");
    address_space_add_mmio(bed.as, "stop", DEVICE, 0x1000, 1, &device, &engine);
    bed_protected(&bed, 0);
    memcpy(bed.mem + BED_CODE, program, sizeof program);
    const EngineOptions options = {.cache_bytes = 4 << 20};
    engine = engine_new(&bed.cpu->v, bed.as, &options, NULL);
    cr_assert_not_null(engine);
    const EngineTime time = {.shift = 0, .next_deadline = no_deadline, .run_timers = no_timers};
    if (counted)
        engine_count_time(engine, &time);
    GThread *thread = g_thread_new("flag", set_flag, bed.as);
    cr_assert_eq(engine_run(engine), RUN_STOPPED);
    g_thread_join(thread);
    cr_assert_eq(bed.cpu->v.pc, BED_CODE + 0x10);
    const uint64_t relaxed = engine_counters(engine)->relaxed;
    engine_free(engine);
    bed_free(&bed);
    return relaxed;
}

Test(relax, spinning)
{
    cr_assert_gt(relaxed_while_spinning(false), 0);
}

/* Nothing but instructions makes time pass. */
Test(relax, counted_time)
{
    cr_assert_eq(relaxed_while_spinning(true), 0);
}
