; SPDX-License-Identifier: MIT
; Hardware task switches by JMP, CALL, IRET, gates and exceptions; 286 and 386 TSS.
; SDM 3A "Task Switching", "Task Linking", "Invalid-TSS Exception (#TS)", "16-Bit Task-State
; Segment (TSS)"; SDM 2 "IRET/IRETD".
%include "priv.inc"
        sel TSS2, LIN(tss2), 0x67, 0x89, 0
        sel TSS2_DPL3, LIN(tss2), 0x67, 0xe9, 0
        sel TSS_SHORT, LIN(tss2), 0x66, 0x89, 0
        sel TSS_SHORT_BUSY, LIN(tss2), 0x66, 0x8b, 0
        sel TSS_BUSY, LIN(tss2), 0x67, 0x8b, 0
        sel TSS_ABSENT, LIN(tss2), 0x67, 0x09, 0
        sel T286, LIN(tss286), 0x2b, 0x81, 0
        sel T286_SHORT, LIN(tss286), 0x2a, 0x81, 0
        sel ABSENT, 0, 0xfffff, 0x13, 0xc
        sel CODE_ABSENT, 0, 0xfffff, 0x1b, 0xc
        sel CODE_SMALL, 0, 0xfff, 0x9b, 4
        sel CODE286, LIN(image), 0xffff, 0x9b, 4
        sel LDT2, LIN(gdt), 0x7ff, 0x82, 0
        sel LDT_ABSENT, LIN(gdt), 0x7ff, 0x02, 0
        selgate TGATE, TSS2, image, 0xe5
        selgate TGATE0, TSS2, image, 0x85
        selgate TGATE_ABSENT, TSS2, image, 0x65
        selgate TGATE_BAD, DATA_SEL, image, 0xe5
        selgate TGATE_NULL, 0, image, 0xe5
        selgate TGATE_BUSY, TSS_BUSY, image, 0xe5
        selgate TGATE_LDT, 0x54, image, 0xe5
        gdt_end
        align 8
tss2:   times 26 dd 0
tss286: times 22 dw 0
; offsets in a 386 TSS
LINK    equ 0
CR3_    equ 0x1c
EIP_    equ 0x20
EFL_    equ 0x24
EAX_    equ 0x28
ECX_    equ 0x2c
ESP_    equ 0x38
EBP_    equ 0x3c
EDI_    equ 0x44
ES__    equ 0x48
CS__    equ 0x4c
SS__    equ 0x50
DS__    equ 0x54
FS__    equ 0x58
GS__    equ 0x5c
LDT_    equ 0x60
TRAP_   equ 0x64

; Default contents of the second task, busy bits as at the start, TR = TSS_SEL.
setup:  pushad
        mov edi, tss2
        mov ecx, 26
        xor eax, eax
        rep stosd
        mov edi, tss286
        mov ecx, 11
        rep stosd
        mov ebx, tss2
        mov dword [ebx + EIP_], arrived
        mov dword [ebx + EFL_], 2
        mov dword [ebx + EAX_], 0xeeee0001
        mov dword [ebx + ECX_], 0xeeee0002
        mov dword [ebx + EBP_], 0xeeee0003
        mov dword [ebx + EDI_], 0xeeee0004
        mov dword [ebx + ESP_], STACK2
        mov dword [ebx + CS__], CODE
        mov dword [ebx + SS__], DATA_SEL
        mov dword [ebx + DS__], DATA_SEL
        mov dword [ebx + ES__], DATA_SEL
        mov dword [ebx + FS__], 0
        mov dword [ebx + GS__], UDATA
        mov dword [ebx + 4], STACK0T
        mov dword [ebx + 8], DATA_SEL
        mov ebx, tss286
        mov word [ebx + 14], arrived286 - image
        mov word [ebx + 16], 2
        mov word [ebx + 18], 0x1111
        mov word [ebx + 20], 0x2222
        mov word [ebx + 26], STACK2
        mov word [ebx + 0x22], DATA_SEL
        mov word [ebx + 0x24], CODE286
        mov word [ebx + 0x26], DATA_SEL
        mov word [ebx + 0x28], DATA_SEL
        mov byte [gdt + TSS_SEL + 5], 0x89
        mov byte [gdt + TSS2 + 5], 0x89
        mov byte [gdt + TSS2_DPL3 + 5], 0xe9
        mov byte [gdt + T286 + 5], 0x81
        mov ax, TSS_SEL
        ltr ax
        xor eax, eax
        lldt ax
        clts
        popad
        ret
