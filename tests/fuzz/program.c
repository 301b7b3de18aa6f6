/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/program.h"

#include <string.h>

#include "tests/unit/pte-bits.h"
#include "translator/x86/cpu-priv.h"

/* Where things lie, physical and linear. */
enum {
    GDT = 0x1000,
    LDT = 0x1800,
    IDT = 0x2000,
    TSS = 0x3000,
    OTHER_TSS = 0x3800,
    TSS_16 = 0x3c00,
    PAGE_DIRECTORY = 0x4000,
    PAGE_TABLE = 0x5000,
    PAE_POINTERS = 0x6000,
    PAE_DIRECTORY = 0x7000,
    PAE_TABLE = 0x8000,
    STACKS = 0x9000, /* of CPL 0, 1, 2, 3 */
    STACK_SIZE = 0x400,
    DATA = 0xa000, /* two pages */
    HANDLERS = 0xc000,
    HANDLERS_16 = 0xc800,
    HANDLER_SIZE = 16,
    CODE = 0x10000, /* the input's */
    CODE_MAX = 0x600,
    OTHER_CODE = 0x10800, /* where the other tasks begin */
    VECTORS = 64,
    COUNT_MASK = 0x7ff, /* of ECX: a repeated instruction counts as one, and takes its time */
};

/* Linear pages besides the identity of RAM: SDM 3A "Paging". */
enum {
    ALIAS = 0x80,  /* of all of RAM, for the supervisor */
    READ_ONLY = 0xc0,
    ABSENT = 0xc1,
    UNBACKED = 0xc2,
    NO_EXECUTE = 0xc3,
    FRESH = 0xc4, /* never accessed */
    LARGE = 1,    /* the second large page: all of physical memory from 0 */
};

/* Selectors by their place in the GDT. */
enum {
    CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x18, DATA3 = 0x20, CODE0_16 = 0x28, DATA0_16 = 0x30,
    CODE3_16 = 0x38, DATA3_16 = 0x40, CODE1 = 0x48, DATA1 = 0x50, LDT_SELECTOR = 0x88,
    TSS_SELECTOR = 0x90, OTHER_TSS_SELECTOR = 0x98, TSS_16_SELECTOR = 0xa0, GDT_SIZE = 0x100,
};

typedef struct {
    uint32_t base, limit;
    uint8_t access; /* P, DPL, S, type */
    uint8_t flags;  /* G, D/B, L, AVL */
} Segment;

static const Segment gdt[] = {
    {0},
    {0, 0xfffff, 0x9b, 0xc},           /* 08 code */
    {0, 0xfffff, 0x93, 0xc},           /* 10 data */
    {0, 0xfffff, 0xfb, 0xc},           /* 18 code, DPL 3 */
    {0, 0xfffff, 0xf3, 0xc},           /* 20 data, DPL 3 */
    {0, 0x1ffff, 0x9b, 0},             /* 28 16-bit code */
    {0, 0xffff, 0x93, 0},              /* 30 16-bit data */
    {0, 0x1ffff, 0xfb, 0},             /* 38 16-bit code, DPL 3 */
    {0, 0xffff, 0xf3, 0},              /* 40 16-bit data, DPL 3 */
    {0, 0xfffff, 0xbb, 0xc},           /* 48 code, DPL 1 */
    {0, 0xfffff, 0xb3, 0xc},           /* 50 data, DPL 1 */
    {0, 0xfffff, 0x9e, 0xc},           /* 58 conforming code */
    {DATA, 0x7ff, 0xf7, 0x4},          /* 60 data, expand-down */
    {DATA, 0xfff, 0xf2, 0x4},          /* 68 a page of data, never accessed */
    {0, 0xfffff, 0xf1, 0xc},           /* 70 read-only data */
    {0, 0xfffff, 0xf8, 0xc},           /* 78 execute-only code */
    {0, 0xfffff, 0x73, 0xc},           /* 80 absent data */
    {LDT, 0x3f, 0x82, 0},              /* 88 LDT */
    {TSS, 0x77, 0x8b, 0},              /* 90 TSS, busy */
    {OTHER_TSS, 0x67, 0xe9, 0},        /* 98 TSS */
    {TSS_16, 0x2b, 0xe1, 0},           /* a0 16-bit TSS */
    {0}, {0}, {0}, {0},                /* a8 gates */
    {OTHER_TSS, 0x20, 0xe9, 0},        /* c8 TSS that is too short */
    {0xfffff000, 0xfffff, 0xf3, 0xc},  /* d0 data that wraps around */
    {DATA, 0, 0xf3, 0},                /* d8 a byte of data */
    {CODE, 0xff, 0xfb, 0x4},           /* e0 a little code */
};

