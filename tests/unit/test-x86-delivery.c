/* SPDX-License-Identifier: MIT
 * Interrupt delivery and IRET: frames, privilege changes, double and triple faults, tasks. */
#include "x86-bed.h"

enum { INT_GATE = 14, TRAP_GATE = 15, HANDLER = 0x20000 };

static bool raise_fault(Bed *bed, unsigned vector, bool has_error, uint32_t code)
{
    bed->cpu->v.fault = (Fault){(uint8_t)vector, has_error, code, 0};
    return x86_guest_ops.deliver_fault(&bed->cpu->v);
}

static uint32_t top(const Bed *bed, unsigned index)
{
    return bed_read(bed, cpu_reg(bed->cpu, REG_ESP) + 4 * index, 4);
}

Test(x86_delivery, real_mode_int_and_iret)
{
    Bed bed = bed_new("max");
    CpuX86 *cpu = bed.cpu;
    cpu->idtr = (DescTable){0, 0x3ff};
    cpu->v.gpr[REG_ESP] = 0x12340100;
    cpu->seg[SEG_SS].base = 0x5000;
    cpu->eflags = EFLAGS_IF;
    cpu->v.flags = FLAG_CF;
    bed_write(&bed, 0x10 * 4, 4, 0x40001234);
    cr_assert_eq(bed_run(&bed, soft_int, 0x10, 0xfff2, 0), EXIT_REASONS);
    cr_assert_eq(cpu->v.pc, 0x1234);
    cr_assert_eq(cpu->seg[SEG_CS].base, 0x40000);
    cr_assert_eq(cpu->v.gpr[REG_ESP], 0x123400fa, "the upper half of ESP stays");
    cr_assert_eq(bed_read(&bed, 0x50fa, 2), 0xfff2);
    cr_assert_eq(bed_read(&bed, 0x50fc, 2), 0xf000);
    cr_assert_eq(bed_read(&bed, 0x50fe, 2), 0x0203);
    cr_assert_eq(cpu->eflags & EFLAGS_IF, 0);
    cr_assert_eq(bed_run(&bed, iret, 2, 0, 0), EXIT_REASONS);
    cr_assert_eq(cpu->v.pc, 0xfff2);
    cr_assert(cpu->eflags & EFLAGS_IF);
    bed_free(&bed);
}

Test(x86_delivery, same_level_frame_with_error_code)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    cpu->eflags = EFLAGS_IF | EFLAGS_TF | EFLAGS_NT;
    bed_gate(&bed, VEC_GP, CODE0, HANDLER, TRAP_GATE, 0);
    cr_assert(raise_fault(&bed, VEC_GP, true, 0x18));
    cr_assert_eq(cpu->v.pc, HANDLER);
    cr_assert_eq(top(&bed, 0), 0x18);
    cr_assert_eq(top(&bed, 1), BED_CODE);
    cr_assert_eq(top(&bed, 2), CODE0);
    cr_assert_eq(top(&bed, 3), EFLAGS_IF | EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | 2u);
    cr_assert_eq(cpu->eflags, EFLAGS_IF, "a trap gate keeps IF");
    bed_free(&bed);
}

Test(x86_delivery, alignment_check_that_meets_itself_comes_back, .timeout = 20)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    CpuX86 *cpu = bed.cpu;
    cpu->cr0 |= CR0_AM;
    cpu_set_eflags(cpu, EFLAGS_AC, EFLAGS_AC);
    cpu->v.gpr[REG_ESP] = BED_STACK3 + 2;
    bed_gate(&bed, VEC_AC, CODE3, HANDLER, INT_GATE, 0);
    cr_assert(raise_fault(&bed, VEC_AC, true, 0));
    cr_assert_eq(cpu->v.pc, BED_CODE);
    cr_assert_eq(cpu->v.gpr[REG_ESP], BED_STACK3 + 2);
    bed_free(&bed);
}

