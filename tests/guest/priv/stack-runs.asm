; SPDX-License-Identifier: MIT
; Runs of pushes and pops that are left in their middle: by faults of the stack and of others, by stores
; into the run itself, by breakpoints, by jumps. ESP is what the instructions before have made of it.
; SDM 3A "Faults" ("Exception Classifications"): the state before the instruction.
%include "paging.inc"
TOP     equ L + 0x1000                  ; between a missing page and one that is there

tests:  set_cr4 0x200, 0                ; OSFXSR
        call build
        paging_on PD
        mov ecx, 3                      ; translated and mapped already, the second and third time
.again: push ecx
        call upper_only
        call below
        call lower_only
        call above
        call upper_only
        call others
        call both
        call own_code
        call beside_code
        call devices
        call watched
        call jumps
        pop ecx
        loop .again
        jmp paging_off

upper_only:
        mov dword [PT2], 0
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        jmp flush
lower_only:
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        jmp flush
both:   mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        jmp flush

; name, ESP to begin with
%macro run 2
        begin_user %1
        mov esp, %2
        mov ebx, 0xb0b0b0b0
        mov ebp, L + 0x1ff0
%endmacro
; error code, CR2, ESP of the fault
%macro want_stack 3
        want_pf %1, %2
        eq "ESP", [t_old_esp], %3
        want_at
%endmacro

; ---- the run goes down, into a page that is missing
%macro pushes 2                         ; how many are done, the instruction after them
        %deftok %%insn %2
        %strcat %%name "pushes, then ", %2
        run %%name, TOP + 4 * %1
        times %1 push ebx
        at
        %%insn
        push ebx
        push ebx
        want_stack 6, TOP - 4, TOP
        eq "what was pushed", [PAGES + 0x1000], 0xb0b0b0b0
%endmacro
below:  pushes 1, "push eax"
        pushes 2, "push eax"
        pushes 3, "push dword 5"
        pushes 4, "push esp"
        pushes 5, "push dword [zero]"
        pushes 3, "push dword [esp + 4]"
        pushes 7, "call tests"
        pushes 2, "call eax"
        pushes 3, "call [zero]"
        pushes 40, "push eax"           ; further than a byte's displacement
        pushes 2, "pushfd"
        pushes 2, "pushad"
        pushes 3, "mov [esp - 4], eax"
        pushes 3, "add [esp - 4], eax"
        pushes 3, "fst dword [esp - 4]"
        run "pushes, then words", TOP + 10
        push ebx
        push ebx
        push bx
        at
        push bx
        want_pf 6, TOP - 2
        eq "ESP", [t_old_esp], TOP
        want_at
        run "pushes, then a store across", TOP + 8
        push ebx
        push ebx
        at
        mov [esp - 2], ebx
        want_stack 6, TOP - 2, TOP
        run "pushes from an odd address", TOP + 9
        push ebx
        push ebx
        at
        push ebx
        want_pf 6, TOP - 3
        eq "ESP", [t_old_esp], TOP + 1
        want_at
        run "pushes and pops", TOP + 8
        push ebx
        push eax
        pop ecx
        push eax
        pop ecx
        pop edx
        push edx
        push eax
        at
        push edx
        want_stack 6, TOP - 4, TOP
        ret

; ---- the run goes up
%macro pops 2
        %deftok %%insn %2
        %strcat %%name "pops, then ", %2
        mov dword [PAGES + 0xffc], 0xc0c0c0c0
        run %%name, TOP - 4 * %1
        times %1 pop esi
        at
        %%insn
        pop ebx
        want_stack 4, TOP, TOP
        eq "EBX", ebx, 0xb0b0b0b0
        eq "ESI", esi, 0xc0c0c0c0
%endmacro
above:  pops 1, "pop eax"
        pops 2, "pop ebx"
        pops 3, "pop esp"
        pops 5, "ret"
        pops 2, "ret 8"
        pops 2, "pop dword [zero]"
        pops 3, "popfd"
        pops 3, "popad"
        pops 2, "push dword [esp]"
        pops 4, "mov ebx, [esp]"
        pops 4, "add ebx, [esp]"
        pops 4, "call [esp]"
        pops 4, "jmp [esp]"
        pops 4, "fld dword [esp]"
        pops 4, "movups xmm0, [esp]"
        pops 4, "pop fs"
        pops 35, "pop eax"
        ret

; ---- faults that have nothing to do with the stack
%macro other 2-3 0                      ; instruction, vector, error code
        %deftok %%insn %1
        %strcat %%name "in a run: ", %1
        run %%name, TOP + 0x80
        mov esi, DATA
        mov edi, L + 0x20
        mov ecx, 3
        xor edx, edx
        push ebx
        push ebx
        push ebx
        at
        %%insn
        push ebx
        want %2, %3
        eq "ESP", [t_old_esp], TOP + 0x74
        want_at
