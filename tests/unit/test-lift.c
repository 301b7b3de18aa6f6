/* SPDX-License-Identifier: MIT
 * The lifter: guest bytes -> IR, in a short notation of its own (below), so that
 * the rules show: nothing committed before the last access, flags touched only as
 * the instruction says, widths, segments, block ends. */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "translator/x86/lift.h"
#include "translator/x86/translate.h"

enum { PC = 0x1000, TEXT_BYTES = 32 };

/* Modes: flat 32-bit rings 0 and 3, real mode, 16-bit protected mode with 32-bit stack. */
enum {
    USE_64K = IR_SEG_64K,
    ALL_64K = USE_64K * 0x555u,
    FLAT0 = MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_CPL0 | MODE_SSE,
    FLAT3 = MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED | MODE_USER | MODE_SSE,
    REAL = (int)(MODE_CPL0 | ALL_64K << MODE_SEG_SHIFT),
    V86 = (int)(MODE_PROTECTED | MODE_VM86 | MODE_USER | ALL_64K << MODE_SEG_SHIFT),
};

static CpuX86 *cpu;
static IrBlock block;

static const HelperInfo helpers[] = {
#define HELPER(name, nargs, effects) {#name, NULL, nargs, effects},
#include "translator/x86/helpers.def"
#undef HELPER
};

static void setup(void)
{
    cpu = aligned_alloc(_Alignof(CpuX86), sizeof *cpu);
    memset(cpu, 0, sizeof *cpu);
    memset(cpu->model.features, 0xff, sizeof cpu->model.features);
    cpu->model.family = 6;
    cpu->model.has_cpuid = true;
    ir_block_init(&block, helpers, G_N_ELEMENTS(helpers));
}

static void teardown(void)
{
    ir_block_destroy(&block);
    free(cpu);
}

/* --- the notation --- */

static const char *const reg_names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};

