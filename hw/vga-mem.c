/* SPDX-License-Identifier: MIT
 * The A0000-BFFFF window: how CPU reads and writes go through the graphics
 * controller to the four planes (IBM VGA TRM, "Graphics Controller Registers"). A
 * uint32_t holds one byte of each plane, plane 0 lowest. */
#include "hw/vga-priv.h"

/* 0 or ff in each plane's byte for each of four bits */
static uint32_t spread(unsigned bits)
{
    uint32_t bit0s = (bits & 1) | (bits & 2) << 7 | (bits & 4) << 14 | (bits & 8) << 21;
    return bit0s * 0xff;
}

static uint32_t replicate(uint8_t byte)
{
    return byte * 0x01010101u;
}

/* Window offset (from A0000) to display memory address; false when not decoded. A dispi mode's bank
 * is at A0000 (Bochs "VBE Display API"), whatever map the VGA mode before had. */
static bool window_address(const Vga *vga, uint64_t offset, unsigned *address)
{
    enum { MAP_BANK = 1 };
    static const struct {
        uint32_t start, size;
    } maps[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    unsigned map = vga_dispi_on(vga) ? MAP_BANK : (vga->gr[GR_MISC] >> 2) & 3;
    if (!(vga->misc & MISC_RAM_ENABLE) || offset < maps[map].start ||
        offset - maps[map].start >= maps[map].size)
        return false;
    *address = (unsigned)(offset - maps[map].start);
    return true;
}

static uint32_t *plane_bytes(const Vga *vga, unsigned address)
{
    if (!vga_dispi_on(vga))
        address &= VGA_PLANE_SIZE - 1;
    else /* a planar mode larger than a bank */
        address = (vga->dispi[DISPI_BANK] * VGA_BANK_SIZE + address) & (VGA_VRAM_SIZE / 4 - 1);
    return (uint32_t *)vga->vram + address;
}

static uint8_t *linear_byte(const Vga *vga, unsigned address)
{
    return vga->vram + ((vga->dispi[DISPI_BANK] * VGA_BANK_SIZE + address) & (VGA_VRAM_SIZE - 1));
}

/* Through the frame buffer's BAR this is memory that code may run from. */
static void note_write(Vga *vga, const void *at, unsigned size)
{
    const ram_off_t offset = vga->vram_offset + (ram_off_t)((const uint8_t *)at - vga->vram);
    if (address_space_code_pages(vga->as)[offset >> GUEST_PAGE_BITS])
        address_space_ram_written(vga->as, offset, size);
}

static void linear_write(Vga *vga, unsigned address, uint8_t byte)
{
    uint8_t *at = linear_byte(vga, address);
    *at = byte;
    note_write(vga, at, 1);
}

/* In odd/even modes address bit 0 chooses the plane; in the 128 KiB map bit 16 takes its place. */
static unsigned odd_even_address(const Vga *vga, unsigned address)
{
    return (address & ~1u) | (address >> 16 & 1);
}

static uint8_t color_compare(const Vga *vga)
{
    uint32_t differs =
        (vga->latch ^ spread(vga->gr[GR_COLOR_COMPARE])) & spread(vga->gr[GR_COLOR_DONT_CARE]);
    differs |= differs >> 16;
    differs |= differs >> 8;
    return (uint8_t)~differs;
}

static uint8_t planes_read(Vga *vga, unsigned address)
{
    unsigned plane = vga->gr[GR_READ_MAP] & 3;
    if (vga->sr[SR_MEMORY] & SR_MEMORY_CHAIN4) {
        plane = address & 3;
        address &= ~3u;
    } else if (vga->gr[GR_MODE] & GR_MODE_ODD_EVEN) {
        plane = (plane & 2) | (address & 1);
        address = odd_even_address(vga, address);
    }
    vga->latch = *plane_bytes(vga, address);
    if (vga->gr[GR_MODE] & GR_MODE_READ1)
        return color_compare(vga);
    return (uint8_t)(vga->latch >> (plane * 8));
}

static uint8_t rotate(const Vga *vga, uint8_t byte)
{
    unsigned count = vga->gr[GR_ROTATE] & 7;
    return (uint8_t)(byte >> count | byte << (8 - count));
}

static uint32_t combine(const Vga *vga, uint32_t data)
{
    switch ((vga->gr[GR_ROTATE] >> 3) & 3) {
    case 1:
        return data & vga->latch;
    case 2:
        return data | vga->latch;
    case 3:
        return data ^ vga->latch;
    default:
        return data;
    }
}

/* What the graphics controller makes of a CPU byte: one byte for each plane. */
static uint32_t write_data(const Vga *vga, uint8_t byte)
{
    uint8_t bit_mask = vga->gr[GR_BIT_MASK];
    uint32_t set_reset = spread(vga->gr[GR_SET_RESET]);
    uint32_t data;
    switch (vga->gr[GR_MODE] & 3) {
    case 0: {
        uint32_t enabled = spread(vga->gr[GR_ENABLE_SET_RESET]);
        data = (replicate(rotate(vga, byte)) & ~enabled) | (set_reset & enabled);
        break;
    }
    case 1:
        return vga->latch;
    case 2:
        data = spread(byte & 15);
        break;
    default:
        bit_mask &= rotate(vga, byte);
        data = set_reset;
        break;
    }
    uint32_t mask = replicate(bit_mask);
    return (combine(vga, data) & mask) | (vga->latch & ~mask);
}

static void planes_write(Vga *vga, unsigned address, uint8_t byte)
{
    unsigned planes = vga->sr[SR_MAP_MASK];
    if (vga->sr[SR_MEMORY] & SR_MEMORY_CHAIN4) {
        planes &= 1u << (address & 3);
        address &= ~3u;
    } else if (!(vga->sr[SR_MEMORY] & SR_MEMORY_SEQUENTIAL)) {
        planes &= address & 1 ? 0xa : 0x5;
        address = odd_even_address(vga, address);
    }
    uint32_t *bytes = plane_bytes(vga, address);
    uint32_t mask = spread(planes);
    *bytes = (*bytes & ~mask) | (write_data(vga, byte) & mask);
    note_write(vga, bytes, sizeof(*bytes));
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    Vga *vga = opaque;
    uint64_t value = 0;
    unsigned address;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = 0xff;
        if (window_address(vga, offset + i, &address))
            byte = vga_dispi_linear(vga) ? *linear_byte(vga, address) : planes_read(vga, address);
        value |= (uint64_t)byte << (i * 8);
    }
    return value;
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Vga *vga = opaque;
    unsigned address;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> (i * 8));
        if (!window_address(vga, offset + i, &address))
            continue;
        if (vga_dispi_linear(vga))
            linear_write(vga, address, byte);
        else
            planes_write(vga, address, byte);
    }
}

/* Text and graphics as the guest would read them, but for the latches. */
static uint8_t window_peek(void *opaque, uint64_t offset)
{
    Vga *vga = opaque;
    const uint32_t latch = vga->latch;
    const uint8_t byte = (uint8_t)window_read(vga, offset, 1);
    vga->latch = latch;
    return byte;
}

const RegionOps vga_window_ops = {window_read, window_write, 1, 8, window_peek};
