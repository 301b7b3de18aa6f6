/* SPDX-License-Identifier: MIT
 * Character devices against the host's real terminals, pipes and sockets. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "hw/char/chardev.h"

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    g_string_append_len(opaque, (const char *)bytes, (gssize)count);
}

static const ChardevHandler handler = {.receive = receive};

static Chardev *open_or_fail(const char *spec)
{
    g_autoptr(GError) error = NULL;
    Chardev *chardev = chardev_open(spec, NULL, NULL, NULL, &error);
    cr_assert_not_null(chardev, "%s: %s", spec, error ? error->message : "");
    return chardev;
}

static gboolean too_late(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

/* Run the main loop until `got` is `text`; false after five seconds. */
static bool comes(const GString *got, const char *text)
{
    bool late = false;
    guint id = g_timeout_add(5000, too_late, &late);
    while (strcmp(got->str, text) != 0 && !late)
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        g_source_remove(id);
    return !late;
}

static void expect_read(int fd, const char *text)
{
    char buffer[64] = "";
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&wait, 1, 5000), 1);
    cr_assert_eq(read(fd, buffer, sizeof(buffer) - 1), (ssize_t)strlen(text));
    cr_assert_str_eq(buffer, text);
}

static void put(Chardev *chardev, int front, const char *text)
{
    chardev_write(chardev, front, (const uint8_t *)text, strlen(text));
}

/* A terminal and what runs in its foreground. */

typedef struct {
    int master, slave;
    pid_t child;
} Terminal;

/* run: in a session of its own with the terminal as stdin and stdout; its result is the status. */
static void terminal_run(Terminal *t, int (*run)(void))
{
    char name[64];
    t->master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert_geq(t->master, 0);
    cr_assert(grantpt(t->master) == 0 && unlockpt(t->master) == 0);
    cr_assert_eq(ptsname_r(t->master, name, sizeof(name)), 0);
    t->slave = open(name, O_RDWR | O_NOCTTY);
    cr_assert_geq(t->slave, 0);
    t->child = fork();
    if (t->child != 0)
        return;
    setsid();
    if (ioctl(t->slave, TIOCSCTTY, 0) != 0 || dup2(t->slave, STDIN_FILENO) < 0 ||
        dup2(t->slave, STDOUT_FILENO) < 0)
        _exit(99);
    exit(run());
}

static int terminal_wait(Terminal *t)
{
    int status;
    cr_assert_eq(waitpid(t->child, &status, 0), t->child);
    return status;
}

static tcflag_t local_modes(int fd)
{
    struct termios mode;
    return tcgetattr(fd, &mode) == 0 ? mode.c_lflag & (ICANON | ECHO | ISIG) : ~0u;
}

/* Which step went wrong; 0: none. */
static int talk(void)
{
    GString *got = g_string_new(NULL);
    Chardev *chardev = chardev_open("mon:stdio", NULL, NULL, NULL, NULL);
    if (!chardev || local_modes(STDIN_FILENO) != ISIG)
        return 1;
    chardev_make_mux(chardev, 1, NULL, NULL);
    if (local_modes(STDIN_FILENO) != 0)
        return 2; /* Ctrl-C is the guest's */
    int front = chardev_attach(chardev, &handler, got);
    put(chardev, front, "ready");
    if (!comes(got, "in\x03\r"))
        return 3;
    put(chardev, front, "out\n");
    chardev_free(chardev);
    return local_modes(STDIN_FILENO) == (ICANON | ECHO | ISIG) ? 0 : 4;
}

Test(chardev_host, stdio_makes_the_terminal_raw_and_gives_it_back)
{
    Terminal t;
    terminal_run(&t, talk);
    expect_read(t.master, "ready");
    cr_assert_eq(write(t.master, "in\x03\r", 4), 4);
    expect_read(t.master, "out\r\n"); /* and no echo of the input */
    int status = terminal_wait(&t);
    cr_assert(WIFEXITED(status), "signal %d", WTERMSIG(status));
    cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
    cr_assert_eq(local_modes(t.slave), ICANON | ECHO | ISIG);
}