static void print_mem(GString *out, const IrMem *mem)
{
    static const char *const segs[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    static const char *const uses[] = {"", "+", "#", "?"}; /* flat, base, 64k, check */
    const char *sign = "";
    g_string_append_c(out, '[');
    if (mem->seg < SEG_COUNT)
        g_string_append_printf(out, "%s%s:", segs[mem->seg], uses[mem->seg_use]);
    const IrOpd parts[] = {mem->base, mem->index};
    for (unsigned k = 0; k < 2; k++) {
        if (parts[k].kind == IR_REG)
            g_string_append_printf(out, "%s%s", sign, reg_names[parts[k].n]);
        else if (parts[k].kind == IR_TEMP)
            g_string_append_printf(out, "%st%u", sign, parts[k].n);
        else
            continue;
        if (k == 1 && mem->scale > 1)
            g_string_append_printf(out, "*%u", mem->scale);
        sign = "+";
    }
    if (mem->disp || !*sign)
        g_string_append_printf(out, "%s%" PRId64, mem->disp < 0 ? "" : sign, mem->disp);
    g_string_append_printf(out, "]%s", mem->addr_width == 2 ? "a16" : "");
}

static void print_opd(GString *out, IrOpd opd, int64_t imm, const IrMem *mem)
{
    static const char *const high[] = {"ah", "ch", "dh", "bh"};
    if (opd.kind == IR_REG)
        g_string_append(out, reg_names[opd.n]);
    else if (opd.kind == IR_REGH)
        g_string_append(out, high[opd.n]);
    else if (opd.kind == IR_TEMP)
        g_string_append_printf(out, "t%u", opd.n);
    else if (ir_is_imm(opd))
        g_string_append_printf(out, "%" PRId64, imm);
    else if (opd.kind == IR_MEM)
        print_mem(out, mem);
}

static void print_call(GString *out, const IrInsn *op)
{
    const int64_t imms[] = {op->imm, op->imm2, op->imm3};
    if (op->d.kind == IR_TEMP)
        g_string_append_printf(out, "t%u=", op->d.n);
    g_string_append_printf(out, "%s(", helpers[op->aux].name);
    for (unsigned k = 0; k < helpers[op->aux].nargs; k++) {
        if (k)
            g_string_append_c(out, ',');
        print_opd(out, op->args[k], imms[k], NULL);
    }
    g_string_append_c(out, ')');
}

static bool has_imm(const IrInsn *op)
{
    return op->op == IR_LSHL || op->op == IR_LSHR || op->op == IR_LSAR || op->op == IR_IMUL3;
}

static void print_op(GString *out, const IrInsn *op)
{
    const IrOpInfo *info = &ir_op_info[op->op];
    if (op->op == IR_CALL) {
        print_call(out, op);
        return;
    }
    g_string_append_printf(out, "%s%s", op->lock ? "lock " : "", info->text);
    if (op->op == IR_SETCC || op->op == IR_CMOVCC || op->op == IR_EXIT_CC)
        g_string_append_printf(out, ":%u", op->cond);
    if (op->src_width)
        g_string_append_printf(out, "%u", op->src_width);
    if (op->width)
        g_string_append_printf(out, ".%u", op->width);
    const char *gap = " ";
    const struct {
        IrOpd opd;
        int64_t imm;
    } parts[] = {
        {op->d, op->imm}, {op->a, op->op == IR_STSTATE ? op->imm2 : op->imm}, {op->b, op->imm2}};
    for (unsigned k = 0; k < 3; k++) {
        if (parts[k].opd.kind == IR_NONE)
            continue;
        g_string_append(out, gap);
        print_opd(out, parts[k].opd, parts[k].imm, &op->mem);
        gap = ",";
    }
    if (op->op == IR_LEA) {
        g_string_append(out, gap);
        print_mem(out, &op->mem);
    }
    if (has_imm(op))
        g_string_append_printf(out, ",%" PRId64, op->imm);
    if (op->op == IR_EXIT_INDIRECT && op->aux)
        g_string_append(out, " return");
    if ((info->attrs & IR_ATTR_EXIT) && op->op != IR_EXIT_PC && op->a.kind == IR_NONE)
        g_string_append_printf(out, " %" PRIx64, (uint64_t)op->imm);
    if (op->op == IR_EXIT_CALL || op->op == IR_EXIT_CALL_INDIRECT)
        g_string_append_printf(out, " back %" PRIx64, (uint64_t)op->imm2);
}

/* Well formed; temps are set before use, written with 4 or 8 bytes, at most two live. */
static void check_block(const char *name)
{
    uint32_t live = 0;
    for (unsigned k = block.count; k-- > 0;) {
        const IrInsn *op = &block.insns[k];
        unsigned shape = ir_op_info[op->op].shape;
        bool writes = op->op == IR_CALL || (shape & IR_SHAPE_D_WRITE);
        if (op->op == IR_INSN)
            cr_assert_eq(live, 0, "%s: temp used before it is set", name);
        if (op->d.kind == IR_TEMP && writes) {
            cr_assert(op->width >= 4 || op->op == IR_LDSTATE || op->op == IR_LEA,
                      "%s: narrow write by %s", name,
                      ir_op_info[op->op].text);
            if (!(shape & IR_SHAPE_D_READ))
                live &= ~(1u << op->d.n);
        }
        const IrOpd used[] = {op->a,       op->b,       op->mem.base, op->mem.index,
                              op->args[0], op->args[1], op->args[2],  writes ? ir_none() : op->d};
        for (unsigned i = 0; i < G_N_ELEMENTS(used); i++) {
            if (used[i].kind == IR_TEMP)
                live |= 1u << used[i].n;
        }
        cr_assert_leq(__builtin_popcount(live), IR_MAX_LIVE_TEMPS, "%s: live temps", name);
    }
    cr_assert_leq(block.temps, VCPU_TEMPS);
    g_autoptr(GString) why = g_string_new(NULL);
    cr_assert(ir_verify(&block, why), "%s: %s", name, why->str);
}

/* --- one instruction --- */

typedef struct {
    const char *bytes; /* hex */
    uint32_t mode;
    const char *ir; /* without the mark; without the EXIT that a cut block ends with */
} Row;

static unsigned parse_hex(const char *hex, uint8_t *out)
{
    unsigned n = 0;
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        out[n++] = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
        hex++;
    }
    return n;
}

