; SPDX-License-Identifier: MIT
; A boot sector that is a small virtual-8086 monitor and its program: the monitor runs with paging at
; IOPL 0, passes INT n on by the 8086 table and does IRET itself, as memory managers for DOS do. SDM
; 3B "8086 Emulation". The words at 7DC0h are linear addresses, in the order of tests/gdb/run.
        bits 16
        org 0x7c00

SEG_86   equ 0x07b0                     ; of the program: linear is not IP
DATA_86  equ 0x0900                     ; its DS; the page there is at 19000h
TSS      equ 0x1000
PAGES    equ 0x2000                     ; directory, then the table
STACK    equ 0x7000
VM       equ 0x20000
%define IP(label) ((label) - SEG_86 * 16)

start:  cli
        xor ax, ax
        mov ds, ax
        mov word [0x21 * 4], IP(dos)
        mov word [0x21 * 4 + 2], SEG_86
        lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:protected

        bits 32
protected:
        mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, STACK
        mov edi, TSS
        xor eax, eax
        mov ecx, (PAGES + 0x2000 - TSS) / 4
        cld
        rep stosd
        mov dword [TSS + 4], STACK
        mov dword [TSS + 8], 0x10
        mov dword [TSS + 0x64], 104 << 16
        mov dword [PAGES], PAGES + 0x1007
        mov edi, PAGES + 0x1000
        mov al, 7                       ; user, writable, present
fill:   stosd
        add eax, 0x1000
        cmp edi, PAGES + 0x1400
        jb fill
        mov byte [PAGES + 0x1000 + 9 * 4 + 2], 1 ; 9000h is at 19000h
        mov eax, PAGES
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        lidt [idt_pointer]
        mov ax, 0x18
        ltr ax
        push 0                          ; GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP
        push 0
        push DATA_86
        push 0
        push DATA_86
        push 0x800
        push VM | 2
        push SEG_86
        push IP(program)
        iretd

monitor:                                ; #GP
        pushad
        push 0x10                       ; data segments come empty from virtual-8086 mode
        pop ds
        mov ebp, esp                    ; 32 error, 36 EIP, 40 CS, 44 EFLAGS, 48 ESP, 52 SS
        movzx ebx, word [ebp + 40]
        shl ebx, 4
        add ebx, [ebp + 36]
        movzx edx, word [ebp + 52]
        shl edx, 4
        add edx, [ebp + 48]
        cmp byte [ebx], 0xcd
        jne pop_frame
        movzx ecx, byte [ebx + 1]
        add dword [ebp + 36], 2
        sub dword [ebp + 48], 6
        mov ax, [ebp + 36]
        mov [edx - 6], ax
        mov ax, [ebp + 40]
        mov [edx - 4], ax
        mov ax, [ebp + 44]
        mov [edx - 2], ax
        mov edx, ecx
        shl edx, 2
        jmp resume
pop_frame:                              ; IRET: all the program asks for
        add dword [ebp + 48], 6
resume: movzx eax, word [edx]
        mov [ebp + 36], eax
        movzx eax, word [edx + 2]
        mov [ebp + 40], eax
        popad
        add esp, 4
back:   iretd

        bits 16
program:
        mov eax, 0x12345678
call21: int 0x21
after:  inc word [0]
counted:
        jmp program
dos:    push bx
        pop bx
return: iret

        align 8
gdt:    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
        dw 103, TSS, 0x8900, 0
gdt_pointer:
        dw $ - gdt - 1
        dd gdt
idt_pointer:
        dw 14 * 8 - 1
        dd gate - 13 * 8
gate:   dw monitor, 8, 0x8e00, 0

        times 0x1c0 - ($ - $$) db 0
        dw program, call21, after, counted, dos, return, monitor, back
        times 510 - ($ - $$) db 0
        dw 0xaa55
