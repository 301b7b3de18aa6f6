; SPDX-License-Identifier: MIT
; Calls and returns that do not go as they mostly do: what the call comes back to has been patched, mapped
; elsewhere or dropped meanwhile, the return goes elsewhere, the stack is another, there are very many.
; Each is done often, so that a translator has its short ways when it counts.
; SDM 1 "Calling Procedures Using CALL and RET".
%include "paging.inc"
ROUNDS  equ 300
JUMPS   equ 30000
PAIR    equ L                           ; a page of code that has two versions
MIXED   equ PAGES + 0x2000
STACKS  equ DATA + 0x8000

tests:  call build
        paging_on PD
        call modes
        call paging_off
        call patched
        call elsewhere
        call many
        call build
        paging_on PD
        call mapped
        call paging_off
        call build
        paging_on PD
        call spread
        jmp paging_off

; ---- the callee patches what its caller does next
patched:
        begin "immediate behind the call"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        call %$f
%$x:    mov eax, 0
        add ebx, eax
        loop %$again
        jmp short %$end
%$f:    mov [%$x + 1], ecx
        ret
        want NONE
        eq "sum", ebx, ROUNDS * (ROUNDS + 1) / 2
        done
        begin "only in the last round"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        call %$f
%$x:    mov eax, 1
        add ebx, eax
        loop %$again
        jmp short %$end
%$f:    cmp ecx, 1
        jne %$g
        mov byte [%$x + 1], 100
%$g:    ret
        want NONE
        eq "sum", ebx, ROUNDS - 1 + 100
        done
        begin "two calls above"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        call %$f
%$x:    add ebx, 0x7f
        loop %$again
        jmp short %$end
%$f:    call %$g
%$y:    add ebx, 0x7f
        ret
%$g:    mov [%$x + 2], cl
        mov [%$y + 2], ch
        ret
        want NONE
        eq "sum", ebx, 907              ; low bytes as signed ones, and the high one of 45
        done
        begin "code that is patched, run and returned from again and again"
        xor ebx, ebx
        mov ecx, ROUNDS * 10
%$again:
        call %$f
        add ebx, eax
        loop %$again
        jmp short %$end
%$f:    mov [%$y + 1], ecx
        call %$y
        ret
%$y:    mov eax, 0
        ret
        want NONE
        eq "sum", ebx, ROUNDS * 10 * (ROUNDS * 10 + 1) / 2
        done
        ret

; ---- returns that go elsewhere
elsewhere:
        begin "call and pop"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        call %$f
        add ebx, eax
        loop %$again
        jmp short %$end
%$f:    call %$g
%$g:    pop eax
        sub eax, %$g - 3
        ret
        want NONE
        eq "sum", ebx, ROUNDS * 3
        done
        begin "push and return: a retpoline"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        mov eax, %$f
        call %$thunk
        inc ebx
        loop %$again
        jmp short %$end
%$thunk:
        call %$over
%$wait: pause
        jmp short %$wait
%$over: mov [esp], eax
        ret
%$f:    inc ebx
        ret
        want NONE
        eq "sum", ebx, ROUNDS * 2
        done
        begin "the callee moves its return"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        call %$f
        add ebx, 100                    ; 3 bytes
        inc ebx
        loop %$again
        jmp short %$end
%$f:    add dword [esp], 3
        ret
        want NONE
        eq "sum", ebx, ROUNDS
        done
        begin "past three callers"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        call %$f
        inc ebx
        loop %$again
        jmp short %$end
%$f:    call %$g
        add ebx, 100
        ret
%$g:    call %$h
        add ebx, 100
        ret
%$h:    call %$i
        add ebx, 100
        ret
%$i:    add esp, 12
        ret
        want NONE
        eq "sum", ebx, ROUNDS
        done
        begin "two stacks in turn"
        xor ebx, ebx
        mov ecx, ROUNDS
        mov dword [STACKS - 4], %$b
        mov edx, STACKS - 4
%$a:    inc ebx
        call %$f
        loop %$a
        jmp short %$end