arrived:
        mov [seen + 0], eax
        mov [seen + 4], ecx
        mov [seen + 8], ebp
        mov [seen + 12], edi
        mov [seen + 16], esp
        pushfd
        pop dword [seen + 20]
        mov eax, gs
        mov [seen + 24], eax
        mov eax, cr0
        mov [seen + 28], eax
        str eax
        mov [seen + 32], eax
        mov eax, [gdt + TSS_SEL + 4]
        mov [seen + 36], eax
        mov eax, [gdt + TSS2 + 4]
        mov [seen + 40], eax
        mov eax, [esp]
        mov [seen + 44], eax
        jmp [next]
arrived286:
        mov [seen286], eax
        mov [seen286 + 4], ecx
        movzx esp, sp                   ; the upper half is undefined
        mov [seen286 + 8], esp
        pushfd
        pop dword [seen286 + 12]
        jmp CODE:.x
.x:     jmp [next]
        align 4
seen:   times 16 dd 0
seen286: times 8 dd 0
next:   dd 0

%macro task 1                           ; name; the second task goes to %$second
        begin %1
        call setup
        mov dword [next], %$second
%endmacro

tests:
        task "JMP to a TSS and back"
        push dword 0x4cd7
        popfd
        mov eax, 0x12345678
        mov edi, 0x87654321
        jmp TSS2:0x1234
%$back: pushfd
        pop dword [seen286 + 16]
        push dword 2
        popfd
        jmp %$fin
%$second: jmp TSS_SEL:0
%$third:
%$fin:  want NONE
        eq "EIP saved", [tss + EIP_], %$back
        eq "EAX saved", [tss + EAX_], 0x12345678
        eq "EDI saved", [tss + EDI_], 0x87654321
        eq "EFLAGS saved", [tss + EFL_], 0x4cd7
        eq "CS saved", [tss + CS__], CODE
        eq "SS saved", [tss + SS__], DATA_SEL
        eq "EAX", [seen], 0xeeee0001
        eq "ECX", [seen + 4], 0xeeee0002
        eq "EBP", [seen + 8], 0xeeee0003
        eq "EDI", [seen + 12], 0xeeee0004
        eq "ESP", [seen + 16], STACK2
        eq "EFLAGS", [seen + 20], 2
        eq "GS", [seen + 24], UDATA
        mov eax, [seen + 28]
        and eax, 8
        eq "CR0.TS", eax, 8
        eq "TR", [seen + 32], TSS2
        eq "old TSS not busy", [seen + 36], 0x00008901
        eq "new TSS busy", [seen + 40], 0x00008b01
        eq "EIP of the second task", [tss2 + EIP_], %$third
        eq "second TSS not busy afterwards", [gdt + TSS2 + 4], 0x00008901
        eq "first TSS busy", [gdt + TSS_SEL + 4], 0x00008b01
        eq "EFLAGS back", [seen286 + 16], 0x4cd7
        eq "link not written", [tss2 + LINK], 0
        done
        task "CALL to a TSS, IRET"
        mov ebx, 0x1111
        call TSS2:0
%$back: mov ecx, [gdt + TSS2 + 4]
        pushfd
        pop edx
        jmp %$fin