static void check_row(const Row *row)
{
    uint8_t code[TEXT_BYTES];
    memset(code, 0x90, sizeof code);
    unsigned size = parse_hex(row->bytes, code);
    bool small = !(row->mode & MODE_CODE32);
    BlockState state = {.pc = PC, .cs_limit = small ? 0xffff : 0xffffffff, .mode = row->mode};
    TranslateLimits limits = {.max_insns = 1, .max_bytes = 4096};
    bool second;
    ir_block_reset(&block, PC);
    cr_assert(x86_translate(&cpu->v, &state, &limits, code, sizeof code, NULL, 0, &block, &second));
    cr_expect_eq(block.guest_bytes, size, "%s: length %u", row->bytes, block.guest_bytes);
    cr_assert_eq(block.insns[0].op, IR_INSN);
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned k = 1; k < block.count; k++) {
        const IrInsn *op = &block.insns[k];
        if (k == block.count - 1 && op->op == IR_EXIT && op->imm == (int64_t)(PC + size))
            break;
        g_string_append(text, k > 1 ? "; " : "");
        print_op(text, op);
    }
    cr_expect_str_eq(text->str, row->ir, "%s: %s\n    not: %s", row->bytes, text->str, row->ir);
    check_block(row->bytes);
}

#define CHECK_ROWS(rows)                                                                           \
    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++)                                              \
        check_row(&rows[k])

TestSuite(lift, .init = setup, .fini = teardown);

Test(lift, arithmetic)
{
    static const Row rows[] = {
        {"01 d8", FLAT3, "add.4 eax,ebx"},
        {"66 01 d8", FLAT3, "add.2 eax,ebx"},
        {"01 d8", REAL, "add.2 eax,ebx"},
        {"00 e0", FLAT3, "add.1 eax,ah"},
        {"f0 01 44 8b 08", FLAT3, "lock add.4 [ds:ebx+ecx*4+8],eax"},
        {"83 e8 ff", FLAT3, "sub.4 eax,-1"},
        {"3b 44 04", REAL, "cmp.2 eax,[ds#:esi+4]a16"},
        {"26 ff 07", REAL, "inc.2 [es#:ebx]a16"},
        {"f7 d8", FLAT3, "neg.4 eax"},
        {"0f c9", FLAT3, "bswap.4 ecx"},
        {"d1 e0", FLAT3, "shl.4 eax,1"},
        {"c1 f8 25", FLAT3, "sar.4 eax,5"},
        {"d3 1b", FLAT3, "rcr.4 [ds:ebx],ecx"},
        {"0f a4 d8 04", FLAT3, "shld.4 eax,ebx,4"},
        {"0f ad d8", FLAT3, "shrd.4 eax,ebx,ecx"},
        {"f7 33", FLAT3, "div.4 [ds:ebx]"},
        {"0f af 03", FLAT3, "imul2.4 eax,[ds:ebx]"},
        {"6b c3 fe", FLAT3, "imul3.4 eax,ebx,-2"},
        {"98", FLAT3, "movsx2.4 eax,eax"},
        {"66 98", FLAT3, "movsx1.2 eax,eax"},
        {"99", FLAT3, "convert.4"},
        {"0f b1 0b", FLAT3, "cmpxchg.4 [ds:ebx],ecx"},
        {"f0 0f c7 0b", FLAT3, "lock cmpxchg8b.8 [ds:ebx]"},
        {"0f c1 0b", FLAT3, "xadd.4 [ds:ebx],ecx"},
        {"d4 0a", FLAT3, "aam(10)"},
        {"d6", FLAT3, "set:2.1 eax; lshl.4 t0,eax,31; lsar.4 t0,t0,31; mov.1 eax,t0"},
    };
    CHECK_ROWS(rows);
}

Test(lift, bits)
{
    static const Row rows[] = {
        {"0f a3 c8", FLAT3, "bt.4 eax,ecx"},
        {"0f ba 28 25", FLAT3, "bts.4 [ds:eax],5"},
        {"f0 0f b3 0b", FLAT3,
         "lsar.4 t0,ecx,5; lea.4 t1,[ds:ebx]; lea.4 t1,[t1+t0*4]; lshl.4 t0,ecx,27; "
         "lshr.4 t0,t0,27; lock btr.4 [ds:t1],t0"},
        {"0f a3 07", REAL,
         "movsx2.4 t0,eax; lsar.4 t0,t0,4; lea.4 t1,[ds#:ebx]a16; lea.4 t1,[t1+t0*2]a16; "
         "lshl.4 t0,eax,28; lshr.4 t0,t0,28; bt.2 [ds#:t1]a16,t0"},
        {"0f bc c3", FLAT3, "bsf.4 eax,ebx"},
    };
    CHECK_ROWS(rows);
}