Test(x86_delivery, inner_level_and_back)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    CpuX86 *cpu = bed.cpu;
    cpu->eflags = EFLAGS_IF;
    bed_gate(&bed, 0x80, CODE0, HANDLER, INT_GATE, 3);
    cr_assert_eq(bed_run(&bed, soft_int, 0x80, BED_CODE + 2, 0), EXIT_REASONS);
    cr_assert_eq(cpu->cpl, 0);
    cr_assert_eq(cpu->seg[SEG_SS].selector, DATA0);
    cr_assert_eq(cpu->v.gpr[REG_ESP], BED_STACK0 - 20);
    cr_assert_eq(top(&bed, 0), BED_CODE + 2);
    cr_assert_eq(top(&bed, 1), CODE3);
    cr_assert_eq(top(&bed, 3), BED_STACK3);
    cr_assert_eq(top(&bed, 4), DATA3);
    bed_run(&bed, load_seg, SEG_FS, DATA0, 0);
    cr_assert_eq(bed_run(&bed, iret, 4, 0, 0), EXIT_REASONS);
    cr_assert_eq(cpu->cpl, 3);
    cr_assert_eq(cpu->v.pc, BED_CODE + 2);
    cr_assert_eq(cpu->v.gpr[REG_ESP], BED_STACK3);
    cr_assert_eq(cpu->seg[SEG_FS].selector, 0, "CPL 3 may not keep a DPL 0 segment");
    cr_assert_eq(cpu->seg[SEG_DS].selector, DATA3);
    bed_free(&bed);
}

Test(x86_delivery, gate_privilege_counts_for_int_n_only)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    bed_gate(&bed, 0x40, CODE0, HANDLER, INT_GATE, 0);
    bed_expect_fault(&bed, bed_run(&bed, soft_int, 0x40, BED_CODE + 2, 0), VEC_GP, 0x40 * 8 + 2);
    bed_gate(&bed, VEC_UD, CODE0, HANDLER, INT_GATE, 0);
    cr_assert(raise_fault(&bed, VEC_UD, false, 0));
    cr_assert_eq(bed.cpu->v.pc, HANDLER);
    bed_free(&bed);
}

Test(x86_delivery, v86_to_ring_0_and_back)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    CpuX86 *cpu = bed.cpu;
    cpu_set_eflags(cpu, EFLAGS_VM | EFLAGS_IF, ~0u);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = seg_vm86((uint16_t)(0x100 * (i + 1)));
    cpu->v.pc = 0x77;
    cpu->v.gpr[REG_ESP] = 0x200;
    cpu_update_mode(cpu);
    bed_gate(&bed, VEC_GP, CODE0, HANDLER, INT_GATE, 0);
    bed_expect_fault(&bed, bed_run(&bed, soft_int, 0x21, 0x79, 0), VEC_GP, 0);
    cr_assert(x86_guest_ops.deliver_fault(&cpu->v));
    cr_assert_eq(cpu->cpl, 0);
    cr_assert_not(cpu_vm86(cpu));
    cr_assert_eq(cpu->v.gpr[REG_ESP], BED_STACK0 - 40);
    cr_assert_eq(top(&bed, 1), 0x77);
    cr_assert(top(&bed, 3) & EFLAGS_VM);
    cr_assert_eq(top(&bed, 4), 0x200);
    cr_assert_eq(top(&bed, 5), 0x300, "SS");
    cr_assert_eq(top(&bed, 9), 0x600, "GS");
    cr_assert_eq(cpu->seg[SEG_DS].selector, 0);
    cpu->v.gpr[REG_ESP] += 4;
    cr_assert_eq(bed_run(&bed, iret, 4, 0, 0), EXIT_REASONS);
    cr_assert(cpu_vm86(cpu));
    cr_assert_eq(cpu->cpl, 3);
    cr_assert_eq(cpu->seg[SEG_GS].base, 0x6000);
    cr_assert_eq(cpu->v.gpr[REG_ESP], 0x200);
    bed_free(&bed);
}

Test(x86_delivery, vme_redirects_int_n_to_the_8086_table)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    CpuX86 *cpu = bed.cpu;
    cpu_set_eflags(cpu, EFLAGS_VM | EFLAGS_VIF | EFLAGS_IF, ~0u);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = seg_vm86(0x500);
    cpu->v.gpr[REG_ESP] = 0x200;
    cpu->cr4 = CR4_VME;
    bed_write(&bed, BED_TSS + 0x66, 2, 0x68 + 32); /* bitmap of zeros below it */
    bed_write(&bed, 0x21 * 4, 4, 0x70001111);
    cr_assert_eq(bed_run(&bed, soft_int, 0x21, 0x79, 0), EXIT_REASONS);
    cr_assert(cpu_vm86(cpu));
    cr_assert_eq(cpu->v.pc, 0x1111);
    cr_assert_eq(cpu->seg[SEG_CS].base, 0x70000);
    cr_assert_eq(cpu->eflags & (EFLAGS_IF | EFLAGS_VIF), EFLAGS_IF);
    cr_assert_eq(bed_read(&bed, 0x5000 + 0x1fe, 2), 0x3202, "IF from VIF, IOPL 3");
    cr_assert_eq(bed_run(&bed, iret, 2, 0, 0), EXIT_REASONS);
    cr_assert(cpu->eflags & EFLAGS_VIF);
    cr_assert_eq(cpu->v.pc, 0x79);
    bed_free(&bed);
}

