; SPDX-License-Identifier: MIT
; A DOS program with a variable: tells a debugger where it is by a word at 0040:00F0 (BIOS data for
; programs to use), changes and reads the variable, prints. The words at 102h are offsets, in the
; order of tests/gdb/dos.py.
        bits 16
        org 0x100

        jmp short start
        dw variable, marked, stored, changed, loaded
variable:
        dw 0
text:   db "counted$"

start:  mov ax, 0x40
        mov es, ax
        mov word [es:0xf0], 0x4744
marked: mov word [variable], 1
stored: inc word [variable]
changed:
        mov ax, [variable]
loaded: mov dx, text
        mov ah, 9
        int 0x21
        mov ax, 0x4c00
        int 0x21
