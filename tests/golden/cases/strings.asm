; SPDX-License-Identifier: MIT
; One iteration: in line, by the step that DF stands for.
; mode: flat-user
        bits 32
        org 5000h
        movsb
        lodsd
        stosw
        scasb
        cmpsd
        jmp $
