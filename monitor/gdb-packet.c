/* SPDX-License-Identifier: MIT
 * Framing of the gdb remote protocol. */
#include "monitor/gdb-packet.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

void gdb_receiver_reset(GdbReceiver *receiver)
{
    receiver->state = GDB_IDLE;
    receiver->length = 0;
}

static void begin(GdbReceiver *receiver)
{
    receiver->state = GDB_BODY;
    receiver->length = 0;
    receiver->sum = 0;
    receiver->too_long = false;
}

static void add(GdbReceiver *receiver, uint8_t byte)
{
    if (receiver->length < GDB_PACKET_MAX)
        receiver->data[receiver->length++] = (char)byte;
    else
        receiver->too_long = true;
}

static GdbInput receive_idle(GdbReceiver *receiver, uint8_t byte)
{
    switch (byte) {
    case '$':
        begin(receiver);
        return GDB_NOTHING;
    case '+':
        return GDB_ACK;
    case '-':
        return GDB_NACK;
    case 3:
        return GDB_BREAK;
    default:
        return GDB_NOTHING; /* noise of the line */
    }
}

static GdbInput receive_body(GdbReceiver *receiver, uint8_t byte)
{
    if (byte == '#') {
        receiver->state = GDB_SUM_HIGH;
        return GDB_NOTHING;
    }
    if (byte == '$') { /* the last one was cut off */
        begin(receiver);
        return GDB_NOTHING;
    }
    receiver->sum += byte;
    if (byte == '}')
        receiver->state = GDB_ESCAPE;
    else
        add(receiver, byte);
    return GDB_NOTHING;
}

static GdbInput finish(GdbReceiver *receiver, uint8_t low)
{
    int high = g_ascii_xdigit_value((char)receiver->told_sum);
    int value = g_ascii_xdigit_value((char)low);
    receiver->state = GDB_IDLE;
    receiver->data[receiver->length] = '\0';
    bool good = high >= 0 && value >= 0 && (high << 4 | value) == receiver->sum;
    return good && !receiver->too_long ? GDB_PACKET : GDB_BAD;
}

GdbInput gdb_receive(GdbReceiver *receiver, uint8_t byte)
{
    switch (receiver->state) {
    case GDB_IDLE:
        return receive_idle(receiver, byte);
    case GDB_BODY:
        return receive_body(receiver, byte);
    case GDB_ESCAPE:
        receiver->sum += byte;
        add(receiver, byte ^ 0x20);
        receiver->state = GDB_BODY;
        return GDB_NOTHING;
    case GDB_SUM_HIGH:
        receiver->told_sum = byte;
        receiver->state = GDB_SUM_LOW;
        return GDB_NOTHING;
    case GDB_SUM_LOW:
        return finish(receiver, byte);
    }
    g_assert_not_reached();
}

void gdb_frame(GString *out, const char *contents, gsize length)
{
    uint8_t sum = 0;
    g_string_append_c(out, '$');
    gsize start = out->len;
    for (gsize i = 0; i < length; i++) {
        char c = contents[i];
        if (c == '$' || c == '#' || c == '}' || c == '*') {
            g_string_append_c(out, '}');
            c ^= 0x20;
        }
        g_string_append_c(out, c);
    }
    for (gsize i = start; i < out->len; i++)
        sum += (uint8_t)out->str[i];
    g_string_append_c(out, '#');
    gdb_append_hex(out, &sum, 1);
}

void gdb_append_hex(GString *out, const void *bytes, gsize count)
{
    const uint8_t *from = bytes;
    for (gsize i = 0; i < count; i++) {
        g_string_append_c(out, hex_digits[from[i] >> 4]);
        g_string_append_c(out, hex_digits[from[i] & 15]);
    }
}

gsize gdb_parse_bytes(const char **at, uint8_t *bytes, gsize capacity)
{
    const char *p = *at;
    gsize count = 0;
    while (count < capacity && g_ascii_isxdigit(p[0]) && g_ascii_isxdigit(p[1])) {
        bytes[count++] = (uint8_t)(g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]));
        p += 2;
    }
    *at = p;
    return count;
}

bool gdb_parse_number(const char **at, uint64_t *value)
{
    const char *p = *at;
    uint64_t number = 0;
    unsigned digits = 0;
    while (g_ascii_isxdigit(*p) && digits <= 16) {
        number = number << 4 | (unsigned)g_ascii_xdigit_value(*p++);
        digits++;
    }
    if (digits == 0 || digits > 16)
        return false;
    *value = number;
    *at = p;
    return true;
}
