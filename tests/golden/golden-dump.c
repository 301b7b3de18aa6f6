/* SPDX-License-Identifier: MIT
 * golden-dump MODE CODE-FILE: the blocks of a piece of guest code as text, after each step of the
 * pipeline: guest code, IR as lifted, IR after the passes, host code for each way to memory with
 * its instruction count. Nothing is executed, so the text is the same on every host. It shows no
 * address and no displacement that another build of the same translator would have elsewhere. */
#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "codegen-x86_64/codegen.h"
#include "translator/pipeline.h"
#include "translator/x86/cpu.h"
#include "translator/x86/mode.h"
#include "translator/x86/translate.h"

enum {
    PC = 0x5000, /* where the cases are assembled */
    HOST_BYTES = 1 << 16,
    HELPER_STRIDE = 16,
    USE_64K = IR_SEG_64K,
    ALL_64K = USE_64K * 0x555,
};
/* Pretended addresses of helpers: as long as real ones. */
#define HELPER_BASE UINT64_C(0x550000000000)

static const struct {
    const char *name;
    uint32_t mode;
} modes[] = {
    {"flat-kernel", MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_CPL0 | MODE_SSE},
    {"flat-user", MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_USER | MODE_SSE},
    /* FS and GS have a base: thread-local storage */
    {"tls", MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_USER | MODE_SSE |
                (uint32_t)IR_SEG_BASE << (MODE_SEG_SHIFT + 2 * SEG_FS) |
                (uint32_t)IR_SEG_BASE << (MODE_SEG_SHIFT + 2 * SEG_GS)},
    /* DS has a limit that must be checked */
    {"limited", MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_USER | MODE_SSE |
                    (uint32_t)IR_SEG_CHECK << (MODE_SEG_SHIFT + 2 * SEG_DS)},
    {"real", MODE_CPL0 | (uint32_t)ALL_64K << MODE_SEG_SHIFT},
    {"v86", MODE_PROTECTED | MODE_VM86 | MODE_USER | (uint32_t)ALL_64K << MODE_SEG_SHIFT},
};

/* --- host code as text --- */

#define FIELD(f)                                                                                   \
    {                                                                                              \
        offsetof(VCpu, f), sizeof(((VCpu *)0)->f), #f                                              \
    }
#define TLB(mode, f)                                                                               \
    {                                                                                              \
        offsetof(VCpu, tlb) + (mode) * sizeof(TlbArrays) + offsetof(TlbArrays, f),                 \
            sizeof(((TlbArrays *)0)->f), #mode " " #f                                              \
    }
static const struct {
    size_t offset, size;
    const char *name;
} fields[] = {
    FIELD(gpr),
    FIELD(pc),
    FIELD(flags),
    FIELD(fp_loaded),
    FIELD(jump_table),
    FIELD(jump_stub),
    FIELD(seg_base),
    FIELD(dir),
    FIELD(fp_ensure),
    FIELD(thunk_helper),
    FIELD(thunk_mem_begin),
    FIELD(thunk_mem_store),
    FIELD(thunk_mem_commit),
    FIELD(thunk_exit_chain),
    FIELD(thunk_exit_lookup),
    FIELD(thunk_exit_reason),
    FIELD(thunk_return_miss),
    FIELD(host_rsp),
    FIELD(temp),
    FIELD(fault),
    FIELD(host_pc),
    FIELD(window_base),
    FIELD(access),
    FIELD(guest),
    FIELD(fp_area),
    FIELD(poll_page),
    TLB(MMU_USER, read_tag),
    TLB(MMU_USER, write_tag),
    TLB(MMU_USER, addend),
    TLB(MMU_SUPERVISOR, read_tag),
    TLB(MMU_SUPERVISOR, write_tag),
    TLB(MMU_SUPERVISOR, addend),
};
#undef FIELD
#undef TLB

static void append_field(GString *out, size_t offset)
{
    unsigned i = 0;
    while (i < G_N_ELEMENTS(fields) && offset - fields[i].offset >= fields[i].size)
        i++;
    if (i == G_N_ELEMENTS(fields)) {
        g_string_append(out, "guest state"); /* which, the IR says */
        return;
    }
    const size_t into = offset - fields[i].offset;
    g_string_append(out, fields[i].name);
    if (into)
        g_string_append_printf(out, "+%zu", into);
}

/* "r15 - 0x9c" and "r15 + r10*8 + 0x1f54" become the field's name. */
static void append_operands(GString *out, const char *text, int64_t disp)
{
    const char *at = strstr(text, "[r15");
    const char *end = at ? strchr(at, ']') : NULL;
    if (!end) {
        g_string_append(out, text);
        return;
    }
    g_string_append_len(out, text, at + 1 - text);
    append_field(out, (size_t)(disp + VCPU_BIAS));
    const char *index = strstr(at, "*8"); /* the only scale that indexes a VCpu's tables */
    if (index && index < end)
        g_string_append_printf(out, ", %.3s*8", index - 3);
    g_string_append(out, end);
}

