; SPDX-License-Identifier: MIT
; 32-bit and PAE paging: rights, error codes, CR2, accessed and dirty bits, large pages, reserved
; bits, NX, invalidation, accesses that fault on their second page.
; SDM 3A "Access Rights", "Page-Fault Exceptions", "Accessed and Dirty Flags", "Paging-Structure
; Formats", "Invalidation of TLBs and Paging-Structure Caches", "Interrupt 14"; "PDPTE Registers".
%include "priv.inc"
        sel AT_L, L, 0xfffff, 0x92, 0xc
        sel TSS2, LIN(tss2), 0x67, 0x89, 0
DFGATE  equ $ - gdt
        gdt_end
L       equ 0x00800000                  ; linear addresses of the experiments: 2nd directory entry
PD      equ TABLES
PT0     equ TABLES + 0x1000             ; identity, first 4 MiB
PT2     equ TABLES + 0x2000             ; L
PD_B    equ TABLES + 0x3000             ; another address space
PT2_B   equ TABLES + 0x4000
PDPT    equ TABLES + 0x8000             ; PAE
PAED    equ TABLES + 0x9000
PAE0    equ TABLES + 0xa000
PAE1    equ TABLES + 0xb000
PAE4    equ TABLES + 0xc000
P       equ 1
W       equ 2
U       equ 4
A       equ 0x20
D       equ 0x40
PS      equ 0x80
G       equ 0x100
        align 8
tss2:   times 26 dd 0
case:   dd 0
wp:     dd 0
level:  dd 0
kind:   dd 0
entry:  dd 0
want_vec: dd 0
want_err: dd 0
txt_case: db "0000 (WP, level, kind, entry bits)", 0

; Directory and tables for 32-bit paging: all of the first 4 MiB for everybody, L -> PAGES.
build:  pushad
        mov ebx, cr0
        mov eax, ebx
        and eax, 0x7fffffff                     ; not under its own feet
        mov cr0, eax
        mov edi, TABLES
        xor eax, eax
        mov ecx, 0x10000 / 4
        rep stosd
        mov dword [PD], PT0 | 7 | A
        mov dword [PD + 8], PT2 | 7
        mov dword [PD_B], PT0 | 7 | A
        mov dword [PD_B + 8], PT2_B | 7
        mov edi, PT0
        mov eax, 7 | A | D
        mov ecx, 1024
.next:  stosd
        add eax, 0x1000
        loop .next
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        mov dword [PT2_B], (PAGES + 0x8000) | 7
        mov edi, PAGES
        mov ecx, 0x10000
        mov al, 0xc3                            ; RET
        rep stosb
        mov cr0, ebx
        popad
        ret
flush:  push eax
        mov eax, cr3
        mov cr3, eax
        pop eax
        ret
; EAX: bits of CR4 to set; ECX: to clear
cr4_set:
        push edx
        mov edx, cr4
        or edx, eax
        not ecx
        and edx, ecx
        mov cr4, edx
        pop edx
        ret
%macro set_cr4 2
        mov eax, %1
        mov ecx, %2
        call cr4_set
%endmacro
%macro paging_on 1                      ; CR3
        mov eax, %1
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80010000              ; PG, WP
        mov cr0, eax
%endmacro
paging_off:
        mov eax, cr0
        and eax, 0x7ffeffff
        mov cr0, eax
        ret
%macro wp_clear 0
        mov eax, cr0
        and eax, ~0x10000
        mov cr0, eax
%endmacro
%macro wp_set 0
        mov eax, cr0
        or eax, 0x10000
        mov cr0, eax
%endmacro
; the access of the current case, at any level
access: mov eax, [kind]
        cmp eax, 1
        je .write
        ja .exec
        mov al, [L + 0x10]
        ret
.write: mov byte [L + 0x10], 0xc3
        ret
.exec:  call L + 0x20
        ret
%macro want_pf 2                        ; error code, CR2
        want PF, %1
        eq "CR2", [t_cr2], %2
%endmacro

tests:  set_cr4 0x200, 0                        ; OSFXSR
        call build
        paging_on PD
        call matrix
        call single
        call crossing
        call large
        call spaces
        call system
        call paging_off
        mov eax, 0x80000001
        cpuid
        call pae
        ret

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
name_case:
        mov eax, [case]
        mov edi, txt_case
        mov ecx, 4
        shl eax, 16
.digit: rol eax, 4
        mov dl, al
        and dl, 15
        add dl, '0'
        cmp dl, '9'
        jbe .put
        add dl, 7
.put:   mov [edi], dl
        inc edi
        loop .digit
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

