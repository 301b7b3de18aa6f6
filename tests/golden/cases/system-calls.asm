; SPDX-License-Identifier: MIT
; Into the kernel and back.
; mode: flat-kernel
        bits 32
        org 5000h
        int 80h
        sysenter
        sysexit
        iret
        into
        ud2
