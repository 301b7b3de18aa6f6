/* SPDX-License-Identifier: MIT
 * Names that printer and parser share; private to ir/. */
#ifndef TRANSLATOR_IR_TEXT_H
#define TRANSLATOR_IR_TEXT_H

#include "translator/ir/ir.h"

extern const char *const ir_reg_names[VCPU_GPRS];
extern const char *const ir_seg_names[8];
extern const char *const ir_seg_use_names[4];

#endif
