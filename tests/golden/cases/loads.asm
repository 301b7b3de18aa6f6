; SPDX-License-Identifier: MIT
; Loads and stores of every width, and an instruction that reads, changes and writes.
; mode: flat-user
        bits 32
        org 5000h
        mov eax, [ebx]
        mov [ebx + ecx * 4 + 8], eax
        mov dx, [ebx + 2]
        movzx esi, byte [eax]
        movsx edi, word [12345678h]
        mov byte [ebp - 1], 7
        add dword [edi], 5
        ret
