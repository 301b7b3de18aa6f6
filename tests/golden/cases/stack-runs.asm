; SPDX-License-Identifier: MIT
; Runs of pushes and pops: one move of ESP each.
; mode: flat-user
        bits 32
        org 5000h
        push ebp                ; the beginning of a function
        push edi
        push esi
        push ebx
        sub esp, 44
        mov eax, [esp + 64]
        push eax                ; a call
        push dword [esp + 8]
        push 5
        call 5100h
        add esp, 44             ; the end of a function
        pop ebx
        pop esi
        pop edi
        pop ebp
        ret
        push ebp                ; with a frame pointer
        mov ebp, esp
        push esi
        lea eax, [esp + 8]
        push eax
        push esp                ; what needs the register
        mov [esp + ebx * 4], esi
        push ebx
        pop ebx                 ; nothing is left to be moved
        jz 5000h
        pop esi
        jz 5000h
        push word 5
        pop es
        lea esp, [esp + 120]
        pop eax
        pop eax
        pop eax
        leave
        ret 1000
