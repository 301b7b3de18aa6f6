; SPDX-License-Identifier: MIT
; Segment register loads, type, limit and privilege checks, LAR, LSL, VERR, VERW, ARPL.
; SDM 3A "Limit Checking", "Type Checking", "Privilege Level Checking When Accessing Data
; Segments"; SDM 2 "MOV", "POP", "LDS/LES/LFS/LGS/LSS", "LAR", "LSL", "VERR/VERW", "ARPL".
%include "priv.inc"
        sel RO, DATA, 0xfff, 0x91, 4
        sel RW, DATA, 0xfff, 0x92, 4            ; not yet accessed
        sel XONLY, 0, 0xfffff, 0x99, 0xc
        sel XREAD, 0, 0xfffff, 0x9b, 0xc
        sel CONF, 0, 0xfffff, 0x9f, 0xc
        sel CONFX, 0, 0xfffff, 0x9d, 0xc
        sel CONF3, 0, 0xfffff, 0xff, 0xc
        sel ABSENT, DATA, 0xfff, 0x13, 4
        sel ABSENT_SS3, DATA, 0xfff, 0x73, 4
        sel LIM, DATA, 0xfff, 0x93, 4
        sel LIMG, DATA, 1, 0x93, 0xc
        sel BYTE1, DATA, 0, 0x93, 4
        sel DOWN, DATA - 0x1000, 0xfff, 0x97, 0         ; offsets 1000h-FFFFh
        sel DOWNB, DATA, 0xfff, 0x97, 4                 ; 1000h-FFFFFFFFh
        sel DOWNRO, DATA - 0x1000, 0xfff, 0x95, 0
        sel DOWNG, DATA, 0xffff0, 0x97, 0xc             ; from FFFF1000h
        sel RW3, DATA, 0xfff, 0xf3, 4
        sel RW1, DATA, 0xfff, 0xb3, 4
        sel RO3, DATA, 0xfff, 0xf1, 4
        sel STACK16_3, 0, 0xffff, 0xf3, 0
        sel STACK16S_3, 0, 0x9fff, 0xf3, 0              ; limit below its top
        sel DOWNST_3, 0, 0x8fff, 0xf7, 4
        sel LDT_SEL, LIN(ldt), 15, 0x82, 0
        sel LDT_SHORT, LIN(ldt), 6, 0x82, 0
        sel LDT_ABSENT, LIN(ldt), 15, 0x02, 0
        sel TSS_ABSENT, LIN(tss), 0x67, 0x09, 0
        sel TSS_BUSY, LIN(tss), 0x67, 0x8b, 0
        sel TSS16, LIN(tss), 0x67, 0x81, 0
        selgate CGATE, CODE, tests, 0x8c
        selgate CGATE16, CODE, tests, 0x84
        selgate IGATE, CODE, tests, 0x8e
        selgate TGATE, CODE, tests, 0x8f
        selgate TASKG, TSS_SEL, tests, 0x85
        sel SYS0, 0, 0, 0x80, 0
        sel SYS8, 0, 0, 0x88, 0
        sel SYS10, 0, 0, 0x8a, 0
        sel SYS13, 0, 0, 0x8d, 0
        sel SMALL_CODE, LIN(image), 0xffff, 0x9b, 4
        gdt_end
ldt:    desc 0, 0xfffff, 0x93, 0xc
        desc DATA, 0xfff, 0xf3, 4
farptr:    dd 0x12345678
        dw 0
%define ENTER begin

%macro load 3-4 0                       ; segment register, selector, vector, code
        %defstr %%reg %1
        %defstr %%sel %2
        %defstr %%cpl ENTER
        %strcat %%text %%cpl, ": mov ", %%reg, ", ", %%sel
        ENTER %%text
        mov eax, %2
        at
        mov %1, ax
        want %3, %4
%if %3 = NONE
        done
%else
        want_at
%endif
%endmacro
%macro loads 2-3 0                      ; selector, vector, code: all four data registers
        load ds, %1, %2, %3
        load es, %1, %2, %3
        load fs, %1, %2, %3
        load gs, %1, %2, %3
