/* SPDX-License-Identifier: MIT
 * The return stack: a guest's RET comes back behind the CALL whose pc it goes to, and to no other.
 */
#include <criterion/criterion.h>
#include <sys/mman.h>

#include "tests/unit/codegen-fixture.h"

/* Where blocks' code lies, and pcs that calls return to. */
enum { CALLER = 0, OUTER = 0x1000, CALLEE = 0x2000, OTHER = 0x3000 };
enum { RETURN_PC = FIXTURE_PC + 0x20, OUTER_PC = FIXTURE_PC + 0x40, ELSEWHERE = 0x7000 };
/* Guest registers: what a RET goes to, what counts. */
enum { TO = 1, COUNT = 6 };

static Fixture fixture;
static const uint32_t flags = FLAG_CF | FLAG_OF | FLAG_PF;

static void setup(void)
{
    fixture_init(&fixture);
    fixture.vcpu->flags = flags;
    fixture.vcpu->gpr[TO] = RETURN_PC;
    fixture.options.chain = true;
    fixture.options.page_pc = FIXTURE_PC;
    fixture.options.page_end = FIXTURE_PC + 0x1000;
}

static void teardown(void)
{
    fixture_destroy(&fixture);
}

TestSuite(codegen_returns, .init = setup, .fini = teardown);

static void add_to(unsigned reg, int64_t n)
{
    IrInsn *lea = fixture_op(&fixture, IR_LEA, 4, ir_reg(reg), ir_none());
    lea->mem = (IrMem){.seg = SEG_NONE,
                       .base = ir_reg(reg),
                       .index = ir_none(),
                       .scale = 1,
                       .addr_width = 4,
                       .disp = n};
}

static void halt_at(uint64_t pc)
{
    IrInsn *insn = ir_append(&fixture.ir, IR_EXIT_REASON, 0);
    insn->aux = EXIT_HALT;
    insn->imm = (int64_t)pc;
}

static void call_direct(uint64_t pc, uint64_t return_pc)
{
    IrInsn *call = ir_append(&fixture.ir, IR_EXIT_CALL, 0);
    call->imm = (int64_t)pc;
    call->imm2 = (int64_t)return_pc;
}

static void ret(void)
{
    fixture_op(&fixture, IR_EXIT_INDIRECT, 4, ir_none(), ir_reg(TO))->aux = 1;
}

static void make(unsigned at, const uint8_t *chained)
{
    fixture_generate(&fixture, at);
    if (!chained)
        return;
    uint8_t *jump = fixture.code + at + fixture.out.exits[0].jump_offset;
    codegen_patch_jump(jump, jump, chained);
}

/* A block that calls `callee`, and when it comes back counts and halts at `return_pc`. */
static void make_caller(unsigned at, uint64_t return_pc, const uint8_t *callee)
{
    fixture_begin(&fixture);
    call_direct(FIXTURE_PC + 0x100, return_pc);
    add_to(COUNT, 1);
    halt_at(return_pc);
    make(at, callee);
}

static void make_return(void)
{
    fixture_begin(&fixture);
    ret();
    make(CALLEE, NULL);
}

static ExitReason run_at(unsigned at)
{
    return codegen_enter(fixture.vcpu, fixture.code + at);
}

static unsigned depth(void)
{
    const uintptr_t none = (uintptr_t)&fixture.vcpu->returns[RETURN_ENTRIES];
    const uintptr_t used = none - (uintptr_t)fixture.vcpu->return_sp;
    cr_assert_eq(used % sizeof(ReturnEntry), 0);
    return (unsigned)(used / sizeof(ReturnEntry));
}

static void expect(unsigned at, ExitReason reason, uint64_t pc, unsigned counted, unsigned deep)
{
    cr_assert_eq(run_at(at), reason);
    cr_assert_eq(fixture.vcpu->pc, pc, "%lx", fixture.vcpu->pc);
    cr_assert_eq(fixture.vcpu->gpr[COUNT], counted);
    cr_assert_eq(fixture.vcpu->flags, flags);
    cr_assert_eq(fixture.vcpu->gpr[TO] >> 32, 0);
    cr_assert_eq(depth(), deep);
}

/* A block in the jump table for ELSEWHERE, which halts at 1. */
static void make_elsewhere(void)
{
    fixture_begin(&fixture);
    halt_at(1);
    make(OTHER, NULL);
    fixture_add_jump(&fixture, ELSEWHERE, fixture.code + OTHER);
}

