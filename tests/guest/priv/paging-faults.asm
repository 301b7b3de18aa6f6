; SPDX-License-Identifier: MIT
; Accesses that fault half-way and the faults of the processor's own accesses: nothing is left behind.
; SDM 3A "Page-Fault Exception (#PF)", "Double Fault Exception (#DF)"; "Restarting of Program or Task".
%include "paging.inc"

tests:  set_cr4 0x200, 0                        ; OSFXSR
        call build
        paging_on PD
        call crossing
        call build
        call system
        jmp paging_off

; ---- two pages: first present, second not
crossing:
        mov dword [PT2 + 4], 0
        call flush
%macro second 2                         ; "instruction" with EDX = L + 1000h, code
        %deftok %%insn %1
        mov dword [PAGES + 0xff0], 0x11111111
        mov dword [PAGES + 0xff4], 0x22222222
        mov dword [PAGES + 0xff8], 0x33333333
        mov dword [PAGES + 0xffc], 0x44444444
        begin %1
        mov edx, L + 0x1000
        mov eax, 0x44444444
        mov ebx, 0x55555555
        fninit
        at
        %%insn
        want_pf %2, L + 0x1000
        eq "EAX", eax, 0x44444444
        eq "EBX", ebx, 0x55555555
        eq "bytes before", [PAGES + 0xffc], 0x44444444
        eq "bytes before that", [PAGES + 0xff8], 0x33333333
        want_at
%endmacro
        second "mov eax, [edx - 2]", 0
        second "mov ax, [edx - 1]", 0
        second "mov [edx - 2], ebx", 2
        second "mov [edx - 1], bx", 2
        second "add [edx - 3], ebx", 2
        second "xchg [edx - 1], ebx", 2
        second "not dword [edx - 2]", 2
        second "fst qword [edx - 4]", 2
        second "fstp tword [edx - 8]", 2
        second "fld tword [edx - 8]", 0
        second "cmpxchg8b [edx - 4]", 2
        second "movups [edx - 8], xmm0", 2
        second "movups xmm0, [edx - 8]", 0
        second "fnstenv [edx - 8]", 2
        second "fnsave [edx - 16]", 2
        second "sidt [edx - 2]", 2
        second "pop dword [edx - 2]", 2
        second "les ebx, [edx - 4]", 0
        second "lidt [edx - 4]", 0
        second "bound eax, [edx - 4]", 0
        second "jmp far [edx - 4]", 0
        second "call far [edx - 4]", 0
        second "arpl [edx - 1], bx", 2
        second "shld [edx - 2], ebx, 8", 2
        second "bts dword [edx - 2], 31", 2
        begin_user "user write across, second page absent"
        mov [L + 0xffe], eax
        want_pf 6, L + 0x1000
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 3
        call flush
        begin_user "user write across, second page the supervisor's"
        mov [L + 0xffe], eax
        want_pf 7, L + 0x1000
        done
        mov dword [PT2], 0
        call flush
        begin "first page absent"
        mov [L + 0xffe], eax
        want_pf 2, L + 0xffe
        done
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        call flush
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        mov dword [PT2], 0
        call flush
%macro stack 4                          ; "instruction", ESP, code, CR2: user stack
        %deftok %%insn %1
        begin_user %1
        mov esp, %2
        mov eax, 0xaaaaaaaa
        mov ebp, 0xbbbbbbbb
        at
        %%insn
        want_pf %3, %4
        eq "ESP", [t_old_esp], %2
        eq "EBP", ebp, 0xbbbbbbbb
        want_at
