; SPDX-License-Identifier: MIT
; Code in video memory: executed through the frame buffer's BAR, changed through the window at A0000.
%include "priv.inc"
        gdt_end
FRAME_BUFFER equ 0xe0000000
VGA     equ 0x80001000                  ; configuration address of 00:02.0
%macro write 2-3 ax                     ; port, value
        mov dx, %1
        mov %3, %2
        out dx, %3
%endmacro
tests:  write 0xcf8, VGA | 0x10, eax
        write 0xcfc, FRAME_BUFFER, eax
        write 0xcf8, VGA | 0x04, eax
        write 0xcfc, 3                  ; ports and memory
        write 0x3c2, 0x63, al           ; memory on
        write 0x3c4, 0x0f02             ; all planes, chain-4: four bytes of the window are a dword
        write 0x3c4, 0x0e04
        write 0x3ce, 0x0000             ; neither set/reset nor rotation, write mode 0
        write 0x3ce, 0x0001
        write 0x3ce, 0x0003
        write 0x3ce, 0x4005
        write 0x3ce, 0x0506             ; graphics at A0000
        write 0x3ce, 0xff08
        mov dword [FRAME_BUFFER], 0x000001b8    ; MOV EAX, 1; RET
        mov word [FRAME_BUFFER + 4], 0xc300
        begin "code in video memory that the window changes"
        mov edx, FRAME_BUFFER
        call edx
        mov ebx, eax
        mov byte [0xa0001], 2
        mov ecx, [FRAME_BUFFER]
        call edx
        want NONE
        eq "before", ebx, 1
        eq "memory", ecx, 0x000002b8
        eq "after", eax, 2
        done
        ret
        image_end
