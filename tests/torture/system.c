/* SPDX-License-Identifier: MIT
 * What a torture program finds around it: both copies of its code, descriptor
 * tables, page tables of two address spaces, and a page of kernel: SDM 3A "Segment Descriptors",
 * "Gate Descriptors", "Paging". */
#include <string.h>

#include "tests/torture/program-priv.h"

uint32_t program_code(const Program *p)
{
    return p->kind == PROGRAM_FLAT ? PHYS_CODE : LINEAR_CODE;
}

uint32_t program_kernel(const Program *p)
{
    return p->kind == PROGRAM_FLAT ? PHYS_KERNEL : LINEAR_KERNEL;
}

uint32_t program_data(const Program *p)
{
    return p->kind == PROGRAM_FLAT ? PHYS_DATA : LINEAR_DATA;
}

uint32_t program_stack(const Program *p)
{
    return (p->kind == PROGRAM_FLAT ? PHYS_STACK : LINEAR_STACK) + 0xff0;
}

uint32_t random_mapping(Builder *b)
{
    static const uint32_t mappings[] = {
        LINEAR_CODE,  LINEAR_CODE, LINEAR_CODE, LINEAR_ALIAS,
        LINEAR_ALIAS, LINEAR_TWIN, LINEAR_TWIN, LINEAR_BIG + PHYS_CODE,
    };
    if (b->p->kind == PROGRAM_FLAT)
        return rng_percent(&b->rng, 80) ? PHYS_CODE : PHYS_TWIN;
    return mappings[rng_below(&b->rng, 8)];
}

static void put(Program *p, uint32_t physical, uint64_t value, unsigned size)
{
    memcpy(p->ram + physical, &value, size);
}

/* ---- copies of the code ---- */

static void copy_image(Builder *b)
{
    uint8_t *twin = b->p->ram + PHYS_TWIN;
    const Spots *spots = b->spots;
    memcpy(twin, b->image, IMAGE_SIZE);
    for (unsigned i = 0; i < spots[SPOT_IMM].count; i++) {
        uint32_t value = (uint32_t)rng_next(&b->rng);
        memcpy(twin + spots[SPOT_IMM].at[i], &value, 4);
    }
    for (unsigned i = 0; i < spots[SPOT_BYTE].count; i++)
        twin[spots[SPOT_BYTE].at[i]] = (uint8_t)rng_next(&b->rng);
    for (unsigned i = 0; i < spots[SPOT_OPCODE].count; i++)
        twin[spots[SPOT_OPCODE].at[i]] = random_opcode(&b->rng);
    if (b->differs_at)
        twin[b->differs_at] ^= 12; /* 4 or 8 */
}

/* ---- page tables ---- */

static void put_entry(Program *p, uint32_t table, unsigned index, uint32_t value)
{
    put(p, table + index * (p->pae ? 8 : 4), value, p->pae ? 8 : 4);
}

static uint32_t user_bit(const Program *p)
{
    return p->kind == PROGRAM_USER ? PTE_US : 0;
}

uint32_t random_image_pte(Builder *b, unsigned page, bool present)
{
    uint32_t pte = (rng_percent(&b->rng, 50) ? PHYS_CODE : PHYS_TWIN) + page * PAGE;
    pte |= user_bit(b->p) | (b->p->kind == PROGRAM_GLOBAL ? PTE_G : 0);
    pte |= rng_percent(&b->rng, 80) ? PTE_RW : 0;
    pte |= rng_percent(&b->rng, 50) ? PTE_A | PTE_D : 0;
    return present || rng_percent(&b->rng, 90) ? pte | PTE_P : pte;
}

static void map_fixed(Program *p, unsigned space, uint32_t linear, uint32_t physical,
                      unsigned pages)
{
    /* A return to what is no address must not be able to overwrite the kernel. */
    const uint32_t writable = linear == LINEAR_KERNEL ? 0 : PTE_RW;
    const uint32_t user = linear == LINEAR_KERNEL_STACK ? 0 : user_bit(p);
    for (unsigned i = 0; i < pages; i++)
        put_entry(p, PHYS_TABLE(space), (linear - LINEAR) / PAGE + i,
                  (physical + i * PAGE) | PTE_P | writable | PTE_A | PTE_D | PTE_G | user);
}

