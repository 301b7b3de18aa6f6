; SPDX-License-Identifier: MIT
; Virtual-8086 mode, IOPL, the I/O permission map, VME, PVI, privileged instructions, SYSENTER.
; SDM 3A "Privileged Instructions", "Performing Fast Calls to System Procedures"; SDM 1 "I/O Permission
; Bit Map"; SDM 3B "8086 Emulation", "Virtual Interrupts", "Protected-Mode Virtual Interrupts";
; SDM 2 "CLI", "STI", "PUSHF", "POPF", "INT n", "IRET".
%include "priv.inc"
        sel FLAT4_CODE, 0, 0xfffff, 0x9b, 0xc           ; CS, SS, user CS, user SS of SYSENTER
        sel FLAT4_DATA, 0, 0xfffff, 0x93, 0xc
        sel FLAT4_UCODE, 0, 0xfffff, 0xfb, 0xc
        sel FLAT4_UDATA, 0, 0xfffff, 0xf3, 0xc
        gdt_end
%define ENTER begin_user
%macro try 3                            ; "instruction", vector, code
        %defstr %%cpl ENTER
        %strcat %%text %%cpl, ": ", %1
        %deftok %%insn %1
        ENTER %%text
        mov edx, 0x80
        xor ecx, ecx
        at
        %%insn
        want %2, %3
%if %2 = NONE
        done
%else
        want_at
%endif
%endmacro
tests:
; ---- privileged instructions
        try "hlt", GP, 0
        try "clts", GP, 0
        try "lgdt [gdtr_image]", GP, 0
        try "lidt [idtr_image]", GP, 0
        try "lldt cx", GP, 0
        try "ltr cx", GP, 0
        try "lmsw cx", GP, 0
        try "mov eax, cr0", GP, 0
        try "mov cr0, eax", GP, 0
        try "mov eax, cr2", GP, 0
        try "mov cr3, eax", GP, 0
        try "mov cr4, eax", GP, 0
        try "invlpg [0]", GP, 0
        try "invd", GP, 0
        try "wbinvd", GP, 0
        try "rdmsr", GP, 0
        try "wrmsr", GP, 0
        try "sysexit", GP, 0
        try "rdpmc", GP, 0
        try "smsw ax", NONE, 0
        try "str ax", NONE, 0
        try "sidt [STACK3]", NONE, 0
        try "rdtsc", NONE, 0
        try "cpuid", NONE, 0
        try "cli", GP, 0
        try "sti", GP, 0
        begin_ring 1, "HLT at CPL 1"
        hlt
        want GP, 0
        done
        begin_ring 2, "LGDT at CPL 2"
        lgdt [gdtr_image]
        want GP, 0
        done
        begin_ring 1, "CLI at CPL 1, IOPL 1", IOPL1 | IF
        cli
        pushfd
        pop eax
        want NONE
        eq "EFLAGS", eax, IOPL1 | 2
        done
        begin_ring 2, "CLI at CPL 2, IOPL 1", IOPL1 | IF
        at
        cli
        want GP, 0
        want_at
        begin_ring 1, "POPF at CPL 1, IOPL 1: IF but not IOPL", IOPL1
        push dword 0x3202
        popfd
        pushfd
        pop eax
        cli
        want NONE
        eq "EFLAGS", eax, IOPL1 | IF | 2
        done
        begin_user "POPF at CPL 3, IOPL 0: neither IF nor IOPL"
        push dword 0x3f7fd7 & ~(TF | NT)
        popfd
        pushfd
        pop eax
        want NONE
        eq "EFLAGS", eax, 0x240cd7
        done
        begin_user "POPF r16 keeps the upper half", ACF
        push word 0x0cd7
        popfw
        pushfd
        pop eax
        want NONE
        eq "EFLAGS", eax, ACF | 0xcd7
        done
        begin "POPF at CPL 0"
        push dword 0x3f7fd7 & ~(TF | IF)
        popfd
        pushfd
        pop eax
        push dword 2
        popfd
        want NONE
        eq "EFLAGS", eax, 0x247cd7
        done
        begin "POPF leaves VIF and VIP alone"
        push dword VIF | VIP | 2
        push cs
        push dword %$x
        iretd
%$x:    pushfd
        pop eax
        push dword 0x3
        popfd
        pushfd
        pop ebx
        want NONE
        eq "after IRET", eax, VIF | VIP | 2
        eq "after POPF", ebx, VIF | VIP | 3
        done
        push dword 2
        push cs
        push dword .clean
        iretd
.clean:
        mov eax, cr4
        or eax, 4
        mov cr4, eax
        try "rdtsc ", GP, 0
        mov eax, cr4
        and eax, ~4
        mov cr4, eax
