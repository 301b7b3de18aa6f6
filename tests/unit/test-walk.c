/* SPDX-License-Identifier: MIT
 * The page walk against expectations written out plainly from SDM 3A "Paging". */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>

#include "softmmu/walk-x86.h"
#include "tests/unit/pte-bits.h"

#define BIT64(n) (UINT64_C(1) << (n))

enum {
    ROOT = 0x1000,
    T1 = 0x2000, /* tables below the root */
    T2 = 0x3000,
    T3 = 0x4000,
    MEM = 0x8000,
};
#define NX BIT64(63)

typedef struct {
    uint8_t bytes[MEM];
    PagingRegs regs;
    WalkMemory memory;
    unsigned updates;
    gpa_t race_at; /* the first update here finds the entry changed to race_to */
    uint64_t race_to;
} Bed;

static uint64_t bed_read(void *opaque, gpa_t gpa, unsigned size)
{
    Bed *b = opaque;
    uint64_t value = UINT64_MAX;
    cr_assert_eq(gpa % size, 0);
    if (gpa < MEM) {
        value = 0;
        memcpy(&value, b->bytes + gpa, size);
    }
    return size == 4 ? (uint32_t)value : value;
}

static void put(Bed *b, gpa_t gpa, uint64_t value, unsigned size)
{
    memcpy(b->bytes + gpa, &value, size);
}

static bool bed_update(void *opaque, gpa_t gpa, unsigned size, uint64_t old, uint64_t new_value)
{
    Bed *b = opaque;
    if (b->race_at == gpa) {
        put(b, gpa, b->race_to, size);
        b->race_at = 0;
    }
    if (bed_read(b, gpa, size) != old)
        return false;
    b->updates++;
    put(b, gpa, new_value, size);
    return true;
}

static void bed_init(Bed *b, uint64_t cr4, uint64_t efer)
{
    memset(b, 0, sizeof(*b));
    b->regs = (PagingRegs){.cr0 = WALK_CR0_PG | WALK_CR0_WP | 1,
                           .cr3 = ROOT,
                           .cr4 = cr4,
                           .efer = efer,
                           .phys_bits = 36,
                           .gib_pages = true};
    b->memory = (WalkMemory){bed_read, bed_update, b};
}

static const WalkAccess sys_read = {WALK_READ, false, false};
static const WalkAccess sys_write = {WALK_WRITE, false, false};
static const WalkAccess sys_exec = {WALK_EXEC, false, false};
static const WalkAccess user_read = {WALK_READ, true, false};
static const WalkAccess user_write = {WALK_WRITE, true, false};
static const WalkAccess user_exec = {WALK_EXEC, true, false};

static WalkResult walk(Bed *b, gva_t gva, WalkAccess access)
{
    return walk_x86_page(&b->regs, &b->memory, gva, access);
}

static void assert_fault(WalkResult r, uint32_t code)
{
    cr_assert(r.fault);
    cr_assert_eq(r.error_code, code, "error code %x, expected %x", r.error_code, code);
}

static void assert_page(WalkResult r, gpa_t gpa, unsigned page_bits)
{
    cr_assert_not(r.fault, "fault %x", r.error_code);
    cr_assert_eq(r.gpa, gpa, "gpa %llx", (unsigned long long)r.gpa);
    cr_assert_eq(r.page_bits, page_bits);
}

/* 32-bit, one 4 KiB page: linear 00C03xxx -> physical 12345xxx. */
enum { GVA32 = 0xc03abc, PDE32 = ROOT + 3 * 4, PTE32 = T1 + 3 * 4 };

static void map_32bit(Bed *b, uint32_t pde_flags, uint32_t pte_flags)
{
    put(b, PDE32, T1 | pde_flags, 4);
    put(b, PTE32, 0x12345000 | pte_flags, 4);
}

/* PAE, one 4 KiB page: linear 40403xxx -> physical 712345xxx. */
enum { GVA_PAE = 0x40403abc, PDE_PAE = T1 + 2 * 8, PTE_PAE = T2 + 3 * 8 };
#define PAGE_PAE UINT64_C(0x712345000)