Test(lift, moves)
{
    static const Row rows[] = {
        {"88 27", FLAT3, "mov.1 [ds:edi],ah"},
        {"c6 07 ff", FLAT3, "mov.1 [ds:edi],-1"},
        {"a1 78 56 34 12", FLAT3, "mov.4 eax,[ds:305419896]"},
        {"0f b6 c4", FLAT3, "movzx1.4 eax,ah"},
        {"0f bf 03", FLAT3, "movsx2.4 eax,[ds:ebx]"},
        {"8d 44 8b 08", FLAT3, "lea.4 eax,[ds:ebx+ecx*4+8]"},
        {"87 03", FLAT3, "lock xchg.4 [ds:ebx],eax"},
        {"91", FLAT3, "xchg.4 ecx,eax"},
        {"d7", FLAT3, "movzx1.4 t0,eax; mov.1 eax,[ds:ebx+t0]"},
        {"0f 94 c4", FLAT3, "set:4.1 ah"},
        {"0f 4c 03", FLAT3, "cmov:12.4 eax,[ds:ebx]"},
        {"2e 89 03", FLAT3, "mov.4 [cs?:ebx],eax"},
        {"2e 8b 03", FLAT3, "mov.4 eax,[cs:ebx]"},
        {"90", FLAT3, ""},
    };
    CHECK_ROWS(rows);
}

Test(lift, stack)
{
    static const Row rows[] = {
        {"50", FLAT3, "mov.4 [ss:esp-4],eax; lea.4 esp,[esp-4]"},
        {"54", FLAT3, "mov.4 [ss:esp-4],esp; lea.4 esp,[esp-4]"},
        {"50", REAL, "mov.2 [ss#:esp-2]a16,eax; lea.2 esp,[esp-2]a16"},
        {"6a ff", FLAT3, "mov.4 [ss:esp-4],-1; lea.4 esp,[esp-4]"},
        {"ff 33", FLAT3, "mov.4 t0,[ds:ebx]; mov.4 [ss:esp-4],t0; lea.4 esp,[esp-4]"},
        {"58", FLAT3, "mov.4 eax,[ss:esp]; lea.4 esp,[esp+4]"},
        {"5c", FLAT3, "mov.4 t0,[ss:esp]; lea.4 esp,[esp+4]; mov.4 esp,t0"},
        {"8f 04 24", FLAT3, "mov.4 t0,[ss:esp]; mov.4 [ss:esp+4],t0; lea.4 esp,[esp+4]"},
        {"c9", FLAT3, "mov.4 t0,[ss:ebp]; lea.4 esp,[ebp+4]; mov.4 ebp,t0"},
        {"9c", FLAT3, "t0=pushf_value(4); mov.4 [ss:esp-4],t0; lea.4 esp,[esp-4]"},
        {"9d", FLAT3, "mov.4 t0,[ss:esp]; popf(t0,4); lea.4 esp,[esp+4]; exit_lookup 1001"},
        {"c8 10 00 01", FLAT3, "enter(16,1,4)"},
        {"60", FLAT3, "pusha(4)"},
    };
    CHECK_ROWS(rows);
}

