; SPDX-License-Identifier: MIT
; Runs the cases of a ROM that `cases.py` made, each from a fresh machine state, until it meets an
; interrupt or exception, and prints what state that found. The last 64 KiB of the ROM, entered at
; f000:fff0. No firmware, no devices but ports E9h (text), F4h (isa-debug-exit) and 8900h (Bochs).
;
; Two lines a case: "#" and its number; "=" and either 32-bit fields (as in `r_first`) and what
; memory below 64 KiB has become ("address=value"), or "setup" with vector and error code for a
; state that cannot be entered, or "reset". In the end "#end".
        org 0x10000
        bits 32

%define LIN(label) ((label) - image + 0x10000)

LOW     equ 0                           ; what cases have: tables, stacks, data, code, handlers
LOW_SIZE equ 0x10000
BEFORE  equ 0x30000                     ; LOW as this case found it
STACK   equ 0x48000
TEMPLATE equ 0xfffe0000                 ; LOW in the ROM, below this
RUNNER_GDTR equ 0xf700                   ; cases.py: the same
CHANGES equ 96                          ; are printed

CODE    equ 0x08                        ; the same in the tables of cases
DATA    equ 0x10
CODE16  equ 0x18
DATA16  equ 0x20

image:
        jmp near caught                 ; at 10000h: where handlers of cases come
; ---------------------------------------------------------------- reset
        bits 16
reset:  cli
        in al, 0x92                     ; A20
        or al, 2
        out 0x92, al
        mov ax, 0xf000
        mov ds, ax
        mov ax, 0x1000
        mov es, ax
        xor si, si
        xor di, di
        cld
        mov cx, 0x4000
        rep movsd
        jmp 0x1000:entry16 - 0x10000
entry16:
        lgdt [cs:gdtr_image - 0x10000]
        mov eax, cr0
        or al, 1
        and eax, 0x9fffffff             ; caches on
        mov cr0, eax
        jmp dword CODE:entry32
        bits 32
entry32:
        mov al, 0xff
        out 0x21, al
        out 0xa1, al
        call flat
        cmp dword [s_magic], MAGIC      ; another start: the last case led to a reset
        je .again
        mov dword [s_magic], MAGIC
        mov eax, [first]
        mov [s_next], eax
        jmp next
.again: mov esi, txt_reset
        call print
        jmp end_of_line

; Segments, stack, tables and control registers of the runner.
flat:   pop ebx
        mov ax, DATA
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        mov esp, STACK
        mov eax, 0x11
        mov cr0, eax
        xor eax, eax
        mov cr4, eax
        mov dr7, eax
        push dword 2
        popfd
        lgdt [gdtr_image]
        lidt [idtr_image]
        jmp ebx

; ---------------------------------------------------------------- a case
MAGIC   equ 0x52554e21
next:   mov esi, [s_next]
        lodsd                           ; its bytes behind this
        test eax, eax
        jz finish
        add eax, 4
        add [s_next], eax
        mov eax, [esi]                  ; `c_number`
        mov ebx, '#'
        call print_start
        call end_line
        call restore
        mov edi, c_first
        mov ecx, (c_end - c_first) / 4
        rep movsd
        call patch
        mov esi, LOW
        mov edi, BEFORE
        mov ecx, LOW_SIZE / 4
        rep movsd
        call system_registers
        lgdt [c_gdtr]
        lldt [c_ldtr]
        ltr [c_tr]
        test byte [c_mode], MODE_REAL
        jnz to_real
        test byte [c_mode], MODE_V86
        jz .segments
        push dword [c_gs]
        push dword [c_fs]
        push dword [c_ds]
        push dword [c_es]
        jmp .outer
.segments:
        test byte [c_mode], MODE_OUTER
        jnz .load
        mov ss, [c_ss]
        mov esp, [c_esp]
.load:  mov es, [c_es]
        mov fs, [c_fs]
        mov gs, [c_gs]
        test byte [c_mode], MODE_OUTER
        jz .frame
.outer: push dword [c_ss]
        push dword [c_esp]
.frame: push dword [c_eflags]
        push dword [c_cs]
        push dword [c_eip]
        test byte [c_mode], MODE_V86
        jnz .go
        mov ds, [c_ds]
.go:    cs lidt [c_idtr]
        call general_registers
        iretd

restore:
        push esi
        mov esi, TEMPLATE
        mov edi, LOW
        mov ecx, LOW_SIZE / 4
        rep movsd
        mov eax, [gdtr_image]
        mov [RUNNER_GDTR], eax
        mov ax, [gdtr_image + 4]
        mov [RUNNER_GDTR + 4], ax
        pop esi
        ret
; A count, then address and length in a dword each, bytes up to the next dword.
patch:  lodsd
        mov edx, eax