%$second: iretd
%$third:
%$fin:  want NONE
        eq "EFLAGS: NT", [seen + 20], NT | 2
        eq "link", [tss2 + LINK], TSS_SEL
        eq "old TSS stays busy", [seen + 36], 0x00008b01
        eq "new TSS busy", [seen + 40], 0x00008b01
        eq "EIP saved", [tss + EIP_], %$back
        eq "after IRET: not busy", ecx, 0x00008901
        mov eax, [tss + EFL_]
        sub eax, edx
        eq "after IRET: EFLAGS as saved", eax, 0
        eq "EIP of the second task", [tss2 + EIP_], %$third
        eq "NT cleared in the second task's image", [tss2 + EFL_], 2
        eq "EBX", ebx, 0x1111
        done
        task "IRET with a prefix"
        call TSS2:0
        jmp %$fin
%$second: cs iretd
%$third:
%$fin:  want NONE
        eq "EIP of the second task", [tss2 + EIP_], %$third
        done
        task "CALL through a task gate"
        call TGATE:0
        jmp %$fin
%$second: iretd
%$fin:  want NONE
        eq "TR", [seen + 32], TSS2
        eq "link", [tss2 + LINK], TSS_SEL
        done
        task "JMP through a task gate"
        jmp TGATE:0
        jmp %$fin
%$second: jmp TSS_SEL:0
%$fin:  want NONE
        eq "TR", [seen + 32], TSS2
        done
        task "CALL through a task gate from CPL 3"
        push dword UDATA
        push dword STACK3
        push dword 2
        push dword UCODE
        push dword %$user
        iretd
%$user: call TGATE:0
        mov eax, cs
        jmp %$fin
%$second: iretd
%$fin:  want NONE
        eq "CS", eax, UCODE
        eq "CS saved", [tss + CS__], UCODE
        done
        task "CALL from CPL 3 to a TSS of DPL 3"
        mov dword [tss2 + CS__], CODE
        push dword UDATA
        push dword STACK3
        push dword 2
        push dword UCODE
        push dword %$user
        iretd
%$user: call TSS2_DPL3:0
        jmp %$fin
%$second: iretd
%$fin:  want NONE
        eq "link", [tss2 + LINK], TSS_SEL
        done
        mov dword [idt + 0x30 * 8], TSS2 << 16
        mov dword [idt + 0x30 * 8 + 4], 0xe500
        task "INT through a task gate"
        mov eax, esp
        int 0x30
%$back: jmp %$fin
%$second: iretd
%$fin:  want NONE
        eq "EIP saved", [tss + EIP_], %$back
        eq "ESP: nothing pushed", [seen + 16], STACK2
        eq "NT", [seen + 20], NT | 2
        mov eax, [tss + ESP_]
        sub eax, [tss + EAX_]
        eq "ESP of the interrupted", eax, 0
        done
        push dword [idt + 13 * 8]
        push dword [idt + 13 * 8 + 4]
        mov dword [idt + 13 * 8], TSS2 << 16
        mov dword [idt + 13 * 8 + 4], 0x8500
        task "#GP through a task gate: error code"
        mov eax, TSS_SEL
%$at_:  mov ds, ax
%$back: jmp %$fin
%$second: mov eax, [tss + EIP_]
        mov [seen + 48], eax
        mov eax, [tss + EFL_]
        and eax, RF
        mov [seen + 52], eax
        mov dword [tss + EIP_], %$back
        add esp, 4
        iretd
%$fin:  want NONE
        eq "ESP", [seen + 16], STACK2 - 4
        eq "error code", [seen + 44], TSS_SEL
        eq "EIP saved", [seen + 48], %$at_
        eq "RF saved", [seen + 52], RF
        done
        pop dword [idt + 13 * 8 + 4]
        pop dword [idt + 13 * 8]

; ---- refusals: the fault is the old task's
%macro refused 3                        ; "instruction", vector, code
        %deftok %%insn %1
        task %1
        mov ebx, 0xabcd
        at
        %%insn