Test(lift, control)
{
    static const Row rows[] = {
        {"eb fe", FLAT3, "exit 1000"},
        {"74 10", FLAT3, "exit_cc:4 1012"},
        {"e9 00 f0", REAL, "exit 3"},
        {"ff e0", FLAT3, "exit_indirect.4 eax"},
        {"ff e0", REAL, "movzx2.4 t0,eax; exit_indirect.4 t0"},
        {"e8 00 01 00 00", FLAT3, "mov.4 [ss:esp-4],4101; lea.4 esp,[esp-4]; exit_call 1105 back 1005"},
        {"66 e8 00 01", FLAT3, "mov.2 [ss:esp-2],4100; lea.4 esp,[esp-2]; exit_call 1104 back 1004"},
        {"ff d4", FLAT3,
         "mov.4 t0,esp; mov.4 [ss:esp-4],4098; lea.4 esp,[esp-4]; exit_call_indirect.4 t0 back 1002"},
        {"ff 13", FLAT3,
         "mov.4 t0,[ds:ebx]; mov.4 [ss:esp-4],4098; lea.4 esp,[esp-4]; exit_call_indirect.4 t0 back 1002"},
        {"c2 08 00", FLAT3, "mov.4 t0,[ss:esp]; lea.4 esp,[esp+12]; exit_indirect.4 t0 return"},
        {"c3", REAL, "movzx2.4 t0,[ss#:esp]a16; lea.2 esp,[esp+2]a16; exit_indirect.4 t0 return"},
        {"e2 fe", FLAT3, "lea.4 ecx,[ecx-1]; exit_nonzero.4 ecx 1000"},
        {"e1 fe", REAL, "lea.2 ecx,[ecx-1]a16; exit_zero.2 ecx 1002; exit_cc:4 1000"},
        {"e0 fe", FLAT3, "lea.4 ecx,[ecx-1]; exit_zero.4 ecx 1002; exit_cc:5 1000"},
        {"e3 10", REAL, "exit_zero.2 ecx 1012"},
        {"ea 00 10 00 f0", REAL, "far_jmp(61440,4096,1282); exit_pc"},
        {"ff 1b", FLAT3,
         "mov.4 t0,[ds:ebx]; movzx2.4 t1,[ds:ebx+4]; lea.4 t1,[t1+262144]; "
         "far_call(t1,t0,4098); exit_pc"},
        {"cf", FLAT3, "iret(4,4097); exit_pc"},
        {"cd 80", FLAT3, "soft_int(128,4098,0); exit_pc"},
        {"cc", FLAT3, "soft_int(3,4097,1); exit_pc"},
        {"ce", FLAT3, "exit_cc:1 1001; into(4097); exit_pc"},
        {"62 03", FLAT3, "lea.4 t0,[ds:ebx]; bound(263171,t0,eax)"},
        {"0f 0b", FLAT3, "raise(6,0,0); exit_pc"},
        /* past the limit of a 16-bit segment: #GP at the branch, nothing committed */
        {"66 e9 00 00 01 00", REAL, "raise(13,1,0); exit_pc"},
        {"66 0f 84 00 00 01 00", REAL, "exit_cc:5 1007; raise(13,1,0); exit_pc"},
        {"66 e8 00 00 01 00", REAL, "raise(13,1,0); exit_pc"},
    };
    CHECK_ROWS(rows);
}

Test(lift, strings)
{
    static const Row rows[] = {
        {"a5", FLAT3,
         "mov.4 t0,[ds:esi]; mov.4 [es:edi],t0; ldstate.8 t1; lea.4 esi,[esi+t1]; "
         "lea.4 edi,[edi+t1]"},
        {"26 a4", REAL,
         "movzx1.4 t0,[es#:esi]a16; mov.1 [es#:edi]a16,t0; ldstate.8 t1; "
         "lea.2 esi,[esi+t1]a16; lea.2 edi,[edi+t1]a16"},
        {"a6", FLAT3,
         "movzx1.4 t0,[ds:esi]; cmp.1 t0,[es:edi]; ldstate.8 t1; lea.4 esi,[esi+t1]; "
         "lea.4 edi,[edi+t1]"},
        {"ac", FLAT3, "mov.1 eax,[ds:esi]; ldstate.8 t0; lea.4 esi,[esi+t0]"},
        {"ab", FLAT3, "mov.4 [es:edi],eax; ldstate.8 t0; lea.4 edi,[edi+t0]"},
        {"f2 a5", FLAT3, "exit_repeat.4 1002; t0=string(209984); exit_nonzero.4 t0 1000"},
        {"f2 ae", FLAT3, "exit_repeat.1 1002; t0=string(205844); exit_nonzero.4 t0 1000"},
        {"6e", REAL, "t0=string_io(197142); exit_nonzero.4 t0 1000"},
    };
    CHECK_ROWS(rows);
}

