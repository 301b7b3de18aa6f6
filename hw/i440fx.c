/* SPDX-License-Identifier: MIT
 * Host bridge, see i440fx.h. Owns the regions of C0000h-FFFFFh. SMRAM is stored but there is
 * no system management mode. Source: Intel 82441FX (PMC) data sheet, "PAM - Programmable
 * Attribute Map Registers" and "SMRAM". */
#include "hw/i440fx.h"

#include "base/bits.h"

enum {
    REG_PAM0 = 0x59, /* high nibble: F0000h-FFFFFh; PAM1-6 hold two 16 KiB segments each */
    REG_SMRAM = 0x72,
    SMRAM_LOCK = 0x10,
    SMRAM_OPEN = 0x40,
    PAM_READ = 1,
    PAM_WRITE = 2,
    SEGMENTS = 13,
    AREA_BASE = 0xc0000,
    SEGMENT_SIZE = 0x4000,
    BIOS_WINDOW = 0x20000,
};

typedef struct {
    unsigned attributes; /* PAM_READ | PAM_WRITE as mapped now */
    uint32_t size;
    AddressSpace *as;
    ram_off_t ram_offset;
    Region *ram; /* what is seen with reads enabled */
    Region *pci; /* and without: ROM, or ones */
} Segment;

struct I440fx {
    PciFunction pci;
    AddressSpace *as;
    Segment segments[SEGMENTS];
};

/* Reads from the PCI side, writes to RAM: how firmware copies itself. */
static void shadow_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Segment *segment = opaque;
    if (!(segment->attributes & PAM_WRITE) || offset + size > segment->size)
        return;
    value = GUINT64_TO_LE(value);
    address_space_ram_write(segment->as, segment->ram_offset + offset, &value, size);
}

static uint64_t nothing_read(void *opaque, uint64_t offset, unsigned size)
{
    return width_mask(size);
}

static const RegionOps shadow_ops = {nothing_read, shadow_write, 1, 8};

static void segment_map(Segment *segment, unsigned attributes)
{
    segment->attributes = attributes;
    bool from_ram = attributes & PAM_READ;
    if (from_ram)
        region_set_kind(segment->ram, attributes & PAM_WRITE ? REGION_RAM : REGION_ROM);
    region_set_enabled(segment->ram, from_ram);
    region_set_enabled(segment->pci, !from_ram);
}

/* PAM nibble of a segment: bit 0 read enable, bit 1 write enable. */
static unsigned pam_of(const I440fx *bridge, unsigned index)
{
    if (index == SEGMENTS - 1)
        return bridge->pci.config[REG_PAM0] >> 4 & 3;
    return bridge->pci.config[REG_PAM0 + 1 + index / 2] >> (index % 2 * 4) & 3;
}

static void segments_update(I440fx *bridge)
{
    address_space_begin(bridge->as);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        unsigned attributes = pam_of(bridge, i);
        if (attributes != bridge->segments[i].attributes)
            segment_map(&bridge->segments[i], attributes);
    }
    address_space_commit(bridge->as);
}

static void config_written(PciFunction *fn, unsigned offset, unsigned size)
{
    uint8_t *smram = &fn->config[REG_SMRAM];
    if (*smram & SMRAM_LOCK) { /* D_LCK: read-only until reset, and D_OPEN falls */
        *smram &= (uint8_t)~SMRAM_OPEN;
        fn->writable[REG_SMRAM] = 0;
    }
    if (offset <= REG_PAM0 + 6 && offset + size > REG_PAM0)
        segments_update((I440fx *)fn);
}

static const PciIds ids = {
    .vendor = 0x8086,
    .device = 0x1237,
    .class_code = 0x0600,
    .revision = 2,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
};

enum { SMRAM_WRITABLE = 0x78 }; /* D_OPEN, D_CLS, D_LCK, G_SMRAME; C_BASE_SEG is fixed */

static const PciConfigRow config_rows[] = {
    {PCI_COMMAND, 1, 0x06, 0x40, 0}, /* memory and bus master are always on */
    {0x57, 1, 0x01, 0xff, 0},        /* DRAMC and what follows are stored only */
    {0x58, 1, 0x00, 0xff, 0},
    {REG_PAM0, 1, 0x00, 0x30, 0},
    {REG_PAM0 + 1, 6, 0x00, 0x33, 0},
    {0x60, 8, 0x01, 0xff, 0}, /* DRB */
    {REG_SMRAM, 1, 0x02, SMRAM_WRITABLE, 0},
};

static void i440fx_reset(Device *device)
{
    I440fx *bridge = (I440fx *)device;
    bridge->pci.writable[REG_SMRAM] = SMRAM_WRITABLE;
    pci_function_reset(&bridge->pci);
    segments_update(bridge);
}

static const StateField i440fx_state[] = {PCI_FUNCTION_STATE(I440fx, pci), STATE_END};

static const DeviceClass i440fx_class = {
    .name = "i440fx",
    .description = "82441FX host bridge",
    .reset = i440fx_reset,
    .state = i440fx_state,
};

/* The PCI side of a segment: the top of the firmware image where it reaches, else ones. */
static Region *add_pci_side(I440fx *bridge, Segment *segment, uint32_t base,
                            const I440fxMemory *memory)
{
    uint64_t from_top = 0x100000 - base;
    if (from_top > BIOS_WINDOW || from_top > memory->bios_size)
        return address_space_add_mmio(bridge->as, "pam-pci", base, segment->size, I440FX_PRIORITY,
                                      &shadow_ops, segment);
    return address_space_add_rom(bridge->as, "pam-bios", base, segment->size, I440FX_PRIORITY,
                                 memory->bios + memory->bios_size - from_top, &shadow_ops, segment);
}

I440fx *i440fx_new(const DeviceBus *bus, PciBus *pci, const I440fxMemory *memory)
{
    I440fx *bridge = device_register(bus, &i440fx_class, sizeof(*bridge));
    bridge->as = bus->as;
    pci_function_init(&bridge->pci, pci, PCI_DEVFN(0, 0), &ids);
    pci_function_add_config(&bridge->pci, config_rows, G_N_ELEMENTS(config_rows));
    bridge->pci.config_written = config_written;
    address_space_begin(bus->as);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        Segment *segment = &bridge->segments[i];
        uint32_t base = AREA_BASE + i * SEGMENT_SIZE;
        ram_off_t ram = memory->ram + i * SEGMENT_SIZE;
        segment->size = i == SEGMENTS - 1 ? 0x10000 : SEGMENT_SIZE;
        segment->as = bus->as;
        segment->ram_offset = ram;
        segment->ram =
            address_space_add_ram(bus->as, "pam-ram", base, segment->size, I440FX_PRIORITY, ram);
        segment->pci = add_pci_side(bridge, segment, base, memory);
        segment_map(segment, 0);
    }
    address_space_commit(bus->as);
    return bridge;
}
