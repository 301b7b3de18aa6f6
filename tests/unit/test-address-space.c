/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>

#include "softmmu/address-space.h"

enum { MIB = 1 << 20, PAGE = 4096 };

/* A device that logs each access as "r<offset>:<size> " and answers its offset bytes. */
typedef struct {
    GString *trace;
} Dev;

static uint64_t dev_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= ((offset + i) & 0xff) << (8 * i);
    g_string_append_printf(((Dev *)opaque)->trace, "r%x:%u ", (unsigned)offset, size);
    return value;
}

static void dev_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    g_string_append_printf(((Dev *)opaque)->trace, "w%x:%u=%" G_GINT64_MODIFIER "x ",
                           (unsigned)offset, size, value);
}

static const RegionOps ops_any = {dev_read, dev_write, 0, 0};
static const RegionOps ops_byte = {dev_read, dev_write, 1, 1};
static const RegionOps ops_dword = {dev_read, dev_write, 4, 4};
static const RegionOps ops_qword = {dev_read, dev_write, 1, 8};

typedef struct {
    Ram *ram;
    AddressSpace *as;
    ram_off_t main; /* 4 MiB of RAM at 0 */
    Dev dev;
    unsigned maps;
    gpa_t map_start;
    uint64_t map_size;
    unsigned code_writes;
    ram_off_t code_offset;
    uint64_t code_size;
} Bed;

static void on_map(void *opaque, gpa_t start, uint64_t size)
{
    Bed *b = opaque;
    b->maps++;
    b->map_start = start;
    b->map_size = size;
}

static void on_code_write(void *opaque, ram_off_t offset, uint64_t size)
{
    Bed *b = opaque;
    b->code_writes++;
    b->code_offset = offset;
    b->code_size = size;
}

static Bed *bed_new(void)
{
    Bed *b = g_new0(Bed, 1);
    b->ram = ram_new(16 * MIB, NULL);
    b->as = address_space_new(b->ram);
    b->dev.trace = g_string_new(NULL);
    b->main = ram_alloc(b->ram, "main", 4 * MIB);
    address_space_add_ram(b->as, "main", 0, 4 * MIB, 0, b->main);
    address_space_set_map_listener(b->as, on_map, b);
    address_space_set_code_write_listener(b->as, on_code_write, b);
    return b;
}

static void bed_free(Bed *b)
{
    address_space_free(b->as);
    ram_free(b->ram);
    g_string_free(b->dev.trace, TRUE);
    g_free(b);
}

static void assert_trace(Bed *b, const char *expected)
{
    cr_assert_str_eq(b->dev.trace->str, expected);
    g_string_set_size(b->dev.trace, 0);
}

Test(ram, blocks_are_page_aligned_and_zero)
{
    Ram *ram = ram_new(10000, NULL);
    cr_assert_eq(ram_capacity(ram), 3 * PAGE);
    cr_assert_eq(ram_alloc(ram, "a", 1), 0);
    cr_assert_eq(ram_alloc(ram, "b", PAGE + 1), PAGE);
    for (unsigned i = 0; i < 3 * PAGE; i++)
        cr_assert_eq(*ram_hva(ram, i), 0);
    ram_free(ram);
}

Test(ram, refuses_what_cannot_be)
{
    GError *error = NULL;
    cr_assert_null(ram_new(UINT64_MAX, &error));
    cr_assert_not_null(strstr(error->message, "-m"));
    g_error_free(error);
}

Test(ram, guards_stop_overruns, .signal = SIGSEGV)
{
    Ram *ram = ram_new(MIB, NULL);
    volatile uint8_t *end = ram_hva(ram, MIB - 1);
    end[1 + 60 * 1024] = 1;
}

