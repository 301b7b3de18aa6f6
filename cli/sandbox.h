/* SPDX-License-Identifier: MIT
 * Once everything is open and before the guest's first instruction, the process gives up the
 * system calls that a machine does not need (seccomp(2)): who breaks out of the translator or a
 * device finds no way to the host. Knows no machine. */
#ifndef CLI_SANDBOX_H
#define CLI_SANDBOX_H

#include <glib.h>
#include <stdbool.h>

#include "cli/config.h"

/* Groups of cli/sandbox.def; a machine has SANDBOX_MACHINE in any case. */
enum {
    SANDBOX_MACHINE = 1,
    SANDBOX_FILES = 2,   /* opened later: by monitor commands, at exit */
    SANDBOX_SOCKETS = 4, /* who listens accepts */
    SANDBOX_LISTEN = 8,  /* the monitor's gdbserver */
    SANDBOX_REMOVE = 16, /* the pid file, a socket's path */
    SANDBOX_WINDOW = 32, /* a graphics driver lives here: only the worst is forbidden */
};

/* What a machine of this description does after its start. */
unsigned sandbox_needs(const Config *config, bool window);
/* For good and for every thread of the process, later ones as well. A forbidden call ends the
 * process with SIGSYS. false: this host has no seccomp for us; nothing has changed. */
bool sandbox_enter(unsigned needs, GError **error);
/* What the command line wants, with a line on stderr where it cannot be. false: it is insisted on.
 */
bool sandbox_start(const Config *config, bool window, bool *entered);

#endif