.next:  dec edx
        js .done
        lodsd
        mov edi, eax
        lodsd
        mov ecx, eax
        rep movsb
        add esi, 3
        and esi, -4
        jmp .next
.done:  ret
system_registers:
        mov ecx, 0x174                  ; IA32_SYSENTER_CS, ESP, EIP
        xor edx, edx
.msr:   mov eax, [c_sysenter + (ecx - 0x174) * 4]
        wrmsr
        inc ecx
        cmp ecx, 0x176
        jbe .msr
        mov ecx, 0xc0000080             ; IA32_EFER
        mov eax, [c_efer]
        wrmsr
        fninit
        xor eax, eax
        mov cr2, eax
        mov eax, 0xffff0ff0
        mov dr6, eax
        mov eax, [c_dr0]
        mov dr0, eax
        mov eax, [c_cr3]
        mov cr3, eax
        mov eax, [c_cr4]
        mov cr4, eax
        mov eax, [c_cr0]
        or al, 1                        ; `to_real` clears it
        mov cr0, eax
        mov eax, [c_dr7]
        mov dr7, eax
        ret
general_registers:
        mov eax, [cs:c_eax]
        mov ecx, [cs:c_ecx]
        mov edx, [cs:c_edx]
        mov ebx, [cs:c_ebx]
        mov ebp, [cs:c_ebp]
        mov esi, [cs:c_esi]
        mov edi, [cs:c_edi]
        ret
to_real:
        lgdt [gdtr_image]
        lidt [c_idtr]
        jmp CODE16:.small - 0x10000
        bits 16
.small: mov ax, DATA16
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0x1000:.real - 0x10000
.real:  mov ax, cs
        mov ds, ax
        lgdt [c_gdtr - 0x10000]
        mov ss, [c_ss - 0x10000]
        mov esp, [c_esp - 0x10000]
        mov es, [c_es - 0x10000]
        mov fs, [c_fs - 0x10000]
        mov gs, [c_gs - 0x10000]
        push dword [c_eflags - 0x10000]
        push dword [c_cs - 0x10000]
        push dword [c_eip - 0x10000]
        mov eax, [c_eax - 0x10000]
        mov ecx, [c_ecx - 0x10000]
        mov edx, [c_edx - 0x10000]
        mov ebx, [c_ebx - 0x10000]
        mov ebp, [c_ebp - 0x10000]
        mov esi, [c_esi - 0x10000]
        mov edi, [c_edi - 0x10000]
        mov ds, [c_ds - 0x10000]
        iretd
        bits 32

; ---------------------------------------------------------------- its end
; A handler of the case pushed EFLAGS, vector, EAX, CS and CR0 as dwords, and loaded our GDT and CS.
caught: mov eax, ds
        push eax
        mov eax, DATA
        mov ds, ax
        mov [r_ecx], ecx
        mov [r_edx], edx
        mov [r_ebx], ebx
        mov [r_ebp], ebp
        mov [r_esi], esi
        mov [r_edi], edi
        pop eax
        movzx eax, ax
        mov [r_ds], eax
        pop eax
        mov [r_cr0], eax
        pop eax
        movzx eax, ax
        mov [r_cs], eax
        pop eax
        mov [r_eax], eax
        pop eax
        mov [r_vector], eax
        pop eax
        mov [r_eflags], eax
        mov [r_esp], esp
        xor eax, eax
        mov ax, ss
        mov [r_ss], eax
        mov ax, es
        mov [r_es], eax
        mov ax, fs
        mov [r_fs], eax
        mov ax, gs
        mov [r_gs], eax
        str ax
        mov [r_tr], eax
        sldt ax
        mov [r_ldtr], eax
        mov eax, cr2
        mov [r_cr2], eax
        mov eax, cr3
        mov [r_cr3], eax
        mov eax, cr4
        mov [r_cr4], eax
        mov eax, dr6
        mov [r_dr6], eax
        mov eax, dr7
        mov [r_dr7], eax
        call flat
        mov eax, [r_vector]
        mov ebx, '='
        call print_start
        mov esi, r_first + 4
        mov ecx, (r_end - r_first) / 4 - 1
.field: mov al, ' '
        out 0xe9, al
        lodsd
        call print_hex
        dec ecx
        jnz .field
        call print_changes
end_of_line:
        call end_line
        jmp next
end_line:
        mov al, 10
        out 0xe9, al
        ret
print_start:                            ; BL, then EAX
        xchg eax, ebx
        out 0xe9, al
        xchg eax, ebx
        jmp print_hex

print_changes:
        mov edx, CHANGES
        mov esi, LOW
        mov edi, BEFORE
        mov ecx, LOW_SIZE / 4
