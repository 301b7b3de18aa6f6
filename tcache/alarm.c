/* SPDX-License-Identifier: MIT
 * Timers fire on the vCPU thread while it runs the guest: a signal breaks it out of translated code.
 * Another thread would have to be woken for that, and then to stop this one. */
#include "tcache/engine-priv.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

struct Alarm {
    EngineTimers timers;
    timer_t timer;
    pid_t thread;        /* that its signal goes to; 0: there is none yet */
    atomic_bool active;  /* that thread is in engine_run */
    _Atomic int64_t due; /* host ns that it is set for; INT64_MAX: none */
    bool firing;         /* the vCPU thread runs timers */
};

static __thread Engine *engine_of_thread; /* whose guest it runs, if timers are its */

void engine_set_timers(Engine *engine, const EngineTimers *timers)
{
    engine->alarm = g_new0(Alarm, 1);
    engine->alarm->timers = *timers;
}

void alarm_free(Alarm *alarm)
{
    if (alarm && alarm->thread)
        timer_delete(alarm->timer);
    g_free(alarm);
}

/* Wherever the vCPU thread is: no lock may be taken. A wait for the engine's condition ends at that time
 * by itself. */
static void on_alarm(int sig)
{
    const int saved = errno;
    Engine *engine = engine_of_thread;
    if (engine) {
        atomic_store(&engine->alarm->due, INT64_MAX);
        engine_break_out(engine, ATTENTION_TIMERS);
    }
    errno = saved;
}

/* SIGALRM, because debuggers pass it on without a word. */
static void make_timer(Alarm *alarm)
{
    if (alarm->thread == gettid())
        return;
    if (alarm->thread)
        timer_delete(alarm->timer);
    alarm->thread = gettid();
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    event._sigev_un._tid = alarm->thread;
    if (timer_create(CLOCK_MONOTONIC, &event, &alarm->timer) < 0)
        g_error("timer_create: %s", g_strerror(errno));
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
}

void alarm_begin(Engine *engine)
{
    Alarm *alarm = engine->alarm;
    if (!alarm)
        return;
    make_timer(alarm);
    engine_of_thread = engine;
    atomic_store(&alarm->active, true);
    alarm_fire(engine);
}

void alarm_end(Engine *engine)
{
    Alarm *alarm = engine->alarm;
    if (!alarm)
        return;
    atomic_store(&alarm->active, false);
    engine_of_thread = NULL;
    alarm->timers.set_anew(alarm->timers.opaque);
}

bool engine_set_alarm(Engine *engine, int64_t host_ns)
{
    Alarm *alarm = engine->alarm;
    if (!atomic_load(&alarm->active))
        return false;
    if (host_ns >= atomic_load(&alarm->due))
        return true;
    atomic_store(&alarm->due, host_ns);
    const struct itimerspec spec = {.it_value = {host_ns / NS_PER_S, host_ns % NS_PER_S}};
    if (timer_settime(alarm->timer, TIMER_ABSTIME, &spec, NULL) < 0)
        g_error("timer_settime: %s", g_strerror(errno));
    return true;
}

bool engine_remind_alarm(Engine *engine)
{
    Alarm *alarm = engine->alarm;
    if (!atomic_load(&alarm->active))
        return false;
    engine_request_attention(engine, ATTENTION_TIMERS);
    return true;
}

int64_t alarm_due(const Engine *engine)
{
    return engine->alarm ? atomic_load(&engine->alarm->due) : INT64_MAX;
}

void alarm_fire(Engine *engine)
{
    Alarm *alarm = engine->alarm;
    atomic_store(&alarm->due, INT64_MAX); /* not set anew while the clock stands still */
    alarm->firing = true;
    alarm->timers.run(alarm->timers.opaque);
    alarm->firing = false;
}

bool alarm_is_firing(const Engine *engine)
{
    return engine->alarm && engine->alarm->firing;
}
