; SPDX-License-Identifier: MIT
; A boot sector that says hello: initialises COM1, polls the line status
; register and sends a text byte by byte, then leaves through isa-debug-exit
; (port F4h) if that device is there, else halts.
        bits 16
        org 0x7c00

start:  cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        mov dx, 0x3fb           ; LCR: DLAB, to set 115200 baud
        mov al, 0x80
        out dx, al
        mov dx, 0x3f8
        mov al, 1
        out dx, al
        inc dx
        xor al, al
        out dx, al
        mov dx, 0x3fb           ; 8 bits, no parity, one stop bit
        mov al, 3
        out dx, al
        mov si, text
next:   lodsb
        test al, al
        jz done
        mov ah, al
        mov dx, 0x3fd
wait_empty:
        in al, dx               ; LSR bit 5: transmitter holding register empty
        test al, 0x20
        jz wait_empty
        mov dx, 0x3f8
        mov al, ah
        out dx, al
        jmp next
done:   mov dx, 0xf4
        mov eax, 0x10
        out dx, eax
stop:   hlt
        jmp stop

text:   db "Hello from our 8086 Virtual Machine guest", 13, 10, 0

        times 510 - ($ - $$) db 0
        dw 0xaa55