Test(address_space, priorities_overlap)
{
    Bed *b = bed_new();
    Region *low = address_space_add_mmio(b->as, "low", 0x10000, 0x10000, 1, &ops_any, &b->dev);
    Region *same = address_space_add_mmio(b->as, "same", 0x18000, 0x10000, 1, &ops_any, &b->dev);
    Region *top = address_space_add_mmio(b->as, "top", 0x14000, 0x1000, 2, &ops_any, &b->dev);
    cr_assert_eq(address_space_find(b->as, 0xffff).kind, REGION_RAM);
    cr_assert_eq(address_space_find(b->as, 0x10000).region, low);
    cr_assert_eq(address_space_find(b->as, 0x14000).region, top);
    cr_assert_eq(address_space_find(b->as, 0x15000).region, low);
    cr_assert_eq(address_space_find(b->as, 0x15000).region_offset, 0x5000);
    cr_assert_eq(address_space_find(b->as, 0x18000).region, same);
    cr_assert_eq(address_space_find(b->as, 0x27fff).region, same);
    PhysTarget ram = address_space_find(b->as, 0x28010);
    cr_assert_eq(ram.kind, REGION_RAM);
    cr_assert_eq(ram.ram_offset, b->main + 0x28010);
    cr_assert_eq(ram.length, PAGE - 0x10);
    region_set_enabled(top, false);
    cr_assert_eq(address_space_find(b->as, 0x14000).region, low);
    region_move(same, 0x100000000);
    cr_assert_eq(address_space_find(b->as, 0x1ffff).region, low);
    cr_assert_eq(address_space_find(b->as, 0x20000).kind, REGION_RAM);
    cr_assert_eq(address_space_find(b->as, 0x10000ffff).region, same);
    cr_assert_eq(address_space_find(b->as, 0x100010000).kind, REGION_UNASSIGNED);
    bed_free(b);
}

/* Random maps against a scan of all regions. */
Test(address_space, view_matches_reference)
{
    enum { N = 12 };
    Bed *b = bed_new();
    GRand *rand = g_rand_new_with_seed(3);
    struct {
        Region *region;
        uint64_t base, size;
        int priority;
        bool enabled;
    } r[N];
    for (int i = 0; i < N; i++) {
        r[i].base = 8 * MIB + (uint64_t)g_rand_int_range(rand, 0, 200);
        r[i].size = (uint64_t)g_rand_int_range(rand, 1, 60);
        r[i].priority = g_rand_int_range(rand, 0, 4);
        r[i].enabled = true;
        r[i].region = address_space_add_mmio(b->as, "r", r[i].base, r[i].size, r[i].priority,
                                             &ops_any, &b->dev);
    }
    for (int step = 0; step < 300; step++) {
        int i = g_rand_int_range(rand, 0, N);
        r[i].enabled = g_rand_boolean(rand);
        r[i].base = 8 * MIB + (uint64_t)g_rand_int_range(rand, 0, 200);
        address_space_begin(b->as);
        region_set_enabled(r[i].region, r[i].enabled);
        region_move(r[i].region, r[i].base);
        address_space_commit(b->as);
        for (uint64_t a = 8 * MIB; a < 8 * MIB + 270; a++) {
            Region *best = NULL;
            int priority = -1;
            for (int j = 0; j < N; j++)
                if (r[j].enabled && a - r[j].base < r[j].size && r[j].priority >= priority) {
                    best = r[j].region;
                    priority = r[j].priority;
                }
            cr_assert_eq(address_space_find(b->as, a).region, best);
        }
    }
    g_rand_free(rand);
    bed_free(b);
}

Test(address_space, pam_switches_kind_in_one_change)
{
    Bed *b = bed_new();
    Region *pam = address_space_add_ram(b->as, "pam", 0xc0000, 0x4000, 1, b->main + 0xc0000);
    ram_off_t bios = ram_alloc(b->ram, "bios", 0x40000);
    address_space_add_rom(b->as, "bios", 0xc0000, 0x40000, 0, bios, NULL, NULL);
    cr_assert(address_space_debug_write(b->as, 0xc4000, "\x55\xaa", 2));
    cr_assert(address_space_dma_write(b->as, 0xc0000, "\x11\x22", 2));
    unsigned maps = b->maps;

    region_set_kind(pam, REGION_ROM);
    cr_assert_eq(b->maps, maps + 1);
    cr_assert_eq(b->map_start, 0xc0000);
    cr_assert_eq(b->map_size, 0x4000);
    address_space_write(b->as, 0xc0000, 0xffff, 2);
    cr_assert_eq(address_space_read(b->as, 0xc0000, 2), 0x2211);

    region_set_kind(pam, REGION_UNASSIGNED);
    cr_assert_eq(address_space_read(b->as, 0xc0000, 2), 0); /* the BIOS ROM below */
    cr_assert_eq(address_space_find(b->as, 0xc0000).kind, REGION_ROM);
    region_set_kind(pam, REGION_UNASSIGNED);
    cr_assert_eq(b->maps, maps + 2); /* no change, no call */

    region_set_kind(pam, REGION_RAM);
    address_space_write(b->as, 0xc0001, 0x33, 1);
    cr_assert_eq(address_space_read(b->as, 0xc0000, 2), 0x3311);
    cr_assert_eq(address_space_read(b->as, 0xc4000, 2), 0xaa55);
    cr_assert_eq(address_space_read(b->as, 0xc3ffe, 4), 0xaa550000);
    bed_free(b);
}