; ---- two pages: first present, second not
crossing:
        mov dword [PT2 + 4], 0
        call flush
%macro second 2                         ; "instruction" with EDX = L + 1000h, code
        %deftok %%insn %1
        mov dword [PAGES + 0xff0], 0x11111111
        mov dword [PAGES + 0xff4], 0x22222222
        mov dword [PAGES + 0xff8], 0x33333333
        mov dword [PAGES + 0xffc], 0x44444444
        begin %1
        mov edx, L + 0x1000
        mov eax, 0x44444444
        mov ebx, 0x55555555
        fninit
        at
        %%insn
        want_pf %2, L + 0x1000
        eq "EAX", eax, 0x44444444
        eq "EBX", ebx, 0x55555555
        eq "bytes before", [PAGES + 0xffc], 0x44444444
        eq "bytes before that", [PAGES + 0xff8], 0x33333333
        want_at
%endmacro
        second "mov eax, [edx - 2]", 0
        second "mov ax, [edx - 1]", 0
        second "mov [edx - 2], ebx", 2
        second "mov [edx - 1], bx", 2
        second "add [edx - 3], ebx", 2
        second "xchg [edx - 1], ebx", 2
        second "not dword [edx - 2]", 2
        second "fst qword [edx - 4]", 2
        second "fstp tword [edx - 8]", 2
        second "fld tword [edx - 8]", 0
        second "cmpxchg8b [edx - 4]", 2
        second "movups [edx - 8], xmm0", 2
        second "movups xmm0, [edx - 8]", 0
        second "fnstenv [edx - 8]", 2
        second "fnsave [edx - 16]", 2
        second "sidt [edx - 2]", 2
        second "pop dword [edx - 2]", 2
        second "les ebx, [edx - 4]", 0
        second "lidt [edx - 4]", 0
        second "bound eax, [edx - 4]", 0
        second "jmp far [edx - 4]", 0
        second "call far [edx - 4]", 0
        second "shld [edx - 2], ebx, 8", 2
        second "bts dword [edx - 2], 31", 2
        begin_user "user write across, second page absent"
        mov [L + 0xffe], eax
        want_pf 6, L + 0x1000
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 3
        call flush
        begin_user "user write across, second page the supervisor's"
        mov [L + 0xffe], eax
        want_pf 7, L + 0x1000
        done
        mov dword [PT2], 0
        call flush
        begin "first page absent"
        mov [L + 0xffe], eax
        want_pf 2, L + 0xffe
        done
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        call flush
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        mov dword [PT2], 0
        call flush
%macro stack 4                          ; "instruction", ESP, code, CR2: user stack
        %deftok %%insn %1
        begin_user %1
        mov esp, %2
        mov eax, 0xaaaaaaaa
        mov ebp, 0xbbbbbbbb
        at
        %%insn
        want_pf %3, %4
        eq "ESP", [t_old_esp], %2
        eq "EBP", ebp, 0xbbbbbbbb
        want_at