/* Which step went wrong; 0: none. */
static int choose_signals(void)
{
    Chardev *chardev = chardev_open("stdio", NULL, NULL, NULL, NULL);
    chardev_keep_signals(chardev, false);
    if (local_modes(STDIN_FILENO) != 0)
        return 1;
    chardev_free(chardev);
    chardev = chardev_open("stdio", NULL, NULL, NULL, NULL);
    chardev_make_mux(chardev, 1, NULL, NULL);
    chardev_keep_signals(chardev, true);
    if (local_modes(STDIN_FILENO) != ISIG)
        return 2;
    chardev_free(chardev);
    return local_modes(STDIN_FILENO) == (ICANON | ECHO | ISIG) ? 0 : 3;
}

Test(chardev_host, stdio_sends_signals_or_not)
{
    Terminal t;
    terminal_run(&t, choose_signals);
    int status = terminal_wait(&t);
    cr_assert(WIFEXITED(status), "signal %d", WTERMSIG(status));
    cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}

static int die_raw(void)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGQUIT, SIG_IGN); /* as nohup does with SIGHUP: stays ignored */
    Chardev *chardev = chardev_open("stdio", NULL, NULL, NULL, NULL);
    if (!chardev || local_modes(STDIN_FILENO) != ISIG)
        return 1;
    if (signal(SIGQUIT, SIG_IGN) != SIG_IGN)
        return 3;
    raise(SIGTERM);
    return 2;
}

Test(chardev_host, a_fatal_signal_gives_the_terminal_back)
{
    Terminal t;
    terminal_run(&t, die_raw);
    int status = terminal_wait(&t);
    cr_assert(WIFSIGNALED(status), "status %x", (unsigned)status);
    cr_assert_eq(WTERMSIG(status), SIGTERM);
    cr_assert_eq(local_modes(t.slave), ICANON | ECHO | ISIG);
}

static int leave_raw(void)
{
    return chardev_open("stdio", NULL, NULL, NULL, NULL) && local_modes(STDIN_FILENO) == ISIG ? 0
                                                                                              : 1;
}

Test(chardev_host, leaving_gives_the_terminal_back)
{
    Terminal t;
    terminal_run(&t, leave_raw);
    cr_assert_eq(terminal_wait(&t), 0);
    cr_assert_eq(local_modes(t.slave), ICANON | ECHO | ISIG);
}

static int continued(void)
{
    struct termios cooked;
    signal(SIGCONT, SIG_DFL);
    tcgetattr(STDIN_FILENO, &cooked);
    if (!chardev_open("stdio", NULL, NULL, NULL, NULL))
        return 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &cooked); /* the shell, while we were stopped */
    raise(SIGCONT);
    return local_modes(STDIN_FILENO) == ISIG ? 0 : 2;
}

Test(chardev_host, raw_again_in_the_foreground)
{
    Terminal t;
    terminal_run(&t, continued);
    cr_assert_eq(terminal_wait(&t), 0);
}

/* Another job has the terminal, as after a shell's bg. */
static pid_t give_terminal_away(void)
{
    const pid_t job = fork();
    if (job == 0) {
        for (;;)
            pause();
    }
    return setpgid(job, job) == 0 && tcsetpgrp(STDIN_FILENO, job) == 0 ? job : -1;
}

static int continued_in_the_background(void)
{
    struct termios cooked;
    GString *got = g_string_new(NULL);
    signal(SIGCONT, SIG_DFL);
    signal(SIGTTOU, SIG_IGN); /* of tcsetpgrp, here and for all of the child */
    tcgetattr(STDIN_FILENO, &cooked);
    Chardev *chardev = chardev_open("stdio", NULL, NULL, NULL, NULL);
    const int front = chardev ? chardev_attach(chardev, &handler, got) : -1;
    tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
    const pid_t job = give_terminal_away();
    if (front < 0 || job < 0)
        return 1;
    raise(SIGCONT);
    if (local_modes(STDIN_FILENO) == ISIG)
        return 2;                       /* it was not ours */
    tcsetpgrp(STDIN_FILENO, getpgrp()); /* fg: no signal comes */
    kill(job, SIGKILL);
    put(chardev, front, "ready");
    if (!comes(got, "x\n"))
        return 3;
    return local_modes(STDIN_FILENO) == ISIG ? 0 : 4;
}

