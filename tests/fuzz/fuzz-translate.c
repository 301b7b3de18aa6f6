/* SPDX-License-Identifier: MIT
 * Random code bytes through decoder, lifter, IR verifier, printer, passes and code generator.
 * Nothing is executed: tests/oracle does that. */
#include <string.h>

#include "codegen-x86_64/codegen.h"
#include "softmmu/ram.h"
#include "tests/fuzz/fuzz.h"
#include "translator/pipeline.h"
#include "translator/x86/cpu-priv.h"

enum { RAM_BYTES = 1 << 20, PC = 0x5000, CODE_MAX = 512, HOST_BYTES = 1 << 16 };

typedef struct {
    CpuX86 *cpu;
    IrBlock ir;
    CodegenOutput out;
} Bench;

static Bench *bench_new(void)
{
    Bench *bench = g_new0(Bench, 1);
    CpuModel model;
    Ram *ram = ram_new(RAM_BYTES, NULL);
    AddressSpace *as = address_space_new(ram);
    address_space_add_ram(as, "ram", 0, RAM_BYTES, 0, ram_alloc(ram, "ram", RAM_BYTES));
    g_assert(cpu_model_parse(&model, "max", NULL));
    fuzz_leaks_expected(true);
    bench->cpu = cpu_new(as, &model, &(CpuBoard){0}, NULL);
    fuzz_leaks_expected(false);
    codegen_init_vcpu(&bench->cpu->v);
    ir_block_init(&bench->ir, x86_guest_ops.helpers, x86_guest_ops.helper_count);
    bench->out.code = g_malloc(HOST_BYTES);
    bench->out.exec = bench->out.code;
    bench->out.pcmap = g_array_new(FALSE, FALSE, sizeof(CodegenPcEntry));
    return bench;
}

/* 16 or 32-bit code and stack, real, protected at CPL 0 or 3 or virtual-8086 mode, limits,
 * stack and FPU switches. */
static void set_mode(CpuX86 *cpu, unsigned bits)
{
    cpu_reset(cpu);
    const bool protected = bits & 1, big = bits & 2, user = bits & 4, v86 = bits & 8;
    cpu->cr0 = CR0_ET | (protected ? CR0_PE | CR0_WP : 0) | (bits & 0x40 ? CR0_EM : 0) |
               (bits & 0x80 ? CR0_TS : 0);
    cpu->cr4 = bits & 0x100 ? 0 : CR4_OSFXSR | CR4_OSXMMEXCPT;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        SegReg *seg = &cpu->seg[i];
        seg->base = bits & 0x10 ? 0x1000 : 0;
        seg->limit = bits & 0x20 ? 0xffff : 0xffffffff;
        if (protected && !v86)
            seg->attr |= (big ? SEG_ATTR_DB : 0) | SEG_ATTR_G | (i == SEG_CS ? SEG_ATTR_CODE : 0);
    }
    if (protected && (user || v86))
        cpu->cpl = 3;
    if (protected && v86)
        cpu->eflags |= EFLAGS_VM;
    cpu->eflags |= bits & 0x200 ? EFLAGS_TF : 0;
    cpu_sync_paging(cpu);
    cpu_update_mode(cpu);
    cpu->v.pc = PC;
}

static void verify(const IrBlock *ir)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (!ir_verify(ir, text))
        g_error("malformed IR: %s", text->str);
    ir_print(ir, text);
}

/* As the engine does with instructions whose accesses the window could not serve: one of two. */
static void demote(IrBlock *ir)
{
    bool checked = false;
    for (unsigned i = 0; i < ir->count; i++)
        if (ir->insns[i].op == IR_INSN)
            ir->insns[i].checked = checked = !checked;
}

static void generate(Bench *bench, unsigned bits)
{
    uint64_t executions = 0;
    const CodegenOptions options = {
        .memory = bits & 0x400 ? MEM_WINDOW : MEM_TLB,
        .chain = bits & 0x800,
        .page_pc = PC & ~0xfffu,
        .page_end = (PC & ~0xfffu) + 0x1000,
        .poll = true,
        .jump_stub = 0x10000000,
        .stack_runs = bits & 0x2000,
        .budget = bits & 0x4000 ? bench->ir.guest_insns : 0,
        .executions = bits & 0x4000 ? &executions : NULL,
    };
    bench->out.capacity = bits & 0x1000 ? 256 : HOST_BYTES; /* too small: has to say so */
    bench->out.size = 0;
    bench->out.exit_count = 0;
    g_array_set_size(bench->out.pcmap, 0);
    if (codegen_block(&bench->ir, &options, &bench->out)) {
        g_assert(bench->out.size <= bench->out.capacity);
        for (unsigned i = 0; i < bench->out.exit_count; i++)
            g_assert(bench->out.exits[i].jump_offset + 4 <= bench->out.size);
        g_assert(bench->out.fp_entry < bench->out.size);
    } else {
        g_assert(bench->out.capacity < HOST_BYTES);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static Bench *bench; /* kept: a CPU is large */
    if (!bench)
        bench = bench_new();
    Input input = {bytes, bytes + count};
    const unsigned bits = (unsigned)input_take(&input, 2), shape = (unsigned)input_take(&input, 2);
    const TranslateLimits limits = {.max_insns = 1 + (shape & 31),
                                    .max_bytes = 1 + (shape >> 5 & 511)};
    /* The code lies in one page or goes on in the next. */
    const unsigned size = (unsigned)MIN(input.end - input.at, CODE_MAX);
    const unsigned first = shape & 0x8000 ? MIN(size, 7) : size;
    g_autofree uint8_t *second = g_memdup2(input.at + first, size - first);
    g_autofree uint8_t *code = g_memdup2(input.at, first);
    BlockState state;
    bool need_second = false;
    if (first == 0)
        return 0;
    set_mode(bench->cpu, bits);
    x86_guest_ops.block_state(&bench->cpu->v, &state);
    ir_block_reset(&bench->ir, state.pc);
    if (!x86_guest_ops.translate(&bench->cpu->v, &state, &limits, code, first, second, size - first,
                                 &bench->ir, &need_second)) {
        g_assert(need_second);
        return 0;
    }
    g_assert(bench->ir.guest_insns >= 1 && bench->ir.guest_insns <= limits.max_insns);
    g_assert(bench->ir.guest_bytes >= 1 && bench->ir.guest_bytes <= size);
    g_assert(!need_second);
    verify(&bench->ir);
    pipeline_run(&bench->ir, bits & 0x2000);
    verify(&bench->ir);
    if (bits & 0x8000)
        demote(&bench->ir);
    generate(bench, bits);
    return 0;
}