Test(address_space, batches_tell_the_listener_once)
{
    Bed *b = bed_new();
    Region *x = address_space_add_mmio(b->as, "x", 0x400000, 0x1000, 0, &ops_any, &b->dev);
    Region *y = address_space_add_mmio(b->as, "y", 0x500000, 0x1000, 0, &ops_any, &b->dev);
    unsigned maps = b->maps;
    address_space_begin(b->as);
    region_set_enabled(x, false);
    address_space_begin(b->as);
    region_move(y, 0x600000);
    address_space_commit(b->as);
    cr_assert_eq(b->maps, maps);
    address_space_commit(b->as);
    cr_assert_eq(b->maps, maps + 1);
    cr_assert_eq(b->map_start, 0x400000);
    cr_assert_eq(b->map_size, 0x201000);
    bed_free(b);
}

Test(address_space, a20_off_masks_the_cpu_only)
{
    Bed *b = bed_new();
    uint8_t byte = 0;
    address_space_write(b->as, 0x10, 0x12, 1);
    address_space_write(b->as, 0x100010, 0x34, 1);
    cr_assert_eq(address_space_read(b->as, 0x100010, 1), 0x34);
    unsigned maps = b->maps;
    address_space_set_a20(b->as, false);
    cr_assert_eq(b->maps, maps + 1);
    cr_assert_eq(b->map_size, UINT64_MAX);
    cr_assert_not(address_space_a20(b->as));
    cr_assert_eq(address_space_read(b->as, 0x100010, 1), 0x12);
    cr_assert_eq(address_space_find(b->as, 0x300010).ram_offset, b->main + 0x200010);
    cr_assert_eq(address_space_behind_a20(b->as, 0x100010), 0x10);
    cr_assert(address_space_dma_read(b->as, 0x100010, &byte, 1));
    cr_assert_eq(byte, 0x34, "A20M# is a pin of the CPU");
    byte = 0x56;
    cr_assert(address_space_bus_write(b->as, 0x100010, &byte, 1));
    cr_assert_eq(address_space_read(b->as, 0x100010, 1), 0x12);
    /* FFFFE wraps to 0, which is how the gate earned its place */
    address_space_write(b->as, 0xffffe, 0xddccbbaa, 4);
    cr_assert_eq(address_space_read(b->as, 0, 2), 0xddcc);
    address_space_set_a20(b->as, true);
    cr_assert_eq(address_space_read(b->as, 0x100010, 1), 0x56);
    bed_free(b);
}

Test(address_space, splits_and_widens)
{
    Bed *b = bed_new();
    address_space_add_mmio(b->as, "any", 0x400000, 0x100, 0, &ops_any, &b->dev);
    address_space_add_mmio(b->as, "byte", 0x401000, 0x100, 0, &ops_byte, &b->dev);
    address_space_add_mmio(b->as, "dword", 0x402000, 0x100, 0, &ops_dword, &b->dev);
    address_space_add_mmio(b->as, "qword", 0x403000, 0x100, 0, &ops_qword, &b->dev);

    cr_assert_eq(address_space_read(b->as, 0x400010, 8), 0x1716151413121110);
    assert_trace(b, "r10:4 r14:4 ");
    cr_assert_eq(address_space_read(b->as, 0x400011, 4), 0x14131211);
    assert_trace(b, "r11:1 r12:2 r14:1 ");
    cr_assert_eq(address_space_read(b->as, 0x401020, 4), 0x23222120);
    assert_trace(b, "r20:1 r21:1 r22:1 r23:1 ");
    cr_assert_eq(address_space_read(b->as, 0x402022, 2), 0x2322);
    assert_trace(b, "r20:4 ");
    cr_assert_eq(address_space_read(b->as, 0x403028, 8), 0x2f2e2d2c2b2a2928);
    assert_trace(b, "r28:8 ");

    address_space_write(b->as, 0x401000, 0xaabbccdd, 4);
    assert_trace(b, "w0:1=dd w1:1=cc w2:1=bb w3:1=aa ");
    address_space_write(b->as, 0x402005, 0xffffff7e, 1);
    assert_trace(b, "w4:4=7e00 ");
    address_space_write(b->as, 0x403008, UINT64_MAX, 8);
    assert_trace(b, "w8:8=ffffffffffffffff ");
    bed_free(b);
}