Test(x86_delivery, double_and_triple_fault)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    /* #UD has no gate: #NP, served as such. #GP without a gate: contributory, #DF. */
    bed_write(&bed, BED_IDT + VEC_UD * 8 + 4, 4, INT_GATE << 8);
    bed_gate(&bed, VEC_NP, CODE0, HANDLER, INT_GATE, 0);
    cr_assert(raise_fault(&bed, VEC_UD, false, 0));
    cr_assert_eq(cpu->v.pc, HANDLER);
    cr_assert_eq(top(&bed, 0), VEC_UD * 8 + 3, "IDT and EXT");
    bed_gate(&bed, VEC_DF, CODE0, HANDLER + 0x100, INT_GATE, 0);
    cr_assert(raise_fault(&bed, VEC_GP, true, 0));
    cr_assert_eq(cpu->v.pc, HANDLER + 0x100);
    cr_assert_eq(top(&bed, 0), 0);
    cpu->idtr.limit = 0;
    cr_assert_not(raise_fault(&bed, VEC_GP, true, 0));
    bed_free(&bed);
}

Test(x86_delivery, iret_refuses_inward_returns)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    bed_write(&bed, BED_STACK3, 4, BED_CODE);
    bed_write(&bed, BED_STACK3 + 4, 4, CODE0);
    bed_write(&bed, BED_STACK3 + 8, 4, 2);
    bed_expect_fault(&bed, bed_run(&bed, iret, 4, 0, 0), VEC_GP, CODE0);
    cr_assert_eq(bed.cpu->v.gpr[REG_ESP], BED_STACK3, "nothing is committed");
    bed_free(&bed);
}

/* ---- far transfers and tasks ---- */

Test(x86_far, call_gate_switches_stacks_and_copies_parameters)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    CpuX86 *cpu = bed.cpu;
    const uint32_t gate = BED_GDT + SPARE;
    bed_write(&bed, gate, 4, CODE0 << 16 | (HANDLER & 0xffff));
    bed_write(&bed, gate + 4, 4, (HANDLER & 0xffff0000u) | 0xec00 | 2);
    bed_write(&bed, BED_STACK3, 4, 0xaaaa);
    bed_write(&bed, BED_STACK3 + 4, 4, 0xbbbb);
    const uint64_t selector = SPARE | 3;
    cr_assert_eq(bed_run(&bed, far_call, selector | 4 << 16, 0x999, BED_CODE + 7), EXIT_REASONS);
    cr_assert_eq(cpu->v.pc, HANDLER);
    cr_assert_eq(cpu->cpl, 0);
    cr_assert_eq(top(&bed, 0), BED_CODE + 7);
    cr_assert_eq(top(&bed, 1), CODE3);
    cr_assert_eq(top(&bed, 2), 0xaaaa);
    cr_assert_eq(top(&bed, 3), 0xbbbb);
    cr_assert_eq(top(&bed, 4), BED_STACK3);
    cr_assert_eq(bed_run(&bed, far_ret, 4, 8, 0), EXIT_REASONS);
    cr_assert_eq(cpu->cpl, 3);
    cr_assert_eq(cpu->v.gpr[REG_ESP], BED_STACK3 + 8);
    bed_free(&bed);
}

static void fill_tss2(Bed *bed)
{
    static const uint16_t selectors[] = {DATA0, CODE0, DATA0, DATA0, DATA0, DATA0};
    bed_write(bed, BED_TSS2 + 0x20, 4, HANDLER);
    bed_write(bed, BED_TSS2 + 0x24, 4, 2);
    bed_write(bed, BED_TSS2 + 0x28, 4, 0x11111111);
    bed_write(bed, BED_TSS2 + 0x38, 4, BED_STACK0 - 0x100);
    for (unsigned i = 0; i < G_N_ELEMENTS(selectors); i++)
        bed_write(bed, BED_TSS2 + 0x48 + 4 * i, 4, selectors[i]);
}

