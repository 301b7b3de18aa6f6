; SPDX-License-Identifier: MIT
; Every form of address: absolute, index alone, base equal to the destination, 16-bit.
; mode: flat-user
        bits 32
        org 5000h
        mov eax, [10h]
        mov eax, [eax * 8 + 40h]
        mov ebx, [ebx + ebx]
        mov ecx, [bx + si - 2]
        mov edx, [esp + 4]
        jmp $
