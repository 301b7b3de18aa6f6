/* SPDX-License-Identifier: MIT
 * Where a torture program's pieces lie. The code image (four pages) exists twice in
 * physical memory, with the same layout but other immediates. It is mapped three
 * times by small pages, any of which may show either copy at any moment, and once by a large one.
 */
#ifndef TESTS_TORTURE_LAYOUT_H
#define TESTS_TORTURE_LAYOUT_H

#define PAGE 0x1000u

/* Physical; also linear without paging. */
enum {
    PHYS_SYSTEM = 0x7000, /* GDT, TSS, IDT */
    PHYS_KERNEL = 0x8000,
    PHYS_STACK = 0x9000,
    PHYS_DATA = 0xa000, /* two pages */
    PHYS_KERNEL_STACK = 0xc000,
    PHYS_CODE = 0x10000,
    PHYS_TWIN = 0x14000,
    RAM_SIZE = 0x18000,
    IMAGE_PAGES = 4,
    IMAGE_SIZE = 0x4000,
};

/* Page tables of two address spaces. */
#define PHYS_TOP(space)           (0x1000u + 0x2000u * (space)) /* page directory, or PDPT with PAE */
#define PHYS_TABLE(space)         (0x2000u + 0x2000u * (space))
#define PHYS_PAE_DIRECTORY(space) (0x5000u + 0x1000u * (space))

/* Linear with paging; all in one page table. */
enum {
    LINEAR = 0x400000,
    LINEAR_CODE = LINEAR,
    LINEAR_ALIAS = LINEAR + 0x8000,
    LINEAR_TWIN = LINEAR + 0x10000,
    LINEAR_KERNEL = LINEAR + 0x20000,
    LINEAR_STACK = LINEAR + 0x21000,
    LINEAR_DATA = LINEAR + 0x22000,
    LINEAR_KERNEL_STACK = LINEAR + 0x24000,
    LINEAR_SYSTEM = LINEAR + 0x25000,
    LINEAR_BIG = 0x800000,            /* all of physical memory by one large page */
    LINEAR_TABLES = LINEAR + 0x26000, /* the page tables of both spaces */
    MAPPED_PAGES = 0x20,              /* at LINEAR: the three mappings of the image */
    OTHER_MAPPING = LINEAR_CODE ^ LINEAR_ALIAS,
    OTHER_COPY = PHYS_CODE ^ PHYS_TWIN, /* in a page-table entry, too */
};

/* In the system page. */
enum { SYSTEM_TSS = 0x100, SYSTEM_IDT = 0x400, VECTORS = 0x84 };
enum { SEL_CODE0 = 0x08, SEL_DATA0 = 0x10, SEL_CODE3 = 0x1b, SEL_DATA3 = 0x23, SEL_TSS = 0x28 };

/* In the kernel page. */
enum {
    KERNEL_DISPATCH = 0,      /* goes on with another block */
    KERNEL_FAULT_CODE = 0x80, /* handlers: with error code, without */
    KERNEL_FAULT = 0x90,
    KERNEL_BEHIND_CALL = 0x95, /* where it never returns to; blocks do, at their own CPL */
    KERNEL_SET_PTE = 0xc0,     /* INT 80h: [EAX] = EDX, INVLPG [EBX] */
    KERNEL_SET_CR3 = 0xe0,     /* INT 81h: CR3 = EAX */
    KERNEL_FLIP_PGE = 0x100,   /* INT 82h */
    KERNEL_FLIP_PTE = 0x120,   /* INT 83h: [EAX] ^= EDX, INVLPG [EBX] */
    KERNEL_EXIT = 0x140,
    KERNEL_EXIT_POINTER = 0x180,
    KERNEL_ENTRIES = 0x1c0,   /* where DISPATCH may go on */
    KERNEL_FUNCTIONS = 0x200, /* for calls through memory */
    KERNEL_FAULT_BODY = 0x240,
    ENTRY_COUNT = 16,
};
enum { INT_SET_PTE = 0x80, INT_SET_CR3 = 0x81, INT_FLIP_PGE = 0x82, INT_FLIP_PTE = 0x83 };

/* In the data pages. */
enum {
    DATA_INDEX = 0,
    DATA_SAVE_ESP = 8,
    DATA_SAVE_ECX = 16,
    DATA_FAULTS = 24, /* so many may come: one inside a string instruction may leave ECX larger */
    DATA_DEPTH = 32,  /* so many calls of functions by functions */
    DATA_SUM = 40,    /* of where faults were, and of stack pointers */
    DATA_FREE = 0x40,
    DATA_SIZE = 0x2000,
};

enum {
    PTE_P = 1,
    PTE_RW = 2,
    PTE_US = 4,
    PTE_A = 0x20,
    PTE_D = 0x40,
    PTE_PS = 0x80,
    PTE_G = 0x100
};

#endif