; ---- ports
        try "in al, 0x80", NONE, 0
        try "out 0x80, al", NONE, 0
        try "in al, dx", NONE, 0
        try "in ax, 0xfe", NONE, 0
        try "in ax, 0xff", GP, 0
        try "in eax, 0xfc", NONE, 0
        try "in eax, 0xfd", GP, 0
        try "outsb", NONE, 0
%macro port 4                           ; name, instruction, port, vector
        begin_user %1
        mov edx, %3
        mov edi, STACK3
        at
        %2
        want %4, 0
%if %4 = NONE
        done
%else
        want_at
%endif
%endmacro
        port "port 100h", {in al, dx}, 0x100, GP
        port "port 1FFh", {out dx, al}, 0x1ff, GP
        port "port 200h: last byte of the map", {in al, dx}, 0x200, GP
        port "port 208h: beyond the limit", {in al, dx}, 0x208, GP
        port "port FFFFh", {in al, dx}, 0xffff, GP
        port "INSB", {insb}, 0x100, GP
        port "OUTSD across", {outsd}, 0xfd, GP
        and byte [iomap + 0x20], 0xfe
        port "port 100h allowed", {in al, dx}, 0x100, NONE
        port "ports 100h-101h", {in ax, dx}, 0x100, GP
        or byte [iomap + 0x20], 1
        and byte [iomap + 0x3f], 0x7f
        port "port 1FFh allowed", {in al, dx}, 0x1ff, NONE
        port "ports 1FFh-200h", {in ax, dx}, 0x1ff, GP
        or byte [iomap + 0x3f], 0x80
        and byte [iomap + 0x40], 0xfe
        port "port 200h: its second byte is beyond the limit", {in al, dx}, 0x200, GP
        or byte [iomap + 0x40], 1
        begin_user "IOPL 3: all ports", IOPL3
        mov edx, 0x1f7
        in al, dx
        want NONE
        done
        begin_ring 2, "IOPL 1 at CPL 2: the map", IOPL1
        mov edx, 0x1f7
        at
        in al, dx
        want GP, 0
        want_at
        mov word [tss + 0x66], 0xffff
        port "map beyond the limit", {in al, dx}, 0x80, GP
        mov word [tss + 0x66], TSS_LEN - 1
        port "map at the last byte", {in al, dx}, 0, GP
        mov word [tss + 0x66], iomap - tss
; ---- V86
%define ENTER begin_v86
        try "cli ", GP, 0
        try "sti ", GP, 0
        try "pushf", GP, 0
        try "popf", GP, 0
        try "pushfd", GP, 0
        try "int 0x20", GP, 0
        try "iret", GP, 0
        try "hlt ", GP, 0
        try "mov eax, cr0 ", GP, 0
        try "lgdt [0]", GP, 0
        try "clts ", GP, 0
        try "lmsw ax", GP, 0
        try "smsw ax ", NONE, 0
        try "rdmsr ", GP, 0
        try "in al, 0x80 ", NONE, 0
        try "lldt ax", UD, 0
        try "ltr ax", UD, 0
        try "lsl ax, bx", UD, 0
        try "sysexit ", GP, 0
        try "mov al, [0xffff]", NONE, 0
        try "mov ax, [0xffff]", GP, 0
        try "mov eax, [0xfffd]", GP, 0
        try "mov al, [dword 0x10000]", GP, 0
        try "push cs", NONE, 0
        try "div cl", DE, 0
        try "mov ds, dx", NONE, 0
        try "call 0x1000:$ - 0x10000 + 5", NONE, 0
        begin_v86 "port 1F7h with IOPL 3: the map counts", IOPL3
        mov dx, 0x1f7
        at
        in al, dx
        want GP, 0
        want_at
        begin_v86 "SS: limit", IOPL3
        mov sp, 1
        at
        push ax
        want SS_, 0
        want_at
        begin_v86 "SP wraps", IOPL3
        mov sp, 0
        push ax
        mov bx, sp
        mov sp, 0x9000
        want NONE
        movzx ebx, bx
        eq "SP", ebx, 0xfffe
        done
        begin_v86 "IOPL 3: CLI, STI, PUSHF, POPF", IOPL3
        sti
        pushf
        pop bx
        cli
        pushf
        pop cx
        push word 0x0ed7
        popf
        pushf
        pop dx
        cli
        want NONE
        movzx ebx, bx
        movzx ecx, cx
        movzx edx, dx
        eq "after STI", ebx, IOPL3 | IF | 2
        eq "after CLI", ecx, IOPL3 | 2
        eq "after POPF", edx, IOPL3 | 0xed7
        done
        begin_v86 "IOPL 3: INT n goes to the gate", IOPL3
        int 0x20
        want GP, 0x20 * 8 + 2             ; gate's DPL is 0
        done
        mov byte [idt + 0x20 * 8 + 5], 0xee
        begin_v86 "IOPL 3: INT n through a gate of DPL 3", IOPL3
        int 0x20
