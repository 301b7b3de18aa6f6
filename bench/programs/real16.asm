; SPDX-License-Identifier: MIT
; A boot sector that runs the loop of real16.c in real mode and talks like bench.c on COM1.
; The harness writes the number of passes into the word at offset 508.
        bits 16
        org 7C00h
COM1    equ 3F8h
TABLE   equ 8000h

        jmp 0:start
start:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 7C00h
        cld
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
        cli
        hlt

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
row:    db '@row real16 0 0 0 0000', 0
done:   db ' ok', 13, 10, 0

        times 508 - ($ - $$) db 0
passes: dw 1
        dw 0AA55h
