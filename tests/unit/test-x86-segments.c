/* SPDX-License-Identifier: MIT
 * Segment loads, mode bits, EFLAGS rules. */
#include "x86-bed.h"

Test(x86_segments, reset_is_real_mode_at_the_top_of_memory)
{
    Bed bed = bed_new("max");
    const CpuX86 *cpu = bed.cpu;
    cr_assert_eq((uint32_t)(cpu->seg[SEG_CS].base + cpu->v.pc), 0xfffffff0u);
    cr_assert_eq(cpu->cr0, 0x60000010u);
    cr_assert_eq(cpu_eflags(cpu), 2u);
    cr_assert(cpu->mode & MODE_CPL0);
    cr_assert_eq(cpu->mode & (MODE_PROTECTED | MODE_CODE32 | MODE_USER), 0);
    cr_assert_eq(mode_seg_use(cpu->mode, SEG_DS), IR_SEG_64K);
    bed_free(&bed);
}

Test(x86_segments, classes)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    cr_assert_eq(mode_seg_use(cpu->mode, SEG_DS), IR_SEG_FLAT);
    bed_desc(&bed, SPARE, 0x1234, 0xffffffff, 0x93, true);
    cr_assert_eq(bed_run(&bed, load_seg, SEG_FS, SPARE, 0), EXIT_REASONS);
    cr_assert_eq(mode_seg_use(cpu->mode, SEG_FS), IR_SEG_BASE);
    cr_assert_eq(cpu->v.seg_base[SEG_FS], 0x1234);
    bed_desc(&bed, SPARE, 0, 0xffff, 0x93, true);
    bed_run(&bed, load_seg, SEG_FS, SPARE, 0);
    cr_assert_eq(mode_seg_use(cpu->mode, SEG_FS), IR_SEG_64K);
    bed_run(&bed, load_seg, SEG_FS, RDONLY, 0);
    cr_assert_eq(mode_seg_use(cpu->mode, SEG_FS), IR_SEG_CHECK);
    bed_run(&bed, load_seg, SEG_FS, 0, 0);
    cr_assert_eq(mode_seg_use(cpu->mode, SEG_FS), IR_SEG_CHECK);
    bed_free(&bed);
}

Test(x86_segments, load_checks)
{
    static const struct {
        unsigned seg;
        uint16_t selector;
        unsigned vector;
        uint32_t code;
    } cases[] = {
        {SEG_SS, 0, VEC_GP, 0},
        {SEG_SS, DATA3, VEC_GP, DATA3 & ~3u},
        {SEG_SS, CODE0, VEC_GP, CODE0},
        {SEG_SS, RDONLY, VEC_GP, RDONLY},
        {SEG_SS, ABSENT, VEC_SS, ABSENT},
        {SEG_DS, ABSENT, VEC_NP, ABSENT},
        {SEG_DS, DATA0 | 3, EXIT_REASONS, 0}, /* RPL 3 needs DPL 3: see below */
        {SEG_DS, TSS2, VEC_GP, TSS2},
        {SEG_DS, 0x4, VEC_GP, 0x4}, /* no LDT */
        {SEG_DS, GDT_ENTRIES * 8, VEC_GP, GDT_ENTRIES * 8},
    };
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        ExitReason reason = bed_run(&bed, load_seg, cases[i].seg, cases[i].selector, 0);
        if (cases[i].vector == EXIT_REASONS)
            bed_expect_fault(&bed, reason, VEC_GP, cases[i].selector & ~3u);
        else
            bed_expect_fault(&bed, reason, cases[i].vector, cases[i].code);
    }
    cr_assert_eq(bed_run(&bed, load_seg, SEG_DS, DATA3, 0), EXIT_REASONS);
    bed_free(&bed);
}

Test(x86_segments, load_sets_the_accessed_bit)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    bed_desc(&bed, SPARE, 0, 0xffff, 0x92, true);
    cr_assert_eq(bed_run(&bed, load_seg, SEG_ES, SPARE, 0), EXIT_REASONS);
    cr_assert_eq(bed_read(&bed, BED_GDT + SPARE + 5, 1), 0x93);
    cr_assert(bed.cpu->seg[SEG_ES].attr & SEG_ATTR_ACCESSED);
    bed_free(&bed);
}

