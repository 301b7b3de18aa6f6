; SPDX-License-Identifier: MIT
; PAE paging: PDPTE registers, 2 MiB pages, reserved bits, NX.
; SDM 3A "PAE Paging", "PDPTE Registers", "Access Rights", "Page-Fault Exceptions".
%include "paging.inc"

tests:  jmp pae

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
