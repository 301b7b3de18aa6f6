; SPDX-License-Identifier: MIT
; Maskable interrupts, NMI, shadows and priorities. Interrupts come from the local APIC by self-IPI,
; so that they wait at a known instruction.
; SDM 3A "Masking Maskable Hardware Interrupts", "Masking Exceptions and Interrupts When Switching
; Stacks", "Priority Among Concurrent Events", "Nonmaskable Interrupt (NMI)", "Issuing
; Interprocessor Interrupts"; SDM 2 "STI", "POPF", "HLT".
%include "priv.inc"
        gdt_end
SVR     equ 0xfee000f0
EOI     equ 0xfee000b0
ICR     equ 0xfee00300
VEC     equ 0x33
%macro send 0
        mov dword [ICR], 0x44000 | VEC
%endmacro
%macro send_nmi 0
        mov dword [ICR + 0x10], 0       ; to APIC 0: shorthand "self" is for fixed ones only
        mov dword [ICR], 0x4400
%endmacro
; ends the interrupt in service and unmasks NMI
; a handler that counts, also those that came right behind STI
count:  inc dword [came]
        cmp dword [esp], behind_sti
        jne .later
        inc dword [early]
.later: mov dword [EOI], 0
        iretd
        align 4
came:   dd 0
early:  dd 0
calm:   push eax
        mov dword [EOI], 0
        pushfd
        push cs
        push dword .x
        iretd
.x:     pop eax
        ret

tests:
        mov dword [SVR], 0x1ff
        begin "waits while IF is clear"
        send
        nop
        nop
        want NONE
        done
        begin "... and comes then"
        sti
        nop
        nop
        want VEC, 0
        done
        call calm
        begin "STI: one instruction of shadow"
        send
        sti
        nop
        at
        nop
        want VEC, 0
        eq "EFLAGS", [t_eflags], IF | 2
        want_at
        call calm
        begin "STI: the shadow holds whenever an interrupt comes"
        mov eax, [idt + 8 * VEC]
        mov ebx, [idt + 8 * VEC + 4]
        mov ecx, count
        mov [idt + 8 * VEC], cx
        shr ecx, 16
        mov [idt + 8 * VEC + 6], cx
        mov dword [0xfee003e0], 0xb     ; LVT timer: a tick a bus clock, periodic
        mov dword [0xfee00320], 0x20000 | VEC
        mov dword [0xfee00380], 50000
        mov ecx, 100000000
%$next: cli
        nop
        sti
behind_sti:
        nop
        nop
        cmp dword [came], 200
        jae %$enough
        loop %$next
%$enough: cli
        mov dword [0xfee00320], 0x10000
        mov [idt + 8 * VEC], eax
        mov [idt + 8 * VEC + 4], ebx
        want NONE
        mov eax, [came]
        cmp eax, 200
        setae al
        and eax, 1
        eq "interrupts came", eax, 1
        eq "none right behind STI", [early], 0
        done
        begin "STI; CLI lets nothing through"
        send
        sti
        cli
        nop
        want NONE
        done
        begin "... still waiting"
        sti
        nop
        nop
        want VEC, 0
        done
        call calm
        begin "STI; STI"
        send
        sti
        sti
        at
        nop
        want VEC, 0
        want_at
        call calm
        begin "POPF has no shadow"
        send
        push dword IF | 2
        popfd
        at
        nop
        want VEC, 0
        want_at
        call calm
        begin "IRET has no shadow"
        send
        push dword IF | 2
        push cs
        push dword %$at
        iretd
        nop
        at
        nop
        want VEC, 0
        want_at
        call calm
        begin "STI; MOV SS: the second shadow begins"
        mov eax, ss
        send
        sti
        mov ss, ax
        nop
        at
        nop
        want VEC, 0
        want_at
        call calm
        begin "MOV SS with IF set"
        mov eax, ss
        push dword IF | 2
        send
        mov ss, ax
        popfd
        at
        nop
        want VEC, 0
        want_at
        call calm
        begin "STI; HLT wakes"
        send
        sti
        hlt
        at
        nop
        want VEC, 0
        want_at
        call calm
        begin "STI; JMP"
        send
        sti
        jmp %$at
        nop
        at
        nop
        want VEC, 0
        want_at
        call calm
        begin "STI; REP"
        mov ecx, 4
        mov edi, DATA
        send
        sti
        rep stosb
        want VEC, 0
        done
        call calm
        begin "STI; fault: the fault first"
        send
        sti
        at
        ud2
        want UD, 0
        eq "EFLAGS", [t_eflags], IF | RF | 2
        want_at
        begin "... and the interrupt is still there"
        sti
        nop
        nop
        want VEC, 0
        done
        call calm
        begin "POPF sets IF and TF: interrupt before the next instruction"
        send
        push dword IF | TF | 2
        popfd
        at
        nop
        want VEC, 0
        eq "EFLAGS", [t_eflags], IF | TF | 2
        want_at
        call calm
        begin "STI under TF: the trap comes first"
        send
        push dword TF | 2
        popfd
        sti
        at
        nop
        want DB_, 0
        want_at
        begin "... and then the interrupt"
        sti
        nop
        nop
        want VEC, 0
        done
        call calm
        begin "priority class: 3x before 2x"
        mov dword [ICR], 0x44000 | 0x22
        send
        sti
        nop
        nop
        want VEC, 0
        done
        call calm
        begin "... the lower one afterwards"
        sti
        nop
        nop
        want 0x22, 0
        done
        call calm
        begin_user "CPL 3, IOPL 0: interrupt comes at once", IF
        nop
        want NONE
        done
        begin "sent while IF is set"
        sti
        nop
        send
        mov ecx, 100000                 ; when exactly is not promised
