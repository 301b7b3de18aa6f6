/* SPDX-License-Identifier: MIT
 * Back ends that are file descriptors of this host: stdio, file, pty, pipe. */
#include "hw/char/chardev-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"

#define PTY_POLL_MS 300 /* the kernel does not tell when a pty's slave side is opened */

typedef struct {
    ChardevStream *stream;
    int in_fd, out_fd;
    GSource *poll; /* pty: waits for somebody to open the slave */
} FdState;

static bool set_open_error(GError **error, const char *path)
{
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot open '%s': %s", path,
                g_strerror(errno));
    return false;
}

static FdState *fd_state_new(Chardev *chardev, int in_fd, int out_fd)
{
    FdState *state = g_new0(FdState, 1);
    state->in_fd = in_fd;
    state->out_fd = out_fd;
    chardev->state = state;
    return state;
}

static void fd_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    chardev_stream_write(((FdState *)chardev->state)->stream, bytes, count);
}

static void fd_accept_input(Chardev *chardev)
{
    chardev_stream_accept_input(((FdState *)chardev->state)->stream);
}

static void fd_closed(Chardev *chardev)
{
    chardev_notify(chardev, CHARDEV_CLOSED);
}

static void fd_close(Chardev *chardev)
{
    FdState *state = chardev->state;
    if (state->stream)
        chardev_stream_flush(state->stream);
    chardev_stream_free(g_steal_pointer(&state->stream));
    if (state->poll) {
        g_source_destroy(state->poll);
        g_source_unref(state->poll);
    }
    if (state->in_fd > STDERR_FILENO)
        close(state->in_fd);
    if (state->out_fd > STDERR_FILENO && state->out_fd != state->in_fd)
        close(state->out_fd);
    g_free(state);
}

static void set_nonblocking(int fd)
{
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
}

/* stdio */

/* stdout that does not block. O_NONBLOCK belongs to what the descriptor leads to, which the shell
 * and other processes have too, so that is opened once more. A file would begin from its start
 * then, and does not block; a socket cannot be opened, nor what belongs to somebody else: stdout as
 * it is. */
static int open_stdout(void)
{
    struct stat status;
    if (fstat(STDOUT_FILENO, &status) < 0 || S_ISREG(status.st_mode))
        return STDOUT_FILENO;
    int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : STDOUT_FILENO;
}

static bool stdio_open(Chardev *chardev, const char *argument, GError **error)
{
    const int out_fd = open_stdout();
    FdState *state = fd_state_new(chardev, STDIN_FILENO, out_fd);
    chardev->interactive = chardev_terminal_set_raw(true);
    state->stream = chardev_stream_new(chardev, STDIN_FILENO, out_fd, fd_closed, NULL);
    return true;
}

static void stdio_muxed(Chardev *chardev)
{
    if (chardev->interactive)
        chardev_terminal_set_raw(false); /* Ctrl-C is the guest's; the escape key leaves */
}

static void stdio_close(Chardev *chardev)
{
    if (chardev->interactive)
        chardev_restore_terminal();
    fd_close(chardev);
}

const ChardevBackend chardev_backend_stdio = {.name = "stdio",
                                              .open = stdio_open,
                                              .write = fd_write,
                                              .accept_input = fd_accept_input,
                                              .muxed = stdio_muxed,
                                              .close = stdio_close};

/* file: output only */