static void map_pae(Bed *b, uint64_t pde_flags, uint64_t pte_flags)
{
    b->regs.pdpte[1] = T1 | P;
    put(b, PDE_PAE, T2 | pde_flags, 8);
    put(b, PTE_PAE, PAGE_PAE | pte_flags, 8);
}

/* The expectation: rights as a truth table over what the levels say together. */
typedef struct {
    bool present, writable, user, nx;
    bool wp, smep, smap, nxe, pae;
} Case;

static bool case_allows(const Case *c, WalkAccess a)
{
    if (a.user) {
        if (!c->user)
            return false;
        if (a.kind == WALK_WRITE)
            return c->writable;
        return a.kind == WALK_READ || !c->nx;
    }
    if (a.kind == WALK_EXEC)
        return !c->nx && !(c->smep && c->user);
    if (c->smap && c->user && !a.ac)
        return false;
    return a.kind == WALK_READ || c->writable || !c->wp;
}

static uint32_t case_code(const Case *c, WalkAccess a)
{
    return (c->present ? 1u : 0u) | (a.kind == WALK_WRITE ? 2u : 0u) | (a.user ? 4u : 0u) |
           (a.kind == WALK_EXEC && ((c->pae && c->nxe) || c->smep) ? 16u : 0u);
}

/* Check one case for all twelve accesses; entries must stay untouched on a fault. */
static void check_case(Bed *b, const Case *c, gva_t gva, gpa_t gpa, gpa_t upper, gpa_t leaf,
                       unsigned size)
{
    for (unsigned i = 0; i < 12; i++) {
        WalkAccess a = {(WalkKind)(i % 3), i / 3 % 2, i / 6};
        uint64_t upper_before = bed_read(b, upper, size), leaf_before = bed_read(b, leaf, size);
        WalkResult r = walk(b, gva, a);
        bool allowed = c->present && case_allows(c, a);
        cr_assert_eq(r.fault, !allowed);
        uint64_t d = a.kind == WALK_WRITE ? D : 0;
        cr_assert_eq(bed_read(b, upper, size), upper_before | (allowed ? A : 0));
        cr_assert_eq(bed_read(b, leaf, size), leaf_before | (allowed ? A | d : 0));
        if (allowed) {
            assert_page(r, gpa, 12);
            cr_assert_eq(r.writable, c->writable);
            cr_assert_eq(r.user, c->user);
            cr_assert_eq(r.nx, c->nx);
            cr_assert_eq(r.dirty, (leaf_before & D) || d);
        } else {
            assert_fault(r, case_code(c, a));
        }
        if (!r.fault)
            for (unsigned j = 0; j < 12; j++) {
                WalkAccess other = {(WalkKind)(j % 3), j / 3 % 2, j / 6};
                cr_assert_eq(walk_x86_permits(&b->regs, &r, other), case_allows(c, other));
            }
        put(b, upper, upper_before, size);
        put(b, leaf, leaf_before, size);
    }
}

Test(walk, paging_off_is_identity)
{
    Bed b;
    bed_init(&b, 0, 0);
    b.regs.cr0 = 1;
    WalkResult r = walk(&b, 0x1fedcba98, user_write);
    assert_page(r, 0xfedcba98, 32);
    cr_assert(r.writable && r.user && r.dirty && !r.nx && !r.global);
    cr_assert(walk_x86_permits(&b.regs, &r, user_exec));
}

Test(walk, rights_32bit_all)
{
    Bed b;
    for (unsigned bits = 0; bits < 8 * 8 * 8; bits++) {
        uint32_t pde = bits & 7, pte = bits >> 3 & 7;
        bool wp = bits >> 6 & 1, smep = bits >> 7 & 1, smap = bits >> 8 & 1;
        bed_init(&b, (smep ? WALK_CR4_SMEP : 0) | (smap ? WALK_CR4_SMAP : 0), WALK_EFER_NXE);
        if (!wp)
            b.regs.cr0 &= ~WALK_CR0_WP;
        map_32bit(&b, pde, pte);
        Case c = {.present = pde & pte & P,
                  .writable = pde & pte & RW,
                  .user = pde & pte & US,
                  .wp = wp,
                  .smep = smep,
                  .smap = smap,
                  .nxe = true};
        check_case(&b, &c, GVA32, 0x12345abc, PDE32, PTE32, 4);
    }
}

