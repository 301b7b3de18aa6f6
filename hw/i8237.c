/* SPDX-License-Identifier: MIT
 * DMA controllers, after the Intel 8237A data sheet; page registers as in the IBM PC/AT.
 * Transfers happen at once when a device asks: bus timing, transfer modes (single, block,
 * demand) and priorities make no difference then. */
#include "hw/i8237.h"

#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "base/trace.h"

enum { CONTROLLERS = 2, CHANNELS = 8, CASCADE = 4 };
/* Register numbers from 8 on */
enum {
    REG_STATUS_COMMAND = 8,
    REG_REQUEST,
    REG_MASK_ONE,
    REG_MODE,
    REG_CLEAR_FLIPFLOP,
    REG_MASTER_CLEAR,
    REG_CLEAR_MASK,
    REG_MASK_ALL,
};
enum { COMMAND_MEMORY_TO_MEMORY = 0x01, COMMAND_DISABLE = 0x04 };
enum { MODE_AUTO_INIT = 0x10, MODE_DECREMENT = 0x20 };
/* Mode bits 3-2 and 7-6 */
enum { TRANSFER_VERIFY, TRANSFER_TO_MEMORY, TRANSFER_FROM_MEMORY };
enum { KIND_CASCADE = 3 };

typedef struct {
    uint16_t base_address;
    uint16_t base_count;
    uint16_t address;
    uint16_t count; /* transfers left, less one */
    uint8_t mode;
    uint8_t dreq;
    uint8_t reached_tc;
    uint8_t reserved;
} Channel;

struct I8237 {
    Device device;
    Channel channel[CHANNELS];
    uint8_t command[CONTROLLERS];
    uint8_t mask[CONTROLLERS];
    uint8_t request[CONTROLLERS]; /* software requests */
    uint8_t tc[CONTROLLERS];      /* status bits 3-0, cleared by reading */
    uint8_t flipflop[CONTROLLERS];
    uint8_t page[16]; /* ports 80h-8Fh */
    AddressSpace *as;
    IrqLine ready[CHANNELS];
};

/* Page register of each channel: its port, less 80h. */
static const uint8_t page_index[CHANNELS] = {7, 3, 1, 2, 15, 11, 9, 10};

/* ---- transfers ---- */

static bool channel_usable(int channel)
{
    return channel >= 0 && channel < CHANNELS && channel != CASCADE;
}

bool i8237_ready(const I8237 *dma, int channel)
{
    g_assert(channel_usable(channel));
    return !(dma->command[channel / 4] & COMMAND_DISABLE) &&
           !(dma->mask[channel / 4] & BIT(channel % 4)) &&
           dma->channel[channel].mode >> 6 != KIND_CASCADE;
}

/* Where the channel's next unit lies. Words: A0 is 0, page bit 0 is not used. */
static gpa_t channel_address(const I8237 *dma, int channel)
{
    unsigned page = dma->page[page_index[channel]];
    unsigned address = dma->channel[channel].address;

    return channel < CASCADE ? page << 16 | address : (page & 0xfeu) << 16 | address << 1;
}

static void channel_move(I8237 *dma, int channel, uint8_t *buffer, unsigned bytes)
{
    gpa_t where = channel_address(dma, channel);

    switch (dma->channel[channel].mode >> 2 & 3) {
    case TRANSFER_TO_MEMORY:
        address_space_bus_write(dma->as, where, buffer, bytes);
        break;
    case TRANSFER_FROM_MEMORY:
        address_space_bus_read(dma->as, where, buffer, bytes);
        break;
    default:
        break; /* verify */
    }
}

static void channel_terminal_count(I8237 *dma, int channel)
{
    Channel *c = &dma->channel[channel];

    c->reached_tc = 1;
    dma->tc[channel / 4] |= (uint8_t)BIT(channel % 4);
    dma->request[channel / 4] &= (uint8_t)~BIT(channel % 4);
    if (c->mode & MODE_AUTO_INIT) {
        c->address = c->base_address;
        c->count = c->base_count;
    } else {
        dma->mask[channel / 4] |= (uint8_t)BIT(channel % 4);
    }
}

