; SPDX-License-Identifier: MIT
; Far transfers, call gates, interrupt and trap gates, error codes, IRET and RETF.
; SDM 3A "Privilege Level Checking When Transferring Program Control Between Code Segments",
; "Exception- or Interrupt-Handler Procedures", "Error Code"; SDM 2 "CALL", "JMP", "RET", "INT n",
; "IRET/IRETD".
%include "priv.inc"
        sel CODEB, LIN(image), 0xffff, 0x9b, 4          ; offsets below 64 KiB
        sel CODEB1, LIN(image), 0xffff, 0xbb, 4
        sel CONF, 0, 0xfffff, 0x9f, 0xc
        sel CONF1, 0, 0xfffff, 0xbf, 0xc
        sel CODE_ABSENT, 0, 0xfffff, 0x1b, 0xc
        sel CODE_SMALL, 0, 0xfff, 0x9b, 4
        sel CODE3_ABSENT, 0, 0xfffff, 0x7b, 0xc
        sel CODE3_SMALL, 0, 0xfff, 0xfa, 4              ; not yet accessed
        sel RO1, 0, 0xfffff, 0xb1, 0xc
        sel ABSENT1, 0, 0xfffff, 0x33, 0xc
        sel SMALL1, 0, 0x20, 0xb3, 4
        sel ABSENT3, 0, 0xfffff, 0x73, 0xc
        sel RO3, 0, 0xfffff, 0xf1, 0xc
        sel LDT0, LIN(gdt), 0x7ff, 0x82, 0
        selgate G0, CODE, snap, 0x8c                    ; DPL 0
        selgate G3, CODE, snap, 0xec, 2                 ; DPL 3, two parameters
        selgate G3RET, CODE, back, 0xec, 2
        selgate G3N, CODE, snap, 0xec, 31
        selgate G1, RING1_CODE + 1, snap, 0xec, 1
        selgate GABSENT, CODE, snap, 0x6c
        selgate GNULL, 0, snap, 0xec
        selgate GDATA, DATA_SEL, snap, 0xec
        selgate GOUTER, UCODE, snap, 0x8c
        selgate GTARGET_ABSENT, CODE_ABSENT, snap, 0xec
        selgate GSMALL, CODE_SMALL, snap, 0xec
        selgate GCONF, CONF, snap, 0xec, 2
        selgate GRPL, CODE + 3, snap, 0xec              ; RPL of the gate's selector is ignored
        selgate GFAR, 0x800, snap, 0xec
G16     equ $ - gdt
        dw snap_b - image, CODEB
        db 2, 0xe4
        dw 0xffff                                       ; ignored in a 16-bit gate
        gdt_end
snap:   mov [ss:snap_esp], esp
        mov [ss:snap_eax], eax
        pushfd
        pop dword [ss:snap_flags]
        mov eax, cs
        mov [ss:snap_cs], eax
        mov eax, ss
        mov [ss:snap_ss], eax
        mov eax, ds
        mov [ss:snap_ds], eax
%assign i 0
%rep 36
        mov eax, [esp + i]
        mov [ss:frame + i], eax
%assign i i + 4
%endrep
        mov eax, [ss:snap_eax]
        jmp [cs:t_end]
snap_b: jmp CODE:snap
back:   retf 8
        align 4
snap_esp: dd 0
snap_eax: dd 0
snap_flags: dd 0
snap_cs: dd 0
snap_ss: dd 0
snap_ds: dd 0
frame:  times 40 dd 0

%macro fails 3                          ; "instruction", vector, code; at CPL 0 or 3 by ENTER
        %defstr %%cpl ENTER
        %strcat %%text %%cpl, ": ", %1
        %deftok %%insn %1
        ENTER %%text
        at
        %%insn
        want %2, %3
        want_at
%endmacro
; Patches IDT entry 40h-4Fh like: number, low, high dword
%macro idt_set 3
        mov dword [idt + (%1) * 8], %2
        mov dword [idt + (%1) * 8 + 4], %3
%endmacro
%define GATE_LO(s, l) ((LIN(l) & 0xffff) | ((s) << 16))
%define GATE_HI(l, t) ((LIN(l) & 0xffff0000) | ((t) << 8))


