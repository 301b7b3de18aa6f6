; SPDX-License-Identifier: MIT
; Code under changing page tables: pages mapped twice, elsewhere, in large pages.
; SDM 3A "Operations that Invalidate TLBs and Paging-Structure Caches", "Handling Self- and
; Cross-Modifying Code".
%include "paging.inc"
%macro returns 2                        ; at this address a function that returns the value
        mov dword [%1], 0xb8 | %2 << 8
        mov word [%1 + 4], 0xc300
%endmacro
%macro invoke 1                         ; -> EAX
        mov edx, %1
        call edx
%endmacro
ENTRY   equ PT2 + 0xffc                 ; of the page behind SELF
SELF    equ L + 0x3fefff                ; PT2's last byte
ADDED   equ PAGES + 0x3000
JUMP    equ PAGES + 0x5000
%macro add_there 1
        mov eax, 0x103
        mov edx, %1
        call edx
%endmacro
tests:  call build
        returns 0x401000, 1
        returns 0x402000, 1
        returns 0x801000, 2
        returns 0x802000, 2
        mov dword [PT2], PAGES | 7
        mov dword [PT2 + 4], PAGES | 7
        mov word [PAGES + 0xffe], 0x11b8
        mov dword [PAGES], 0xc3000000
        paging_on PD
        begin "an instruction that runs from a page into the same one"
        invoke L + 0xffe
        mov ebx, eax
        mov byte [PAGES + 0xfff], 0x22
        call edx
        want NONE
        eq "before", ebx, 0x11
        eq "after", eax, 0x22
        done
        returns PAGES + 0x100, 1
        returns PAGES + 0x200, 2
        begin "a page that is mapped elsewhere"
        mov ecx, 3
.first: invoke L + 0x100
        invoke L + 0x200
        loop .first
        mov dword [PT2], 0
        call flush
        mov ecx, 5
        xor ebx, ebx
.other: invoke L + 0x1100
        add ebx, eax
elsewhere equ L + 0x1200                ; tests/gdb stops here five times
        invoke elsewhere
        add ebx, eax
        loop .other
        want NONE
        eq "sum", ebx, 15
        done
        set_cr4 0x10, 0
        mov dword [PD + 8], 0x400000 | 7 | PS
        call flush
        begin "code in a 4 MiB page"
        invoke L + 0x1000
        mov ebx, eax
        invoke L + 0x2000
        want NONE
        eq "first", ebx, 1
        eq "second", eax, 1
        done
        begin "INVLPG in a 4 MiB page drops all its code"
        mov dword [PD + 8], 0x800000 | 7 | PS
        invlpg [L]
        invoke L + 0x1000
        mov ebx, eax
        invoke L + 0x2000
        want NONE
        eq "first", ebx, 2
        eq "second", eax, 2
        done
        begin "... when no page is there any more"
        mov dword [PD + 8], 0
        invlpg [L]
        invoke L + 0x1000
        want PF, 0
        done
        set_cr4 0x80, 0
        mov dword [PD + 8], 0x400000 | 7 | PS | G
        call flush
        begin "INVLPG in a global 4 MiB page drops all its code"
        invoke L + 0x1000
        mov ebx, eax
        mov dword [PD + 8], 0x800000 | 7 | PS | G
        invlpg [L + 0x3000]
        call edx
        want NONE
        eq "before", ebx, 1
        eq "after", eax, 2
        done
        ; An instruction begins in the last byte of a page table, which is mapped, and ends in the page
        ; of the entry that this byte belongs to: the walk for its second byte writes where it begins.
        mov dword [PD + 8], PT2 | 7 | A
        mov dword [ENTRY - 4], PT2 | 7 | A | D | G
        mov dword [ENTRY], ADDED | 7 | G
        mov dword [ENTRY - 8], JUMP | 7 | A | G
        mov dword [ADDED], 0xc3c0               ; ADD AL, AL; RET
        mov dword [ADDED + 0x1000], 0xc3e0      ; ADD AL, AH
        mov byte [JUMP], 0xe9
        mov dword [JUMP + 1], SELF - (L + 0x3fd000 + 5)
        call flush
        begin "an instruction in its own page's entry, accessed bit cleared, entered with another FS, and patched"
        add_there SELF
        mov byte [ENTRY], 7
        invlpg [SELF + 1]
        mov ax, AT_L
        mov fs, ax
        add_there SELF
        mov ebx, eax
        mov byte [ENTRY + 3], 8                 ; OR AL, AL; the TLB has the entry as it was
        add_there SELF
        mov byte [ENTRY + 3], 0
        want NONE
        eq "before", ebx, 0x106
        eq "after", eax, 0x103
        done
        begin "... accessed bit cleared and another page"
        add_there SELF
        mov ebx, eax
        mov word [ENTRY], (ADDED + 0x1000) & 0xffff | 7 | G
        invlpg [SELF + 1]
        add_there SELF
        want NONE
        eq "before", ebx, 0x106
        eq "after", eax, 0x104
        done
        begin "... accessed bit cleared, and patched"
        mov ecx, 3
.linked:
        add_there L + 0x3fd000
        mov byte [ENTRY], 7
        invlpg [SELF + 1]
        add_there L + 0x3fd000
        mov ebx, eax
        xor byte [ADDED + 0x1000], 0x20
        add_there L + 0x3fd000
        xor ebx, eax
        loop .linked
        want NONE
        eq "both", ebx, 0x106 ^ 0x104
        eq "last", eax, 0x106
        done
        set_cr4 0, 0x80
        jmp paging_off
        image_end
