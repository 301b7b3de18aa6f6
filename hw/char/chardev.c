/* SPDX-License-Identifier: MIT
 * Chardev core: finds the back end a spec names, joins it to its front ends, and
 * the back ends that need no host (null, memory). */
#include "hw/char/chardev-priv.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void null_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
}

static const ChardevBackend backend_null = {.name = "null", .write = null_write};
static const ChardevBackend backend_none = {.name = "none", .write = null_write};

static const ChardevBackend *const backends[] = {
    &chardev_backend_stdio, &backend_null,         &backend_none,        &chardev_backend_file,
    &chardev_backend_pty,   &chardev_backend_pipe, &chardev_backend_tcp, &chardev_backend_unix,
};

void chardev_lock(Chardev *chardev)
{
    if (chardev->lock)
        chardev->lock(chardev->lock_opaque);
}

void chardev_unlock(Chardev *chardev)
{
    if (chardev->unlock)
        chardev->unlock(chardev->lock_opaque);
}

static const ChardevBackend *find_backend(const char *spec, const char **argument, GError **error)
{
    const char *colon = strchr(spec, ':');
    size_t length = colon ? (size_t)(colon - spec) : strlen(spec);
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++) {
        const ChardevBackend *backend = backends[i];
        if (strlen(backend->name) != length || strncmp(spec, backend->name, length) != 0)
            continue;
        if (backend->takes_argument != (colon && colon[1])) {
            g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "'%s': '%s' takes %s argument",
                        spec, backend->name, backend->takes_argument ? "an" : "no");
            return NULL;
        }
        *argument = colon ? colon + 1 : NULL;
        return backend;
    }
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                "unknown character device '%s' (known: stdio, mon:stdio, null, none, file:PATH, "
                "pty, pipe:PATH, tcp:HOST:PORT, unix:PATH)",
                spec);
    return NULL;
}

Chardev *chardev_open(const char *spec, void (*lock)(void *), void (*unlock)(void *),
                      void *lock_opaque, GError **error)
{
    if (g_str_has_prefix(spec, "mon:"))
        spec += strlen("mon:"); /* the caller makes the mux */
    const char *argument;
    const ChardevBackend *backend = find_backend(spec, &argument, error);
    if (!backend)
        return NULL;
    Chardev *chardev = g_new0(Chardev, 1);
    chardev->backend = backend;
    chardev->lock = lock;
    chardev->unlock = unlock;
    chardev->lock_opaque = lock_opaque;
    chardev->open = true; /* sockets and ptys say otherwise */
    if (backend->open && !backend->open(chardev, argument, error)) {
        g_free(chardev);
        return NULL;
    }
    return chardev;
}

const char *chardev_filename(const Chardev *chardev, const char *spec)
{
    return chardev->filename ? chardev->filename : spec;
}

void chardev_announce(const Chardev *chardev, const char *label)
{
    if (!chardev->filename)
        return;
    printf("char device redirected to %s (label %s)\n", strchr(chardev->filename, ':') + 1, label);
    fflush(stdout);
}

void chardev_free(Chardev *chardev)
{
    if (!chardev)
        return;
    chardev->front_count = 0; /* they may have gone before */
    chardev->hold = NULL;
    if (chardev->backend->close)
        chardev->backend->close(chardev);
    chardev_mux_free(chardev->mux);
    g_free(chardev->filename);
    if (chardev->log)
        fclose(chardev->log);
    g_free(chardev->tap);
    g_free(chardev);
}

int chardev_attach(Chardev *chardev, const ChardevHandler *handler, void *opaque)
{
    g_assert(chardev->front_count < (chardev->mux ? CHARDEV_FRONTS : 1));
    unsigned front = chardev->front_count++;
    static const ChardevHandler output_only = {0};
    chardev->fronts[front] = (ChardevFront){handler ? handler : &output_only, opaque};
    if (chardev->open)
        chardev_front_event(chardev, front, CHARDEV_OPENED);
    chardev_accept_input(chardev);
    return (int)front;
}

size_t chardev_inject(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    size_t take = MIN(count, chardev_front_room(chardev, 0));
    chardev_front_receive(chardev, 0, bytes, take);
    return take;
}

void chardev_keep_signals(Chardev *chardev, bool keep)
{
    if (chardev->interactive)
        chardev_terminal_set_raw(keep);
}

bool chardev_keep_log(Chardev *chardev, const char *path, bool append, GError **error)
{
    chardev->log = fopen(path, append ? "ae" : "we");
    if (!chardev->log) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot open '%s': %s", path,
                    g_strerror(errno));
        return false;
    }
    setvbuf(chardev->log, NULL, _IONBF, 0);
    return true;
}

/* Tap */

void chardev_keep_tap(Chardev *chardev)
{
    if (!chardev->tap)
        chardev->tap = g_malloc(CHARDEV_TAP_BYTES);
}

bool chardev_is_tapped(const Chardev *chardev)
{
    return chardev->tap != NULL;
}

uint64_t chardev_tap_total(const Chardev *chardev)
{
    return chardev->tap_total;
}

static void tap_append(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        chardev->tap[chardev->tap_total++ % CHARDEV_TAP_BYTES] = bytes[i];
}

GString *chardev_tap_read(const Chardev *chardev, uint64_t *from)
{
    uint64_t total = chardev->tap_total;
    uint64_t first = total - MIN(total, CHARDEV_TAP_BYTES);
    *from = CLAMP(*from, first, total);
    GString *text = g_string_sized_new(total - *from + 1);
    for (uint64_t at = *from; at < total; at++)
        g_string_append_c(text, (char)chardev->tap[at % CHARDEV_TAP_BYTES]);
    return text;
}