tests:
; ---- direct far transfers
%define ENTER begin
        fails "jmp 0:snap", GP, 0
        fails "jmp 3:snap", GP, 0
        fails "call 0:snap", GP, 0
        fails "jmp DATA_SEL:snap", GP, DATA_SEL
        fails "call DATA_SEL:snap", GP, DATA_SEL
        fails "jmp CODE_ABSENT:snap", NP, CODE_ABSENT
        fails "call CODE_ABSENT:snap", NP, CODE_ABSENT
        fails "jmp CODE + 1:snap", GP, CODE
        fails "jmp UCODE:snap", GP, UCODE & ~3
        fails "call UCODE_:snap", GP, UCODE_
        fails "jmp CONF1:snap", GP, CONF1
        fails "jmp 0x800:snap", GP, 0x800
        fails "jmp CODE_SMALL:snap", GP, 0
        fails "call CODE_SMALL:snap", GP, 0
        fails "call LDT0:snap", GP, LDT0
        fails "jmp GABSENT:0", NP, GABSENT
        fails "jmp GNULL:0", GP, 0
        fails "call GNULL:0", GP, 0
        fails "call GDATA:0", GP, DATA_SEL
        fails "call GOUTER:0", GP, UCODE_
        fails "call GTARGET_ABSENT:0", NP, CODE_ABSENT
        fails "call GSMALL:0", GP, 0
        fails "call GFAR:0", GP, 0x800
        fails "call G0 + 1:0", GP, G0
%define ENTER begin_user
        fails "jmp CODE:snap", GP, CODE
        fails "call CODE + 3:snap", GP, CODE
        fails "call G0:0", GP, G0
        fails "call G0 + 3:0", GP, G0
        fails "call GABSENT:0", NP, GABSENT
        fails "jmp G3:0", GP, CODE                      ; JMP may not go inwards
        fails "call GNULL:0", GP, 0
        fails "jmp TSS_SEL:0", GP, TSS_SEL
        begin "JMP far, same level"
        jmp CODE:snap
        want NONE
        eq "CS", [snap_cs], CODE
        done
        begin "CALL far, same level"
        mov [frame + 16], esp
        call CODE:snap
%$back: want NONE
        eq "EIP", [frame], %$back
        eq "CS", [frame + 4], CODE
        mov eax, esp
        sub eax, [snap_esp]
        eq "bytes pushed", eax, 8
        done
        begin "CALL far, o16"
        mov ebx, esp
        jmp CODEB:%$b - image
%$b:     o16 call far [%$target]
%$back: align 4
%$target: dw snap_b - image, CODEB
        want NONE
        sub ebx, [snap_esp]
        eq "bytes pushed", ebx, 4
        eq "IP and CS", [frame], (%$back - image) + (CODEB << 16)
        done
        begin "JMP to conforming code"
        jmp CONF:snap
        want NONE
        eq "CS", [snap_cs], CONF
        done
        begin_user "CALL to conforming code keeps CPL"
        call CONF:snap
        want NONE
        eq "CS", [snap_cs], CONF + 3
        done

        begin_user "JMP to conforming code keeps CPL"
        jmp CONF:%$x
%$x:    mov eax, cs
        want NONE
        eq "CS", eax, CONF + 3
        done
        begin_user "JMP through a gate to conforming code"
        jmp GCONF:0
        want NONE
        eq "CS", [snap_cs], CONF + 3
        done
        begin_user "CALL through a gate to conforming code copies nothing"
        push dword 1
        call GCONF:0
%$x:    want NONE
        eq "CS", [snap_cs], CONF + 3
        eq "EIP", [frame], %$x
        eq "CS pushed", [frame + 4], UCODE
        eq "ESP", [snap_esp], STACK3 - 12
        done
; ---- call gates
        begin "CALL gate, same level: no parameters"
        mov ebx, esp
        call G3:0x1234
%$x:    want NONE
        sub ebx, [snap_esp]
        eq "bytes", ebx, 8
        eq "EIP", [frame], %$x
        eq "CS", [frame + 4], CODE
        done
        begin "JMP gate, same level"
        jmp G3:0
        want NONE
        eq "CS", [snap_cs], CODE
        done
        begin_user "CALL gate inwards"
        push dword 0x11
        push dword 0x22
        call G3:0x12345678