Test(address_space, access_across_regions)
{
    Bed *b = bed_new();
    address_space_add_mmio(b->as, "edge", 4 * MIB, 0x100, 0, &ops_any, &b->dev);
    address_space_write(b->as, 4 * MIB - 2, 0x44332211, 4);
    assert_trace(b, "w0:2=4433 ");
    cr_assert_eq(address_space_read(b->as, 4 * MIB - 2, 4), 0x01002211);
    assert_trace(b, "r0:2 ");
    cr_assert_eq(address_space_read(b->as, 4 * MIB + 0xfe, 4), 0xfffffffe); /* fe ff, then ones */
    bed_free(b);
}

Test(address_space, unassigned_reads_all_ones)
{
    Bed *b = bed_new();
    static const unsigned sizes[] = {1, 2, 4, 8};
    for (int i = 0; i < 4; i++) {
        uint64_t ones = sizes[i] == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * sizes[i])) - 1;
        cr_assert_eq(address_space_read(b->as, 0xf0000000, sizes[i]), ones);
        cr_assert_eq(address_space_read(b->as, UINT64_MAX - 7, sizes[i]), ones);
        address_space_write(b->as, 0xf0000000, 0, sizes[i]);
    }
    cr_assert_eq(address_space_io_read(b->as, 0x1234, 4), 0xffffffff);
    address_space_io_write(b->as, 0x1234, 0, 4);
    cr_assert_eq(address_space_find(b->as, 0xf0000123).length, PAGE - 0x123);
    bed_free(b);
}

Test(address_space, region_at_the_very_end)
{
    Bed *b = bed_new();
    Region *r = address_space_add_mmio(b->as, "bar", 0x400000, 0x10000, 0, &ops_any, &b->dev);
    region_move(r, UINT64_MAX - 0xfff); /* would wrap: clipped */
    cr_assert_eq(address_space_find(b->as, UINT64_MAX).region, r);
    cr_assert_eq(address_space_find(b->as, UINT64_MAX).length, 1);
    cr_assert_eq(address_space_find(b->as, 0).kind, REGION_RAM);
    cr_assert_eq(address_space_find(b->as, 4 * MIB).kind, REGION_UNASSIGNED);
    bed_free(b);
}

Test(address_space, ports)
{
    Bed *b = bed_new();
    Region *wide = address_space_add_io(b->as, "wide", 0x100, 0x100, 0, &ops_any, &b->dev);
    address_space_add_io(b->as, "byte", 0x180, 2, 1, &ops_byte, &b->dev);
    address_space_add_io(b->as, "last", 0xffff, 1, 0, &ops_any, &b->dev);
    cr_assert_eq(address_space_io_read(b->as, 0x110, 4), 0x13121110);
    assert_trace(b, "r10:4 ");
    cr_assert_eq(address_space_io_read(b->as, 0x180, 2), 0x0100);
    assert_trace(b, "r0:1 r1:1 ");
    cr_assert_eq(address_space_io_read(b->as, 0x17f, 4), 0x8201007f);
    assert_trace(b, "r7f:1 r0:1 r1:1 r82:1 ");
    cr_assert_eq(address_space_io_read(b->as, 0xffff, 2), 0xff00); /* wraps to port 0 */
    assert_trace(b, "r0:1 ");
    region_move(wide, 0xff80);
    cr_assert_eq(address_space_io_read(b->as, 0x110, 1), 0xff);
    cr_assert_eq(address_space_io_read(b->as, 0xff90, 1), 0x10);
    region_move(wide, 0x123456789); /* a guest's idea of a BAR */
    cr_assert_eq(address_space_io_read(b->as, 0xff90, 1), 0xff);
    region_move(wide, 0x200);
    g_string_set_size(b->dev.trace, 0);
    address_space_io_write(b->as, 0x202, 0x1234, 2);
    assert_trace(b, "w2:2=1234 ");
    bed_free(b);
}