Test(x86_segments, mov_ss_holds_back_interrupts_for_one_instruction)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    cpu->eflags |= EFLAGS_IF;
    cpu_set_line(cpu, CPU_LINE_INTR, true);
    bed_run(&bed, load_seg, SEG_SS, DATA0, 0);
    cr_assert(cpu->mode & MODE_SHADOW);
    cpu->v.pc = BED_CODE + 2;
    x86_debug_boundary(&cpu->v);
    cr_assert_not(x86_guest_ops.interrupt_ready(&cpu->v));
    cpu->v.pc = BED_CODE + 4;
    x86_debug_boundary(&cpu->v);
    cr_assert(x86_guest_ops.interrupt_ready(&cpu->v));
    cr_assert_eq(cpu->mode & MODE_SHADOW, 0);
    bed_free(&bed);
}

Test(x86_segments, lar_lsl_verw)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    uint64_t value;
    bed_call(&bed, helper_lar, CODE0, 0, 0, &value);
    cr_assert(bed.cpu->v.flags & FLAG_ZF);
    cr_assert_eq(value, 0x00cf9b00u);
    bed_call(&bed, helper_lsl, DATA0, 0, 0, &value);
    cr_assert_eq(value, 0xffffffffu);
    bed_call(&bed, helper_lsl, 0, 0, 0, &value);
    cr_assert_not(bed.cpu->v.flags & FLAG_ZF);
    bed_run(&bed, verw, RDONLY, 0, 0);
    cr_assert_not(bed.cpu->v.flags & FLAG_ZF);
    bed_run(&bed, verw, DATA0, 0, 0);
    cr_assert(bed.cpu->v.flags & FLAG_ZF);
    bed_free(&bed);
}

Test(x86_eflags, popf_respects_cpl_and_iopl)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    CpuX86 *cpu = bed.cpu;
    const uint32_t all = EFLAGS_IF | EFLAGS_IOPL | EFLAGS_TF | FLAG_CF | EFLAGS_AC | EFLAGS_VM;
    bed_run(&bed, popf, all, 4, 0);
    cr_assert_eq(cpu_eflags(cpu), EFLAGS_TF | FLAG_CF | EFLAGS_AC | 2u);
    cpu->eflags = EFLAGS_IOPL;
    bed_run(&bed, popf, EFLAGS_IF, 2, 0);
    cr_assert_eq(cpu_eflags(cpu), EFLAGS_IF | EFLAGS_IOPL | 2u, "IF by IOPL, IOPL only by CPL 0");
    cpu->eflags = 0;
    bed_expect_fault(&bed, bed_run(&bed, cli, 0, 0, 0), VEC_GP, 0);
    cpu->cr4 = CR4_PVI;
    cr_assert_eq(bed_run(&bed, sti, 0, 0, 0), EXIT_REASONS);
    cr_assert_eq(cpu->eflags & (EFLAGS_IF | EFLAGS_VIF), EFLAGS_VIF);
    bed_free(&bed);
}

Test(x86_eflags, v86_flags_by_iopl_and_vme)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    CpuX86 *cpu = bed.cpu;
    uint64_t image;
    cpu_set_eflags(cpu, EFLAGS_VM | EFLAGS_IF, ~0u);
    bed_expect_fault(&bed, bed_call(&bed, helper_pushf_value, 2, 0, 0, &image), VEC_GP, 0);
    cpu->cr4 = CR4_VME;
    cr_assert_eq(bed_call(&bed, helper_pushf_value, 2, 0, 0, &image), EXIT_REASONS);
    cr_assert_eq(image & (EFLAGS_IF | EFLAGS_IOPL), EFLAGS_IOPL, "VIF, not IF");
    bed_run(&bed, popf, EFLAGS_IF, 2, 0);
    cr_assert_eq(cpu->eflags & (EFLAGS_IF | EFLAGS_VIF), EFLAGS_IF | EFLAGS_VIF);
    bed_expect_fault(&bed, bed_run(&bed, popf, EFLAGS_TF, 2, 0), VEC_GP, 0);
    bed_free(&bed);
}

Test(x86_eflags, direction_steps_follow_df)
{
    Bed bed = bed_new("max");
    bed_run(&bed, std, 0, 0, 0);
    cr_assert_eq(bed.cpu->v.dir[2], -4);
    bed_run(&bed, cld, 0, 0, 0);
    cr_assert_eq(bed.cpu->v.dir[3], 8);
    bed_free(&bed);
}
