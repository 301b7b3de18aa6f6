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

%ifdef CASE_code_everywhere     ; in every second page of 200 MiB; then "D" at port E9h
        in al, 0x92
        or al, 2
        out 0x92, al
        lgdt [cs:gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:0xf0000 + flat
        bits 32
flat:   mov ax, 16
        mov ds, ax
        mov ss, ax
        mov esp, 0x7000
        mov edi, 0x100000
return: mov byte [edi], 0xc3
        add edi, 0x1000
        cmp edi, 0xc800000
        jb return
        mov edi, 0x100000
called: call edi
        add edi, 0x2000
        cmp edi, 0xc800000
        jb called
        mov al, 'D'
        out 0xe9, al
ended:  jmp ended
        bits 16
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

; Copies the code between the labels `body` and `body_end` to 2000:0 and goes there, DS with it. It
; says S on port E9h, works, and says P (right) or F, round after round of 100,000.
%macro IN_RAM 0
        mov ax, 0x2000
        mov es, ax
        mov si, body
        xor di, di
        mov cx, body_end - body
        cld
        cs rep movsb
        mov ds, ax
        mov al, 'S'
        out 0xe9, al
        jmp 0x2000:0
%endmacro
%macro SAY_WHETHER_EQUAL 0
        mov al, 'P'
        je %%say
        mov al, 'F'
%%say:  out 0xe9, al
        jmp body
%endmacro

%ifdef CASE_patch               ; stores into the next instruction
        IN_RAM
body:   mov ecx, 100000
        xor ebx, ebx
        mov byte [patched + 1 - body], 0
patch:  inc byte [patched + 1 - body]
patched:
        mov al, 0
        movzx eax, al
        add ebx, eax
        dec ecx
        jnz patch
        cmp ebx, 390 * 32640 + 12880 ; 390 times 0 to 255, then 1 to 160
        SAY_WHETHER_EQUAL
body_end:
%endif

%ifdef CASE_beside              ; stores beside the code, in its page and near it
        IN_RAM
body:   mov ecx, 100000
        mov dword [counter - body], 0
beside: inc dword [counter - body]
        dec ecx
        jnz beside
        cmp dword [counter - body], 100000
        SAY_WHETHER_EQUAL
        align 4
counter:
        dd 0
body_end:
%endif

%ifdef CASE_ticks               ; at 0500h: ticks of a PIT at 1 kHz; 0504h: times the TSC went back;
        push word 0             ; 0508h: rounds of the loop that looks
        pop ds
        mov word [8 * 4], tick
        mov word [8 * 4 + 2], 0xf000
        mov al, 0x11
        out 0x20, al
        mov al, 8
        out 0x21, al
        mov al, 4
        out 0x21, al
        mov al, 1
        out 0x21, al
        mov al, 0xfe
        out 0x21, al
        mov al, 0x34
        out 0x43, al
        mov al, 1193 & 0xff
        out 0x40, al
        mov al, 1193 >> 8
        out 0x40, al
        xor esi, esi
        xor edi, edi
        sti
look:   rdtsc
        cmp edx, edi
        ja later
        jb back
        cmp eax, esi
        jae later
back:   inc dword [0x504]
later:  mov esi, eax
        mov edi, edx
        inc dword [0x508]
        jmp look
tick:   push ax
        inc dword [0x500]
        mov al, 0x20
        out 0x20, al
        pop ax
        iret
%endif

; 40,000 lines of eight hex digits, which count from 0: on COM1, on COM1 when it has room, on port
; E9h; then 33.
%ifdef CASE_lines_com1
%define LINES_PORT 0x3f8
%elifdef CASE_lines_polite
%define LINES_PORT 0x3f8
%elifdef CASE_lines_e9
%define LINES_PORT 0xe9
%endif
%ifdef LINES_PORT
        xor ebx, ebx
line:   mov cl, 8
digit:  rol ebx, 4
        mov al, bl
        and al, 15
        cmp al, 10
        jb below_a
        add al, 'a' - '0' - 10
below_a:
        add al, '0'
        call put
        dec cl
        jnz digit
        mov al, 10
        call put
        inc ebx
        cmp ebx, 40000
        jb line
        mov dx, 0xf4
        mov eax, 0x10
        out dx, eax
        jmp $
put:
%ifdef CASE_lines_polite
        mov ah, al
        mov dx, 0x3fd
full:   in al, dx
        test al, 0x20
        jz full
        mov al, ah
%endif
        mov dx, LINES_PORT
        out dx, al
        ret
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