static void put(Program *p, uint32_t at, unsigned size, uint64_t value)
{
    memcpy(p->ram + at, &value, size);
}

static void put_segment(Program *p, uint32_t at, const Segment *s)
{
    put(p, at, 4, (s->limit & 0xffff) | s->base << 16);
    put(p, at + 4, 4,
        (s->base >> 16 & 0xff) | s->access << 8 | (s->limit & 0xf0000) | s->flags << 20 |
            (s->base & 0xff000000u));
}

/* access: P, DPL, type; parameters: of a call gate. */
static void put_gate(Program *p, uint32_t at, unsigned access, unsigned selector, uint32_t offset,
                     unsigned parameters)
{
    put(p, at, 4, selector << 16 | (offset & 0xffff));
    put(p, at + 4, 4, (offset & 0xffff0000u) | access << 8 | parameters);
}

static void put_segments(Program *p)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(gdt); i++)
        put_segment(p, GDT + 8 * i, &gdt[i]);
    put_gate(p, GDT + 0xa8, 0xec, CODE0, OTHER_CODE, 0);
    put_gate(p, GDT + 0xb0, 0xec, CODE1, OTHER_CODE, 2);
    put_gate(p, GDT + 0xb8, 0xe4, CODE0_16, OTHER_CODE & 0xffff, 1);
    put_gate(p, GDT + 0xc0, 0xe5, OTHER_TSS_SELECTOR, 0, 0);
    for (unsigned i = 0; i < 8; i++)
        put_segment(p, LDT + 8 * i, &gdt[1 + i]);
}

/* SDM 3A "Task-State Segment (TSS)", "16-Bit Task-State Segment". */
static void put_task(Program *p, uint32_t at, uint32_t cr3)
{
    static const uint16_t segment[] = {DATA0, CODE0, DATA0, DATA3, DATA3, 0};
    for (unsigned level = 0; level < 3; level++) {
        put(p, at + 4 + 8 * level, 4, STACKS + STACK_SIZE * (level + 1));
        put(p, at + 8 + 8 * level, 2, (level == 1 ? DATA1 : DATA0) | level);
    }
    put(p, at + 28, 4, cr3);
    put(p, at + 32, 4, OTHER_CODE);
    put(p, at + 36, 4, 2);
    put(p, at + 56, 4, STACKS + STACK_SIZE / 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(segment); i++)
        put(p, at + 72 + 4 * i, 2, segment[i]);
    put(p, at + 96, 2, LDT_SELECTOR);
    put(p, at + 102, 2, 104);
}

static void put_task_16(Program *p, uint32_t at)
{
    static const uint16_t segment[] = {DATA0_16, CODE0_16, DATA0_16, DATA0_16};
    put(p, at + 2, 2, STACKS + STACK_SIZE);
    put(p, at + 4, 2, DATA0_16);
    put(p, at + 14, 2, OTHER_CODE & 0xffff);
    put(p, at + 16, 2, 2);
    put(p, at + 26, 2, STACKS + STACK_SIZE / 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(segment); i++)
        put(p, at + 34 + 2 * i, 2, segment[i]);
}

