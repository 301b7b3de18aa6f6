/* SPDX-License-Identifier: MIT
 * PAUSE in a loop: the guest waits for time to pass, a device or an interrupt, since there is no other
 * CPU. The host has better things to do meanwhile (SDM 3C "PAUSE-loop exiting" is the same idea). */
#include "tcache/engine-priv.h"

/* So many PAUSEs within so short a time are a loop; short delays are over before that. A wait is short
 * too, so that a delay of the guest ends not much later than it should. */
enum { SPIN_PAUSES = 64, SPIN_US = 30, WAIT_US = 50, AGAIN_PAUSES = 8 };

static void wait_for_attention(Engine *engine)
{
    const gint64 until = g_get_monotonic_time() + WAIT_US;
    g_mutex_lock(&engine->lock);
    if (!atomic_load(&engine->vcpu->attention))
        g_cond_wait_until(&engine->wake, &engine->lock, until);
    g_mutex_unlock(&engine->lock);
    engine->cache.counters.relaxed++;
}

void engine_relax(VCpu *vcpu)
{
    Engine *engine = vcpu->engine;
    if (++engine->pauses < SPIN_PAUSES || engine->icount || engine->check)
        return;
    const int64_t now = g_get_monotonic_time();
    const bool spins = now - engine->pauses_from <= SPIN_US;
    engine->pauses = 0;
    if (spins) {
        wait_for_attention(engine);
        engine->pauses = SPIN_PAUSES - AGAIN_PAUSES;
    }
    engine->pauses_from = g_get_monotonic_time();
}
