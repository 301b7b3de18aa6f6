/* SPDX-License-Identifier: MIT
 * The host CPU as oracle: runs snippets in 32-bit compatibility mode inside
 * this 64-bit process (docs: SDM 3A "Compatibility Mode"). */
#ifndef TESTS_ORACLE_HOST_H
#define TESTS_ORACLE_HOST_H

#include <glib.h>

#include "tests/oracle/case.h"

typedef struct Host Host;

/* NULL and *error naming what this host lacks: then the oracle is skipped, loudly. */
Host *host_new(GError **error);
void host_free(Host *host);

/* Run cases on the CPU. Takes over the thread's signal handlers and alternate stack during the
 * call; whoever needs others sets them again. */
void host_run(Host *host, const OracleCase *cases, unsigned count, OracleOutcome *outcomes);

#endif