Test(walk, rights_pae_all)
{
    Bed b;
    for (unsigned bits = 0; bits < 16 * 16 * 16; bits++) {
        uint64_t pde = (bits & 7) | (bits >> 3 & 1 ? NX : 0);
        uint64_t pte = (bits >> 4 & 7) | (bits >> 7 & 1 ? NX : 0);
        bool wp = bits >> 8 & 1, smep = bits >> 9 & 1, smap = bits >> 10 & 1, nxe = bits >> 11 & 1;
        if (!nxe && ((pde | pte) & NX))
            continue; /* reserved: tested apart */
        bed_init(&b, WALK_CR4_PAE | (smep ? WALK_CR4_SMEP : 0) | (smap ? WALK_CR4_SMAP : 0),
                 nxe ? WALK_EFER_NXE : 0);
        if (!wp)
            b.regs.cr0 &= ~WALK_CR0_WP;
        map_pae(&b, pde, pte);
        Case c = {.present = pde & pte & P,
                  .writable = pde & pte & RW,
                  .user = pde & pte & US,
                  .nx = (pde | pte) & NX,
                  .wp = wp,
                  .smep = smep,
                  .smap = smap,
                  .nxe = nxe,
                  .pae = true};
        check_case(&b, &c, GVA_PAE, PAGE_PAE | 0xabc, PDE_PAE, PTE_PAE, 8);
    }
}

Test(walk, ignored_bits_do_not_fault)
{
    Bed b;
    bed_init(&b, 0, 0);
    map_32bit(&b, P | RW | US | 0xfd8 /* every ignored or cache bit, PS without CR4.PSE */,
              P | RW | US | 0xf98);
    assert_page(walk(&b, GVA32, user_write), 0x12345abc, 12);
}

Test(walk, linear_address_is_32_bits)
{
    Bed b;
    bed_init(&b, 0, 0);
    map_32bit(&b, P, P);
    assert_page(walk(&b, GVA32 | BIT64(32) | BIT64(63), sys_read), 0x12345abc, 12);
}

Test(walk, large_4mib)
{
    Bed b;
    bed_init(&b, WALK_CR4_PSE, 0);
    put(&b, PDE32, 0x80400000 | P | RW | PS, 4);
    assert_page(walk(&b, GVA32, sys_read), 0x80403abc, 22);
    cr_assert_eq(bed_read(&b, PDE32, 4), 0x80400000 | P | RW | PS | A);
    cr_assert_not(walk(&b, GVA32, sys_read).dirty);
    cr_assert(walk(&b, GVA32, sys_write).dirty);
    cr_assert_eq(bed_read(&b, PDE32, 4), 0x80400000 | P | RW | PS | A | D);
    assert_fault(walk(&b, GVA32, user_read), WALK_PF_P | WALK_PF_US);
}

Test(walk, large_4mib_reserved_by_phys_bits)
{
    Bed b;
    for (unsigned phys_bits = 32; phys_bits <= 52; phys_bits++) {
        bed_init(&b, WALK_CR4_PSE, 0);
        b.regs.phys_bits = phys_bits;
        for (unsigned bit = 12; bit <= 21; bit++) {
            put(&b, PDE32, 0x80400000 | P | RW | PS | 1u << bit, 4);
            WalkResult r = walk(&b, GVA32, sys_write);
            unsigned address_bit = bit - 13 + 32;
            if (bit == 12) /* PAT */
                assert_page(r, 0x80403abc, 22);
            else if (bit <= 20 && address_bit < phys_bits)
                assert_page(r, 0x80403abc | BIT64(address_bit), 22);
            else
                assert_fault(r, WALK_PF_P | WALK_PF_WR | WALK_PF_RSVD);
        }
    }
}