/* The end of a block after a segment load: mode unchanged, or look again. */
#define END_BY_MODE(mode, pc)                                                                      \
    "ldstate.4 t0; lea.4 t0,[t0-" mode "]; exit_zero.4 t0 " pc "; exit_lookup " pc

Test(lift, segments)
{
    static const Row rows[] = {
        {"8e d8", FLAT0, "movzx2.4 t0,eax; load_seg(3,t0); " END_BY_MODE("551", "1002")},
        {"8e d8", REAL,
         "movzx2.4 t0,eax; ststate.2 t0; lshl.4 t0,t0,4; ststate.8 t0; ststate.8 t0"},
        {"8e d0", REAL, "movzx2.4 t0,eax; load_seg(2,t0); " END_BY_MODE("178913312", "1002")},
        {"8e c8", FLAT0, "raise(6,0,0); exit_pc"},
        {"8c d8", FLAT0, "ldstate.2 t0; mov.4 eax,t0"},
        {"8c 18", FLAT0, "ldstate.2 t0; mov.2 [ds:eax],t0"},
        {"1e", FLAT0, "ldstate.2 t0; mov.4 [ss:esp-4],t0; lea.4 esp,[esp-4]"},
        {"1f", FLAT0,
         "mov.4 t0,[ss:esp]; movzx2.4 t0,t0; load_seg(3,t0); lea.4 esp,[esp+4]; " END_BY_MODE(
             "551", "1001")},
        {"c5 03", FLAT0,
         "mov.4 t0,[ds:ebx]; movzx2.4 t1,[ds:ebx+4]; load_seg(3,t1); mov.4 "
         "eax,t0; " END_BY_MODE("551", "1002")},
        {"0f 02 c3", FLAT0, "movzx2.4 t0,ebx; t1=lar(t0); cmov:4.4 eax,t1"},
        {"0f 02 c3", REAL, "raise(6,0,0); exit_pc"},
        {"63 0b", FLAT0,
         "lea.4 t0,[ds:ebx]; check_store(132099,t0); movzx2.4 t1,[ds:ebx]; movzx2.4 t2,ecx; "
         "t1=arpl(t1,t2); mov.2 [ds:ebx],t1"},
        {"0f 00 d8", FLAT0, "movzx2.4 t0,eax; ltr(t0)"},
        {"0f 00 d8", V86, "raise(6,0,0); exit_pc"},
        {"0f 01 e0", FLAT3, "t0=smsw(); mov.4 eax,t0"},
    };
    CHECK_ROWS(rows);
}

Test(lift, system)
{
    static const Row rows[] = {
        {"e4 60", FLAT0, "t0=in(96,1); mov.1 eax,t0"},
        {"ed", FLAT0, "movzx2.4 t0,edx; t1=in(t0,4); mov.4 eax,t1"},
        {"ee", FLAT0, "movzx2.4 t0,edx; movzx1.4 t1,eax; out(t0,t1,1); exit_lookup 1001"},
        {"fa", FLAT3, "cli()"},
        {"fa", FLAT0,
         "ldstate.4 t0; lshl.4 t1,t0,23; lshr.4 t1,t1,23; lshr.4 t0,t0,10; lshl.4 t0,t0,10; "
         "lea.4 t0,[t0+t1]; ststate.4 t0"},
        {"fb", FLAT0, "sti(0); exit_lookup 1001"},
        {"f4", FLAT0, "hlt(4097); exit_pc"},
        {"f4", FLAT3, "raise(13,1,0); exit_pc"},
        {"0f 20 c3", FLAT0, "t0=mov_from_cr(0); mov.4 ebx,t0"},
        {"0f 22 db", FLAT0, "mov_to_cr(3,ebx); exit_lookup 1003"},
        {"0f 23 f8", FLAT0, "mov_to_dr(7,eax); exit_lookup 1003"},
        {"0f 01 13", FLAT0, "lea.4 t0,[ds:ebx]; lgdt(263171,t0)"},
        {"0f 01 3b", FLAT0, "lea.4 t0,[ds:ebx]; invlpg(263171,t0); exit_lookup 1003"},
        {"0f a2", FLAT3, "cpuid()"},
        {"fd", FLAT3,
         "ldstate.4 t0; lshl.4 t1,t0,22; lshr.4 t1,t1,22; lshr.4 t0,t0,11; lshl.4 t0,t0,11; "
         "lea.4 t0,[t0+t1+1024]; ststate.4 t0; ststate.8 -1; ststate.8 -2; ststate.8 -4; "
         "ststate.8 -8"},
        {"0f ae 03", FLAT3, "lea.4 t0,[ds:ebx]; fxsave(263171,t0)"},
        {"0f ae 03", FLAT3 | MODE_FPU_TRAP, "raise(7,0,0); exit_pc"},
        {"66 0f f7 ca", FLAT3, "maskmov(1049603,1,2)"},
    };
    CHECK_ROWS(rows);
}

