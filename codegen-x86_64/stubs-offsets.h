/* SPDX-License-Identifier: MIT
 * VCpu offsets and codes for stubs.S; runtime.c checks every one of them against the C types. */
#ifndef CODEGEN_X86_64_STUBS_OFFSETS_H
#define CODEGEN_X86_64_STUBS_OFFSETS_H

#define STUB_BIAS        172
#define STUB_GPR         0
#define STUB_PC          128
#define STUB_FLAGS       136
#define STUB_FP_LOADED   140
#define STUB_FP_ENSURE   240
#define STUB_HOST_RSP    312
#define STUB_HOST_PC     424
#define STUB_WINDOW_BASE 432
#define STUB_FP_AREA     1536
#define STUB_HOST_FP     2048

#define STUB_CODE_LINES  440
#define STUB_BESIDE_LEFT 448
#define STUB_BOUNCED     845
#define STUB_CODE_TAG_SUPERVISOR 1581056
#define STUB_ADDEND_SUPERVISOR   1056768
#define STUB_CODE_TAG_USER       3678208
#define STUB_ADDEND_USER         3153920

#define STUB_CODE_LINE_BITS 4
#define STUB_FLAGS_ARITH   0x8d5
#define STUB_FLAG_OF_SHIFT 11

#define STUB_EXIT_CHAIN  0
#define STUB_EXIT_LOOKUP 1
#define STUB_EXIT_POLL   2
#define STUB_EXIT_FAULT  3

#endif
