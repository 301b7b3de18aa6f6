/* SPDX-License-Identifier: MIT
 * Into a snippet and out of it. The control block lies below 2 GiB at a
 * fixed address, so that it is reached by absolute addresses while every
 * register belongs to the snippet. IRETQ is the way in since it loads CS, SS,
 * ESP and EFLAGS at once and serializes (the snippet's bytes were just
 * written). What R8-R15 hold across 32-bit code is not relied upon. 64-bit snippets (CTL_LONG)
 * have no segments to load; FS and GS bases are host_run's there. */
#include "tests/oracle/layout.h"

#define CTL(offset) (HOST_CTL + (offset))
#define GPR_IN(n) (HOST_CTL + CTL_GPR_IN + 4 * (n))
#define GPR_OUT(n) (HOST_CTL + CTL_GPR_OUT + 4 * (n))

        .text

/* void host_enter(void): runs what the control block says; returns through host_exit or
 * host_leave. */
        .globl host_enter
        .type host_enter, @function
host_enter:
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        mov %rsp, CTL(CTL_HOST_RSP)
        cmpb $0, CTL(CTL_LONG)
        jne 1f
        rdfsbase %rax
        mov %rax, CTL(CTL_HOST_FS)
        rdgsbase %rax
        mov %rax, CTL(CTL_HOST_GS)
        mov CTL(CTL_SEL + 0), %ds
        mov CTL(CTL_SEL + 2), %es
        mov CTL(CTL_SEL + 4), %fs
        mov CTL(CTL_SEL + 6), %gs
        mov CTL(CTL_FS_BASE), %rax
        wrfsbase %rax
        mov CTL(CTL_GS_BASE), %rax
        wrgsbase %rax
1:      fxrstor64 CTL(CTL_FX_IN)
        movb $1, CTL(CTL_SELECTOR)
        mov GPR_IN(0), %eax
        mov GPR_IN(1), %ecx
        mov GPR_IN(2), %edx
        mov GPR_IN(3), %ebx
        mov GPR_IN(5), %ebp
        mov GPR_IN(6), %esi
        mov GPR_IN(7), %edi
        mov $CTL(CTL_IRET), %esp
        iretq
        .size host_enter, . - host_enter

/* The landing page jumps here when a snippet has ended: everything is still the snippet's. */
        .globl host_exit
        .type host_exit, @function
host_exit:
        mov %eax, GPR_OUT(0)
        mov %ecx, GPR_OUT(1)
        mov %edx, GPR_OUT(2)
        mov %ebx, GPR_OUT(3)
        mov %esp, GPR_OUT(4)
        mov %ebp, GPR_OUT(5)
        mov %esi, GPR_OUT(6)
        mov %edi, GPR_OUT(7)
        mov $CTL(CTL_STACK_TOP), %esp
        pushfq
        pop %rax
        mov %eax, CTL(CTL_EFLAGS_OUT)
        fxsave64 CTL(CTL_FX_OUT)

/* void host_leave(void), noreturn: return from host_enter, from wherever this is. */
        .globl host_leave
        .type host_leave, @function
host_leave:
        mov $CTL(CTL_STACK_TOP), %esp
        pushq $2
        popfq
        mov $HOST_USER_DS, %eax
        mov %eax, %ss
        movb $0, CTL(CTL_SELECTOR)
        cmpb $0, CTL(CTL_LONG)
        jne 1f
        mov CTL(CTL_HOST_FS), %rax
        wrfsbase %rax
        mov CTL(CTL_HOST_GS), %rax
        wrgsbase %rax
1:      fninit
        ldmxcsr CTL(CTL_MXCSR)
        mov CTL(CTL_HOST_RSP), %rsp
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        ret
        .size host_exit, . - host_exit

/* Signal handler: the snippet's FS base, flags (AC!) and system call filter are still on. A tick
 * that lets the snippet go on puts them back. */
        .globl host_signal_entry
        .type host_signal_entry, @function
host_signal_entry:
        push %rbx
        push %rbp
        push %r12
        pushq $2
        popfq
        movzbl CTL(CTL_SELECTOR), %ebx
        movb $0, CTL(CTL_SELECTOR)
        cmpb $0, CTL(CTL_LONG)
        jne 1f
        rdfsbase %rbp
        mov CTL(CTL_HOST_FS), %rax
        wrfsbase %rax
1:      mov %rsp, %r12
        and $-16, %rsp
        call host_on_signal
        cmpb $0, CTL(CTL_LONG)
        jne 1f
        wrfsbase %rbp
1:      movb %bl, CTL(CTL_SELECTOR)
        mov %r12, %rsp
        pop %r12
        pop %rbp
        pop %rbx
        ret
        .size host_signal_entry, . - host_signal_entry

/* The one place whose system call the filter always lets through. */
        .globl host_restorer
        .globl host_restorer_end
        .type host_restorer, @function
host_restorer:
        mov $15, %eax /* rt_sigreturn */
        syscall
        ud2 /* the kernel looks at the address after the system call */
host_restorer_end:
        .size host_restorer, . - host_restorer

        .section .note.GNU-stack, "", @progbits
