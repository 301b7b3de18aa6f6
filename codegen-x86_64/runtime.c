/* SPDX-License-Identifier: MIT
 * The C side of the stubs: slow memory accesses and the pointers of a VCpu. */
#include "codegen-x86_64/host-priv.h"
#include "codegen-x86_64/stubs-offsets.h"

#define CHECK_OFFSET(name, field)                                                                  \
    static_assert(STUB_##name == offsetof(VCpu, field), "stubs-offsets.h: " #field)
CHECK_OFFSET(GPR, gpr);
CHECK_OFFSET(PC, pc);
CHECK_OFFSET(FLAGS, flags);
CHECK_OFFSET(FP_LOADED, fp_loaded);
CHECK_OFFSET(FP_ENSURE, fp_ensure);
CHECK_OFFSET(HOST_RSP, host_rsp);
CHECK_OFFSET(RETURN_SP, return_sp);
CHECK_OFFSET(JUMP_TABLE, jump_table);
CHECK_OFFSET(JUMP_STUB, jump_stub);
CHECK_OFFSET(HOST_PC, host_pc);
CHECK_OFFSET(WINDOW_BASE, window_base);
CHECK_OFFSET(FP_AREA, fp_area);
CHECK_OFFSET(HOST_FP, host_fp_area);
CHECK_OFFSET(CODE_LINES, code_lines);
CHECK_OFFSET(BESIDE_LEFT, beside_left);
CHECK_OFFSET(BOUNCED, access.bounced);
CHECK_OFFSET(CODE_TAG_SUPERVISOR, tlb[MMU_SUPERVISOR].code_tag);
CHECK_OFFSET(ADDEND_SUPERVISOR, tlb[MMU_SUPERVISOR].addend);
CHECK_OFFSET(CODE_TAG_USER, tlb[MMU_USER].code_tag);
CHECK_OFFSET(ADDEND_USER, tlb[MMU_USER].addend);
static_assert(STUB_CODE_LINE_BITS == CODE_LINE_BITS, "stubs-offsets.h: code lines");
static_assert(STUB_BIAS == VCPU_BIAS, "stubs-offsets.h: bias");
static_assert(VCPU_BIAS % 32 == GUEST_PAGE_BITS, "R15 is the shift count of the TLB probe");
static_assert(STUB_FLAGS_ARITH == FLAGS_ARITH, "stubs-offsets.h: flags");
static_assert(1u << STUB_FLAG_OF_SHIFT == FLAG_OF, "stubs-offsets.h: OF");
static_assert(STUB_EXIT_CHAIN == EXIT_CHAIN && STUB_EXIT_LOOKUP == EXIT_LOOKUP &&
                  STUB_EXIT_POLL == EXIT_POLL && STUB_EXIT_FAULT == EXIT_FAULT,
              "stubs-offsets.h: exit reasons");
static_assert(_Alignof(VCpu) % 32 == 0, "the probe's shift count needs an aligned VCpu");
static_assert(VCPU_TEMPS == 8, "temp_slot masks the slot number");
static_assert(TLB_INDEX_BITS == 16, "the TLB probe indexes by MOVZX of a word");
static_assert(sizeof(JumpTableEntry) == 4, "stubs.S, lower-exit.c: R8 * 4");
static_assert(MMU_MAX_ACCESS <= MEM_DESC_SIZE, "descriptor holds the size");

/* Called by translated code (stubs.S) on a TLB miss; all guest state is in the VCpu. */
void *codegen_mem_begin(VCpu *vcpu, gva_t gva, uint32_t descriptor)
{
    bool read = descriptor & MEM_DESC_READ, write = descriptor & MEM_DESC_WRITE;
    int mode = descriptor & MEM_DESC_USER ? MMU_USER : MMU_SUPERVISOR;
    unsigned size = descriptor & MEM_DESC_SIZE;
    Fault fault = {.vector = 13, .has_error = true}; /* #GP(0) */
    vcpu->mmu.self_modified = false;
    if (!(descriptor & MEM_DESC_ALIGNED) || !(gva & (size - 1))) {
        void *host = access_begin(&vcpu->mmu, &vcpu->access, gva, size, read, write, mode, &fault);
        if (host)
            return host;
    }
    vcpu->pc = vcpu->pc_of_host(vcpu, vcpu->host_pc, &vcpu->gpr[IR_STACK_REG]);
    if ((descriptor & MEM_DESC_WAITS) && vcpu_x87_pending(vcpu))
        fault = (Fault){.vector = 16}; /* #MF */
    else if (vcpu->mmu.self_modified)
        vcpu_exit(vcpu, EXIT_SMC);
    vcpu_exit_fault(vcpu, fault);
}

void codegen_mem_commit(VCpu *vcpu)
{
    access_commit(&vcpu->mmu, &vcpu->access);
}

/* Body of every native thunk: run its code, and let a guest fault leave as from a helper. */
void codegen_run_native(VCpu *vcpu, const void *code, void *mem)
{
    void *return_sp = vcpu->return_sp; /* the exit takes what the thunk has for one */
    const ExitReason reason = codegen_enter_with(vcpu, code, mem);
    vcpu->return_sp = return_sp;
    if (reason == EXIT_FAULT)
        vcpu->leave(vcpu, EXIT_FAULT);
}

/* A thunk that runs now has its return address on top. */
static bool is_thunk_on_top(const VCpu *vcpu)
{
    return vcpu->host_pc && *(ReturnEntry *)vcpu->return_sp == vcpu->host_pc;
}

void codegen_forget_returns(VCpu *vcpu)
{
    ReturnEntry *top = &vcpu->returns[RETURN_ENTRIES];
    if (is_thunk_on_top(vcpu))
        *--top = vcpu->host_pc;
    vcpu->return_sp = top;
}

void codegen_forget_returns_to(VCpu *vcpu, const uint8_t *code, size_t size)
{
    ReturnEntry *end = &vcpu->returns[RETURN_ENTRIES];
    for (ReturnEntry *entry = (ReturnEntry *)vcpu->return_sp + is_thunk_on_top(vcpu); entry < end; entry++)
        if ((uintptr_t)*entry - (uintptr_t)code <= size)
            *entry = codegen_stub_return_gone;
}

bool codegen_returns_overflowed(VCpu *vcpu, const void *address, uint64_t *rsp)
{
    if ((uintptr_t)address - (uintptr_t)vcpu->return_guard >= sizeof vcpu->return_guard)
        return false;
    *rsp = (uint64_t)(uintptr_t)&vcpu->returns[RETURN_ENTRIES];
    return true;
}

void codegen_init_vcpu(VCpu *vcpu)
{
    vcpu->fp_loaded = 0;
    vcpu->fp_ensure = (void *)(uintptr_t)codegen_stub_fp_load;
    vcpu->thunk_helper = (void *)(uintptr_t)codegen_stub_helper;
    vcpu->thunk_mem_begin = (void *)(uintptr_t)codegen_stub_mem_begin;
    vcpu->thunk_mem_store[MMU_SUPERVISOR] = (void *)(uintptr_t)codegen_stub_store_supervisor;
    vcpu->thunk_mem_store[MMU_USER] = (void *)(uintptr_t)codegen_stub_store_user;
    vcpu->thunk_mem_commit = (void *)(uintptr_t)codegen_stub_mem_commit;
    vcpu->thunk_exit_chain = (void *)(uintptr_t)codegen_stub_exit_chain;
    vcpu->thunk_exit_lookup = (void *)(uintptr_t)codegen_stub_exit_lookup;
    vcpu->thunk_exit_reason = (void *)(uintptr_t)codegen_stub_exit_reason;
    vcpu->thunk_return_miss = (void *)(uintptr_t)codegen_stub_return_miss;
    vcpu->leave = codegen_stub_leave;
    vcpu->returns[RETURN_ENTRIES] = codegen_stub_return_none;
    vcpu->return_sp = &vcpu->returns[RETURN_ENTRIES];
}