static bool file_open(Chardev *chardev, const char *argument, GError **error)
{
    int fd = open(argument, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return set_open_error(error, argument);
    set_nonblocking(fd); /* only now: a FIFO waits for its reader */
    FdState *state = fd_state_new(chardev, fd, fd);
    state->stream = chardev_stream_new(chardev, fd, fd, NULL, NULL);
    return true;
}

const ChardevBackend chardev_backend_file = {.name = "file",
                                             .takes_argument = true,
                                             .open = file_open,
                                             .write = fd_write,
                                             .close = fd_close};

/* pipe:P is P.in and P.out, or P for both ways */

static bool pipe_open(Chardev *chardev, const char *argument, GError **error)
{
    g_autofree char *in_path = g_strdup_printf("%s.in", argument);
    g_autofree char *out_path = g_strdup_printf("%s.out", argument);
    /* Read-write, so that no end-of-file or SIGPIPE comes when the other side leaves. */
    int in_fd = open(in_path, O_RDWR | O_CLOEXEC);
    int out_fd = open(out_path, O_RDWR | O_CLOEXEC);
    if (in_fd < 0 || out_fd < 0) {
        if (in_fd >= 0)
            close(in_fd);
        if (out_fd >= 0)
            close(out_fd);
        in_fd = out_fd = open(argument, O_RDWR | O_CLOEXEC);
        if (in_fd < 0)
            return set_open_error(error, argument);
    }
    set_nonblocking(in_fd);
    set_nonblocking(out_fd);
    FdState *state = fd_state_new(chardev, in_fd, out_fd);
    state->stream = chardev_stream_new(chardev, in_fd, out_fd, fd_closed, NULL);
    return true;
}

const ChardevBackend chardev_backend_pipe = {.name = "pipe",
                                             .takes_argument = true,
                                             .open = pipe_open,
                                             .write = fd_write,
                                             .accept_input = fd_accept_input,
                                             .close = fd_close};

/* pty */

static bool pty_slave_open(const FdState *state)
{
    struct pollfd query = {.fd = state->in_fd, .events = POLLOUT};
    return poll(&query, 1, 0) >= 0 && !(query.revents & POLLHUP);
}

static void pty_closed(Chardev *chardev);

static void pty_connect(Chardev *chardev)
{
    FdState *state = chardev->state;
    /* What the guest has not read yet stays in the pty. */
    state->stream =
        chardev_stream_new(chardev, state->in_fd, state->out_fd, pty_closed, pty_closed);
    chardev_notify(chardev, CHARDEV_OPENED);
    chardev_accept_input(chardev);
}

static gboolean pty_poll(gpointer opaque)
{
    Chardev *chardev = opaque;
    FdState *state = chardev->state;
    chardev_lock(chardev);
    bool opened = pty_slave_open(state);
    if (opened) {
        g_source_unref(state->poll);
        state->poll = NULL;
        pty_connect(chardev);
    }
    chardev_unlock(chardev);
    return opened ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void pty_wait(Chardev *chardev)
{
    FdState *state = chardev->state;
    state->poll = g_timeout_source_new(PTY_POLL_MS);
    g_source_set_callback(state->poll, pty_poll, chardev, NULL);
    g_source_attach(state->poll, NULL);
}

static void pty_closed(Chardev *chardev)
{
    FdState *state = chardev->state;
    chardev_stream_free(g_steal_pointer(&state->stream));
    chardev_notify(chardev, CHARDEV_CLOSED);
    pty_wait(chardev);
}

/* Opening and closing the slave makes it raw, and makes the master report "hung up" from now
 * until somebody opens it. */
static bool pty_make_raw(const char *slave)
{
    int fd = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct termios mode;
    bool done = tcgetattr(fd, &mode) == 0;
    cfmakeraw(&mode);
    done = done && tcsetattr(fd, TCSANOW, &mode) == 0;
    close(fd);
    return done;
}

static bool pty_open(Chardev *chardev, const char *argument, GError **error)
{
    char slave[64];
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return set_open_error(error, "/dev/ptmx");
    if (grantpt(fd) < 0 || unlockpt(fd) < 0 || ptsname_r(fd, slave, sizeof(slave)) != 0 ||
        !pty_make_raw(slave)) {
        set_open_error(error, "pty");
        close(fd);
        return false;
    }
    set_nonblocking(fd);
    chardev->filename = g_strconcat("pty:", slave, NULL);
    fd_state_new(chardev, fd, fd);
    chardev->open = false;
    pty_wait(chardev);
    return true;
}

static void pty_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    FdState *state = chardev->state;
    if (state->stream) /* else nobody listens */
        chardev_stream_write(state->stream, bytes, count);
}

static void pty_accept_input(Chardev *chardev)
{
    FdState *state = chardev->state;
    if (state->stream)
        chardev_stream_accept_input(state->stream);
}

const ChardevBackend chardev_backend_pty = {.name = "pty",
                                            .open = pty_open,
                                            .write = pty_write,
                                            .accept_input = pty_accept_input,
                                            .close = fd_close};