/* --- block ends --- */

typedef struct {
    BlockState state;
    TranslateLimits limits;
    bool need_second;
} Run;

static bool translate(Run *run, const uint8_t *code, unsigned size, const uint8_t *second)
{
    if (!run->limits.max_insns)
        run->limits = (TranslateLimits){64, 1024};
    if (!run->state.cs_limit)
        run->state.cs_limit = 0xffffffff;
    run->state.pc = run->state.pc ? run->state.pc : PC;
    ir_block_reset(&block, run->state.pc);
    return x86_translate(&cpu->v, &run->state, &run->limits, code, size, second, second ? 16 : 0,
                         &block, &run->need_second);
}

static const IrInsn *last_op(void)
{
    return &block.insns[block.count - 1];
}

Test(lift, block_goes_on_after_conditional_branches)
{
    static const uint8_t code[] = {0x40, 0x74, 0x10, 0x41, 0x75, 0x10,
                                   0x42, 0x72, 0x10, 0x43, 0xc3};
    Run run = {.state.mode = FLAT3};
    cr_assert(translate(&run, code, sizeof code, NULL));
    cr_expect_eq(block.guest_insns, 6, "ends after the third side exit");
    cr_expect_eq(last_op()->op, IR_EXIT);
    cr_expect_eq(last_op()->imm, PC + 9);
    cr_expect_eq(block.next_pc, PC + 9);
}

Test(lift, block_ends_before_the_next_page)
{
    static const uint8_t code[] = {0x40, 0xb8, 0x01, 0x00};
    static const uint8_t second[16] = {0x00, 0x00, 0xc3};
    Run run = {.state.mode = FLAT3};
    cr_assert(translate(&run, code, sizeof code, NULL));
    cr_expect_eq(block.guest_insns, 1);
    cr_expect_eq(last_op()->imm, PC + 1);
    cr_assert(translate(&run, code, sizeof code, second));
    cr_expect_eq(block.guest_insns, 2, "one instruction takes bytes of the second page");
    cr_expect_eq(block.guest_bytes, 6);
    cr_assert(!translate(&run, code + 1, 3, NULL));
    cr_expect(run.need_second);
}

Test(lift, fetch_stops_at_the_cs_limit)
{
    static const uint8_t code[16] = {0x40, 0xb8, 0x01, 0x00, 0x00, 0x00, 0xc3};
    Run run = {.state = {.mode = FLAT3, .cs_limit = PC + 4}};
    cr_assert(translate(&run, code, sizeof code, NULL));
    cr_expect_eq(block.guest_insns, 1);
    cr_expect_eq(last_op()->imm, PC + 1);
    run.state.pc = PC + 1;
    cr_assert(translate(&run, code + 1, sizeof code - 1, NULL));
    cr_expect_eq(block.insns[1].aux, HELPER_raise);
    cr_expect_eq(block.insns[1].imm, VEC_GP);
    cr_expect_eq(last_op()->op, IR_EXIT_PC);
    cr_expect_eq(block.guest_bytes, 4);
    cr_assert(translate(&run, code + 1, 4, NULL), "the limit is the page's end: no other is needed");
    run.state.pc = PC + 5;
    cr_assert(translate(&run, code + 5, sizeof code - 5, NULL));
    cr_expect_eq(block.insns[1].aux, HELPER_raise);
}