/* Units that one memory access can cover: up to the 64 Ki wrap, one at a time downwards. */
static unsigned channel_run(const Channel *c, unsigned units)
{
    if (c->mode & MODE_DECREMENT)
        return 1;
    return MIN(units, 0x10000u - c->address);
}

unsigned i8237_transfer(I8237 *dma, int channel, void *buffer, unsigned bytes, bool to_memory)
{
    g_assert(channel_usable(channel));
    Channel *c = &dma->channel[channel];
    unsigned unit = channel < CASCADE ? 1 : 2, direction = c->mode >> 2 & 3, done = 0;
    unsigned units = MIN(bytes / unit, c->count + 1u); /* never more than 65536 */

    c->reached_tc = 0;
    if (!i8237_ready(dma, channel))
        return 0;
    if (direction == 3 || (direction == TRANSFER_TO_MEMORY && !to_memory) ||
        (direction == TRANSFER_FROM_MEMORY && to_memory)) {
        log_guest_error("i8237: channel %d set to the other direction", channel);
        return 0;
    }
    trace(isa_dma, channel, units, to_memory);
    bool terminal = units == c->count + 1u;
    while (done < units) {
        unsigned run = channel_run(c, units - done);
        channel_move(dma, channel, (uint8_t *)buffer + done * unit, run * unit);
        c->address = (uint16_t)(c->mode & MODE_DECREMENT ? c->address - run : c->address + run);
        done += run;
    }
    c->count = (uint16_t)(c->count - units); /* FFFFh after the last */
    if (terminal)
        channel_terminal_count(dma, channel);
    return done * unit;
}

bool i8237_reached_tc(const I8237 *dma, int channel)
{
    g_assert(channel_usable(channel));
    return dma->channel[channel].reached_tc;
}

void i8237_set_request(I8237 *dma, int channel, bool level)
{
    g_assert(channel_usable(channel));
    dma->channel[channel].dreq = level;
}

void i8237_set_ready_line(I8237 *dma, int channel, IrqLine line)
{
    g_assert(channel_usable(channel));
    dma->ready[channel] = line;
}

/* ---- registers ---- */

static void controller_tell_ready(I8237 *dma, int which)
{
    for (int channel = which * 4; channel < which * 4 + 4; channel++)
        if (channel_usable(channel))
            irq_set(&dma->ready[channel], i8237_ready(dma, channel));
}

static void controller_clear(I8237 *dma, int which)
{
    dma->command[which] = 0;
    dma->request[which] = 0;
    dma->tc[which] = 0;
    dma->flipflop[which] = 0;
    dma->mask[which] = 0x0f;
}

static uint8_t controller_status(I8237 *dma, int which)
{
    uint8_t value = dma->tc[which];

    for (unsigned i = 0; i < 4; i++)
        if (dma->channel[which * 4 + (int)i].dreq || (dma->request[which] & BIT(i)))
            value |= (uint8_t)(0x10 << i);
    dma->tc[which] = 0;
    return value;
}

/* Address (even) and count (odd) registers: low byte first, then high. */
static void channel_write(I8237 *dma, int which, unsigned reg, uint8_t value)
{
    Channel *c = &dma->channel[which * 4 + (int)(reg >> 1)];
    uint16_t *base = reg & 1 ? &c->base_count : &c->base_address;
    uint16_t *current = reg & 1 ? &c->count : &c->address;

    *base = (uint16_t)bits_set(*base, dma->flipflop[which] ? 8 : 0, 8, value);
    *current = *base;
    dma->flipflop[which] ^= 1;
}

static uint8_t channel_read(I8237 *dma, int which, unsigned reg)
{
    const Channel *c = &dma->channel[which * 4 + (int)(reg >> 1)];
    uint16_t value = reg & 1 ? c->count : c->address;

    dma->flipflop[which] ^= 1;
    return (uint8_t)(dma->flipflop[which] ? value : value >> 8);
}

