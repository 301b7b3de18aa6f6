; SPDX-License-Identifier: MIT
; Self-modifying code: the next instruction, earlier and later ones, across pages, through aliases of
; the page, by string instructions, by the processor's own writes, in loops.
; SDM 3A "Self-Modifying Code"; SDM 3A "Handling Self- and Cross-Modifying Code" (the jump that it asks
; for is there, but where Pentium and later work without).
%include "priv.inc"
        gdt_end
PD      equ TABLES
PT0     equ TABLES + 0x1000
PT2     equ TABLES + 0x2000
L       equ 0x00800000                  ; alias of the page at PAGES; L + 1000h of PAGES + 1000h
tests:  call plain
        call strings
        call pages
        call paging
        ret

plain:  begin "immediate of the next instruction"
        mov byte [%$x + 1], 0x42
%$x:    mov eax, 0x11
        want NONE
        eq "EAX", eax, 0x42
        done
        begin "next instruction, in a loop of 1000"
        xor ebx, ebx
        mov ecx, 1000
%$again:
        mov [%$x + 1], ecx
%$x:    mov eax, 0
        add ebx, eax
        loop %$again
        want NONE
        eq "sum", ebx, 500500
        done
        begin "an earlier instruction of the block"
        xor ebx, ebx
        mov ecx, 3
%$again:
        add ebx, 1
        nop
        inc byte [%$again + 2]
        loop %$again
        want NONE
        eq "sum", ebx, 6
        mov byte [%$again + 2], 1
        done
        begin "opcode: INC becomes DEC"
        mov eax, 10
        mov byte [%$x], 0x48
        jmp short %$x
%$x:    inc eax
        want NONE
        eq "EAX", eax, 9
        done
        begin "next instruction becomes longer"
        mov dword [%$x], 0x000005b8
        mov word [%$x + 4], 0x9000
%$x:    times 6 nop
        want NONE
        eq "EAX", eax, 5
        done
        begin "next instruction becomes UD2"
        mov word [%$at], 0x0b0f
        at
        nop
        nop
        want UD, 0
        want_at
        begin "jump displacement"
        mov byte [%$x + 1], 1
%$x:    jmp short %$y
%$y:    db 0x40                         ; INC EAX is jumped over
        nop
        want NONE
        done
        begin "stores that leave the code as it was"
        mov ecx, 1000
        xor ebx, ebx
%$again:
        mov byte [%$x], 0x43
%$x:    inc ebx
        loop %$again
        want NONE
        eq "EBX", ebx, 1000
        done
        begin "data beside code"
        mov ecx, 1000
%$again:
        inc dword [%$data]
        loop %$again
        jmp short %$z
%$data: dd 0
%$z:    mov eax, [%$data]
        want NONE
        eq "counter", eax, 1000
        done
        begin "push onto the next instruction"
        mov esp, %$x + 4
        push dword 0x90909043           ; INC EBX; NOP...
%$x:    nop
        nop
        nop
        nop
        mov esp, [t_esp]
        mov eax, [%$x]
        want NONE
        eq "bytes", eax, 0x90909043
        done
        begin "call frame over code that runs later"
        mov ebx, 1
        mov edx, %$x
        mov dword [edx], 0x90909043
        jmp edx
        align 16
%$x:    times 16 nop
        want NONE
        eq "EBX", ebx, 2
        done
        begin "XCHG with the next instruction"
        mov eax, 0x90909043
        mov ebx, 7
        xchg [%$x], eax
%$x:    times 4 nop
        want NONE
        eq "EBX", ebx, 8
        eq "old bytes", eax, 0x90909090
        done
        begin "FST over the next instruction"
        fninit
        fldz
        mov ebx, 7
        mov dword [%$y], 0x90909043
        fld dword [%$y]
        fstp dword [%$x]
%$x:    times 4 nop
        jmp short %$end
%$y:    dd 0
        want NONE
        eq "EBX", ebx, 8
        done
        begin "SSE store over the next instruction"
        mov eax, cr4
        or eax, 0x200
        mov cr4, eax
        mov ebx, 7
        mov dword [DATA], 0x43434343
        movss xmm0, [DATA]
        movss [%$x], xmm0