Test(walk, large_2mib)
{
    Bed b;
    bed_init(&b, WALK_CR4_PAE, WALK_EFER_NXE);
    b.regs.pdpte[1] = T1 | P;
    uint64_t pde = UINT64_C(0xf00600000) | P | US | PS | NX;
    put(&b, PDE_PAE, pde, 8);
    WalkResult r = walk(&b, GVA_PAE, user_read);
    assert_page(r, 0xf00603abc, 21);
    cr_assert(r.nx && r.user && !r.writable && !r.dirty);
    cr_assert_eq(bed_read(&b, PDE_PAE, 8), pde | A);
    assert_fault(walk(&b, GVA_PAE, user_exec), WALK_PF_P | WALK_PF_US | WALK_PF_ID);
    assert_fault(walk(&b, GVA_PAE, sys_exec), WALK_PF_P | WALK_PF_ID);
    for (unsigned bit = 13; bit <= 20; bit++) {
        put(&b, PDE_PAE, pde | BIT64(bit), 8);
        assert_fault(walk(&b, GVA_PAE, user_read), WALK_PF_P | WALK_PF_US | WALK_PF_RSVD);
    }
}

Test(walk, reserved_bits_pae)
{
    Bed b;
    static const gpa_t entries[] = {PDE_PAE, PTE_PAE};
    for (unsigned nxe = 0; nxe < 2; nxe++)
        for (unsigned phys_bits = 36; phys_bits <= 52; phys_bits++)
            for (unsigned e = 0; e < 2; e++)
                for (unsigned bit = phys_bits; bit < 64; bit++) {
                    bed_init(&b, WALK_CR4_PAE, nxe ? WALK_EFER_NXE : 0);
                    b.regs.phys_bits = phys_bits;
                    map_pae(&b, P | RW | US, P | RW | US);
                    put(&b, entries[e], bed_read(&b, entries[e], 8) | BIT64(bit), 8);
                    WalkResult r = walk(&b, GVA_PAE, sys_read);
                    if (bit == 63 && nxe)
                        cr_assert(!r.fault && r.nx);
                    else
                        assert_fault(r, WALK_PF_P | WALK_PF_RSVD);
                    cr_assert_eq(b.updates > 0, !r.fault);
                }
}

Test(walk, absent_or_malformed_comes_before_rights)
{
    Bed b;
    bed_init(&b, WALK_CR4_PAE, WALK_EFER_NXE);
    map_pae(&b, P, 0); /* supervisor read-only table, absent page: no P bit */
    assert_fault(walk(&b, GVA_PAE, user_write), WALK_PF_WR | WALK_PF_US);
    map_pae(&b, P, P | BIT64(40));
    assert_fault(walk(&b, GVA_PAE, user_write), WALK_PF_P | WALK_PF_WR | WALK_PF_US | WALK_PF_RSVD);
    map_pae(&b, P | BIT64(40), 0); /* the malformed level is reached first */
    assert_fault(walk(&b, GVA_PAE, sys_read), WALK_PF_P | WALK_PF_RSVD);
    map_pae(&b, P, BIT64(40)); /* reserved bits of an absent entry do not count */
    assert_fault(walk(&b, GVA_PAE, sys_read), 0);
}

Test(walk, absent_pdpte)
{
    Bed b;
    bed_init(&b, WALK_CR4_PAE, WALK_EFER_NXE);
    assert_fault(walk(&b, GVA_PAE, user_exec), WALK_PF_US | WALK_PF_ID);
    b.regs.efer = 0;
    assert_fault(walk(&b, GVA_PAE, user_exec), WALK_PF_US);
}

