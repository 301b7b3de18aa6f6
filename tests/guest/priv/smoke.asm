; SPDX-License-Identifier: MIT
; The frame itself: every way of entering a check and of coming back.
%include "priv.inc"
        gdt_end
tests:
        begin "nothing happens"
        nop
        want NONE
        done
        begin "UD2 at CPL 0"
        at
        ud2
        want UD, 0
        want_at
        begin "null DS"
        xor eax, eax
        mov ds, ax
        at
        mov eax, [0]
        want GP, 0
        want_at
        begin_user "CLI at CPL 3"
        at
        cli
        want GP, 0
        want_at
        begin_user "nothing happens at CPL 3"
        nop
        want NONE
        done
        begin_ring 1, "HLT at CPL 1"
        at
        hlt
        want GP, 0
        want_at
        begin_ring 2, "nothing happens at CPL 2"
        mov ebx, 5
        want NONE
        eq "EBX", ebx, 5
        done
        begin_v86 "HLT in V86"
        at
        hlt
        want GP, 0
        want_at
        begin_v86 "nothing happens in V86"
        mov eax, 0x1234
        want NONE
        eq "EAX", eax, 0x1234
        done
        begin16 "16-bit code"
        nop
        want NONE
        done
        begin_real "DIV by 0 in real mode"
        xor cl, cl
        at
        div cl
        want DE
        want_at
        begin_real "nothing happens in real mode"
        mov ebx, 77
        want NONE
        eq "EBX", ebx, 77
        done
        ret
        image_end