%$x:    times 4 nop
        want NONE
        eq "EBX", ebx, 11
        done
        begin "subroutine patched between calls"
        mov dword [%$f], 0xc3c3c340     ; INC EAX; RET
        xor eax, eax
        call %$f
        mov byte [%$f], 0x48
        call %$f
        mov byte [%$f], 0x40
        call %$f
        call %$f
        want NONE
        eq "EAX", eax, 2
        jmp near %$over
        align 16
%$f:    dd 0
%$over:
        done
        begin "breakpoint set and removed"
        mov ecx, 100
        xor ebx, ebx
%$again:
        mov al, [%$x]
        mov byte [%$x], 0xcc
        mov [%$x], al
%$x:    inc ebx
        loop %$again
        want NONE
        eq "EBX", ebx, 100
        done
        ret

strings:
        begin "MOVSB over the next instruction"
        mov esi, %$new
        mov edi, %$x
        mov ebx, 1
        movsb
%$x:    nop
        jmp short %$end
%$new:  db 0x43
        want NONE
        eq "EBX", ebx, 2
        done
        begin "REP MOVSB over what follows"
        mov esi, %$new
        mov edi, %$x
        mov ecx, 4
        mov ebx, 1
        rep movsb
%$x:    nop
        nop
        nop
        nop
        jmp short %$end
%$new:  db 0x43, 0x43, 0x43, 0x43
        want NONE
        eq "EBX", ebx, 5
        done
        begin "REP STOSB over itself: the copy in flight goes on"
        mov al, 0x90
        mov edi, %$x
        mov ecx, %$y - %$x
        jmp short %$x
        align 16
%$x:    rep stosb
%$y:    want NONE
        eq "EDI", edi, %$y
        done
        begin "REP MOVSD moves a routine and calls it"
        mov esi, %$f
        mov edi, PAGES + 0x800
        mov ecx, 4
        rep movsd
        xor eax, eax
        call PAGES + 0x800
        mov byte [PAGES + 0x801], 9
        call PAGES + 0x800
        jmp short %$end
        align 4
%$f:    db 0x83, 0xc0, 0x05, 0xc3       ; ADD EAX, 5; RET
        times 12 db 0x90
        want NONE
        done
        mov dword [PAGES + 0x800], 0xc305c083
        begin "... patched"
        xor eax, eax
        call PAGES + 0x800
        mov byte [PAGES + 0x802], 9
        call PAGES + 0x800
        want NONE
        eq "EAX", eax, 14
        done
        begin "REP INSB over code"
        mov dword [PAGES + 0x800], 0xc305c083
        call PAGES + 0x800
        mov edx, 0x21                   ; PIC mask: FFh
        mov edi, PAGES + 0x802
        mov ecx, 1
        rep insb
        xor eax, eax
        call PAGES + 0x800
        want NONE
        eq "EAX", eax, 0xffffffff
        done
        ret

; an instruction that lies in two pages, patched in either
pages:  begin "instruction across pages, second part patched"
        mov dword [PAGES + 0xffe], 0x332211b8   ; MOV EAX, imm32; RET
        mov word [PAGES + 0x1002], 0xc344
        call PAGES + 0xffe
        mov ebx, eax
        mov byte [PAGES + 0x1001], 0x99
        call PAGES + 0xffe
        mov ecx, eax
        mov byte [PAGES + 0xfff], 0x77
        call PAGES + 0xffe
        want NONE
        eq "first", ebx, 0x44332211
        eq "second page patched", ecx, 0x44992211
        eq "first page patched", eax, 0x44992277
        done
        begin "code that patches the part of itself in the next page"
        mov esi, %$code
        mov edi, PAGES + 0xff0
        mov ecx, %$codeend - %$code
        rep movsb
        xor eax, eax
        mov edx, PAGES + 0x1001
        mov ecx, PAGES + 0xff0
        call ecx
        want NONE
        eq "EAX", eax, 1
        jmp near %$over
%$code: times 13 nop                    ; FF0h..FFCh
        mov byte [edx], 0xc3            ; FFDh..FFFh
        inc eax                         ; 1000h
        nop                             ; 1001h: becomes RET
        inc eax
        ret
%$codeend:
%$over:
        done
        ret