%$second:
        want %2, %3
        eq "EBX", ebx, 0xabcd
        str eax
        eq "TR", eax, TSS_SEL
        want_at
%endmacro
        refused "jmp TSS_BUSY:0", GP, TSS_BUSY
        refused "call TSS_BUSY:0", GP, TSS_BUSY
        refused "jmp TSS_SEL:0", GP, TSS_SEL
        refused "call TSS_ABSENT:0", NP, TSS_ABSENT
        refused "jmp TSS_SHORT:0", TS, TSS_SHORT
        refused "call TSS_SHORT:0", TS, TSS_SHORT
        refused "jmp T286_SHORT:0", TS, T286_SHORT
        refused "jmp TGATE_ABSENT:0", NP, TGATE_ABSENT
        refused "jmp TGATE_BAD:0", GP, DATA_SEL
        refused "jmp TGATE_NULL:0", GP, 0
        refused "call TGATE_BUSY:0", GP, TSS_BUSY
        refused "call TGATE_LDT:0", GP, 0x54
        begin_user "CALL to a TSS of DPL 0 at CPL 3"
        at
        call TSS2:0
        want GP, TSS2
        want_at
        begin_user "CALL through a task gate of DPL 0 at CPL 3"
        at
        call TGATE0:0
        want GP, TGATE0
        want_at
        mov dword [idt + 0x31 * 8], DATA_SEL << 16
        mov dword [idt + 0x31 * 8 + 4], 0xe500
        begin "INT through a task gate to no TSS"
        call setup
        at
        int 0x31
        want GP, DATA_SEL
        want_at
        mov dword [idt + 0x31 * 8], TSS_BUSY << 16
        begin "INT through a task gate to a busy TSS"
        call setup
        at
        int 0x31
        want GP, TSS_BUSY
        want_at
; IRET with NT
%macro iret_nt 4                        ; name, link, vector, code
        task %1
        mov dword [tss + LINK], %2
        push dword NT | 2
        popfd
        at
        iretd
%$second:
        want %3, %4
        push dword 2
        popfd
        mov dword [tss + LINK], 0
        want_at
%endmacro
        iret_nt "IRET with NT: null link", 0, TS, 0
        iret_nt "IRET with NT: link not busy", TSS2, TS, TSS2
        iret_nt "IRET with NT: link is data", DATA_SEL, TS, DATA_SEL
        iret_nt "IRET with NT: link in the LDT", TSS2 + 4, TS, TSS2 + 4
        iret_nt "IRET with NT: link beyond the table", 0x800, TS, 0x800
        iret_nt "IRET with NT: short TSS", TSS_SHORT_BUSY, TS, TSS_SHORT_BUSY

; ---- a new task that cannot be: the fault is its own
%macro invalid 5                        ; name, offset, value, vector, code
        task %1
        mov dword [tss2 + %2], %3
        jmp TSS2:0
%$second:
        want %4, %5
        str eax
        eq "TR", eax, TSS2
        eq "old TSS not busy", [gdt + TSS_SEL + 4], 0x00008901
        eq "EIP", [t_eip], arrived
        call setup
        done
%endmacro
        invalid "new CS null", CS__, 0, TS, 0
        invalid "new CS data", CS__, DATA_SEL, TS, DATA_SEL
        invalid "new CS absent", CS__, CODE_ABSENT, NP, CODE_ABSENT
        invalid "new CS of DPL 3, RPL 0", CS__, UCODE_, TS, UCODE_
        invalid "new CS beyond the table", CS__, 0x800, TS, 0x800
        invalid "new SS null", SS__, 0, TS, 0
        invalid "new SS of RPL 3", SS__, DATA_SEL + 3, TS, DATA_SEL
        invalid "new SS code", SS__, CODE, TS, CODE
        invalid "new SS absent", SS__, ABSENT, SS_, ABSENT
        invalid "new DS a TSS", DS__, TSS2, TS, TSS2
        invalid "new ES absent", ES__, ABSENT, NP, ABSENT
        invalid "new FS beyond the table", FS__, 0x800, TS, 0x800
        invalid "new GS of RPL 3, DPL 0", GS__, DATA_SEL + 3, TS, DATA_SEL
        invalid "new LDT data", LDT_, DATA_SEL, TS, DATA_SEL
        invalid "new LDT absent", LDT_, LDT_ABSENT, TS, LDT_ABSENT
        invalid "new LDT in the LDT", LDT_, 4, TS, 4
        task "new EIP beyond the limit"
        mov dword [tss2 + CS__], CODE_SMALL
        jmp TSS2:0
