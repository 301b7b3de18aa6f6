; SPDX-License-Identifier: MIT
; Products and quotients, with and without memory.
; mode: flat-user
        bits 32
        org 5000h
        mul ebx
        imul ecx, edx, 100
        imul esi, [edi]
        div ecx
        idiv dword [esi + 4]
        cdq
        jmp $