%$wait: loop %$wait
        want VEC, 0
        done
        call calm
        begin "CR8-like TPR holds it back"
        mov dword [0xfee00080], 0x40
        send
        sti
        nop
        nop
        cli
        mov dword [0xfee00080], 0
        want NONE
        done
        begin "... until it is lowered"
        sti
        nop
        nop
        want VEC, 0
        done
        call calm
        ; NMI
        begin "NMI with IF clear"
        send_nmi
        mov ecx, 100000
%$wait: loop %$wait
        want NMI_, 0
        done
        begin "NMI is masked until IRET"
        send_nmi
        nop
        nop
        want NONE
        done
        begin "IRET opens NMI"
        pushfd
        push cs
        push dword %$at
        iretd
        at
        nop
        want NMI_, 0
        want_at
        call calm
        begin "NMI, masked from now on"
        send_nmi
        mov ecx, 100000
%$wait: loop %$wait
        want NMI_, 0
        done
        begin "IRET that faults opens NMI"
        send_nmi
        nop
        push dword 2
        push dword 0
        push dword 0
        iretd
        want NMI_, 0
        eq "EIP", [t_eip], LIN(stubs) + GP * 16
        done
        call calm
        ; code breakpoints
        begin "an interrupt keeps RF"
        mov edx, %$at
        mov dr0, edx
        mov edx, 0x402
        mov dr7, edx
        send
        push dword RF | IF | 2
        push cs
        push dword %$at
        iretd
        at
        nop
        want VEC, 0
        eq "EFLAGS", [t_eflags], RF | IF | 2
        want_at
        call calm
        begin "an interrupt comes before a code breakpoint"
        mov edx, %$at
        mov dr0, edx
        mov edx, 0x402
        mov dr7, edx
        send
        push dword IF | 2
        popfd
        at
        nop
        want VEC, 0
        eq "EFLAGS", [t_eflags], IF | 2
        want_at
        call calm
        ; TSC deadline, with a TSC that was set far ahead
        mov eax, 1
        cpuid
        test ecx, 1 << 24
        jz near no_deadline
        mov ecx, 0x10
        xor eax, eax
        mov edx, 0x100000
        wrmsr
        mov dword [0xfee00320], 0x40000 | VEC   ; LVT timer: deadline mode
        begin "TSC deadline after WRMSR TSC"
        sti
        rdtsc
        add eax, 1000000
        adc edx, 0
        mov ecx, 0x6e0
        wrmsr
        mov ecx, 300000000
%$wait: loop %$wait
        want VEC, 0
        done
        call calm
        begin "TSC deadline stays where it is when the TSC is set"
        mov ecx, 0x6e0
        xor eax, eax
        mov edx, 0x300000
        wrmsr
        rdmsr
        mov ebx, edx
        mov ecx, 0x10
        mov edx, 0x300001
        sti
        wrmsr                           ; past it now
        mov ecx, 300000000
%$wait: loop %$wait
        want VEC, 0
        eq "deadline read back", ebx, 0x300000
        done
        call calm
no_deadline:
        begin_v86 "interrupt in V86 with IF, IOPL 3", IF | IOPL3
        nop
        want NONE
        done
        send
        begin_v86 "pending interrupt is taken on entry to V86", IF
%$at:   nop
        want VEC, 0
        eq "EFLAGS", [t_eflags], VM | IF | 2
        want_at
        call calm
        send
        begin_user "pending interrupt is taken on entry to CPL 3", IF
        nop
        want VEC, 0
        eq "CS", [t_cs], UCODE
        done
        call calm
        ; at the end, since it ends QEMU
        begin "an interrupt's frame on watched data traps before its handler"
        lea edx, [esp - 12]
        mov dr0, edx
        send
        mov edx, 0x402 | 1 << 16 | 3 << 18
        mov dr7, edx
        push dword IF | 2
        popfd
        nop
        want DB_
        eq "EIP", [t_eip], LIN(stubs) + VEC * 16
        done
        call calm
        ret
        image_end