static const char *helper_at(const IrBlock *block, uint64_t address)
{
    const uint64_t n = (address - HELPER_BASE) / HELPER_STRIDE;
    return address >= HELPER_BASE && n < block->helper_count ? block->helpers[n].name : NULL;
}

static bool is_jump(const cs_insn *insn)
{
    const cs_x86 *x86 = &insn->detail->x86;
    const bool jump = insn->id == X86_INS_CALL || insn->mnemonic[0] == 'j';
    return insn->id && jump && x86->op_count == 1 && x86->operands[0].type == X86_OP_IMM;
}

static void append_insn(GString *out, const cs_insn *insn, const IrBlock *block)
{
    const cs_x86 *x86 = &insn->detail->x86;
    g_string_append_printf(out, "    %s%s", insn->mnemonic, *insn->op_str ? " " : "");
    if (insn->id == 0) {
        g_string_append(out, insn->op_str);
    } else if (is_jump(insn)) {
        g_string_append_printf(out, "L%" PRIx64, (uint64_t)x86->operands[0].imm);
    } else if (insn->id == X86_INS_MOVABS && helper_at(block, (uint64_t)x86->operands[1].imm)) {
        g_string_append_printf(out, "%.*s, helper_%s", (int)strcspn(insn->op_str, ","),
                               insn->op_str, helper_at(block, (uint64_t)x86->operands[1].imm));
    } else {
        append_operands(out, insn->op_str, x86->disp);
    }
    g_string_append_c(out, '\n');
}

/* Labels are numbered in the order of their places. */
static void number_labels(GString *text, const bool *targets, size_t size)
{
    unsigned number = 0;
    for (size_t at = 0; at <= size; at++) {
        if (!targets[at])
            continue;
        g_autofree char *from = g_strdup_printf("L%zx\n", at);
        g_autofree char *to = g_strdup_printf("<%u>\n", ++number);
        g_autofree char *label = g_strdup_printf("L%zx:\n", at);
        g_autofree char *place = g_strdup_printf("<%u>:\n", number);
        g_string_replace(text, from, to, 0);
        g_string_replace(text, label, place, 0);
    }
}

/* Marks what jumps lead to; returns where cold code begins: hot code has no other jumps of 32 bits
 * than those to cold code. */
static size_t find_targets(csh handle, cs_insn *insn, const CodegenOutput *code, bool *targets)
{
    const uint8_t *at = code->code;
    size_t left = code->size, cold = code->size;
    uint64_t address = 0;
    while (address < cold && cs_disasm_iter(handle, &at, &left, &address, insn))
        if (is_jump(insn) && insn->size >= 5)
            cold = MIN(cold, (size_t)insn->detail->x86.operands[0].imm);
    at = code->code, left = code->size, address = 0;
    while (cs_disasm_iter(handle, &at, &left, &address, insn)) {
        if (!is_jump(insn))
            continue;
        g_assert((uint64_t)insn->detail->x86.operands[0].imm <= code->size);
        targets[insn->detail->x86.operands[0].imm] = true;
    }
    g_assert(left == 0);
    return cold;
}

static void host_text(GString *out, const CodegenOutput *code, const IrBlock *block)
{
    g_autofree bool *targets = g_new0(bool, code->size + 1);
    g_autoptr(GString) text = g_string_new(NULL);
    const uint8_t *at = code->code;
    size_t left = code->size;
    uint64_t address = 0;
    unsigned count = 0, hot = 0;
    csh handle;
    g_assert(cs_open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK);
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    cs_option(handle, CS_OPT_SKIPDATA, CS_OPT_ON); /* what libcapstone does not know: .byte */
    cs_insn *insn = cs_malloc(handle);
    const size_t cold = find_targets(handle, insn, code, targets);
    while (cs_disasm_iter(handle, &at, &left, &address, insn)) {
        if (targets[insn->address])
            g_string_append_printf(text, "L%" PRIx64 ":\n", insn->address);
        append_insn(text, insn, block);
        count++;
        hot += insn->address < cold;
    }
    cs_free(insn, 1);
    cs_close(&handle);
    number_labels(text, targets, code->size);
    g_string_append_printf(out, ": %u instructions hot, %u cold, %zu bytes\n%s", hot, count - hot,
                           code->size, text->str);
}

/* --- the pipeline --- */

static void generate(IrBlock *block, MemStrategy memory, CodegenOutput *code, GString *text)
{
    const CodegenOptions options = {.memory = memory,
                                    .chain = true,
                                    .page_pc = PC & ~0xfffu,
                                    .page_end = (PC & ~0xfffu) + 0x1000,
                                    .jump_stub = 0x10000000 + VCPU_BIAS,
                                    .poll = true,
                                    .stack_runs = true};
    code->size = code->exit_count = 0;
    g_array_set_size(code->pcmap, 0);
    g_assert(codegen_block(block, &options, code));
    host_text(text, code, block);
}

