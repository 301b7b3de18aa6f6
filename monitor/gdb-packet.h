/* SPDX-License-Identifier: MIT
 * Framing of the gdb remote protocol: bytes in, packets out, and the other way round. No state
 * but the packet being received; knows no command. ("Debugging with GDB", appendix "gdb Remote
 * Serial Protocol", "Overview" and "Packet Acknowledgment") */
#ifndef MONITOR_GDB_PACKET_H
#define MONITOR_GDB_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a packet's contents, both ways; told to gdb as PacketSize. */
enum { GDB_PACKET_MAX = 0x4000 };

typedef struct {
    enum { GDB_IDLE, GDB_BODY, GDB_ESCAPE, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    bool too_long;
    uint8_t sum, told_sum;
    unsigned length;
    char data[GDB_PACKET_MAX + 1];
} GdbReceiver;

typedef enum {
    GDB_NOTHING, /* more bytes are needed */
    GDB_PACKET,  /* data[0..length), a 0 byte behind it */
    GDB_BAD,     /* wrong checksum, or too long: ask for it again */
    GDB_ACK,
    GDB_NACK,
    GDB_BREAK, /* Ctrl-C */
} GdbInput;

void gdb_receiver_reset(GdbReceiver *receiver);
GdbInput gdb_receive(GdbReceiver *receiver, uint8_t byte);

/* $contents#sum, with what must be escaped escaped. */
void gdb_frame(GString *out, const char *contents, gsize length);

/* Numbers and bytes as hex digits. */
void gdb_append_hex(GString *out, const void *bytes, gsize count);
/* Up to `capacity` bytes of pairs of digits; how many there were before something else. */
gsize gdb_parse_bytes(const char **at, uint8_t *bytes, gsize capacity);
/* A big-endian number of 1 to 16 digits; false and *at unmoved: there is none, or it is too long.
 */
bool gdb_parse_number(const char **at, uint64_t *value);

#endif