%endmacro
%macro touch 4-5 0                      ; segment, selector, vector, "instruction"[, code]
        %defstr %%sel %2
        %strcat %%text %%sel, ": ", %4
        %deftok %%insn %4
        ENTER %%text
        mov eax, %2
        mov %1, ax
        mov eax, 0x11223344
        mov ebx, 0xfffff000
        mov edi, ebx
        at
        %%insn
        want %3, %5
%if %3 = NONE
        done
%else
        want_at
%endif
%endmacro
%macro query_ 5                        ; insn, selector, ZF, value
        %defstr %%i %1
        %defstr %%sel %2
        %defstr %%cpl ENTER
        %strcat %%text %%cpl, ": ", %%i, " ", %%sel
        ENTER %%text
        mov ebx, 0x55555555
        mov eax, %2
        %1 ebx, eax
        setz cl
        want NONE
        movzx ecx, cl
        and ebx, %5                     ; bits 16-19 of LAR's result are undefined
        eq "ZF", ecx, %3
        eq "destination", ebx, %4
        done
%endmacro
%macro query 4
%ifidn %1, lar
    %if %3
        query_ %1, %2, %3, %4, 0xfff0ff00
    %else
        query_ %1, %2, %3, %4, 0xffffffff
    %endif
%else
        query_ %1, %2, %3, %4, 0xffffffff
%endif
%endmacro
%macro verify 3                         ; selector, VERR's ZF, VERW's ZF
        %defstr %%sel %1
        %defstr %%cpl ENTER
        %strcat %%text %%cpl, ": verr, verw ", %%sel
        ENTER %%text
        mov eax, %1
        verr ax
        setz cl
        verw ax
        setz ch
        want NONE
        movzx ecx, cx
        eq "ZF", ecx, %2 + 0x100 * %3
        done
%endmacro

tests:
        mov eax, cr4                    ; CR4.OSFXSR: SSE
        or eax, 0x200
        mov cr4, eax
        loads 0, NONE
        loads 3, NONE
        loads RO, NONE
        loads RW, NONE
        eq "accessed bit", [gdt + RW + 4], 0x00409302
        loads XREAD, NONE
        loads CONF, NONE
        loads XONLY, GP, XONLY
        loads CONFX, GP, CONFX
        loads TSS_SEL, GP, TSS_SEL
        loads CGATE, GP, CGATE
        loads ABSENT, NP, ABSENT
        loads 0x800, GP, 0x800
        loads 4, GP, 4
        loads RO + 3, GP, RO
        loads RW3, NONE
        loads RW3 + 3, NONE
        loads RW1 + 1, NONE
        loads RW1 + 2, GP, RW1
        load ss, 0, GP, 0
        load ss, 3, GP, 0
        load ss, RO, GP, RO
        load ss, XREAD, GP, XREAD
        load ss, RW3, GP, RW3
        load ss, RW3 + 3, GP, RW3
        load ss, DATA_SEL + 1, GP, DATA_SEL
        load ss, ABSENT, SS_, ABSENT
        load ss, ABSENT_SS3, GP, ABSENT_SS3
        load ss, TSS_SEL, GP, TSS_SEL
        load ss, 0x800, GP, 0x800
        load ss, DATA_SEL, NONE

        begin "LDT not loaded"
        mov ax, 0xc
        at
        mov ds, ax
        want GP, 0xc
        want_at
        mov ax, LDT_SEL
        lldt ax
        loads 4, NONE
        loads 0xc, NONE
        loads 0x14, GP, 0x14
        load ss, 4, NONE
        load ss, 0xc, GP, 0xc
        mov ax, LDT_SHORT
        lldt ax
        loads 4, GP, 4
        mov ax, LDT_SEL
        lldt ax

; LLDT, LTR
%macro system 4                         ; insn, selector, vector, code
        %defstr %%i %1
        %defstr %%sel %2
        %strcat %%text %%i, " ", %%sel
        begin %%text
        mov eax, %2
        at
        %1 ax
        want %3, %4
%if %3 = NONE
        done
%else
        want_at