%$x:    want NONE
        eq "CS", [snap_cs], CODE
        eq "SS", [snap_ss], DATA_SEL
        eq "ESP", [snap_esp], STACK0T - 24
        eq "EIP", [frame], %$x
        eq "CS pushed", [frame + 4], UCODE
        eq "parameter 1", [frame + 8], 0x22
        eq "parameter 2", [frame + 12], 0x11
        eq "ESP pushed", [frame + 16], STACK3 - 8
        eq "SS pushed", [frame + 20], UDATA
        done
        begin_user "CALL gate inwards and RETF 8"
        push dword 0x11
        push dword 0x22
        call G3RET:0
        mov ebx, esp
        want NONE
        eq "ESP", ebx, STACK3
        eq "CS", [t_cs], UCODE
        eq "SS", [t_old_ss], UDATA
        done
        begin_user "31 parameters"
%assign i 31
%rep 31
        push dword i
%assign i i - 1
%endrep
        call G3N:0
        want NONE
        eq "first", [frame + 8], 1
        eq "last", [frame + 8 + 120], 31
        eq "ESP pushed", [frame + 8 + 124], STACK3 - 124
        done
        begin_user "CALL gate to level 1"
        push dword 0x33
        call G1:0
        want NONE
        eq "CS", [snap_cs], RING1_CODE + 1
        eq "SS", [snap_ss], RING1_DATA + 1
        eq "ESP", [snap_esp], STACK1 - 20
        eq "parameter", [frame + 8], 0x33
        done
        begin_user "16-bit CALL gate inwards"
        push dword 0x11112222
        call G16:0
%$x:    want NONE
        eq "ESP", [snap_esp], STACK0T - 12
        eq "IP and CS", [frame], ((%$x - image) + 0x10000) & 0xffff | (UCODE << 16)
        eq "parameters", [frame + 4], 0x11112222
        eq "SP and SS", [frame + 8], ((STACK3 - 4) & 0xffff) | (UDATA << 16)
        done
        begin_user "a gate whose selector has RPL 3"
        call GRPL:0
        want NONE
        eq "CS", [snap_cs], CODE
        done
; the inner stack is bad: level 1, so that the fault itself has a stack
%macro inner 4                          ; name, SS1, vector, code
        mov dword [tss + 16], %2
        begin_user %1
        push dword 1
        mov ebx, esp
        at
        call G1:0
        want %3, %4
        eq "ESP", [t_old_esp], ebx
        want_at
%endmacro
        inner "SS1 null", 0, TS, 0
        inner "SS1 null with RPL", 3, TS, 0
        inner "SS1 with RPL 0", RING1_DATA, TS, RING1_DATA
        inner "SS1 of DPL 0", DATA_SEL + 1, TS, DATA_SEL
        inner "SS1 read-only", RO1 + 1, TS, RO1
        inner "SS1 code", RING1_CODE + 1, TS, RING1_CODE
        inner "SS1 beyond the table", 0x801, TS, 0x800
        inner "SS1 in an absent LDT", 0xd, TS, 0xc
        inner "SS1 absent", ABSENT1 + 1, SS_, ABSENT1
        mov dword [tss + 12], 0x10
        inner "SS1 without room", SMALL1 + 1, SS_, SMALL1
        mov dword [tss + 12], STACK1
        mov dword [tss + 16], RING1_DATA + 1
        mov word [gdt + TSS_SEL], 16            ; limit: level 1 does not fit
        and byte [gdt + TSS_SEL + 5], 0xfd
        mov ax, TSS_SEL
        ltr ax
        begin_user "TSS too small for SS1"
        push dword 1
        at
        call G1:0
        want TS, TSS_SEL
        want_at
        mov word [gdt + TSS_SEL], TSS_LEN - 1
        and byte [gdt + TSS_SEL + 5], 0xfd
        mov ax, TSS_SEL
        ltr ax
