/* SPDX-License-Identifier: MIT
 * Stack instructions. ESP moves after the last access that can fault. */
#include "translator/x86/lift.h"

void lift_push(Lift *l, IrOpd value, int64_t imm, unsigned width);

void lift_push_operand(Lift *l, int arg);