%endif
%endmacro
        system lldt, 4, GP, 4
        system lldt, TSS_SEL, GP, TSS_SEL
        system lldt, RO, GP, RO
        system lldt, LDT_ABSENT, NP, LDT_ABSENT
        system lldt, 0x800, GP, 0x800
        system lldt, 0, NONE, 0
        system lldt, LDT_SEL + 3, NONE, 0
        system ltr, 0, GP, 0
        system ltr, 3, GP, 0
        system ltr, 4, GP, 4
        system ltr, TSS_SEL, GP, TSS_SEL        ; busy since the start
        system ltr, TSS_BUSY, GP, TSS_BUSY
        system ltr, TSS_ABSENT, NP, TSS_ABSENT
        system ltr, LDT_SEL, GP, LDT_SEL
        system ltr, CODE, GP, CODE
        begin "LTR sets busy"
        want NONE
        eq "descriptor", [gdt + TSS_SEL + 4], 0x00008b01
        done
        begin "STR, SLDT"
        or eax, -1
        str ax
        str ecx
        sldt ebx
        want NONE
        eq "STR r16", eax, 0xffff0000 + TSS_SEL
        eq "STR r32", ecx, TSS_SEL
        eq "SLDT r32", ebx, LDT_SEL + 3
        done

; limits and types
        touch ds, LIM, NONE, "mov al, [0xfff]"
        touch ds, LIM, GP, "mov al, [0x1000]"
        touch ds, LIM, NONE, "mov ax, [0xffe]"
        touch ds, LIM, GP, "mov ax, [0xfff]"
        touch ds, LIM, NONE, "mov eax, [0xffc]"
        touch ds, LIM, GP, "mov eax, [0xffd]"
        touch ds, LIM, GP, "mov [0xfff], eax"
        touch ds, LIM, NONE, "fld qword [0xff8]"
        touch ds, LIM, GP, "fld qword [0xff9]"
        touch ds, LIM, NONE, "fld tword [0xff6]"
        touch ds, LIM, GP, "fld tword [0xff7]"
        touch ds, LIM, GP, "fstp qword [0xff9]"
        touch ds, LIM, GP, "add [0xffd], eax"
        touch ds, LIM, GP, "bt dword [0xffd], 0"
        touch ds, LIM, GP, "bts dword [0xffd], eax"
        touch ds, LIM, GP, "push dword [0xffd]"
        touch ds, LIM, GP, "pop dword [0xffd]"
        touch ds, LIM, GP, "xlatb"
        touch ds, LIM, GP, "call [0xffd]"
        touch ds, LIM, GP, "jmp far [0xffb]"
        touch ds, LIM, GP, "lgdt [0xffb]"
        touch ds, LIM, GP, "sidt [0xffb]"
        touch ds, LIM, GP, "cmpxchg8b [0xff9]"
        touch ds, LIM, GP, "lds eax, [0xffb]"
        touch ds, LIM, GP, "movups xmm0, [0xff1]"
        touch es, LIM, GP, "scasd"
        touch es, LIM, GP, "mov al, [es:0xffffffff]"
        touch fs, LIM, GP, "mov ax, [fs:0xffffffff]"
        touch ds, LIM, GP, "mov eax, [0xfffffffe]"
        touch ds, BYTE1, NONE, "mov al, [0]"
        touch ds, BYTE1, GP, "mov al, [1]"
        touch ds, BYTE1, GP, "mov ax, [0]"
        touch ds, LIMG, NONE, "mov eax, [0x1ffc]"
        touch ds, LIMG, GP, "mov eax, [0x1ffd]"
        touch ds, DOWN, GP, "mov al, [0]"
        touch ds, DOWN, GP, "mov al, [0xfff]"
        touch ds, DOWN, NONE, "mov al, [0x1000]"
        touch ds, DOWN, GP, "mov ax, [0xfff]"
        touch ds, DOWN, NONE, "mov al, [0xffff]"
        touch ds, DOWN, GP, "mov ax, [0xffff]"
        touch ds, DOWN, GP, "mov al, [0x10000]"
        touch ds, DOWN, NONE, "mov [0x1000], eax"
        touch ds, DOWNRO, GP, "mov [0x1000], eax"
        touch ds, DOWNRO, NONE, "mov eax, [0x1000]"
        touch ds, DOWNB, GP, "mov al, [0xfff]"
        touch ds, DOWNB, NONE, "mov eax, [0x1000]"
        touch ds, DOWNB, NONE, "mov eax, [0xfffffffc]"
        touch ds, DOWNB, GP, "mov eax, [0xfffffffd]"
        touch ds, DOWNG, GP, "mov eax, [0xffff0fff]"
        touch ds, DOWNG, NONE, "mov eax, [0xffff1000]"
        touch ds, RO, NONE, "mov eax, [0]"
        touch ds, RO, GP, "mov [0], eax"
        touch ds, RO, GP, "xchg [0], eax"
        touch ds, RO, GP, "inc byte [0]"
        touch ds, RO, GP, "pop dword [0]"
        touch ds, RO, NONE, "cmp [0], eax"
        touch ds, XREAD, NONE, "mov eax, [0]"
        touch ds, XREAD, GP, "mov [DATA], eax"
        touch ds, 0, GP, "mov eax, [DATA]"
        touch ds, 0, GP, "cmp byte [eax], 0"
        touch ds, 0, NONE, "lea eax, [0]"
        touch es, 0, GP, "stosb"
        begin "write through CS"
        at
        mov [cs:DATA], eax
        want GP, 0
        want_at
        begin "read through CS"
        mov eax, [cs:zero]
        want NONE
        done
        begin "read through an execute-only CS"
        jmp XONLY:.x