%endmacro
        stack "pushad", L + 0x1010, 6, L + 0xffc
        stack "push eax", L + 0x1000, 6, L + 0xffc
        stack "push eax ", L + 0x1002, 6, L + 0xffe
        stack "call tests", L + 0x1000, 6, L + 0xffc
        stack "call UCODE:tests", L + 0x1004, 6, L + 0xffc
        stack "pushfd", L + 0x1001, 6, L + 0xffd
        stack "enter 0x10, 0", L + 0x1000, 6, L + 0xffc
        stack "push dword [zero]", L + 0x1000, 6, L + 0xffc
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        call flush
        stack "pop eax", L + 0x1000, 4, L + 0x1000
        stack "pop eax ", L + 0xffe, 4, L + 0x1000
        stack "popad", L + 0xff0, 4, L + 0x1000
        stack "ret", L + 0x1000, 4, L + 0x1000
        stack "retf", L + 0xffc, 4, L + 0x1000
        stack "iretd", L + 0xff8, 4, L + 0x1000
        stack "popfd", L + 0xffe, 4, L + 0x1000
        stack "enter 0x10, 2", L + 0x1100, 6, L + 0x10fc
        begin "REP MOVSD stops at the page"
        mov esi, DATA
        mov edi, L + 0xff0
        mov ecx, 100
        at
        rep movsd
        want_pf 2, L + 0x1000
        eq "ECX", ecx, 96
        eq "ESI", esi, DATA + 16
        eq "EDI", edi, L + 0x1000
        want_at
        begin "REP MOVSD unaligned: no part of the element"
        mov dword [PAGES + 0xffc], 0x44444444
        mov esi, DATA
        mov edi, L + 0xff2
        mov ecx, 100
        at
        rep movsd
        want_pf 2, L + 0x1000
        eq "ECX", ecx, 97
        eq "EDI", edi, L + 0xffe
        movzx eax, word [PAGES + 0xffe]
        eq "bytes", eax, 0x4444
        want_at
        begin "REP STOSB backwards out of the page"
        mov dword [PT2], 0
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        mov eax, cr3
        mov cr3, eax
        mov edi, L + 0x1003
        mov ecx, 100
        std
        at
        rep stosb
        cld
        want_pf 2, L + 0xfff
        cld
        eq "ECX", ecx, 96
        eq "EDI", edi, L + 0xfff
        want_at
        begin "REPE CMPSB keeps the flags of the last comparison"
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        mov eax, cr3
        mov cr3, eax
        mov esi, L + 0xffc
        mov edi, L + 0xff0
        mov dword [PAGES + 0xff0], 0x44444444
        mov dword [PAGES + 0xffc], 0x44444444
        mov ecx, 100
        stc
        at
        repe cmpsb
        want_pf 0, L + 0x1000
        eq "ECX", ecx, 96
        mov eax, [t_eflags]
        and eax, 0x8d5
        eq "flags", eax, 0x44
        want_at
        begin "REP INSB: fault before the port is read"
        mov edi, L + 0x1000
        mov edx, 0x80
        mov ecx, 2
        at
        rep insb
        want_pf 2, L + 0x1000
        eq "ECX", ecx, 2
        want_at
        ; an instruction across both pages
        mov byte [PAGES + 0xffe], 0xb8          ; MOV EAX, imm32
        begin_user "instruction across, second page absent"
        mov eax, L + 0xffe
        jmp eax
        want_pf 4, L + 0x1000
        eq "EIP", [t_eip], L + 0xffe
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 3
        call flush
        begin_user "instruction across, second page the supervisor's"
        mov eax, L + 0xffe
        jmp eax
        want_pf 5, L + 0x1000
        eq "EIP", [t_eip], L + 0xffe
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        call flush
        mov dword [PAGES + 0xfff], 0x12345678
        mov byte [PAGES + 0x1003], 0xc3
        mov byte [PAGES + 0xffe], 0xb8
        begin_user "instruction across two pages"
        call L + 0xffe
        want NONE
        eq "EAX", eax, 0x12345678
        done
        mov dword [PAGES + 0x5000], 0xc3ffffff
        mov dword [PT2 + 4], (PAGES + 0x5000) | 7
        call flush
        begin_user "... and after the second page was mapped elsewhere"
        call L + 0xffe
        want NONE
        eq "EAX", eax, 0xffffff78
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        call flush
        begin "access at the end of linear space wraps to 0"
        mov dword [PD + 0xffc], PT2 | 7
        mov dword [PT2 + 0xffc], (PAGES + 0x3000) | 7
        mov eax, [0xfffffffe]
        mov ebx, [0]
        want NONE
        shl ebx, 16
        or ebx, 0xc3c3
        sub eax, ebx
        eq "value", eax, 0
        done
        ret

