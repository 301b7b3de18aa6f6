/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <glib.h>

#include "hw/clock.h"

typedef struct {
    Clock *clock;
    Timer *timer;
    GString *trace;
    char mark;
    int64_t fired_at;
    int64_t period; /* re-arm by this; 0: one shot */
} Probe;

static void probe_fire(void *opaque)
{
    Probe *p = opaque;
    p->fired_at = clock_now(p->clock);
    g_string_append_c(p->trace, p->mark);
    if (p->period)
        timer_arm(p->timer, timer_deadline(p->timer) + p->period);
}

static void probe_init(Probe *p, Clock *clock, GString *trace, char mark)
{
    *p = (Probe){.clock = clock, .trace = trace, .mark = mark};
    p->timer = timer_new(clock, probe_fire, p);
}

Test(clock, fake_fires_in_deadline_order)
{
    Clock *clock = clock_new_fake();
    GString *trace = g_string_new(NULL);
    static const int64_t deadlines[] = {50, 10, 30, 10, 70, 20};
    Probe probes[6];
    for (int i = 0; i < 6; i++) {
        probe_init(&probes[i], clock, trace, (char)('a' + i));
        timer_arm(probes[i].timer, deadlines[i]);
    }
    cr_assert_eq(clock_first_deadline(clock), 10);
    clock_fake_advance(clock, 50);
    cr_assert_str_eq(trace->str, "bdfca");
    cr_assert_eq(probes[5].fired_at, 20); /* the clock stands at the deadline in a callback */
    cr_assert_eq(clock_now(clock), 50);
    cr_assert(timer_armed(probes[4].timer));
    cr_assert_not(timer_armed(probes[0].timer));
    timer_cancel(probes[4].timer);
    cr_assert_eq(clock_first_deadline(clock), INT64_MAX);
    clock_fake_advance(clock, 50);
    cr_assert_str_eq(trace->str, "bdfca");
    for (int i = 0; i < 6; i++)
        timer_free(probes[i].timer);
    clock_free(clock);
    g_string_free(trace, TRUE);
}

Test(clock, fake_periodic_and_rearm)
{
    Clock *clock = clock_new_fake();
    GString *trace = g_string_new(NULL);
    Probe p, q;
    probe_init(&p, clock, trace, 'p');
    probe_init(&q, clock, trace, 'q');
    p.period = 100;
    timer_arm(p.timer, 100);
    timer_arm(q.timer, 50);
    timer_arm(q.timer, 250); /* replaces */
    clock_fake_advance(clock, 1000);
    cr_assert_str_eq(trace->str, "ppqpppppppp");
    cr_assert_eq(timer_deadline(p.timer), 1100);
    timer_free(p.timer);
    timer_free(q.timer);
    clock_free(clock);
    g_string_free(trace, TRUE);
}

/* Against a plain scan for the minimum. */
Test(clock, heap_matches_reference)
{
    enum { N = 64 };
    Clock *clock = clock_new_fake();
    GString *trace = g_string_new(NULL);
    GRand *rand = g_rand_new_with_seed(7);
    Probe probes[N];
    for (int i = 0; i < N; i++)
        probe_init(&probes[i], clock, trace, 'x');
    for (int step = 0; step < 20000; step++) {
        Timer *timer = probes[g_rand_int_range(rand, 0, N)].timer;
        if (g_rand_boolean(rand))
            timer_arm(timer, clock_now(clock) + g_rand_int_range(rand, 1, 1000));
        else
            timer_cancel(timer);
        int64_t best = INT64_MAX;
        for (int i = 0; i < N; i++)
            if (timer_armed(probes[i].timer))
                best = MIN(best, timer_deadline(probes[i].timer));
        cr_assert_eq(clock_first_deadline(clock), best);
        if (step % 8 == 0)
            clock_fake_advance(clock, g_rand_int_range(rand, 0, 50));
    }
    for (int i = 0; i < N; i++)
        timer_free(probes[i].timer);
    g_rand_free(rand);
    clock_free(clock);
    g_string_free(trace, TRUE);
}

