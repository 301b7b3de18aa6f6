/* SPDX-License-Identifier: MIT
 * The border between C and translated code.
 *
 * In translated code: R15 = VCpu + bias, RSP = top of the return stack (VCpu.returns). C runs at
 * vcpu->host_rsp, a multiple of 16, with the frame of codegen_enter above it. Thunks are called with all
 * guest state live, save it to the VCpu, call C and reload it; R13 and R14 (IR temps, window base) survive
 * because C preserves them. */
#include "codegen-x86_64/stubs-offsets.h"

    .intel_syntax noprefix
    .text

#define VC(offset) [r15 + (offset) - STUB_BIAS]
#define GPR(n) VC(STUB_GPR + 8 * n)

/* Guest registers and flags to the VCpu. Clobbers RAX. */
.macro SPILL
    mov GPR(0), rax
    mov GPR(1), rcx
    mov GPR(2), rdx
    mov GPR(3), rbx
    mov GPR(4), r12
    mov GPR(5), rbp
    mov GPR(6), rsi
    mov GPR(7), rdi
    pushfq
    pop rax
    and eax, STUB_FLAGS_ARITH
    mov VC(STUB_FLAGS), eax
.endm

/* The reverse. OF comes from an addition that overflows, the others from SAHF: POPFQ is slow. */
.macro RELOAD
    mov eax, VC(STUB_FLAGS)
    mov ecx, eax
    shl eax, 8
    shr ecx, STUB_FLAG_OF_SHIFT
    and ecx, 1
    mov al, cl
    add al, 0x7f
    sahf
    mov rax, GPR(0)
    mov rcx, GPR(1)
    mov rdx, GPR(2)
    mov rbx, GPR(3)
    mov r12, GPR(4)
    mov rbp, GPR(5)
    mov rsi, GPR(6)
    mov rdi, GPR(7)
.endm

/* Guest FP state, if the host's registers have it, to the VCpu; flags are free. Clobbers RAX. */
.macro SAVE_FP
    cmp dword ptr VC(STUB_FP_LOADED), 0
    je 1f
    call fp_save
1:
.endm

/* A thunk's way to C and back: RDI = vcpu, stack aligned, vcpu->host_pc = its return address. The
 * result comes out in R8. C may have moved the return address (codegen_forget_returns). */
.macro CALL_C_BEGIN
    mov VC(STUB_RETURN_SP), rsp
    mov rsp, VC(STUB_HOST_RSP)
    SPILL
    SAVE_FP
    mov rax, VC(STUB_RETURN_SP)
    mov rax, [rax]
    mov VC(STUB_HOST_PC), rax
    lea rdi, [r15 - STUB_BIAS]
.endm
.macro CALL_C_END
    mov r8, rax
    mov rsp, VC(STUB_RETURN_SP)
    RELOAD
    ret
.endm

/* R9 = where to go on for the pc in R8: code, or the stub that looks it up. Clobbers RCX. */
.macro READ_JUMP_TABLE
    mov r9, VC(STUB_JUMP_TABLE)
    mov r9d, [r9 + r8 * 4]
    mov rcx, VC(STUB_JUMP_STUB)
    lea r9, [r9 + rcx]
.endm

.macro FUNCTION name
    .globl \name
    .type \name, @function
    .p2align 4
\name:
.endm

/* FNINIT leaves guest state: FLDCW or EMMS would raise a pending guest exception. It is slow, so
 * not when the x87 registers are empty and nothing is pending (FXSAVE image: FTW, FSW.ES). */
    .p2align 4
fp_save:
    fxsave64 VC(STUB_FP_AREA)
    cmp byte ptr VC(STUB_FP_AREA + 4), 0
    jne 1f
    test byte ptr VC(STUB_FP_AREA + 2), 0x80
    jz 2f
1:  fninit
2:  fldcw VC(STUB_HOST_FP + 4)
    ldmxcsr VC(STUB_HOST_FP)
    mov dword ptr VC(STUB_FP_LOADED), 0
    lea rax, [rip + codegen_stub_fp_load]
    mov VC(STUB_FP_ENSURE), rax
    ret

/* vcpu->fp_ensure while FP state is not loaded. Flags and all registers but R9 survive. */
FUNCTION codegen_stub_fp_load
    stmxcsr VC(STUB_HOST_FP)
    fnstcw VC(STUB_HOST_FP + 4)
    fxrstor64 VC(STUB_FP_AREA)
    mov dword ptr VC(STUB_FP_LOADED), 1
    lea r9, [rip + fp_is_loaded]
    mov VC(STUB_FP_ENSURE), r9
fp_is_loaded:
    ret

/* RSI = code, RDX = its R8. */
.macro ENTER
    mov rax, rsp
    and rsp, -16
    push rax
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push [rdi + STUB_HOST_RSP]
    mov [rdi + STUB_HOST_RSP], rsp
    lea r15, [rdi + STUB_BIAS]
    mov r11, rsi
    mov r8, rdx
    mov r14, VC(STUB_WINDOW_BASE)
    RELOAD
.endm

/* Jumped to by codegen_enter, its return address on the stack. */
FUNCTION codegen_stub_enter
    ENTER
    mov rsp, VC(STUB_RETURN_SP)
    jmp r11

/* ExitReason codegen_enter_with(VCpu *vcpu, const void *code, void *r8): a native thunk; it stays on the stack
 * it is on. */
FUNCTION codegen_enter_with
    ENTER
    jmp r11

/* r8 = fn(vcpu, r8, r9, r10), fn in R11. */
FUNCTION codegen_stub_helper
    CALL_C_BEGIN
    mov rsi, r8
    mov rdx, r9
    mov rcx, r10
    call r11
    CALL_C_END

