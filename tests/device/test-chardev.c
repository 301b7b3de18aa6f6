/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hw/char/chardev.h"

typedef struct {
    GString *got;
    size_t room;
    unsigned opened, closed, breaks, focused, drained;
} Front;

static size_t front_room(void *opaque)
{
    return ((Front *)opaque)->room;
}

static void front_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    g_string_append_len(((Front *)opaque)->got, (const char *)bytes, (gssize)count);
}

static void front_event(void *opaque, ChardevEvent event)
{
    Front *front = opaque;
    switch (event) {
    case CHARDEV_OPENED:
        front->opened++;
        break;
    case CHARDEV_CLOSED:
        front->closed++;
        break;
    case CHARDEV_BREAK:
        front->breaks++;
        break;
    case CHARDEV_FOCUS:
        front->focused++;
        break;
    case CHARDEV_DRAINED:
        front->drained++;
        break;
    }
}

static const ChardevHandler handler = {front_room, front_receive, front_event};

static Front front_new(size_t room)
{
    return (Front){.got = g_string_new(NULL), .room = room};
}

static void feed(Chardev *chardev, const char *text)
{
    chardev_memory_feed(chardev, (const uint8_t *)text, strlen(text));
}

static void put(Chardev *chardev, int front, const char *text)
{
    chardev_write(chardev, front, (const uint8_t *)text, strlen(text));
}

static void quit(void *opaque)
{
    ++*(int *)opaque;
}

static gboolean too_late(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

/* Run the main loop until the expression holds, two seconds at most. */
#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        bool late_ = false;                                                                        \
        guint id_ = g_timeout_add(2000, too_late, &late_);                                         \
        while (!(condition) && !late_)                                                             \
            g_main_context_iteration(NULL, TRUE);                                                  \
        cr_assert(!late_, #condition);                                                             \
        g_source_remove(id_);                                                                      \
    } while (0)

Test(chardev, memory_waits_for_room)
{
    Chardev *chardev = chardev_new_memory();
    Front front = front_new(0);
    int n = chardev_attach(chardev, &handler, &front);
    cr_assert_eq(front.opened, 1);
    feed(chardev, "abc");
    cr_assert_eq(front.got->len, 0);
    front.room = 100;
    chardev_accept_input(chardev);
    cr_assert_str_eq(front.got->str, "abc");
    put(chardev, n, "out");
    cr_assert_str_eq(chardev_memory_output(chardev)->str, "out");
    chardev_free(chardev);
}

Test(chardev, mux_keys)
{
    Chardev *chardev = chardev_new_memory();
    Front serial = front_new(100), monitor = front_new(100);
    int quits = 0;
    chardev_make_mux(chardev, 1, quit, &quits);
    int a = chardev_attach(chardev, &handler, &serial);
    chardev_attach(chardev, &handler, &monitor);
    feed(chardev, "ls\x01\x01\x01"
                  "b\x01"
                  "cinfo\x01"
                  "cx\x01x");
    cr_assert_str_eq(serial.got->str, "ls\x01x");
    cr_assert_str_eq(monitor.got->str, "info");
    cr_assert_eq(serial.breaks, 1);
    cr_assert_eq(monitor.focused, 1);
    cr_assert_eq(quits, 1);
    feed(chardev, "\x01h");
    cr_assert_not_null(strstr(chardev_memory_output(chardev)->str, "Ctrl-A x   exit"));
    g_string_truncate(chardev_memory_output(chardev), 0);
    feed(chardev, "\x01s");
    cr_assert_not_null(strstr(chardev_memory_output(chardev)->str, "-snapshot"));
    cr_assert_null(strstr(chardev_memory_output(chardev)->str, "monitor"),
                   "it has no such command");
    g_string_truncate(chardev_memory_output(chardev), 0);
    feed(chardev, "\x01t");
    put(chardev, a, "\none\n");
    cr_assert_eq(chardev_memory_output(chardev)->str[1], '[');
    chardev_free(chardev);
}

Test(chardev, mux_keeps_keys_for_a_busy_front)
{
    Chardev *chardev = chardev_new_memory();
    Front serial = front_new(0), monitor = front_new(100);
    chardev_make_mux(chardev, 1, NULL, NULL);
    chardev_attach(chardev, &handler, &serial);
    chardev_attach(chardev, &handler, &monitor);
    feed(chardev, "later\x01"
                  "cnow");
    cr_assert_str_eq(monitor.got->str, "now");
    cr_assert_eq(serial.got->len, 0);
    serial.room = 5;
    chardev_accept_input(chardev);
    cr_assert_str_eq(serial.got->str, "later");
    chardev_free(chardev);
}

Test(chardev, file_gets_all)
{
    g_autofree char *dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "log", NULL);
    g_autofree char *spec = g_strdup_printf("file:%s", path);
    Chardev *chardev = chardev_open(spec, NULL, NULL, NULL, NULL);
    Front front = front_new(1);
    int n = chardev_attach(chardev, &handler, &front);
    put(chardev, n, "boot\n");
    g_autofree char *text = NULL;
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_assert_str_eq(text, "boot\n");
    chardev_free(chardev);
    g_unlink(path);
    g_rmdir(dir);
}