%endmacro
        stack "pushad", L + 0x1010, 6, L + 0xffc
        stack "push eax", L + 0x1000, 6, L + 0xffc
        stack "push eax ", L + 0x1002, 6, L + 0xffe
        stack "call tests", L + 0x1000, 6, L + 0xffc
        stack "call UCODE:tests", L + 0x1004, 6, L + 0xffc
        stack "pushfd", L + 0x1001, 6, L + 0xffd
        stack "enter 0x10, 0", L + 0x1000, 6, L + 0xffc
        stack "push dword [zero]", L + 0x1000, 6, L + 0xffc
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        call flush
        stack "pop eax", L + 0x1000, 4, L + 0x1000
        stack "pop eax ", L + 0xffe, 4, L + 0x1000
        stack "popad", L + 0xff0, 4, L + 0x1000
        stack "ret", L + 0x1000, 4, L + 0x1000
        stack "retf", L + 0xffc, 4, L + 0x1000
        stack "iretd", L + 0xff8, 4, L + 0x1000
        stack "popfd", L + 0xffe, 4, L + 0x1000
        stack "enter 0x10, 2", L + 0x1100, 6, L + 0x10fc
        begin "REP MOVSD stops at the page"
        mov esi, DATA
        mov edi, L + 0xff0
        mov ecx, 100
        at
        rep movsd
        want_pf 2, L + 0x1000
        eq "ECX", ecx, 96
        eq "ESI", esi, DATA + 16
        eq "EDI", edi, L + 0x1000
        want_at
        begin "REP MOVSD unaligned: no part of the element"
        mov dword [PAGES + 0xffc], 0x44444444
        mov esi, DATA
        mov edi, L + 0xff2
        mov ecx, 100
        at
        rep movsd
        want_pf 2, L + 0x1000
        eq "ECX", ecx, 97
        eq "EDI", edi, L + 0xffe
        movzx eax, word [PAGES + 0xffe]
        eq "bytes", eax, 0x4444
        want_at
        begin "REP STOSB backwards out of the page"
        mov dword [PT2], 0
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        mov eax, cr3
        mov cr3, eax
        mov edi, L + 0x1003
        mov ecx, 100
        std
        at
        rep stosb
        cld
        want_pf 2, L + 0xfff
        cld
        eq "ECX", ecx, 96
        eq "EDI", edi, L + 0xfff
        want_at
        begin "REPE CMPSB keeps the flags of the last comparison"
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        mov eax, cr3
        mov cr3, eax
        mov esi, L + 0xffc
        mov edi, L + 0xff0
        mov dword [PAGES + 0xff0], 0x44444444
        mov dword [PAGES + 0xffc], 0x44444444
        mov ecx, 100
        stc
        at
        repe cmpsb
        want_pf 0, L + 0x1000
        eq "ECX", ecx, 96
        mov eax, [t_eflags]
        and eax, 0x8d5
        eq "flags", eax, 0x44
        want_at
        begin "REP INSB: fault before the port is read"
        mov edi, L + 0x1000
        mov edx, 0x80
        mov ecx, 2
        at
        rep insb
        want_pf 2, L + 0x1000
        eq "ECX", ecx, 2
        want_at
        ; an instruction across both pages
        mov byte [PAGES + 0xffe], 0xb8          ; MOV EAX, imm32
        begin_user "instruction across, second page absent"
        mov eax, L + 0xffe
        jmp eax
        want_pf 4, L + 0x1000
        eq "EIP", [t_eip], L + 0xffe
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 3
        call flush
        begin_user "instruction across, second page the supervisor's"
        mov eax, L + 0xffe
        jmp eax
        want_pf 5, L + 0x1000
        eq "EIP", [t_eip], L + 0xffe
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        call flush
        mov dword [PAGES + 0xfff], 0x12345678
        mov byte [PAGES + 0x1003], 0xc3
        mov byte [PAGES + 0xffe], 0xb8
        begin_user "instruction across two pages"
        call L + 0xffe
        want NONE
        eq "EAX", eax, 0x12345678
        done
        mov dword [PAGES + 0x5000], 0xc3ffffff
        mov dword [PT2 + 4], (PAGES + 0x5000) | 7
        call flush
        begin_user "... and after the second page was mapped elsewhere"
        call L + 0xffe
        want NONE
        eq "EAX", eax, 0xffffff78
        done
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        call flush
        begin "access at the end of linear space wraps to 0"
        mov dword [PD + 0xffc], PT2 | 7
        mov dword [PT2 + 0xffc], (PAGES + 0x3000) | 7
        mov eax, [0xfffffffe]
        mov ebx, [0]
        want NONE
        shl ebx, 16
        or ebx, 0xc3c3
        sub eax, ebx
        eq "value", eax, 0
        done
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

; ---- the processor's own accesses
system: mov dword [PT2], (LIN(image) + 0x0000) | 3      ; alias of the image, supervisor's
        call build
        mov eax, gdt
        and eax, ~0xfff
        or eax, 3
        mov [PT2], eax
        add eax, 0x1000
        mov [PT2 + 4], eax
        call flush
        mov eax, gdt
        and eax, 0xfff
        add eax, L
        mov [gdtr_l + 2], eax
        lgdt [gdtr_l]
        begin_user "GDT in a supervisor page: segment load at CPL 3"
        mov ax, UDATA
        mov fs, ax
        want NONE
        done
        and byte [gdt + AT_L + 5], 0xfe
        and dword [PT2], ~2
        and dword [PT2 + 4], ~2
        call flush
        begin "accessed bit in a read-only page"
        mov ax, AT_L
        at
        mov fs, ax
        want PF, 3
        want_at
; a table that reaches into an absent page: selectors 1000h - (gdt mod 1000h) and above
        mov dword [PT2 + 4], 0
        call flush
        mov word [gdtr_l], 0xffff
        lgdt [gdtr_l]
%macro query 1
        begin %1
        mov eax, 0x1ff8
        mov ebx, 0x55
        nop
        %deftok %%insn %1
        at
        %%insn
        want PF, 0
        eq "EBX", ebx, 0x55
        want_at
