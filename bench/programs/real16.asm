; SPDX-License-Identifier: MIT
; A boot sector that runs the loop of real16.c in real mode, or with -D V86 in a virtual-8086 task
; below paging, and talks like bench.c on COM1. The harness writes the number of passes into the
; word at offset 508.
        bits 16
        org 7C00h
COM1    equ 3F8h
TABLE   equ 8000h
TSS     equ 9000h
BITMAP  equ 68h                 ; of ports, in the TSS: 0 to 3FFh are allowed
PAGES   equ 10000h              ; the page directory

        jmp 0:start
start:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 7C00h
        cld
%ifdef V86
        cli                     ; there will be no IDT
        mov esp, 7C00h
        mov es, ax
        mov di, TSS
        mov cx, BITMAP + 80h
        rep stosb
        dec ax
        stosb                   ; the byte of ones that ends a bitmap
        mov word [TSS + 66h], BITMAP
        mov ax, PAGES >> 4
        mov es, ax
        xor di, di
        xor ax, ax
        mov cx, 2048
        rep stosw
        mov byte [es:0], 87h    ; 4 MiB at 0: present, writable, user
        lgdt [gdtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:protected
        bits 32
protected:
        mov ax, 10h
        mov ss, ax
        mov ax, 18h
        ltr ax
        mov eax, cr4
        or al, 10h              ; PSE
        mov cr4, eax
        mov eax, PAGES
        mov cr3, eax
        mov eax, cr0
        or eax, 80000000h
        mov cr0, eax
        xor eax, eax
        push eax                ; GS, FS, DS, ES, SS of the task
        push eax
        push eax
        push eax
        push eax
        push dword 7C00h
        push dword 23002h       ; VM, IOPL 3
        push eax
        push dword begin
        iret
        bits 16
begin:
%endif
        mov dx, COM1 + 3        ; 115200 8n1
        mov al, 80h
        out dx, al
        mov dx, COM1
        mov al, 1
        out dx, al
        inc dx
        xor al, al
        out dx, al
        mov dx, COM1 + 3
        mov al, 3
        out dx, al
        mov si, ready
        call puts
.wait:  mov dx, COM1 + 5
        in al, dx
        test al, 1
        jz .wait
        mov dx, COM1
        in al, dx

        mov bp, [passes]
pass:   xor si, si
.fill:  mov [TABLE + si], si
        inc si
        inc si
        cmp si, 256
        jb .fill
        mov ax, 1
        mov bx, 2
        mov dx, 3
        xor cx, cx
.loop:  add ax, bx
        xor bx, cx
        rol ax, 3
        mov si, ax
        and si, 0FEh
        add dx, [TABLE + si]
        sub ax, dx
        mov [TABLE + si], bx
        adc bx, 5
        dec cx
        jnz .loop
        dec bp
        jnz pass

        xor ax, bx
        xor ax, dx
        mov bx, ax
        mov si, row
        call puts
        mov cx, 4
.digit: rol bx, 4
        mov al, bl
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe .put
        add al, 'a' - '0' - 10
.put:   call putc
        loop .digit
        mov si, done
        call puts
        jmp $

puts:   lodsb
        test al, al
        jz .end
        call putc
        jmp puts
.end:   ret

putc:   mov ah, al
        mov dx, COM1 + 5
.full:  in al, dx
        test al, 20h
        jz .full
        mov al, ah
        mov dx, COM1
        out dx, al
        ret

ready:  db 13, 10, '@ready', 13, 10, 0
row:    db '@row '
%ifdef V86
        db 'v86'
%else
        db 'real16'
%endif
        db ' 0 0 0 0000', 0
done:   db ' ok', 13, 10, 0

%ifdef V86
gdt:    dq 0
        dq 00CF9B000000FFFFh    ; 08: code
        dq 00CF93000000FFFFh    ; 10: data
        dw BITMAP + 80h, TSS, 8900h, 0 ; 18: the TSS
gdtr:   dw gdtr - gdt - 1
        dd gdt
%endif

        times 508 - ($ - $$) db 0
passes: dw 1
        dw 0AA55h
