; SPDX-License-Identifier: MIT
; Pushes, pops, frames.
; mode: flat-user
        bits 32
        org 5000h
        push ebp
        mov ebp, esp
        push dword 5
        push dword [esi]
        pop ebx
        pop dword [edi]
        leave
        pushfd
        popfd
        pusha
        popa
        enter 16, 0
