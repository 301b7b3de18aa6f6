; SPDX-License-Identifier: MIT
; Calls of C: they fault or not, return a value or end the block.
; mode: flat-kernel
        bits 32
        org 5000h
        cpuid
        cld
        cli
        lgdt [ebx]
        mov eax, cr2
        in al, 60h
        out dx, eax
        mov cr3, eax
        mov ds, ax
        sti
        hlt