Test(chardev_host, raw_again_after_bg_and_fg)
{
    Terminal t;
    terminal_run(&t, continued_in_the_background);
    expect_read(t.master, "ready");
    cr_assert_eq(write(t.master, "x\n", 2), 2);
    int status = terminal_wait(&t);
    cr_assert(WIFEXITED(status), "signal %d", WTERMSIG(status));
    cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}

/* Readers who take their time */

static void count_drained(void *opaque, ChardevEvent event)
{
    *(unsigned *)opaque += event == CHARDEV_DRAINED;
}

static const ChardevHandler writing = {.event = count_drained};

static void on_hold(void *opaque, bool hold)
{
    *(int *)opaque += hold ? 1 : -1;
}

static bool readable(int fd)
{
    struct pollfd query = {.fd = fd, .events = POLLIN};
    return poll(&query, 1, 0) > 0;
}

static size_t write_lines(Chardev *chardev, int front, unsigned count)
{
    char line[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%08u\n", i);
        put(chardev, front, line);
    }
    return count * 9;
}

/* The numbered lines, while the main loop runs; false: others, or too late. */
static bool lines_come(int fd, unsigned count)
{
    g_autoptr(GString) got = g_string_new(NULL), wanted = g_string_new(NULL);
    char block[4096];
    const int64_t end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(wanted, "%08u\n", i);
    while (got->len < wanted->len && g_get_monotonic_time() < end) {
        const ssize_t count = readable(fd) ? read(fd, block, sizeof block) : 0;
        g_string_append_len(got, block, count > 0 ? count : 0);
        g_main_context_iteration(NULL, FALSE);
    }
    return g_string_equal(got, wanted);
}

enum { MANY_LINES = 30000 };

/* Nothing is lost or blocks, whoever the reader is; who writes is told. */
static void expect_backlog(Chardev *chardev, int reader)
{
    unsigned drained = 0;
    int holds = 0;
    chardev_set_hold(chardev, on_hold, &holds);
    int front = chardev_attach(chardev, &writing, &drained);
    cr_assert(!chardev_is_full(chardev));
    write_lines(chardev, front, MANY_LINES);
    cr_assert(chardev_is_full(chardev) && chardev_holds(chardev));
    cr_assert(holds == 1 && drained == 0);
    cr_assert(lines_come(reader, MANY_LINES));
    cr_assert(!chardev_is_full(chardev) && !chardev_holds(chardev));
    cr_assert(holds == 0 && drained == 1);
}

Test(chardev_host, a_pipe_that_is_read_late)
{
    int tube[2];
    cr_assert_eq(pipe(tube), 0);
    g_autofree char *spec = g_strdup_printf("file:/proc/self/fd/%d", tube[1]);
    Chardev *chardev = open_or_fail(spec);
    expect_backlog(chardev, tube[0]);
    cr_assert(!(fcntl(tube[1], F_GETFL) & O_NONBLOCK));
    chardev_free(chardev);
}

/* stdout that cannot be opened anew: it is asked before each write. */
Test(chardev_host, a_socket_on_stdout_that_is_read_late)
{
    int pair[2], out = dup(STDOUT_FILENO);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fflush(stdout);
    dup2(pair[1], STDOUT_FILENO);
    Chardev *chardev = open_or_fail("stdio");
    expect_backlog(chardev, pair[0]);
    cr_assert(!(fcntl(pair[1], F_GETFL) & O_NONBLOCK));
    chardev_free(chardev);
    dup2(out, STDOUT_FILENO);
}

