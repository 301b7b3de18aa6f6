; SPDX-License-Identifier: MIT
; 32-bit paging: rights, error codes, CR2, accessed and dirty bits, large pages, invalidation.
; SDM 3A "Access Rights", "Page-Fault Exceptions", "Accessed and Dirty Flags", "Invalidation of TLBs
; and Paging-Structure Caches", "Use of CR3 with 32-bit Paging".
%include "paging.inc"

tests:  call build
        paging_on PD
        call matrix
        call single
        call large
        call spaces
        jmp paging_off

; ---- all rights of directory and page entries, CR0.WP, level, kind of access
; case: bit 0 PDE.W, 1 PDE.U, 2 PTE.W, 3 PTE.U, 4 WP, 5 CPL 3, 6-7 kind
matrix: mov dword [case], 0
.next:  mov eax, [case]
        mov ebx, eax
        and ebx, 3
        lea ebx, [ebx * 2 + P + PT2]
        mov [PD + 8], ebx
        mov ebx, eax
        shr ebx, 1
        and ebx, 6
        or ebx, P | PAGES
        mov [PT2], ebx
        mov ebx, eax
        shr ebx, 6
        mov [kind], ebx
        wp_clear
        test byte [case], 16
        jz .off
        wp_set
.off:   call flush
        call expectation
        test byte [case], 32
        jnz .user
        begin "rights"
        call access
        want [want_vec], [want_err]
        done
        jmp .check
.user:  begin_user "rights"
        call access
        want [want_vec], [want_err]
        done
.check: call name_case
        mov dword [t_what], txt_case
        mov eax, [PD + 8]
        mov ebx, [PT2]
        and eax, A
        and ebx, A | D
        shl eax, 8
        or eax, ebx
        cmp dword [want_vec], PF
        je .faulted
        mov ecx, A * 257
        cmp dword [kind], 1
        jne .compare
        or ecx, D
.compare:
        push ecx
        push eax
        call compare
        jmp .more
.faulted:
        and eax, D
        push dword 0
        push eax
        call compare
.more:  inc dword [case]
        cmp dword [case], 192
        jb .next
        wp_set
        call build
        call flush
        ret
expectation:
        mov eax, [case]
        mov ecx, eax
        shr ecx, 2
        and ecx, eax                            ; bit 0 W, bit 1 U of both levels
        mov dword [want_vec], NONE
        mov dword [want_err], 0
        xor edx, edx
        mov ebx, 1                              ; P
        cmp dword [kind], 1
        jne .read
        or ebx, 2
        test cl, 1
        jnz .read
        test al, 32 | 16                        ; user writes, or WP
        jz .read
        inc edx
.read:  test al, 32
        jz .done
        or ebx, 4
        test cl, 2
        jnz .done
        inc edx
.done:  test edx, edx
        jz .ret
        mov dword [want_vec], PF
        mov [want_err], ebx
.ret:   ret