static bool has_error_code(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

/* Faults return behind the first byte of what faulted, all else to where it came from. */
static bool is_fault(unsigned vector)
{
    return vector < 32 && vector != VEC_DB && vector != VEC_NMI && vector != VEC_BP &&
           vector != VEC_OF;
}

static void put_handler(Program *p, unsigned vector)
{
    static const uint8_t drop_code[] = {0x83, 0xc4, 0x04};           /* add esp, 4 */
    static const uint8_t clts[] = {0x0f, 0x06};                      /* for #NM */
    static const uint8_t skip[] = {0xff, 0x04, 0x24};                /* inc dword [esp] */
    static const uint8_t skip_16[] = {0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d}; /* [bp + 2] */
    uint8_t *at = p->ram + HANDLERS + HANDLER_SIZE * vector;
    if (has_error_code(vector))
        at = (uint8_t *)memcpy(at, drop_code, sizeof(drop_code)) + sizeof(drop_code);
    if (vector == VEC_NM)
        at = (uint8_t *)memcpy(at, clts, sizeof(clts)) + sizeof(clts);
    else if (is_fault(vector))
        at = (uint8_t *)memcpy(at, skip, sizeof(skip)) + sizeof(skip);
    *at = 0xcf; /* iret */
    at = p->ram + HANDLERS_16 + HANDLER_SIZE * vector;
    if (is_fault(vector))
        at = (uint8_t *)memcpy(at, skip_16, sizeof(skip_16)) + sizeof(skip_16);
    *at = 0xcf;
}

static void put_vectors(Program *p)
{
    for (unsigned v = 0; v < VECTORS; v++) {
        const bool soft = v == VEC_BP || v == VEC_OF || v >= 32;
        put_handler(p, v);
        put_gate(p, IDT + 8 * v, soft ? 0xef : 0x8e, CODE0, HANDLERS + HANDLER_SIZE * v, 0);
        put(p, 4 * v, 4, HANDLERS_16 + HANDLER_SIZE * v); /* in real mode */
    }
    put_gate(p, IDT + 8 * 48, 0xe6, CODE0_16, HANDLERS_16 + HANDLER_SIZE * 48, 0);
    put_gate(p, IDT + 8 * 49, 0xe5, OTHER_TSS_SELECTOR, 0, 0);
    put_gate(p, IDT + 8 * 50, 0xee, CODE3, HANDLERS, 0);
    put_gate(p, IDT + 8 * 51, 0x6e, CODE0, HANDLERS, 0);
    put_gate(p, IDT + 8 * 52, 0xee, CODE1, HANDLERS, 0);
    put_gate(p, IDT + 8 * 53, 0xe5, TSS_16_SELECTOR, 0, 0);
}

/* One entry of `size` bytes for each of the pages that both kinds of tables have. */
static void put_pages(Program *p, uint32_t table, unsigned size, uint64_t no_execute)
{
    const unsigned old = P | RW | A | D;
    for (unsigned i = 0; i < PROGRAM_RAM >> 12; i++) {
        put(p, table + size * i, size, i << 12 | old | US);
        put(p, table + size * (ALIAS + i), size, i << 12 | old | G);
    }
    for (unsigned i = PROGRAM_RAM >> 12; i < ALIAS; i++) /* devices and nothing */
        put(p, table + size * i, size, i << 12 | old | US);
    put(p, table + size * READ_ONLY, size, DATA | P | US | A);
    put(p, table + size * UNBACKED, size, 0x50000 | old | US);
    put(p, table + size * NO_EXECUTE, size, DATA | old | US | no_execute);
    put(p, table + size * FRESH, size, DATA | P | RW | US);
}

static void put_tables(Program *p)
{
    const uint32_t all = P | RW | US | A;
    put_pages(p, PAGE_TABLE, 4, 0);
    put(p, PAGE_DIRECTORY, 4, PAGE_TABLE | all);
    put(p, PAGE_DIRECTORY + 4 * LARGE, 4, all | D | PS);
    put(p, PAGE_DIRECTORY + 4 * 1023, 4, PAGE_TABLE | all); /* the end of the address space */
    put_pages(p, PAE_TABLE, 8, UINT64_C(1) << 63);
    put(p, PAE_DIRECTORY, 8, PAE_TABLE | all);
    put(p, PAE_DIRECTORY + 8 * LARGE, 8, all | D | PS);
    put(p, PAE_DIRECTORY + 8 * 511, 8, PAE_TABLE | all);
    put(p, PAE_POINTERS, 8, PAE_DIRECTORY | P);
    put(p, PAE_POINTERS + 8 * 3, 8, PAE_DIRECTORY | P);
}

static uint32_t cr3(const Program *p)
{
    return p->mode & PROGRAM_PAE ? PAE_POINTERS : PAGE_DIRECTORY;
}

static void put_system(Program *p)
{
    memset(p->ram, 0, sizeof(p->ram));
    put_segments(p);
    put_task(p, TSS, cr3(p));
    put_task(p, OTHER_TSS, cr3(p));
    put_task_16(p, TSS_16);
    put_vectors(p);
    put_tables(p);
    for (unsigned i = 0; i < 0x2000; i++)
        p->ram[DATA + i] = (uint8_t)(i * 7 + (i >> 8));
    p->ram[OTHER_CODE] = 0xcf; /* IRET: back to the first task */
}

/* ---- from an input ---- */

/* Numbers where something ends, and selectors. */
static const uint32_t values[] = {
    0, 1, 2, 7, 0x1f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
    0xffffffff, 0xfffffffe, 0xfffff000,
    DATA, DATA + 0xffc, DATA + 0xfff, DATA + 0x1001, CODE, CODE + 0x40, CODE + 0xfff,
    STACKS + 0x200, STACKS + 0xe00, OTHER_CODE, HANDLERS, PAGE_TABLE + 0x28, PAE_TABLE + 0x50,
    GDT + 8, IDT + 0x80, TSS + 4, PROGRAM_MMIO, PROGRAM_MMIO + 0xffe, PROGRAM_RAM - 2,
    PROGRAM_RAM, READ_ONLY << 12, ABSENT << 12, (ABSENT << 12) - 2, UNBACKED << 12,
    NO_EXECUTE << 12, FRESH << 12, (ALIAS << 12) + DATA, (ALIAS << 12) + CODE, 0x400000 + DATA,
    0x200000 + DATA, 0xffc00000 + DATA, PROGRAM_PORT, 0x3f8,
    CODE0, DATA0, CODE3 | 3, DATA3 | 3, CODE0_16, CODE1 | 1, 0x58, 0x60, 0x68, 0x80, LDT_SELECTOR,
    TSS_SELECTOR, OTHER_TSS_SELECTOR, 0xa8, 0xb0 | 3, 0xb8, 0xc0, 0x0c, 0xc0000080, 0x174, 0x10,
};

static uint32_t take_value(Input *input)
{
    const unsigned which = (unsigned)input_take(input, 1);
    return which < G_N_ELEMENTS(values) ? values[which] : (uint32_t)input_take(input, 4);
}

/* Address, length - 1, bytes: anything below 128 KiB may be spoilt. */
static void spoil(Program *p, Input *input)
{
    const unsigned size = 1 + (unsigned)input_take(input, 1) % 8;
    const unsigned at = (unsigned)input_take(input, 3) & 0x1ffff;
    put(p, at, size, input_take(input, size));
}

static uint32_t take_eflags(Input *input, unsigned mode)
{
    const uint32_t wanted = (uint32_t)input_take(input, 3);
    const uint32_t never = mode & PROGRAM_PROTECTED ? EFLAGS_VM : EFLAGS_VM | EFLAGS_NT;
    return wanted & ~never;
}

void program_read(Program *p, const uint8_t *bytes, size_t count)
{
    Input input = {bytes, bytes + count};
    p->mode = (unsigned)input_take(&input, 1);
    p->eflags = take_eflags(&input, p->mode);
    p->cr0 = (uint32_t)input_take(&input, 1); /* see set_control */
    p->cr4 = (uint32_t)input_take(&input, 2);
    p->interrupt_every = (unsigned)input_take(&input, 1);
    p->vector = (uint8_t)input_take(&input, 1);
    put_system(p);
    for (unsigned i = 0; i < 8; i++)
        p->gpr[i] = take_value(&input);
    if ((p->mode & PROGRAM_LARGE_ECX) != PROGRAM_LARGE_ECX)
        p->gpr[REG_ECX] &= COUNT_MASK;
    for (unsigned n = (unsigned)input_take(&input, 1) % 16; n > 0; n--)
        spoil(p, &input);
    const size_t size = MIN((size_t)(input.end - input.at), CODE_MAX);
    memset(p->ram + CODE, 0xf4, CODE_MAX); /* HLT */
    memcpy(p->ram + CODE, input.at, size);
}

/* ---- the CPU ---- */

static void set_control(const Program *p, CpuX86 *cpu)
{
    static const uint32_t bits[] = {CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP, CR0_AM};
    const bool protected = p->mode & PROGRAM_PROTECTED, paging = p->mode & PROGRAM_PAGING;
    cpu->cr0 = CR0_ET | (protected ? CR0_PE : 0) | (protected && paging ? CR0_PG : 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(bits); i++)
        cpu->cr0 |= p->cr0 & 1u << i ? bits[i] : 0;
    cpu->cr4 = p->cr4 & (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PGE | CR4_PCE |
                         CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP);
    if (p->mode & PROGRAM_PAE)
        cpu->cr4 |= CR4_PAE;
    cpu->cr3 = cr3(p);
    cpu->efer = EFER_NXE;
    cpu_sync_paging(cpu);
    if (cpu->cr0 & CR0_PG && cpu->cr4 & CR4_PAE)
        cpu_load_pdptes(cpu, &cpu->v.mmu.paging);
}

/* As it stands in the table, whatever the input made of that. */
static SegReg load(const Program *p, unsigned selector)
{
    Desc d;
    memcpy(&d.lo, p->ram + GDT + (selector & 0xf8), 4);
    memcpy(&d.hi, p->ram + GDT + (selector & 0xf8) + 4, 4);
    return desc_segment((uint16_t)selector, &d);
}

static void set_flat(const Program *p, CpuX86 *cpu)
{
    const bool user = p->mode & PROGRAM_USER, small = p->mode & PROGRAM_CODE16;
    const unsigned rpl = user ? 3 : 0;
    const unsigned data = user ? DATA3 : DATA0;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = load(p, data | rpl);
    cpu->seg[SEG_CS] = load(p, (user ? small ? CODE3_16 : CODE3 : small ? CODE0_16 : CODE0) | rpl);
    cpu->cpl = rpl;
    cpu->v.pc = CODE;
}

static void set_real(const Program *p, CpuX86 *cpu)
{
    const bool v86 = p->mode & PROGRAM_PROTECTED;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const uint16_t selector = i == SEG_CS ? CODE >> 4 : i == SEG_SS ? 0 : DATA >> 4;
        cpu->seg[i] = v86 ? seg_vm86(selector) : seg_real(cpu, i, selector);
    }
    cpu->cpl = v86 ? 3 : 0;
    cpu->v.pc = 0;
}

