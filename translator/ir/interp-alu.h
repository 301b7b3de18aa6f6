/* SPDX-License-Identifier: MIT
 * Integer operations as functions of values and flags; private to the interpreter.
 * Each runs the host's own instruction, so that undefined flags agree with what
 * the code generator emits. */
#ifndef TRANSLATOR_IR_INTERP_ALU_H
#define TRANSLATOR_IR_INTERP_ALU_H

#include "translator/ir/ir.h"

/* d op= a; flags in and out (arithmetic bits). NULL where op/width has no such form. */
typedef uint64_t (*AluFn)(uint64_t d, uint64_t a, uint64_t *flags);
AluFn interp_alu2(IrOp op, unsigned width);   /* ADD..TEST, IMUL2, BT.., BSF, BSR */
AluFn interp_unary(IrOp op, unsigned width);  /* INC DEC NEG; a ignored */
AluFn interp_shift(IrOp op, unsigned width);  /* a = count */
/* SHLD, SHRD: d, source, count */
uint64_t interp_shiftd(IrOp op, unsigned width, uint64_t d, uint64_t a, uint64_t count,
                       uint64_t *flags);
/* MUL, IMUL, DIV, IDIV on accumulators acc[0] = eAX, acc[1] = eDX (AX only for bytes). False: #DE. */
bool interp_muldiv(IrOp op, unsigned width, uint64_t acc[2], uint64_t a, uint64_t *flags);
bool interp_condition(unsigned cond, uint64_t flags);

#endif