Test(x86_task, call_links_and_iret_returns)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    fill_tss2(&bed);
    cpu->v.gpr[REG_EAX] = 0x22222222;
    cr_assert_eq(bed_run(&bed, far_call, TSS2 | 4 << 16, 0, BED_CODE + 7), EXIT_REASONS);
    cr_assert_eq(cpu->v.pc, HANDLER);
    cr_assert_eq(cpu->v.gpr[REG_EAX], 0x11111111);
    cr_assert_eq(cpu->tr.selector, TSS2);
    cr_assert(cpu->eflags & EFLAGS_NT);
    cr_assert(cpu->cr0 & CR0_TS);
    cr_assert_eq(bed_read(&bed, BED_TSS2, 2), TSS1);
    cr_assert_eq(bed_read(&bed, BED_GDT + TSS1 + 5, 1), 0x8b, "the caller stays busy");
    cr_assert_eq(bed_read(&bed, BED_GDT + TSS2 + 5, 1), 0x8b);
    cr_assert_eq(bed_run(&bed, iret, 4, 0, 0), EXIT_REASONS);
    cr_assert_eq(cpu->v.pc, BED_CODE + 7);
    cr_assert_eq(cpu->v.gpr[REG_EAX], 0x22222222);
    cr_assert_eq(bed_read(&bed, BED_GDT + TSS2 + 5, 1), 0x89);
    cr_assert_eq(cpu->eflags & EFLAGS_NT, 0);
    bed_free(&bed);
}

Test(x86_task, jmp_frees_the_old_task_and_a_busy_one_is_refused)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    fill_tss2(&bed);
    bed_expect_fault(&bed, bed_run(&bed, far_jmp, TSS1, 0, 4), VEC_GP, TSS1);
    cr_assert_eq(bed_run(&bed, far_jmp, TSS2, 0, 4), EXIT_REASONS);
    cr_assert_eq(bed_read(&bed, BED_GDT + TSS1 + 5, 1), 0x89);
    cr_assert_eq(bed.cpu->eflags & EFLAGS_NT, 0);
    bed_free(&bed);
}

Test(x86_task, bad_segment_faults_in_the_new_task)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    fill_tss2(&bed);
    bed_write(&bed, BED_TSS2 + 0x54, 4, RDONLY | 0); /* DS is fine read-only ... */
    bed_write(&bed, BED_TSS2 + 0x50, 4, RDONLY);     /* ... SS is not */
    bed_expect_fault(&bed, bed_run(&bed, far_jmp, TSS2, 0, 4), VEC_TS, RDONLY);
    cr_assert_eq(bed.cpu->tr.selector, TSS2);
    cr_assert_eq(bed.cpu->v.pc, HANDLER);
    bed_free(&bed);
}

Test(x86_io, bitmap)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 3);
    bed_write(&bed, BED_TSS + 0x66, 2, 0x68);
    bed_write(&bed, BED_TSS + 0x68 + 0x60 / 8, 1, 0x10);
    cr_assert_eq(bed_run(&bed, in, 0x60, 4, 0), EXIT_REASONS);
    bed_expect_fault(&bed, bed_run(&bed, in, 0x61, 4, 0), VEC_GP, 0);
    bed_expect_fault(&bed, bed_run(&bed, out, 0x64, 0, 1), VEC_GP, 0);
    bed_expect_fault(&bed, bed_run(&bed, in, 0x1000, 1, 0), VEC_GP, 0);
    bed_free(&bed);
}

Test(x86_debug, tf_traps_after_each_instruction)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    bed_gate(&bed, VEC_DB, CODE0, HANDLER, INT_GATE, 0);
    bed_run(&bed, popf, EFLAGS_TF, 4, 0);
    cr_assert(cpu->mode & MODE_SINGLE_STEP);
    cr_assert_not(x86_debug_boundary(&cpu->v), "not after the POPF itself");
    cpu->v.pc += 1;
    cr_assert(x86_debug_boundary(&cpu->v));
    cr_assert_eq(cpu->v.pc, HANDLER);
    cr_assert_eq(cpu->dr[6], DR6_FIXED | DR6_BS);
    cr_assert_eq(top(&bed, 0), BED_CODE + 1);
    cr_assert(top(&bed, 2) & EFLAGS_TF);
    cr_assert_eq(cpu->mode & MODE_SINGLE_STEP, 0);
    bed_free(&bed);
}

