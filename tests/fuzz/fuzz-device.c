/* SPDX-License-Identifier: MIT
 * A hostile guest's devices: the input is a script of port, memory and DMA accesses, time, and
 * what the user does meanwhile, for one device of a whole board: the one that the environment
 * variable FUZZ_DEVICE names. */
#include <string.h>

#include "hw/display/display.h"
#include "tests/fuzz/board.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
    uint64_t base;
    uint32_t count;
    bool memory;
} Range;

typedef struct {
    const char *name;
    Range ranges[16];
} Target;

#define PCI_PORTS                                                                                  \
    {                                                                                              \
        0xcf8, 8                                                                                   \
    }
#define LAPIC                                                                                      \
    {                                                                                              \
        0xfee00000, 4096, true                                                                     \
    }

static const Target targets[] = {
    {"pic", {{0x20, 2}, {0xa0, 2}, {0x4d0, 2}}},
    {"pit", {{0x40, 4}, {0x61, 1}, {0x20, 2}}},
    {"rtc", {{0x70, 4}}},
    {"i8042", {{0x60, 1}, {0x64, 1}, {0x92, 1}}},
    {"fdc", {{0x3f0, 6}, {0x3f7, 1}, {0x00, 16}, {0x80, 16}, {0xc0, 32}}},
    {"ide", {{0x1f0, 8}, {0x3f6, 1}, {BOARD_BMDMA, 16}}},
    {"atapi", {{0x170, 8}, {0x376, 1}, {BOARD_BMDMA, 16}}},
    {"pci", {PCI_PORTS, {BOARD_BMDMA, 16}, {BOARD_PM, 64}, {0xc0000, 0x40000, true}}},
    {"pm", {{BOARD_PM, 64}, {BOARD_SMBUS, 16}, {0xb2, 2}, PCI_PORTS}},
    {"uart", {{0x3f8, 8}}},
    {"vga",
     {{0x3b0, 12},
      {0x3c0, 32},
      {0x1ce, 4},
      {BOARD_VGA_MMIO, 4096, true},
      {0xa0000, 0x20000, true},
      {BOARD_LFB, 0x10000, true}}},
    {"apic", {LAPIC, {0xfec00000, 64, true}, {0xfed00000, 1024, true}, {0x20, 2}, {0x40, 4}}},
    {"fw-cfg", {{0x510, 2}, {0x514, 8}, {0x402, 1}, {0xf4, 4}, {0x505, 1}}},
    {"board",
     {{0x00, 0x100},
      {0x170, 8},
      {0x1f0, 8},
      {0x376, 1},
      {0x3b0, 0x50},
      {0x4d0, 2},
      {0x510, 12},
      PCI_PORTS,
      {BOARD_BMDMA, 16},
      {BOARD_PM, 64},
      {0x1ce, 4},
      {0xfec00000, 64, true},
      LAPIC,
      {0xfed00000, 1024, true},
      {0xa0000, 0x60000, true}}},
};

static const Target *target(void)
{
    const char *name = g_getenv("FUZZ_DEVICE");
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++)
        if (g_strcmp0(targets[i].name, name) == 0)
            return &targets[i];
    g_error("FUZZ_DEVICE must name one of fuzz-device.c's targets");
}

typedef struct {
    Board *board;
    const Range *ranges;
    unsigned range_count;
    Input input;
    unsigned work; /* accesses left, so that no script takes long */
} Script;

enum { WORK_MAX = 20000, REPEAT_MAX = 2048, MEDIUM_MAX = 1 << 20 };

typedef struct {
    const Range *range;
    uint64_t address;
    unsigned size;
} Place;

/* range, size and offset: two bytes for small ranges, more for large ones. */
static Place take_place(Script *s)
{
    unsigned byte = (unsigned)input_take(&s->input, 1);
    const Range *range = &s->ranges[(byte >> 2) % s->range_count];
    unsigned offset = (unsigned)input_take(&s->input, range->count > 256 ? 3 : 1);
    return (Place){range, range->base + offset % range->count, 1u << (byte & 3)};
}

static void access_place(Script *s, const Place *p, bool write, uint64_t value)
{
    AddressSpace *as = s->board->as;
    unsigned size = p->range->memory ? p->size : MIN(p->size, 4);
    if (size < 8)
        value &= (UINT64_C(1) << (8 * size)) - 1;
    if (p->range->memory && write)
        address_space_write(as, p->address, value, size);
    else if (p->range->memory)
        address_space_read(as, p->address, size);
    else if (write)
        address_space_io_write(as, (uint16_t)p->address, value, size);
    else
        address_space_io_read(as, (uint16_t)p->address, size);
    s->work -= MIN(s->work, 1);
}

static void do_write(Script *s)
{
    Place p = take_place(s);
    access_place(s, &p, true, input_take(&s->input, p.size));
}