static void map_image(Builder *b, unsigned space)
{
    static const uint32_t mappings[] = {LINEAR_CODE, LINEAR_ALIAS, LINEAR_TWIN};
    const uint32_t flags =
        PTE_P | PTE_RW | user_bit(b->p) | (b->p->kind == PROGRAM_GLOBAL ? PTE_G : 0);
    for (unsigned m = 0; m < 3; m++) {
        for (unsigned page = 0; page < IMAGE_PAGES; page++) {
            uint32_t physical = (m == 2 ? PHYS_TWIN : PHYS_CODE) + page * PAGE;
            uint32_t pte = space ? random_image_pte(b, page, true) : physical | flags;
            put_entry(b->p, PHYS_TABLE(space), (mappings[m] - LINEAR) / PAGE + page, pte);
        }
    }
}

static void build_space(Builder *b, unsigned space)
{
    Program *p = b->p;
    const unsigned big_shift = p->pae ? 21 : 22;
    const uint32_t big = PTE_PS | PTE_P | PTE_RW | PTE_A | PTE_D | user_bit(p) |
                         (p->kind == PROGRAM_GLOBAL ? PTE_G : 0);
    const uint32_t table = PHYS_TABLE(space) | PTE_P | PTE_RW | PTE_US | PTE_A;
    if (p->pae) {
        put_entry(p, PHYS_TOP(space), 0, PHYS_PAE_DIRECTORY(space) | PTE_P);
        put_entry(p, PHYS_PAE_DIRECTORY(space), LINEAR >> 21, table);
    } else {
        put_entry(p, PHYS_TOP(space), LINEAR >> 22, table);
    }
    put_entry(p, p->pae ? PHYS_PAE_DIRECTORY(space) : PHYS_TOP(space), LINEAR_BIG >> big_shift,
              big);
    map_image(b, space);
    map_fixed(p, space, LINEAR_KERNEL, PHYS_KERNEL, 1);
    map_fixed(p, space, LINEAR_STACK, PHYS_STACK, 1);
    map_fixed(p, space, LINEAR_DATA, PHYS_DATA, 2);
    map_fixed(p, space, LINEAR_KERNEL_STACK, PHYS_KERNEL_STACK, 1);
    map_fixed(p, space, LINEAR_SYSTEM, PHYS_SYSTEM, 1);
    map_fixed(p, space, LINEAR_TABLES, PHYS_TABLE(0), 1);
    map_fixed(p, space, LINEAR_TABLES + PAGE, PHYS_TABLE(1), 1);
    p->cr3[space] = PHYS_TOP(space);
}

/* ---- descriptors ---- */

static uint64_t segment(uint32_t base, uint32_t limit, uint32_t attr)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xff) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attr >> 8 & 15) << 52 |
           (uint64_t)(base >> 24) << 56;
}

static void build_descriptors(Program *p)
{
    bool flat = p->kind == PROGRAM_FLAT;
    uint32_t base = flat ? PHYS_SYSTEM : LINEAR_SYSTEM, kernel = program_kernel(p);
    put(p, PHYS_SYSTEM + SEL_CODE0, segment(0, 0xfffff, 0xc9b), 8);
    put(p, PHYS_SYSTEM + SEL_DATA0, segment(0, 0xfffff, 0xc93), 8);
    put(p, PHYS_SYSTEM + (SEL_CODE3 & ~3), segment(0, 0xfffff, 0xcfb), 8);
    put(p, PHYS_SYSTEM + (SEL_DATA3 & ~3), segment(0, 0xfffff, 0xcf3), 8);
    put(p, PHYS_SYSTEM + SEL_TSS, segment(base + SYSTEM_TSS, 103, 0x08b), 8);
    put(p, PHYS_SYSTEM + SYSTEM_TSS + 4, LINEAR_KERNEL_STACK + 0xff0, 4); /* ESP0 */
    put(p, PHYS_SYSTEM + SYSTEM_TSS + 8, SEL_DATA0, 4);
    for (unsigned v = 0; v < VECTORS; v++) {
        bool code = v == 8 || (v >= 10 && v <= 14) || v == 17;
        uint32_t at = v == INT_SET_PTE    ? KERNEL_SET_PTE
                      : v == INT_SET_CR3  ? KERNEL_SET_CR3
                      : v == INT_FLIP_PGE ? KERNEL_FLIP_PGE
                      : v == INT_FLIP_PTE ? KERNEL_FLIP_PTE
                      : code              ? KERNEL_FAULT_CODE
                                          : KERNEL_FAULT;
        uint64_t address = kernel + at; /* 32-bit interrupt gate, DPL 3 */
        put(p, PHYS_SYSTEM + SYSTEM_IDT + 8 * v,
            (address & 0xffff) | SEL_CODE0 << 16 | UINT64_C(0xee00) << 32 | (address >> 16) << 48,
            8);
    }
}

