/* SPDX-License-Identifier: MIT
 * VGA ports 3B0-3DF: sequencer, graphics controller, CRT controller, attribute
 * controller, palette (IBM VGA TRM, "VGA Registers"). Bits a register does not have
 * read as 0. */
#include "hw/vga-priv.h"

static const uint8_t sr_bits[SR_COUNT] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t gr_bits[GR_COUNT] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint8_t ar_bits[AR_COUNT] = {0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                          0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                          0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};

#define AR_INDEX_BITS   0x1f
#define CR_PROTECT      0x80 /* of V_RETRACE_END: registers 0-7 are read only */
#define CR_OVERFLOW_LC8 0x10 /* of OVERFLOW: line compare bit 8, never protected */
#define STATUS0_SENSE   0x10 /* a colour monitor answers */
#define DAC_STATE_READ  0x03

void vga_regs_reset(Vga *vga)
{
    vga->misc = vga->feature = 0;
    vga->sr_index = vga->gr_index = vga->cr_index = vga->ar_index = 0;
    vga->ar_data_next = false;
    memset(vga->sr, 0, sizeof(vga->sr));
    memset(vga->gr, 0, sizeof(vga->gr));
    memset(vga->cr, 0, sizeof(vga->cr));
    memset(vga->ar, 0, sizeof(vga->ar));
    memset(vga->dac, 0, sizeof(vga->dac));
    memset(vga->dac_latch, 0, sizeof(vga->dac_latch));
    vga->dac_mask = 0xff;
    vga->dac_write_index = vga->dac_read_index = vga->dac_component = 0;
    vga->dac_reading = false;
}

/* Attribute controller: one port for index and data in turn */

static void attribute_write(Vga *vga, uint8_t value)
{
    bool is_data = vga->ar_data_next;
    vga->ar_data_next = !is_data;
    if (!is_data) {
        vga->ar_index = value & (AR_INDEX_BITS | AR_INDEX_VIDEO_ON);
        return;
    }
    unsigned index = vga->ar_index & AR_INDEX_BITS;
    if (index < AR_COUNT)
        vga->ar[index] = value & ar_bits[index];
}

static uint8_t attribute_read(const Vga *vga)
{
    unsigned index = vga->ar_index & AR_INDEX_BITS;
    return index < AR_COUNT ? vga->ar[index] : 0;
}

/* Palette: 256 colours of 18 bits (24 in the 8-bit mode of dispi) */

static void dac_data_write(Vga *vga, uint8_t value)
{
    bool wide = vga->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC;
    vga->dac_latch[vga->dac_component] = wide ? value : value & 0x3f;
    if (++vga->dac_component < 3)
        return;
    vga->dac_component = 0;
    memcpy(vga->dac[vga->dac_write_index++], vga->dac_latch, 3);
}

static uint8_t dac_data_read(Vga *vga)
{
    uint8_t value = vga->dac[vga->dac_read_index][vga->dac_component];
    if (++vga->dac_component == 3) {
        vga->dac_component = 0;
        vga->dac_read_index++;
    }
    return value;
}

