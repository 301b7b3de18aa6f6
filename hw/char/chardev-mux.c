/* SPDX-License-Identifier: MIT
 * Several front ends on one back end: the escape key chooses who gets the keyboard
 * (the keys of -nographic). Keys wait here while the focused front end is busy, so
 * that the escape key works even when the guest reads nothing. */
#include "hw/char/chardev-priv.h"

#include <string.h>

#define MUX_BUFFER 4096 /* a power of two: indices are masked */

struct ChardevMux {
    int escape;
    ChardevQuit quit;
    void *quit_opaque;
    unsigned focus;
    bool escaped; /* the escape key was pressed */
    bool timestamps;
    bool line_start;
    int64_t timestamps_since_us;
    struct {
        uint8_t bytes[MUX_BUFFER];
        unsigned head, tail; /* free running; head - tail bytes wait */
    } pending[CHARDEV_FRONTS];
};

static void mux_print(Chardev *chardev, const char *text)
{
    chardev->backend->write(chardev, (const uint8_t *)text, strlen(text));
}

static void key_help(Chardev *chardev)
{
    int escape = chardev->mux->escape;
    char name[16];
    if (escape >= 1 && escape <= 26)
        g_snprintf(name, sizeof(name), "Ctrl-%c", 'A' + escape - 1);
    else
        g_snprintf(name, sizeof(name), "char 0x%02x", (unsigned)escape);
    g_autofree char *help = g_strdup_printf("\r\n"
                                            "%s h   this help\r\n"
                                            "%s x   exit\r\n"
                                            "%s t   timestamps on or off\r\n"
                                            "%s b   send break\r\n"
                                            "%s c   switch between console and monitor\r\n"
                                            "%s %s   send %s\r\n",
                                            name, name, name, name, name, name, name, name);
    mux_print(chardev, help);
}

static void key_exit(Chardev *chardev)
{
    mux_print(chardev, "\r\n");
    if (chardev->mux->quit)
        chardev->mux->quit(chardev->mux->quit_opaque);
}

static void key_timestamps(Chardev *chardev)
{
    ChardevMux *mux = chardev->mux;
    mux->timestamps = !mux->timestamps;
    mux->timestamps_since_us = g_get_monotonic_time();
    mux->line_start = false;
}

static void key_break(Chardev *chardev)
{
    chardev_front_event(chardev, chardev->mux->focus, CHARDEV_BREAK);
}

static void key_switch(Chardev *chardev)
{
    ChardevMux *mux = chardev->mux;
    if (chardev->front_count < 2)
        return;
    mux->focus = (mux->focus + 1) % chardev->front_count;
    chardev_front_event(chardev, mux->focus, CHARDEV_FOCUS);
}

static void key_save(Chardev *chardev)
{
    mux_print(chardev, "\r\nwhat -snapshot keeps aside cannot be written to the disks\r\n");
}

static const struct {
    char key;
    void (*run)(Chardev *chardev);
} keys[] = {
    {'h', key_help},  {'?', key_help},   {'x', key_exit}, {'t', key_timestamps},
    {'b', key_break}, {'c', key_switch}, {'s', key_save},
};

static void enqueue(ChardevMux *mux, uint8_t byte)
{
    unsigned head = mux->pending[mux->focus].head;
    if (head - mux->pending[mux->focus].tail >= MUX_BUFFER)
        return; /* a person typing into a guest that does not read */
    mux->pending[mux->focus].bytes[head % MUX_BUFFER] = byte;
    mux->pending[mux->focus].head = head + 1;
}

static void drain(Chardev *chardev, unsigned front)
{
    ChardevMux *mux = chardev->mux;
    uint8_t chunk[256];
    for (;;) {
        unsigned waiting = mux->pending[front].head - mux->pending[front].tail;
        size_t room = waiting ? chardev_front_room(chardev, front) : 0;
        unsigned count = (unsigned)MIN(room, MIN(waiting, sizeof(chunk)));
        if (count == 0)
            return;
        for (unsigned i = 0; i < count; i++)
            chunk[i] = mux->pending[front].bytes[mux->pending[front].tail++ % MUX_BUFFER];
        chardev_front_receive(chardev, front, chunk, count);
    }
}

void chardev_mux_deliver(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    ChardevMux *mux = chardev->mux;
    for (size_t i = 0; i < count; i++) {
        if (!mux->escaped) {
            mux->escaped = bytes[i] == mux->escape;
            if (!mux->escaped)
                enqueue(mux, bytes[i]);
            continue;
        }
        mux->escaped = false;
        if (bytes[i] == mux->escape)
            enqueue(mux, bytes[i]);
        for (size_t k = 0; k < G_N_ELEMENTS(keys); k++)
            if (keys[k].key == (char)bytes[i])
                keys[k].run(chardev);
    }
    chardev_mux_accept_input(chardev);
}

void chardev_mux_accept_input(Chardev *chardev)
{
    for (unsigned i = 0; i < chardev->front_count; i++)
        drain(chardev, i);
}

/* With no front end, too: the keys are there, the rest waits. */
size_t chardev_mux_room(Chardev *chardev)
{
    ChardevMux *mux = chardev->mux;
    if (chardev->interactive)
        return CHARDEV_READ_CHUNK;
    return MUX_BUFFER - (mux->pending[mux->focus].head - mux->pending[mux->focus].tail);
}

static void append_timestamp(GString *out, int64_t us)
{
    int64_t ms = us / 1000;
    g_string_append_printf(out, "[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000),
                           (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

void chardev_mux_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    ChardevMux *mux = chardev->mux;
    if (!mux->timestamps) {
        chardev->backend->write(chardev, bytes, count);
        return;
    }
    GString *out = g_string_sized_new(count + 32);
    for (size_t i = 0; i < count; i++) {
        if (mux->line_start)
            append_timestamp(out, g_get_monotonic_time() - mux->timestamps_since_us);
        mux->line_start = bytes[i] == '\n';
        g_string_append_c(out, (char)bytes[i]);
    }
    chardev->backend->write(chardev, (const uint8_t *)out->str, out->len);
    g_string_free(out, TRUE);
}

void chardev_make_mux(Chardev *chardev, int escape, ChardevQuit quit, void *quit_opaque)
{
    g_assert(!chardev->mux);
    ChardevMux *mux = g_new0(ChardevMux, 1);
    mux->escape = escape;
    mux->quit = quit;
    mux->quit_opaque = quit_opaque;
    chardev->mux = mux;
    if (chardev->backend->muxed)
        chardev->backend->muxed(chardev);
}

void chardev_mux_free(ChardevMux *mux)
{
    g_free(mux);
}