/* r8 = host address of the access at linear address R8, described by R9D. */
FUNCTION codegen_stub_mem_begin
    CALL_C_BEGIN
    mov rsi, r8
    mov edx, r9d
    call codegen_mem_begin
    CALL_C_END

/* The same for a store of at most one code line (translator/vcpu.h). Into a page with translated code,
 * but where none lies, it needs no C. All is flag-free; the VCpu's places for RAX and RCX are
 * scratch, since the way to C writes them anew. */
.macro MEM_STORE name, code_tag, addend
FUNCTION \name
    mov GPR(1), rcx
    shrx ecx, r8d, r15d
    movzx ecx, cx
    mov r10, [r15 + rcx * 8 + \addend - STUB_BIAS]
    mov rcx, [r15 + rcx * 8 + \code_tag - STUB_BIAS]
    movzx r11d, r9w
    lea r10, [r10 + r8]
    lea r11d, [r8 + r11 - 1]
    shrx r11d, r11d, r15d
    lea rcx, [rcx + r11 + 1]
    jrcxz 1f
    mov rcx, GPR(1)
    jmp codegen_stub_mem_begin
1:  mov GPR(0), r9
    movzx r11d, r9w
    lea r11, [r10 + r11 - 1]
    mov ecx, STUB_CODE_LINE_BITS
    shrx r11, r11, rcx
    shrx rcx, r10, rcx
    mov r9, VC(STUB_CODE_LINES)
    movzx r11d, byte ptr [r9 + r11]
    movzx ecx, byte ptr [r9 + rcx]
    mov r9, GPR(0)
    lea ecx, [rcx + r11]
    jrcxz 3f
2:  mov rcx, GPR(1)
    jmp codegen_stub_mem_begin
3:  mov ecx, VC(STUB_BESIDE_LEFT)
    lea ecx, [rcx - 1]
    jrcxz 2b
    mov VC(STUB_BESIDE_LEFT), ecx
    mov r8, r10
    mov byte ptr VC(STUB_BOUNCED), 0
    mov rcx, GPR(1)
    ret
.endm
    MEM_STORE codegen_stub_store_supervisor, STUB_CODE_TAG_SUPERVISOR, STUB_ADDEND_SUPERVISOR
    MEM_STORE codegen_stub_store_user, STUB_CODE_TAG_USER, STUB_ADDEND_USER

/* After the op; only a bounced access has anything left to do. */
FUNCTION codegen_stub_mem_commit
    mov r9, rcx
    movzx ecx, byte ptr VC(STUB_BOUNCED)
    jrcxz commit_direct
    mov rcx, r9
    jmp commit_bounced
commit_direct:
    mov rcx, r9
    ret
commit_bounced:
    CALL_C_BEGIN
    call codegen_mem_commit
    CALL_C_END

/* A RET to the pc in R8 came back behind a CALL that has another one; the guest's RCX is in R11. The entry
 * below may be the one (the CALL only read its own pc): the pc that code stands for lies in it. If that
 * guess is wrong it comes here again. Otherwise just the one entry is lost (a retpoline, a stack that was
 * switched). */
FUNCTION codegen_stub_return_miss
    mov r9, [rsp]
    mov ecx, [r9 + CODEGEN_RETURN_TAG]
    lea ecx, [rcx + r8]
    jrcxz 1f
    jmp codegen_stub_return_gone
1:  mov rcx, r11
    ret

/* What a CALL would come back to is gone: RET comes here as it would there. */
FUNCTION codegen_stub_return_gone
    READ_JUMP_TABLE
    mov rcx, r11
    jmp r9

/* The last entry: nothing was called. */
FUNCTION codegen_stub_return_none
    lea rsp, [rsp - 8]
    jmp codegen_stub_return_gone

/* Ways out, jumped to; exit_chain is called, its return address says which exit. */
FUNCTION codegen_stub_exit_chain
    pop r8
    mov VC(STUB_HOST_PC), r8
    lea r8, [rip + 1f]
    push r8
    ret                 /* the host's own stack loses its entry, too */
1:  mov r8d, STUB_EXIT_CHAIN
    jmp codegen_stub_exit_reason

FUNCTION codegen_stub_poll_exit
    mov r8d, STUB_EXIT_POLL
    jmp codegen_stub_exit_reason

FUNCTION codegen_stub_fault_exit
    mov r8d, STUB_EXIT_FAULT
    jmp codegen_stub_exit_reason

FUNCTION codegen_stub_exit_lookup
    mov r8d, STUB_EXIT_LOOKUP
    /* falls through; the padding between is NOPs */

/* R8D = reason; guest state is live. */
FUNCTION codegen_stub_exit_reason
    mov VC(STUB_RETURN_SP), rsp
    mov rsp, VC(STUB_HOST_RSP)
    SPILL
exit_spilled:
    SAVE_FP
    mov eax, r8d
    pop qword ptr VC(STUB_HOST_RSP)
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    pop rsp
    pop rcx
    jmp rcx

/* _Noreturn void codegen_stub_leave(VCpu *vcpu, ExitReason reason): from below a helper, whose
 * frames are dropped, and the thunk's return address; guest state is in the VCpu. */
FUNCTION codegen_stub_leave
    lea r15, [rdi + STUB_BIAS]
    add qword ptr VC(STUB_RETURN_SP), 8
    mov r8d, esi
    mov rsp, VC(STUB_HOST_RSP)
    jmp exit_spilled

    .section .note.GNU-stack, "", @progbits