Test(walk, pdptes_are_picked_by_bits_31_30)
{
    Bed b;
    for (unsigned i = 0; i < 4; i++) {
        bed_init(&b, WALK_CR4_PAE, 0);
        b.regs.pdpte[i] = T1 | P;
        put(&b, T1, 0x200000 | P | PS, 8);
        for (unsigned j = 0; j < 4; j++)
            cr_assert_eq(walk(&b, (gva_t)j << 30 | 0x123, sys_read).fault, i != j);
    }
}

Test(walk, loads_pdptes)
{
    Bed b;
    bed_init(&b, WALK_CR4_PAE, 0);
    b.regs.cr3 = 0x1020 | 0x1f; /* 32-byte aligned, low bits ignored */
    for (unsigned i = 0; i < 4; i++)
        put(&b, 0x1020 + 8 * i, (UINT64_C(0x100000) * i) | (i != 2 ? P : 0) | 0xe18, 8);
    cr_assert(walk_x86_load_pdptes(&b.regs, &b.memory));
    cr_assert_eq(b.regs.pdpte[0], P | 0xe18);
    cr_assert_eq(b.regs.pdpte[3], 0x300000 | P | 0xe18);
    cr_assert_eq(b.updates, 0);

    uint64_t before = b.regs.pdpte[3];
    for (unsigned bit = 1; bit < 64; bit++) {
        bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 36;
        put(&b, 0x1038, P | BIT64(bit), 8);
        cr_assert_eq(walk_x86_load_pdptes(&b.regs, &b.memory), !reserved, "bit %u", bit);
        cr_assert_eq(b.regs.pdpte[3], reserved ? before : (P | BIT64(bit)));
        before = b.regs.pdpte[3];
        put(&b, 0x1038, BIT64(bit), 8); /* absent: anything goes */
        cr_assert(walk_x86_load_pdptes(&b.regs, &b.memory));
        before = b.regs.pdpte[3];
    }
}

Test(walk, global_needs_pge_and_the_leaf)
{
    Bed b;
    bed_init(&b, 0, 0);
    map_32bit(&b, P, P | G);
    cr_assert_not(walk(&b, GVA32, sys_read).global);
    b.regs.cr4 = WALK_CR4_PGE;
    cr_assert(walk(&b, GVA32, sys_read).global);
    map_32bit(&b, P | G, P);
    cr_assert_not(walk(&b, GVA32, sys_read).global);
}

Test(walk, used_entries_are_written_once)
{
    Bed b;
    bed_init(&b, 0, 0);
    map_32bit(&b, P | RW, P | RW);
    cr_assert_not(walk(&b, GVA32, sys_read).fault);
    cr_assert_eq(b.updates, 2);
    cr_assert_not(walk(&b, GVA32, sys_exec).fault);
    cr_assert_eq(b.updates, 2);
    cr_assert_not(walk(&b, GVA32, sys_write).fault);
    cr_assert_eq(b.updates, 3);
    cr_assert_not(walk(&b, GVA32, sys_write).fault);
    cr_assert_eq(b.updates, 3);
}

Test(walk, without_update_nothing_is_written)
{
    Bed b;
    bed_init(&b, 0, 0);
    map_32bit(&b, P | RW, P | RW);
    b.memory.update = NULL;
    WalkResult r = walk(&b, GVA32, sys_write);
    assert_page(r, 0x12345abc, 12);
    cr_assert_not(r.dirty);
    cr_assert_eq(bed_read(&b, PTE32, 4), 0x12345000 | P | RW);
}

Test(walk, an_entry_that_changes_is_read_again)
{
    Bed b;
    bed_init(&b, 0, 0);
    map_32bit(&b, P | RW, P | RW);
    b.race_at = PTE32;
    b.race_to = 0x55555000 | P | RW;
    assert_page(walk(&b, GVA32, sys_write), 0x55555abc, 12);
    cr_assert_eq(bed_read(&b, PTE32, 4), 0x55555000 | P | RW | A | D);

    map_32bit(&b, P | RW, P | RW);
    b.race_at = PTE32;
    b.race_to = 0x55555000; /* taken away meanwhile */
    assert_fault(walk(&b, GVA32, sys_write), WALK_PF_WR);
}