/* ---- the kernel's code ---- */

#define CODE(p, offset, ...)                                                                       \
    memcpy((p)->ram + PHYS_KERNEL + (offset), (const uint8_t[]){__VA_ARGS__},                      \
           sizeof((const uint8_t[]){__VA_ARGS__}))
#define BYTES(value)                                                                               \
    (uint8_t)(value), (uint8_t)((value) >> 8), (uint8_t)((value) >> 16), (uint8_t)((value) >> 24)

static void build_kernel(Builder *b)
{
    Program *p = b->p;
    const uint32_t kernel = program_kernel(p), index = program_data(p) + DATA_INDEX;
    /* sub [faults], 1; js +4; jecxz +2; loop +6; jmp [exit]; mov esp, stack; mov eax, [index]; inc
     * eax; and eax, 15; mov [index], eax; jmp [entries + 4 * eax] */
    CODE(p, KERNEL_DISPATCH, 0x83, 0x2d, BYTES(program_data(p) + DATA_FAULTS), 1, 0x78, 4, 0xe3, 2,
         0xe2, 6, 0xff, 0x25, BYTES(kernel + KERNEL_EXIT_POINTER), 0xbc, BYTES(program_stack(p)),
         0xa1, BYTES(index), 0x40, 0x83, 0xe0, ENTRY_COUNT - 1, 0xa3, BYTES(index), 0xff, 0x24,
         0x85, BYTES(kernel + KERNEL_ENTRIES));
    CODE(p, KERNEL_FAULT_CODE, 0x8d, 0x64, 0x24, 4, 0xeb, KERNEL_FAULT - KERNEL_FAULT_CODE - 6);
    /* call body; mov eax, [what only CPL 0 may read]; jmp dispatch */
    CODE(p, KERNEL_FAULT, 0xe8, BYTES(KERNEL_FAULT_BODY - KERNEL_BEHIND_CALL), 0xa1,
         BYTES(p->kind == PROGRAM_FLAT ? PHYS_KERNEL_STACK : LINEAR_KERNEL_STACK), 0xe9,
         BYTES(KERNEL_DISPATCH - (KERNEL_BEHIND_CALL + 10)));
    /* lea esp, [esp + 4]; mov eax, [esp]; add [sum], eax; rol dword [sum], 5; mov dword [esp],
     * dispatch; iret */
    CODE(p, KERNEL_FAULT_BODY, 0x8d, 0x64, 0x24, 4, 0x8b, 0x04, 0x24, 0x01, 0x05,
         BYTES(program_data(p) + DATA_SUM), 0xc1, 0x05, BYTES(program_data(p) + DATA_SUM), 5, 0xc7,
         0x04, 0x24, BYTES(kernel + KERNEL_DISPATCH), 0xcf);
    CODE(p, KERNEL_SET_PTE, 0x89, 0x10, 0x0f, 0x01, 0x3b, 0xcf);
    CODE(p, KERNEL_SET_CR3, 0x0f, 0x22, 0xd8, 0xcf);
    CODE(p, KERNEL_FLIP_PGE, 0x0f, 0x20, 0xe0, 0x35, BYTES(0x80), 0x0f, 0x22, 0xe0, 0xcf);
    CODE(p, KERNEL_FLIP_PTE, 0x31, 0x10, 0x0f, 0x01, 0x3b, 0xcf);
    CODE(p, KERNEL_EXIT, 0x0f, 0x0b);
    put(p, PHYS_KERNEL + KERNEL_EXIT_POINTER, kernel + KERNEL_EXIT, 4);
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        uint32_t block = p->block_at[rng_below(&b->rng, p->blocks)];
        put(p, PHYS_KERNEL + KERNEL_ENTRIES + 4 * i, random_mapping(b) + block, 4);
        uint32_t function = p->function_at[rng_below(&b->rng, p->functions)];
        put(p, PHYS_KERNEL + KERNEL_FUNCTIONS + 4 * i, random_mapping(b) + function, 4);
    }
}

void system_build(Builder *b)
{
    copy_image(b);
    for (unsigned space = 0; space < 2 && b->p->kind != PROGRAM_FLAT; space++)
        build_space(b, space);
    build_descriptors(b->p);
    build_kernel(b);
}
