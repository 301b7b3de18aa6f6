/* SPDX-License-Identifier: MIT
 * Do two outcomes of a case agree, but for what masks.def allows? */
#ifndef TESTS_ORACLE_COMPARE_H
#define TESTS_ORACLE_COMPARE_H

#include <glib.h>

#include "tests/oracle/case.h"
#include "translator/x86/cpuid.h"

typedef enum {
    DIFF_NONE = 0,
    DIFF_END = 1, /* normal, fault, vector, error code, CR2 */
    DIFF_EIP = 2,
    DIFF_GPR = 4,
    DIFF_FLAGS = 8,
    DIFF_FPU = 16,      /* x87, MMX, XMM registers and control words */
    DIFF_POINTERS = 32, /* FIP, FDP, FOP: counted apart */
    DIFF_MEMORY = 64,
} DiffKind;

/* Does the host's outcome say anything? Not if it was cut off somewhere. */
bool oracle_comparable(const OracleOutcome *host);

/* Bits of DiffKind; what differs is appended to `text` unless it is NULL. */
unsigned oracle_compare(const OracleCase *oc, const CpuModel *model, const OracleOutcome *host,
                        const OracleOutcome *guest, GString *text);

/* The case as seed, state and disassembly. */
void oracle_print_case(const OracleCase *oc, GString *text);

#endif