static void do_read(Script *s)
{
    Place p = take_place(s);
    access_place(s, &p, false, 0);
}

/* REP INS and OUTS. */
static void do_repeat(Script *s)
{
    Place p = take_place(s);
    unsigned how = (unsigned)input_take(&s->input, 2), count = (how >> 1) % REPEAT_MAX;
    uint64_t value = (how & 1) ? input_take(&s->input, 4) : 0;
    for (unsigned i = 0; i < count && s->work; i++)
        access_place(s, &p, how & 1, value + i);
}

/* The rest of a run: consecutive bytes to one port, as commands and packets are sent. */
static void do_string(Script *s)
{
    Place p = take_place(s);
    unsigned count = (unsigned)input_take(&s->input, 1) & 31;
    for (unsigned i = 0; i < count; i++)
        access_place(s, &p, true, input_take(&s->input, p.size));
}

/* What DMA engines read: descriptors, data. */
static void do_memory(Script *s)
{
    uint8_t bytes[16];
    uint64_t at = input_take(&s->input, 2);
    unsigned count = 1 + ((unsigned)input_take(&s->input, 1) & 15);
    for (unsigned i = 0; i < count; i++)
        bytes[i] = (uint8_t)input_take(&s->input, 1);
    address_space_dma_write(s->board->as, at, bytes, count);
}

static void do_time(Script *s)
{
    unsigned byte = (unsigned)input_take(&s->input, 1);
    clock_fake_advance(s->board->clock, INT64_C(1) << byte % 31);
    s->work -= MIN(s->work, 100);
}

static void do_interrupt(Script *s)
{
    int vector = s->board->intr ? pc_acknowledge(s->board->pc) : -1;
    g_assert(vector < 256);
}

static void do_user(Script *s)
{
    I8042 *keyboard = pc_keyboard(s->board->pc);
    uint64_t v = input_take(&s->input, 4);
    uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    switch (v & 3) {
    case 0:
        i8042_key(keyboard, (unsigned)(v >> 3) & 0xffff, v & 4);
        break;
    case 1:
        i8042_mouse(keyboard, (int8_t)(v >> 8) * 100, (int8_t)(v >> 16), (int8_t)(v >> 24),
                    (unsigned)v >> 2 & 31);
        break;
    case 2:
        chardev_memory_feed(s->board->serial, bytes, 4);
        break;
    default:
        pc_power_button(s->board->pc);
        break;
    }
}

static void do_media(Script *s)
{
    unsigned byte = (unsigned)input_take(&s->input, 1);
    bool floppy = byte & 1;
    Block *block =
        byte & 2 ? block_new_memory(MIN(UINT64_C(512) << (byte >> 4), MEDIUM_MAX)) : NULL;
    bool ok = floppy
                  ? fdc_change(pc_fdc(s->board->pc), byte >> 2 & 1, block, NULL)
                  : ide_cdrom_change(pc_ide(s->board->pc), 1, byte >> 2 & 1, block, byte & 8, NULL);
    if (!ok && block)
        block_free(block);
}

static void do_look(Script *s)
{
    static Surface surface; /* kept: the largest is 16 MiB */
    unsigned byte = (unsigned)input_take(&s->input, 1);
    if (byte & 1) {
        surface.width = surface.height = 0;
        vga_render(pc_vga(s->board->pc), &surface);
    } else if (byte & 2) {
        g_free(vga_screen_text(pc_vga(s->board->pc)));
    } else {
        pc_reset(s->board->pc);
    }
    s->work -= MIN(s->work, 1000);
}

static void (*const actions[16])(Script *) = {
    do_write,  do_write,  do_write,  do_write,  do_read, do_read, do_read,  do_string,
    do_string, do_repeat, do_memory, do_memory, do_time, do_user, do_media, do_look,
};

/* All that a monitor would print. */
static void print_devices(const DeviceBus *bus)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < bus->devices->len; i++) {
        Device *device = g_ptr_array_index(bus->devices, i);
        if (device->cls->info)
            device->cls->info(device, text);
    }
    g_string_free(text, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const Target *device;
    device = device ? device : target();
    static Board board;
    Script s = {.board = &board,
                .ranges = device->ranges,
                .input = {bytes, bytes + count},
                .work = WORK_MAX};
    while (s.range_count < G_N_ELEMENTS(device->ranges) && s.ranges[s.range_count].count)
        s.range_count++;
    board_open(s.board);
    address_space_lock(s.board->as);
    while (input_more(&s.input) && s.work) {
        unsigned byte = (unsigned)input_take(&s.input, 1);
        actions[byte & 15](&s);
        if (byte & 0x80)
            do_interrupt(&s);
    }
    print_devices(pc_bus(s.board->pc));
    if (fuzz_digest)
        *fuzz_digest = board_digest(s.board);
    address_space_unlock(s.board->as);
    board_close(s.board);
    return 0;
}