Test(address_space, rom_writes_reach_ops_only)
{
    Bed *b = bed_new();
    ram_off_t flash = ram_alloc(b->ram, "flash", 0x10000);
    address_space_add_rom(b->as, "flash", 0xfff00000, 0x10000, 0, flash, &ops_byte, &b->dev);
    address_space_write(b->as, 0xfff00010, 0xaabb, 2);
    assert_trace(b, "w10:1=bb w11:1=aa ");
    cr_assert_eq(address_space_read(b->as, 0xfff00010, 2), 0);
    cr_assert_not(address_space_dma_write(b->as, 0xfff00010, "x", 1));
    assert_trace(b, "");
    cr_assert(address_space_debug_write(b->as, 0xfff00010, "x", 1));
    cr_assert_eq(address_space_read(b->as, 0xfff00010, 1), 'x');
    bed_free(b);
}

Test(address_space, dma_touches_memory_only)
{
    Bed *b = bed_new();
    address_space_add_mmio(b->as, "dev", 0x2000, 0x1000, 1, &ops_any, &b->dev);
    uint8_t out[3 * PAGE], in[3 * PAGE];
    memset(out, 0x5a, sizeof(out));
    memset(in, 0, sizeof(in));
    cr_assert_not(address_space_dma_write(b->as, 0x1800, out, sizeof(out)));
    cr_assert_not(address_space_dma_read(b->as, 0x1800, in, sizeof(in)));
    assert_trace(b, "");
    for (unsigned i = 0; i < sizeof(in); i++)
        cr_assert_eq(in[i], i >= 0x800 && i < 0x1800 ? 0xff : 0x5a);
    cr_assert(address_space_dma_read(b->as, 0x3000, in, 16));
    cr_assert(address_space_dma_write(b->as, 0x3000, in, 0));
    cr_assert_not(address_space_dma_read(b->as, 4 * MIB - 1, in, 2));
    cr_assert_eq(in[1], 0xff);
    bed_free(b);
}

Test(address_space, code_pages_are_watched)
{
    Bed *b = bed_new();
    address_space_code_pages(b->as)[(b->main >> 12) + 3] = 1;
    uint8_t buffer[2 * PAGE] = {0};
    cr_assert(address_space_dma_write(b->as, 0x1000, buffer, sizeof(buffer)));
    cr_assert_eq(b->code_writes, 0);
    cr_assert(address_space_dma_write(b->as, 0x2ffe, buffer, 4));
    cr_assert_eq(b->code_writes, 1);
    cr_assert_eq(b->code_offset, b->main + 0x3000);
    cr_assert_eq(b->code_size, 2);
    address_space_write(b->as, 0x3ffc, 1, 4);
    cr_assert_eq(b->code_writes, 2);
    cr_assert(address_space_debug_write(b->as, 0x3abc, buffer, 1));
    cr_assert_eq(b->code_writes, 3);
    cr_assert_eq(b->code_offset, b->main + 0x3abc);
    cr_assert(address_space_dma_read(b->as, 0x3000, buffer, PAGE));
    cr_assert_eq(b->code_writes, 3);
    bed_free(b);
}

Test(address_space, prints_one_line_a_region)
{
    Bed *b = bed_new();
    region_set_enabled(address_space_add_io(b->as, "pio", 0x60, 1, 0, &ops_any, &b->dev), false);
    GString *out = g_string_new(NULL);
    address_space_print(b->as, out);
    cr_assert_str_eq(out->str, "memory (a20 on)\n"
                               "  0000000000000000-00000000003fffff prio 0 ram  main\n"
                               "ports\n"
                               "  0060-0060 prio 0 io   pio (disabled)\n");
    g_string_free(out, TRUE);
    bed_free(b);
}