uint32_t vga_dac_color(const Vga *vga, uint8_t index)
{
    const uint8_t *rgb = vga->dac[index & vga->dac_mask];
    if (vga->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC)
        return (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
    uint32_t packed =
        (uint32_t)(rgb[0] & 0x3f) << 16 | (uint32_t)(rgb[1] & 0x3f) << 8 | (rgb[2] & 0x3f);
    return packed << 2 | (packed >> 4 & 0x030303);
}

/* CRT controller */

static void crtc_write(Vga *vga, uint8_t value)
{
    unsigned index = vga->cr_index;
    if (index >= CR_COUNT)
        return;
    if (index <= CR_OVERFLOW && (vga->cr[CR_V_RETRACE_END] & CR_PROTECT)) {
        if (index == CR_OVERFLOW)
            vga->cr[index] = (vga->cr[index] & ~CR_OVERFLOW_LC8) | (value & CR_OVERFLOW_LC8);
        return;
    }
    vga->cr[index] = value;
}

/* Ports. 3Bx answers with a monochrome, 3Dx with a colour setting of the misc register. */

static bool wrong_color(const Vga *vga, uint16_t port)
{
    bool color = vga->misc & MISC_COLOR;
    return (port < 0x3c0 && color) || (port >= 0x3d0 && !color);
}

static uint8_t port_read(Vga *vga, uint16_t port)
{
    if (wrong_color(vga, port))
        return 0xff;
    switch (port) {
    case 0x3c0:
        return vga->ar_index;
    case 0x3c1:
        return attribute_read(vga);
    case 0x3c2:
        return STATUS0_SENSE;
    case 0x3c4:
        return vga->sr_index;
    case 0x3c5:
        return vga->sr_index < SR_COUNT ? vga->sr[vga->sr_index] : 0;
    case 0x3c6:
        return vga->dac_mask;
    case 0x3c7:
        return vga->dac_reading ? DAC_STATE_READ : 0;
    case 0x3c8:
        return vga->dac_write_index;
    case 0x3c9:
        return dac_data_read(vga);
    case 0x3ca:
        return vga->feature;
    case 0x3cc:
        return vga->misc;
    case 0x3ce:
        return vga->gr_index;
    case 0x3cf:
        return vga->gr_index < GR_COUNT ? vga->gr[vga->gr_index] : 0;
    case 0x3b4:
    case 0x3d4:
        return vga->cr_index;
    case 0x3b5:
    case 0x3d5:
        return vga->cr_index < CR_COUNT ? vga->cr[vga->cr_index] : 0;
    case 0x3ba:
    case 0x3da:
        vga->ar_data_next = false;
        return vga_crt_status(vga);
    default:
        return 0xff;
    }
}

static void dac_set_index(Vga *vga, uint8_t index, bool reading)
{
    *(reading ? &vga->dac_read_index : &vga->dac_write_index) = index;
    vga->dac_reading = reading;
    vga->dac_component = 0;
}

static void port_write(Vga *vga, uint16_t port, uint8_t value)
{
    if (wrong_color(vga, port))
        return;
    switch (port) {
    case 0x3c0:
        attribute_write(vga, value);
        break;
    case 0x3c2:
        vga->misc = value & 0xef;
        break;
    case 0x3c4:
        vga->sr_index = value;
        break;
    case 0x3c5:
        if (vga->sr_index < SR_COUNT)
            vga->sr[vga->sr_index] = value & sr_bits[vga->sr_index];
        break;
    case 0x3c6:
        vga->dac_mask = value;
        break;
    case 0x3c7:
        dac_set_index(vga, value, true);
        break;
    case 0x3c8:
        dac_set_index(vga, value, false);
        break;
    case 0x3c9:
        dac_data_write(vga, value);
        break;
    case 0x3ce:
        vga->gr_index = value;
        break;
    case 0x3cf:
        if (vga->gr_index < GR_COUNT)
            vga->gr[vga->gr_index] = value & gr_bits[vga->gr_index];
        break;
    case 0x3b4:
    case 0x3d4:
        vga->cr_index = value;
        break;
    case 0x3b5:
    case 0x3d5:
        crtc_write(vga, value);
        break;
    case 0x3ba:
    case 0x3da:
        vga->feature = value & 0x03;
        break;
    default:
        break;
    }
}

/* Each block of ports is a region; the printer's 3BCh-3BEh stay free. */

#define PORT_BLOCK(name, base)                                                                     \
    static uint64_t name##_read(void *opaque, uint64_t offset, unsigned size)                      \
    {                                                                                              \
        return port_read(opaque, (uint16_t)((base) + offset));                                     \
    }                                                                                              \
    static void name##_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)         \
    {                                                                                              \
        port_write(opaque, (uint16_t)((base) + offset), (uint8_t)value);                           \
    }                                                                                              \
    static const RegionOps name##_ops = {name##_read, name##_write, 1, 1};

PORT_BLOCK(mono, 0x3b0)
PORT_BLOCK(common, 0x3c0)
PORT_BLOCK(color, 0x3d0)

void vga_regs_map(Vga *vga, AddressSpace *as)
{
    address_space_add_io(as, "vga.mono", 0x3b0, 12, 0, &mono_ops, vga);
    address_space_add_io(as, "vga.common", 0x3c0, 16, 0, &common_ops, vga);
    address_space_add_io(as, "vga.color", 0x3d0, 16, 0, &color_ops, vga);
}