/* A step that changed nothing is one line. */
static void append_step(GString *out, const char *name, const GString *text, const GString *before)
{
    g_string_append_printf(out, "== %s%s", name,
                           g_string_equal(text, before) ? ": the same\n" : text->str);
}

static void append_block(GString *out, IrBlock *block, CodegenOutput *code)
{
    g_autoptr(GString) none = g_string_new(NULL);
    g_autoptr(GString) lifted = g_string_new("\n"), after = g_string_new("\n");
    g_autoptr(GString) window = g_string_new(NULL), tlb = g_string_new(NULL);
    ir_print(block, lifted);
    pipeline_run(block, true);
    ir_print(block, after);
    generate(block, MEM_WINDOW, code, window);
    generate(block, MEM_TLB, code, tlb);
    append_step(out, "lifted", lifted, none);
    append_step(out, "after passes", after, lifted);
    append_step(out, "window", window, none);
    append_step(out, "tlb", tlb, window);
}

static void append_guest(GString *out, const uint8_t *code, unsigned size, uint64_t pc, int bits)
{
    g_string_append_printf(out, "\n== guest %" PRIx64 "\n", pc);
    csh handle;
    g_assert(cs_open(CS_ARCH_X86, bits == 32 ? CS_MODE_32 : CS_MODE_16, &handle) == CS_ERR_OK);
    cs_insn *insn = cs_malloc(handle);
    size_t left = size;
    while (cs_disasm_iter(handle, &code, &left, &pc, insn))
        g_string_append_printf(out, "    %s%s%s\n", insn->mnemonic, *insn->op_str ? " " : "",
                               insn->op_str);
    cs_free(insn, 1);
    cs_close(&handle);
}

/* Every feature there is, whatever the host has. */
static CpuX86 *new_cpu(void)
{
    CpuX86 *cpu = mmap(NULL, sizeof *cpu, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert(cpu != MAP_FAILED);
    memset(cpu->model.features, 0xff, sizeof cpu->model.features);
    cpu->model.family = 6;
    cpu->model.has_cpuid = true;
    return cpu;
}

static HelperInfo *pretended_helpers(void)
{
    HelperInfo *helpers =
        g_memdup2(x86_guest_ops.helpers, x86_guest_ops.helper_count * sizeof *helpers);
    for (unsigned i = 0; i < x86_guest_ops.helper_count; i++)
        helpers[i].fn = (HelperFn)(uintptr_t)(HELPER_BASE + i * HELPER_STRIDE);
    return helpers;
}

static void dump(uint32_t mode, const uint8_t *bytes, unsigned size)
{
    const int bits = mode & MODE_CODE32 ? 32 : 16;
    const TranslateLimits limits = {.max_insns = 64, .max_bytes = 4096};
    CpuX86 *cpu = new_cpu();
    g_autofree HelperInfo *helpers = pretended_helpers();
    CodegenOutput code = {.code = aligned_alloc(4096, HOST_BYTES), .capacity = HOST_BYTES};
    g_autoptr(GString) out = g_string_new(NULL);
    IrBlock block;
    code.exec = code.code;
    code.pcmap = g_array_new(FALSE, FALSE, sizeof(CodegenPcEntry));
    ir_block_init(&block, helpers, x86_guest_ops.helper_count);
    for (unsigned at = 0; at < size; at += block.guest_bytes) {
        const BlockState state = {
            .pc = PC + at, .cs_limit = bits == 32 ? 0xffffffff : 0xffff, .mode = mode};
        bool second;
        ir_block_reset(&block, state.pc);
        if (!x86_translate(&cpu->v, &state, &limits, bytes + at, size - at, NULL, 0, &block,
                           &second)) {
            fprintf(stderr, "the code ends within the instruction at %#x\n", PC + at);
            exit(1);
        }
        append_guest(out, bytes + at, block.guest_bytes, state.pc, bits);
        append_block(out, &block, &code);
    }
    fputs(out->str, stdout);
    ir_block_destroy(&block);
    g_array_free(code.pcmap, TRUE);
    free(code.code);
    munmap(cpu, sizeof *cpu);
}

int main(int argc, char **argv)
{
    g_autofree char *bytes = NULL;
    gsize size;
    GError *error = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODE CODE-FILE\n", argv[0]);
        return 2;
    }
    if (!g_file_get_contents(argv[2], &bytes, &size, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return 2;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++)
        if (!strcmp(modes[i].name, argv[1])) {
            dump(modes[i].mode, (const uint8_t *)bytes, (unsigned)size);
            return 0;
        }
    fprintf(stderr, "no mode '%s'\n", argv[1]);
    return 2;
}