Test(chardev_host, a_reader_who_leaves_holds_nobody)
{
    int tube[2], holds = 0;
    unsigned drained = 0;
    cr_assert_eq(pipe(tube), 0);
    signal(SIGPIPE, SIG_IGN);
    g_autofree char *spec = g_strdup_printf("file:/proc/self/fd/%d", tube[1]);
    Chardev *chardev = open_or_fail(spec);
    chardev_set_hold(chardev, on_hold, &holds);
    int front = chardev_attach(chardev, &writing, &drained);
    write_lines(chardev, front, MANY_LINES);
    cr_assert_eq(holds, 1);
    close(tube[0]);
    while (drained == 0)
        g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(holds, 0);
    chardev_free(chardev);
}

static gpointer read_late(gpointer opaque)
{
    g_autofree char *block = g_malloc(4096);
    size_t total = 0;
    ssize_t count;
    while ((count = read(GPOINTER_TO_INT(opaque), block, 4096)) > 0) {
        total += (size_t)count;
        g_usleep(5000);
    }
    return GSIZE_TO_POINTER(total);
}

Test(chardev_host, the_end_waits_for_a_reader_who_reads)
{
    int tube[2];
    cr_assert_eq(pipe(tube), 0);
    g_autofree char *spec = g_strdup_printf("file:/proc/self/fd/%d", tube[1]);
    Chardev *chardev = open_or_fail(spec);
    close(tube[1]);
    size_t wanted = write_lines(chardev, chardev_attach(chardev, NULL, NULL), MANY_LINES);
    GThread *reader = g_thread_new("reader", read_late, GINT_TO_POINTER(tube[0]));
    chardev_free(chardev);
    cr_assert_eq(GPOINTER_TO_SIZE(g_thread_join(reader)), wanted);
}

Test(chardev_host, the_end_does_not_wait_for_one_who_does_not, .timeout = 15)
{
    int tube[2];
    cr_assert_eq(pipe(tube), 0);
    g_autofree char *spec = g_strdup_printf("file:/proc/self/fd/%d", tube[1]);
    Chardev *chardev = open_or_fail(spec);
    write_lines(chardev, chardev_attach(chardev, NULL, NULL), MANY_LINES);
    chardev_free(chardev);
}

/* Pipes */

Test(chardev_host, stdio_that_is_no_terminal_ends)
{
    int tube[2], in = dup(STDIN_FILENO);
    cr_assert_eq(pipe(tube), 0);
    dup2(tube[0], STDIN_FILENO);
    Chardev *chardev = open_or_fail("stdio");
    GString *got = g_string_new(NULL);
    chardev_attach(chardev, &handler, got);
    cr_assert_eq(write(tube[1], "in", 2), 2);
    cr_assert(comes(got, "in"));
    close(tube[1]);
    while (chardev_is_open(chardev))
        g_main_context_iteration(NULL, TRUE);
    chardev_free(chardev);
    dup2(in, STDIN_FILENO);
}

Test(chardev_host, pipe_of_two_fifos)
{
    g_autofree char *dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_autofree char *in = g_build_filename(dir, "p.in", NULL);
    g_autofree char *out = g_build_filename(dir, "p.out", NULL);
    g_autofree char *spec = g_strdup_printf("pipe:%s/p", dir);
    cr_assert(mkfifo(in, 0600) == 0 && mkfifo(out, 0600) == 0);
    Chardev *chardev = open_or_fail(spec);
    GString *got = g_string_new(NULL);
    int front = chardev_attach(chardev, &handler, got);
    for (unsigned round = 0; round < 2; round++) { /* the other side may come again */
        int to = open(in, O_WRONLY), from = open(out, O_RDONLY | O_NONBLOCK);
        cr_assert_eq(write(to, "in", 2), 2);
        cr_assert(comes(got, round ? "inin" : "in"));
        put(chardev, front, "out");
        expect_read(from, "out");
        close(to);
        close(from);
    }
    chardev_free(chardev);
    g_unlink(in);
    g_unlink(out);
    g_rmdir(dir);
}

