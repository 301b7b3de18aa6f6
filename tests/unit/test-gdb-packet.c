/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "monitor/gdb-packet.h"

static GdbInput feed(GdbReceiver *receiver, const char *bytes, gsize count)
{
    GdbInput last = GDB_NOTHING;
    for (gsize i = 0; i < count; i++)
        last = gdb_receive(receiver, (uint8_t)bytes[i]);
    return last;
}

static GdbInput feed_text(GdbReceiver *receiver, const char *text)
{
    return feed(receiver, text, strlen(text));
}

Test(gdb_packet, frames_come_back)
{
    GdbReceiver receiver;
    char contents[256];
    for (unsigned i = 0; i < sizeof(contents); i++)
        contents[i] = (char)i;
    g_autoptr(GString) frame = g_string_new(NULL);
    gdb_frame(frame, contents, sizeof(contents));
    gdb_receiver_reset(&receiver);
    cr_assert_eq(feed(&receiver, frame->str, frame->len), GDB_PACKET);
    cr_assert_eq(receiver.length, sizeof(contents));
    cr_assert_arr_eq(receiver.data, contents, sizeof(contents));
    cr_assert_eq(receiver.data[receiver.length], 0);
}

Test(gdb_packet, between_packets)
{
    GdbReceiver receiver;
    gdb_receiver_reset(&receiver);
    cr_assert_eq(feed_text(&receiver, "+"), GDB_ACK);
    cr_assert_eq(feed_text(&receiver, "-"), GDB_NACK);
    cr_assert_eq(feed_text(&receiver, "\3"), GDB_BREAK);
    cr_assert_eq(feed_text(&receiver, "noise#00"), GDB_NOTHING);
    cr_assert_eq(feed_text(&receiver, "$g#67"), GDB_PACKET);
    cr_assert_str_eq(receiver.data, "g");
}

Test(gdb_packet, broken_ones)
{
    GdbReceiver receiver;
    gdb_receiver_reset(&receiver);
    cr_assert_eq(feed_text(&receiver, "$g#68"), GDB_BAD);
    cr_assert_eq(feed_text(&receiver, "$g#zz"), GDB_BAD);
    cr_assert_eq(feed_text(&receiver, "$m0,4$g#67"), GDB_PACKET, "a cut packet is forgotten");
    cr_assert_str_eq(receiver.data, "g");
    feed_text(&receiver, "$");
    for (unsigned i = 0; i < 3 * GDB_PACKET_MAX; i++)
        cr_assert_eq(feed_text(&receiver, "a"), GDB_NOTHING);
    cr_assert_eq(feed_text(&receiver, "#00"), GDB_BAD);
    cr_assert_leq(receiver.length, GDB_PACKET_MAX);
    cr_assert_eq(feed_text(&receiver, "$g#67"), GDB_PACKET);
}

Test(gdb_packet, numbers)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {{"0", true, 0},
                {"1F,", true, 0x1f},
                {"ffffffffffffffff", true, UINT64_MAX},
                {"10000000000000000", false, 0},
                {"", false, 0},
                {"-1", false, 0}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *at = rows[i].text;
        uint64_t value = 0;
        cr_expect_eq(gdb_parse_number(&at, &value), rows[i].good, "%s", rows[i].text);
        cr_expect_eq(value, rows[i].value, "%s", rows[i].text);
    }
    const char *at = "0aFf1";
    uint8_t bytes[4];
    cr_assert_eq(gdb_parse_bytes(&at, bytes, sizeof(bytes)), 2);
    cr_assert(bytes[0] == 0x0a && bytes[1] == 0xff && *at == '1');
}
