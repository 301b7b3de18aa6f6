/* SPDX-License-Identifier: MIT */
#include "tests/unit/codegen-fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static __thread Fixture *current; /* for the signal handler */

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, (uint8_t *)opaque + offset, size);
    return value;
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    memcpy((uint8_t *)opaque + offset, &value, size);
}

static const RegionOps mmio_ops = {mmio_read, mmio_write, 1, 8};

static uint64_t helper_sum(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    vcpu->gpr[3] = (uint32_t)(vcpu->gpr[3] + 1);
    return a + 3 * b + 5 * c;
}

static uint64_t helper_new_flags(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t old = vcpu->flags;
    vcpu->flags = (uint32_t)a;
    return old;
}

static uint64_t helper_raise(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    vcpu->gpr[0] = 77;
    vcpu_exit_fault(vcpu, (Fault){.vector = (uint8_t)a, .error_code = (uint32_t)b});
}

/* Uses the host's FP registers thoroughly. */
static uint64_t helper_fp(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    volatile long double x = (long double)a;
    volatile double y = 0.5;
    x = x / 3 + (long double)y;
    return (uint64_t)(x * 1000);
}

static uint64_t helper_forget(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    codegen_forget_returns(vcpu);
    return 0;
}

static const HelperInfo helpers[HELPER_COUNT] = {
    [HELPER_SUM] = {"sum", helper_sum, 3, HELPER_NO_FLAGS},
    [HELPER_NEW_FLAGS] = {"new_flags", helper_new_flags, 1, 0},
    [HELPER_RAISE] = {"raise", helper_raise, 2, HELPER_FAULTS},
    [HELPER_FORGET] = {"forget", helper_forget, 0, HELPER_NO_FLAGS},
    [HELPER_FP] = {"fp", helper_fp, 1, HELPER_NO_FLAGS},
};

/* Offsets from 0x18000 up fault; the write bit and size show in the error code. */
static uint64_t seg_check(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    if (b >= 0x18000)
        vcpu_exit_fault(vcpu, (Fault){.vector = 13, .error_code = (uint32_t)a, .address = b});
    return (uint32_t)(vcpu->seg_base[a & 7] + b);
}

static const GuestOps guest = {
    .seg_check = seg_check, .helpers = helpers, .helper_count = HELPER_COUNT, .gprs = 8};

#define JUMPS_SIZE (2 * JUMP_TABLE_ENTRIES * sizeof(JumpTableEntry))

static uint64_t pc_of_host(VCpu *vcpu, const void *host_pc, uint64_t *sp)
{
    uint32_t offset = (uint32_t)((const uint8_t *)host_pc - current->out.exec);
    CodegenPcEntry found = {0};
    for (unsigned i = 0; i < current->out.pcmap->len; i++) {
        CodegenPcEntry e = g_array_index(current->out.pcmap, CodegenPcEntry, i);
        if (e.host_offset <= offset)
            found = e;
    }
    if (sp)
        *sp = codegen_stack_pointer(found, *sp);
    return current->ir.pc + found.pc_offset;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *rip = (const uint8_t *)regs[REG_RIP];
    uintptr_t poll = (uintptr_t)info->si_addr - (uintptr_t)current->vcpu->poll_page;
    if (rip < current->code || rip >= current->code + FIXTURE_CODE) {
        signal(sig, SIG_DFL);
        return;
    }
    if (codegen_returns_overflowed(current->vcpu, info->si_addr, (uint64_t *)&regs[REG_RSP])) {
        current->overflows++;
        return;
    }
    if (rip < current->code + FIXTURE_THUNKS) {
        uint64_t sp = (uint64_t)regs[REG_R12];
        current->vcpu->pc = pc_of_host(current->vcpu, rip, &sp);
        regs[REG_R12] = (greg_t)sp;
    }
    current->vcpu->fault =
        (Fault){.vector = (uint8_t)regs[REG_TRAPNO],
                .error_code = sig == SIGSEGV ? (uint32_t)regs[REG_ERR] & WALK_PF_WR : 0};
    regs[REG_RIP] = sig == SIGSEGV && poll < 4096 ? (greg_t)(uintptr_t)codegen_stub_poll_exit
                                                  : (greg_t)(uintptr_t)codegen_stub_fault_exit;
}