%$x:    want 0x20, 0
        eq "EIP", [t_eip], %$x
        eq "EFLAGS", [t_eflags], VM | IOPL3 | 2
        eq "CS", [t_cs], 0x1000
        eq "DS in the handler", [t_keep_ds], 0
        done
        begin_v86 "IOPL 3: IRET", IOPL3
        push word 0x8d7
        push cs
        push word %$x - image
        iret
        ud2
%$x:    pushf
        pop bx
        want NONE
        movzx ebx, bx
        eq "FLAGS", ebx, IOPL3 | 0x8d7
        done
        begin_v86 "IOPL 0: POPF does not look at the stack"
        mov sp, 0xffff
        at
        popf
        want GP, 0
        want_at
        begin_v86 "selectors of the frame"
        mov ax, 0x1111
        mov fs, ax
        mov ax, 0x2222
        mov gs, ax
        ud2
        nop
        want UD, 0
        mov eax, [STACK0T - 4]
        mov ebx, [STACK0T - 8]
        mov ecx, [STACK0T - 12]
        mov edx, [STACK0T - 16]
        eq "GS", eax, 0x2222
        eq "FS", ebx, 0x1111
        eq "DS", ecx, 0x1000
        eq "ES", edx, 0x1000
        eq "ESP of the frame", [t_frame_esp], STACK0T - 24
        done
        mov dword [idt + 6 * 8], RING1_CODE << 16 | (LIN(image) & 0xffff)
        begin_v86 "handler of level 1"
        at
        ud2
        nop
        want GP, RING1_CODE + 1
        want_at
        mov dword [idt + 6 * 8], CODE << 16 | ((LIN(stubs) + 96) & 0xffff)
; ---- VME
        mov eax, 1
        cpuid
        test edx, 2
        jz near no_vme
        mov eax, cr4
        or eax, 1
        mov cr4, eax
        call vme
        mov eax, cr4
        and eax, ~3
        mov cr4, eax
no_vme: call fast
        ret

h8086:  ; handler of INT 60h in the 8086 way: flags of the frame to BX, its IP to CX, current to DX
        bits 16
        mov bp, sp
        mov cx, [bp]
        mov bx, [bp + 4]
        iret
        bits 32
vme:    mov dword [0x60 * 4], (h8086 - image) | 0x10000000
        mov dword [0x61 * 4], (h8086 - image) | 0x10000000
        or byte [intmap + 0x61 / 8], 2                  ; 61h goes to the gate
        begin_v86 "VME: INT n by the 8086 table"
        sti                                             ; VIF
        int 0x60
%$x:    pushf
        pop dx
        want NONE
        movzx ebx, bx
        movzx ecx, cx
        movzx edx, dx
        eq "FLAGS pushed: IF is VIF, IOPL 3", ebx, IOPL3 | IF | 2
        eq "IP pushed", ecx, %$x - image
        eq "FLAGS after IRET", edx, IOPL3 | IF | 2
        eq "EFLAGS", [t_eflags], VM | VIF | RF | 2
        done
        begin_v86 "VME: VIF clear"
        int 0x60
        want NONE
        movzx ebx, bx
        eq "FLAGS pushed", ebx, IOPL3 | 2
        done
        begin_v86 "VME, IOPL 3: INT n by the 8086 table", IOPL3 | IF
        int 0x60
        want NONE
        movzx ebx, bx
        eq "FLAGS pushed", ebx, IOPL3 | IF | 2
        eq "EFLAGS", [t_eflags], VM | IOPL3 | IF | RF | 2
        done
        begin_v86 "VME: bit set, IOPL 0"
        at
        int 0x61
        want GP, 0
        want_at
        mov byte [idt + 0x21 * 8 + 5], 0xee
        or byte [intmap + 4], 2
        begin_v86 "VME: bit set, IOPL 3", IOPL3
        int 0x21
        want 0x21, 0
        done
        begin_v86 "VME: CLI, STI"
        sti
        pushf
        pop bx
        cli
        pushf
        pop cx
        sti
        want NONE
        movzx ebx, bx
        movzx ecx, cx
        eq "STI", ebx, IOPL3 | IF | 2
        eq "CLI", ecx, IOPL3 | 2
        eq "EFLAGS", [t_eflags], VM | VIF | RF | 2
        done
        begin_v86 "VME: STI with VIP", VIP
        at
        sti
        want GP, 0
        want_at
        begin_v86 "VME: VIF and VIP when an instruction begins", VIF | VIP
        at
        nop
        want GP, 0
        want_at
        begin_v86 "VME: STI with VIP, IOPL 3", VIP | IOPL3
        sti
        cli
        want NONE
        done
        begin_v86 "VME: POPF with IF and VIP", VIP
        push word IF | 2
        at
        popf
        want GP, 0
        want_at
        begin_v86 "VME: POPF with TF"
        push word TF | 2
        at
        popf
        want GP, 0
        want_at
        begin_v86 "VME: POPF"
        push word IF | 0xcd7
        popf
        want NONE
        eq "EFLAGS", [t_eflags], VM | VIF | RF | 0xcd7
        done
        begin_v86 "VME: PUSHFD"
        at
        pushfd
        want GP, 0
        want_at
        begin_v86 "VME: POPFD"
        at
        popfd
        want GP, 0
        want_at
        begin_v86 "VME: IRETD"
        at
        iretd
        want GP, 0
        want_at
        begin_v86 "VME: IRET with VIP and IF", VIP
        push word IF | 2
        push cs
        push word %$at - image
        at
        iret
        want GP, 0
        want_at
        begin_v86 "VME: interrupts still go to the gates"
        xor cl, cl
        div cl
        want DE, 0
        done
