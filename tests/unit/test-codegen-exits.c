/* SPDX-License-Identifier: MIT
 * How blocks are left and entered, and what survives it: chaining, jump table, helpers, faults,
 * polls, floating point state. */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/codegen-fixture.h"

enum { SECOND = 0x4000 /* offset of a second block's code */, PAGE_END = 0x6000 };

/* A fixture per test; registers 0x1000 * n, odd flags. */
static Fixture fixture;

static void setup(void)
{
    fixture_init(&fixture);
    for (unsigned i = 0; i < 8; i++)
        fixture.vcpu->gpr[i] = 0x1000 * i;
    fixture.vcpu->flags = FLAG_CF | FLAG_OF | FLAG_PF;
    fixture.options.chain = true;
    fixture.options.page_pc = FIXTURE_PC;
    fixture.options.page_end = PAGE_END;
}

static void teardown(void)
{
    fixture_destroy(&fixture);
}

TestSuite(codegen_exits, .init = setup, .fini = teardown);

static void check_state(void)
{
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(fixture.vcpu->gpr[i], 0x1000 * i, "r%u %lx", i, fixture.vcpu->gpr[i]);
    cr_assert_eq(fixture.vcpu->flags, FLAG_CF | FLAG_OF | FLAG_PF, "%x", fixture.vcpu->flags);
}

/* A block at SECOND that leaves with EXIT_HALT at pc. */
static const uint8_t *second_block(uint64_t pc)
{
    fixture_begin(&fixture);
    IrInsn *insn = ir_append(&fixture.ir, IR_EXIT_REASON, 4);
    insn->aux = EXIT_HALT;
    insn->imm = (int64_t)pc;
    fixture_generate(&fixture, SECOND);
    return fixture.code + SECOND;
}

static ExitReason run_first(void)
{
    return codegen_enter(fixture.vcpu, fixture.code);
}

Test(codegen_exits, chains_inside_the_page_and_back)
{
    fixture_begin(&fixture);
    fixture_exit(&fixture, FIXTURE_PC + 0x10);
    fixture_generate(&fixture, 0);
    CodegenExit exit = fixture.out.exits[0];
    cr_assert_eq(fixture.out.exit_count, 1);
    cr_assert_eq(exit.target_pc, FIXTURE_PC + 0x10);
    cr_assert_eq(run_first(), EXIT_CHAIN);
    cr_assert_eq((const uint8_t *)fixture.vcpu->host_pc,
                 fixture.out.exec + fixture.out.exits[0].stub_offset + CODEGEN_EXIT_STUB);
    check_state();
    const uint8_t *target = second_block(0x5020);
    uint8_t *jump = fixture.code + exit.jump_offset;
    codegen_patch_jump(jump, jump, target);
    cr_assert_eq(run_first(), EXIT_HALT);
    cr_assert_eq(fixture.vcpu->pc, 0x5020);
    codegen_patch_jump(jump, jump, fixture.code + exit.stub_offset);
    cr_assert_eq(run_first(), EXIT_CHAIN);
    check_state();
}

static bool condition(unsigned cond, uint32_t f)
{
    bool cf = f & FLAG_CF, zf = f & FLAG_ZF, sf = f & FLAG_SF, of = f & FLAG_OF, pf = f & FLAG_PF;
    const bool even[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};
    return even[cond >> 1] != (cond & 1);
}

Test(codegen_exits, conditions)
{
    static const uint32_t bits[] = {FLAG_CF, FLAG_PF, FLAG_ZF, FLAG_SF, FLAG_OF};
    for (unsigned cond = 0; cond < 32; cond++) {
        uint64_t target = cond & 16 ? 0x9000 : FIXTURE_PC + 0x10;
        fixture_begin(&fixture);
        IrInsn *insn = ir_append(&fixture.ir, IR_EXIT_CC, 4);
        insn->cond = cond & 15;
        insn->imm = (int64_t)target;
        fixture_exit(&fixture, 0x8000);
        fixture_generate(&fixture, 0);
        for (unsigned set = 0; set < 32; set++) {
            uint32_t flags = 0;
            for (unsigned k = 0; k < 5; k++)
                flags |= set >> k & 1 ? bits[k] : 0;
            fixture.vcpu->flags = flags;
            ExitReason reason = run_first();
            bool taken = condition(cond & 15, flags);
            bool chained = taken && !(cond & 16);
            cr_assert_eq(chained || fixture.vcpu->pc == (taken ? target : 0x8000), true);
            cr_assert_eq(reason, chained ? EXIT_CHAIN : EXIT_LOOKUP);
            cr_assert_eq(fixture.vcpu->flags, flags);
        }
    }
}

