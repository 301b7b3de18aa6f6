; SPDX-License-Identifier: MIT
; Flags stay in the host's: nothing is saved between these.
; mode: flat-user
        bits 32
        org 5000h
        add eax, ebx
        adc ecx, 5
        inc edx
        sbb esi, edi
        rcl eax, 1
        neg ecx
        cmp eax, edx
        setle bl
        cmovs eax, edi
        bt ecx, 3
        sahf
        lahf
        cmc
        jmp $
