; SPDX-License-Identifier: MIT
; The same from user mode: what it may not do raises #GP.
; mode: flat-user
        bits 32
        org 5000h
        int 80h
        cli
        hlt