static void check_zero(IrOp op, IrOpd opd, unsigned width, uint64_t value, bool taken)
{
    for (unsigned chain = 0; chain < 2; chain++) {
        fixture_begin(&fixture);
        fixture.options.chain = chain;
        fixture_op(&fixture, IR_LDSTATE, 8, ir_temp(0), ir_none())->imm =
            (int64_t)offsetof(VCpu, gpr[8]);
        fixture_op(&fixture, op, width, opd, ir_none())->imm = FIXTURE_PC + 0x10;
        fixture.ir.temps = 1;
        fixture_exit(&fixture, 0x8000);
        fixture_generate(&fixture, 0);
        unsigned n = opd.kind == IR_TEMP ? 8 : opd.n;
        uint64_t old = fixture.vcpu->gpr[n];
        fixture.vcpu->gpr[n] = value;
        run_first();
        cr_assert_eq(fixture.vcpu->pc, taken ? FIXTURE_PC + 0x10 : 0x8000);
        cr_assert_eq(fixture.vcpu->gpr[n], value);
        fixture.vcpu->gpr[n] = old;
        check_state();
    }
}

Test(codegen_exits, zero_and_nonzero)
{
    const IrOpd opds[] = {ir_reg(1), ir_reg(2), ir_reg(4), ir_temp(0)};
    for (unsigned i = 0; i < G_N_ELEMENTS(opds); i++) {
        check_zero(IR_EXIT_ZERO, opds[i], 4, 0, true);
        check_zero(IR_EXIT_ZERO, opds[i], 4, 0x10000, false);
        check_zero(IR_EXIT_ZERO, opds[i], 2, 0x10000, true);
        check_zero(IR_EXIT_NONZERO, opds[i], 4, 0, false);
        check_zero(IR_EXIT_NONZERO, opds[i], 4, 0x80000000, true);
        check_zero(IR_EXIT_NONZERO, opds[i], 2, 0x80000000, false);
    }
}

/* The block at offset 0 goes to pc by way of the jump table. */
static void check_jump(uint64_t pc)
{
    cr_assert_eq(run_first(), EXIT_LOOKUP);
    cr_assert_eq(fixture.vcpu->pc, pc);
    fixture_add_jump(&fixture, pc, second_block(0x1234));
    cr_assert_eq(run_first(), EXIT_HALT);
    cr_assert_eq(fixture.vcpu->pc, 0x1234);
    fixture.vcpu->jump_table += JUMP_TABLE_ENTRIES; /* another mode's */
    cr_assert_eq(run_first(), EXIT_LOOKUP);
    cr_assert_eq(fixture.vcpu->pc, pc);
}

/* Behind the poll: jumps to a higher pc, no others, and no calls. */
Test(codegen_exits, forward_jumps)
{
    fixture.options.chain = true;
    fixture.options.page_pc = FIXTURE_PC;
    fixture.options.page_end = FIXTURE_PC + 0x1000;
    fixture_begin(&fixture);
    IrInsn *back = ir_append(&fixture.ir, IR_EXIT_CC, 4), *on = ir_append(&fixture.ir, IR_EXIT_CC, 4);
    back->cond = on->cond = 2;
    back->imm = FIXTURE_PC;
    on->imm = FIXTURE_PC + 1;
    IrInsn *call = ir_append(&fixture.ir, IR_EXIT_CALL, 0);
    call->imm = FIXTURE_PC + 0x100;
    call->imm2 = FIXTURE_PC + 4;
    fixture_exit(&fixture, FIXTURE_PC + 0x10);
    fixture_generate(&fixture, 0);
    const bool forward[] = {false, true, false, true};
    cr_assert_eq(fixture.out.exit_count, G_N_ELEMENTS(forward));
    for (unsigned i = 0; i < G_N_ELEMENTS(forward); i++)
        cr_assert_eq(fixture.out.exits[i].forward, forward[i], "exit %u", i);
}

Test(codegen_exits, jump_table_from_a_direct_exit)
{
    fixture_begin(&fixture);
    fixture_exit(&fixture, 0xc0109abc);
    fixture_generate(&fixture, 0);
    check_jump(0xc0109abc);
    check_state();
}

