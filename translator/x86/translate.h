/* SPDX-License-Identifier: MIT
 * The entry of the lifter: GuestOps.translate of the x86 guest. */
#ifndef TRANSLATOR_X86_TRANSLATE_H
#define TRANSLATOR_X86_TRANSLATE_H

#include "translator/guest.h"

bool x86_translate(VCpu *vcpu, const BlockState *state, const TranslateLimits *limits,
                   const uint8_t *code, unsigned code_size, const uint8_t *second,
                   unsigned second_size, IrBlock *block, bool *need_second);

#endif
