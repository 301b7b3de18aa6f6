/* SPDX-License-Identifier: MIT
 * Timers that the vCPU thread fires: in translated code, in the interpreter, and while the guest is halted. */
#include <pthread.h>
#include <string.h>

#include "tcache/engine.h"
#include "tests/unit/x86-bed.h"

enum { PERIOD_NS = 1000000, TIMES = 20 };

typedef struct {
    Engine *engine;
    pthread_t thread;
    int64_t due;
    unsigned fired, anew;
} Ticker;

static int64_t host_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void tick(void *opaque)
{
    Ticker *ticker = opaque;
    cr_assert(pthread_equal(pthread_self(), ticker->thread));
    if (host_now() >= ticker->due) {
        ticker->due = host_now() + PERIOD_NS;
        if (++ticker->fired == TIMES)
            engine_request_stop(ticker->engine);
    }
    cr_assert(engine_set_alarm(ticker->engine, ticker->due));
}

static void set_anew(void *opaque)
{
    Ticker *ticker = opaque;
    ticker->anew++;
    cr_assert_not(engine_set_alarm(ticker->engine, ticker->due));
}

static void check_ticks(const char *code, const EngineOptions *options)
{
    Ticker ticker = {.thread = pthread_self()};
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    memcpy(bed.mem + BED_CODE, code, 4);
    ticker.engine = engine_new(&bed.cpu->v, bed.as, options, NULL);
    cr_assert_not_null(ticker.engine);
    const EngineTimers timers = {tick, set_anew, &ticker};
    engine_set_timers(ticker.engine, &timers);
    for (unsigned round = 1; round <= 2; round++) {
        ticker.fired = 0;
        cr_assert_eq(engine_run(ticker.engine), RUN_STOPPED);
        cr_assert_eq(ticker.fired, TIMES);
        cr_assert_eq(ticker.anew, round);
    }
    engine_free(ticker.engine);
    bed_free(&bed);
}

static const char spin[] = "\xeb\xfe\x90\x90", halt[] = "\xf4\xf4\xf4\xf4";
static const char forward_and_back[] = "\xeb\x00\xeb\xfc"; /* only the way back polls */

Test(alarm, breaks_out_of_translated_code, .timeout = 20)
{
    check_ticks(spin, &(EngineOptions){.cache_bytes = 4 << 20});
}

Test(alarm, breaks_out_of_a_loop_of_two_blocks, .timeout = 20)
{
    check_ticks(forward_and_back, &(EngineOptions){.cache_bytes = 4 << 20});
}

Test(alarm, breaks_out_of_the_interpreter, .timeout = 20)
{
    check_ticks(spin, &(EngineOptions){.cache_bytes = 4 << 20, .interp = true});
}

Test(alarm, wakes_a_halted_guest, .timeout = 20)
{
    check_ticks(halt, &(EngineOptions){.cache_bytes = 4 << 20});
}
