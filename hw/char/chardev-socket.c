/* SPDX-License-Identifier: MIT
 * tcp:HOST:PORT and unix:PATH, as client or as server of one peer at a time. */
#include "hw/char/chardev-priv.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <linux/tcp.h> /* not <netinet/tcp.h>, whose struct tcp_info is shorter */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { REST_MAX = 65536 };

typedef struct {
    GSocket *listener; /* NULL: we are a client */
    GSource *accept;   /* NULL: not waiting */
    GSocket *peer;     /* NULL: nobody */
    ChardevStream *stream;
    GByteArray *rest;  /* what peers who have gone sent to a line that has not read it yet */
    char *unlink_path; /* unix server */
} SocketState;

typedef struct {
    GSocketAddress *address;
    char *text; /* for messages: "127.0.0.1:4444" or the path */
    bool is_tcp;
    bool server;
    bool wait;
} SocketSpec;

/* Options after the address: server, wait, nowait, each also as option=on or off. */
static bool parse_option(const char *option, SocketSpec *spec, GError **error)
{
    static const struct {
        const char *name;
        size_t offset;
        bool inverted;
    } options[] = {
        {"server", offsetof(SocketSpec, server), false},
        {"wait", offsetof(SocketSpec, wait), false},
        {"nowait", offsetof(SocketSpec, wait), true},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        size_t length = strlen(options[i].name);
        if (strncmp(option, options[i].name, length) != 0)
            continue;
        const char *value = option + length;
        bool on = *value == '\0' || !strcmp(value, "=on");
        if (!on && strcmp(value, "=off") != 0)
            continue;
        *(bool *)((char *)spec + options[i].offset) = on != options[i].inverted;
        return true;
    }
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                "'%s' is not an option of a socket (known: server, wait, nowait)", option);
    return false;
}

static bool resolve_tcp(const char *where, SocketSpec *spec, GError **error)
{
    const char *colon = strrchr(where, ':');
    guint64 port;
    if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &port, NULL)) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "'tcp:%s' is not tcp:HOST:PORT", where);
        return false;
    }
    g_autofree char *host = g_strndup(where, (gsize)(colon - where));
    size_t length = strlen(host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') { /* [::1] */
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
    /* DEVIATES: no host means loopback, not all interfaces: who wants the network says 0.0.0.0. */
    const char *name = host[0] ? host : "127.0.0.1";
    GResolver *resolver = g_resolver_get_default();
    GList *found = g_resolver_lookup_by_name(resolver, name, NULL, error);
    g_object_unref(resolver);
    if (!found)
        return false;
    spec->address = g_inet_socket_address_new(found->data, (guint16)port);
    spec->text = g_strdup_printf("%s:%u", name, (unsigned)port);
    g_resolver_free_addresses(found);
    return true;
}

static bool parse_spec(const char *argument, bool is_tcp, SocketSpec *spec, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(argument, ",", -1);
    *spec = (SocketSpec){.is_tcp = is_tcp, .wait = true};
    for (size_t i = 1; parts[i]; i++)
        if (!parse_option(parts[i], spec, error))
            return false;
    if (is_tcp)
        return resolve_tcp(parts[0], spec, error);
    if (strlen(parts[0]) >= 108) { /* sockaddr_un.sun_path */
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                    "'%s' is too long for a socket (at most 107 bytes)", parts[0]);
        return false;
    }
    spec->address = g_unix_socket_address_new(parts[0]);
    spec->text = g_strdup(parts[0]);
    return true;
}

static void spec_clear(SocketSpec *spec)
{
    g_clear_object(&spec->address);
    g_clear_pointer(&spec->text, g_free);
}

static void socket_peer_closed(Chardev *chardev);
static void socket_hung_up(Chardev *chardev);