Test(codegen_exits, jump_table_from_a_conditional_exit)
{
    fixture_begin(&fixture);
    IrInsn *insn = ir_append(&fixture.ir, IR_EXIT_CC, 4);
    insn->cond = 2; /* CF */
    insn->imm = 0x7000;
    fixture_exit(&fixture, FIXTURE_PC);
    fixture_generate(&fixture, 0);
    check_jump(0x7000);
    check_state();
}

Test(codegen_exits, jump_table_from_an_indirect_exit)
{
    fixture_begin(&fixture);
    fixture_op(&fixture, IR_EXIT_INDIRECT, 4, ir_none(), ir_reg(1));
    fixture_generate(&fixture, 0);
    fixture.vcpu->gpr[1] = 0xfffff0f0;
    check_jump(0xfffff0f0);
    fixture.vcpu->gpr[1] = 0x1000;
    check_state();
}

Test(codegen_exits, solo_blocks_always_return)
{
    fixture.options.chain = false;
    fixture_begin(&fixture);
    fixture_op(&fixture, IR_EXIT_INDIRECT, 4, ir_none(), ir_reg(1));
    fixture_generate(&fixture, 0);
    fixture_add_jump(&fixture, 0x1000, second_block(0x1234));
    cr_assert_eq(run_first(), EXIT_LOOKUP);
    cr_assert_eq(fixture.vcpu->pc, 0x1000);
}

Test(codegen_exits, exit_pc_keeps_pc)
{
    fixture_begin(&fixture);
    ir_append(&fixture.ir, IR_EXIT_PC, 4);
    fixture_generate(&fixture, 0);
    fixture.vcpu->pc = 0x4711;
    cr_assert_eq(run_first(), EXIT_LOOKUP);
    cr_assert_eq(fixture.vcpu->pc, 0x4711);
}

Test(codegen_exits, poll_page_breaks_out)
{
    fixture_begin(&fixture);
    fixture_op(&fixture, IR_NOT, 4, ir_reg(0), ir_none());
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    mprotect(fixture.vcpu->poll_page, 4096, PROT_NONE);
    cr_assert_eq(run_first(), EXIT_POLL);
    cr_assert_eq(fixture.vcpu->pc, FIXTURE_PC);
    check_state();
}

Test(codegen_exits, helper_gets_arguments_and_gives_a_result)
{
    fixture_begin(&fixture);
    IrInsn *call = fixture_op(&fixture, IR_CALL, 4, ir_temp(0), ir_none());
    call->aux = HELPER_SUM;
    call->args[0] = ir_reg(4);
    call->args[1] = ir_reg(2);
    call->args[2] = ir_imm();
    call->imm3 = -2;
    fixture_op(&fixture, IR_STSTATE, 8, ir_none(), ir_temp(0))->imm =
        (int64_t)offsetof(VCpu, gpr[8]);
    fixture.ir.temps = 1;
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    cr_assert_eq(run_first(), EXIT_LOOKUP);
    cr_assert_eq(fixture.vcpu->gpr[8], 0x4000 + 3 * 0x2000 - 10);
    cr_assert_eq(fixture.vcpu->gpr[3], 0x3001);
    fixture.vcpu->gpr[3] = 0x3000;
    check_state();
}

Test(codegen_exits, helper_changes_flags)
{
    for (unsigned of = 0; of < 2; of++) {
        uint32_t flags = FLAG_SF | FLAG_AF | (of ? FLAG_OF : 0);
        fixture_begin(&fixture);
        IrInsn *call = fixture_op(&fixture, IR_CALL, 4, ir_reg(5), ir_none());
        call->aux = HELPER_NEW_FLAGS;
        call->args[0] = ir_imm();
        call->imm = flags;
        fixture_exit(&fixture, 0x8000);
        fixture_generate(&fixture, 0);
        fixture.vcpu->flags = FLAG_ZF;
        run_first();
        cr_assert_eq(fixture.vcpu->flags, flags);
        cr_assert_eq(fixture.vcpu->gpr[5], FLAG_ZF);
    }
}

Test(codegen_exits, helper_raises)
{
    fixture_begin(&fixture);
    ir_append(&fixture.ir, IR_INSN, 0)->imm = FIXTURE_PC + 3;
    IrInsn *call = fixture_op(&fixture, IR_CALL, 4, ir_none(), ir_none());
    call->aux = HELPER_RAISE;
    call->args[0] = ir_imm();
    call->imm = 13;
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    cr_assert_eq(run_first(), EXIT_FAULT);
    cr_assert_eq(fixture.vcpu->fault.vector, 13);
    cr_assert_eq(fixture.vcpu->pc, FIXTURE_PC + 3);
    cr_assert_eq(fixture.vcpu->gpr[0], 77);
    fixture.vcpu->gpr[0] = 0;
    check_state();
}