Test(codegen_returns, comes_back_behind_the_call)
{
    make_return();
    make_caller(CALLER, RETURN_PC, fixture.code + CALLEE);
    expect(CALLER, EXIT_HALT, RETURN_PC, 1, 0);
    expect(CALLER, EXIT_HALT, RETURN_PC, 2, 0);
}

Test(codegen_returns, comes_back_through_the_loop)
{
    make_return();
    make_caller(CALLER, RETURN_PC, NULL);
    cr_assert_eq(run_at(CALLER), EXIT_CHAIN);
    cr_assert_eq(depth(), 1);
    expect(CALLEE, EXIT_HALT, RETURN_PC, 1, 0);
}

Test(codegen_returns, high_pcs)
{
    fixture.options.page_pc = 0;
    fixture.options.page_end = UINT64_MAX;
    fixture.vcpu->gpr[TO] = 0xc0100005;
    make_return();
    make_caller(CALLER, 0xc0100005, fixture.code + CALLEE);
    expect(CALLER, EXIT_HALT, 0xc0100005, 1, 0);
    fixture.vcpu->gpr[TO] = 0x40100005;
    expect(CALLER, EXIT_LOOKUP, 0x40100005, 1, 0);
}

Test(codegen_returns, to_another_pc)
{
    make_return();
    make_caller(CALLER, RETURN_PC, fixture.code + CALLEE);
    fixture.vcpu->gpr[TO] = ELSEWHERE;
    expect(CALLER, EXIT_LOOKUP, ELSEWHERE, 0, 0);
    make_elsewhere();
    expect(CALLER, EXIT_HALT, 1, 0, 0);
    fixture.vcpu->jump_table +=
        JUMP_TABLE_ENTRIES; /* the blocks that run are of another mode now */
    expect(CALLER, EXIT_LOOKUP, ELSEWHERE, 0, 0);
}

/* OUTER calls CALLER, which calls CALLEE. */
static void make_nested(void)
{
    make_return();
    make_caller(CALLER, RETURN_PC, fixture.code + CALLEE);
    make_caller(OUTER, OUTER_PC, fixture.code + CALLER);
}

Test(codegen_returns, past_a_call_that_is_not_returned_from)
{
    make_nested();
    fixture.vcpu->gpr[TO] = OUTER_PC;
    expect(OUTER, EXIT_HALT, OUTER_PC, 1, 0);
}

Test(codegen_returns, only_the_last_entry_is_lost)
{
    make_nested();
    fixture.vcpu->gpr[TO] = ELSEWHERE;
    expect(OUTER, EXIT_LOOKUP, ELSEWHERE, 0, 1);
    fixture.vcpu->gpr[TO] = OUTER_PC;
    expect(CALLEE, EXIT_HALT, OUTER_PC, 1, 0);
}

Test(codegen_returns, from_nothing)
{
    make_return();
    expect(CALLEE, EXIT_LOOKUP, RETURN_PC, 0, 0);
    fixture.vcpu->gpr[TO] = ELSEWHERE;
    make_elsewhere();
    expect(CALLEE, EXIT_HALT, 1, 0, 0);
    fixture.vcpu->gpr[TO] = 0; /* the tag of the entry that stands for none */
    expect(CALLEE, EXIT_LOOKUP, 0, 0, 0);
    make_caller(CALLER, RETURN_PC, fixture.code + CALLEE);
    expect(CALLER, EXIT_LOOKUP, 0, 0, 0);
}

static void make_forgetting_return(void)
{
    fixture_begin(&fixture);
    fixture_op(&fixture, IR_CALL, 4, ir_none(), ir_none())->aux = HELPER_FORGET;
    add_to(TO, 0);
    ret();
    make(CALLEE, NULL);
}

Test(codegen_returns, forgotten_below_a_helper)
{
    make_forgetting_return();
    make_caller(CALLER, RETURN_PC, fixture.code + CALLEE);
    make_caller(OUTER, OUTER_PC, fixture.code + CALLER);
    expect(OUTER, EXIT_LOOKUP, RETURN_PC, 0, 0);
    expect(CALLEE, EXIT_LOOKUP, RETURN_PC, 0, 0);
}

Test(codegen_returns, forgotten_in_the_loop)
{
    make_return();
    make_caller(CALLER, RETURN_PC, NULL);
    cr_assert_eq(run_at(CALLER), EXIT_CHAIN);
    codegen_forget_returns(fixture.vcpu);
    expect(CALLEE, EXIT_LOOKUP, RETURN_PC, 0, 0);
}