static void set_peer(Chardev *chardev, GSocket *peer)
{
    SocketState *state = chardev->state;
    int fd = g_socket_get_fd(peer);
    state->peer = peer;
    if (g_socket_get_family(peer) != G_SOCKET_FAMILY_UNIX)
        g_socket_set_option(peer, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
    state->stream = chardev_stream_new(chardev, fd, fd, socket_peer_closed, socket_hung_up);
    chardev_notify(chardev, CHARDEV_OPENED);
    chardev_accept_input(chardev);
}

static void stop_accepting(SocketState *state)
{
    if (!state->accept)
        return;
    g_source_destroy(state->accept);
    g_source_unref(state->accept);
    state->accept = NULL;
}

static void drop_peer(SocketState *state)
{
    g_clear_pointer(&state->stream, chardev_stream_free);
    g_clear_object(&state->peer);
}

/* He has hung up, and somebody else is there. */
static void replace_peer(Chardev *chardev)
{
    SocketState *state = chardev->state;
    if (chardev->front_count > 0 && chardev->fronts[0].handler->line)
        chardev_stream_take_rest(state->stream, state->rest, REST_MAX);
    drop_peer(state);
    chardev_notify(chardev, CHARDEV_CLOSED);
}

static gboolean peer_waiting(GSocket *listener, GIOCondition condition, gpointer opaque)
{
    Chardev *chardev = opaque;
    SocketState *state = chardev->state;
    chardev_lock(chardev);
    GSocket *peer = g_socket_accept(listener, NULL, NULL);
    if (peer) {
        stop_accepting(state); /* one at a time; the next waits in the backlog */
        if (state->peer)
            replace_peer(chardev);
        set_peer(chardev, peer);
    }
    chardev_unlock(chardev);
    return G_SOURCE_CONTINUE;
}

static void start_accepting(Chardev *chardev)
{
    SocketState *state = chardev->state;
    if (!state->listener || state->accept)
        return;
    state->accept = g_socket_create_source(state->listener, G_IO_IN, NULL);
    g_source_set_callback(state->accept, G_SOURCE_FUNC(peer_waiting), chardev, NULL);
    g_source_attach(state->accept, NULL);
}

static void socket_peer_closed(Chardev *chardev)
{
    drop_peer(chardev->state);
    chardev_notify(chardev, CHARDEV_CLOSED);
    start_accepting(chardev);
}

/* The guest may still read what he sent, unless somebody else comes before. */
static void socket_hung_up(Chardev *chardev)
{
    start_accepting(chardev);
}

/* A socket file that nobody listens on is left over from an earlier run. */
static bool remove_stale_socket(const SocketSpec *spec)
{
    if (spec->is_tcp)
        return false;
    g_autoptr(GSocket) probe =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
    g_autoptr(GError) refused = NULL;
    return probe && !g_socket_connect(probe, spec->address, NULL, &refused) &&
           g_error_matches(refused, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED) &&
           unlink(spec->text) == 0;
}

/* The path of a unix socket is for its owner only: who connects rules the machine. Linux gives it
 * the mode of the socket. */
static bool bind_to(const SocketSpec *spec, GSocket *socket, GError **error)
{
    g_autoptr(GError) reason = NULL;
    if (!spec->is_tcp)
        fchmod(g_socket_get_fd(socket), S_IRUSR | S_IWUSR);
    if (g_socket_bind(socket, spec->address, TRUE, &reason))
        return true;
    if (g_error_matches(reason, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE) && remove_stale_socket(spec))
        return g_socket_bind(socket, spec->address, TRUE, error);
    g_propagate_error(error, g_steal_pointer(&reason));
    return false;
}

static bool listen_at(Chardev *chardev, const SocketSpec *spec, GSocket *socket, GError **error)
{
    SocketState *state = chardev->state;
    if (!bind_to(spec, socket, error) || !g_socket_listen(socket, error))
        return false;
    state->listener = g_object_ref(socket);
    if (!spec->is_tcp)
        state->unlink_path = g_strdup(spec->text);
    if (!spec->wait) {
        start_accepting(chardev);
        return true;
    }
    fprintf(stderr, "waiting for a connection on %s\n", spec->text);
    GSocket *peer = g_socket_accept(socket, NULL, error);
    if (!peer)
        return false;
    set_peer(chardev, peer);
    return true;
}

static bool connect_to(Chardev *chardev, const SocketSpec *spec, GSocket *socket, GError **error)
{
    if (!g_socket_connect(socket, spec->address, NULL, error))
        return false;
    set_peer(chardev, g_object_ref(socket));
    return true;
}

/* Input that comes now is nobody's; some of it, as the peer may go on for ever. False: he has
 * closed his side. */
static bool discard_input(int fd)
{
    enum { CHUNKS = 64 };
    uint8_t buffer[CHARDEV_READ_CHUNK];
    ssize_t count = 1;
    for (unsigned i = 0; i < CHUNKS && count > 0; i++)
        count = read(fd, buffer, sizeof(buffer));
    return count > 0 || (count < 0 && errno == EAGAIN);
}

/* TCP: what the peer has not acknowledged is lost if he sent something that was not read when the
 * socket is closed (RFC 1122, 4.2.2.13). So he is waited for, as chardev_stream_flush waits. */
static void linger(int fd)
{
    enum { POLL_MS = 20 };
    struct pollfd query = {.fd = fd, .events = POLLIN};
    const int64_t end = g_get_monotonic_time() + CHARDEV_FLUSH_MS * 1000;
    int64_t idle_since = g_get_monotonic_time(), now = idle_since;
    uint64_t acknowledged = 0;
    chardev_terminal_take_continued();
    shutdown(fd, SHUT_WR);
    while (discard_input(fd) && now < end && now - idle_since < CHARDEV_FLUSH_IDLE_MS * 1000) {
        struct tcp_info info = {0};
        socklen_t size = sizeof(info);
        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
            info.tcpi_unacked + info.tcpi_notsent_bytes == 0)
            return;
        if (info.tcpi_bytes_acked != acknowledged)
            idle_since = now;
        acknowledged = info.tcpi_bytes_acked;
        if (poll(&query, 1, POLL_MS) < 0 && !chardev_terminal_take_continued())
            return;
        now = g_get_monotonic_time();
    }
}

