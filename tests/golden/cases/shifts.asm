; SPDX-License-Identifier: MIT
; Shifts by constants, by CL, of two registers; rotates.
; mode: flat-user
        bits 32
        org 5000h
        shl eax, 4
        sar ebx, cl
        shrd eax, edx, 7
        shld eax, edx, cl
        rol cx, 1
        ror byte [esi], cl
        jmp $