; ---- RETF
%macro retf_bad 4-*                     ; name, vector, code, words...
        begin %1
        %define %%v %2
        %define %%c %3
        %rotate 3
        %rep %0 - 3
        push dword %1
        %rotate 1
        %endrep
        mov ebx, esp
        at
        retf
        want %%v, %%c
        eq "ESP", [t_old_esp], ebx
        want_at
%endmacro
        retf_bad "RETF to a null CS", GP, 0, 0, snap
        retf_bad "RETF to data", GP, DATA_SEL, DATA_SEL, snap
        retf_bad "RETF to absent code", NP, CODE_ABSENT, CODE_ABSENT, snap
        retf_bad "RETF to DPL 3 with RPL 0", GP, UCODE_, UCODE_, snap
        retf_bad "RETF beyond the limit", GP, 0, CODE_SMALL, snap
        retf_bad "RETF to a gate", GP, G3, G3, snap
        retf_bad "RETF to conforming code of DPL 1, RPL 0", GP, CONF1, CONF1, snap
        retf_bad "RETF outwards, null SS", GP, 0, 0, STACK3, UCODE, snap
        retf_bad "RETF outwards, SS of RPL 0", GP, UDATA & ~3, UDATA & ~3, STACK3, UCODE, snap
        retf_bad "RETF outwards, SS of DPL 0", GP, DATA_SEL, DATA_SEL + 3, STACK3, UCODE, snap
        retf_bad "RETF outwards, read-only SS", GP, RO3, RO3 + 3, STACK3, UCODE, snap
        retf_bad "RETF outwards, absent SS", SS_, ABSENT3, ABSENT3 + 3, STACK3, UCODE, snap
        retf_bad "RETF outwards to absent code", NP, CODE3_ABSENT, UDATA, STACK3, CODE3_ABSENT + 3, snap
        retf_bad "RETF outwards beyond the limit", GP, 0, UDATA, STACK3, CODE3_SMALL + 3, snap
        retf_bad "RETF outwards beyond the limit: SS first", SS_, ABSENT3, ABSENT3 + 3, STACK3, CODE3_SMALL + 3, snap
        begin "code that was refused is not marked accessed"
        want NONE
        eq "type", [gdt + CODE3_SMALL + 4], 0x0040fa00
        done
        retf_bad "RETF to CODE with RPL 3", GP, CODE, UDATA, STACK3, CODE + 3, snap
        begin "RETF outwards: DS of DPL 0 becomes null, conforming stays"
        mov ax, CONF
        mov fs, ax
        mov ax, UDATA
        mov gs, ax
        push dword UDATA
        push dword STACK3
        push dword UCODE
        push dword %$x
        retf
%$x:    mov eax, ds
        mov ebx, fs
        mov ecx, gs
        mov edx, esp
        want NONE
        eq "DS", eax, 0
        eq "FS", ebx, CONF
        eq "GS", ecx, UDATA
        eq "ESP", edx, STACK3
        done
        begin "RETF n outwards releases on both stacks"
        push dword UDATA
        push dword STACK3
        push dword 0
        push dword 0
        push dword UCODE
        push dword %$x
        retf 8
%$x:    mov edx, esp
        want NONE
        eq "ESP", edx, STACK3 + 8
        done
        begin_user "RETF inwards"
        push dword CODE
        push dword snap
        at
        retf
        want GP, CODE
        want_at
        begin_user "RETF same level at CPL 3"
        push dword UCODE
        push dword %$x
        retf
%$x:    want NONE
        done
