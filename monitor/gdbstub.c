/* SPDX-License-Identifier: MIT
 * The gdb stub's line: a chardev, whose bytes arrive with the io lock held and are served from a
 * source of the main loop without it, so that packets may stop the machine. */
#include "monitor/gdbstub.h"

#include <string.h>

#include "base/main-loop.h"
#include "hw/char/chardev.h"
#include "monitor/gdb-priv.h"

/* PACKETS_AT_ONCE: then others in the main loop have their turn. */
enum { INPUT_MAX = 4 * GDB_PACKET_MAX, PACKETS_AT_ONCE = 16 };

struct GdbStub {
    Machine *machine;
    Chardev *chardev;
    int front; /* -1 while attaching */
    GdbSession session;
    GdbReceiver receiver;
    GString *last; /* frame sent, for when it got lost */
    bool connected;
    /* What the source has to serve; io lock. */
    GByteArray *input;
    bool came, went;
    guint source;
};

/* ---- sending ---- */

static void io_lock(void *as)
{
    address_space_lock(as);
}

static void io_unlock(void *as)
{
    address_space_unlock(as);
}

static void send_bytes(GdbStub *stub, const char *bytes, gsize count)
{
    address_space_lock(stub->machine->as);
    chardev_write(stub->chardev, stub->front, (const uint8_t *)bytes, count);
    address_space_unlock(stub->machine->as);
}

static void send_packet(void *opaque, const char *contents, gsize length)
{
    GdbStub *stub = opaque;
    g_string_truncate(stub->last, 0);
    gdb_frame(stub->last, contents, length);
    send_bytes(stub, stub->last->str, stub->last->len);
}

static void machine_stopped(void *opaque, RunResult why)
{
    GdbStub *stub = opaque;
    if (gdb_note_stop(&stub->session, why) && stub->connected)
        send_packet(stub, stub->session.stop_reply, strlen(stub->session.stop_reply));
}

/* ---- receiving ---- */

static void serve_packet(GdbStub *stub)
{
    GdbSession *session = &stub->session;
    Machine *machine = stub->machine;
    if (!session->no_ack)
        send_bytes(stub, "+", 1);
    machine->pause(machine);
    gdb_execute(session, stub->receiver.data, stub->receiver.length);
    if (!session->silent)
        send_packet(stub, session->reply->str, session->reply->len);
    session->no_ack = session->no_ack || session->no_ack_next;
    machine->resume(machine);
}

static void serve_bad(GdbStub *stub)
{
    if (!stub->session.no_ack)
        send_bytes(stub, "-", 1);
    else
        send_packet(stub, "E16", 3);
}

static void serve_break(GdbStub *stub)
{
    if (stub->machine->running(stub->machine))
        stub->machine->stop(stub->machine);
    else
        machine_stopped(stub, RUN_STOPPED);
}

/* true: it was the last one of a packet. */
static bool serve_byte(GdbStub *stub, uint8_t byte)
{
    const GdbInput received = gdb_receive(&stub->receiver, byte);
    switch (received) {
    case GDB_PACKET:
        serve_packet(stub);
        break;
    case GDB_BAD:
        serve_bad(stub);
        break;
    case GDB_BREAK:
        serve_break(stub);
        break;
    case GDB_NACK:
        if (!stub->session.no_ack)
            send_bytes(stub, stub->last->str, stub->last->len);
        break;
    case GDB_NOTHING:
    case GDB_ACK:
        break;
    }
    return received != GDB_NOTHING;
}

/* How many of the bytes it has done: not more than a few packets', and none that brings another
 * answer while the client does not read. */
static guint serve_some(GdbStub *stub, const GByteArray *input)
{
    guint done = 0;
    unsigned packets = 0;
    while (done < input->len && packets < PACKETS_AT_ONCE && !chardev_is_full(stub->chardev))
        packets += serve_byte(stub, input->data[done++]);
    return done;
}

/* As when a process is attached to: it stops. */
static void begin_session(GdbStub *stub)
{
    gdb_receiver_reset(&stub->receiver);
    g_string_truncate(stub->last, 0);
    stub->machine->stop(stub->machine);
    gdb_session_begin(&stub->session);
    stub->connected = true;
}

static void end_session(GdbStub *stub)
{
    stub->connected = false;
    stub->machine->pause(stub->machine);
    gdb_session_end(&stub->session);
    stub->machine->resume(stub->machine);
}

static gboolean serve(gpointer opaque);

static void want_service(GdbStub *stub)
{
    if (!stub->source)
        stub->source = main_loop_post(serve, stub);
}

