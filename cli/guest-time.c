/* SPDX-License-Identifier: MIT */
#include "cli/guest-time.h"

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

/* -icount: the clock counts the engine's instructions. */
static void count_time(const Config *config, Engine *engine, Clock *clock)
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

static bool set_alarm(void *engine, int64_t host_ns)
{
    return engine_set_alarm(engine, host_ns);
}

static bool remind_alarm(void *engine)
{
    return engine_remind_alarm(engine);
}

static void set_anew(void *clock)
{
    clock_set_anew(clock);
}

static void share_timers(Engine *engine, Clock *clock)
{
    const EngineTimers timers = {.run = run_timers, .set_anew = set_anew, .opaque = clock};
    const ClockAlarm alarm = {.set = set_alarm, .remind = remind_alarm, .opaque = engine};
    engine_set_timers(engine, &timers);
    clock_set_alarm(clock, &alarm);
}

void guest_time_set_up(const Config *config, Engine *engine, Clock *clock)
{
    if (config->icount)
        count_time(config, engine, clock);
    else
        share_timers(engine, clock);
}