Test(lift, ip_does_not_wrap_in_small_segments)
{
    static const uint8_t code[] = {0x90, 0xc3};
    Run run = {.state = {.mode = REAL, .pc = 0xffff, .cs_limit = 0xffff}};
    cr_assert(translate(&run, code, sizeof code, NULL));
    cr_expect_eq(block.guest_insns, 1);
    cr_expect_eq(last_op()->imm, 0x10000, "where the limit ends it");
}

Test(lift, single_step_takes_one_instruction)
{
    static const uint8_t code[16] = {0x40, 0x41, 0xc3};
    Run run = {.state.mode = FLAT3 | MODE_SINGLE_STEP};
    cr_assert(translate(&run, code, sizeof code, NULL));
    cr_expect_eq(block.guest_insns, 1);
    cr_expect(block.solo);
}

Test(lift, fifteen_bytes_are_the_limit)
{
    uint8_t code[32];
    memset(code, 0x66, sizeof code);
    Run run = {.state.mode = FLAT3};
    cr_assert(translate(&run, code, sizeof code, NULL));
    cr_expect_eq(block.insns[1].aux, HELPER_raise);
    cr_expect_eq(block.insns[1].imm, VEC_GP);
    cr_expect_eq(block.guest_bytes, 15, "a store to any of them makes it another block");
}

/* Whatever the bytes: a well-formed block that ends once. */
/* Printed IR reads back as itself. */
static void check_text(const char *name)
{
    g_autoptr(GString) text = g_string_new(NULL), again = g_string_new(NULL);
    IrBlock copy;
    GError *error = NULL;
    ir_block_init(&copy, block.helpers, block.helper_count);
    ir_print(&block, text);
    cr_assert(ir_parse(&copy, text->str, &error), "%s: %s\n%s", name,
              error ? error->message : "", text->str);
    ir_print(&copy, again);
    cr_assert_str_eq(text->str, again->str, "%s", name);
    cr_assert_eq(copy.count, block.count);
    ir_block_destroy(&copy);
}

Test(lift, ir_text_is_checked)
{
    static const char *const bad[] = {"", "block", "block 0x0 next 0x0 insns 0 bytes 0\nfoo.4 _, _, _",
                                      "block 0x0 next 0x0 insns 0 bytes 0\nmov.4 r0, q1, _",
                                      "block 0x0 next 0x0 insns 0 bytes 0\nmov.4 r0, xs.flat[_+_*1+0]a4, _",
                                      "block 0x0 next 0x0 insns 0 bytes 0\nmov.4 r0, r1, _ bogus=1",
                                      "block 0x0 next 0x0 insns 0 bytes 0\ncall.4 _, _, _ @nothing(_, _, _)"};
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        IrBlock copy;
        GError *error = NULL;
        ir_block_init(&copy, NULL, 0);
        cr_expect_not(ir_parse(&copy, bad[i], &error), "accepted: %s", bad[i]);
        cr_expect_not_null(error);
        g_clear_error(&error);
        ir_block_destroy(&copy);
    }
}

Test(lift, any_bytes_lift)
{
    static const uint32_t modes[] = {FLAT0,
                                     FLAT3,
                                     REAL,
                                     V86,
                                     FLAT3 | MODE_ALIGN_CHECK,
                                     FLAT0 & ~(uint32_t)MODE_STACK32,
                                     FLAT3 | MODE_FPU_TRAP};
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t code[TEXT_BYTES];
        for (unsigned k = 0; k < sizeof code; k++)
            code[k] = (uint8_t)g_rand_int(rand);
        if (round & 1)
            code[0] = 0x0f;
        Run run = {.state.mode = modes[round % G_N_ELEMENTS(modes)]};
        if (!(run.state.mode & MODE_CODE32))
            run.state.cs_limit = 0xffff;
        if (!translate(&run, code, sizeof code, NULL))
            continue;
        g_autofree char *name = g_strdup_printf("round %u: %02x %02x %02x %02x", round, code[0],
                                                code[1], code[2], code[3]);
        check_block(name);
        if (round % 16 == 0)
            check_text(name);
        for (unsigned k = 0; k < block.count; k++) {
            bool last = k == block.count - 1;
            bool ends = ir_op_info[block.insns[k].op].attrs & IR_ATTR_END;
            cr_assert_eq(ends, last, "%s: op %u of %u", name, k, block.count);
        }
    }
}
