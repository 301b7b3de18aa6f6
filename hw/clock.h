/* SPDX-License-Identifier: MIT
 * The one guest clock. Every device, the TSC and the APIC timer read it; none
 * reads the host's. It counts nanoseconds while the machine runs and stands
 * still while it is stopped. Timer callbacks run on the main-loop thread, or on that
 * of whoever calls clock_run_due or clock_now_on_time, with the io lock held. */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Clock Clock;
typedef struct Timer Timer;
typedef void (*TimerFn)(void *opaque);

#define NS_PER_SEC INT64_C(1000000000)

/* Muldiv without overflow: a * b / c. */
static inline int64_t muldiv64(int64_t a, uint32_t b, uint32_t c)
{
    return (int64_t)((__int128)a * b / c);
}

/* lock/unlock: taken around callbacks (the io lock). */
Clock *clock_new(void (*lock)(void *), void (*unlock)(void *), void *lock_opaque);
/* A clock that only clock_fake_advance moves, firing timers on the way: device tests. */
Clock *clock_new_fake(void);
void clock_fake_advance(Clock *clock, int64_t ns);
void clock_free(Clock *clock);
/* Where a counted clock gets its time from. earliest: a timer was armed that is the first now; any
 * thread, the io lock held by whoever armed it. */
typedef struct {
    int64_t (*now)(void *opaque);
    void (*earliest)(void *opaque);
    void *opaque;
} ClockCounter;
/* From now on (nothing is armed yet, no main loop attached) somebody else counts: clock_run_due
 * fires timers, on its caller's thread, and nothing else does. */
void clock_set_counter(Clock *clock, const ClockCounter *counter);
void clock_run_due(Clock *clock);
bool clock_is_counted(const Clock *clock);

/* Somebody who calls clock_run_due at a time (host's CLOCK_MONOTONIC ns), or before it; false: not now,
 * the main loop has to. Any thread, one at a time, with the clock's lock held: it may not call back. */
typedef struct {
    bool (*set)(void *opaque, int64_t host_ns);
    bool (*remind)(void *opaque); /* timers are late: the same for now, even if it was set before */
    void *opaque;
} ClockAlarm;
/* From now on (nothing is armed yet) the alarm is set for timers. Where it answers, the main loop fires
 * none: devices reach the guest's memory on its own thread only, while its code runs. */
void clock_set_alarm(Clock *clock, const ClockAlarm *alarm);
/* The alarm's answers may be others now. */
void clock_set_anew(Clock *clock);

int64_t clock_now(Clock *clock); /* ns since start; any thread; never goes back */
/* The same for a guest that watches the time pass: it sees no time before the timers due well before
 * it have fired, here if the main loop's thread does not get to run. io lock held or not. */
int64_t clock_now_on_time(Clock *clock);
void clock_start(Clock *clock);  /* starts stopped */
void clock_stop(Clock *clock);

/* A timer belongs to its clock's user: free it before the clock. Disarmed at first.
 * arm: absolute deadline in clock ns; re-arming replaces. Any thread, io lock held. */
Timer *timer_new(Clock *clock, TimerFn fn, void *opaque);
void timer_free(Timer *timer);
void timer_arm(Timer *timer, int64_t deadline_ns);
void timer_cancel(Timer *timer);
bool timer_armed(const Timer *timer);
int64_t timer_deadline(const Timer *timer);

/* Attach to the GLib default main context: from then on timers fire there. */
void clock_attach_main_loop(Clock *clock);
/* When the earliest armed timer is due (INT64_MAX: there is none). */
int64_t clock_first_deadline(Clock *clock);

#endif