.next:  repe cmpsd
        je .done
        mov al, ' '
        out 0xe9, al
        lea eax, [esi - 4]
        call print_hex
        mov al, '='
        out 0xe9, al
        mov eax, [esi - 4]
        call print_hex
        dec edx
        jz .done
        test ecx, ecx
        jnz .next
.done:  ret

; The runner's own handlers: a fault while the case was set up.
setup_fault:                            ; vector, error code
        pop edx
        pop ebp
        call flat
        mov esi, txt_setup
        call print
        mov eax, edx
        call print_hex
        mov al, ' '
        out 0xe9, al
        mov eax, ebp
        call print_hex
        jmp end_of_line

finish: mov esi, txt_end
        call print
        xor eax, eax
        mov [s_magic], eax
        out 0xf4, al
        mov esi, txt_off
        mov dx, 0x8900
        mov ecx, 8
        rep outsb
.stop:  cli
        hlt
        jmp .stop

print:  lodsb
        test al, al
        jz .end
        out 0xe9, al
        jmp print
.end:   ret
print_hex:
        push ecx
        push ebx
        mov ecx, 8
        mov ebx, eax
.digit: rol ebx, 4
        mov al, bl
        and al, 15
        cmp al, 10
        sbb al, 0x69
        das
        out 0xe9, al
        dec ecx
        jnz .digit
        pop ebx
        pop ecx
        ret

; ---------------------------------------------------------------- tables
txt_reset: db "=reset", 0
txt_setup: db "=setup ", 0
txt_end: db "#end", 10, 0
txt_off: db "Shutdown"
        align 16
stubs:
%assign v 0
%rep 32
        align 16
%if !(v = 8 || v = 10 || v = 11 || v = 12 || v = 13 || v = 14 || v = 17)
        push dword 0
%endif
        push dword v
        jmp near setup_fault
%assign v v + 1
%endrep
        align 8
idt:
%assign v 0
%rep 32
        dw (LIN(stubs) + v * 16) & 0xffff, CODE
        db 0, 0x8e
        dw (LIN(stubs) + v * 16) >> 16
%assign v v + 1
%endrep
idt_end:
        align 8
gdt:    dq 0
        dq 0x00cf9b000000ffff           ; CODE
        dq 0x00cf93000000ffff           ; DATA
        dq 0x00009b010000ffff           ; CODE16
        dq 0x000093000000ffff           ; DATA16
gdt_end:
        align 8
        dw 0
gdtr_image:
        dw gdt_end - gdt - 1
        dd gdt
        dw 0
idtr_image:
        dw idt_end - idt - 1
        dd idt

MODE_OUTER equ 1                        ; CPL above 0
MODE_V86 equ 2
MODE_REAL equ 4
        align 4
c_first:                                ; cases.py: `FIELDS`
c_number: dd 0
c_mode: dd 0
c_cr0:  dd 0
c_cr3:  dd 0
c_cr4:  dd 0
c_efer: dd 0
c_dr0:  dd 0
c_dr7:  dd 0
c_sysenter: dd 0, 0, 0
c_gdtr: dd 0, 0
c_idtr: dd 0, 0
c_ldtr: dd 0
c_tr:   dd 0
c_eflags: dd 0
c_cs:   dd 0
c_eip:  dd 0
c_ss:   dd 0
c_esp:  dd 0
c_ds:   dd 0
c_es:   dd 0
c_fs:   dd 0
c_gs:   dd 0
c_eax:  dd 0
c_ecx:  dd 0
c_edx:  dd 0
c_ebx:  dd 0
c_ebp:  dd 0
c_esi:  dd 0
c_edi:  dd 0
c_end:
r_first:                                ; cases.py: `RESULTS`
r_vector: dd 0
r_eflags: dd 0
r_cs:   dd 0
r_ss:   dd 0
r_esp:  dd 0
r_ds:   dd 0
r_es:   dd 0
r_fs:   dd 0
r_gs:   dd 0
r_eax:  dd 0
r_ecx:  dd 0
r_edx:  dd 0
r_ebx:  dd 0
r_ebp:  dd 0
r_esi:  dd 0
r_edi:  dd 0
r_cr0:  dd 0
r_cr2:  dd 0
r_cr3:  dd 0
r_cr4:  dd 0
r_dr6:  dd 0
r_dr7:  dd 0
r_tr:   dd 0
r_ldtr: dd 0
r_end:

        times 0xfff0 - 4 - ($ - image) db 0
first:  dd 0                            ; address of the first case
        bits 16
        jmp 0xf000:reset - 0x10000
        times 0x10000 - ($ - image) db 0

; What a restart must not lose lies above the copy of the image.
        absolute 0x40000
s_magic: resd 1
s_next: resd 1
