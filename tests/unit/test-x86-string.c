/* SPDX-License-Identifier: MIT
 * String instructions, FPU images, CPUID. */
#include "x86-bed.h"

#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "translator/x86/decode.h"

enum { REP_NE = 2, REP_E = 3, SRC = 0x20000, DST = 0x30000 };

static uint64_t desc(StringOp op, unsigned size, unsigned rep)
{
    return op | size << 4 | 4 << 8 | rep << 12 | SEG_DS << 16;
}

static void set_regs(Bed *bed, uint32_t esi, uint32_t edi, uint32_t ecx)
{
    bed->cpu->v.gpr[REG_ESI] = esi;
    bed->cpu->v.gpr[REG_EDI] = edi;
    bed->cpu->v.gpr[REG_ECX] = ecx;
}

Test(x86_string, rep_movs_across_pages)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    for (unsigned i = 0; i < 9000; i++)
        bed.mem[SRC + 100 + i] = (uint8_t)(i * 7);
    set_regs(&bed, SRC + 100, DST + 33, 2250);
    uint64_t again;
    cr_assert_eq(bed_call(&bed, helper_string, desc(STRING_MOVS, 4, REP_E), 0, 0, &again),
                 EXIT_REASONS);
    cr_assert_eq(again, 0);
    cr_assert_eq(memcmp(bed.mem + SRC + 100, bed.mem + DST + 33, 9000), 0);
    cr_assert_eq(bed.cpu->v.gpr[REG_ESI], SRC + 100 + 9000);
    cr_assert_eq(bed.cpu->v.gpr[REG_ECX], 0);
    bed_free(&bed);
}

Test(x86_string, overlapping_copy_replicates)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    bed.mem[SRC] = 0x5a;
    set_regs(&bed, SRC, SRC + 1, 300);
    bed_run(&bed, string, desc(STRING_MOVS, 1, REP_E), 0, 0);
    for (unsigned i = 0; i <= 300; i++)
        cr_assert_eq(bed.mem[SRC + i], 0x5a);
    bed_free(&bed);
}

Test(x86_string, backwards_and_16_bit_addresses_wrap)
{
    Bed bed = bed_new("max");
    CpuX86 *cpu = bed.cpu;
    bed_run(&bed, std, 0, 0, 0);
    bed.mem[0] = 1;
    bed.mem[0xffff] = 2;
    set_regs(&bed, 0xabcd0000, 0x1000, 2);
    cpu->seg[SEG_ES].base = 0x50000;
    const uint64_t d = STRING_MOVS | 1 << 4 | 2 << 8 | REP_E << 12 | SEG_DS << 16;
    cr_assert_eq(bed_run(&bed, string, d, 0, 0), EXIT_REASONS);
    cr_assert_eq(bed.mem[0x51000], 1);
    cr_assert_eq(bed.mem[0x50fff], 2);
    cr_assert_eq(cpu->v.gpr[REG_ESI], 0xabcdfffe, "the upper half stays");
    bed_free(&bed);
}

Test(x86_string, a_fault_leaves_the_registers_where_it_happened)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    bed_desc(&bed, SPARE, 0, DST + 9, 0x93, true); /* ES: bytes up to DST + 9 */
    bed_run(&bed, load_seg, SEG_ES, SPARE, 0);
    set_regs(&bed, SRC, DST, 8);
    ExitReason reason = bed_run(&bed, string, desc(STRING_STOS, 4, REP_E), 0, 0);
    bed_expect_fault(&bed, reason, VEC_GP, 0);
    cr_assert_eq(bed.cpu->v.gpr[REG_EDI], DST + 8);
    cr_assert_eq(bed.cpu->v.gpr[REG_ECX], 6);
    bed_free(&bed);
}

Test(x86_string, long_runs_come_back_for_interrupts)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    uint64_t again;
    set_regs(&bed, 0, SRC, 70000);
    bed_call(&bed, helper_string, desc(STRING_STOS, 1, REP_E), 0, 0, &again);
    cr_assert_eq(again, 1);
    cr_assert_eq(bed.cpu->v.gpr[REG_ECX], 65536);
    bed_free(&bed);
}