%endmacro
others: other "mov eax, [L]", PF, 4
        other "mov [edi], eax", PF, 6
        other "push dword [edi]", PF, 4
        other "pop dword [edi]", PF, 6
        other "xchg [edi], esp", PF, 6
        other "mov [edi], esp", PF, 6
        other "add esp, [edi]", PF, 4
        other "mov esp, [edi]", PF, 4
        other "call [edi]", PF, 4
        other "rep stosd", PF, 6
        other "stosb", PF, 6
        other "rep movsb", PF, 6
        other "fld dword [edi]", PF, 4
        other "lock inc dword [edi]", PF, 6
        other "div edx", DE
        other "idiv dl", DE
        other "div dword [zero]", DE
        other "ud2", UD
        other "hlt", GP
        other "cli", GP
        other "mov eax, cr0", GP
        other "int 0x20", GP, 0x20 * 8 + 2
        run "in a run: leave", TOP + 0x80
        mov ebp, L
        push ebx
        push ebx
        at
        leave
        want_stack 4, L, TOP + 0x78
        begin "in a run, CPL 0"
        mov edx, esp
        push ebx
        push ebx
        at
        mov [L], eax
        want_pf 2, L
        lea eax, [edx - 8]
        eq "ESP", [t_old_esp], eax
        want_at
        ret

; ---- the last push overwrites the run's own end
%macro into_itself 1                    ; begin, begin_user
        mov dword [%%x], 0x08eb9090
        %1 "a push into the run"
        mov ebx, 7
        mov esp, %%x + 12
        push eax
        push ecx
        push dword 0x08eb9043           ; INC EBX; NOP; JMP over 8 bytes
%%x:    nop
        nop
        jmp short %%z
        times 8 db 0
%%z:    mov edx, esp
        mov esp, [t_esp]
        want NONE
        eq "EBX", ebx, 8
        eq "ESP", edx, %%x
        done
%endmacro
own_code:
        into_itself begin
        into_itself begin_user
        ret

; ---- only the last push meets the page with the run, and overwrites its end
beside: mov edx, esp
        jmp edi
.go:    push ebx
        push eax
        push dword 0x00eb9043           ; INC EBX; NOP; JMP to the beginning
.x:     nop
        nop
        jmp short beside
.end:
%macro beside_run 1                     ; begin, begin_user
        mov esi, beside
        mov edi, PAGES + 0x1000 - (beside.end - beside)
        mov ecx, beside.end - beside
        mov byte [beside.go + 6], beside - beside.end
        rep movsb
        %1 "a push out of a page of data, into the run"
        mov ebx, 7
        mov edi, %$end
        mov esp, TOP + 8
        mov edx, TOP - (beside.end - beside.go)
        jmp edx
        want NONE
        eq "EBX", ebx, 8
        eq "ESP", edx, TOP - 4
        done
%endmacro
beside_code:
        beside_run begin
        beside_run begin_user
        ret

; ---- accesses that no window serves
VGA     equ 0xa0000
devices:
        begin_user "pops that come to a device"
        mov ebx, 7
        mov esp, VGA - 8
        pop eax
        pop eax
        pop ebx
        push ecx
        mov edx, esp
        want NONE
        eq "ESP", edx, VGA
        done
        begin_user "in a run: a device"
        mov esp, TOP + 0x80
        push eax
        push ebx
        mov eax, [VGA]
        push ecx
        mov [VGA], ecx
        push ecx
        pop ebx
        mov edx, esp
        want NONE
        eq "ESP", edx, TOP + 0x74
        done
        ret

; ---- data breakpoint on the second of three pushes: a trap behind it
watched:
        mov edx, TOP - 8
        mov dr0, edx
        mov edx, (13 << 16) | 2 | 0x400
        mov dr7, edx
        run "a watched push", TOP
        push ebx
        push ebx
        at
        push ebx
        push ebx
        want DB_, 0
        eq "ESP", [t_old_esp], TOP - 8
        want_at
        xor edx, edx
        mov dr7, edx
        ret

; ---- jumps out of a run
jumps:  begin "jumps out of a run"
        mov ebx, esp
        mov ecx, 1000
%$again:
        push ecx
        push ecx
        test cl, 1
        jz %$even
        push ecx
        test cl, 2
        jnz %$odd
        call %$leaf
        pop eax
        pop eax
        jmp %$next
%$even: pop eax
        lea esp, [esp + 4]
        dec ecx
        jnz %$again
        jmp %$done
%$leaf: push ecx
        push edx
        mov edx, esp
        xchg edx, [esp]
        pop edx
        sub edx, esp
        pop eax
        ret
%$odd:  mov eax, esp
        add eax, 12
        mov esp, eax
        jmp %$join
%$next: pop eax
%$join: dec ecx
        jnz %$again
%$done: mov edx, esp
        mov esp, ebx
        want NONE
        eq "ESP", edx, ebx
        done
        ret

        image_end
