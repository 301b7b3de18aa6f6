/* SPDX-License-Identifier: MIT
 * The host CPU as oracle, in one of two ways: as 32-bit code in compatibility mode
 * inside this 64-bit process (SDM 3A "Compatibility Mode"), or recoded for 64-bit
 * mode (recode.h), which every host can do. */
#ifndef TESTS_ORACLE_HOST_H
#define TESTS_ORACLE_HOST_H

#include <glib.h>

#include "tests/oracle/case.h"

typedef struct Host Host;

typedef enum { HOST_COMPAT, HOST_LONG } HostMode;

/* One at a time. NULL and *error naming what this host lacks: then the oracle is skipped, loudly.
 */
Host *host_new(HostMode mode, GError **error);
void host_free(Host *host);

/* Run cases on the CPU. Takes over the thread's signal handlers and alternate stack during the
 * call; whoever needs others sets them again. */
void host_run(Host *host, const OracleCase *cases, unsigned count, OracleOutcome *outcomes);

/* In single steps: does this recoded case jump to where no instruction of it begins? There its
 * bytes mean something else. */
bool host_strays(Host *host, const OracleCase *oc, OracleOutcome *scratch);

#endif