Test(x86_string, scas_and_cmps_stop_where_the_condition_says)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    uint64_t again;
    memset(bed.mem + DST, 'x', 100);
    bed.mem[DST + 60] = 0;
    set_regs(&bed, 0, DST, 0xffffffff);
    bed_call(&bed, helper_string, desc(STRING_SCAS, 1, REP_NE), 0, 0, &again);
    cr_assert_eq(again, 0);
    cr_assert_eq(cpu->v.gpr[REG_EDI], DST + 61);
    cr_assert_eq(~cpu_reg(cpu, REG_ECX) - 1, 60, "strlen");
    cr_assert(cpu->v.flags & FLAG_ZF);
    memcpy(bed.mem + SRC, bed.mem + DST, 100);
    bed.mem[SRC + 42] = 'a';
    set_regs(&bed, SRC, DST, 100);
    bed_call(&bed, helper_string, desc(STRING_CMPS, 1, REP_E), 0, 0, &again);
    cr_assert_eq(cpu->v.gpr[REG_ESI], SRC + 43);
    cr_assert_eq(cpu->v.flags & (FLAG_ZF | FLAG_CF), FLAG_CF, "'a' is below 'x'");
    bed_free(&bed);
}

/* ---- FPU images ---- */

static uint64_t ref(unsigned op_size)
{
    return SEG_DS | 4 << 8 | op_size << 16;
}

Test(x86_fpu, fnsave_and_frstor_keep_the_state)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    uint8_t *area = bed.cpu->v.fp_area, copy[288];
    for (unsigned i = 32; i < 160; i++)
        area[i] = i % 16 < 10 ? (uint8_t)(i * 3) : 0;
    memcpy(area, (const uint8_t[]){0x7f, 0x02, 0x00, 0x30, 0x81, 0}, 6); /* TOP 6, two used */
    memset(area + 6, 0, 18);
    memcpy(copy, area, sizeof(copy));
    cr_assert_eq(bed_run(&bed, fnsave, ref(4), SRC, 0), EXIT_REASONS);
    cr_assert_eq(bed_read(&bed, SRC, 4), 0xffff027fu);
    cr_assert_eq(bed_read(&bed, SRC + 8, 2) & 0x3ffc, 0x3ffc, "physical registers 1..6 are empty");
    cr_assert_eq(area[4], 0, "FNINIT afterwards");
    cr_assert_eq(bed_run(&bed, frstor, ref(4), SRC, 0), EXIT_REASONS);
    cr_assert_eq(memcmp(area, copy, sizeof(copy)), 0);
    bed_free(&bed);
}

Test(x86_fpu, fxrstor_refuses_reserved_mxcsr_bits_and_misalignment)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    bed_expect_fault(&bed, bed_run(&bed, fxrstor, ref(4), SRC + 8, 0), VEC_GP, 0);
    bed_write(&bed, SRC + 24, 4, 0x11f80);
    bed_expect_fault(&bed, bed_run(&bed, fxrstor, ref(4), SRC, 0), VEC_GP, 0);
    bed_write(&bed, SRC + 24, 4, 0x1fa0);
    cr_assert_eq(bed_run(&bed, fxrstor, ref(4), SRC, 0), EXIT_REASONS);
    bed_free(&bed);
}

/* ---- CPUID and models ---- */

Test(x86_cpuid, models_and_options)
{
    CpuModel m;
    uint32_t regs[4];
    g_autoptr(GError) error = NULL;
    cr_assert(cpu_model_parse(&m, "pentium3,-sse,apic=off", NULL));
    cpu_model_cpuid(&m, 1, 0, 0, true, regs);
    cr_assert_eq(regs[0], 0x683);
    cr_assert_eq(regs[3] & (1u << 25 | 1u << 9), 0);
    cr_assert(regs[3] & (1u << 24));
    cr_assert_not(cpu_model_parse(&m, "z80", &error));
    g_clear_error(&error);
    cr_assert_not(cpu_model_parse(&m, "max,+warp", &error));
    cr_assert(cpu_model_parse(&m, NULL, NULL));
    cpu_model_cpuid(&m, 0x80000007u, 0, 0, true, regs);
    cr_assert_eq(regs[3], 0x100);
}

