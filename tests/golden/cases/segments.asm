; SPDX-License-Identifier: MIT
; A segment with a base; absolute addresses in it, as thread-local storage has them.
; mode: tls
        bits 32
        org 5000h
        mov eax, [gs:0]
        mov [gs:ebx + 8], eax
        add dword [fs:14h], 1
        jmp $