; ---- single cases
single: mov dword [PT2], 0
        call flush
        begin "page not present: read"
        at
        mov eax, [L + 4]
        want_pf 0, L + 4
        want_at
        begin "page not present: write"
        mov [L + 5], al
        want_pf 2, L + 5
        done
        begin_user "page not present: user write"
        mov [L + 5], al
        want_pf 6, L + 5
        done
        begin_user "page not present: user fetch"
        jmp L + 0x20
        want_pf 4, L + 0x20
        eq "EIP", [t_eip], L + 0x20
        done
        mov dword [PD + 8], 0
        call flush
        begin "table not present"
        inc dword [L + 0x123]
        want_pf 2, L + 0x123
        done
        mov dword [PD + 8], PT2 | 7
        begin "not present becomes present: no invalidation needed"
        mov eax, [L]
        want PF, 0
        mov dword [PT2], PAGES | 7
        done
        begin "... indeed"
        mov eax, [L]
        want NONE
        eq "value", eax, 0xc3c3c3c3
        done
        begin "read, then write: dirty"
        mov dword [PT2], PAGES | 7
        invlpg [L]
        mov eax, [L]
        mov ebx, [PT2]
        mov [L], eax
        mov ecx, [PT2]
        want NONE
        eq "after the read", ebx, PAGES | 7 | A
        eq "after the write", ecx, PAGES | 7 | A | D
        done
        begin "dirty and accessed cleared, INVLPG: set again"
        mov dword [PT2], PAGES | 7
        invlpg [L]
        mov eax, [L]
        mov [L], eax
        mov dword [PT2], PAGES | 7
        and dword [PD + 8], ~A
        invlpg [L + 0xfff]
        mov [L], eax
        want NONE
        eq "PTE", [PT2], PAGES | 7 | A | D
        eq "PDE", [PD + 8], PT2 | 7 | A
        done
        begin "PDE bit 6 stays clear, ignored bits stay"
        mov dword [PT2], PAGES | 7 | 0xe00
        mov dword [PD + 8], PT2 | 7 | 0xe00
        call flush
        mov [L], eax
        want NONE
        eq "PTE", [PT2], PAGES | 7 | 0xe00 | A | D
        eq "PDE", [PD + 8], PT2 | 7 | 0xe00 | A
        mov dword [PD + 8], PT2 | 7
        done
        begin "mapping changed, INVLPG"
        mov dword [PT2], PAGES | 7
        invlpg [L]
        mov eax, [L]
        mov dword [PAGES + 0x5000], 0x12345678
        mov dword [PT2], (PAGES + 0x5000) | 7
        invlpg [L]
        mov ebx, [L]
        mov dword [PT2], PAGES | 7
        mov eax, cr3
        mov cr3, eax
        mov ecx, [L]
        want NONE
        eq "after INVLPG", ebx, 0x12345678
        eq "after MOV CR3", ecx, 0xc3c3c3c3
        done
        begin "INVLPG goes through the segment's base"
        mov ax, AT_L
        mov es, ax
        mov dword [PT2], (PAGES + 0x5000) | 7
        invlpg [es:0]
        mov ebx, [L]
        mov dword [PT2], PAGES | 7
        invlpg [es:0x123]
        want NONE
        eq "value", ebx, 0x12345678
        done
        begin "write right withdrawn, INVLPG"
        mov [L], eax
        mov dword [PT2], PAGES | 5
        invlpg [L]
        at
        mov [L], eax
        want_pf 3, L
        want_at
        begin "the instructions that only read a read-only page"
        mov eax, [L]
        cmp [L], eax
        test [L], eax
        bt dword [L], 3
        push dword [L]
        pop eax
        want NONE
        done
%macro writes 1
        %deftok %%insn %1
        begin %1
        mov eax, 1
        mov ecx, 1
        mov edi, L
        mov esi, L
        mov ebx, esp
        at
        %%insn
        want_pf 3, L
        eq "ESP", [t_old_esp], ebx
        eq "EAX", eax, 1
        want_at
%endmacro
        writes "cmpxchg [L], ecx"               ; writes even if not equal
        writes "xchg [L], eax"
        writes "xadd [L], eax"
        writes "bts dword [L], 3"
        writes "add dword [L], 0"
        writes "or byte [L], 0"
        writes "neg dword [L]"
        writes "sldt [L]"
        writes "setc [L]"
        writes "stosd"
        writes "movsd"
        writes "pop dword [L]"
        writes "fnstcw [L]"
        writes "fnstenv [L]"
        writes "sgdt [L]"
        writes "shld [L], eax, 4"
        writes "rol dword [L], 4"
        writes "lock inc dword [L]"
        begin "SHL by 0 of a read-only page"
        mov cl, 0
        nop
        want NONE
        done
        mov dword [PT2], PAGES | 7
        call flush
        ; not writable at CPL 3, WP clear: user still faults
        mov dword [PT2], PAGES | 5
        wp_clear
        call flush
        begin_user "WP clear: user write"
        mov [L], eax
        want_pf 7, L
        done
        begin "WP clear: supervisor write sets dirty"
        mov [L], eax
        want NONE
        eq "PTE", [PT2], PAGES | 5 | A | D
        done
        begin "WP set: takes effect at once"
        mov eax, cr0
        or eax, 0x10000
        mov cr0, eax
        mov [L], eax
        want_pf 3, L
        done
        wp_set
        mov dword [PT2], PAGES | 7
        call flush
        ret

