; SPDX-License-Identifier: MIT
; The x87's instructions run on the host's; loads, stores, stack, status.
; mode: flat-user
        bits 32
        org 5000h
        fld qword [esi]
        fadd dword [esi + 8]
        fmul st0, st3
        fsqrt
        fistp dword [edi]
        fstp tword [edi + 8]
        fld1
        fsincos
        fnstsw ax
        fldcw [ebp - 2]
        jmp $
