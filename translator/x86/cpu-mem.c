/* SPDX-License-Identifier: MIT
 * Guest memory as helpers see it: linear accesses, segment checks, stacks. */
#include "translator/x86/cpu-priv.h"

#include <string.h>

void cpu_raise(CpuX86 *cpu, Fault fault)
{
    cpu->in_delivery = false;
    if (fault.vector == FAULT_SMC)
        vcpu_exit(&cpu->v, EXIT_SMC);
    vcpu_exit_fault(&cpu->v, fault);
}

void cpu_raise_code(CpuX86 *cpu, unsigned vector, uint32_t code)
{
    Fault f;
    fault_code(&f, vector, code);
    cpu_raise(cpu, f);
}

void cpu_raise_plain(CpuX86 *cpu, unsigned vector)
{
    Fault f;
    fault_plain(&f, vector);
    cpu_raise(cpu, f);
}

bool mem_read(CpuX86 *cpu, gva_t gva, unsigned size, int mode, uint64_t *value, Fault *f)
{
    if (mmu_load(&cpu->v.mmu, (uint32_t)gva, size, mode, value, f))
        return true;
    if (cpu->v.mmu.self_modified)
        fault_plain(f, FAULT_SMC);
    return false;
}

bool mem_write(CpuX86 *cpu, gva_t gva, unsigned size, int mode, uint64_t value, Fault *f)
{
    if (mmu_store(&cpu->v.mmu, (uint32_t)gva, size, mode, value, f))
        return true;
    if (cpu->v.mmu.self_modified)
        fault_plain(f, FAULT_SMC);
    return false;
}

uint64_t cpu_load(CpuX86 *cpu, gva_t gva, unsigned size, int mode)
{
    uint64_t value;
    Fault f;
    if (!mem_read(cpu, gva, size, mode, &value, &f))
        cpu_raise(cpu, f);
    return value;
}

void cpu_store(CpuX86 *cpu, gva_t gva, unsigned size, int mode, uint64_t value)
{
    Fault f;
    if (!mem_write(cpu, gva, size, mode, value, &f))
        cpu_raise(cpu, f);
}

static bool limit_ok(const SegReg *seg, uint32_t offset, unsigned size)
{
    const uint64_t last = (uint64_t)offset + size - 1;
    if ((seg->attr & (SEG_ATTR_CODE | SEG_ATTR_EXPAND_CONFORM)) == SEG_ATTR_EXPAND_CONFORM)
        return offset > seg->limit && last <= (seg->attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu);
    /* A 4 GiB segment wraps, as accesses through the flat fast path do. */
    return seg->limit == 0xffffffffu || last <= seg->limit;
}

static bool type_ok(const SegReg *seg, bool write)
{
    if (!(seg->attr & SEG_ATTR_P))
        return false;
    if (write)
        return (seg->attr & (SEG_ATTR_CODE | SEG_ATTR_RW)) == SEG_ATTR_RW;
    return !(seg->attr & SEG_ATTR_CODE) || (seg->attr & SEG_ATTR_RW);
}

/* SDM 3A "Alignment Check Exception (#AC)", table "Alignment Requirements by Data Type".
 * As host CPUs have it, MOVUPS and its like need 16 bytes. */
bool mem_aligned(const CpuX86 *cpu, gva_t gva, unsigned size, Fault *f)
{
    static const uint8_t masks[] = {[2] = 1, [4] = 3, [8] = 7, [10] = 7, [16] = 15};
    if (!(cpu->mode & MODE_ALIGN_CHECK) || size >= G_N_ELEMENTS(masks) || !(gva & masks[size]))
        return true;
    return fault_code(f, VEC_AC, 0);
}

bool seg_linear(CpuX86 *cpu, const SegReg *seg, unsigned which, uint32_t offset, unsigned size,
                bool write, gva_t *gva, Fault *f)
{
    const bool typed = cpu_protected(cpu);
    *gva = (uint32_t)(seg->base + offset);
    if ((!typed || type_ok(seg, write)) && limit_ok(seg, offset, size))
        return true;
    return fault_code(f, which == SEG_SS ? VEC_SS : VEC_GP, cpu->in_delivery ? 1 : 0);
}

void cpu_check_alignment(CpuX86 *cpu, gva_t gva, unsigned size)
{
    Fault f;
    if (!mem_aligned(cpu, gva, size, &f))
        cpu_raise(cpu, f);
}

gva_t cpu_ref_linear(CpuX86 *cpu, uint64_t ref, uint64_t offset, unsigned size, bool write)
{
    const unsigned which = ref & 7;
    const unsigned width = (ref >> 8) & 0xff;
    const uint32_t at = (uint32_t)(offset & width_mask(width));
    gva_t gva;
    Fault f;
    if (which >= SEG_COUNT)
        return at;
    if (!seg_linear(cpu, &cpu->seg[which], which, at, size, write, &gva, &f))
        cpu_raise(cpu, f);
    return gva;
}

Stack stack_make(const CpuX86 *cpu, SegReg ss, uint32_t sp, unsigned cpl, bool new_stack)
{
    const uint32_t ext = cpu->in_delivery ? 1 : 0;
    return (Stack){
        .ss = ss,
        .sp = sp,
        .mask = ss.attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu,
        .mode = cpl == 3 ? MMU_USER : MMU_SUPERVISOR,
        .code = (new_stack ? ss.selector & 0xfffcu : 0) | ext,
    };
}