; ---- 4 MiB pages
large:  call build
        mov dword [PD + 8], PAGES & ~0x3fffff | 7 | PS
        call flush
        begin "PS without CR4.PSE is a table"
        mov dword [PAGES & ~0x3fffff], 7        ; page 0 is at linear L then
        mov eax, [L]
        mov ebx, [0]
        sub eax, ebx
        want NONE
        eq "difference", eax, 0
        done
        set_cr4 0x10, 0
        begin "4 MiB page"
        mov dword [PAGES + 0x1230], 0x89abcdef
        mov eax, [L + (PAGES & 0x3fffff) + 0x1230]
        want NONE
        eq "value", eax, 0x89abcdef
        eq "accessed", [PD + 8], PAGES & ~0x3fffff | 7 | PS | A
        done
        begin "4 MiB page: dirty"
        mov [L + 0x2f0000], eax
        want NONE
        eq "dirty", [PD + 8], PAGES & ~0x3fffff | 7 | PS | A | D
        done
        mov dword [PD + 8], PAGES & ~0x3fffff | 5 | PS
        call flush
        begin "4 MiB page: read-only"
        mov [L + 0x300000], eax
        want_pf 3, L + 0x300000
        done
        mov dword [PD + 8], PAGES & ~0x3fffff | 3 | PS
        call flush
        begin_user "4 MiB page of the supervisor"
        mov eax, [L + 0x300000]
        want_pf 5, L + 0x300000
        done
        mov dword [PD + 8], PAGES & ~0x3fffff | 7 | PS | 0x200000
        call flush
        begin "4 MiB page: bit 21 is reserved"
        mov eax, [L]
        want_pf 9, L
        done
        begin_user "... user write"
        mov [L], eax
        want_pf 15, L
        done
        mov dword [PD + 8], (PAGES & ~0x3fffff | 6 | PS | 0x200000)
        call flush
        begin "reserved bits of an absent entry do not matter"
        mov eax, [L]
        want_pf 0, L
        done
        mov dword [PD + 8], PAGES & ~0x3fffff | 7 | PS
        begin "INVLPG anywhere in a 4 MiB page drops all of it"
        mov eax, [L]
        mov eax, [L + 0x200000]
        mov dword [PD + 8], 0
        invlpg [L + 0x1000]
        mov eax, [L + 0x200000]
        want_pf 0, L + 0x200000
        done
        begin "... all"
        mov eax, [L]
        want_pf 0, L
        done
        set_cr4 0, 0x10
        begin "CR4.PSE cleared: takes effect"
        mov dword [PD + 8], PT2 | 7 | PS
        mov eax, [L + 0x10]
        want NONE
        eq "value", eax, 0xc3c3c3c3
        done
        call build
        call flush
        ret

; ---- address spaces, global pages
%macro user_at 1                        ; CPL 3 at this EIP
        push dword UDATA
        push dword STACK3
        push dword 2
        push dword UCODE
        push dword %1
        iretd