static IrInsn *memory_op(IrOp op, unsigned width, IrOpd d, IrOpd a, uint32_t address)
{
    IrInsn *insn = fixture_op(&fixture, op, width, d, a);
    insn->mem = (IrMem){.seg = SEG_NONE, .scale = 1, .addr_width = 4, .disp = (int32_t)address};
    return insn;
}

Test(codegen_exits, page_fault_in_a_store)
{
    fixture_begin(&fixture);
    ir_append(&fixture.ir, IR_INSN, 0)->imm = FIXTURE_PC + 1;
    memory_op(IR_ADD, 4, ir_mem(), ir_reg(3), 0xb0001002);
    ir_append(&fixture.ir, IR_INSN, 0)->imm = FIXTURE_PC + 7;
    fixture_op(&fixture, IR_NOT, 4, ir_reg(3), ir_none());
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    fixture.vcpu->mmu.paging.cr0 = WALK_CR0_PG; /* an empty page directory at 0 */
    cr_assert_eq(run_first(), EXIT_FAULT);
    cr_assert_eq(fixture.vcpu->fault.vector, 14);
    cr_assert_eq(fixture.vcpu->fault.error_code, WALK_PF_WR);
    cr_assert_eq(fixture.vcpu->fault.address, 0xb0001002);
    cr_assert_eq(fixture.vcpu->pc, FIXTURE_PC + 1);
    check_state();
}

static bool refuse_code_write(void *opaque, ram_off_t offset, uint64_t size)
{
    cr_assert_eq(fixture.vcpu->pc_of_host(fixture.vcpu, fixture.vcpu->host_pc, NULL), FIXTURE_PC);
    return false;
}

Test(codegen_exits, self_modification_leaves_before_the_store)
{
    fixture_begin(&fixture);
    memory_op(IR_MOV, 4, ir_mem(), ir_reg(3), 0x5002);
    ir_append(&fixture.ir, IR_INSN, 0)->imm = FIXTURE_PC + 4;
    fixture_op(&fixture, IR_NOT, 4, ir_reg(3), ir_none());
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    address_space_code_pages(fixture.as)[5] = 1;
    fixture.vcpu->mmu.code_write = refuse_code_write;
    cr_assert_eq(run_first(), EXIT_SMC);
    cr_assert_eq(fixture.vcpu->pc, FIXTURE_PC);
    check_state();
}

static const IrNative sse_add = {
    .map = 1, .opcode = 0x58, .prefix = 0xf2, .modrm = true, .mem_read = true, .fpu = true};
static const IrNative sse_store = {
    .map = 1, .opcode = 0x11, .prefix = 0xf2, .modrm = true, .mem_write = true, .fpu = true};
static const IrNative x87_load = {
    .opcode = 0xdd, .modrm = true, .mem_read = true, .fpu = true, .x87 = true};
static const IrNative x87_store = {
    .opcode = 0xdd, .modrm = true, .mem_write = true, .fpu = true, .x87 = true};
static const IrNative sse_div = {
    .map = 1, .opcode = 0x5e, .prefix = 0xf2, .modrm = true, .mem_read = true, .fpu = true};
static const IrNative popcnt = {.map = 1, .opcode = 0xb8, .prefix = 0xf3, .modrm = true};

static IrInsn *native_memory(IrNative native, unsigned reg, uint32_t address)
{
    IrInsn *insn = memory_op(IR_NATIVE, 4, (IrOpd){IR_NREG, (uint8_t)reg}, ir_mem(), address);
    insn->native = native;
    insn->mem.size = 8;
    return insn;
}

static void call_fp_helper(void)
{
    IrInsn *call = fixture_op(&fixture, IR_CALL, 4, ir_none(), ir_none());
    call->aux = HELPER_FP;
    call->args[0] = ir_reg(3);
}

static void check_sums(void)
{
    double sum, copy;
    memcpy(&sum, fixture.ram + 0x2000, 8);
    memcpy(&copy, fixture.ram + 0x2008, 8);
    cr_assert_eq(sum, 3.5);
    cr_assert_eq(copy, 2.25);
}

/* XMM1 += 1.5; XMM1 += 2.0 and an x87 value loaded before and stored after a helper that uses the
 * host's FP registers. Cold and hot. */