%endmacro
        query "lar ebx, eax"
        query "lsl ebx, eax"
        query "verr ax"
        query "verw ax"
        query "mov es, ax"
        query "lldt ax"
        query "ltr ax"
        query "jmp 0x1ff8:0"
        query "call 0x1ff8:0"
        lgdt [gdtr_image]
        ; entry 13 of the IDT in an absent page: #GP meets #PF, which is served
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], 0
        call flush
        mov esi, idt
        mov edi, L + 0x1000 - 13 * 8
        mov ecx, 26
        rep movsd
        mov eax, L + 0x1000 - 13 * 8
        mov [idtr_l + 2], eax
        ; entry 14 must be present as well: a second copy is not possible, so #DF is what comes:
        begin "#GP, then #PF on its gate, then #PF on that gate: #DF"
        lidt [idtr_l]
        xor eax, eax
        mov ds, ax
        at
        mov eax, [0]
        want DF, 0
        lidt [idtr_image]
        eq "CR2", [t_cr2], L + 0x1008
        want_at
        ; gates 6 and 14 present, 0 absent
        mov dword [PT2], 0
        mov dword [PT2 + 4], (PAGES + 0x1000) | 7
        call flush
        mov esi, idt + 8
        mov edi, L + 0x1000
        mov ecx, 62
        rep movsd
        mov dword [idtr_l + 2], L + 0x1000 - 8
        begin "#DE, then #PF on its gate: served one after the other"
        lidt [idtr_l]
        xor ecx, ecx
        at
        div ecx
        want PF, 0
        lidt [idtr_image]
        eq "CR2", [t_cr2], L + 0x1000 - 8
        want_at
        ; a kernel stack that is absent: #PF from CPL 3 ends as #DF through a task gate
        mov dword [tss + 4], L + 0x800
        push dword [idt + 64]
        push dword [idt + 68]
        mov dword [idt + 64], TSS2 << 16
        mov dword [idt + 68], 0x8500
        mov dword [tss2 + 0x1c], PD
        mov dword [tss2 + 0x20], df_task
        mov byte [gdt + TSS2 + 5], 0x89
        mov byte [gdt + TSS_SEL + 5], 0x8b
        begin_user "#PF with an absent kernel stack: #DF by a task gate"
        mov eax, [L + 4]
        want DF, 0
        done
        pop dword [idt + 68]
        pop dword [idt + 64]
        mov dword [tss + 4], STACK0T
        call build
        call flush
        ret
df_task:                                ; the error code is on this stack
        mov dword [t_vec], DF
        pop dword [t_err]
        mov eax, cr2
        mov [t_cr2], eax
        mov byte [gdt + TSS_SEL + 5], 0x89
        mov ax, TSS_SEL
        ltr ax
        clts
        pushfd
        and dword [esp], ~NT
        popfd
        mov esp, [t_esp]
        jmp [t_resume]
        align 4
gdtr_l: dw 0x7ff
        dd 0
idtr_l: dw 0x1ff
        dd 0

; ---- PAE
build_pae:
        pushad
        mov ebx, cr0
        mov eax, ebx
        and eax, 0x7fffffff                     ; not under its own feet
        mov cr0, eax
        mov edi, PDPT
        xor eax, eax
        mov ecx, 0x8000 / 4
        rep stosd
        mov dword [PDPT], PAED | P
        mov dword [PAED], PAE0 | 7
        mov dword [PAED + 8], PAE1 | 7
        mov dword [PAED + 4 * 8], PAE4 | 7      ; L
        mov edi, PAE0
        mov eax, 7 | A | D
        mov ecx, 1024                           ; 4 MiB: two tables that follow each other
.next:  stosd
        mov dword [edi], 0
        add edi, 4
        add eax, 0x1000
        loop .next
        mov dword [PAE4], PAGES | 7
        mov dword [PAE4 + 8], (PAGES + 0x1000) | 7
        mov edi, PAGES
        mov ecx, 0x10000
        mov al, 0xc3
        rep stosb
        mov cr0, ebx
        popad
        ret
nxe:    mov ecx, 0xc0000080
        rdmsr
        and eax, ~0x800
        or eax, [wp]
        wrmsr
        ret
