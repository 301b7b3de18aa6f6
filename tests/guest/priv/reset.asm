; SPDX-License-Identifier: MIT
; Triple faults and other resets. Each scenario ends in a reset; memory tells the next start which
; one comes then.
; SDM 3A "Interrupt 8-Double Fault Exception (#DF)" (shutdown), "Processor State After Reset".
%include "priv.inc"
        sel SMALL, 0, 4, 0x93, 4
        gdt_end
STEP    equ 0x4f0
MAGIC   equ 0x4f4


tests:  cmp dword [MAGIC], 0x600d600d
        je .known
        mov dword [MAGIC], 0x600d600d
        mov dword [STEP], 0
.known: mov eax, [STEP]
        inc dword [STEP]
        jmp [table + eax * 4]
table:  dd no_idt, bad_df, bad_stack, no_tss, df_absent, real_idt, port92, keyboard, init, end

no_idt: lidt [nothing]
        ud2
        jmp survived
bad_df: mov dword [idt + 8 * 8 + 4], 0          ; #GP -> #DF -> nothing
        mov dword [idt + 13 * 8 + 4], 0
        xor eax, eax
        mov ds, ax
        mov eax, [0]
        jmp survived
bad_stack:                                      ; no room for any frame
        mov eax, cr0
        mov esp, 4
        mov ax, SMALL
        mov ss, ax
        ud2
        jmp survived
no_tss: push dword UDATA                        ; no stack for an inner level
        push dword STACK3
        push dword 2
        push dword UCODE
        push dword .user
        mov dword [tss + 8], 0
        iretd
.user:  ud2
        jmp .user
df_absent:
        mov word [idtr_image], 8 * 8 - 1        ; vectors 0-7 only: #GP cannot be served, nor #DF
        lidt [idtr_image]
        cli
        int 0x20
        jmp survived
real_idt:
        begin_real "IDT of no size in real mode"
        lidt [cs:nothing - 0x10000]
        int 0x20
        want NONE
        done
        jmp survived
port92: call reset_state                        ; of the reset before
        in al, 0x92
        or al, 1
        out 0x92, al
wait_:  mov ecx, 10000000
        loop $
        jmp survived
keyboard:
        mov al, 0xfe
        out 0x64, al
        jmp wait_
init:   mov ecx, 0x174                          ; INIT to APIC 0: SDM 3A "Processor State After Reset"
        mov eax, 0x1234
        xor edx, edx
        wrmsr
        fninit
        fld1
        mov eax, cr0
        and eax, 0x9fffffff
        mov cr0, eax
        mov dword [0xfee000f0], 0x1ff
        mov dword [0xfee00310], 0
        mov dword [0xfee00300], 0x4500
        mov ecx, 10000000
        loop $
survived:
        begin "a reset was due"
        want 0
        mov eax, [STEP]
        eq "step", eax, 0
        done
        ret
end:    mov dword [MAGIC], 0
        begin "all resets happened"
        mov eax, [STEP]
        want NONE
        eq "steps", eax, 10
        done
        begin "state after INIT"
        mov eax, cr0
        mov ecx, 0x174
        xor ebx, ebx
        fnstcw [DATA]
        mov bx, [DATA]
        mov edi, eax
        rdmsr
        mov esi, eax
        mov eax, edi
        mov ecx, dr7
        want NONE
        eq "CR0", eax, 0x11                     ; CD and NW as they were
        eq "MSR 174h", esi, 0x1234
        eq "x87 control word", ebx, 0x37f
        eq "DR7", ecx, 0x400
        done
        ret
reset_state:
        begin "state after reset"
        mov eax, cr0
        mov ebx, cr4
        mov ecx, dr7
        mov edx, dr6
        want NONE
        eq "CR0", eax, 0x60000011               ; PE is ours
        eq "CR4", ebx, 0
        eq "DR7", ecx, 0x400
        eq "DR6", edx, 0xffff0ff0
        done
        ret
nothing: dw 0
        dd 0
        image_end
