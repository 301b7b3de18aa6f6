; SPDX-License-Identifier: MIT
; SSE2: aligned and unaligned memory, conversions to integer registers, compares.
; mode: flat-user
        bits 32
        org 5000h
        movaps xmm0, [esi]
        addps xmm0, [esi + ecx * 4 + 16]
        movups [edi], xmm0
        cvtsi2sd xmm1, eax
        cvttsd2si ecx, xmm1
        ucomisd xmm1, [ebx]
        pshufd xmm2, xmm0, 1bh
        movd edx, xmm2
        movq mm0, [esi]
        emms
        jmp $
