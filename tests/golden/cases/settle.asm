; SPDX-License-Identifier: MIT
; STI, POPF and OUT do not end a block whose next instruction is sure to be in it.
; mode: flat-kernel
        bits 32
        org 5000h
        sti
        popf
        out dx, al
        mov eax, [ebx]
        mov ecx, [ebx + 4]
        mov edx, [ebx + 8]
        mov esi, [ebx + 12]
        mov edi, [ebx + 16]
        mov ebp, [ebx + 20]
        jmp $