; ---- PVI
        mov eax, cr4
        and eax, ~1
        or eax, 2
        mov cr4, eax
        begin_user "PVI: STI, CLI"
        sti
        pushfd
        pop eax
        cli
        pushfd
        pop ebx
        want NONE
        eq "STI", eax, VIF | 2
        eq "CLI", ebx, 2
        done
        begin_user "PVI: STI with VIP", VIP
        at
        sti
        want GP, 0
        want_at
        begin_user "PVI: VIF and VIP when an instruction begins", VIF | VIP
        at
        nop
        want GP, 0
        want_at
        begin_user "PVI: POPF does not touch VIF", VIF
        push dword 2
        popfd
        pushfd
        pop eax
        want NONE
        eq "EFLAGS", eax, VIF | 2
        done
        begin_ring 2, "PVI: not at CPL 2"
        at
        cli
        want GP, 0
        want_at
        ret
; ---- SYSENTER
%macro msr 2
        mov ecx, %1
        mov eax, %2
        xor edx, edx
        wrmsr
%endmacro
fast:   mov eax, 1
        cpuid
        test edx, 1 << 11
        jnz .there
        ret
.there: msr 0x174, 0
        begin_user "SYSENTER, CS 0"
        at
        sysenter
        want GP, 0
        want_at
        begin "SYSEXIT, CS 0"
        at
        sysexit
        want GP, 0
        want_at
        msr 0x174, FLAT4_CODE
        msr 0x175, STACK0T
        msr 0x176, entered
        begin_user "SYSENTER", IOPL3 | ACF
        sti
        sysenter
        nop
        want NONE
        eq "CS", [seen], FLAT4_CODE
        eq "SS", [seen + 4], FLAT4_DATA
        eq "ESP", [seen + 8], STACK0T
        eq "EFLAGS: IF clear", [seen + 12], IOPL3 | ACF | 2
        done
        begin_v86 "SYSENTER from V86", IOPL3
        sysenter
        nop
        want NONE
        eq "CS", [seen], FLAT4_CODE
        eq "EFLAGS: VM clear", [seen + 12], IOPL3 | 2
        done
        begin "SYSENTER from CPL 0"
        sysenter
        nop
        want NONE
        eq "CS", [seen], FLAT4_CODE
        done
        begin "SYSEXIT"
        mov ecx, STACK3
        mov edx, %$x
        sysexit
        nop
%$x:    mov eax, cs
        mov ebx, ss
        want NONE
        eq "CS", eax, FLAT4_UCODE + 3
        eq "SS", ebx, FLAT4_UDATA + 3
        eq "ESP", [t_old_esp], STACK3
        done
        begin_real "SYSENTER in real mode"
        at
        sysenter
        want GP
        want_at
        msr 0x174, FLAT4_CODE + 3
        begin_user "SYSENTER: RPL of the MSR is dropped"
        sysenter
        nop
        want NONE
        eq "CS", [seen], FLAT4_CODE
        eq "SS", [seen + 4], FLAT4_DATA
        done
        ret
entered:
        mov eax, cs
        mov [ss:seen], eax
        mov eax, ss
        mov [ss:seen + 4], eax
        mov [ss:seen + 8], esp
        pushfd
        pop dword [ss:seen + 12]
        jmp CODE:.x
.x:     jmp [cs:t_end]
        align 4
seen:   times 4 dd 0
        image_end
