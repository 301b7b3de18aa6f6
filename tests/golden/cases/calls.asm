; SPDX-License-Identifier: MIT
; Direct and indirect calls, and the two returns.
; mode: flat-user
        bits 32
        org 5000h
        call 5100h
        call 7000h
        call [eax * 4 + 8000h]
        call edx
        jmp [ebx]
        ret
        ret 12
