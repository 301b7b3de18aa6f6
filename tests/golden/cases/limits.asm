; SPDX-License-Identifier: MIT
; A segment whose limit a helper checks.
; mode: limited
        bits 32
        org 5000h
        mov eax, [ebx]
        mov [ebx + 4], eax
        jmp $