/* Sockets */

static void *accept_later(void *listener)
{
    return g_socket_accept(listener, NULL, NULL);
}

Test(chardev_host, tcp_client)
{
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocket) listener = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, 0, NULL);
    cr_assert(g_socket_bind(listener, any, TRUE, NULL) && g_socket_listen(listener, NULL));
    g_autoptr(GSocketAddress) at = g_socket_get_local_address(listener, NULL);
    g_autofree char *spec =
        g_strdup_printf("tcp::%u", g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(at)));
    Chardev *chardev = open_or_fail(spec); /* no host: this one */
    cr_assert(chardev_is_open(chardev));
    GSocket *peer = accept_later(listener);
    GString *got = g_string_new(NULL);
    int front = chardev_attach(chardev, &handler, got);
    cr_assert_eq(g_socket_send(peer, "in", 2, NULL, NULL), 2);
    cr_assert(comes(got, "in"));
    put(chardev, front, "out");
    expect_read(g_socket_get_fd(peer), "out");
    g_object_unref(peer);
    while (chardev_is_open(chardev))
        g_main_context_iteration(NULL, TRUE);
    put(chardev, front, "nobody hears");
    chardev_accept_input(chardev);
    chardev_free(chardev);
}

static void *connect_later(void *path)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    GSocketConnection *peer = NULL;
    for (unsigned i = 0; !peer && i < 500; i++) {
        peer = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
        if (!peer)
            g_usleep(10000);
    }
    return peer;
}

Test(chardev_host, a_unix_server_waits_and_takes_over_a_stale_path)
{
    g_autofree char *dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on,nowait=off", path);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    GSocket *dead = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
    cr_assert(g_socket_bind(dead, address, FALSE, NULL));
    g_object_unref(dead); /* its path stays */
    GThread *thread = g_thread_new("peer", connect_later, path);
    Chardev *chardev = open_or_fail(spec);
    GObject *peer = g_thread_join(thread);
    cr_assert_not_null(peer);
    cr_assert(chardev_is_open(chardev));
    struct stat status;
    cr_assert_eq(g_stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    g_autoptr(GError) error = NULL; /* a path in use is not taken */
    g_autofree char *second = g_strdup_printf("unix:%s,server,nowait", path);
    cr_assert_null(chardev_open(second, NULL, NULL, NULL, &error));
    cr_assert_not_null(strstr(error->message, "cannot listen on"), "%s", error->message);
    cr_assert_eq(g_access(path, F_OK), 0);
    g_object_unref(peer);
    chardev_free(chardev);
    g_rmdir(dir);
}

Test(chardev_host, a_path_too_long_for_a_socket)
{
    g_autofree char *name = g_strnfill(108, 'x');
    g_autofree char *spec = g_strdup_printf("unix:%s", name);
    g_autoptr(GError) error = NULL;
    cr_assert_null(chardev_open(spec, NULL, NULL, NULL, &error));
    cr_assert_not_null(strstr(error->message, "too long for a socket"), "%s", error->message);
}

/* The tap keeps the last bytes, and says which. */
Test(chardev_host, tap)
{
    Chardev *chardev = open_or_fail("null");
    cr_assert(!chardev_is_tapped(chardev));
    chardev_keep_tap(chardev);
    int front = chardev_attach(chardev, NULL, NULL);
    static uint8_t block[CHARDEV_TAP_BYTES];
    put(chardev, front, "lost");
    chardev_write(chardev, front, block, sizeof(block) - 4);
    put(chardev, front, "last");
    uint64_t from = 0;
    GString *text = chardev_tap_read(chardev, &from);
    cr_assert_eq(from, 4);
    cr_assert_eq(text->len, CHARDEV_TAP_BYTES);
    cr_assert_str_eq(text->str + CHARDEV_TAP_BYTES - 4, "last");
    cr_assert_eq(chardev_tap_total(chardev), CHARDEV_TAP_BYTES + 4);
    g_string_free(text, TRUE);
    chardev_free(chardev);
}
