/* SPDX-License-Identifier: MIT
 * VCpu offsets and codes for stubs.S; runtime.c checks every one of them against the C types. */
#ifndef CODEGEN_X86_64_STUBS_OFFSETS_H
#define CODEGEN_X86_64_STUBS_OFFSETS_H

#define STUB_BIAS        4204
#define STUB_GPR         4304
#define STUB_PC          4192
#define STUB_FLAGS       4200
#define STUB_FP_LOADED   4204
#define STUB_JUMP_TABLE  4096
#define STUB_JUMP_STUB   4104
#define STUB_FP_ENSURE   4112
#define STUB_HOST_RSP    4432
#define STUB_RETURN_SP   4440
#define STUB_HOST_PC     4552
#define STUB_WINDOW_BASE 4560
#define STUB_FP_AREA     5696
#define STUB_HOST_FP     6208

#define STUB_CODE_LINES          4568
#define STUB_BESIDE_LEFT         4576
#define STUB_BOUNCED             5005
#define STUB_CODE_TAG_SUPERVISOR 1601544
#define STUB_ADDEND_SUPERVISOR   1077256
#define STUB_CODE_TAG_USER       3698696
#define STUB_ADDEND_USER         3174408

#define STUB_CODE_LINE_BITS 4
#define STUB_FLAGS_ARITH    0x8d5
#define STUB_FLAG_OF_SHIFT  11

/* Where the negated pc lies in the code behind a CALL. */
#define CODEGEN_RETURN_TAG 3

#define STUB_EXIT_CHAIN  0
#define STUB_EXIT_LOOKUP 1
#define STUB_EXIT_POLL   2
#define STUB_EXIT_FAULT  3

#endif