static void expect_error(const char *spec, const char *part)
{
    GError *error = NULL;
    cr_assert_null(chardev_open(spec, NULL, NULL, NULL, &error), "%s", spec);
    cr_assert_not_null(strstr(error->message, part), "%s", error->message);
    g_error_free(error);
}

Test(chardev, says_what_is_wrong)
{
    expect_error("file:/nowhere/x", "cannot open '/nowhere/x': No such file");
    expect_error("pipe:/nowhere/x", "cannot open '/nowhere/x': No such file");
    expect_error("telnet:x:1", "unknown character device 'telnet:x:1'");
    expect_error("file", "takes an argument");
    expect_error("null:x", "takes no argument");
    expect_error("tcp:localhost", "not tcp:HOST:PORT");
    expect_error("tcp:127.0.0.1:99999", "not tcp:HOST:PORT");
    expect_error("unix:/tmp/x,sever", "not an option of a socket");
    expect_error("unix:/nowhere/x", "cannot connect to '/nowhere/x'");
    expect_error("unix:/nowhere/x,server,nowait", "cannot listen on");
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

Test(chardev, unix_server_serves_one_after_the_other)
{
    g_autofree char *dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server,nowait", path);
    Chardev *chardev = chardev_open(spec, NULL, NULL, NULL, NULL);
    Front front = front_new(100);
    int n = chardev_attach(chardev, &handler, &front);
    put(chardev, n, "nobody hears");
    cr_assert_eq(front.opened, 0);
    for (unsigned round = 1; round <= 2; round++) {
        char buffer[8] = "";
        int fd = connect_to(path);
        cr_assert_eq(write(fd, "hi", 2), 2);
        RUN_UNTIL(front.got->len == 2 * round);
        put(chardev, n, "there");
        cr_assert_eq(read(fd, buffer, sizeof(buffer)), 5);
        cr_assert_str_eq(buffer, "there");
        close(fd);
        RUN_UNTIL(front.closed == round);
    }
    cr_assert_eq(front.opened, 2);
    chardev_free(chardev);
    cr_assert_neq(g_access(path, F_OK), 0, "the socket file is removed");
    g_rmdir(dir);
}

/* Somebody typed more than is read, and left: the next one is let in. What he typed is still for a
 * line, not for a session with somebody else. */
static void leave_unread(const char *spec, int (*connect_there)(const char *), const char *where,
                         bool line)
{
    const ChardevHandler other = {front_room, front_receive, front_event, line};
    Chardev *chardev = chardev_open(spec, NULL, NULL, NULL, NULL);
    Front front = front_new(0);
    chardev_attach(chardev, &other, &front);
    for (unsigned round = 1; round <= 3; round++) {
        int fd = connect_there(where);
        RUN_UNTIL(front.opened == round);
        cr_assert_eq(write(fd, "abc", 3), 3);
        close(fd);
    }
    cr_assert_eq(front.closed, 2);
    front.room = 2;
    for (unsigned i = 0; i < 10; i++)
        chardev_accept_input(chardev);
    RUN_UNTIL(front.closed == 3);
    cr_assert_str_eq(front.got->str, line ? "abcabcabc" : "abc");
    int fd = connect_there(where);
    RUN_UNTIL(front.opened == 4);
    close(fd);
    chardev_free(chardev);
}

Test(chardev, a_unix_client_left_more_than_is_read)
{
    g_autofree char *dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server,nowait", path);
    leave_unread(spec, connect_to, path, true);
    leave_unread(spec, connect_to, path, false);
    g_rmdir(dir);
}

static int connect_tcp(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* One that nobody listens on now. */
static char *free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return g_strdup_printf("%u", ntohs(address.sin_port));
}

Test(chardev, a_tcp_client_left_more_than_is_read)
{
    g_autofree char *port = free_port();
    g_autofree char *spec = g_strdup_printf("tcp:127.0.0.1:%s,server,nowait", port);
    leave_unread(spec, connect_tcp, port, true);
    leave_unread(spec, connect_tcp, port, false);
}

/* What is left in a pty is still there for the next one. */
Test(chardev, a_pty_left_with_more_than_is_read)
{
    Chardev *chardev = chardev_open("pty", NULL, NULL, NULL, NULL);
    const char *slave = chardev_filename(chardev, "pty") + strlen("pty:");
    Front front = front_new(0);
    chardev_attach(chardev, &handler, &front);
    for (unsigned round = 1; round <= 2; round++) {
        int fd = open(slave, O_RDWR | O_NOCTTY);
        RUN_UNTIL(front.opened == round);
        cr_assert_eq(write(fd, "abc", 3), 3);
        close(fd);
        RUN_UNTIL(front.closed == round);
    }
    front.room = 100;
    int fd = open(slave, O_RDWR | O_NOCTTY);
    RUN_UNTIL(front.got->len == 6);
    cr_assert_str_eq(front.got->str, "abcabc");
    close(fd);
    chardev_free(chardev);
}

Test(chardev, slow_socket_reader_is_bounded)
{
    g_autofree char *dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server,nowait", path);
    Chardev *chardev = chardev_open(spec, NULL, NULL, NULL, NULL);
    Front front = front_new(100);
    int n = chardev_attach(chardev, &handler, &front);
    int fd = connect_to(path);
    RUN_UNTIL(front.opened == 1);
    static uint8_t block[65536];
    for (unsigned i = 0; i < 64; i++)
        chardev_write(chardev, n, block, sizeof(block));
    size_t total = 0;
    ssize_t count;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (unsigned idle = 0; idle < 100;) {
        count = read(fd, block, sizeof(block));
        total += count > 0 ? (size_t)count : 0;
        idle = count > 0 ? 0 : idle + 1;
        g_main_context_iteration(NULL, FALSE);
    }
    cr_assert_geq(total, 1024 * 1024);
    cr_assert_lt(total, 3 * 1024 * 1024);
    close(fd);
    chardev_free(chardev);
    g_unlink(path);
    g_rmdir(dir);
}

Test(chardev, log_has_what_all_fronts_write)
{
    g_autofree char *dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "log", NULL);
    static const char *const wanted[] = {"one, two\n", "one, two\n", "one, two\none, two\n"};
    for (unsigned round = 0; round < G_N_ELEMENTS(wanted); round++) {
        g_autofree char *text = NULL;
        Front serial = front_new(100), monitor = front_new(100);
        Chardev *chardev = chardev_new_memory();
        cr_assert(chardev_keep_log(chardev, path, round == 2, NULL));
        chardev_make_mux(chardev, 1, NULL, NULL);
        put(chardev, chardev_attach(chardev, &handler, &serial), "one, ");
        put(chardev, chardev_attach(chardev, &handler, &monitor), "two\n");
        cr_assert(g_file_get_contents(path, &text, NULL, NULL));
        cr_expect_str_eq(text, wanted[round]);
        chardev_free(chardev);
    }
    g_unlink(path);
    g_rmdir(dir);
    g_autoptr(GError) error = NULL;
    Chardev *chardev = chardev_new_memory();
    cr_assert_not(chardev_keep_log(chardev, path, false, &error));
    cr_assert_not_null(strstr(error->message, path));
    chardev_free(chardev);
}

Test(chardev, pty_opens_with_its_reader)
{
    Chardev *chardev = chardev_open("pty", NULL, NULL, NULL, NULL);
    const char *filename = chardev_filename(chardev, "pty");
    cr_assert(g_str_has_prefix(filename, "pty:/dev/pts/"), "%s", filename);
    Front front = front_new(100);
    int n = chardev_attach(chardev, &handler, &front);
    put(chardev, n, "unheard");
    int fd = open(filename + strlen("pty:"), O_RDWR | O_NOCTTY);
    RUN_UNTIL(front.opened == 1);
    cr_assert_eq(write(fd, "in\r", 3), 3);
    RUN_UNTIL(front.got->len == 3);
    cr_assert_str_eq(front.got->str, "in\r");
    put(chardev, n, "a\n");
    char buffer[8] = "";
    cr_assert_eq(read(fd, buffer, sizeof(buffer)), 2);
    cr_assert_str_eq(buffer, "a\n");
    close(fd);
    RUN_UNTIL(front.closed == 1);
    chardev_free(chardev);
}