; ---- interrupt gates and error codes
        idt_set 0x20, GATE_LO(CODE, snap), GATE_HI(snap, 0xee)          ; interrupt gate, DPL 3
        idt_set 0x21, GATE_LO(CODE, snap), GATE_HI(snap, 0xef)          ; trap gate
        idt_set 0x22, GATE_LO(CODE, snap), GATE_HI(snap, 0x8e)          ; DPL 0
        idt_set 0x23, GATE_LO(CODE, snap), GATE_HI(snap, 0x6e)          ; absent
        idt_set 0x24, GATE_LO(CODE, snap), GATE_HI(snap, 0xec)          ; a call gate
        idt_set 0x25, GATE_LO(0, snap), GATE_HI(snap, 0xee)
        idt_set 0x26, GATE_LO(DATA_SEL, snap), GATE_HI(snap, 0xee)
        idt_set 0x27, GATE_LO(CODE_ABSENT, snap), GATE_HI(snap, 0xee)
        idt_set 0x28, GATE_LO(UCODE, snap), GATE_HI(snap, 0xee)
        idt_set 0x29, GATE_LO(CODE_SMALL, snap), GATE_HI(snap, 0xee)
        idt_set 0x2a, ((CODEB << 16) | (snap_b - image)), 0xe600        ; 16-bit interrupt gate
        idt_set 0x2b, GATE_LO((RING1_CODE + 1), snap), GATE_HI(snap, 0xee)
        idt_set 0x2c, GATE_LO(CONF, snap), GATE_HI(snap, 0xee)
        idt_set 0x2d, 0, 0
        idt_set 0x2e, ((CODEB << 16) | (snap_b - image)), 0xe700        ; 16-bit trap gate
        idt_set 0x2f, GATE_LO(0x800, snap), GATE_HI(snap, 0xee)
%macro int_ok 4                         ; vector, name, flags, level
        begin %2
        push dword %3
        popfd
        mov ebx, esp
        int %1
%$x:    want NONE
        sub ebx, [snap_esp]
        eq "bytes", ebx, 12
        eq "EIP", [frame], %$x
        eq "CS", [frame + 4], CODE
%endmacro
        int_ok 0x20, "INT through an interrupt gate", 0x4ed7, 0
        eq "EFLAGS pushed", [frame + 8], 0x4ed7
        eq "EFLAGS", [snap_flags], 0xcd7
        done
        int_ok 0x21, "INT through a trap gate", 0x4ed7, 0
        eq "EFLAGS", [snap_flags], 0xed7
        cli
        done
        begin_user "INT inwards", IOPL3
        push dword (0x202 | IOPL3 | ACF)
        popfd
        int 0x20
%$x:    want NONE
        eq "ESP", [snap_esp], STACK0T - 20
        eq "EIP", [frame], %$x
        eq "CS", [frame + 4], UCODE
        eq "EFLAGS", [frame + 8], 0x202 | IOPL3 | ACF
        eq "ESP pushed", [frame + 12], STACK3
        eq "SS pushed", [frame + 16], UDATA
        eq "EFLAGS now", [snap_flags], 2 | IOPL3 | ACF
        done
        push dword 2
        popfd
        begin_user "INT to level 1"
        int 0x2b
        want NONE
        eq "CS", [snap_cs], RING1_CODE + 1
        eq "SS", [snap_ss], RING1_DATA + 1
        done
        begin_user "INT to conforming code"
        int 0x2c
        want NONE
        eq "CS", [snap_cs], CONF + 3
        eq "ESP", [snap_esp], STACK3 - 12
        done
        begin_user "INT through a 16-bit gate"
        int 0x2a
%$x:    want NONE
        eq "ESP", [snap_esp], STACK0T - 10
        eq "IP and CS", [frame], ((%$x - image) & 0xffff) | (UCODE << 16)
        eq "FLAGS and SP", [frame + 4], 2 | (STACK3 << 16)
        done
%define ENTER begin_user
        fails "int 0x22", GP, 0x22 * 8 + 2
        fails "int 0x23", NP, 0x23 * 8 + 2
        fails "int 0x24", GP, 0x24 * 8 + 2
        fails "int 0x25", GP, 0
        fails "int 0x26", GP, DATA_SEL
        fails "int 0x27", NP, CODE_ABSENT
        fails "int 0x29", GP, 0
        fails "int 0x2d", GP, 0x2d * 8 + 2
        fails "int 0x2f", GP, 0x800
        fails "int 0x40", GP, 0x40 * 8 + 2
        fails "int 0xff", GP, 0xff * 8 + 2
        fails "int 1", GP, 1 * 8 + 2
        fails "int 14", GP, 14 * 8 + 2
%define ENTER begin
        fails "int 0x28", GP, UCODE_
        fails "int 0x23", NP, 0x23 * 8 + 2
        begin "INT at CPL 0 through a gate of DPL 0"
        int 0x22
        want NONE
        done
        begin "INT3, INT 3: traps"
        int3