static void controller_write(I8237 *dma, int which, unsigned reg, uint8_t value)
{
    uint8_t bit = (uint8_t)BIT(value & 3);

    switch (reg) {
    case REG_STATUS_COMMAND:
        dma->command[which] = value;
        if (value & COMMAND_MEMORY_TO_MEMORY)
            log_unimp("i8237: memory-to-memory transfers");
        break;
    case REG_REQUEST:
        dma->request[which] = value & 4 ? dma->request[which] | bit : dma->request[which] & ~bit;
        break;
    case REG_MASK_ONE:
        dma->mask[which] = value & 4 ? dma->mask[which] | bit : dma->mask[which] & ~bit;
        break;
    case REG_MODE:
        dma->channel[which * 4 + (value & 3)].mode = value & 0xfc;
        break;
    case REG_CLEAR_FLIPFLOP:
        dma->flipflop[which] = 0;
        break;
    case REG_MASTER_CLEAR:
        controller_clear(dma, which);
        break;
    case REG_CLEAR_MASK:
        dma->mask[which] = 0;
        break;
    case REG_MASK_ALL:
        dma->mask[which] = value & 0x0f;
        break;
    default:
        channel_write(dma, which, reg, value);
        return;
    }
    controller_tell_ready(dma, which);
}

static uint8_t controller_read(I8237 *dma, int which, unsigned reg)
{
    if (reg < REG_STATUS_COMMAND)
        return channel_read(dma, which, reg);
    if (reg == REG_STATUS_COMMAND)
        return controller_status(dma, which);
    if (reg == REG_MASK_ALL)
        return dma->mask[which] | 0xf0;
    return 0; /* REG_MASTER_CLEAR's place is the temporary register, zero without its transfers */
}

static uint64_t bytes_read(void *opaque, uint64_t offset, unsigned size)
{
    return controller_read(opaque, 0, (unsigned)offset & 15);
}

static void bytes_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    controller_write(opaque, 0, (unsigned)offset & 15, (uint8_t)value);
}

static uint64_t words_read(void *opaque, uint64_t offset, unsigned size)
{
    return controller_read(opaque, 1, (unsigned)(offset >> 1) & 15);
}

static void words_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    controller_write(opaque, 1, (unsigned)(offset >> 1) & 15, (uint8_t)value);
}

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((I8237 *)opaque)->page[offset & 15];
}

/* 80h is the POST code on most boards; the ones without a channel are plain storage. */
static void page_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ((I8237 *)opaque)->page[offset & 15] = (uint8_t)value;
}

/* ---- device ---- */

static void i8237_reset(Device *device)
{
    I8237 *dma = (I8237 *)device;

    memset(dma->channel, 0, sizeof(dma->channel));
    memset(dma->page, 0, sizeof(dma->page));
    for (int i = 0; i < CONTROLLERS; i++)
        controller_clear(dma, i);
}

static void i8237_info(Device *device, GString *out)
{
    const I8237 *dma = (const I8237 *)device;

    for (int i = 0; i < CHANNELS; i++)
        g_string_append_printf(
            out, "channel %d: address=%06" G_GINT64_MODIFIER "x count=%04x mode=%02x%s\n", i,
            channel_address(dma, i), dma->channel[i].count, dma->channel[i].mode,
            dma->mask[i / 4] & BIT(i % 4) ? " masked" : "");
}

static const StateField i8237_state[] = {
    STATE_ARRAY(I8237, channel), STATE_ARRAY(I8237, command),
    STATE_ARRAY(I8237, mask),    STATE_ARRAY(I8237, request),
    STATE_ARRAY(I8237, tc),      STATE_ARRAY(I8237, flipflop),
    STATE_ARRAY(I8237, page),    STATE_END,
};

static const DeviceClass i8237_class = {
    .name = "i8237",
    .description = "two 8237A DMA controllers",
    .reset = i8237_reset,
    .state = i8237_state,
    .info = i8237_info,
};

static const RegionOps bytes_ops = {bytes_read, bytes_write, 1, 1};
static const RegionOps words_ops = {words_read, words_write, 1, 1};
static const RegionOps page_ops = {page_read, page_write, 1, 1};

I8237 *i8237_new(const DeviceBus *bus)
{
    I8237 *dma = device_register(bus, &i8237_class, sizeof(*dma));

    dma->as = bus->as;
    address_space_add_io(bus->as, "dma-bytes", 0x00, 16, 0, &bytes_ops, dma);
    address_space_add_io(bus->as, "dma-words", 0xc0, 32, 0, &words_ops, dma);
    address_space_add_io(bus->as, "dma-pages", 0x80, 16, 0, &page_ops, dma);
    return dma;
}