%$f:    call %$switch
        ret
%$b:    add ebx, 2
        call %$f
        jmp short %$b
%$switch:
        xchg edx, esp
        ret
        want NONE
        eq "sum", ebx, ROUNDS * 3
        done
        begin "RET 8"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        push ecx
        push byte 1
        call %$f
        loop %$again
        jmp short %$end
%$f:    add ebx, [esp + 8]
        ret 8
        want NONE
        eq "sum", ebx, ROUNDS * (ROUNDS + 1) / 2
        eq "ESP", esp, [t_esp]
        done
        begin16 "16 bits"
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        call %$f
        inc ebx
        loop %$again
        jmp short %$end
%$f:    inc ebx
        ret
        want NONE
        eq "sum", ebx, ROUNDS * 2
        done
        ret

; ---- many
many:   begin "5000 deep"
        mov esp, DATA + 0x10000
        xor ebx, ebx
        mov ecx, 5000
        call %$f
        inc ebx
        jmp short %$end
%$f:    dec ecx
        jz short %$g
        call %$f
        inc ebx
%$g:    ret
        want NONE
        eq "returns", ebx, 5000
        done
        begin "more code than a small cache holds"
        mov edi, DATA
        mov eax, 0x00eb00eb             ; JMP $ + 2
        mov ecx, JUMPS / 2
        rep stosd
        mov byte [edi], 0xc3
        xor ebx, ebx
        mov ecx, 4
%$again:
        call %$f
        inc ebx
        loop %$again
        jmp short %$end
%$f:    call DATA
        inc ebx
        ret
        want NONE
        eq "returns", ebx, 8
        done
        ret

; ---- the callee maps what its caller does next elsewhere
; PAIR: call EDX; mov eax, VERSION; ret
%macro version 2
        mov dword [%1], 0x00b8d2ff | %2 << 24
        mov dword [%1 + 4], 0xc3000000
%endmacro
%macro twice 2                          ; bits of the entry, how to make it count
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        mov edx, %$f
        mov eax, PAIR
        call eax
        lea ebx, [ebx * 8 + ebx]
        add ebx, eax
        loop %$again
        jmp near %$over
%$f:    mov eax, (PAGES | 3 | %1)
        test cl, 1
        jz %%first
        mov eax, (PAGES + 0x1000) | 3 | %1
%%first:
        mov [PT2], eax
        %2
        ret
%$over: mov esi, ebx
        xor ebx, ebx                    ; what it should be
        mov ecx, ROUNDS
%%sum:  mov eax, ecx
        and eax, 1
        inc eax
        lea ebx, [ebx * 8 + ebx]
        add ebx, eax
        loop %%sum
        want NONE
        eq "versions seen", esi, ebx
        done
%endmacro
mapped: version PAGES, 1
        version PAGES + 0x1000, 2
        begin "INVLPG"
        twice 0, {invlpg [PAIR]}
        begin "CR3"
        twice 0, {call flush}
        mov edi, PT0                    ; the callee's pages are global, too
        mov ecx, 1024
.next:  or dword [edi], G
        add edi, 4
        loop .next
        set_cr4 0x80, 0                 ; PGE
        begin "INVLPG of a global page"
        twice G, {invlpg [PAIR]}
        begin "CR4.PGE"
        twice G, {call flip}
        begin "accessed bit in what the caller does next"
        mov eax, [PD + 8]
        push eax
        mov dword [PD + 8], MIXED | 7   ; a page table, and code
        mov dword [MIXED + 0x800], 0xb8d2ff90   ; NOP; CALL EDX; MOV EAX, the entry of L + 201000h; RET
        mov byte [MIXED + 0x808], 0xc3
        xor ebx, ebx
        mov ecx, ROUNDS
%$again:
        mov dword [MIXED + 0x804], (PAGES + 0x3000) | 3 | G
        invlpg [L + 0x201000]
        mov edx, %$f
        mov eax, MIXED + 0x801
        call eax
        and eax, A
        add ebx, eax
        loop %$again
        pop eax
        mov [PD + 8], eax
        jmp short %$over