Test(codegen_exits, fp_state_survives_helpers_and_slow_accesses)
{
    const double values[] = {1.5, 2.0, 2.25};
    fixture_begin(&fixture);
    native_memory(sse_add, 1, 0x1000);
    native_memory(x87_load, 0, 0x1010);
    memory_op(IR_MOV, 4, ir_reg(6), ir_mem(), FIXTURE_MMIO);
    native_memory(sse_add, 1, 0x1008);
    call_fp_helper();
    native_memory(sse_store, 1, 0x2000);
    memory_op(IR_MOV, 4, ir_mem(), ir_reg(7), FIXTURE_MMIO);
    native_memory(x87_store, 3, 0x2008);
    fixture_op(&fixture, IR_MOV, 4, ir_reg(6), ir_imm())->imm = 0x6000;
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    for (unsigned round = 0; round < 3; round++) {
        memcpy(fixture.ram + 0x1000, values, sizeof values);
        memset(fixture.vcpu->fp_area + 160, 0, 256); /* XMM registers */
        cr_assert_eq(run_first(), EXIT_LOOKUP);
        cr_assert_eq(fixture.vcpu->fp_loaded, 0);
        check_sums();
        check_state();
        memset(fixture.ram + 0x2000, 0, 16);
    }
}

Test(codegen_exits, host_control_words_come_back)
{
    uint32_t before, after;
    uint16_t cw_before, cw_after;
    asm volatile("stmxcsr %0; fnstcw %1" : "=m"(before), "=m"(cw_before));
    fixture.vcpu->fp_area[1] = 0x00;  /* guest: single precision, rounds up, no masks */
    fixture.vcpu->fp_area[25] = 0x3f;
    fixture_begin(&fixture);
    native_memory(sse_add, 1, 0x1000);
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    run_first();
    asm volatile("stmxcsr %0; fnstcw %1" : "=m"(after), "=m"(cw_after));
    cr_assert_eq(before, after);
    cr_assert_eq(cw_before, cw_after);
    cr_assert_eq(fixture.vcpu->fp_area[25], 0x3f);
}

Test(codegen_exits, divide_error)
{
    fixture_begin(&fixture);
    ir_append(&fixture.ir, IR_INSN, 0)->imm = FIXTURE_PC + 1;
    memory_op(IR_DIV, 4, ir_none(), ir_mem(), 0x3000);
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    for (unsigned warm = 0; warm < 2; warm++) {
        cr_assert_eq(run_first(), EXIT_FAULT);
        cr_assert_eq(fixture.vcpu->pc, FIXTURE_PC + 1);
        cr_assert_eq(fixture.vcpu->fault.vector, 0);
        check_state();
    }
}

typedef void (*NativeThunk)(VCpu *vcpu, void *mem);

Test(codegen_exits, native_thunk)
{
    double value = 4.5;
    fixture_begin(&fixture);
    IrInsn *add = native_memory(sse_add, 2, 0);
    cr_assert_eq(codegen_native_thunk(add, fixture.code, 10), 0);
    cr_assert_gt(codegen_native_thunk(add, fixture.code, 512), 0);
    ((NativeThunk)(uintptr_t)fixture.code)(fixture.vcpu, &value);
    memcpy(&value, fixture.vcpu->fp_area + 160 + 32, 8);
    cr_assert_eq(value, 4.5);
    check_state();
    for (unsigned size = 2; size <= 4; size += 2) {
        IrInsn *count = fixture_op(&fixture, IR_NATIVE, size, ir_reg(4), ir_reg(6));
        count->native = popcnt;
        count->src_width = (uint8_t)size;
        codegen_native_thunk(count, fixture.code, 512);
        fixture.vcpu->gpr[4] = 0x55550000;
        fixture.vcpu->gpr[6] = 0x00ff0003;
        ((NativeThunk)(uintptr_t)fixture.code)(fixture.vcpu, NULL);
        cr_assert_eq(fixture.vcpu->gpr[4], size == 2 ? 0x55550002 : 10);
        cr_assert_eq(fixture.vcpu->flags & FLAG_ZF, 0);
    }
}

static jmp_buf left;
__attribute__((noreturn)) static void leave_test(VCpu *vcpu, ExitReason reason)
{
    longjmp(left, (int)reason + 1);
}