.x:     mov ebx, 1
        at
        mov eax, [cs:zero]
        want GP, 0
        want_at
        begin "GPRs and ESP survive a faulting POP"
        mov eax, ABSENT
        mov ebx, esp
        push eax
        mov ecx, esp
        at
        pop ds
        want NP, ABSENT
        eq "ESP", [t_old_esp], ecx
        want_at
        begin "LDS with a bad selector keeps both registers"
        mov word [farptr + 4], ABSENT
        mov eax, 77
        at
        lds eax, [farptr]
        want NP, ABSENT
        eq "EAX", eax, 77
        eq "DS", [t_keep_ds], DATA_SEL
        want_at
        begin "LSS loads both"
        mov word [farptr + 4], DATA_SEL
        mov dword [farptr], STACK1
        lss esp, [farptr]
        want NONE
        eq "ESP", [t_old_esp], STACK1
        done
        begin "LES r16"
        mov word [farptr + 2], RO
        mov eax, 0xffffffff
        o16 les ax, [farptr]
        want NONE
        eq "EAX", eax, 0xffff0000 + STACK1
        eq "ES", [t_keep_es], RO
        done
        begin "MOV CS"
        at
        db 0x8e, 0xc8                   ; mov cs, ax
        want UD, 0
        want_at
        begin "MOV segment register 6"
        at
        db 0x8e, 0xf0
        want UD, 0
        want_at
        begin "PUSH of a segment writes 32 bits of stack, POP takes 4"
        mov ecx, esp
        push ds
        sub ecx, esp
        pop es
        mov edx, esp
        want NONE
        eq "bytes", ecx, 4
        eq "ESP", [t_esp], edx
        done
        begin "MOV r32, Sreg clears the upper half"
        or eax, -1
        mov eax, ds
        want NONE
        eq "EAX", eax, DATA_SEL
        done

