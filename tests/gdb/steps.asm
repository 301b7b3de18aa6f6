; SPDX-License-Identifier: MIT
; A boot sector to step through and watch: instructions that are special to a debugger, then a
; loop. The words at 7DC0h are the addresses of its labels, in the order of tests/gdb/run.
        bits 16
        org 0x7c00

start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [0x60 * 4 + 2], ax
        mov word [0x60 * 4], handler
        mov [2], ax             ; vector 0: divide error
        mov word [0], divided
        cld
shadow: mov ss, ax
        mov sp, 0x7c00
enable: sti
        nop
        cli
call60: int 0x60
        mov cx, 3
        mov si, start
        mov di, 0x800
copy:   rep movsb
        mov bl, 0
divide: div bl
store:  mov word [0x900], 0x1234
change: add word [0x900], 1
load:   mov dx, [0x900]
        mov di, 0x8fe
        mov cx, 8
        mov al, 0x55
fill:   rep stosb
        mov sp, 0x904
push2:  pusha
        mov sp, 0x7c00
        mov eax, cr4            ; OSFXSR, for SSE
        or ax, 0x200
        mov cr4, eax
        mov eax, 0x12345678
        movd xmm1, eax
        fld1
        fninit
ready:  fldpi
turn:   inc dword [0x910]
        jmp turn

handler:
        iret
divided:
        push bp                 ; go on behind the division
        mov bp, sp
        add word [bp + 2], 2
        pop bp
        iret

        times 0x1c0 - ($ - $$) db 0
        dw shadow, enable, call60, handler, copy, divide, divided, store, change, load, fill
        dw push2, ready, turn
        times 510 - ($ - $$) db 0
        dw 0xaa55