static void count_lock(void *opaque)
{
    g_rec_mutex_lock(opaque);
}

static void count_unlock(void *opaque)
{
    g_rec_mutex_unlock(opaque);
}

Test(clock, host_clock_stops_and_starts)
{
    GRecMutex lock;
    g_rec_mutex_init(&lock);
    Clock *clock = clock_new(count_lock, count_unlock, &lock);
    cr_assert_eq(clock_now(clock), 0);
    g_usleep(2000);
    cr_assert_eq(clock_now(clock), 0);
    clock_start(clock);
    g_usleep(2000);
    clock_stop(clock);
    int64_t at = clock_now(clock);
    cr_assert_geq(at, 2000000);
    g_usleep(2000);
    cr_assert_eq(clock_now(clock), at);
    clock_start(clock);
    cr_assert_geq(clock_now(clock), at);
    clock_free(clock);
}

typedef struct {
    int64_t now;
    unsigned told;
    unsigned fired;
} Counted;

static int64_t counted_now(void *opaque)
{
    return ((Counted *)opaque)->now;
}

static void counted_earliest(void *opaque)
{
    ((Counted *)opaque)->told++;
}

static void counted_fire(void *opaque)
{
    ((Counted *)opaque)->fired++;
}

/* Somebody else's time: nothing fires by itself, and who counts hears of earlier timers only. */
Test(clock, counted)
{
    GRecMutex lock;
    Counted counted = {.now = 100};
    const ClockCounter counter = {counted_now, counted_earliest, &counted};
    g_rec_mutex_init(&lock);
    Clock *clock = clock_new(count_lock, count_unlock, &lock);
    clock_set_counter(clock, &counter);
    Timer *late = timer_new(clock, counted_fire, &counted);
    Timer *early = timer_new(clock, counted_fire, &counted);
    cr_assert_eq(clock_now(clock), 100);
    cr_assert_eq(clock_first_deadline(clock), INT64_MAX);
    timer_arm(early, 200);
    timer_arm(late, 300);
    cr_assert_eq(counted.told, 1);
    cr_assert_eq(clock_first_deadline(clock), 200);
    counted.now = 199;
    clock_run_due(clock);
    cr_assert_eq(counted.fired, 0);
    counted.now = 200;
    clock_run_due(clock);
    cr_assert_eq(counted.fired, 1);
    clock_start(clock);
    cr_assert_eq(clock_now(clock), 200);
    counted.now = 1000;
    clock_run_due(clock);
    cr_assert_eq(counted.fired, 2);
    timer_free(early);
    timer_free(late);
    clock_free(clock);
}

typedef struct {
    GRecMutex lock;
    Clock *clock;
    Timer *timer;
    GMainLoop *loop;
    int64_t deadline;
    int64_t fired_at;
} LoopTest;

static void loop_fire(void *opaque)
{
    LoopTest *t = opaque;
    t->fired_at = clock_now(t->clock);
    g_main_loop_quit(t->loop);
}

static void *loop_arm_from_thread(void *opaque)
{
    LoopTest *t = opaque;
    g_usleep(5000); /* let the main loop go to sleep on the later timer */
    g_rec_mutex_lock(&t->lock);
    t->deadline = clock_now(t->clock) + 3000000;
    timer_arm(t->timer, t->deadline);
    g_rec_mutex_unlock(&t->lock);
    return NULL;
}

/* No main loop runs here: who reads the time keeps the timers. */
Test(clock, reader_fires_what_is_late, .timeout = 10)
{
    enum { MS = 1000000 };
    Clock *clock = clock_new(NULL, NULL, NULL);
    GString *trace = g_string_new(NULL);
    Probe probe;
    probe_init(&probe, clock, trace, 'x');
    probe.period = MS;
    timer_arm(probe.timer, MS);
    clock_start(clock);
    for (int64_t now = 0; now < 20 * MS;) {
        now = clock_now_on_time(clock);
        cr_assert_geq((int64_t)trace->len, now / MS - 1);
        cr_assert_leq((int64_t)trace->len, now / MS);
    }
    clock_stop(clock);
    g_string_truncate(trace, 0);
    timer_arm(probe.timer, 0);
    clock_now_on_time(clock);
    cr_expect_eq(trace->len, 0);
    timer_free(probe.timer);
    clock_free(clock);
    g_string_free(trace, TRUE);
}

