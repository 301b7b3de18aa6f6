/* SPDX-License-Identifier: MIT */
#include "cli/host-signals.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "hw/char/chardev.h"

enum { PATIENCE_MS = 2000, EXIT_BY_SIGNAL = 128 };

static struct sigaction by_glib; /* tells the main loop; the same for all */
static volatile sig_atomic_t asked, asked_at_ms;

static void on_host_signal(int number)
{
    const int saved = errno;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint32_t now_ms = (uint32_t)now.tv_sec * 1000 + (uint32_t)(now.tv_nsec / 1000000);
    if (asked && now_ms - (uint32_t)asked_at_ms >= PATIENCE_MS) {
        chardev_restore_terminal();
        _exit(EXIT_BY_SIGNAL + number);
    }
    if (!asked)
        asked_at_ms = (sig_atomic_t)now_ms;
    asked = 1;
    by_glib.sa_handler(number);
    errno = saved;
}

void host_signals_attach(GSourceFunc on_signal, gpointer opaque)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_unix_signal_add(signals[i], on_signal, opaque);
        sigaction(signals[i], NULL, &by_glib);
        struct sigaction action = by_glib;
        action.sa_handler = on_host_signal;
        sigaction(signals[i], &action, NULL);
    }
}
