; SPDX-License-Identifier: MIT
; A boot sector that writes 2 MiB to the first disk, 32 KiB at a time, then says so
; on COM1: for tests with a host disk that is full, or a host that dies. Words are the
; number of the first sector of their 32 KiB, plus one; after each the disk is told to
; flush, and a byte of 1 on port E9h says that it has. Exits by isa-debug-exit: 33, or 35
; when the BIOS reports an error.
        bits 16
        org 0x7c00

ROUNDS  equ 64

start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        mov cx, ROUNDS
round:  push cx
        mov ax, [lba]
        inc ax
        mov di, 0x8000
        mov cx, 64 * 256
        cld
        rep stosw
        mov si, packet
        mov ax, 0x4300          ; extended write
        mov dl, 0x80
        int 0x13
        pop cx
        jc failed
        mov dx, 0x1f7
        mov al, 0xe7            ; FLUSH CACHE
        out dx, al
flush:  in al, dx
        test al, 0x88           ; BSY, DRQ
        jnz flush
        mov al, 1
        out 0xe9, al
        add word [lba], 64
        loop round
        mov si, good
        mov byte [code], 0x10
        jmp say
failed: mov si, bad
        mov byte [code], 0x11
say:    lodsb
        test al, al
        jz done
        mov ah, 1               ; send one character
        xor dx, dx
        int 0x14
        jmp say
done:   mov dx, 0xf4
        mov al, [code]
        out dx, al
stop:   hlt
        jmp stop

packet: db 16, 0
        dw 64                   ; sectors
        dw 0x8000, 0            ; from 0000:8000
lba:    dd 0, 0
code:   db 0
good:   db "all written", 13, 10, 0
bad:    db "write error", 13, 10, 0

        times 510 - ($ - $$) db 0
        dw 0xaa55
