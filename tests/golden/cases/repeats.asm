; SPDX-License-Identifier: MIT
; Repeated string instructions.
; mode: flat-user
        bits 32
        org 5000h
        rep movsd
        rep stosb
        repne scasb
        repe cmpsb
        rep lodsd
        jmp $
