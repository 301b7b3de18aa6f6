; SPDX-License-Identifier: MIT
; Locked instructions, and exchanges that lock by themselves.
; mode: flat-user
        bits 32
        org 5000h
        lock xadd [ebx], eax
        lock cmpxchg [esi + 4], ecx
        xchg [edi], edx
        lock cmpxchg8b [ebx]
        lock inc dword [ebp + 8]
        jmp $