%$x:    want BP_, 0
        eq "EIP", [t_eip], %$x
        done
        begin_user "INT3 at CPL 3"
        int3
%$x:    want BP_, 0
        eq "EIP", [t_eip], %$x
        done
        begin_user "INTO with OF"
        mov al, 0x7f
        inc al
        into
%$x:    want OF_, 0
        eq "EIP", [t_eip], %$x
        done
        begin_user "INTO without OF"
        xor eax, eax
        into
        want NONE
        done
        begin_user "ICEBP ignores the DPL of gate 1"
        db 0xf1
%$x:    want DB_, 0
        eq "EIP", [t_eip], %$x
        done
        begin_user "BOUND outside"
        mov dword [STACK3], 5
        mov dword [STACK3 + 4], 7
        mov eax, 8
        at
        bound eax, [STACK3]
        want BR, 0
        want_at
        begin_user "BOUND inside"
        mov eax, 7
        bound eax, [STACK3]
        mov eax, 5
        bound eax, [STACK3]
        want NONE
        done
        begin_user "BOUND r16 signed"
        mov word [STACK3], -2
        mov word [STACK3 + 2], 1
        mov eax, 0x1ffff
        bound ax, [STACK3]
        mov ax, -3
        at
        bound ax, [STACK3]
        want BR, 0
        want_at
; exceptions through bad gates: EXT is set
        push dword [idt + 48]
        push dword [idt + 52]
%macro through 5
        idt_set 6, %2, %3
        begin_user %1
        at
        ud2
        want %4, %5
        want_at
%endmacro
        through "#UD, gate absent", GATE_LO(CODE, snap), GATE_HI(snap, 0x0e), NP, 6 * 8 + 3
        through "#UD, gate null", 0, 0, GP, 6 * 8 + 3
        through "#UD, null CS", GATE_LO(0, snap), GATE_HI(snap, 0x8e), GP, 1
        through "#UD, CS is data", GATE_LO(DATA_SEL, snap), GATE_HI(snap, 0x8e), GP, DATA_SEL + 1
        through "#UD, absent CS", GATE_LO(CODE_ABSENT, snap), GATE_HI(snap, 0x8e), NP, CODE_ABSENT + 1
        through "#UD, beyond the limit", GATE_LO(CODE_SMALL, snap), GATE_HI(snap, 0x8e), GP, 1
        mov dword [tss + 16], 0
        through "#UD, null SS1", GATE_LO(RING1_CODE + 1, snap), GATE_HI(snap, 0x8e), TS, 1
        mov dword [tss + 16], RO1 + 1
        through "#UD, bad SS1", GATE_LO(RING1_CODE + 1, snap), GATE_HI(snap, 0x8e), TS, RO1 + 1
        mov dword [tss + 16], ABSENT1 + 1
        through "#UD, absent SS1", GATE_LO(RING1_CODE + 1, snap), GATE_HI(snap, 0x8e), SS_, ABSENT1 + 1
        mov dword [tss + 16], SMALL1 + 1
        mov dword [tss + 12], 0x10
        through "#UD, SS1 without room", GATE_LO(RING1_CODE + 1, snap), GATE_HI(snap, 0x8e), SS_, SMALL1 + 1
        mov dword [tss + 12], STACK1
        mov dword [tss + 16], RING1_DATA + 1
        pop dword [idt + 52]
        pop dword [idt + 48]
; contributory exceptions: #GP whose gate is bad -> #DF with code 0
        push dword [idt + 104]
        push dword [idt + 108]
        idt_set 13, 0, 0
        begin_user "#GP, gate null: #DF"
        at
        hlt
        want DF, 0
        want_at
        idt_set 13, GATE_LO(CODE_ABSENT, snap), GATE_HI(snap, 0x8e)
        begin_user "#GP, absent CS: #DF"
        at
        cli
        want DF, 0
        want_at
        pop dword [idt + 108]
        pop dword [idt + 104]
; ---- IRET
%macro iret_bad 4-*                     ; name, vector, code, words...
        begin %1
        %define %%v %2
        %define %%c %3
        %rotate 3
        %rep %0 - 3
        push dword %1
        %rotate 1
        %endrep
        mov ebx, esp
        at
        iretd
        want %%v, %%c
        eq "ESP", [t_old_esp], ebx
        want_at
