; SPDX-License-Identifier: MIT
; Offsets that must stay below 64 KiB, 16-bit addresses and operands.
; mode: real
        bits 16
        org 5000h
        mov ax, [bx + si]
        mov [bp + di - 4], cx
        add byte [1234h], 1
        push bx
        rep movsw
        call 5100h
        loop $
        jmp 0:7c00h
