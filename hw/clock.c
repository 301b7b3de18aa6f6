/* SPDX-License-Identifier: MIT
 * Timers lie in a binary heap ordered by (deadline, arming order). `mutex` guards
 * the heap and the time base; it is a leaf: no callback runs below it. Arming,
 * cancelling and firing all hold the io lock, so a cancelled timer never fires. */
#include "hw/clock.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { FIRE_MAX = 4096 }; /* per dispatch: a timer re-armed in the past must not hold the loop */
#define LATE_NS 200000    /* the main loop should have been there by then */
#define TRUST_NS 50000000 /* the main loop gives the alarm so long before it reminds it */

struct Timer {
    Clock *clock;
    TimerFn fn;
    void *opaque;
    int64_t deadline;
    uint64_t order;
    guint slot; /* 1-based place in the heap; 0: disarmed */
};

struct Clock {
    GMutex mutex;
    GPtrArray *heap; /* [0] unused, children of i at 2i and 2i+1 */
    uint64_t next_order;
    bool fake;
    bool running;
    int64_t base;       /* clock ns at host_base; the time itself while stopped or fake */
    int64_t host_base;  /* CLOCK_MONOTONIC at the last start */
    int fd;             /* timerfd, -1 until attached */
    int64_t programmed; /* host ns the timerfd is set to; INT64_MAX: none */
    GSource *source;
    void (*lock)(void *);
    void (*unlock)(void *);
    void *lock_opaque;
    ClockCounter counter; /* now NULL: the host's time */
    ClockAlarm alarm;     /* set NULL: the main loop does it */
};

typedef struct {
    GSource source;
    Clock *clock;
} ClockSource;

