; SPDX-License-Identifier: MIT
; Single step, breakpoints, debug registers.
; SDM 3B "Debug Registers", "Debug Exceptions", "Single-Step Exception Condition", "Instruction-
; Breakpoint Exception Condition", "Data Memory and I/O Breakpoint Exception Conditions",
; "General-Detect Exception Condition"; SDM 3A "Masking Exceptions and Interrupts When Switching
; Stacks".
%include "priv.inc"
        sel TSS2, LIN(tss), 0x67, 0x89, 0
        gdt_end
BS      equ 0xffff4ff0
BHIT      equ 0xffff0ff0                  ; | 1 << n
BD      equ 0xffff2ff0

quiet:  push eax
        xor eax, eax
        mov dr7, eax
        mov dr6, eax
        pop eax
        ret
%macro dbg 1
        call quiet
        begin %1
%endmacro
; want a #DB with EIP at `at` and this DR6
%macro want_db 1
        want DB_, 0
        mov edx, dr6
        eq "DR6", edx, %1
        want_at
%endmacro
%macro step_on 0
        push dword TF | 2
        popfd
%endmacro
; address in EDX, number, length and kind
%macro arm 3                            ; n, DR7 nibble (LEN RW), address
        mov edx, %3
        mov dr%1, edx
        mov edx, ((%2) << (16 + 4 * %1)) | (2 << (2 * %1)) | 0x400
        mov dr7, edx
%endmacro
X       equ 0
W1      equ 1
IO1     equ 2
A1      equ 3
W2      equ 5
W4      equ 13
A2      equ 7
A4      equ 15

tests:
        dbg "TF traps after the next instruction"
        step_on
        nop
        at
        nop
        want_db BS
        eq "TF in the image", [t_eflags], TF | 2
        dbg "TF: jump"
        step_on
        jmp %$at
        nop
        at
        nop
        want_db BS
        dbg "TF: call"
        step_on
        call %$at
        nop
        at
        nop
        want_db BS
        dbg "TF: conditional jump not taken"
        step_on
        jz %$end
        at
        nop
        want_db BS
        dbg "TF: LOOP"
        mov ecx, 2
        step_on
        loop %$at
        nop
        at
        nop
        want_db BS
        dbg "TF: instruction that is a helper"
        step_on
        cpuid
        at
        nop
        want_db BS
        dbg "TF: REP MOVSB, one iteration a step"
        mov ecx, 3
        mov esi, DATA
        mov edi, DATA + 16
        step_on
        at
        rep movsb
        nop
        want_db BS
        eq "ECX", ecx, 2
        eq "EDI", edi, DATA + 17
        dbg "TF: last iteration of REP STOSD"
        mov ecx, 1
        mov edi, DATA + 16
        step_on
        rep stosd
        at
        nop
        want_db BS
        eq "ECX", ecx, 0
        dbg "TF: REP with ECX 0"
        xor ecx, ecx
        mov edi, DATA + 16
        step_on
        rep stosd
        at
        nop
        want_db BS
        dbg "TF: REPE CMPSB"
        mov ecx, 5
        mov esi, DATA
        mov edi, DATA
        step_on
        at
        repe cmpsb
        nop
        want_db BS
        eq "ECX", ecx, 4
        dbg "TF: REP OUTSB"
        mov ecx, 5
        mov esi, DATA
        mov edx, 0x80
        step_on
        at
        rep outsb
        nop
        want_db BS
        eq "ECX", ecx, 4
        dbg "TF: REP LODSB"
        mov ecx, 5
        mov esi, DATA
        step_on
        at
        rep lodsb
        nop
        want_db BS
        eq "ECX", ecx, 4
        dbg "TF: POPF that clears it still traps"
        push dword 2
        step_on
        popfd
        at
        nop
        want_db BS
        eq "EFLAGS", [t_eflags], 2
        dbg "TF: IRET sets it"
        push dword TF | 2
        push dword CODE
        push dword %$x
        iretd