Test(clock, other_thread_wakes_main_loop, .timeout = 10)
{
    LoopTest t = {0};
    g_rec_mutex_init(&t.lock);
    t.clock = clock_new(count_lock, count_unlock, &t.lock);
    t.loop = g_main_loop_new(NULL, FALSE);
    t.timer = timer_new(t.clock, loop_fire, &t);
    Timer *late = timer_new(t.clock, loop_fire, &t);
    clock_attach_main_loop(t.clock);
    clock_start(t.clock);
    timer_arm(late, 3600 * NS_PER_SEC);
    GThread *thread = g_thread_new("arm", loop_arm_from_thread, &t);
    g_main_loop_run(t.loop);
    g_thread_join(thread);
    cr_assert_geq(t.fired_at, t.deadline);
    timer_free(t.timer);
    timer_free(late);
    clock_free(t.clock);
    g_main_loop_unref(t.loop);
}

static gboolean loop_quit(void *opaque)
{
    g_main_loop_quit(opaque);
    return G_SOURCE_REMOVE;
}

Test(clock, stopped_clock_fires_nothing, .timeout = 10)
{
    LoopTest t = {0};
    g_rec_mutex_init(&t.lock);
    t.clock = clock_new(count_lock, count_unlock, &t.lock);
    t.loop = g_main_loop_new(NULL, FALSE);
    t.timer = timer_new(t.clock, loop_fire, &t);
    clock_attach_main_loop(t.clock);
    clock_start(t.clock);
    timer_arm(t.timer, clock_now(t.clock) + 5000000);
    clock_stop(t.clock);
    g_timeout_add(20, loop_quit, t.loop);
    g_main_loop_run(t.loop);
    cr_assert_eq(t.fired_at, 0);
    clock_start(t.clock);
    g_main_loop_run(t.loop);
    cr_assert_geq(t.fired_at, timer_deadline(t.timer));
    timer_free(t.timer);
    clock_free(t.clock);
    g_main_loop_unref(t.loop);
}

typedef struct {
    bool answers;
    unsigned set, reminded;
} FakeAlarm;

static bool fake_alarm_set(void *opaque, int64_t host_ns)
{
    FakeAlarm *alarm = opaque;
    alarm->set++;
    return alarm->answers;
}

static bool fake_alarm_remind(void *opaque)
{
    FakeAlarm *alarm = opaque;
    alarm->reminded += alarm->answers;
    return alarm->answers;
}

/* Timers reach the guest's memory: while somebody else is there to fire them, the main loop does not, and
 * does not spin either. */
Test(clock, main_loop_leaves_timers_to_the_alarm, .timeout = 10)
{
    LoopTest t = {0};
    FakeAlarm fake = {.answers = true};
    const ClockAlarm alarm = {fake_alarm_set, fake_alarm_remind, &fake};
    g_rec_mutex_init(&t.lock);
    t.clock = clock_new(count_lock, count_unlock, &t.lock);
    clock_set_alarm(t.clock, &alarm);
    t.loop = g_main_loop_new(NULL, FALSE);
    t.timer = timer_new(t.clock, loop_fire, &t);
    clock_attach_main_loop(t.clock);
    clock_start(t.clock);
    timer_arm(t.timer, 1000000);
    g_timeout_add(400, loop_quit, t.loop);
    g_main_loop_run(t.loop);
    cr_assert_eq(t.fired_at, 0);
    cr_assert_gt(fake.reminded, 0);
    cr_assert_leq(fake.reminded, 8);
    fake.answers = false; /* the other one has left */
    clock_set_anew(t.clock);
    g_main_loop_run(t.loop);
    cr_assert_geq(t.fired_at, 1000000);
    timer_free(t.timer);
    clock_free(t.clock);
    g_main_loop_unref(t.loop);
}
