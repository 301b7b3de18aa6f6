; SPDX-License-Identifier: MIT
; Virtual-8086 mode: what depends on IOPL is a helper.
; mode: v86
        bits 16
        org 5000h
        pushf
        cli
        in al, dx
        mov ax, [es:di]
        int 21h