%$x:    nop
        at
        nop
        want_db BS
        dbg "TF: IRET that clears it"
        push dword 2
        push dword CODE
        push dword %$at
        step_on
        iretd
        nop
        at
        nop
        want_db BS
        eq "EFLAGS", [t_eflags], 2
        dbg "TF: MOV SS holds it back"
        mov eax, ss
        step_on
        mov ss, ax
        nop
        at
        nop
        want_db BS
        dbg "TF: POP SS holds it back"
        push ss
        step_on
        pop ss
        nop
        at
        nop
        want_db BS
        dbg "TF: LSS does not"
        mov [DATA], esp
        mov [DATA + 4], ss
        step_on
        lss esp, [DATA]
        at
        nop
        want_db BS
        dbg "TF: MOV SS, then a fault: no trap is left over"
        mov eax, ss
        step_on
        mov ss, ax
        at
        ud2
        want UD, 0
        mov edx, dr6
        eq "DR6", edx, 0xffff0ff0
        want_at
        dbg "TF: MOV SS by POPF holds back POPF's own TF only for one"
        push dword TF | 2
        mov eax, ss
        mov ss, ax
        popfd
        nop
        at
        nop
        want_db BS
        dbg "TF: MOV DS does not"
        mov eax, ds
        step_on
        mov ds, ax
        at
        nop
        want_db BS
        dbg "TF: STI does not"
        step_on
        sti
        at
        nop
        want_db BS
        cli
        dbg "TF: INT n takes the gate, no trap in the handler"
        step_on
        int 0x20
%$x:    nop
        want 0x20, 0
        mov edx, dr6
        eq "DR6", edx, 0xffff0ff0
        eq "EIP", [t_eip], %$x
        eq "EFLAGS", [t_eflags], TF | 2
        done
        dbg "TF: INT3"
        step_on
        int3
        want BP_, 0
        eq "EFLAGS", [t_eflags], TF | 2
        done
        dbg "TF: a fault comes instead of the trap"
        step_on
        at
        ud2
        want UD, 0
        mov edx, dr6
        eq "DR6", edx, 0xffff0ff0
        eq "EFLAGS", [t_eflags], TF | RF | 2
        want_at
        dbg "TF: PUSHF shows it"
        mov esp, STACK1
        step_on
        pushfd
        at
        nop
        want_db BS
        eq "image", [STACK1 - 4], TF | 2
        begin_user "TF: POPF at CPL 3"
        step_on
        nop
        at
        nop
        want_db BS
        call quiet
        begin_user "TF: fault at CPL 3"
        step_on
        at
        cli
        want GP, 0
        want_at

; ---- instruction breakpoints
        dbg "code breakpoint"
        arm 0, X, %$at
        nop
        at
        inc eax
        want_db BHIT | 1
        eq "EFLAGS", [t_eflags], 2
        dbg "code breakpoint DR3, global enable"
        mov edx, %$at
        mov dr3, edx
        mov edx, 0x480
        mov dr7, edx
        at
        nop
        want_db BHIT | 8
        dbg "two on one instruction"
        mov edx, %$at
        mov dr0, edx
        mov dr2, edx
        mov edx, 0x411
        mov dr7, edx
        at
        nop
        want_db BHIT | 5
        dbg "not enabled"
        mov edx, %$x
        mov dr0, edx
        mov edx, 0x404
        mov dr1, edx
        mov dr7, edx
%$x:    nop
        want NONE
        done
        dbg "in the middle of an instruction"
        arm 0, X, %$x + 1
%$x:    mov eax, 0x12345678
        want NONE
        done
        dbg "on a prefix: first byte counts"
        arm 0, X, %$at
        at
        rep stosb
        want_db BHIT | 1
        dbg "RF by IRET passes once"
        arm 0, X, %$x
        push dword RF | 2
        push dword CODE
        push dword %$x
        iretd