Test(x86_debug, code_breakpoint_once_per_rf)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    bed_gate(&bed, VEC_DB, CODE0, HANDLER, INT_GATE, 0);
    bed_run(&bed, mov_to_dr, 0, BED_CODE, 0);
    bed_run(&bed, mov_to_dr, 7, 2, 0);
    cr_assert(cpu->mode & MODE_BREAKPOINTS);
    cr_assert_not(x86_debug_boundary(&cpu->v));
    cr_assert(x86_begin_instruction(&cpu->v));
    cr_assert_eq(cpu->dr[6], DR6_FIXED | 1);
    bed_write(&bed, cpu_reg(cpu, REG_ESP) + 8, 4, EFLAGS_RF | 2);
    bed_run(&bed, iret, 4, 0, 0);
    cr_assert_eq(cpu->v.pc, BED_CODE);
    cr_assert_not(x86_debug_boundary(&cpu->v));
    cr_assert(cpu->eflags & EFLAGS_RF, "an interrupt would push it");
    cr_assert_not(x86_begin_instruction(&cpu->v));
    cr_assert_eq(cpu->eflags & EFLAGS_RF, 0);
    bed_free(&bed);
}

static int acknowledge(void *opaque)
{
    return 0x40;
}

Test(x86_debug, code_breakpoint_at_an_interrupt_handler)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    cpu->board.acknowledge = acknowledge;
    cpu->eflags |= EFLAGS_IF;
    bed_gate(&bed, VEC_DB, CODE0, HANDLER, INT_GATE, 0);
    bed_gate(&bed, 0x40, CODE0, HANDLER + 0x100, INT_GATE, 0);
    bed_run(&bed, mov_to_dr, 0, HANDLER + 0x100, 0);
    bed_run(&bed, mov_to_dr, 7, 2, 0);
    cpu_set_line(cpu, CPU_LINE_INTR, true);
    cr_assert(x86_guest_ops.interrupt_ready(&cpu->v));
    cr_assert(x86_guest_ops.deliver_interrupt(&cpu->v));
    cr_assert_eq(cpu->v.pc, HANDLER + 0x100);
    cr_assert(x86_begin_instruction(&cpu->v));
    cr_assert_eq(cpu->v.pc, HANDLER);
    cr_assert_eq(cpu->dr[6], DR6_FIXED | 1);
    cr_assert_eq(top(&bed, 0), HANDLER + 0x100, "a fault of the handler's first instruction");
    cr_assert_eq(top(&bed, 3), BED_CODE);
    bed_free(&bed);
}

Test(x86_debug, data_breakpoint_traps_after_the_access)
{
    Bed bed = bed_new("max");
    bed_protected(&bed, 0);
    CpuX86 *cpu = bed.cpu;
    bed_gate(&bed, VEC_DB, CODE0, HANDLER, INT_GATE, 0);
    cpu_store(cpu, 0x30010, 4, MMU_SUPERVISOR, 1); /* the page is in the TLB */
    bed_run(&bed, mov_to_dr, 2, 0x30010, 0);
    bed_run(&bed, mov_to_dr, 7, 0x20 | 0xdu << 24, 0); /* G2, four bytes, writes */
    cpu_load(cpu, 0x30010, 4, MMU_SUPERVISOR);
    cpu_store(cpu, 0x30014, 4, MMU_SUPERVISOR, 1);
    cr_assert_not(x86_debug_boundary(&cpu->v));
    cpu_store(cpu, 0x3000e, 4, MMU_SUPERVISOR, 1);
    cpu->v.pc += 3;
    cr_assert(x86_debug_boundary(&cpu->v));
    cr_assert_eq(cpu->dr[6], DR6_FIXED | 4);
    cr_assert_eq(top(&bed, 0), BED_CODE + 3);
    bed_run(&bed, mov_to_dr, 7, 0, 0);
    cr_assert_eq(cpu->mode & MODE_BREAKPOINTS, 0);
    bed_free(&bed);
}