%$f:    mov al, [L + 0x201000]
        ret
%$over: want NONE
        eq "times accessed", ebx, ROUNDS * A
        done
        set_cr4 0, 0x80
        ret
; ---- a return to a call of another mode: the same EIP, but user code. What comes first on its page has not
; been patched.
        align 4096
modes:  mov dword [PT2], PAGES | P | W
        invlpg [L]
        begin "return at CPL 3 from a call at CPL 0"
        jmp short %$s
%$s:    call %$f
        at
        mov eax, [ss:L]                 ; DS is null now
        jmp short %$end
%$f:    mov eax, [esp]
        mov [STACK3 - 4], eax
        push dword UDATA
        push dword STACK3 - 4
        push dword 2
        push dword UCODE
        push dword %$g
        iretd
%$g:    ret
        want PF, P | U
        want_at
        ret

; ---- the same after code in very many pages, about as many as a translator may have a list of
REMOTE  equ L + 0x1000000               ; a page with two versions, by a table of its own
PT_REMOTE equ TABLES + 0xd000
MANY    equ 4096
spread: version PAGES + 0x100000, 1
        version PAGES + 0x101000, 2
        mov edi, PD + 8                 ; 16 MiB at L: pages that begin with RET
        mov eax, PT2 | 7
        stosd
        stosd
        stosd
        stosd
        mov dword [edi], PT_REMOTE | 7
        mov edi, PT2
        mov eax, PAGES | 7
.table:
        stosd
        mov byte [eax - 7], 0xc3
        add eax, 0x1000
        and eax, ~0x100000              ; PAGES + 1 MiB: from its start again
        cmp edi, PT2 + 0x1000
        jb .table
        begin "INVLPG after code in many pages"
        xor ebx, ebx
        mov esi, MANY - 12
%$again:
        mov dword [PT_REMOTE], (PAGES + 0x100000) | 7
        call flush
        mov eax, L
        mov ecx, esi
%$page: call eax
        add eax, 0x1000
        loop %$page
        mov edx, %$f
        mov eax, REMOTE
        call eax
        add ebx, eax
        inc esi
        cmp esi, MANY + 1
        jb %$again
        jmp short %$end
%$f:    mov dword [PT_REMOTE], (PAGES + 0x101000) | 7
        invlpg [REMOTE]
        ret
        want NONE
        eq "versions seen", ebx, 13 * 2
        done
        mov eax, 0x00eb068a             ; MOV AL, [ESI]; JMP $ + 2; CALL EDX; MOV EAX, the version; RET
        mov [PAGES + 0x100000], eax
        mov [PAGES + 0x101000], eax
        mov dword [PAGES + 0x100004], 0x01b8d2ff
        mov dword [PAGES + 0x101004], 0x02b8d2ff
        mov dword [PAGES + 0x100008], 0xc3000000
        mov dword [PAGES + 0x101008], 0xc3000000
        mov dword [PD + 8 + 0x100], PT2 | 7     ; L + 256 MiB, a TLB of 64 Ki entries away
        begin "INVLPG after very many TLB misses"
        xor ebx, ebx
        mov esi, L + 0x2000
        call flush
        mov ecx, 32700
%$miss: mov al, [esi]
        mov al, [esi + 0x10000000]
        loop %$miss
        mov ecx, ROUNDS
%$again:
        mov dword [PT_REMOTE], (PAGES + 0x100000) | 7
        invlpg [REMOTE]
        mov edx, %$f
        mov eax, REMOTE
        call eax
        add ebx, eax
        xor esi, 0x10000000
        loop %$again
        jmp short %$end
%$f:    mov dword [PT_REMOTE], (PAGES + 0x101000) | 7
        invlpg [REMOTE]
        ret
        want NONE
        eq "versions seen", ebx, ROUNDS * 2
        done
        ret

flip:   mov eax, cr4
        xor eax, 0x80
        mov cr4, eax
        xor eax, 0x80
        mov cr4, eax
        ret
        image_end
