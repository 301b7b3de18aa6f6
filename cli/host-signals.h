/* SPDX-License-Identifier: MIT
 * SIGINT, SIGTERM and SIGHUP: the machine ends in order. That may take as long as somebody does not
 * read what dbtvm writes to a pipe (messages, -D, logfile=): who asks again after some seconds is
 * not kept waiting: the process exits with 128 and the number of the signal. */
#ifndef CLI_HOST_SIGNALS_H
#define CLI_HOST_SIGNALS_H

#include <glib.h>

/* Main thread, once; on_signal is called by the main loop. */
void host_signals_attach(GSourceFunc on_signal, gpointer opaque);

#endif