paging: mov edi, PD
        xor eax, eax
        mov ecx, 0x3000 / 4
        rep stosd
        mov dword [PD], PT0 | 7
        mov dword [PD + 8], PT2 | 7
        mov edi, PT0
        mov eax, 7
        mov ecx, 1024
.next:  stosd
        add eax, 0x1000
        loop .next
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        mov eax, PD
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        begin "patched through an alias"
        mov dword [PAGES], 0xc301c083           ; ADD EAX, 1; RET
        xor eax, eax
        call PAGES
        mov byte [L + 2], 2
        call PAGES
        mov byte [PAGES + 2], 4
        call L
        mov byte [L + 2], 8
        call L
        call PAGES
        want NONE
        eq "EAX", eax, 1 + 2 + 4 + 8 + 8
        done
        begin "the running block patched through an alias"
        mov dword [PAGES], 0x4002c6             ; see below
        mov esi, %$code
        mov edi, PAGES
        mov ecx, %$codeend - %$code
        rep movsb
        xor eax, eax
        mov edx, L + (%$x - %$code)
        mov ecx, PAGES
        call ecx
        want NONE
        eq "EAX", eax, 1
        jmp near %$over
%$code: mov byte [edx], 0x40                    ; NOP becomes INC EAX
        jmp short %$x
%$x:    nop
        ret
%$codeend:
%$over: done
        begin "page mapped to other code: INVLPG"
        mov dword [PAGES], 0xc301c083
        mov dword [PAGES + 0x1000], 0xc310c083
        xor eax, eax
        call L
        mov dword [PT2], (PAGES + 0x1000) | 7
        invlpg [L]
        call L
        mov dword [PT2], PAGES | 7
        mov ecx, cr3
        mov cr3, ecx
        call L
        want NONE
        eq "EAX", eax, 1 + 0x10 + 1
        done
        begin "loop over a remapped page"
        mov ebx, 100
        xor eax, eax
%$again:
        xor dword [PT2], 0x1000
        invlpg [L]
        call L
        dec ebx
        jnz %$again
        want NONE
        eq "EAX", eax, 50 * 0x11
        done
        begin "code page becomes read-only, is patched through an alias"
        mov dword [PAGES], 0xc301c083
        xor eax, eax
        call PAGES
        mov dword [PT0 + (PAGES >> 10)], PAGES | 5
        invlpg [PAGES]
        mov byte [L + 2], 2
        call PAGES
        mov dword [PT0 + (PAGES >> 10)], PAGES | 7
        invlpg [PAGES]
        want NONE
        eq "EAX", eax, 3
        done
        begin "accessed bit written into code: PTE as an instruction"
        mov dword [PT2 + 8], (PAGES + 0x2000) | 7
        mov byte [PAGES + 0x2000], 0xc3
        mov dword [PT2 + 0x14], 0x90909007      ; 07 = POP ES when executed: only looked at
        call L + 0x2000
        mov eax, [PT2 + 8]
        want NONE
        eq "PTE", eax, (PAGES + 0x2000) | 0x27
        done
        begin_user "patched at CPL 3"
        mov byte [%$x + 1], 0x77
%$x:    mov eax, 0
        want NONE
        eq "EAX", eax, 0x77
        done
        begin_user "patched at CPL 3 through an alias, 1000 times"
        mov dword [PAGES], 0xc301c083
        mov ecx, 1000
        xor eax, eax
%$again:
        mov [L + 2], cl
        and byte [L + 2], 0x7f
        call PAGES
        loop %$again
        want NONE
        eq "EAX", eax, 62356
        done
        begin_user "next instruction by PUSH at CPL 3"
        mov ebx, 1
        mov esp, %$x + 4
        push dword 0x43434343
%$x:    times 4 nop
        mov esp, STACK3
        want NONE
        eq "EBX", ebx, 5
        done
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        begin_v86 "in V86"
        mov byte [%$x + 1 - 0x10000], 0x33
%$x:    mov ax, 0
        want NONE
        movzx eax, ax
        eq "AX", eax, 0x33
        done
        begin_real "in real mode, through another segment"
        mov ax, 0x1010
        mov ds, ax
        mov byte [%$x + 1 - 0x10100], 0x34
%$x:    mov ax, 0
        want NONE
        movzx eax, ax
        eq "AX", eax, 0x34
        done
        ret
        image_end