Stack stack_current(const CpuX86 *cpu)
{
    return stack_make(cpu, cpu->seg[SEG_SS], cpu_reg(cpu, REG_ESP), cpu->cpl, false);
}

static bool stack_access(const CpuX86 *cpu, const Stack *s, uint32_t at, unsigned size, bool write,
                         Fault *f)
{
    if ((cpu_protected(cpu) && !type_ok(&s->ss, write)) || !limit_ok(&s->ss, at, size))
        return fault_code(f, VEC_SS, s->code);
    return true;
}

static bool stack_aligned(const CpuX86 *cpu, const Stack *s, uint32_t at, unsigned size, Fault *f)
{
    return s->mode != MMU_USER || mem_aligned(cpu, s->ss.base + at, size, f);
}

bool stack_room(const CpuX86 *cpu, const Stack *s, unsigned size, unsigned count, Fault *f)
{
    const uint32_t bytes = size * count, low = (s->sp - bytes) & s->mask;
    if (low <= s->mask - bytes && stack_access(cpu, s, low, bytes, true, f))
        return true;
    for (unsigned i = 1; i <= count; i++) {
        if (!stack_access(cpu, s, (s->sp - size * i) & s->mask, size, true, f))
            return false;
    }
    return true;
}

/* Host memory of `count` words up to `top` on the stack, if they lie in a row and plain accesses reach
 * them without a fault; else NULL. */
static uint8_t *stack_row(CpuX86 *cpu, const Stack *s, uint32_t top, unsigned size, unsigned count,
                          bool write)
{
    const uint32_t bytes = size * count, low = (top - bytes) & s->mask;
    Fault f;
    if (low > s->mask - bytes || !stack_access(cpu, s, low, bytes, write, &f) ||
        !stack_aligned(cpu, s, low, size, &f))
        return NULL;
    return mmu_tlb_lookup(&cpu->v.mmu, (uint32_t)(s->ss.base + low), bytes, s->mode, write);
}

bool stack_reserve(CpuX86 *cpu, const Stack *s, unsigned size, unsigned count, Fault *f)
{
    if (!cpu->v.host_pc) /* no block that could be in the way */
        return true;
    for (unsigned i = 1; i <= count; i++) {
        const uint32_t at = (s->sp - size * i) & s->mask;
        Fault later; /* the push itself will meet it */
        if (!stack_access(cpu, s, at, size, true, &later) ||
            !stack_aligned(cpu, s, at, size, &later))
            return true;
        switch (mmu_probe_store(&cpu->v.mmu, (uint32_t)(s->ss.base + at), size, s->mode)) {
        case STORE_GIVES_UP:
            return fault_plain(f, FAULT_SMC);
        case STORE_FAULTS:
            return true;
        case STORE_DONE:
            break;
        }
    }
    return true;
}

bool stack_push(CpuX86 *cpu, Stack *s, unsigned size, uint32_t value, Fault *f)
{
    const uint32_t at = (s->sp - size) & s->mask;
    if (!stack_access(cpu, s, at, size, true, f) || !stack_aligned(cpu, s, at, size, f) ||
        !mem_write(cpu, s->ss.base + at, size, s->mode, value, f))
        return false;
    s->sp = (s->sp & ~s->mask) | at;
    return true;
}

bool stack_pop(CpuX86 *cpu, Stack *s, unsigned size, uint32_t *value, Fault *f)
{
    const uint32_t at = s->sp & s->mask;
    uint64_t word;
    if (!stack_access(cpu, s, at, size, false, f) || !stack_aligned(cpu, s, at, size, f) ||
        !mem_read(cpu, s->ss.base + at, size, s->mode, &word, f))
        return false;
    *value = (uint32_t)word;
    s->sp = (s->sp & ~s->mask) | ((at + size) & s->mask);
    return true;
}

bool stack_push_all(CpuX86 *cpu, Stack *s, unsigned size, const uint32_t *words, unsigned count,
                    Fault *f)
{
    uint8_t *row = stack_row(cpu, s, s->sp, size, count, true);
    if (row) {
        for (unsigned i = count; i-- > 0; row += size)
            memcpy(row, &words[i], size == 4 ? 4 : 2);
        s->sp = (s->sp & ~s->mask) | ((s->sp - size * count) & s->mask);
        return true;
    }
    if (!stack_reserve(cpu, s, size, count, f))
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!stack_push(cpu, s, size, words[i], f))
            return false;
    }
    return true;
}

bool stack_pop_all(CpuX86 *cpu, Stack *s, unsigned size, uint32_t *words, unsigned count, Fault *f)
{
    const uint32_t top = (s->sp + size * count) & s->mask;
    const uint8_t *row = stack_row(cpu, s, top, size, count, false);
    if (row) {
        for (unsigned i = 0; i < count; i++, row += size) {
            words[i] = 0;
            memcpy(&words[i], row, size == 4 ? 4 : 2);
        }
        s->sp = (s->sp & ~s->mask) | top;
        return true;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!stack_pop(cpu, s, size, &words[i], f))
            return false;
    }
    return true;
}

void stack_commit(CpuX86 *cpu, const Stack *s)
{
    cpu->v.gpr[REG_ESP] = s->sp;
}