; queries
        mov ax, LDT_SEL
        lldt ax
        query lar, 0, 0, 0x55555555
        query lar, RO, 1, 0x00409100
        query lar, RW3 + 3, 1, 0x0040f300
        query lar, XREAD, 1, 0x00c09b00
        query lar, ABSENT, 1, 0x00401300
        query lar, TSS_SEL, 1, 0x00008b00
        query lar, TSS16, 1, 0x00008100
        query lar, LDT_SEL, 1, 0x00008200
        query lar, CGATE, 1, 0x00008c00
        query lar, CGATE16, 1, 0x00008400
        query lar, TASKG, 1, 0x00008500
        query lar, IGATE, 0, 0x55555555
        query lar, TGATE, 0, 0x55555555
        query lar, SYS0, 0, 0x55555555
        query lar, SYS8, 0, 0x55555555
        query lar, SYS10, 0, 0x55555555
        query lar, SYS13, 0, 0x55555555
        query lar, 0x800, 0, 0x55555555
        query lar, 0x14, 0, 0x55555555
        query lar, 4, 1, 0x00c09300
        query lar, RO + 1, 0, 0x55555555
        query lar, CONF + 3, 1, 0x00c09f00
        query lsl, RO, 1, 0xfff
        query lsl, LIMG, 1, 0x1fff
        query lsl, CODE, 1, 0xffffffff
        query lsl, DOWN, 1, 0xfff
        query lsl, TSS_SEL, 1, TSS_LEN - 1
        query lsl, LDT_SEL, 1, 15
        query lsl, CGATE, 0, 0x55555555
        query lsl, TASKG, 0, 0x55555555
        query lsl, ABSENT, 1, 0xfff
        query lsl, RO + 3, 0, 0x55555555
        verify 0, 0, 0
        verify RO, 1, 0
        verify RW, 1, 1
        verify XONLY, 0, 0
        verify XREAD, 1, 0
        verify CONF, 1, 0
        verify CONFX, 0, 0
        verify CONF + 3, 1, 0
        verify ABSENT, 1, 1
        verify TSS_SEL, 0, 0
        verify RO + 1, 0, 0
        verify 0x800, 0, 0
        begin "LAR r16"
        or ebx, -1
        mov ax, RO
        lar bx, ax
        want NONE
        eq "EBX", ebx, 0xffff9100
        done
        begin "LSL r16"
        or ebx, -1
        mov ax, CODE
        lsl bx, ax
        want NONE
        eq "EBX", ebx, 0xffffffff
        done
        begin "LAR does not set the accessed bit"
        and dword [gdt + RW + 4], ~0x100
        mov ax, RW
        lar ebx, ax
        verr ax
        want NONE
        eq "descriptor", [gdt + RW + 4], 0x00409202
        done
%define ENTER begin_user
        query lar, RO, 0, 0x55555555
        query lar, CONF, 1, 0x00c09f00
        query lar, TSS_SEL, 0, 0x55555555
        query lsl, RW3, 1, 0xfff
        query lsl, RW1, 0, 0x55555555
        verify RO, 0, 0
        verify RW3, 1, 1
        verify RO3, 1, 0
        verify CONF, 1, 0
        loads RO, GP, RO
        loads RW1, GP, RW1
        loads RW3, NONE
        loads RW3 + 3, NONE
        loads CONF, NONE
        loads CODE, GP, CODE
        loads 0, NONE
        load ss, RW3, GP, RW3
        load ss, RW3 + 3, NONE
        load ss, RO, GP, RO
        load ss, RO3 + 3, GP, RO3
        load ss, ABSENT_SS3 + 3, SS_, ABSENT_SS3
        load ss, 3, GP, 0
        system lldt, 0, NONE, 0
        begin_user "LLDT at CPL 3"
        at
        lldt ax
        want GP, 0
        want_at
        begin_user "SGDT at CPL 3 is allowed without UMIP"
        sgdt [STACK3]
        want NONE
        done
%macro arpl_ 4
        %strcat %%text "ARPL ", %1
        begin %%text
        mov eax, %2
        mov ebx, %3
        arpl ax, bx
        setz cl
        want NONE
        movzx ecx, cl
        eq "ZF", ecx, ((%4) != (%2))
        eq "destination", eax, %4
        done
%endmacro
        arpl_ "less", 0xffff0010, 3, 0xffff0013
        arpl_ "equal", 0x13, 3, 0x13
        arpl_ "more", 0x13, 2, 0x13
        arpl_ "1 2", 0x11, 0xfff2, 0x12
        begin_v86 "ARPL in V86"
        at
        arpl ax, bx
        want UD, 0
        want_at
        begin_v86 "LAR in V86"
        at
        lar ax, bx
        want UD, 0
        want_at
        begin_v86 "VERR in V86"
        at
        verr ax
        want UD, 0
        want_at
        begin_v86 "SLDT in V86"
        at
        sldt ax
        want UD, 0
        want_at
        begin_real "LTR in real mode"
        at
        ltr ax
        want UD
        want_at