static void flush_peer(SocketState *state)
{
    if (state->stream && chardev_stream_flush(state->stream) &&
        g_socket_get_family(state->peer) != G_SOCKET_FAMILY_UNIX)
        linger(g_socket_get_fd(state->peer));
}

static void socket_close(Chardev *chardev)
{
    SocketState *state = chardev->state;
    stop_accepting(state);
    flush_peer(state);
    drop_peer(state);
    g_clear_object(&state->listener);
    g_byte_array_free(state->rest, TRUE);
    if (state->unlink_path)
        unlink(state->unlink_path);
    g_free(state->unlink_path);
    g_free(state);
}

static bool socket_open(Chardev *chardev, const char *argument, bool is_tcp, GError **error)
{
    SocketSpec spec;
    GError *reason = NULL;
    bool done = false;
    SocketState *state = g_new0(SocketState, 1);
    state->rest = g_byte_array_new();
    chardev->state = state;
    chardev->open = false;
    if (parse_spec(argument, is_tcp, &spec, &reason)) {
        g_autoptr(GSocket) socket =
            g_socket_new(g_socket_address_get_family(spec.address), G_SOCKET_TYPE_STREAM,
                         G_SOCKET_PROTOCOL_DEFAULT, &reason);
        done = socket && (spec.server ? listen_at : connect_to)(chardev, &spec, socket, &reason);
    }
    if (!done) {
        socket_close(chardev);
        if (reason->domain == DBTVM_ERROR)
            g_propagate_error(error, reason);
        else {
            g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot %s '%s': %s",
                        spec.server ? "listen on" : "connect to", argument, reason->message);
            g_error_free(reason);
        }
    }
    spec_clear(&spec);
    return done;
}

static bool tcp_open(Chardev *chardev, const char *argument, GError **error)
{
    return socket_open(chardev, argument, true, error);
}

static bool unix_open(Chardev *chardev, const char *argument, GError **error)
{
    return socket_open(chardev, argument, false, error);
}

static void socket_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    SocketState *state = chardev->state;
    if (state->stream) /* else nobody listens */
        chardev_stream_write(state->stream, bytes, count);
}

static void deliver_rest(Chardev *chardev, GByteArray *rest)
{
    uint8_t chunk[256];
    while (rest->len > 0) {
        const size_t count = MIN(chardev_room(chardev), MIN(rest->len, sizeof(chunk)));
        if (count == 0)
            return;
        memcpy(chunk, rest->data, count);
        g_byte_array_remove_range(rest, 0, (guint)count);
        chardev_deliver(chardev, chunk, count);
    }
}

static void socket_accept_input(Chardev *chardev)
{
    SocketState *state = chardev->state;
    deliver_rest(chardev, state->rest);
    if (state->stream && state->rest->len == 0)
        chardev_stream_accept_input(state->stream);
}

const ChardevBackend chardev_backend_tcp = {.name = "tcp",
                                            .takes_argument = true,
                                            .open = tcp_open,
                                            .write = socket_write,
                                            .accept_input = socket_accept_input,
                                            .close = socket_close};

const ChardevBackend chardev_backend_unix = {.name = "unix",
                                             .takes_argument = true,
                                             .open = unix_open,
                                             .write = socket_write,
                                             .accept_input = socket_accept_input,
                                             .close = socket_close};
