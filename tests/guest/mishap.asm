; SPDX-License-Identifier: MIT
; Guests that come to grief, one a name (nasm -DCASE_name), each a 64 KiB firmware image: the reset
; vector leads straight to it, no BIOS runs. Expectations are in tests/inside/run.
        bits 16
        org 0

        times 0x8000 db 0       ; the code lies in the upper half

entry:  cli
        mov ax, cs
        mov ds, ax
        mov ss, ax
        xor ax, ax
        mov ss, ax
        mov sp, 0x7000

%ifdef CASE_triple_real         ; no interrupt table
        lidt [cs:null_table]
fatal:  ud2
%endif

%ifdef CASE_triple_protected    ; page fault, no IDT
        lidt [cs:null_table]
        mov dword [es:0], 0
        push word 0
        pop es
        mov eax, 0x9000
        mov cr3, eax            ; a page directory of zeros but for one large page
        mov dword [es:0x9000], 0x83
        mov eax, cr4
        or al, 0x10
        mov cr4, eax
        lgdt [cs:gdt_pointer]
        mov eax, cr0
        or eax, 0x80000001
        mov cr0, eax
        jmp dword 8:0xf0000 + protected
        bits 32
protected:
        mov ax, 16
        mov ds, ax
        mov esp, 0x7000
        mov [0xc0de0000], eax
        bits 16
%endif

%ifdef CASE_halt
        hlt
        jmp $ - 1
%endif

%ifdef CASE_spin
spin:   jmp spin
%endif

%ifdef CASE_storm               ; the handler of #UD returns to where it came from
        push word 0
        pop ds
        mov word [6 * 4], handler
        mov word [6 * 4 + 2], 0xf000
        ud2
handler: iret
%endif

%ifdef CASE_nothing             ; jump where there is no memory
        lidt [cs:null_table]
        lgdt [cs:gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:0x70000000
%endif

%ifdef CASE_reset
        mov al, 0xfe
        out 0x64, al
        jmp $
%endif

%ifdef CASE_reset92
        mov al, 1
        out 0x92, al
        jmp $
%endif

%ifdef CASE_panic
        mov dx, 0x505
        in al, dx
        test al, 1
        jz no_panic
        out dx, al
no_panic:
        sti
        jmp $
%endif

%ifdef CASE_garbage             ; a thousand writes of noise to every kind of port, then 33
        push word 0
        pop es
        mov esi, [cs:seed]
        mov ecx, 20000
noise:  imul esi, esi, 1103515245
        add esi, 12345
        mov eax, esi
        shr eax, 8
        mov edx, esi
        shr edx, 13
        and dx, 0x7ff           ; the ISA ports below 800h
        mov bx, dx
        and bx, 0xfff8
        cmp bx, 0xf0            ; the way out
        je skip
        cmp bx, 0x60            ; the reset pulse
        je skip
        cmp bx, 0x90            ; reset and A20
        je skip
        test esi, 0x40000000
        jz narrow
        out dx, eax
        in eax, dx
        jmp skip
narrow: out dx, al
        in al, dx
skip:   dec ecx
        jnz noise
        mov dx, 0xf4
        mov eax, 0x10
        out dx, eax
        jmp $
seed:   dd SEED
%endif

%ifdef CASE_pci_garbage         ; the same for PCI configuration space
        mov esi, SEED
        mov ecx, 20000
noise:  imul esi, esi, 1103515245
        add esi, 12345
        mov eax, esi
        shr eax, 7
        and eax, 0x3ffc
        or eax, 0x80000000
        mov dx, 0xcf8
        out dx, eax
        mov dx, 0xcfc
        mov eax, esi
        out dx, eax
        in eax, dx
        dec ecx
        jnz noise
        mov dx, 0xf4
        mov eax, 0x10
        out dx, eax
        jmp $
%endif

%ifdef CASE_hot                 ; two loops, one ten times as hot, called with frames
        lgdt [cs:gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:0xf0000 + hot_start
        bits 32
hot_start:
        mov ax, 16
        mov ds, ax
        mov ss, ax
        mov esp, 0x7000
        xor ebp, ebp
again:  call outer
        jmp again
outer:  push ebp
        mov ebp, esp
        mov eax, 100
        call worker
        mov eax, 1000
        call worker
        pop ebp
        ret
worker: push ebp
        mov ebp, esp
worker_loop:
        dec eax
        jnz worker_loop
        pop ebp
        ret
        bits 16
%endif

%ifdef CASE_smc                 ; stores into its own code for ever
        mov ax, 0x2000
        mov ds, ax
        mov byte [0], 0xb0      ; mov al, n
        mov byte [1], 0
        mov byte [2], 0xcb      ; retf
change: inc byte [1]
        call 0x2000:0
        mov dx, 0x80
        out dx, al
        jmp change
%endif

        align 8
null_table:
        dw 0
        dd 0
gdt_pointer:
        dw gdt_end - gdt - 1
        dd 0xf0000 + gdt
        align 8
gdt:    dq 0
        dq 0x00cf9a000000ffff
        dq 0x00cf92000000ffff
gdt_end:

        times 0xfff0 - ($ - $$) db 0
        jmp 0xf000:entry
        times 0x10000 - ($ - $$) db 0