Test(walk, tables_outside_memory)
{
    Bed b;
    bed_init(&b, WALK_CR4_PAE, 0);
    b.regs.pdpte[1] = 0x7fffff000 | P;
    assert_fault(walk(&b, GVA_PAE, sys_read), WALK_PF_P | WALK_PF_RSVD);
    cr_assert_not((b.regs.cr3 = 0x100000, walk_x86_load_pdptes(&b.regs, &b.memory)));
}

/* 4-level: linear FFFF8880_40403xxx, bits 47:39 = 111h, 38:30 = 1, 29:21 = 2, 20:12 = 3. */
#define GVA_LONG UINT64_C(0xffff888040403abc)

static void map_4level(Bed *b, uint64_t flags)
{
    put(b, ROOT + 0x111 * 8, T1 | flags, 8);
    put(b, T1 + 1 * 8, T2 | flags, 8);
    put(b, T2 + 2 * 8, T3 | flags, 8);
    put(b, T3 + 3 * 8, PAGE_PAE | flags, 8);
}

Test(walk, long_mode_4level)
{
    static const gpa_t entries[] = {ROOT + 0x111 * 8, T1 + 8, T2 + 16, T3 + 24};
    Bed b;
    bed_init(&b, WALK_CR4_PAE, WALK_EFER_LMA | WALK_EFER_NXE);
    map_4level(&b, P | RW | US);
    assert_page(walk(&b, GVA_LONG, user_write), PAGE_PAE | 0xabc, 12);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(bed_read(&b, entries[i], 8) & (A | D), i == 3 ? A | D : A);
    for (unsigned i = 0; i < 4; i++) {
        map_4level(&b, P | RW | US | BIT64(52) | BIT64(62)); /* ignored */
        uint64_t entry = bed_read(&b, entries[i], 8);
        put(&b, entries[i], entry & ~(uint64_t)RW, 8);
        assert_fault(walk(&b, GVA_LONG, user_write), WALK_PF_P | WALK_PF_WR | WALK_PF_US);
        put(&b, entries[i], entry & ~(uint64_t)US, 8);
        assert_fault(walk(&b, GVA_LONG, user_read), WALK_PF_P | WALK_PF_US);
        put(&b, entries[i], entry | NX, 8);
        assert_fault(walk(&b, GVA_LONG, user_exec), WALK_PF_P | WALK_PF_US | WALK_PF_ID);
        put(&b, entries[i], entry | BIT64(51), 8);
        assert_fault(walk(&b, GVA_LONG, sys_read), WALK_PF_P | WALK_PF_RSVD);
        put(&b, entries[i], 0, 8);
        assert_fault(walk(&b, GVA_LONG, sys_read), 0);
    }
}

Test(walk, long_mode_large_pages)
{
    Bed b;
    bed_init(&b, WALK_CR4_PAE, WALK_EFER_LMA);
    map_4level(&b, P | RW);
    put(&b, T2 + 16, UINT64_C(0x700600000) | P | RW | PS, 8);
    assert_page(walk(&b, GVA_LONG, sys_write), 0x700603abc, 21);
    put(&b, T1 + 8, UINT64_C(0x740000000) | P | RW | PS, 8);
    assert_page(walk(&b, GVA_LONG, sys_write), 0x740403abc, 30);
    put(&b, T1 + 8, UINT64_C(0x740002000) | P | RW | PS, 8);
    assert_fault(walk(&b, GVA_LONG, sys_read), WALK_PF_P | WALK_PF_RSVD);
    put(&b, T1 + 8, UINT64_C(0x740000000) | P | RW | PS, 8);
    b.regs.gib_pages = false;
    assert_fault(walk(&b, GVA_LONG, sys_read), WALK_PF_P | WALK_PF_RSVD);
    map_4level(&b, P | RW);
    put(&b, ROOT + 0x111 * 8, T1 | P | RW | PS, 8);
    assert_fault(walk(&b, GVA_LONG, sys_read), WALK_PF_P | WALK_PF_RSVD);
}