Test(codegen_returns, kept_over_a_fault_in_a_helper)
{
    fixture_begin(&fixture);
    fixture_op(&fixture, IR_CALL, 4, ir_none(), ir_none())->aux = HELPER_RAISE;
    halt_at(0);
    make(OTHER, NULL);
    make_return();
    make_caller(CALLER, RETURN_PC, fixture.code + OTHER);
    cr_assert_eq(run_at(CALLER), EXIT_FAULT);
    cr_assert_eq(depth(), 1);
    expect(CALLEE, EXIT_HALT, RETURN_PC, 1, 0);
}

Test(codegen_returns, an_indirect_call_comes_back)
{
    make_return();
    fixture_begin(&fixture);
    IrInsn *call = fixture_op(&fixture, IR_EXIT_CALL_INDIRECT, 4, ir_none(), ir_reg(2));
    call->imm2 = RETURN_PC;
    add_to(COUNT, 1);
    halt_at(RETURN_PC);
    make(CALLER, NULL);
    fixture.vcpu->gpr[2] = ELSEWHERE;
    expect(CALLER, EXIT_LOOKUP, ELSEWHERE, 0, 1); /* the loop enters the callee */
    expect(CALLEE, EXIT_HALT, RETURN_PC, 1, 0);
    fixture_add_jump(&fixture, ELSEWHERE, fixture.code + CALLEE);
    expect(CALLER, EXIT_HALT, RETURN_PC, 2, 0);
}

Test(codegen_returns, a_call_to_another_page_comes_back)
{
    make_return();
    fixture_begin(&fixture);
    call_direct(ELSEWHERE, RETURN_PC);
    add_to(COUNT, 1);
    halt_at(RETURN_PC);
    make(CALLER, NULL);
    expect(CALLER, EXIT_LOOKUP, ELSEWHERE, 0, 1);
    expect(CALLEE, EXIT_HALT, RETURN_PC, 1, 0);
    fixture_add_jump(&fixture, ELSEWHERE, fixture.code + CALLEE);
    expect(CALLER, EXIT_HALT, RETURN_PC, 2, 0);
}

Test(codegen_returns, the_loop_does_all_without_chaining)
{
    fixture.options.chain = false;
    make_return();
    make_caller(CALLER, RETURN_PC, NULL);
    expect(CALLER, EXIT_LOOKUP, FIXTURE_PC + 0x100, 0, 0);
    expect(CALLEE, EXIT_LOOKUP, RETURN_PC, 0, 0);
}

/* CALLER calls itself ECX times, then returns as often: each time the stack is full it starts anew,
 * and what was in it is lost. */
Test(codegen_returns, overflow)
{
    enum { CALLS = 5000 };
    fixture.options.page_pc = 0;
    fixture.options.page_end = UINT64_MAX;
    make_return();
    fixture_begin(&fixture);
    add_to(2, -1);
    fixture_op(&fixture, IR_EXIT_ZERO, 4, ir_reg(2), ir_none())->imm = FIXTURE_PC + 0x200;
    call_direct(FIXTURE_PC, RETURN_PC);
    add_to(COUNT, 1);
    ret();
    make(CALLER, fixture.code + CALLEE);
    uint8_t *call = fixture.code + fixture.out.exits[1].jump_offset;
    codegen_patch_jump(call, call, fixture.code + CALLER);
    mprotect(fixture.vcpu->return_guard, sizeof fixture.vcpu->return_guard, PROT_NONE);
    fixture.vcpu->gpr[2] = CALLS + 1;
    expect(CALLER, EXIT_LOOKUP, RETURN_PC, CALLS % RETURN_ENTRIES, 0);
    cr_assert_eq(fixture.overflows, CALLS / RETURN_ENTRIES);
}

/* The thunk's own return address does not fit. */
Test(codegen_returns, overflow_by_a_helper)
{
    make_return();
    fixture_begin(&fixture);
    add_to(2, -1);
    fixture_op(&fixture, IR_EXIT_ZERO, 4, ir_reg(2), ir_none())->imm = FIXTURE_PC + 0x200;
    call_direct(FIXTURE_PC, RETURN_PC);
    halt_at(0);
    make(CALLER, NULL);
    uint8_t *call = fixture.code + fixture.out.exits[1].jump_offset;
    codegen_patch_jump(call, call, fixture.code + CALLER);
    mprotect(fixture.vcpu->return_guard, sizeof fixture.vcpu->return_guard, PROT_NONE);
    fixture.vcpu->gpr[2] = RETURN_ENTRIES + 1;
    cr_assert_eq(run_at(CALLER), EXIT_CHAIN); /* by its stub, which calls */
    cr_assert_eq(fixture.overflows, 1);
    cr_assert_eq(depth(), 0);
    expect(CALLEE, EXIT_LOOKUP, RETURN_PC, 0, 0);
}