; 16-bit stacks at CPL 3
%macro stack3 5                         ; name, selector, ESP, vector, instruction...
        begin_user %1
        mov eax, %2 + 3
        mov ss, ax
        mov esp, %3
        at
        %5
        want %4, 0
%if %4 = NONE
        done
%else
        want_at
%endif
%endmacro
        stack3 "16-bit stack: push wraps", STACK16_3, 0x70000, NONE, {push eax}
        eq "ESP", [t_old_esp], 0x7fffc
        stack3 "16-bit stack: push at SP 2 crosses the end", STACK16_3, 2, SS_, {push eax}
        eq "ESP", [t_old_esp], 2
        stack3 "16-bit stack: push word at SP 1", STACK16_3, 0x50001, SS_, {push ax}
        eq "ESP", [t_old_esp], 0x50001
        stack3 "16-bit stack: pop at FFFD", STACK16_3, 0xfffd, SS_, {pop eax}
        stack3 "16-bit stack: pop at FFFC wraps", STACK16_3, 0xfffc, NONE, {pop eax}
        eq "ESP", [t_old_esp], 0
        stack3 "16-bit stack: above the limit", STACK16S_3, 0xa004, SS_, {push eax}
        stack3 "16-bit stack: at the limit", STACK16S_3, 0xa000, NONE, {push eax}
        stack3 "16-bit stack: call", STACK16S_3, 0xb000, SS_, {call tests}
        stack3 "16-bit stack: pusha keeps ESP", STACK16S_3, 0xb000, SS_, {pushad}
        eq "ESP", [t_old_esp], 0xb000
        stack3 "16-bit stack: enter", STACK16S_3, 0xb000, SS_, {enter 4, 0}
        eq "ESP", [t_old_esp], 0xb000
        stack3 "[ESP] beyond 64 KiB is beyond the limit", STACK16_3, 0x18000, SS_, {mov eax, [esp]}
        stack3 "expand-down stack", DOWNST_3, 0xa000, NONE, {push eax}
        stack3 "expand-down stack ends", DOWNST_3, 0x9003, SS_, {push eax}
        stack3 "expand-down stack ends here", DOWNST_3, 0x9004, NONE, {push eax}
        stack3 "pop [esp] on a 16-bit stack", STACK16_3, 0x9000, NONE, {pop dword [esp + 8]}
        eq "ESP", [t_old_esp], 0x9004
        begin_user "POP [ESP] with SP wrapping"
        mov eax, STACK16_3 + 3
        mov ss, ax
        mov dword [0xfffc], 0x12345678
        mov esp, 0xfffc
        pop dword [esp + 0x9000]        ; ESP is 0 by then
        want NONE
        eq "stored at 9000h", [0x9000], 0x12345678
        done
        begin_user "LEAVE on a 16-bit stack uses BP"
        mov eax, STACK16_3 + 3
        mov ss, ax
        mov dword [0x9000], 0xabcdef01
        mov ebp, 0x59000
        mov esp, 0x31234
        leave
        want NONE
        eq "EBP", ebp, 0xabcdef01
        eq "ESP", [t_old_esp], 0x39004
        done
; near branches past the CS limit
%macro beyond 2                         ; name, instruction...
        begin %1
        mov eax, 0x20000
        mov ebx, esp
        jmp SMALL_CODE:%$in - image
%$in:   push eax
        mov ecx, esp
%$x:    %2
        nop
        want GP, 0
        eq "EIP", [t_eip], %$x - image
        eq "ESP", [t_old_esp], ecx
        done
%endmacro
        beyond "JMP reg past the limit", {jmp eax}
        beyond "CALL reg past the limit", {call eax}
        beyond "RET past the limit", {ret}
        beyond "RET n past the limit", {ret 8}
        beyond "JMP mem past the limit", {jmp [ss:ecx]}
        beyond "JMP rel past the limit", {jmp near image + 0x20000}
        beyond "CALL rel past the limit", {call image + 0x20000}
        beyond "JZ past the limit", {jnc near image + 0x20000}
        ret
        image_end