/* Those of one client; he may have gone since. true: all are done. */
static bool serve_input(GdbStub *stub)
{
    AddressSpace *as = stub->machine->as;
    address_space_lock(as);
    g_autoptr(GByteArray) input = stub->input;
    stub->input = g_byte_array_new();
    address_space_unlock(as);
    const guint done = serve_some(stub, input);
    const bool all = done == input->len;
    address_space_lock(as);
    g_byte_array_prepend(stub->input, input->data + done, input->len - done);
    if (!all && !chardev_is_full(stub->chardev))
        want_service(stub);
    chardev_accept_input(stub->chardev);
    address_space_unlock(as);
    return all;
}

static gboolean serve(gpointer opaque)
{
    GdbStub *stub = opaque;
    address_space_lock(stub->machine->as);
    stub->source = 0;
    const bool came = stub->came, went = stub->went;
    stub->came = false;
    stub->went = went && !came;
    address_space_unlock(stub->machine->as);
    if (went && came)
        end_session(stub);
    if (came)
        begin_session(stub);
    if (!serve_input(stub) || !went || came)
        return G_SOURCE_REMOVE;
    stub->went = false;
    end_session(stub);
    return G_SOURCE_REMOVE;
}

/* ---- the chardev's calls; io lock held ---- */

static size_t on_can_receive(void *opaque)
{
    const GdbStub *stub = opaque;
    return INPUT_MAX - MIN(stub->input->len, INPUT_MAX);
}

static void on_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    GdbStub *stub = opaque;
    g_byte_array_append(stub->input, bytes, (guint)count);
    want_service(stub);
}

static void on_event(void *opaque, ChardevEvent event)
{
    GdbStub *stub = opaque;
    switch (event) {
    case CHARDEV_OPENED:
        g_byte_array_set_size(stub->input, 0); /* of one who has gone */
        stub->came = true;
        want_service(stub);
        break;
    case CHARDEV_CLOSED:
        /* One who came and went unserved: his packets are of no use to anybody. */
        if (stub->came)
            g_byte_array_set_size(stub->input, 0);
        stub->went = true;
        stub->came = false;
        want_service(stub);
        break;
    case CHARDEV_DRAINED:
        want_service(stub);
        break;
    case CHARDEV_BREAK:
    case CHARDEV_FOCUS:
        break;
    }
}

static const ChardevHandler handler = {on_can_receive, on_receive, on_event};

/* ---- life ---- */

static char *server_spec(const char *spec)
{
    const bool is_socket = g_str_has_prefix(spec, "tcp:") || g_str_has_prefix(spec, "unix:");
    const bool says = strstr(spec, ",server") || strstr(spec, ",wait") || strstr(spec, ",nowait");
    return g_strconcat(spec, is_socket && !says ? ",server,nowait" : "", NULL);
}

GdbStub *gdb_stub_new(Machine *machine, const char *spec, GError **error)
{
    g_autofree char *full = server_spec(spec);
    Chardev *chardev = chardev_open(full, io_lock, io_unlock, machine->as, error);
    if (!chardev)
        return NULL;
    GdbStub *stub = g_new0(GdbStub, 1);
    stub->machine = machine;
    stub->chardev = chardev;
    stub->front = -1;
    stub->input = g_byte_array_new();
    stub->last = g_string_new(NULL);
    gdb_session_init(&stub->session, machine);
    stub->session.send = send_packet;
    stub->session.opaque = stub;
    machine->stopped = machine_stopped;
    machine->stopped_opaque = stub;
    address_space_lock(machine->as);
    stub->front = chardev_attach(chardev, &handler, stub);
    address_space_unlock(machine->as);
    return stub;
}

const Chardev *gdb_stub_chardev(const GdbStub *stub)
{
    return stub->chardev;
}

bool gdb_stub_connected(const GdbStub *stub)
{
    return stub->connected || stub->came;
}

void gdb_stub_free(GdbStub *stub, int exit_code)
{
    if (!stub)
        return;
    if (stub->connected && stub->session.running) {
        char text[32];
        g_snprintf(text, sizeof(text), "W%02x", exit_code & 0xff);
        send_packet(stub, text, strlen(text));
    }
    stub->machine->stopped = NULL;
    end_session(stub);
    if (stub->source)
        g_source_remove(stub->source);
    chardev_free(stub->chardev);
    gdb_session_clear(&stub->session);
    g_byte_array_free(stub->input, TRUE);
    g_string_free(stub->last, TRUE);
    g_free(stub);
}