%endmacro
        iret_bad "IRET to a null CS", GP, 0, 2, 0, snap
        iret_bad "IRET to data", GP, DATA_SEL, 2, DATA_SEL, snap
        iret_bad "IRET to absent code", NP, CODE_ABSENT, 2, CODE_ABSENT, snap
        iret_bad "IRET to DPL 3 with RPL 0", GP, UCODE_, 2, UCODE_, snap
        iret_bad "IRET beyond the limit", GP, 0, 2, CODE_SMALL, snap
        iret_bad "IRET outwards, null SS", GP, 0, 0, STACK3, 2, UCODE, snap
        iret_bad "IRET outwards, SS of RPL 0", GP, UDATA & ~3, UDATA & ~3, STACK3, 2, UCODE, snap
        iret_bad "IRET outwards, SS of DPL 0", GP, DATA_SEL, DATA_SEL + 3, STACK3, 2, UCODE, snap
        iret_bad "IRET outwards, absent SS", SS_, ABSENT3, ABSENT3 + 3, STACK3, 2, UCODE, snap
        iret_bad "IRET to V86 with EIP beyond 64 KiB", GP, 0, 0, 0, 0, 0, 0, STACK3, VM | 2, 0x1000, 0x10000
        begin "IRET at CPL 0: EFLAGS"
        push dword 0x3f7fd7 & ~0x24300          ; all but VM, NT, TF, IF
        push dword CODE
        push dword %$x
        iretd
%$x:    pushfd
        pop eax
        push dword 2
        popfd
        want NONE
        eq "EFLAGS", eax, 0x3f7fd7 & ~0x34300   ; PUSHF clears RF
        done
        begin_user "IRET at CPL 3 changes neither IOPL nor IF nor VIF, VIP, VM"
        push dword 0x3f3cd7 | 0x200
        push dword UCODE
        push dword %$x
        iretd
%$x:    pushfd
        pop eax
        want NONE
        eq "EFLAGS", eax, 0x240cd7
        done
        begin_user "IRET at CPL 3, IOPL 3, changes IF", IOPL3 | IF
        push dword 2
        push dword UCODE
        push dword %$x
        iretd
%$x:    pushfd
        pop eax
        want NONE
        eq "EFLAGS", eax, IOPL3 * 1 | 2
        done
        begin "o16 IRET keeps the upper half of EFLAGS"
        push dword (ACF | 2)
        popfd
        jmp CODEB:%$y - image
%$y:    push word 0x0cd7
        push word CODEB
        push word %$x - image
        o16 iret
%$x:    pushfd
        pop eax
        jmp CODE:%$z
%$z:    push dword 2
        popfd
        want NONE
        eq "EFLAGS", eax, ACF | 0xcd7
        done
        begin_user "IRET inwards"
        push dword 2
        push dword CODE
        push dword snap
        at
        iretd
        want GP, CODE
        want_at
        begin "IRET outwards nulls DS of DPL 0"
        push dword UDATA
        push dword STACK3
        push dword 2
        push dword UCODE
        push dword %$x
        iretd
%$x:    mov eax, ds
        want NONE
        eq "DS", eax, 0
        done
        begin "IRET to V86"
        push dword 0x1111                       ; GS FS DS ES
        push dword 0x2222
        push dword 0x3333
        push dword 0x4444
        push dword 0                            ; SS
        push dword STACK3
        push dword (VM | IOPL3 | ACF | 2)
        push dword 0x1000
        push dword (%$x - image)
        iretd
        bits 16
%$x:    mov ax, gs
        mov bx, fs
        mov cx, ds
        mov dx, es
        jmp %$end
        bits 32
        want NONE
        eq "GS", eax, 0x1111
        and ebx, 0xffff
        and ecx, 0xffff
        and edx, 0xffff
        eq "FS", ebx, 0x2222
        eq "DS", ecx, 0x3333
        eq "ES", edx, 0x4444
        eq "EFLAGS", [t_eflags], VM | IOPL3 | ACF | 2 | RF
        done
        ret
        image_end