%endmacro
spaces: begin "another CR3"
        mov dword [PAGES + 0x8000], 0xbbbbbbbb
        mov dword [PAGES], 0xaaaaaaaa
        mov eax, [L]
        mov edx, PD_B
        mov cr3, edx
        mov ebx, [L]
        mov edx, PD
        mov cr3, edx
        mov ecx, [L]
        want NONE
        eq "A", eax, 0xaaaaaaaa
        eq "B", ebx, 0xbbbbbbbb
        eq "A again", ecx, 0xaaaaaaaa
        done
        set_cr4 0x80, 0
        mov dword [PT2], PAGES | 7 | G
        mov dword [PT2_B], PAGES | 7 | G
        begin "INVLPG drops a global page"
        mov eax, [L]
        mov dword [PT2], (PAGES + 0x8000) | 7 | G
        invlpg [L]
        mov ebx, [L]
        want NONE
        eq "before", eax, 0xaaaaaaaa
        eq "after", ebx, 0xbbbbbbbb
        done
        mov dword [PAGES], 0x0b0f       ; UD2
        mov dword [PT2], PAGES | 7 | G
        invlpg [L]
        begin "user code in a global page"
        user_at L
        want UD
        done
        begin "... again"
        user_at L
        want UD
        done
        mov dword [PT2], PAGES | 3 | G
        invlpg [L]
        begin "... that is the supervisor's after INVLPG"
        user_at L
        want PF, P | U
        done
        begin "... whose code it still is"
        mov eax, L
        jmp eax
        want UD
        done
        mov dword [PT2], PAGES | 3 | G
        invlpg [L]
        begin "... whose accessed bit the next fetch sets"
        mov eax, L
        jmp eax
        want UD
        mov eax, [PT2]
        and eax, A
        eq "accessed", eax, A
        done
        mov dword [PAGES], 0xaaaaaaaa
        mov dword [PT2], (PAGES + 0x8000) | 7 | G
        invlpg [L]
        begin "clearing CR4.PGE drops global pages"
        mov eax, [L]
        mov dword [PT2], PAGES | 7 | G
        mov edx, cr4
        and edx, ~0x80
        mov cr4, edx
        mov ebx, [L]
        or edx, 0x80
        mov cr4, edx
        want NONE
        eq "before", eax, 0xbbbbbbbb
        eq "after", ebx, 0xaaaaaaaa
        done
        begin "CR3 drops pages that are not global"
        mov dword [PT2 + 4], PAGES | 7
        mov eax, [L + 0x1000]
        mov dword [PT2 + 4], (PAGES + 0x8000) | 7
        mov edx, cr3
        mov cr3, edx
        mov ebx, [L + 0x1000]
        want NONE
        eq "before", eax, 0xaaaaaaaa
        eq "after", ebx, 0xbbbbbbbb
        done
        set_cr4 0, 0x80
        mov dword [PT2], PAGES | 7 | G
        call flush
        begin "G without CR4.PGE"
        mov eax, [L]
        mov dword [PT2], (PAGES + 0x8000) | 7 | G
        mov edx, cr3
        mov cr3, edx
        mov ebx, [L]
        want NONE
        eq "before", eax, 0xaaaaaaaa
        eq "after", ebx, 0xbbbbbbbb
        done
        call build
        call flush
        begin "paging off and on"
        mov dword [PAGES], 0xaaaaaaaa
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov ebx, [L]
        or eax, 0x80000000
        mov cr0, eax
        mov ecx, [L]
        want NONE
        eq "with paging", ecx, 0xaaaaaaaa
        done
        mov dword [PAGES + 0x8000], 0xbbbbbbbb
        begin "a task switch loads CR3"
        mov dword [tss2 + 0x1c], PD_B
        mov dword [tss2 + 0x20], %$second
        mov dword [tss2 + 0x24], 2
        mov dword [tss2 + 0x38], STACK2
        mov dword [tss2 + 0x4c], CODE
        mov dword [tss2 + 0x50], DATA_SEL
        mov dword [tss2 + 0x54], DATA_SEL
        mov dword [tss2 + 0x48], DATA_SEL
        mov dword [tss + 0x1c], PD
        jmp TSS2:0
        mov ecx, [L]
        jmp %$end
%$second:
        mov ebx, [L]
        mov [case], ebx
        mov eax, cr3
        mov [kind], eax
        jmp TSS_SEL:0
        want NONE
        eq "B", [case], 0xbbbbbbbb
        eq "CR3", [kind], PD_B
        eq "A again", ecx, 0xaaaaaaaa
        clts
        done
        ret
        image_end