static void set_fpu(CpuX86 *cpu)
{
    const uint16_t fcw = 0x37f;
    const uint32_t mxcsr = 0x1f80;
    memset(cpu->v.fp_area, 0, sizeof(cpu->v.fp_area));
    memcpy(cpu->v.fp_area, &fcw, sizeof(fcw));
    memcpy(cpu->v.fp_area + 24, &mxcsr, sizeof(mxcsr));
}

void program_set_cpu(const Program *p, CpuX86 *cpu)
{
    const bool protected = p->mode & PROGRAM_PROTECTED;
    const bool v86 = protected && p->mode & PROGRAM_V86;
    cpu_reset(cpu);
    atomic_store(&cpu->lines, 0);
    cpu_seed_random(cpu, 1);
    cpu->no_fp_pointers = true;
    set_control(p, cpu);
    cpu->gdtr = (DescTable){GDT, GDT_SIZE - 1};
    cpu->idtr = protected ? (DescTable){IDT, 8 * VECTORS - 1} : (DescTable){0, 0x3ff};
    if (protected) {
        cpu->ldtr = load(p, LDT_SELECTOR);
        cpu->tr = load(p, TSS_SELECTOR);
    }
    if (protected && !v86)
        set_flat(p, cpu);
    else
        set_real(p, cpu);
    for (unsigned i = 0; i < 8; i++)
        cpu->v.gpr[i] = p->gpr[i];
    cpu_set_eflags(cpu, p->eflags | 2 | (v86 ? EFLAGS_VM : 0), ~0u);
    set_fpu(cpu);
    cpu_update_mode(cpu);
    mmu_flush_all(&cpu->v.mmu);
}

bool program_changed_paging(const Program *p, const CpuX86 *cpu, const uint8_t *ram)
{
    const bool paging = p->mode & PROGRAM_PAGING && p->mode & PROGRAM_PROTECTED;
    if (!(cpu->cr0 & CR0_PG))
        return paging;
    if (!paging || cpu->cr3 != cr3(p))
        return true;
    for (unsigned i = PROGRAM_TABLES; i < PROGRAM_TABLES_END; i += 4) {
        uint32_t now, then;
        memcpy(&now, ram + i, 4);
        memcpy(&then, p->ram + i, 4);
        const uint32_t set = now & ~then & (A | D);
        if (now != (then | set))
            return true;
    }
    return false;
}
