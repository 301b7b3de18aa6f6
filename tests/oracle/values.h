/* SPDX-License-Identifier: MIT
 * Operand values that find bugs: boundaries of integers, special floating point
 * numbers, FPU states from full to empty. */
#ifndef TESTS_ORACLE_VALUES_H
#define TESTS_ORACLE_VALUES_H

#include "tests/oracle/case.h"
#include "tests/oracle/rng.h"

uint32_t value_int32(Rng *rng);
/* 16 bytes: as packed integers, singles, doubles, an extended real or BCD. */
void value_vector(Rng *rng, uint8_t out[16]);
/* A whole FXSAVE64 image. plain: all exceptions masked and none pending. */
void value_fx(Rng *rng, uint8_t fx[512], bool plain);

#endif