pae:    call build_pae
        set_cr4 0x20, 0
        begin "PDPTE with reserved bits: MOV CR3"
        mov dword [PDPT + 8], PAED | P | 2
        mov eax, PDPT
        mov ebx, cr0
        or ebx, 0x80000000
        mov cr3, eax
        at
        mov cr0, ebx
        want GP, 0
        want_at
        mov dword [PDPT + 8], 0
        paging_on PDPT
        begin "PDPTE with reserved bits while paging is on"
        mov dword [PDPT + 8], PAED | P | 0x20
        mov eax, cr3
        at
        mov cr3, eax
        want GP, 0
        want_at
        mov dword [PDPT + 8], PAED | 0x1e6      ; not present: does not matter
        call flush
        mov dword [PDPT + 8], 0
        begin "PAE: read, write"
        mov eax, [L]
        mov [L + 0x1000], eax
        want NONE
        eq "PTE 0", [PAE4], PAGES | 7 | A
        eq "PTE 1", [PAE4 + 8], (PAGES + 0x1000) | 7 | A | D
        eq "PDE", [PAED + 32], PAE4 | 7 | A
        eq "PDPTE has no accessed bit", [PDPT], PAED | P
        done
        begin "PDPTE is a register until CR3 is written"
        mov dword [PDPT], 0
        mov eax, [L + 0x10]
        mov dword [PDPT], PAED | P
        want NONE
        done
        begin "PDPTE absent"
        mov eax, [0x40000000]
        want_pf 0, 0x40000000
        done
        mov dword [PAE4 + 4], 0x40000000        ; bit 62
        call flush
        begin "PAE: reserved bit of a PTE"
        mov eax, [L]
        want_pf 9, L
        done
        mov dword [PAE4 + 4], 0x80000000        ; NX without EFER.NXE
        call flush
        begin "PAE: NX is reserved without EFER.NXE"
        mov [L], eax
        want_pf 11, L
        done
        mov dword [PAE4 + 4], 0
        mov dword [PAED + 36], 0x80000000
        call flush
        begin_user "PAE: NX in a PDE is reserved without EFER.NXE"
        mov eax, [L]
        want_pf 13, L
        done
        mov dword [PAED + 36], 0
        call flush
        mov dword [PAED + 32], PAGES | 7 | PS
        call flush
        begin "2 MiB page"
        mov dword [PAGES + 0x4567c], 0x31415926
        mov eax, [L + 0x4567c]
        want NONE
        eq "value", eax, 0x31415926
        eq "PDE", [PAED + 32], PAGES | 7 | PS | A
        done
        begin "2 MiB page: dirty"
        mov [L + 0x1ffffc], eax
        want NONE
        eq "PDE", [PAED + 32], PAGES | 7 | PS | A | D
        done
        mov dword [PAED + 32], PAGES | 7 | PS | 0x2000
        call flush
        begin "2 MiB page: bit 13 is reserved"
        mov eax, [L]
        want_pf 9, L
        done
        mov dword [PAED + 32], PAE4 | 7
        call flush
        ; NX
        mov eax, 0x80000001
        cpuid
        test edx, 1 << 20
        jz near .end
        mov dword [wp], 0x800
        call nxe
        mov dword [case], 0
; case: bit 0 PDE.NX, 1 PTE.NX, 2 user page, 3 CPL 3, 4 exec
.next:  mov eax, [case]
        mov ebx, eax
        shl ebx, 31
        mov [PAED + 36], ebx
        mov ebx, eax
        shr ebx, 1
        shl ebx, 31
        mov [PAE4 + 4], ebx
        mov ebx, eax
        and ebx, 4
        or ebx, PAGES | 3
        mov [PAE4], ebx
        mov byte [PAGES + 0x20], 0xc3
        mov ebx, eax
        shr ebx, 4
        shl ebx, 1
        mov [kind], ebx
        call flush
        mov dword [want_vec], NONE
        mov dword [want_err], 0
        mov ebx, 1
        xor edx, edx
        test al, 8
        jz .sup
        or ebx, 4
        test al, 4
        jnz .sup
        inc edx
.sup:   test al, 16
        jz .got
        or ebx, 16
        test al, 3
        jz .got
        inc edx
.got:   test edx, edx
        jz .go
        mov dword [want_vec], PF
        mov [want_err], ebx
.go:    test byte [case], 8
        jnz .user
        begin "NX"
        call access
        want [want_vec], [want_err]
        done
        jmp .check
.user:  begin_user "NX"
        call access
        want [want_vec], [want_err]
        done
.check: call name_case
        mov dword [t_what], txt_case
        push dword 0
        push dword 0
        call compare
        inc dword [case]
        cmp dword [case], 32
        jb .next
        call build_pae
        call flush
        begin_user "EFER.NXE: fetch from an absent page has I/D"
        mov dword [PAE4], 0
        jmp L + 0x3000
        want_pf 0x14, L + 0x3000
        done
        begin "NX: data access leaves I/D alone"
        mov eax, [L + 0x3000]
        want_pf 0, L + 0x3000
        done
        mov dword [wp], 0
        call nxe
        begin_user "without EFER.NXE: no I/D"
        jmp L + 0x3000
        want_pf 4, L + 0x3000
        done
.end:   call paging_off
        set_cr4 0, 0x20
        ret
        image_end