/* Within reach of the vCPU. */
static void map_code(Fixture *f)
{
    uint8_t *near = (uint8_t *)f->vcpu - (1 << 20);
    uint8_t *p = mmap(near, FIXTURE_CODE + CODEGEN_JUMP_STUB, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    codegen_emit_jump_stub(p);
    f->code = p + CODEGEN_JUMP_STUB;
}

static void unmap_code(Fixture *f)
{
    munmap(f->code - CODEGEN_JUMP_STUB, FIXTURE_CODE + CODEGEN_JUMP_STUB);
}

static void init_vcpu(Fixture *f)
{
    map_code(f);
    codegen_init_vcpu(f->vcpu);
    f->vcpu->pc_of_host = pc_of_host;
    f->vcpu->jump_table = f->jumps;
    f->vcpu->jump_stub = f->code - CODEGEN_JUMP_STUB;
    f->options.jump_stub = (int32_t)(f->vcpu->jump_stub - (const uint8_t *)f->vcpu);
    cr_assert_eq(f->vcpu->jump_stub, (const uint8_t *)f->vcpu + f->options.jump_stub);
}

void fixture_init(Fixture *f)
{
    GError *error = NULL;
    memset(f, 0, sizeof *f);
    current = f;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = g_malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    f->vcpu = mmap(NULL, sizeof(VCpu), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    f->jumps = mmap(NULL, JUMPS_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(f->vcpu != MAP_FAILED && f->jumps != MAP_FAILED);
    f->ram_owner = ram_new(FIXTURE_RAM, &error);
    cr_assert_not_null(f->ram_owner);
    f->as = address_space_new(f->ram_owner);
    ram_off_t offset = ram_alloc(f->ram_owner, "ram", FIXTURE_RAM);
    address_space_add_ram(f->as, "ram", 0, FIXTURE_RAM, 0, offset);
    address_space_add_mmio(f->as, "mmio", FIXTURE_MMIO, sizeof f->mmio, 0, &mmio_ops, f->mmio);
    f->ram = ram_hva(f->ram_owner, offset);
    mmu_init(&f->vcpu->mmu, f->as, f->vcpu->tlb);
    f->vcpu->mmu.paging.phys_bits = 36;
    f->vcpu->guest = &guest;
    init_vcpu(f);
    f->vcpu->fp_area[0] = 0x7f; /* FCW 037f, MXCSR 1f80: all masked */
    f->vcpu->fp_area[1] = 0x03;
    f->vcpu->fp_area[24] = 0x80;
    f->vcpu->fp_area[25] = 0x1f;
    ir_block_init(&f->ir, helpers, HELPER_COUNT);
    f->options.poll = f->options.stack_runs = true;
    f->out.pcmap = g_array_new(FALSE, FALSE, sizeof(CodegenPcEntry));
}

void fixture_use_vcpu(Fixture *f, VCpu *vcpu)
{
    mmu_destroy(&f->vcpu->mmu);
    munmap(f->vcpu, sizeof(VCpu));
    unmap_code(f);
    f->vcpu = vcpu;
    init_vcpu(f);
}

void fixture_destroy(Fixture *f)
{
    mmu_destroy(&f->vcpu->mmu);
    address_space_free(f->as);
    ram_free(f->ram_owner);
    ir_block_destroy(&f->ir);
    g_array_free(f->out.pcmap, TRUE);
    munmap(f->vcpu, sizeof(VCpu));
    unmap_code(f);
    munmap(f->jumps, JUMPS_SIZE);
}

void fixture_begin(Fixture *f)
{
    ir_block_reset(&f->ir, FIXTURE_PC);
    IrInsn *mark = ir_append(&f->ir, IR_INSN, 0);
    mark->imm = FIXTURE_PC;
    mark->aux = 4;
}

IrInsn *fixture_op(Fixture *f, IrOp op, unsigned width, IrOpd d, IrOpd a)
{
    IrInsn *insn = ir_append(&f->ir, op, width);
    insn->d = d;
    insn->a = a;
    return insn;
}

IrInsn *fixture_exit(Fixture *f, uint64_t pc)
{
    f->ir.next_pc = pc;
    IrInsn *insn = ir_append(&f->ir, IR_EXIT, 4);
    insn->imm = (int64_t)pc;
    return insn;
}

void fixture_generate(Fixture *f, unsigned at)
{
    GString *why = g_string_new(NULL);
    cr_assert(ir_verify(&f->ir, why), "%s", why->str);
    g_string_free(why, TRUE);
    f->out.code = f->code + at;
    f->out.exec = f->code + at;
    f->out.capacity = FIXTURE_CODE - at;
    cr_assert(codegen_block(&f->ir, &f->options, &f->out));
}

ExitReason fixture_run(Fixture *f)
{
    return codegen_enter(f->vcpu, f->out.exec);
}

void fixture_add_jump(Fixture *f, uint64_t pc, const uint8_t *code)
{
    f->jumps[pc] = (uint32_t)(code - f->vcpu->jump_stub);
}