%$x:    nop
        want NONE
        done
        dbg "RF lasts for one instruction"
        arm 0, X, %$at
        push dword RF | 2
        push dword CODE
        push dword %$x
        iretd
%$x:    nop
        at
        nop
        want_db BHIT | 1
        dbg "RF through a loop"
        mov ecx, 2
        arm 0, X, %$at
        push dword RF | 2
        push dword CODE
        push dword %$at
        iretd
        at
        nop
        loop %$at
        want_db BHIT | 1
        eq "ECX", ecx, 1
        dbg "RF holds for all of a REP"
        mov ecx, 100
        mov edi, DATA
        arm 0, X, %$x
        push dword RF | 2
        push dword CODE
        push dword %$x
        iretd
%$x:    rep stosb
        want NONE
        eq "ECX", ecx, 0
        done
        dbg "RF holds for all of a long REP"
        mov ecx, 200000
        mov edi, PAGES
        arm 0, X, %$x
        push dword RF | 2
        push dword CODE
        push dword %$x
        iretd
%$x:    rep stosb
        want NONE
        eq "ECX", ecx, 0
        done
        dbg "a fault pushes RF"
        at
        ud2
        want UD, 0
        eq "RF", [t_eflags], RF | 2
        want_at
        dbg "POPF does not set RF"
        arm 0, X, %$at
        push dword RF | 2
        popfd
        at
        nop
        want_db BHIT | 1
        dbg "breakpoint and TF: the trap of the one before comes with it"
        arm 0, X, %$at
        step_on
        nop
        at
        nop
        want DB_, 0
        mov edx, dr6
        and edx, 0x4000
        eq "DR6.BS", edx, 0x4000
        want_at
        dbg "breakpoint before the fault of the same instruction"
        arm 0, X, %$at
        at
        ud2
        want_db BHIT | 1
        dbg "jump to it"
        arm 1, X, %$at
        jmp %$at
        nop
        at
        nop
        want_db BHIT | 2
        call quiet
; ---- data
%macro data 5                           ; name, kind, address, "instruction", hit
        %deftok %%insn %4
        call quiet
        mov eax, 0x01020304
        mov ebx, DATA
        mov esi, DATA + 0x100
        mov edi, DATA + 0x20
        mov ecx, 3
        fninit
        begin %1
        arm 0, %2, %3
        %%insn
        at
        nop
%if %5
        want_db BHIT | 1
%else
        want NONE
        done