%$second:
        want GP, 0
        str eax
        eq "TR", eax, TSS2
        eq "CS", [t_cs], CODE_SMALL
        call setup
        done
        task "LDT is loaded"
        mov dword [tss2 + LDT_], LDT2
        mov dword [tss2 + GS__], UDATA + 4
        jmp TSS2:0
%$second: sldt ebx
        want NONE
        eq "LDTR", ebx, LDT2
        eq "GS", [seen + 24], UDATA + 4
        call setup
        done
        task "T flag: #DB before the first instruction"
        mov dword [tss2 + TRAP_], 1
        xor eax, eax
        mov dr6, eax
        jmp TSS2:0
%$second:
        want DB_, 0
        eq "EIP", [t_eip], arrived
        mov eax, dr6
        eq "DR6", eax, 0xffff8ff0
        call setup
        done
        task "a task in virtual-8086 mode"
        mov dword [tss2 + EFL_], VM | 2
        mov dword [tss2 + CS__], 0x1000
        mov dword [tss2 + SS__], 0
        mov dword [tss2 + DS__], 0x1234
        mov dword [tss2 + EIP_], %$v86 - image
        jmp TSS2:0
%$second:
        bits 16
%$v86:  mov ax, ds
%$at:   hlt
        bits 32
        want GP, 0
        eq "DS", eax, 0xeeee1234
        eq "EFLAGS", [t_eflags], VM | RF | 2
        call setup
        want_at
        task "DR7: local enables are cleared"
        mov eax, 0x155
        mov dr7, eax
        jmp TSS2:0
%$second: mov ebx, dr7
        want NONE
        xor eax, eax
        mov dr7, eax
        eq "DR7", ebx, 0x400
        call setup
        done
        task "RF in the new task lasts for one instruction"
        mov dword [tss2 + EFL_], RF | 2
        jmp TSS2:0
        jmp %$fin
%$second: jmp TSS_SEL:0
%$fin:  want NONE
        eq "EFLAGS saved", [tss2 + EFL_], 2
        done
; ---- 286 TSS
        task "JMP to a 286 TSS"
        mov eax, 0x12345678
        jmp T286:0
%$back: jmp %$fin
%$second: jmp TSS_SEL:0
%$fin:  want NONE
        mov eax, [seen286]
        and eax, 0xffff
        eq "AX", eax, 0x1111
        mov eax, [seen286 + 4]
        and eax, 0xffff
        eq "CX", eax, 0x2222
        mov eax, [seen286 + 8]
        and eax, 0xffff
        eq "SP", eax, STACK2
        eq "EFLAGS", [seen286 + 12], 2
        eq "EIP saved", [tss + EIP_], %$back
        eq "EAX back", [tss + EAX_], 0x12345678
        eq "286 TSS not busy", [gdt + T286 + 4], 0x00008101
        done
        task "CALL to a 286 TSS and IRET"
        call T286:0
        jmp %$fin
%$second: iretd
%$third:
%$fin:  want NONE
        eq "EFLAGS: NT", [seen286 + 12], NT | 2
        movzx eax, word [tss286]
        eq "link", eax, TSS_SEL
        movzx eax, word [tss286 + 14]
        eq "IP saved", eax, (%$third - image) & 0xffff
        done
        ret
        image_end