/* Bytes of the caches of a level and type that leaf 4 tells of. */
static uint64_t cache_bytes(const CpuModel *model, unsigned level, unsigned type)
{
    uint32_t regs[4];
    cpu_model_cpuid(model, 0, 0, 0, true, regs);
    if (regs[0] < 4)
        return 0;
    for (unsigned i = 0;; i++) {
        cpu_model_cpuid(model, 4, i, 0, true, regs);
        if ((regs[0] & 31) == 0)
            return 0;
        cr_assert_lt(i, 8u);
        if ((regs[0] & 31) == type && (regs[0] >> 5 & 7) == level)
            return (uint64_t)((regs[1] >> 22) + 1) * ((regs[1] >> 12 & 1023) + 1) * ((regs[1] & 4095) + 1) *
                   (regs[2] + UINT64_C(1));
    }
}

/* Guests tune to the caches that they run on. */
Test(x86_cpuid, caches_are_those_of_the_host)
{
    CpuModel max, old;
    uint32_t regs[4];
    cr_assert(cpu_model_parse(&max, "max", NULL));
    cr_assert(cpu_model_parse(&old, "pentium2", NULL));
    cr_assert_eq(cache_bytes(&old, 1, 1), 0);
    cpu_model_cpuid(&old, 2, 0, 0, true, regs);
    cr_assert_eq(regs[3], 0x0c040843);
    const long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (l1 <= 0 || l2 <= 0)
        cr_skip_test("the host does not tell of its caches");
    cr_assert_leq(labs((long)cache_bytes(&max, 1, 1) - l1), l1 / 16);
    cr_assert_leq(labs((long)cache_bytes(&max, 2, 3) - l2), l2 / 16);
    cpu_model_cpuid(&max, 2, 0, 0, true, regs);
    cr_assert_eq(regs[3] & 0xff, 0xff, "leaf 4 has them");
    cpu_model_cpuid(&max, 0x80000006u, 0, 0, true, regs);
    cr_assert_eq(regs[2] >> 16, (uint32_t)(l2 >> 10));
}

Test(x86_msr, unknown_and_invalid_are_gp)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    bed.cpu->v.gpr[REG_ECX] = 0x12345678;
    bed_expect_fault(&bed, bed_run(&bed, rdmsr, 0, 0, 0), VEC_GP, 0);
    bed.cpu->v.gpr[REG_ECX] = 0x277;
    bed.cpu->v.gpr[REG_EAX] = 2; /* reserved memory type */
    bed.cpu->v.gpr[REG_EDX] = 0;
    bed_expect_fault(&bed, bed_run(&bed, wrmsr, 0, 0, 0), VEC_GP, 0);
    bed.cpu->v.gpr[REG_ECX] = 0x176;
    cr_assert_eq(bed_run(&bed, wrmsr, 0, 0, 0), EXIT_REASONS);
    cr_assert_eq(bed.cpu->sysenter_eip, 2);
    bed_free(&bed);
}

static uint64_t fixed_tsc(void *opaque)
{
    return 1000;
}

static void note_deadline(void *opaque, uint64_t value)
{
    *(uint64_t *)opaque = value;
}

static void write_msr(Bed *bed, uint32_t msr, uint64_t value)
{
    bed->cpu->v.gpr[REG_ECX] = msr;
    bed->cpu->v.gpr[REG_EAX] = (uint32_t)value;
    bed->cpu->v.gpr[REG_EDX] = value >> 32;
    cr_assert_eq(bed_run(bed, wrmsr, 0, 0, 0), EXIT_REASONS);
}

