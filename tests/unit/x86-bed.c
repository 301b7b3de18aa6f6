/* SPDX-License-Identifier: MIT */
#include "x86-bed.h"

#include <string.h>

/* One test runs at a time in its own process. */
static jmp_buf leave_target;
static ExitReason leave_reason;

__attribute__((noreturn)) static void leave(VCpu *vcpu, ExitReason reason)
{
    leave_reason = reason;
    longjmp(leave_target, 1);
}

Bed bed_new(const char *model_name)
{
    CpuModel model;
    Bed bed;
    cr_assert(cpu_model_parse(&model, model_name, NULL));
    bed.ram = ram_new(BED_RAM, NULL);
    cr_assert_not_null(bed.ram);
    const ram_off_t offset = ram_alloc(bed.ram, "ram", BED_RAM);
    bed.as = address_space_new(bed.ram);
    address_space_add_ram(bed.as, "ram", 0, BED_RAM, 0, offset);
    bed.cpu = cpu_new(bed.as, &model, NULL, NULL);
    cr_assert_not_null(bed.cpu);
    bed.cpu->v.leave = leave;
    bed.mem = ram_hva(bed.ram, offset);
    return bed;
}

void bed_free(Bed *bed)
{
    cpu_free(bed->cpu);
    address_space_free(bed->as);
    ram_free(bed->ram);
}

uint32_t bed_read(const Bed *bed, uint32_t at, unsigned size)
{
    uint32_t value = 0;
    memcpy(&value, bed->mem + at, size);
    return value;
}

void bed_write(Bed *bed, uint32_t at, unsigned size, uint32_t value)
{
    memcpy(bed->mem + at, &value, size);
}

void bed_desc(Bed *bed, unsigned selector, uint32_t base, uint32_t limit, unsigned type_dpl_p,
              bool big)
{
    const uint32_t at = BED_GDT + (selector & 0xfff8);
    uint32_t flags = big ? 0x400000 : 0;
    if (limit > 0xfffff) {
        limit >>= 12;
        flags |= 0x800000;
    }
    bed_write(bed, at, 4, (limit & 0xffff) | base << 16);
    bed_write(bed, at + 4, 4, (base >> 16 & 0xff) | type_dpl_p << 8 | (limit & 0xf0000) | flags |
                                  (base & 0xff000000u));
}

void bed_gate(Bed *bed, unsigned vector, uint16_t selector, uint32_t offset, unsigned type,
              unsigned dpl)
{
    bed_write(bed, BED_IDT + vector * 8, 4, (uint32_t)selector << 16 | (offset & 0xffff));
    bed_write(bed, BED_IDT + vector * 8 + 4, 4,
              (offset & 0xffff0000u) | 0x8000 | dpl << 13 | type << 8);
}

static SegReg load(Bed *bed, uint16_t selector)
{
    Desc d;
    Fault f;
    cr_assert(desc_fetch(bed->cpu, selector, VEC_GP, &d, &f));
    return desc_segment(selector, &d);
}

void bed_protected(Bed *bed, unsigned cpl)
{
    CpuX86 *cpu = bed->cpu;
    bed_desc(bed, CODE0, 0, 0xffffffff, 0x9b, true);
    bed_desc(bed, DATA0, 0, 0xffffffff, 0x93, true);
    bed_desc(bed, CODE3, 0, 0xffffffff, 0xfb, true);
    bed_desc(bed, DATA3, 0, 0xffffffff, 0xf3, true);
    bed_desc(bed, TSS1, BED_TSS, 0x67 + 34, 0x8b, false);
    bed_desc(bed, TSS2, BED_TSS2, 0x67, 0x89, false);
    bed_desc(bed, ABSENT, 0, 0xffff, 0x13, false);
    bed_desc(bed, RDONLY, 0, 0xffff, 0x91, false);
    bed_write(bed, BED_TSS + 4, 4, BED_STACK0);
    bed_write(bed, BED_TSS + 8, 2, DATA0);
    cpu->gdtr = (DescTable){BED_GDT, GDT_ENTRIES * 8 - 1};
    cpu->idtr = (DescTable){BED_IDT, 0x7ff};
    cpu->cr0 |= CR0_PE;
    cpu->seg[SEG_CS] = load(bed, cpl ? CODE3 : CODE0);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (i != SEG_CS)
            cpu->seg[i] = load(bed, cpl ? DATA3 : DATA0);
    }
    cpu->tr = load(bed, TSS1);
    cpu->ldtr = (SegReg){0};
    cpu->cpl = cpl;
    cpu->v.gpr[REG_ESP] = cpl ? BED_STACK3 : BED_STACK0;
    cpu->v.pc = BED_CODE;
    cpu_sync_paging(cpu);
    cpu_update_mode(cpu);
}

ExitReason bed_call(Bed *bed, HelperFn fn, uint64_t a, uint64_t b, uint64_t c, uint64_t *result)
{
    if (setjmp(leave_target))
        return leave_reason;
    const uint64_t value = fn(&bed->cpu->v, a, b, c);
    if (result)
        *result = value;
    return EXIT_REASONS;
}

void bed_expect_fault(Bed *bed, ExitReason reason, unsigned vector, uint32_t code)
{
    const Fault *f = &bed->cpu->v.fault;
    cr_assert_eq(reason, EXIT_FAULT, "no fault (%d)", reason);
    cr_assert_eq(f->vector, vector, "vector %u, not %u", f->vector, vector);
    if (f->has_error)
        cr_assert_eq(f->error_code, code, "code %x, not %x", f->error_code, code);
}