%endif
%endmacro
        data "write breakpoint", W4, DATA, "mov [ebx], eax", 1
        data "write breakpoint: a read", W4, DATA, "mov eax, [ebx]", 0
        data "access breakpoint: a read", A4, DATA, "mov eax, [ebx]", 1
        data "access breakpoint: a write", A4, DATA, "mov [ebx], eax", 1
        data "last byte", W4, DATA, "mov [ebx + 3], al", 1
        data "byte after", W4, DATA, "mov [ebx + 4], al", 0
        data "byte before", W4, DATA, "mov [ebx - 1], al", 0
        data "dword that reaches in", W1, DATA + 3, "mov [ebx], eax", 1
        data "dword that ends before", W1, DATA + 4, "mov [ebx], eax", 0
        data "unaligned dword across", W4, DATA + 4, "mov [ebx + 1], eax", 1
        data "length 2, odd address: rounded down", W2, DATA + 1, "mov [ebx], al", 1
        data "length 2, odd address: not beyond", W2, DATA + 1, "mov [ebx + 2], al", 0
        data "length 4, address 3: rounded down", W4, DATA + 3, "mov [ebx], al", 1
        data "push", W4, STACK0 - 8, "push eax", 1
        data "read-modify-write", W1, DATA, "inc dword [ebx]", 1
        data "xchg", W1, DATA + 2, "xchg [ebx], eax", 1
        data "cmp reads only", W1, DATA + 2, "cmp [ebx], eax", 0
        data "cmp reads", A1, DATA + 2, "cmp [ebx], eax", 1
        data "movsb: source", A1, DATA + 0x100, "movsb", 1
        data "movsb: destination", W1, DATA + 0x20, "movsb", 1
        data "stosd", W1, DATA + 0x23, "stosd", 1
        data "fstp", W1, DATA + 9, "fnstenv [ebx]", 1
        data "fst qword", W1, DATA + 7, "fst qword [ebx]", 1
        data "pusha", W1, STACK0 - 32, "pushad", 1
        data "call pushes", W1, STACK0 - 8, "call %$at", 1
        data "sidt", W1, DATA + 5, "sidt [ebx]", 1
        data "lea does not touch", A1, DATA, "lea eax, [ebx]", 0
        data "prefetch of code is no access", A4, LIN(tests), "nop", 0
        data "across pages", W1, DATA + 0x1000, "mov [ebx + 0xffe], eax", 1
        data "bts", W1, DATA + 4, "bts dword [ebx], ecx", 0
        data "enter", W1, STACK0 - 8, "enter 8, 0", 1
        dbg "REP MOVSB stops behind the element"
        mov esi, DATA + 0x100
        mov edi, DATA + 0x20
        mov ecx, 8
        arm 0, W1, DATA + 0x22
        at
        rep movsb
        want_db BHIT | 1
        eq "ECX", ecx, 5
        dbg "REP STOSD, read breakpoint elsewhere in the page"
        mov edi, DATA + 0x20
        mov ecx, 8
        arm 0, A4, DATA + 0x10
        rep stosd
        want NONE
        done
        dbg "data breakpoint and TF together"
        arm 0, W1, DATA
        step_on
        mov [DATA], al
        at
        nop
        want_db BS | 1
        mov word [DATA], DATA_SEL
        dbg "held back by MOV SS"
        arm 0, A4, DATA
        mov ss, [DATA]
        nop
        at
        nop
        want_db BHIT | 1
        dbg "the frame of a #DB on watched data"
        arm 0, W1, DATA
        lea edx, [esp - 4]
        mov dr1, edx
        mov edx, (W1 << 16) | (W4 << 20) | 0x40a
        mov dr7, edx
        mov [DATA], al
        nop
        want DB_, 0
        mov edx, dr6
        and edx, 2                      ; the first trap's bit may be gone
        eq "DR6.B1", edx, 2
        eq "EIP: the first instruction of the handler", [t_eip], stubs + 16
        done
        dbg "a fault: no data breakpoint is left over"
        arm 0, W1, DATA
        xor eax, eax
        mov ds, ax
        at
        mov [DATA], eax
        want GP, 0
        want_at
        dbg "... indeed"
        nop
        want NONE
        mov edx, dr6
        eq "DR6", edx, 0xffff0ff0
        done
        dbg "condition met with the breakpoint disabled"
        mov edx, DATA
        mov dr0, edx
        mov edx, 0x400 | (W4 << 16)
        mov dr7, edx
        mov [DATA], eax
        want NONE
        done
