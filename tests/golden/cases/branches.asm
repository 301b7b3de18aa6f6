; SPDX-License-Identifier: MIT
; Conditional branches do not end a block; a loop, and jumps in the page and out of it.
; mode: flat-user
        bits 32
        org 5000h
again:
        test eax, eax
        jz over
        dec ecx
        jnz again
        add eax, 4
over:
        cmp ebx, 7
        ja near 9000h
        loop again
        jecxz over
        jmp 6000h