; ---- the processor's own accesses
system:
        call build
        mov eax, gdt
        and eax, ~0xfff
        or eax, 3
        mov [PT2], eax
        add eax, 0x1000
        mov [PT2 + 4], eax
        call flush
        mov eax, gdt
        and eax, 0xfff
        add eax, L
        mov [gdtr_l + 2], eax
        lgdt [gdtr_l]
        begin_user "GDT in a supervisor page: segment load at CPL 3"
        mov ax, UDATA
        mov fs, ax
        want NONE
        done
        and byte [gdt + AT_L + 5], 0xfe
        and dword [PT2], ~2
        and dword [PT2 + 4], ~2
        call flush
        begin "accessed bit in a read-only page"
        mov ax, AT_L
        at
        mov fs, ax
        want PF, 3
        want_at
; a table that reaches into an absent page: selectors 1000h - (gdt mod 1000h) and above
        mov dword [PT2 + 4], 0
        call flush
        mov word [gdtr_l], 0xffff
        lgdt [gdtr_l]
%macro query 1
        begin %1
        mov eax, 0x1ff8
        mov ebx, 0x55
        nop
        %deftok %%insn %1
        at
        %%insn
        want PF, 0
        eq "EBX", ebx, 0x55
        want_at
%endmacro
        query "lar ebx, eax"
        query "lsl ebx, eax"
        query "verr ax"
        query "verw ax"
        query "mov es, ax"
        query "lldt ax"
        query "ltr ax"
        query "jmp 0x1ff8:0"
        query "call 0x1ff8:0"
        lgdt [gdtr_image]
        ; entry 13 of the IDT in an absent page: #GP meets #PF, which is served
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        call flush
        mov esi, idt
        mov edi, L + 0x1000 - 13 * 8
        mov ecx, 26
        rep movsd
        mov eax, L + 0x1000 - 13 * 8
        mov [idtr_l + 2], eax
        ; entry 14 must be present as well: a second copy is not possible, so #DF is what comes:
        begin "#GP, then #PF on its gate, then #PF on that gate: #DF"
        lidt [idtr_l]
        xor eax, eax
        mov ds, ax
        at
        mov eax, [0]
        want DF, 0
        lidt [idtr_image]
        eq "CR2", [t_cr2], L + 0x1008
        want_at
        ; gates 6 and 14 present, 0 absent
        mov dword [PT2], 0
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        call flush
        mov esi, idt + 8
        mov edi, L + 0x1000
        mov ecx, 62
        rep movsd
        mov dword [idtr_l + 2], L + 0x1000 - 8
        begin "#DE, then #PF on its gate: served one after the other"
        lidt [idtr_l]
        xor ecx, ecx
        at
        div ecx
        want PF, 0
        lidt [idtr_image]
        eq "CR2", [t_cr2], L + 0x1000 - 8
        want_at
        ; a kernel stack that is absent: #PF from CPL 3 ends as #DF through a task gate
        mov dword [tss + 4], L + 0x800
        push dword [idt + 64]
        push dword [idt + 68]
        mov dword [idt + 64], TSS2 << 16
        mov dword [idt + 68], 0x8500
        mov dword [tss2 + 0x1c], PD
        mov dword [tss2 + 0x20], df_task
        mov dword [tss2 + 0x24], 2
        mov dword [tss2 + 0x38], STACK2
        mov dword [tss2 + 0x48], DATA_SEL
        mov dword [tss2 + 0x4c], CODE
        mov dword [tss2 + 0x50], DATA_SEL
        mov dword [tss2 + 0x54], DATA_SEL
        mov byte [gdt + TSS2 + 5], 0x89
        mov byte [gdt + TSS_SEL + 5], 0x8b
        begin_user "#PF with an absent kernel stack: #DF by a task gate"
        mov eax, [L + 4]
        want DF, 0
        done
        pop dword [idt + 68]
        pop dword [idt + 64]
        mov dword [tss + 4], STACK0T
        call build
        call flush
        ret
df_task:                                ; the error code is on this stack
        mov dword [t_vec], DF
        pop dword [t_err]
        mov eax, cr2
        mov [t_cr2], eax
        mov byte [gdt + TSS_SEL + 5], 0x89
        mov ax, TSS_SEL
        ltr ax
        clts
        pushfd
        and dword [esp], ~NT
        popfd
        mov esp, [t_esp]
        jmp [t_resume]
        align 4
gdtr_l: dw 0x7ff
        dd 0
idtr_l: dw 0x1ff
        dd 0
        image_end
