/* SPDX-License-Identifier: MIT
 * The gdb remote stub: `target remote` on a chardev. One client at a time; the next may come when
 * it has gone. Main-loop thread. */
#ifndef MONITOR_GDBSTUB_H
#define MONITOR_GDBSTUB_H

#include "monitor/machine.h"

typedef struct GdbStub GdbStub;

/* spec: a chardev's, tcp:HOST:PORT and unix:PATH being servers that do not wait unless they say
 * otherwise. Takes machine->stopped. */
GdbStub *gdb_stub_new(Machine *machine, const char *spec, GError **error);
const Chardev *gdb_stub_chardev(const GdbStub *stub);
bool gdb_stub_connected(const GdbStub *stub);
/* Tells a waiting client that the machine has ended with exit_code. */
void gdb_stub_free(GdbStub *stub, int exit_code);

#endif
