/* SPDX-License-Identifier: MIT
 * What a gdb client may send: raw bytes through the framing, and every line of the input as the
 * contents of a packet whose checksum is right. */
#include <string.h>

#include "monitor/gdb-priv.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine-bed.h"

static void ignore_packet(void *opaque, const char *contents, gsize length)
{
}

static void serve(GdbSession *session, GdbReceiver *receiver, const char *bytes, gsize count)
{
    for (gsize i = 0; i < count; i++)
        if (gdb_receive(receiver, (uint8_t)bytes[i]) == GDB_PACKET)
            gdb_execute(session, receiver->data, receiver->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    Machine *machine = machine_bed_open();
    g_autofree char *text = fuzz_text(bytes, count);
    g_autofree GdbReceiver *receiver = g_new0(GdbReceiver, 1);
    g_autoptr(GString) frame = g_string_new(NULL);
    GdbSession session;
    gdb_session_init(&session, machine);
    session.send = ignore_packet;
    gdb_session_begin(&session);
    const char *end = text + count;
    for (const char *at = text; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        g_string_truncate(frame, 0);
        gdb_frame(frame, at, (gsize)(stop - at));
        serve(&session, receiver, frame->str, frame->len);
        at = stop + 1;
    }
    gdb_receiver_reset(receiver);
    serve(&session, receiver, text, count);
    gdb_note_stop(&session, RUN_DEBUG);
    gdb_session_end(&session);
    gdb_session_clear(&session);
    machine_bed_close();
    return 0;
}
