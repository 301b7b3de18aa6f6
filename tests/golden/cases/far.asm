; SPDX-License-Identifier: MIT
; Far transfers and segment loads.
; mode: flat-kernel
        bits 32
        org 5000h
        jmp 10h:6000h
        call far [ebx]
        retf
        pop es
        les eax, [esi]
        mov fs, [edi]
