/* SPDX-License-Identifier: MIT
 * dbtvm under test: the same snippets on a bare CPU without a board, in 32-bit
 * protected mode at CPL 3 with PAE paging and NX, as the host's kernel runs them. */
#ifndef TESTS_ORACLE_GUEST_H
#define TESTS_ORACLE_GUEST_H

#include <glib.h>

#include "tests/oracle/case.h"
#include "tcache/engine.h"
#include "translator/x86/cpuid.h"

typedef struct Guest Guest;

Guest *guest_new(const CpuModel *model, const EngineOptions *options, GError **error);
bool guest_has_windows(const Guest *guest);
void guest_free(Guest *guest);
void guest_run(Guest *guest, const OracleCase *cases, unsigned count, OracleOutcome *outcomes);

#endif
