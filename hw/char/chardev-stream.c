/* SPDX-License-Identifier: MIT
 * A pair of file descriptors as a chardev's other side: the main loop reads as much
 * as the front end has room for and drains a bounded output queue. */
#include "hw/char/chardev-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

struct ChardevStream {
    Chardev *chardev;
    int in_fd, out_fd;
    size_t ask; /* out_fd may block: so much at a time, if it says it has room; 0: it does not */
    bool ended; /* end of input */
    bool overflowing;
    GSource *in_source, *out_source; /* NULL: not watched now */
    GSource *hang_up_source;         /* instead of in_source while there is no room; may be NULL */
    GByteArray *queue;
    void (*closed)(Chardev *chardev);
    void (*hung_up)(Chardev *chardev); /* NULL: nobody wants to know, or it was called */
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

/* Input */

static gboolean hang_up(gint fd, GIOCondition condition, gpointer opaque)
{
    ChardevStream *stream = opaque;
    Chardev *chardev = stream->chardev;
    chardev_lock(chardev);
    if (!g_source_is_destroyed(g_main_current_source())) {
        void (*hung_up)(Chardev *) = g_steal_pointer(&stream->hung_up);
        unwatch(&stream->hang_up_source);
        hung_up(chardev);
    }
    chardev_unlock(chardev);
    return G_SOURCE_CONTINUE;
}

/* POLLRDHUP: a TCP peer who closed is not hung up in poll's sense until we close, too. */
static void watch_hang_up(ChardevStream *stream)
{
    if (stream->hung_up)
        stream->hang_up_source =
            watch(stream, stream->in_fd, G_IO_HUP | G_IO_ERR | POLLRDHUP, hang_up);
}

static void read_once(ChardevStream *stream)
{
    uint8_t buffer[CHARDEV_READ_CHUNK];
    size_t room = MIN(chardev_room(stream->chardev), sizeof(buffer));
    if (room == 0) {
        unwatch(&stream->in_source); /* until accept_input */
        watch_hang_up(stream);
        return;
    }
    ssize_t count = read(stream->in_fd, buffer, room);
    if (count > 0) {
        if (stream->chardev->interactive)
            chardev_terminal_was_read();
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

void chardev_stream_accept_input(ChardevStream *stream)
{
    if (stream->in_source || stream->ended)
        return;
    unwatch(&stream->hang_up_source);
    stream->in_source = watch(stream, stream->in_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, input_ready);
}

void chardev_stream_take_rest(ChardevStream *stream, GByteArray *rest, size_t max)
{
    uint8_t buffer[CHARDEV_READ_CHUNK];
    ssize_t count;
    while (rest->len < max &&
           (count = read(stream->in_fd, buffer, MIN(sizeof(buffer), max - rest->len))) > 0)
        g_byte_array_append(rest, buffer, (guint)count);
}

/* Output */

static bool has_room(int fd, int timeout_ms)
{
    struct pollfd query = {.fd = fd, .events = POLLOUT};
    return poll(&query, 1, timeout_ms) > 0; /* an error, too: write says which */
}

/* Bytes gone: written, or lost because the other side is. Never waits. */
static size_t write_some(ChardevStream *stream, const uint8_t *bytes, size_t count)
{
    size_t gone = 0;
    while (gone < count) {
        size_t take = count - gone;
        if (stream->ask > 0) {
            take = MIN(take, stream->ask);
            if (!has_room(stream->out_fd, 0))
                break;
        }
        ssize_t done = write(stream->out_fd, bytes + gone, take);
        if (done >= 0)
            gone += (size_t)done;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            return count;
    }
    return gone;
}

static void drain(ChardevStream *stream)
{
    size_t gone = write_some(stream, stream->queue->data, stream->queue->len);
    g_byte_array_remove_range(stream->queue, 0, (guint)gone);
    if (stream->queue->len == 0) {
        stream->overflowing = false;
        unwatch(&stream->out_source);
    }
}

static gboolean output_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    ChardevStream *stream = opaque;
    Chardev *chardev = stream->chardev;
    chardev_lock(chardev);
    if (!g_source_is_destroyed(g_main_current_source())) {
        drain(stream);
        chardev_note_queue(chardev, stream->queue->len);
    }
    chardev_unlock(chardev);
    return G_SOURCE_CONTINUE;
}

/* One piece may go beyond the bound: a printout is not cut because it is long. */
static void enqueue(ChardevStream *stream, const uint8_t *bytes, size_t count)
{
    if (stream->queue->len < CHARDEV_QUEUE_MAX) {
        g_byte_array_append(stream->queue, bytes, (guint)count);
        return;
    }
    if (!stream->overflowing)
        log_printf(LOG_UNIMP, "%s: the reader is too slow, output is dropped",
                   stream->chardev->backend->name);
    stream->overflowing = true;
}

void chardev_stream_write(ChardevStream *stream, const uint8_t *bytes, size_t count)
{
    size_t gone = stream->queue->len == 0 ? write_some(stream, bytes, count) : 0;
    if (gone == count)
        return;
    enqueue(stream, bytes + gone, count - gone);
    if (!stream->out_source)
        stream->out_source = watch(stream, stream->out_fd, G_IO_OUT, output_ready);
    chardev_note_queue(stream->chardev, stream->queue->len);
}

/* A signal ends it, too: the user has asked twice. But not that of a shell's fg. */
bool chardev_stream_flush(ChardevStream *stream)
{
    const int64_t end = g_get_monotonic_time() + CHARDEV_FLUSH_MS * 1000;
    chardev_terminal_take_continued();
    while (stream->queue->len > 0 && g_get_monotonic_time() < end) {
        if (has_room(stream->out_fd, CHARDEV_FLUSH_IDLE_MS))
            drain(stream);
        else if (!chardev_terminal_take_continued())
            break;
    }
    return stream->queue->len == 0;
}

/* How much to write at a time to what others may have made blocking, once it says that it has room.
 * A pipe means PIPE_BUF then, a socket more, a terminal perhaps only one byte. Disks do not block.
 */
static size_t ask_size(int fd)
{
    struct stat status;
    if ((fcntl(fd, F_GETFL) & O_NONBLOCK) || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)))
        return 0;
    return isatty(fd) ? 1 : PIPE_BUF;
}

/* Life */

ChardevStream *chardev_stream_new(Chardev *chardev, int in_fd, int out_fd,
                                  void (*closed)(Chardev *chardev),
                                  void (*hung_up)(Chardev *chardev))
{
    ChardevStream *stream = g_new0(ChardevStream, 1);
    stream->chardev = chardev;
    stream->in_fd = in_fd;
    stream->out_fd = out_fd;
    stream->ask = ask_size(out_fd);
    stream->closed = closed;
    stream->hung_up = hung_up;
    stream->queue = g_byte_array_new();
    watch_hang_up(stream); /* there may be no room from the start */
    return stream;
}

void chardev_stream_free(ChardevStream *stream)
{
    if (!stream)
        return;
    Chardev *chardev = stream->chardev;
    unwatch(&stream->in_source);
    unwatch(&stream->hang_up_source);
    unwatch(&stream->out_source);
    g_byte_array_free(stream->queue, TRUE);
    g_free(stream);
    chardev_note_queue(chardev, 0); /* nobody reads it any more */
}