; ---- I/O
        mov eax, cr4
        or eax, 8
        mov cr4, eax
        data "I/O breakpoint: OUT", IO1, 0x80, "out 0x80, al", 1
        data "I/O breakpoint: IN", IO1, 0x80, "in al, 0x80", 1
        data "I/O breakpoint: another port", IO1, 0x80, "in al, 0x84", 0
        data "I/O breakpoint: wide access reaches it", IO1, 0x83, "out 0x80, eax", 1
        data "I/O breakpoint: length 4", IO1 | 12, 0x80, "out 0x83, al", 1
        data "I/O breakpoint: memory at that address", IO1, DATA, "mov [ebx], al", 0
        dbg "I/O breakpoint: REP OUTSB"
        mov edx, 0x80
        mov dr0, edx
        mov eax, 0x20402
        mov ecx, 3
        mov esi, DATA
        mov dr7, eax
        at
        rep outsb
        want_db BHIT | 1
        eq "ECX", ecx, 2
        dbg "I/O breakpoint: INS that faults"
        arm 0, IO1, 0x80
        xor eax, eax
        mov es, ax
        mov edi, DATA
        at
        insb
        want GP, 0
        want_at
        mov ax, DATA_SEL
        mov es, ax
        dbg "... no breakpoint is left over"
        nop
        nop
        want NONE
        mov edx, dr6
        eq "DR6", edx, 0xffff0ff0
        done
        begin "CR4.DE: DR4 is #UD"
        at
        mov eax, dr4
        want UD, 0
        want_at
        begin "CR4.DE: DR5 is #UD"
        at
        mov dr5, eax
        want UD, 0
        want_at
        mov eax, cr4
        and eax, ~8
        mov cr4, eax
        dbg "without CR4.DE an I/O breakpoint is none"
        arm 0, IO1, 0x80
        out 0x80, al
        want NONE
        done
        dbg "DR4, DR5 are DR6, DR7"
        mov eax, dr4
        mov ebx, dr5
        want NONE
        eq "DR4", eax, 0xffff0ff0
        eq "DR5", ebx, 0x400
        done
; ---- registers
        dbg "fixed bits"
        or eax, -1
        mov dr6, eax
        mov ebx, dr6
        and ebx, 0xfffeffff                     ; RTM
        mov eax, 0xffffd7ff & ~0x5500           ; no GD: it would trap
        and eax, ~0x2000
        mov dr7, eax
        mov ecx, dr7
        xor eax, eax
        mov dr7, eax
        mov dr6, eax
        mov esi, dr7
        mov edi, dr6
        want NONE
        eq "DR6 all ones", ebx, 0xfffeefff
        eq "DR7 ones", ecx, 0xffffd7ff & ~0x5500 & ~0x2000 & ~0xd800 | 0x400
        eq "DR7 zero", esi, 0x400
        eq "DR6 zero", edi, 0xffff0ff0
        done
        dbg "general detect"
        mov eax, 0x2400
        mov dr7, eax
        at
        mov ebx, dr0
        want DB_, 0
        mov edx, dr6
        eq "DR6", edx, BD
        eq "GD is cleared", [t_dr7], 0x400
        eq "RF", [t_eflags], RF | 2
        want_at
        dbg "general detect: writing"
        mov eax, 0x2400
        mov dr7, eax
        at
        mov dr7, ebx
        want_db BD
        begin_user "MOV DR at CPL 3"
        at
        mov eax, dr0
        want GP, 0
        want_at
        begin_v86 "MOV DR in V86"
        at
        mov eax, dr7
        want GP, 0
        want_at
        begin_user "DR access at CPL 3 with GD: #GP first"
        at
        mov dr7, eax
        want GP, 0
        want_at
        dbg "ICEBP leaves DR6 alone"
        db 0xf1
        want DB_, 0
        mov edx, dr6
        eq "DR6", edx, 0xffff0ff0
        done
        call quiet
        begin_v86 "TF in V86", IOPL3
        push word TF | 2
        popf
        nop
        at
        nop
        want_db BS
        call quiet
        begin_real "TF in real mode"
        push word TF | 2
        popf
        nop
        at
        nop
        want DB_
        want_at
        call quiet
        begin_real "IRETD in real mode loads RF"
        mov edx, %$x
        mov dr0, edx
        mov edx, 0x402
        mov dr7, edx
        push dword RF | 2
        push dword 0x1000
        push dword %$x - 0x10000
        iretd
%$x:    nop
        want NONE
        done
        call quiet
        begin_real "code breakpoint in real mode"
        mov edx, %$at
        mov dr0, edx
        mov edx, 0x402
        mov dr7, edx
        nop
        at
        nop
        want DB_
        want_at
        call quiet
        ret
        image_end