/* The board counts to 1000; the guest writes its TSC, and a deadline by that. */
Test(x86_msr, tsc_deadline_by_a_written_tsc)
{
    static const struct {
        uint64_t tsc, deadline, board;
    } rows[] = {
        {1000, 1500, 1500},
        {1000, UINT64_MAX, UINT64_MAX},
        {100, 600, 1500},
        {100, UINT64_MAX, UINT64_MAX}, /* never, not in the past */
        {5000, 5500, 1500},
        {5000, 3000, 1},
        {5000, 0, 0},
        {UINT64_C(0xffffffff00000000), UINT64_C(0xffffffff000001f4), 1500},
        {UINT64_C(1) << 63, (UINT64_C(1) << 63) + 500, 1500},
    };
    enum { IA32_TSC = 0x10, IA32_TSC_DEADLINE = 0x6e0 };
    Bed bed = bed_new("max");
    uint64_t board = 0;
    bed_protected(&bed, 0);
    bed.cpu->board = (CpuBoard){
        .opaque = &board, .tsc = fixed_tsc, .set_tsc_deadline = note_deadline};
    bed.cpu->model.features[FEAT_TSC_DEADLINE / 64] |= UINT64_C(1) << FEAT_TSC_DEADLINE % 64;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        write_msr(&bed, IA32_TSC, rows[i].tsc);
        write_msr(&bed, IA32_TSC_DEADLINE, rows[i].deadline);
        cr_assert_eq(board, rows[i].board, "row %u: %" PRIu64, i, board);
    }
    bed_free(&bed);
}

Test(x86_cr, cr0_and_cr4_rules)
{
    Bed bed = bed_new("486");
    CpuX86 *cpu = bed.cpu;
    bed_expect_fault(&bed, bed_run(&bed, mov_to_cr, 0, CR0_PG, 0), VEC_GP, 0);
    bed_expect_fault(&bed, bed_run(&bed, mov_to_cr, 0, CR0_NW, 0), VEC_GP, 0);
    bed_expect_fault(&bed, bed_run(&bed, mov_to_cr, 4, CR4_PAE, 0), VEC_GP, 0);
    cr_assert_eq(bed_run(&bed, mov_to_cr, 0, CR0_PE, 0), EXIT_REASONS);
    cr_assert(cpu->mode & MODE_PROTECTED);
    bed_run(&bed, lmsw, 0, 0, 0);
    cr_assert(cpu->cr0 & CR0_PE, "LMSW cannot clear PE");
    bed_free(&bed);
}

/* ---- decimal adjustments: results and flags of a real CPU ---- */

Test(x86_bcd, as_hardware_does)
{
    static const struct {
        HelperFn fn;
        uint32_t ax, flags, result, flags_after;
    } cases[] = {
        {helper_aaa, 0x2a, 0, 0x100, FLAG_AF | FLAG_CF | FLAG_PF},
        {helper_aaa, 0x7efc, 0, 0x8002, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_CF},
        {helper_aas, 0x06, FLAG_AF, 0xff00, FLAG_SF | FLAG_AF | FLAG_PF | FLAG_CF},
        {helper_aas, 0x8001, FLAG_AF, 0x7e0b, FLAG_OF | FLAG_AF | FLAG_CF},
        {helper_daa, 0x1b, FLAG_CF, 0x81, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF | FLAG_CF},
        {helper_das, 0x81, FLAG_CF, 0x21, FLAG_OF | FLAG_PF | FLAG_CF},
        {helper_aad, 0x17a, 0, 0x84, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF},
    };
    Bed bed = bed_new("max");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        bed.cpu->v.gpr[REG_EAX] = cases[i].ax;
        bed.cpu->v.flags = cases[i].flags;
        bed_call(&bed, cases[i].fn, 10, 0, 0, NULL);
        cr_assert_eq(bed.cpu->v.gpr[REG_EAX], cases[i].result, "case %u", i);
        cr_assert_eq(bed.cpu->v.flags, cases[i].flags_after, "case %u: %x", i, bed.cpu->v.flags);
    }
    bed_expect_fault(&bed, bed_run(&bed, aam, 0, 0, 0), VEC_DE, 0);
    bed_free(&bed);
}
