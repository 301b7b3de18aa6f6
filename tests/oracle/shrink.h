/* SPDX-License-Identifier: MIT
 * Makes a failing case small: instructions become NOPs, registers and flags
 * simple, operand values go, as long as it still fails. */
#ifndef TESTS_ORACLE_SHRINK_H
#define TESTS_ORACLE_SHRINK_H

#include "tests/oracle/case.h"

typedef bool (*ShrinkFails)(void *opaque, const OracleCase *oc);

void oracle_shrink(OracleCase *oc, ShrinkFails fails, void *opaque);

#endif
