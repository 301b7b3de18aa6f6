/* SPDX-License-Identifier: MIT
 * A pair of file descriptors as a chardev's other side: the main loop reads as much
 * as the front end has room for and drains a bounded output queue. */
#include "hw/char/chardev-priv.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <unistd.h>

#include "base/log.h"

struct ChardevStream {
    Chardev *chardev;
    int in_fd, out_fd;
    bool queue_output; /* descriptors are non-blocking */
    bool ended;        /* end of input */
    bool overflowing;
    GSource *in_source, *out_source; /* NULL: not watched now */
    GByteArray *queue;
    void (*closed)(Chardev *chardev);
};

static GSource *watch(ChardevStream *stream, int fd, GIOCondition condition, GUnixFDSourceFunc fn)
{
    GSource *source = g_unix_fd_source_new(fd, condition);
    g_source_set_callback(source, G_SOURCE_FUNC(fn), stream, NULL);
    g_source_attach(source, NULL);
    return source;
}

static void unwatch(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_source_unref(*source);
    *source = NULL;
}

static void read_once(ChardevStream *stream)
{
    uint8_t buffer[CHARDEV_READ_CHUNK];
    size_t room = MIN(chardev_room(stream->chardev), sizeof(buffer));
    if (room == 0) {
        unwatch(&stream->in_source); /* until accept_input */
        return;
    }
    ssize_t count = read(stream->in_fd, buffer, room);
    if (count > 0) {
        chardev_deliver(stream->chardev, buffer, (size_t)count);
        return;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    stream->ended = true;
    unwatch(&stream->in_source);
    if (stream->closed)
        stream->closed(stream->chardev); /* may free the stream */
}

static gboolean input_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    ChardevStream *stream = opaque;
    Chardev *chardev = stream->chardev;
    chardev_lock(chardev);
    if (!g_source_is_destroyed(g_main_current_source()))
        read_once(stream);
    chardev_unlock(chardev);
    return G_SOURCE_CONTINUE; /* unwatch has destroyed the source if need be */
}

int chardev_write_all(int fd, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t done = write(fd, bytes, count);
        if (done >= 0) {
            bytes += done;
            count -= (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Bytes gone: written, or lost because the other side is. */
static size_t write_some(ChardevStream *stream, const uint8_t *bytes, size_t count)
{
    size_t gone = 0;
    while (gone < count) {
        ssize_t done = write(stream->out_fd, bytes + gone, count - gone);
        if (done >= 0)
            gone += (size_t)done;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            return count;
    }
    return gone;
}

static gboolean output_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    ChardevStream *stream = opaque;
    Chardev *chardev = stream->chardev;
    chardev_lock(chardev);
    if (!g_source_is_destroyed(g_main_current_source())) {
        size_t gone = write_some(stream, stream->queue->data, stream->queue->len);
        g_byte_array_remove_range(stream->queue, 0, (guint)gone);
        if (stream->queue->len == 0) {
            stream->overflowing = false;
            unwatch(&stream->out_source);
        }
    }
    chardev_unlock(chardev);
    return G_SOURCE_CONTINUE;
}

void chardev_stream_write(ChardevStream *stream, const uint8_t *bytes, size_t count)
{
    if (!stream->queue_output) {
        chardev_write_all(stream->out_fd, bytes, count);
        return;
    }
    if (stream->queue->len == 0) {
        size_t gone = write_some(stream, bytes, count);
        bytes += gone;
        count -= gone;
    }
    size_t take = MIN(count, CHARDEV_QUEUE_MAX - stream->queue->len);
    g_byte_array_append(stream->queue, bytes, (guint)take);
    if (take < count && !stream->overflowing) {
        stream->overflowing = true;
        log_printf(LOG_UNIMP, "%s: the reader is too slow, output is dropped",
                   stream->chardev->backend->name);
    }
    if (stream->queue->len > 0 && !stream->out_source)
        stream->out_source = watch(stream, stream->out_fd, G_IO_OUT, output_ready);
}

void chardev_stream_accept_input(ChardevStream *stream)
{
    if (!stream->in_source && !stream->ended)
        stream->in_source =
            watch(stream, stream->in_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, input_ready);
}

ChardevStream *chardev_stream_new(Chardev *chardev, int in_fd, int out_fd, bool queue_output,
                                  void (*closed)(Chardev *chardev))
{
    ChardevStream *stream = g_new0(ChardevStream, 1);
    stream->chardev = chardev;
    stream->in_fd = in_fd;
    stream->out_fd = out_fd;
    stream->queue_output = queue_output;
    stream->closed = closed;
    stream->queue = g_byte_array_new();
    if (queue_output) {
        g_unix_set_fd_nonblocking(in_fd, TRUE, NULL);
        g_unix_set_fd_nonblocking(out_fd, TRUE, NULL);
    }
    return stream;
}

void chardev_stream_free(ChardevStream *stream)
{
    if (!stream)
        return;
    unwatch(&stream->in_source);
    unwatch(&stream->out_source);
    g_byte_array_free(stream->queue, TRUE);
    g_free(stream);
}