Test(codegen_exits, native_thunk_faults)
{
    double zero = 0;
    fixture_begin(&fixture);
    codegen_native_thunk(native_memory(sse_div, 0, 0), fixture.code, 512);
    fixture.vcpu->fp_area[25] = 0x1d; /* divide by zero is not masked */
    double one = 1;
    memcpy(fixture.vcpu->fp_area + 160, &one, 8);
    fixture.vcpu->leave = leave_test;
    int reason = setjmp(left);
    if (!reason) {
        ((NativeThunk)(uintptr_t)fixture.code)(fixture.vcpu, &zero);
        cr_assert_fail("no fault");
    }
    cr_assert_eq(reason - 1, EXIT_FAULT);
    cr_assert_eq(fixture.vcpu->fault.vector, 19);
    cr_assert_eq(fixture.vcpu->host_rsp, NULL);
    check_state();
}

Test(codegen_exits, refuses_what_does_not_fit)
{
    fixture_begin(&fixture);
    for (unsigned i = 0; i < 20; i++)
        memory_op(IR_ADD, 4, ir_mem(), ir_reg(3), 0x1000 * i);
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    size_t size = fixture.out.size;
    for (size_t capacity = 0; capacity < size; capacity += 7) {
        memset(fixture.code, 0xcc, FIXTURE_CODE);
        fixture.out.capacity = capacity;
        cr_assert_not(codegen_block(&fixture.ir, &fixture.options, &fixture.out));
        cr_assert_eq(fixture.out.pcmap->len, 0);
        for (size_t i = capacity; i < capacity + 512; i++)
            cr_assert_eq(fixture.code[i], 0xcc);
    }
}

Test(codegen_exits, pc_map_ascends)
{
    fixture_begin(&fixture);
    for (unsigned i = 0; i < 20; i++) {
        ir_append(&fixture.ir, IR_INSN, 0)->imm = FIXTURE_PC + i;
        memory_op(IR_ADD, 4, ir_mem(), ir_reg(3), 0x1000 * i);
    }
    fixture_exit(&fixture, 0x8000);
    fixture_generate(&fixture, 0);
    uint32_t last = 0;
    cr_assert_geq(fixture.out.pcmap->len, 40);
    for (unsigned i = 0; i < fixture.out.pcmap->len; i++) {
        CodegenPcEntry e = g_array_index(fixture.out.pcmap, CodegenPcEntry, i);
        cr_assert(i == 0 || e.host_offset > last);
        last = e.host_offset;
    }
}

/* The pc is loaded where the exit wants it, with moves of the stack pointer between that may want the same
 * register. */
Test(codegen_exits, pc_from_memory)
{
    const uint32_t target = 0x1ff0;
    memcpy(fixture.ram + 0x3000, &target, sizeof target);
    for (unsigned way = 0; way < 16; way++) {
        const unsigned move = way & 2 ? 2 : 4, address = way & 4 ? 2 : 4;
        const IrOpd pc = ir_temp(0);
        fixture_begin(&fixture);
        fixture.ir.temps = 1;
        memory_op(IR_MOV, 4, pc, ir_mem(), 0x3000);
        IrInsn *lea = fixture_op(&fixture, IR_LEA, move, ir_reg(way & 8 ? 3 : IR_STACK_REG), ir_none());
        lea->mem = (IrMem){.seg = SEG_NONE, .base = ir_reg(IR_STACK_REG), .scale = 1,
                           .addr_width = (uint8_t)address, .disp = 0x1234};
        fixture_op(&fixture, IR_EXIT_INDIRECT, 4, ir_none(), pc)->aux = way & 1;
        fixture_generate(&fixture, 0);
        cr_assert_eq(run_first(), EXIT_LOOKUP);
        cr_assert_eq(fixture.vcpu->pc, target, "way %u: %lx", way, fixture.vcpu->pc);
    }
}

static bool emits_lock(bool keep)
{
    fixture_begin(&fixture);
    memory_op(IR_ADD, 4, ir_mem(), ir_reg(3), 0x3000)->lock = true;
    fixture_exit(&fixture, 0x1010);
    fixture.options.keep_lock = keep;
    fixture_generate(&fixture, 0);
    const uint8_t *code = fixture.out.code;
    for (unsigned i = 0; i + 2 < fixture.out.size; i++)
        if (code[i] == 0xf0)
            return true;
    return false;
}

/* Nobody else writes memory while the code runs: LOCK means nothing, and costs twenty cycles. */
Test(codegen_exits, lock_is_kept_for_those_who_share_memory)
{
    cr_assert(emits_lock(true));
    cr_assert_not(emits_lock(false));
}
