; SPDX-License-Identifier: MIT
; AH to DH, whose encoding excludes R8 to R15.
; mode: flat-user
        bits 32
        org 5000h
        mov ah, bl
        add ch, [esi]
        mov [edi + 1], dh
        xchg al, ah
        movzx edx, bh
        jmp $
