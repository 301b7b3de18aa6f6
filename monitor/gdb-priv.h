/* SPDX-License-Identifier: MIT
 * A gdb session: what one client has set, and the parts that serve it. Private to monitor/gdb*.
 * Main-loop thread; the vCPU is outside translated code whenever one of these runs. */
#ifndef MONITOR_GDB_PRIV_H
#define MONITOR_GDB_PRIV_H

#include "monitor/gdb-packet.h"
#include "monitor/machine.h"

/* Bits of qqemu.sstep. */
enum { GDB_STEP_ENABLE = 1, GDB_STEP_NO_IRQ = 2, GDB_STEP_NO_TIMER = 4, GDB_STEP_DEFAULT = 7 };
enum { GDB_SIGINT = 2, GDB_SIGTRAP = 5 };

typedef struct {
    Machine *machine;
    GString *description; /* target.xml, made at the first request: one layout a session */
    GHashTable *breaks;   /* address -> bits 1 << type of Z packets */
    unsigned watch_type[MMU_WATCHES];    /* of Z packets */
    bool multiprocess, swbreak, hwbreak; /* what the client understands */
    bool no_ack, no_ack_next;
    bool physical; /* memory packets take physical addresses */
    bool running;  /* the client waits for a stop reply */
    unsigned step_flags;
    char stop_reply[64]; /* the last one, for "?" */
    GString *reply;      /* to the packet that is being served */
    bool silent;         /* it has none: the stop reply comes later */
    /* Send a packet of its own (console output). */
    void (*send)(void *opaque, const char *contents, gsize length);
    void *opaque;
} GdbSession;

/* gdb-commands.c */
void gdb_session_init(GdbSession *session, Machine *machine);
void gdb_session_clear(GdbSession *session);
/* A client has come: all it does not set is as at first. */
void gdb_session_begin(GdbSession *session);
/* It has gone: no breakpoint stays. */
void gdb_session_end(GdbSession *session);
/* Serve one packet; fills session->reply unless it becomes silent. */
void gdb_execute(GdbSession *session, const char *packet, gsize length);
/* The machine came to a stop; true: session->stop_reply is due now. */
bool gdb_note_stop(GdbSession *session, RunResult why);

/* gdb-target.c: registers */
void gdb_describe_target(const CpuX86 *cpu, GString *xml);
unsigned gdb_register_count(void);
/* Append register n's bytes as hex; false: there is none. */
bool gdb_read_register(const CpuX86 *cpu, unsigned n, GString *out);
/* Set it from hex digits and advance *at. False: there is none, or too few digits, or *refused:
 * it cannot be set to that (then *at is behind it). */
bool gdb_write_register(CpuX86 *cpu, unsigned n, const char **at, bool *refused);
void gdb_set_pc(CpuX86 *cpu, uint32_t linear);

/* gdb-break.c: type is that of Z packets; false: not to be had */
bool gdb_break_insert(GdbSession *session, unsigned type, gva_t gva, unsigned size);
bool gdb_break_remove(GdbSession *session, unsigned type, gva_t gva, unsigned size);
void gdb_break_remove_all(GdbSession *session);
/* "swbreak:;" and the like for the engine's last stop, or nothing. */
void gdb_break_describe(const GdbSession *session, GString *out);

#endif
