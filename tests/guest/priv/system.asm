; SPDX-License-Identifier: MIT
; Control registers, alignment check, x87 and #NM, real mode with big segments, A20.
; SDM 3A "Control Registers", "Interrupt 17-Alignment Check Exception (#AC)", "Device Not Available
; Exception (#NM)", "Interrupt 16", "Configuring the x87 FPU Environment"; SDM 1 "Software Exception
; Handling" (MS-DOS compatibility); SDM 3A "Switching Back to Real-Address Mode".
%include "priv.inc"
        sel DATA16BIG, 0, 0xfffff, 0x93, 0x8            ; 4 GiB, D = 0
        sel DATA4K, 0, 0xfff, 0x93, 0
        gdt_end
%macro divide_by_zero 0                 ; control word in DATA: unmasked
        fninit
        fldcw [DATA]
        fld1
        fldz
        fdivp
%endmacro
; The interrupt that the pending x87 error makes; what follows is in its handler
%macro wait_irq13 0
        sti
        fwait
        mov ecx, 100000
%%wait: loop %%wait
        want 0x2d, 0
        cli
        done
%endmacro
%macro end_of_irq13 0
        mov al, 0x20
        out 0xa0, al
        out 0x20, al
%endmacro
%macro cr0_ 4                           ; name, bits to set, bits to clear, vector
        begin %1
        mov eax, cr0
        mov ebx, eax
        or eax, %2
        and eax, ~(%3)
        at
        mov cr0, eax
        mov cr0, ebx
        want %4, 0
        mov cr0, ebx
%if %4 = NONE
        done
%else
        want_at
%endif
%endmacro
%macro cr4_ 3                           ; name, bits, vector
        begin %1
        mov eax, cr4
        mov ebx, eax
        or eax, %2
        at
        mov cr4, eax
        mov ecx, cr4
        want %3, 0
        mov cr4, ebx
%if %3 = NONE
        done
%else
        want_at
%endif
%endmacro
tests:  call control
        call align_
        call fpu
        call real
        call a20
        ret

control:
        cr0_ "PG without PE", 0x80000000, 1, GP
        cr0_ "NW without CD", 0x20000000, 0x40000000, GP
        cr0_ "CD and NW", 0x60000000, 0, NONE
        cr0_ "reserved bits of CR0 are dropped", 0x1ffaffc0 & ~0x50000, 0, NONE
        begin "CR0.ET is always set"
        mov eax, cr0
        mov ebx, eax
        and eax, ~0x10
        mov cr0, eax
        mov ecx, cr0
        mov cr0, ebx
        and ecx, 0x10
        want NONE
        eq "ET", ecx, 0x10
        done
        cr4_ "reserved bit 15 of CR4", 0x8000, GP
        cr4_ "reserved bit 31 of CR4", 0x80000000, GP
        cr4_ "VME, PVI, TSD, DE, PSE, PGE", 0x9f, NONE
        cr4_ "OSFXSR, OSXMMEXCPT", 0x600, NONE
        begin "MOV CR1"
        at
        db 0x0f, 0x20, 0xc8
        want UD, 0
        want_at
        begin "MOV CR7"
        at
        db 0x0f, 0x22, 0xf8
        want UD, 0
        want_at
        begin "MOV CR ignores mod"
        db 0x0f, 0x20, 0x00             ; mod 0: still EAX
        mov ebx, cr0
        sub eax, ebx
        want NONE
        eq "difference", eax, 0
        done
        begin "CR2 holds what was written"
        mov eax, 0x12345678
        mov cr2, eax
        mov ebx, cr2
        want NONE
        eq "CR2", ebx, 0x12345678
        done
        begin "CR3 keeps PWT and PCD, 32 bits"
        mov eax, 0xfffff018
        mov cr3, eax
        mov ebx, cr3
        xor eax, eax
        mov cr3, eax
        want NONE
        eq "CR3", ebx, 0xfffff018
        done
        begin "LMSW cannot clear PE"
        xor eax, eax
        lmsw ax
        smsw ebx
        and ebx, 15
        want NONE
        eq "MSW", ebx, 1
        done
        begin "LMSW sets MP, EM, TS and nothing else"
        mov eax, 0xffff
        lmsw ax
        mov ebx, cr0
        mov eax, 1
        lmsw ax
        and ebx, 0x1fffffff
        want NONE
        eq "CR0", ebx, 0x1f
        done
        begin "CLTS"
        mov eax, 9
        lmsw ax
        clts
        smsw eax
        and eax, 15
        want NONE
        eq "MSW", eax, 1
        done
        begin "RDMSR of no register"
        mov ecx, 0x12345
        at
        rdmsr
        want GP, 0
        want_at
        begin "WRMSR of no register"
        mov ecx, 0x12345
        at
        wrmsr
        want GP, 0
        want_at
        begin "SYSENTER MSR keep 32 bits"
        mov ecx, 0x175
        mov eax, 0x87654321
        xor edx, edx
        wrmsr
        xor eax, eax
        rdmsr
        want NONE
        eq "EAX", eax, 0x87654321
        eq "EDX", edx, 0
        done
%macro bad_msr 4                        ; name, number, EDX, EAX
        begin %1
        mov ecx, %2
        mov edx, %3
        mov eax, %4
        at
        wrmsr
        want GP, 0
        want_at
%endmacro
        bad_msr "PAT: type 2", 0x277, 0, 2
        bad_msr "fixed MTRR: type UC-", 0x250, 0x07000000, 0
        bad_msr "default MTRR: type 3", 0x2ff, 0, 0xc03
        bad_msr "variable MTRR: type 2", 0x200, 0, 2
        bad_msr "variable MTRR: bit 8", 0x200, 0, 0x106
        bad_msr "variable MTRR: bit 0 of the mask", 0x201, 0, 0x801
        bad_msr "variable MTRR: above the address bits", 0x201, 0x80000000, 0x800
        begin "CPUID beyond the highest leaf"
        xor eax, eax
        cpuid
        xor ecx, ecx
        cpuid
        mov esi, eax
        mov edi, ebx
        mov ebp, edx
        mov eax, 0x1000
        xor ecx, ecx
        cpuid
        want NONE
        eq "EAX", eax, esi
        eq "EBX", ebx, edi
        eq "EDX", edx, ebp
        done
        begin "WRMSR TSC"
        mov ecx, 0x10
        mov eax, 0
        mov edx, 0x1000
        wrmsr
        rdtsc
        want NONE
        eq "upper half", edx, 0x1000
        done
        begin "LOCK on a register"
        at
        db 0xf0, 0x01, 0xc0
        want UD, 0
        want_at
        begin "LOCK on MOV"
        at
        db 0xf0, 0x89, 0x05
        dd DATA
        want UD, 0
        want_at
        begin "LEA of a register"
        at
        db 0x8d, 0xc0
        want UD, 0
        want_at
        begin "15 bytes"
        times 14 db 0x66
        nop
        want NONE
        done
        begin "16 bytes"
        at
        times 15 db 0x66
        nop
        want GP, 0
        want_at
        begin "BOUND of a register"
        at
        db 0x62, 0xc0
        want UD, 0
        want_at
        begin "LGDT of a register"
        at
        db 0x0f, 0x01, 0xd7
        want UD, 0
        want_at
        begin "DIV by 0"
        xor ecx, ecx
        at
        div ecx
        want DE, 0
        want_at
        begin "DIV overflow keeps EDX:EAX"
        mov edx, 2
        mov eax, 5
        mov ecx, 2
        at
        div ecx
        want DE, 0
        eq "EDX", edx, 2
        eq "EAX", eax, 5
        want_at
        begin "IDIV 80000000h / -1"
        mov eax, 0x80000000
        cdq
        or ecx, -1
        at
        idiv ecx
        want DE, 0
        want_at
        begin "AAM 0"
        at
        aam 0
        want DE, 0
        want_at
        ret

; ---- alignment
%macro ac 4                             ; "instruction", address in EBX, AC expected, flags
        %deftok %%insn %1
        %strcat %%text "AC: ", %1
        begin_user %%text, %4
        mov ebx, %2
        mov esi, ebx
        mov edi, ebx
        mov ecx, 1
        xor eax, eax
        fninit
        at
        %%insn
%if %3
        want AC, 0
        want_at
%else
        want NONE
        done
%endif
%endmacro
align_: mov eax, cr4
        or eax, 0x200
        mov cr4, eax
        ac "mov eax, [ebx]   ", DATA + 1, 0, ACF
        mov eax, cr0
        or eax, 0x40000
        mov cr0, eax
        begin "AC at CPL 0: no check"
        push dword ACF | 2
        popfd
        mov eax, [DATA + 1]
        want NONE
        done
        ac "mov eax, [ebx]    ", DATA + 1, 0, 0
        ac "mov eax, [ebx]", DATA + 1, 1, ACF
        ac "mov eax, [ebx] ", DATA + 2, 1, ACF
        ac "mov eax, [ebx]  ", DATA + 4, 0, ACF
        ac "mov [ebx], eax", DATA + 3, 1, ACF
        ac "mov ax, [ebx]", DATA + 1, 1, ACF
        ac "mov ax, [ebx] ", DATA + 2, 0, ACF
        ac "mov al, [ebx]", DATA + 1, 0, ACF
        ac "sidt [ebx]", DATA, 1, ACF
        ac "sidt [ebx] ", DATA + 2, 0, ACF
        ac "add [ebx], eax", DATA + 2, 1, ACF
        ac "movzx eax, word [ebx]", DATA + 1, 1, ACF
        ac "push dword [ebx]", DATA + 2, 1, ACF
        ac "cmpxchg8b [ebx]", DATA + 4, 1, ACF
        ac "cmpxchg8b [ebx] ", DATA + 8, 0, ACF
        ac "fld qword [ebx]", DATA + 4, 1, ACF
        ac "fld qword [ebx] ", DATA + 8, 0, ACF
        ac "fld tword [ebx]", DATA + 4, 1, ACF
        ac "fld tword [ebx] ", DATA + 8, 0, ACF
        ac "fild word [ebx]", DATA + 1, 1, ACF
        ac "fnstenv [ebx]", DATA + 2, 1, ACF
        ac "fnstenv [ebx] ", DATA + 4, 0, ACF
        ac "fnstcw [ebx]", DATA + 1, 1, ACF
        ac "movsd", DATA + 2, 1, ACF
        ac "rep movsd", DATA + 2, 1, ACF
        ac "rep stosd", DATA + 1, 1, ACF
        ac "rep stosb", DATA + 1, 0, ACF
        ac "movsb", DATA + 1, 0, ACF
        ac "lodsw", DATA + 1, 1, ACF
        ac "scasd", DATA + 2, 1, ACF
        ac "movq xmm0, [ebx]", DATA + 4, 1, ACF
        ac "movd xmm0, [ebx]", DATA + 4, 0, ACF
        ac "bt dword [ebx], 1", DATA + 1, 1, ACF
        ac "xlatb", DATA + 1, 0, ACF
        ac "lea eax, [ebx + 1]", DATA, 0, ACF
        ac "jmp [ebx]", DATA + 1, 1, ACF
        ac "call [ebx]", DATA + 2, 1, ACF
        ac "bound eax, [ebx]", DATA + 2, 1, ACF
        ac "lds eax, [ebx]", DATA + 2, 1, ACF
        ac "prefetcht0 [ebx]", DATA + 1, 0, ACF
        begin_user "AC: push", ACF
        lea esp, [esp - 2]
        at
        push eax
        want AC, 0
        eq "ESP", [t_old_esp], STACK3 - 2
        want_at
        begin_user "AC: pop", ACF
        lea esp, [esp - 6]
        at
        pop eax
        want AC, 0
        want_at
        begin_user "AC: push word", ACF
        lea esp, [esp - 2]
        push ax
        lea esp, [esp - 2]
        push ax
        want NONE
        done
        begin_user "AC: pusha", ACF
        lea esp, [esp - 3]
        at
        pushad
        want AC, 0
        want_at
        begin_user "AC: call", ACF
        lea esp, [esp - 1]
        at
        call tests
        want AC, 0
        want_at
        begin_user "AC: ret", ACF
        lea esp, [esp - 17]
        at
        ret
        want AC, 0
        want_at
        begin_user "AC: an exception pushes on the inner stack unchecked", ACF
        lea esp, [esp - 1]
        at
        cli
        want GP, 0
        want_at
        begin_user "AC: POPF sets it"
        push dword ACF | 2
        popfd
        at
        mov eax, [DATA + 1]
        want AC, 0
        want_at
        begin_v86 "AC in V86", ACF
        at
        mov ax, [1]
        want AC, 0
        want_at
        begin_ring 1, "AC at CPL 1: no check", ACF
        mov eax, [DATA + 1]
        want NONE
        done
        mov eax, cr0
        and eax, ~0x40000
        mov cr0, eax
        ret

; ---- x87
%macro msw 1
        mov eax, %1
        lmsw ax
%endmacro
%macro nm 4                             ; CR0 bits, "instruction", vector, their names
        msw %1
        %deftok %%insn %2
        %strcat %%text %4, ": ", %2
        begin %%text
        at
        %%insn
        want %3, 0
%if %3 = NONE
        done
%else
        want_at
%endif
        msw 1
        clts
%endmacro
PE_ equ 1
MP_ equ 2
EM_ equ 4
TS_ equ 8
fpu:    fninit
        nm PE_ | EM_, "fld1", NM, "EM"
        nm PE_ | EM_, "fnstsw ax", NM, "EM"
        nm PE_ | EM_, "fninit", NM, "EM"
        nm PE_ | EM_, "fwait", NONE, "EM"
        nm PE_ | EM_, "movq mm0, mm1", UD, "EM"
        nm PE_ | EM_, "emms", UD, "EM"
        nm PE_ | EM_, "addps xmm0, xmm1", UD, "EM"
        nm PE_ | EM_, "fxsave [DATA]", NM, "EM"
        nm PE_ | EM_ | MP_ | TS_, "fwait ", NM, "EM MP TS"
        nm PE_ | TS_, "fld1 ", NM, "TS"
        nm PE_ | TS_, "fwait", NONE, "TS"
        nm PE_ | TS_, "movq mm0, mm1", NM, "TS"
        nm PE_ | TS_, "addps xmm0, xmm1", NM, "TS"
        nm PE_ | TS_, "fxrstor [DATA]", NM, "TS"
        nm PE_ | TS_, "fnsave [DATA]", NM, "TS"
        nm PE_ | TS_, "ldmxcsr [DATA + 24]", NM, "TS"
        nm PE_ | TS_, "prefetcht0 [DATA]", NONE, "TS"
        nm PE_ | TS_, "movnti [DATA], eax", NONE, "TS"
        nm PE_ | TS_, "sfence", NONE, "TS"
        nm PE_ | MP_ | TS_, "fwait", NM, "MP TS"
        nm PE_ | MP_, "fwait", NONE, "MP"
        nm PE_ | MP_, "fld1", NONE, "MP"
        mov eax, cr4
        and eax, ~0x200
        mov cr4, eax
        nm PE_, "addps xmm0, xmm1", UD, "OSFXSR clear"
        nm PE_ | TS_, "addps xmm0, xmm1 ", UD, "OSFXSR clear, TS"
        nm PE_, "movq mm0, mm1", NONE, "OSFXSR clear"
        mov eax, cr4
        or eax, 0x600
        mov cr4, eax
        mov eax, cr0
        or eax, 0x20                    ; NE
        mov cr0, eax
        fninit
        begin "NE: an unmasked exception waits for the next x87 instruction"
        mov word [DATA], 0x37b          ; ZM clear
        fldcw [DATA]
        fld1
        fldz
        fdivp
        nop
        nop
        at
        fld1
        want MF, 0
        want_at
        begin "NE: FWAIT sees it"
        at
        fwait
        want MF, 0
        want_at
        begin "NE: FNSTSW, FNCLEX do not wait"
        fnstsw ax
        fnclex
        fwait
        want NONE
        and eax, 0x80bf
        eq "status", eax, 0x8084
        done
        begin "NE: integer store"
        fninit
        fldcw [DATA]
        fld1
        fldz
        fdivp
        at
        fistp dword [DATA + 16]
        want MF, 0
        want_at
        begin "NE: MMX sees it too"
        at
        movq mm0, mm1
        want MF, 0
        want_at
        fninit
        begin "NE: masked"
        fld1
        fldz
        fdivp
        fwait
        want NONE
        done
        fninit
        mov eax, cr0
        and eax, ~0x20
        mov cr0, eax
; without NE: IRQ 13
        mov al, 0x11
        out 0x20, al
        out 0xa0, al
        mov al, 0x20
        out 0x21, al
        mov al, 0x28
        out 0xa1, al
        mov al, 4
        out 0x21, al
        mov al, 2
        out 0xa1, al
        mov al, 1
        out 0x21, al
        out 0xa1, al
        mov al, 0xfb
        out 0x21, al
        mov al, 0xdf
        out 0xa1, al
        mov word [DATA], 0x37b
        fldcw [DATA]
        fnstenv [DATA + 32]
        begin "without NE: IRQ 13"
        divide_by_zero
        wait_irq13
        out 0xf0, al
        fnclex
        end_of_irq13
        begin "IRQ 13 once more, FNCLEX before port F0h"
        divide_by_zero
        wait_irq13
        fnclex
        out 0xf0, al
        end_of_irq13
        begin "IRQ 13 a third time"
        divide_by_zero
        wait_irq13
        begin "IGNNE#: what waits executes"
        out 0xf0, al
        fwait
        fld1
        fstp dword [DATA + 16]
        want NONE
        fnstsw ax
        and eax, 0x80bf
        eq "status", eax, 0x8084
        eq "stored", dword [DATA + 16], 0x3f800000
        done
        begin "IGNNE#: what waits faults"
        xor eax, eax
        mov fs, ax
        at
        fst dword [fs:0]
        want GP, 0
        want_at
        fnstsw ax
        and eax, 0x80bf
        eq "status", eax, 0x8084
        begin "IGNNE#: FLDCW"
        mov word [DATA + 4], 0x37f
        fldcw [DATA + 4]
        fnstsw ax
        fnstcw [DATA + 16]
        want NONE
        and eax, 0x80bf
        eq "status", eax, 4
        movzx eax, word [DATA + 16]
        eq "control", eax, 0x37f
        done
        end_of_irq13
        begin "IGNNE# falls with FERR#"
        fldcw [DATA]                    ; the error is there again
        wait_irq13
        begin "IGNNE#: FLDENV"
        out 0xf0, al
        fldenv [DATA + 32]
        fnstsw ax
        want NONE
        and eax, 0x80bf
        eq "status", eax, 0
        done
        end_of_irq13
        mov al, 0xff
        out 0x21, al
        out 0xa1, al
        fninit
        ; SIMD
        begin "#XM"
        mov dword [DATA], 0x1d80        ; ZM clear
        ldmxcsr [DATA]
        xorps xmm0, xmm0
        mov dword [DATA + 16], 0x3f800000
        movss xmm1, [DATA + 16]
        at
        divss xmm1, xmm0
        want XM, 0
        want_at
        mov eax, cr4
        and eax, ~0x400
        mov cr4, eax
        begin "#UD without OSXMMEXCPT"
        mov dword [DATA], 0x1d80
        ldmxcsr [DATA]
        at
        divss xmm1, xmm0
        want UD, 0
        want_at
        begin "LDMXCSR with reserved bits"
        mov dword [DATA], 0x80001f80
        at
        ldmxcsr [DATA]
        want GP, 0
        want_at
        begin "LDMXCSR with a bit of other CPUs"
        mov dword [DATA], 0x21f80       ; AMD's MM
        at
        ldmxcsr [DATA]
        want GP, 0
        want_at
        mov dword [DATA], 0x1f80
        ldmxcsr [DATA]
        fninit
        fld1
        fnstenv [DATA]
        begin "CS of the x87 instruction is zero if CPUID says so"
        mov eax, 7
        xor ecx, ecx
        cpuid
        test ebx, 1 << 13
        mov eax, 0
        jz %$end
        mov ax, [DATA + 16]
        want NONE
        eq "CS", eax, 0
        done
        fninit
        ret

; ---- real mode
real:   begin_real "limit 64 KiB"
        mov bx, 0xffff
        at
        mov ax, [bx]
        want GP
        want_at
        begin_real "SS limit"
        mov bp, 0xffff
        at
        mov ax, [bp]
        want SS_
        want_at
        begin_real "byte at FFFFh"
        mov al, [0xffff]
        want NONE
        done
        begin_real "32-bit offset beyond 64 KiB"
        mov ebx, 0x10000
        at
        mov al, [ebx]
        want GP
        want_at
        begin "big real mode"
        mov dword [0x200000], 0x31415926
        jmp CODE16:%$a - 0x10000
        bits 16
%$a:    mov ax, DATA16BIG
        mov ds, ax
        mov es, ax
        mov ax, DATA16
        mov ss, ax
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0x1000:%$b - 0x10000
%$b:    lidt [cs:ivtr_image - 0x10000]
        xor ax, ax
        mov ss, ax
        mov ds, ax                      ; base changes, limit stays
        mov ebx, 0x200000
        mov ecx, [ebx]
        mov es, ax
        mov [es:ebx + 4], ecx
        want NONE
        eq "read", ecx, 0x31415926
        eq "written", [0x200004], 0x31415926
        done
        begin "small limit stays in real mode"
        jmp CODE16:%$a - 0x10000
        bits 16
%$a:    mov ax, DATA4K
        mov ds, ax
        mov ax, DATA16
        mov es, ax
        mov ss, ax
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0x1000:%$b - 0x10000
%$b:    lidt [cs:ivtr_image - 0x10000]
        xor ax, ax
        mov ss, ax
        mov ds, ax
        mov al, [0xfff]
        at
        mov al, [0x1000]
        want GP
        want_at
        begin_real "IVT limit"
        lidt [cs:short_ivt - 0x10000]
        at
        int 0x40
        want GP
        want_at
        begin_real "POPF changes IOPL and NT"
        push word 0x7000
        popf
        pushf
        pop bx
        push word 2
        popf
        want NONE
        movzx ebx, bx
        eq "FLAGS", ebx, 0x7002
        done
        begin_real "INT pushes three words, clears IF and TF"
        mov bx, sp
        int 0x31
%$x:    want 0x31
        movzx eax, bx
        sub eax, [t_old_esp]
        eq "EIP", [t_eip], %$x
        done
        begin_real "far call and return"
        call 0x1001:%$f - 0x10000 - 16
        mov bx, cs
        jmp %$end
%$f:    mov cx, cs
        retf
        want NONE
        movzx ebx, bx
        movzx ecx, cx
        eq "CS", ebx, 0x1000
        eq "CS inside", ecx, 0x1001
        done
        begin_real "LLDT in real mode"
        at
        lldt ax
        want UD
        want_at
        begin_real "LGDT, SMSW in real mode"
        smsw ax
        want NONE
        and eax, 1
        eq "PE", eax, 0
        done
        begin_real "32-bit IRET"
        push dword 0x3002
        push dword 0x1000
        push dword %$x - 0x10000
        iretd
%$x:    pushfd
        pop ebx
        push word 2
        popf
        want NONE
        eq "EFLAGS", ebx, 0x3002
        done
        begin_real "IP does not wrap at 64 KiB"
        mov byte [cs:0xffff], 0x90
        jmp 0xffff + image
        want GP
        eq "IP", [t_eip], 0x10000
        done
        begin_real "IP wraps at 64 KiB: a jump past it"
        mov eax, 0x10000
        at
        jmp eax
        want GP
        done
        ret
short_ivt:
        dw 0xff
        dd 0

; ---- A20
a20:    mov dword [0x500], 0x11111111
        mov dword [0x100500], 0x22222222
        begin "A20 off: the bit is dropped, on: it is back"
        in al, 0x92
        and al, 0xfd
        out 0x92, al
        mov ebx, [0x100500]
        mov dword [0x100500], 0x33333333
        mov edx, [0x500]
        in al, 0x92
        or al, 2
        out 0x92, al
        mov ecx, [0x100500]
        want NONE
        eq "off", ebx, 0x11111111
        eq "written", edx, 0x33333333
        eq "on", ecx, 0x22222222
        done
        begin_real "FFFF:0510 with A20"
        mov ax, 0xffff
        mov ds, ax
        mov ebx, [0x510]
        want NONE
        eq "value", ebx, 0x22222222
        done
        ret
        image_end
