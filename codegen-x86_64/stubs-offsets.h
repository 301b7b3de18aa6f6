/* SPDX-License-Identifier: MIT
 * VCpu offsets and codes for stubs.S; runtime.c checks every one of them against the C types. */
#ifndef CODEGEN_X86_64_STUBS_OFFSETS_H
#define CODEGEN_X86_64_STUBS_OFFSETS_H

#define STUB_BIAS        172
#define STUB_GPR         0
#define STUB_PC          128
#define STUB_FLAGS       136
#define STUB_FP_LOADED   140
#define STUB_JUMP_TABLE  144
#define STUB_JUMP_STUB   152
#define STUB_FP_ENSURE   256
#define STUB_HOST_RSP    336
#define STUB_RETURN_SP   344
#define STUB_HOST_PC     456
#define STUB_WINDOW_BASE 464
#define STUB_FP_AREA     1600
#define STUB_HOST_FP     2112
#define STUB_NO_RETURN   24576 /* &returns[RETURN_ENTRIES] */

#define STUB_CODE_LINES          472
#define STUB_BESIDE_LEFT         480
#define STUB_BOUNCED             909
#define STUB_CODE_TAG_SUPERVISOR 1605632
#define STUB_ADDEND_SUPERVISOR   1081344
#define STUB_CODE_TAG_USER       3702784
#define STUB_ADDEND_USER         3178496

#define STUB_CODE_LINE_BITS 4
#define STUB_FLAGS_ARITH    0x8d5
#define STUB_FLAG_OF_SHIFT  11

#define STUB_EXIT_CHAIN  0
#define STUB_EXIT_LOOKUP 1
#define STUB_EXIT_POLL   2
#define STUB_EXIT_FAULT  3

#endif