static int64_t host_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t add_saturated(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

/* ---- heap; mutex held ---- */

static Timer *heap_at(const Clock *clock, guint slot)
{
    return g_ptr_array_index(clock->heap, slot);
}

static Timer *heap_first(const Clock *clock)
{
    return clock->heap->len > 1 ? heap_at(clock, 1) : NULL;
}

static bool timer_before(const Timer *a, const Timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

static void heap_place(Clock *clock, guint slot, Timer *timer)
{
    g_ptr_array_index(clock->heap, slot) = timer;
    timer->slot = slot;
}

static void heap_sift(Clock *clock, guint slot, Timer *timer)
{
    while (slot > 1 && timer_before(timer, heap_at(clock, slot / 2))) {
        heap_place(clock, slot, heap_at(clock, slot / 2));
        slot /= 2;
    }
    for (guint child; (child = 2 * slot) < clock->heap->len; slot = child) {
        if (child + 1 < clock->heap->len &&
            timer_before(heap_at(clock, child + 1), heap_at(clock, child)))
            child++;
        if (!timer_before(heap_at(clock, child), timer))
            break;
        heap_place(clock, slot, heap_at(clock, child));
    }
    heap_place(clock, slot, timer);
}

static void heap_remove(Clock *clock, Timer *timer)
{
    guint slot = timer->slot;
    if (slot == 0)
        return;
    Timer *last = heap_at(clock, clock->heap->len - 1);
    g_ptr_array_set_size(clock->heap, (int)clock->heap->len - 1);
    timer->slot = 0;
    if (last != timer)
        heap_sift(clock, slot, last);
}

static void heap_insert(Clock *clock, Timer *timer)
{
    timer->order = clock->next_order++;
    g_ptr_array_add(clock->heap, timer);
    heap_sift(clock, clock->heap->len - 1, timer);
}

/* ---- time base; mutex held ---- */

static int64_t now_locked(const Clock *clock)
{
    if (clock->counter.now)
        return clock->counter.now(clock->counter.opaque);
    return clock->running ? clock->base + (host_now() - clock->host_base) : clock->base;
}

/* Set the timerfd if the earliest timer is due before what it is set to. A later
 * earliest timer is left to a spurious wake-up, which saves a system call for each
 * re-arm. This wakes the main loop from any thread: poll() watches the timerfd. */
static void program_locked(Clock *clock)
{
    Timer *first = heap_first(clock);
    if (clock->fd < 0 || !clock->running || !first)
        return;
    int64_t host = add_saturated(first->deadline, clock->host_base - clock->base);
    host = MAX(host, 1); /* 0 would disarm */
    if (clock->alarm.set && clock->alarm.set(clock->alarm.opaque, host))
        host = add_saturated(MAX(host, host_now()), TRUST_NS);
    if (host >= clock->programmed)
        return;
    struct itimerspec spec = {.it_value = {host / NS_PER_SEC, host % NS_PER_SEC}};
    if (timerfd_settime(clock->fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
        g_error("timerfd_settime: %s", g_strerror(errno));
    clock->programmed = host;
}

/* ---- clock ---- */

static Clock *clock_alloc(void)
{
    Clock *clock = g_new0(Clock, 1);
    g_mutex_init(&clock->mutex);
    clock->heap = g_ptr_array_new();
    g_ptr_array_add(clock->heap, NULL);
    clock->fd = -1;
    clock->programmed = INT64_MAX;
    return clock;
}

Clock *clock_new(void (*lock)(void *), void (*unlock)(void *), void *lock_opaque)
{
    Clock *clock = clock_alloc();
    clock->lock = lock;
    clock->unlock = unlock;
    clock->lock_opaque = lock_opaque;
    return clock;
}

Clock *clock_new_fake(void)
{
    Clock *clock = clock_alloc();
    clock->fake = true;
    return clock;
}

void clock_free(Clock *clock)
{
    if (!clock)
        return;
    if (clock->source) {
        g_source_destroy(clock->source);
        g_source_unref(clock->source);
        close(clock->fd);
    }
    g_ptr_array_free(clock->heap, TRUE);
    g_mutex_clear(&clock->mutex);
    g_free(clock);
}

int64_t clock_now(Clock *clock)
{
    g_mutex_lock(&clock->mutex);
    int64_t now = now_locked(clock);
    g_mutex_unlock(&clock->mutex);
    return now;
}

void clock_start(Clock *clock)
{
    g_mutex_lock(&clock->mutex);
    if (!clock->fake && !clock->running) {
        clock->host_base = host_now();
        clock->running = true;
        clock->programmed = INT64_MAX; /* host times moved: set the timerfd anew */
        program_locked(clock);
    }
    g_mutex_unlock(&clock->mutex);
}

void clock_stop(Clock *clock)
{
    g_mutex_lock(&clock->mutex);
    clock->base = now_locked(clock);
    clock->running = false;
    g_mutex_unlock(&clock->mutex);
}

int64_t clock_first_deadline(Clock *clock)
{
    g_mutex_lock(&clock->mutex);
    const Timer *first = heap_first(clock);
    const int64_t deadline = first ? first->deadline : INT64_MAX;
    g_mutex_unlock(&clock->mutex);
    return deadline;
}

bool clock_is_counted(const Clock *clock)
{
    return clock->counter.now != NULL;
}

void clock_set_counter(Clock *clock, const ClockCounter *counter)
{
    clock->counter = *counter;
}

void clock_set_alarm(Clock *clock, const ClockAlarm *alarm)
{
    clock->alarm = *alarm;
}

void clock_set_anew(Clock *clock)
{
    g_mutex_lock(&clock->mutex);
    clock->programmed = INT64_MAX;
    program_locked(clock);
    g_mutex_unlock(&clock->mutex);
}

/* ---- timers ---- */

Timer *timer_new(Clock *clock, TimerFn fn, void *opaque)
{
    Timer *timer = g_new0(Timer, 1);
    timer->clock = clock;
    timer->fn = fn;
    timer->opaque = opaque;
    return timer;
}

void timer_free(Timer *timer)
{
    if (!timer)
        return;
    timer_cancel(timer);
    g_free(timer);
}

void timer_arm(Timer *timer, int64_t deadline_ns)
{
    Clock *clock = timer->clock;
    g_mutex_lock(&clock->mutex);
    heap_remove(clock, timer);
    timer->deadline = deadline_ns;
    heap_insert(clock, timer);
    program_locked(clock);
    const bool first = heap_first(clock) == timer;
    g_mutex_unlock(&clock->mutex);
    if (first && clock->counter.now)
        clock->counter.earliest(clock->counter.opaque);
}

void timer_cancel(Timer *timer)
{
    g_mutex_lock(&timer->clock->mutex);
    heap_remove(timer->clock, timer);
    g_mutex_unlock(&timer->clock->mutex);
}

bool timer_armed(const Timer *timer)
{
    return timer->slot != 0;
}

int64_t timer_deadline(const Timer *timer)
{
    return timer->deadline;
}

/* ---- firing ---- */

/* Take the first timer due by `limit` off the heap; a fake clock moves to it. */
static Timer *take_due(Clock *clock, int64_t limit)
{
    g_mutex_lock(&clock->mutex);
    Timer *timer = heap_first(clock);
    if (timer && timer->deadline <= limit &&
        (clock->fake || clock->running || clock->counter.now)) {
        heap_remove(clock, timer);
        if (clock->fake)
            clock->base = MAX(clock->base, timer->deadline);
    } else {
        timer = NULL;
    }
    g_mutex_unlock(&clock->mutex);
    return timer;
}

static bool is_due(Clock *clock, int64_t limit)
{
    g_mutex_lock(&clock->mutex);
    const Timer *first = heap_first(clock);
    const bool due = first && first->deadline <= limit;
    g_mutex_unlock(&clock->mutex);
    return due;
}

/* May the main loop's thread fire what is due? Asked for each callback, with the lock held. */
static bool main_loop_fires(Clock *clock, int64_t limit)
{
    return !clock->alarm.set || (is_due(clock, limit) && !clock->alarm.remind(clock->alarm.opaque));
}

/* The lock is dropped between callbacks, so that the vCPU thread waits for one at most. */
static bool fire_one(Clock *clock, int64_t limit, bool on_main_loop)
{
    if (clock->lock)
        clock->lock(clock->lock_opaque);
    Timer *timer = NULL;
    if (!on_main_loop || main_loop_fires(clock, limit))
        timer = take_due(clock, limit);
    if (timer)
        timer->fn(timer->opaque);
    if (clock->unlock)
        clock->unlock(clock->lock_opaque);
    return timer != NULL;
}

void clock_fake_advance(Clock *clock, int64_t ns)
{
    g_assert(clock->fake && ns >= 0);
    int64_t end = add_saturated(clock->base, ns);
    while (fire_one(clock, end, false))
        ;
    g_mutex_lock(&clock->mutex);
    clock->base = MAX(clock->base, end);
    g_mutex_unlock(&clock->mutex);
}

int64_t clock_now_on_time(Clock *clock)
{
    g_mutex_lock(&clock->mutex);
    const int64_t now = now_locked(clock);
    const Timer *first = heap_first(clock);
    const bool late = clock->running && !clock->counter.now && first && now - first->deadline > LATE_NS;
    g_mutex_unlock(&clock->mutex);
    for (unsigned n = 0; late && n < FIRE_MAX && fire_one(clock, now, false); n++)
        ;
    return now;
}

static void run_due(Clock *clock, bool on_main_loop)
{
    const int64_t limit = clock_now(clock);
    for (unsigned n = 0; n < FIRE_MAX && fire_one(clock, limit, on_main_loop); n++)
        ;
}

void clock_run_due(Clock *clock)
{
    run_due(clock, false);
    g_mutex_lock(&clock->mutex);
    program_locked(clock);
    g_mutex_unlock(&clock->mutex);
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    Clock *clock = ((ClockSource *)source)->clock;
    uint64_t expirations;
    if (read(clock->fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
        g_error("timerfd: %s", g_strerror(errno));
    run_due(clock, true);
    clock_set_anew(clock);
    return G_SOURCE_CONTINUE;
}

void clock_attach_main_loop(Clock *clock)
{
    static GSourceFuncs funcs = {.dispatch = source_dispatch};
    if (clock->counter.now)
        return;
    g_assert(!clock->fake && !clock->source);
    clock->source = g_source_new(&funcs, sizeof(ClockSource));
    ((ClockSource *)clock->source)->clock = clock;
    g_mutex_lock(&clock->mutex);
    clock->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (clock->fd < 0)
        g_error("timerfd_create: %s", g_strerror(errno));
    program_locked(clock);
    g_mutex_unlock(&clock->mutex);
    g_source_add_unix_fd(clock->source, clock->fd, G_IO_IN);
    g_source_attach(clock->source, NULL);
}