bool chardev_is_open(const Chardev *chardev)
{
    return chardev->open;
}

void chardev_write(Chardev *chardev, int front, const uint8_t *bytes, size_t count)
{
    g_assert(front >= 0 && (unsigned)front < chardev->front_count);
    if (chardev->tap && front == 0)
        tap_append(chardev, bytes, count);
    if (chardev->log)
        fwrite(bytes, 1, count, chardev->log);
    if (chardev->mux)
        chardev_mux_write(chardev, bytes, count);
    else
        chardev->backend->write(chardev, bytes, count);
}

bool chardev_is_full(const Chardev *chardev)
{
    return chardev->full;
}

void chardev_set_hold(Chardev *chardev, ChardevHold hold, void *opaque)
{
    chardev->hold = hold;
    chardev->hold_opaque = opaque;
}

bool chardev_holds(const Chardev *chardev)
{
    return chardev->holding;
}

void chardev_accept_input(Chardev *chardev)
{
    if (chardev->mux)
        chardev_mux_accept_input(chardev);
    if (chardev->backend->accept_input && chardev_room(chardev) > 0)
        chardev->backend->accept_input(chardev);
}

/* Front ends */

size_t chardev_front_room(Chardev *chardev, unsigned front)
{
    if (front >= chardev->front_count)
        return 0;
    const ChardevFront *f = &chardev->fronts[front];
    return f->handler->can_receive ? f->handler->can_receive(f->opaque) : CHARDEV_READ_CHUNK;
}

void chardev_front_receive(Chardev *chardev, unsigned front, const uint8_t *bytes, size_t count)
{
    const ChardevFront *f = &chardev->fronts[front];
    if (front < chardev->front_count && f->handler->receive && count > 0)
        f->handler->receive(f->opaque, bytes, count);
}

void chardev_front_event(Chardev *chardev, unsigned front, ChardevEvent event)
{
    const ChardevFront *f = &chardev->fronts[front];
    if (front < chardev->front_count && f->handler->event)
        f->handler->event(f->opaque, event);
}

/* Back ends */

size_t chardev_room(Chardev *chardev)
{
    return chardev->mux ? chardev_mux_room(chardev) : chardev_front_room(chardev, 0);
}

void chardev_deliver(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    if (chardev->mux)
        chardev_mux_deliver(chardev, bytes, count);
    else
        chardev_front_receive(chardev, 0, bytes, count);
}

void chardev_notify(Chardev *chardev, ChardevEvent event)
{
    if (event == CHARDEV_OPENED)
        chardev->open = true;
    else if (event == CHARDEV_CLOSED)
        chardev->open = false;
    for (unsigned i = 0; i < chardev->front_count; i++)
        chardev_front_event(chardev, i, event);
}

static void set_holding(Chardev *chardev, bool holding)
{
    if (!chardev->hold || holding == chardev->holding)
        return;
    chardev->holding = holding;
    chardev->hold(chardev->hold_opaque, holding);
}

void chardev_note_queue(Chardev *chardev, size_t bytes)
{
    if (bytes >= CHARDEV_QUEUE_HOLD)
        set_holding(chardev, true);
    if (bytes >= CHARDEV_QUEUE_FULL)
        chardev->full = true;
    if (!chardev->full || bytes > CHARDEV_QUEUE_FULL / 2)
        return;
    chardev->full = false;
    set_holding(chardev, false);
    for (unsigned i = 0; i < chardev->front_count; i++)
        chardev_front_event(chardev, i, CHARDEV_DRAINED);
}

/* Memory back end */

typedef struct {
    GString *output;
    GByteArray *input; /* fed, not yet taken */
} MemoryState;

static void memory_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    MemoryState *memory = chardev->state;
    g_string_append_len(memory->output, (const char *)bytes, (gssize)count);
}

static void memory_accept_input(Chardev *chardev)
{
    MemoryState *memory = chardev->state;
    while (memory->input->len > 0) {
        uint8_t chunk[256];
        size_t count = MIN(chardev_room(chardev), MIN(memory->input->len, sizeof(chunk)));
        if (count == 0)
            return;
        memcpy(chunk, memory->input->data, count);
        g_byte_array_remove_range(memory->input, 0, (guint)count);
        chardev_deliver(chardev, chunk, count);
    }
}

static void memory_close(Chardev *chardev)
{
    MemoryState *memory = chardev->state;
    g_string_free(memory->output, TRUE);
    g_byte_array_free(memory->input, TRUE);
    g_free(memory);
}

static const ChardevBackend backend_memory = {.name = "memory",
                                              .write = memory_write,
                                              .accept_input = memory_accept_input,
                                              .close = memory_close};

Chardev *chardev_new_memory(void)
{
    MemoryState *memory = g_new0(MemoryState, 1);
    memory->output = g_string_new(NULL);
    memory->input = g_byte_array_new();
    Chardev *chardev = g_new0(Chardev, 1);
    chardev->backend = &backend_memory;
    chardev->state = memory;
    chardev->open = true;
    return chardev;
}

GString *chardev_memory_output(Chardev *chardev)
{
    g_assert(chardev->backend == &backend_memory);
    return ((MemoryState *)chardev->state)->output;
}

void chardev_memory_feed(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    g_assert(chardev->backend == &backend_memory);
    g_byte_array_append(((MemoryState *)chardev->state)->input, bytes, (guint)count);
    chardev_accept_input(chardev);
}
