/* SPDX-License-Identifier: MIT
 * Keys on their way to the guest. The 8042 tells when the guest has read the last
 * one; until then the next one waits. */
#include "monitor/keys.h"

enum { POLL_MS = 4, PATIENCE_MS = 10000, EVENTS_MAX = 65536 };

typedef struct {
    unsigned scancode;
    bool down;
    unsigned wait_ms; /* at least that long after the event before */
} KeyEvent;

struct KeyQueue {
    Machine *machine;
    GArray *events;  /* of KeyEvent */
    guint next;      /* the first that is not sent */
    guint source;    /* 0: nothing to do */
    int64_t last_us; /* when something was sent, or the machine did not run */
    bool dropped;
};

static KeyQueue *queue_of(Machine *machine)
{
    if (!machine->keys) {
        machine->keys = g_new0(KeyQueue, 1);
        machine->keys->machine = machine;
        machine->keys->events = g_array_new(FALSE, FALSE, sizeof(KeyEvent));
    }
    return machine->keys;
}

static gboolean finish(KeyQueue *queue, bool dropped)
{
    queue->source = 0;
    queue->next = 0;
    queue->dropped = dropped;
    g_array_set_size(queue->events, 0);
    return G_SOURCE_REMOVE;
}

/* Has the guest read the last key? Then send the next one, if there is one. */
static bool send_next(KeyQueue *queue, const KeyEvent *event)
{
    AddressSpace *as = queue->machine->as;
    address_space_lock(as);
    I8042 *keyboard = pc_keyboard(queue->machine->pc);
    bool ready = !i8042_key_pending(keyboard);
    if (ready && event)
        i8042_key(keyboard, event->scancode, event->down);
    address_space_unlock(as);
    return ready;
}

static gboolean poll_keyboard(gpointer opaque)
{
    KeyQueue *queue = opaque;
    Machine *machine = queue->machine;
    int64_t now = g_get_monotonic_time();
    if (!machine->running(machine)) {
        queue->last_us = now;
        return G_SOURCE_CONTINUE;
    }
    const KeyEvent *event = queue->next < queue->events->len
                                ? &g_array_index(queue->events, KeyEvent, queue->next)
                                : NULL; /* the last one is to be read */
    int64_t wait_ms = event ? event->wait_ms : 0;
    int64_t waited_ms = (now - queue->last_us) / 1000;
    if (waited_ms >= wait_ms && send_next(queue, event)) {
        if (!event)
            return finish(queue, false);
        queue->last_us = now;
        queue->next++;
    } else if (waited_ms > wait_ms + PATIENCE_MS) {
        return finish(queue, true);
    }
    return G_SOURCE_CONTINUE;
}

static void push(KeyQueue *queue, unsigned scancode, bool down, unsigned wait_ms)
{
    KeyEvent event = {scancode, down, wait_ms};
    g_array_append_val(queue->events, event);
}

bool key_queue_push(Machine *machine, const KeyCombination *keys, unsigned hold_ms)
{
    KeyQueue *queue = queue_of(machine);
    if (queue->events->len + 2 * keys->count > EVENTS_MAX)
        return false;
    for (unsigned i = 0; i < keys->count; i++)
        push(queue, keys->scancode[i], true, 0);
    for (unsigned i = keys->count; i-- > 0;)
        push(queue, keys->scancode[i], false, i + 1 == keys->count ? hold_ms : 0);
    if (!queue->source) {
        queue->dropped = false;
        queue->last_us = g_get_monotonic_time();
        queue->source = g_timeout_add(POLL_MS, poll_keyboard, queue);
    }
    return true;
}

KeyQueueState key_queue_state(const Machine *machine)
{
    const KeyQueue *queue = machine->keys;
    if (!queue || (!queue->source && !queue->dropped))
        return KEYS_READ;
    return queue->source ? KEYS_WAITING : KEYS_DROPPED;
}

void key_queue_free(KeyQueue *queue)
{
    if (!queue)
        return;
    if (queue->source)
        g_source_remove(queue->source);
    g_array_free(queue->events, TRUE);
    g_free(queue);
}
