/* SPDX-License-Identifier: MIT */
#include "cli/counted-time.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t now(void *engine)
{
    return engine_time_ns(engine);
}

static void earliest(void *engine)
{
    engine_deadline_changed(engine);
}

static int64_t next_deadline(void *clock)
{
    return clock_first_deadline(clock);
}

static void run_timers(void *clock)
{
    clock_run_due(clock);
}

static void print_digest(void *clock, uint64_t executed, uint64_t digest)
{
    (void)clock;
    fprintf(stderr, "dbtvm: digest %" PRIu64 " %016" PRIx64 "\n", executed, digest);
}

void counted_time_set_up(const Config *config, Engine *engine, Clock *clock)
{
    const EngineTime time = {
        .shift = (unsigned)config->icount_shift,
        .sleep = config->icount_sleep,
        .next_deadline = next_deadline,
        .run_timers = run_timers,
        .digest_every = config->digest_every,
        .digest = print_digest,
        .opaque = clock,
    };
    const ClockCounter counter = {now, earliest, engine};
    engine_count_time(engine, &time);
    clock_set_counter(clock, &counter);
}
