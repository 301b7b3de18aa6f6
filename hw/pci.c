/* SPDX-License-Identifier: MIT
 * PCI bus: see pci.h. Owns CF8h-CFFh, the function table and the INTx wires; knows
 * no chip. Source: PCI Local Bus Specification 2.1/2.3. */
#include "hw/pci.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/trace.h"

struct PciBus {
    Device device;
    AddressSpace *as;
    PciFunction *functions[256];
    uint32_t config_address;
    IrqLine pirq[PCI_PIRQS];
    unsigned asserted[PCI_PIRQS]; /* how many functions pull the wire */
    const RegionOps *cf9_ops;
    void *cf9_opaque;
};

static void put_bytes(uint8_t *bytes, unsigned offset, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

/* ---- BARs ---- */

static bool bar_is_64(PciBarKind kind)
{
    return kind == PCI_BAR_MEM64 || kind == PCI_BAR_MEM64_PREFETCH;
}

static unsigned bar_offset(unsigned index)
{
    return index == PCI_BAR_INDEX_ROM ? PCI_ROM_ADDRESS : PCI_BAR0 + index * 4;
}

/* Where config says that the BAR decodes, or PCI_UNMAPPED. Address 0 and a range that ends at
 * the top (what sizing leaves behind) count as not set. */
static uint64_t bar_decoded_base(const PciFunction *fn, unsigned index)
{
    const PciBar *bar = &fn->bars[index];
    unsigned offset = bar_offset(index);
    uint32_t low = pci_get_long(fn, offset);
    uint16_t enable = bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    if (!(pci_get_word(fn, PCI_COMMAND) & enable))
        return PCI_UNMAPPED;
    if (bar->kind == PCI_BAR_ROM && !(low & 1))
        return PCI_UNMAPPED;

    uint64_t base = low;
    uint64_t limit = UINT32_MAX;
    if (bar_is_64(bar->kind)) {
        base |= (uint64_t)pci_get_long(fn, offset + 4) << 32;
        limit = (UINT64_C(1) << 52) - 1; /* the widest physical address of any x86 */
    } else if (bar->kind == PCI_BAR_IO) {
        limit = 0xffff;
    }
    base &= ~(bar->size - 1);
    uint64_t last = base + bar->size - 1;
    bool mapped = base != 0 && last > base && last <= limit && last != UINT32_MAX;
    return mapped ? base : PCI_UNMAPPED;
}

static void bars_update(PciFunction *fn)
{
    AddressSpace *as = fn->bus->as;
    address_space_begin(as);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        PciBar *bar = &fn->bars[i];
        if (bar->kind == PCI_BAR_NONE)
            continue;
        uint64_t base = bar_decoded_base(fn, i);
        if (base == bar->base)
            continue;
        bar->base = base;
        if (!bar->region)
            continue;
        region_set_enabled(bar->region, false);
        if (base != PCI_UNMAPPED) {
            region_move(bar->region, base);
            region_set_enabled(bar->region, true);
        }
    }
    address_space_commit(as);
}

void pci_function_add_bar(PciFunction *fn, unsigned index, PciBarKind kind, uint64_t size,
                          Region *region)
{
    static const uint8_t low_bits[] = {
        [PCI_BAR_IO] = 1,    [PCI_BAR_MEM32] = 0,           [PCI_BAR_MEM32_PREFETCH] = 8,
        [PCI_BAR_MEM64] = 4, [PCI_BAR_MEM64_PREFETCH] = 12, [PCI_BAR_ROM] = 0,
    };
    g_assert(index < PCI_BARS && kind != PCI_BAR_NONE && fn->bars[index].kind == PCI_BAR_NONE);
    g_assert((kind == PCI_BAR_ROM) == (index == PCI_BAR_INDEX_ROM));
    g_assert(size >= (kind == PCI_BAR_IO ? 4 : 16) && (size & (size - 1)) == 0);
    g_assert(bar_is_64(kind) ? index < 5 : size <= UINT64_C(0x80000000));

    fn->bars[index] = (PciBar){kind, size, region, PCI_UNMAPPED};
    unsigned offset = bar_offset(index);
    uint64_t mask = ~(size - 1);
    put_bytes(fn->initial, offset, low_bits[kind], 4);
    put_bytes(fn->config, offset, low_bits[kind], 4);
    put_bytes(fn->writable, offset, (uint32_t)mask | (kind == PCI_BAR_ROM ? 1 : 0), 4);
    if (bar_is_64(kind))
        put_bytes(fn->writable, offset + 4, (uint32_t)(mask >> 32), 4);
    if (region)
        region_set_enabled(region, false);
}

/* ---- INTx ---- */

/* PIIX3 boards wire slot 1 INTA to PIRQA and rotate by slot. */
static void intx_update(PciFunction *fn)
{
    PciBus *bus = fn->bus;
    unsigned pin = fn->config[PCI_INTERRUPT_PIN];
    bool disabled = pci_get_word(fn, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
    bool level = fn->intx && !disabled && pin >= 1 && pin <= 4;
    fn->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTX;
    if (fn->intx)
        fn->config[PCI_STATUS] |= PCI_STATUS_INTX;
    if (level == fn->intx_on_wire)
        return;
    fn->intx_on_wire = level;
    unsigned wire = ((fn->devfn >> 3) + 3 + (pin - 1)) % PCI_PIRQS;
    if (level ? bus->asserted[wire]++ == 0 : --bus->asserted[wire] == 0)
        irq_set(&bus->pirq[wire], level);
}

void pci_function_set_intx(PciFunction *fn, bool level)
{
    fn->intx = level;
    intx_update(fn);
}

bool pci_function_is_master(const PciFunction *fn)
{
    return pci_get_word(fn, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* ---- functions ---- */

static const PciConfigRow header_rows[] = {
    {PCI_COMMAND, 1, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | 0x40, 0},
    {PCI_COMMAND + 1, 1, 0, 0x01 | PCI_COMMAND_INTX_DISABLE >> 8, 0},
    {PCI_STATUS + 1, 1, 0x02, 0, 0xf9}, /* DEVSEL medium; error bits clear by 1 */
    {PCI_CACHE_LINE, 2, 0, 0xff, 0},
    {PCI_INTERRUPT_LINE, 1, 0, 0xff, 0},
};

void pci_function_add_config(PciFunction *fn, const PciConfigRow *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned k = 0; k < rows[i].count; k++) {
            unsigned offset = rows[i].offset + k;
            g_assert(offset < PCI_CONFIG_SIZE);
            fn->initial[offset] = rows[i].value;
            fn->config[offset] = rows[i].value;
            fn->writable[offset] = rows[i].writable;
            fn->clear_by_one[offset] = rows[i].clear_by_one;
        }
    }
}

void pci_function_init(PciFunction *fn, PciBus *bus, unsigned devfn, const PciIds *ids)
{
    g_assert(devfn < G_N_ELEMENTS(bus->functions) && !bus->functions[devfn]);
    bus->functions[devfn] = fn;
    fn->bus = bus;
    fn->devfn = devfn;
    pci_function_add_config(fn, header_rows, G_N_ELEMENTS(header_rows));
    put_bytes(fn->initial, PCI_VENDOR_ID, ids->vendor, 2);
    put_bytes(fn->initial, PCI_DEVICE_ID, ids->device, 2);
    fn->initial[PCI_REVISION] = ids->revision;
    fn->initial[PCI_CLASS_PROG] = ids->prog_if;
    put_bytes(fn->initial, PCI_CLASS, ids->class_code, 2);
    fn->initial[PCI_HEADER_TYPE] = ids->header_type;
    put_bytes(fn->initial, PCI_SUBSYSTEM_VENDOR, ids->subsystem_vendor, 2);
    put_bytes(fn->initial, PCI_SUBSYSTEM_ID, ids->subsystem, 2);
    fn->initial[PCI_INTERRUPT_PIN] = ids->interrupt_pin;
    memcpy(fn->config, fn->initial, sizeof(fn->config));
}

/* Mapping and wire as config says. */
static void function_sync(PciFunction *fn)
{
    bars_update(fn);
    intx_update(fn);
}

void pci_function_reset(PciFunction *fn)
{
    pci_function_set_intx(fn, false);
    memcpy(fn->config, fn->initial, sizeof(fn->config));
    function_sync(fn);
}

PciFunction *pci_bus_find(const PciBus *bus, unsigned devfn)
{
    return devfn < G_N_ELEMENTS(bus->functions) ? bus->functions[devfn] : NULL;
}

/* ---- configuration accesses ---- */

/* Bytes that stay inside the configuration space. */
static unsigned clip(unsigned offset, unsigned size)
{
    return offset >= PCI_CONFIG_SIZE ? 0 : MIN(size, PCI_CONFIG_SIZE - offset);
}

uint32_t pci_config_read(PciBus *bus, unsigned devfn, unsigned offset, unsigned size)
{
    const PciFunction *fn = pci_bus_find(bus, devfn);
    uint32_t value = (uint32_t)width_mask(size);
    if (!fn)
        return value;
    unsigned bytes = clip(offset, size);
    for (unsigned i = 0; i < bytes; i++)
        value = (uint32_t)bits_set(value, i * 8, 8, fn->config[offset + i]);
    return value;
}

void pci_config_write(PciBus *bus, unsigned devfn, unsigned offset, uint32_t value, unsigned size)
{
    PciFunction *fn = pci_bus_find(bus, devfn);
    unsigned bytes = fn ? clip(offset, size) : 0;
    if (bytes == 0)
        return;
    trace(pci_config_write, devfn, offset, size, value);
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        uint8_t mask = fn->writable[offset + i];
        uint8_t *config = &fn->config[offset + i];
        *config = (uint8_t)((*config & ~mask) | (byte & mask));
        *config &= (uint8_t) ~(byte & fn->clear_by_one[offset + i]);
    }
    if (offset < PCI_INTERRUPT_LINE)
        function_sync(fn);
    if (fn->config_written)
        fn->config_written(fn, offset, bytes);
}

/* CONFIG_ADDRESS is a dword register only; narrower accesses pass it by ("Configuration
 * Mechanism #1"), which is where the ISA bridge's CF9h lives. */
static uint64_t address_read(void *opaque, uint64_t offset, unsigned size)
{
    PciBus *bus = opaque;
    if (size == 4)
        return bus->config_address;
    if (offset == 1 && size == 1 && bus->cf9_ops)
        return bus->cf9_ops->read(bus->cf9_opaque, 0, 1);
    return width_mask(size);
}

static void address_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PciBus *bus = opaque;
    if (size == 4)
        bus->config_address = (uint32_t)value & 0x80fffffc;
    else if (offset == 1 && size == 1 && bus->cf9_ops)
        bus->cf9_ops->write(bus->cf9_opaque, 0, value, 1);
}

/* Whether CONFIG_ADDRESS points at bus 0, and at what. */
static bool data_target(const PciBus *bus, unsigned *devfn, unsigned *reg)
{
    *devfn = bus->config_address >> 8 & 0xff;
    *reg = bus->config_address & 0xfc;
    return (bus->config_address & 0x80000000) && !(bus->config_address & 0x00ff0000);
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    PciBus *bus = opaque;
    unsigned devfn, reg;
    if (!data_target(bus, &devfn, &reg))
        return width_mask(size);
    return pci_config_read(bus, devfn, reg + (unsigned)(offset & 3), size);
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PciBus *bus = opaque;
    unsigned devfn, reg;
    if (data_target(bus, &devfn, &reg))
        pci_config_write(bus, devfn, reg + (unsigned)(offset & 3), (uint32_t)value, size);
}

/* ---- monitor ---- */

static const struct {
    uint16_t class_code;
    const char *name;
} class_names[] = {
    {0x0100, "SCSI controller"}, {0x0101, "IDE controller"},
    {0x0106, "SATA controller"}, {0x0200, "Ethernet controller"},
    {0x0300, "VGA controller"},  {0x0401, "Audio controller"},
    {0x0600, "Host bridge"},     {0x0601, "ISA bridge"},
    {0x0604, "PCI bridge"},      {0x0680, "Bridge"},
    {0x0c03, "USB controller"},
};

const char *pci_class_name(uint16_t class_code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(class_names); i++)
        if (class_names[i].class_code == class_code)
            return class_names[i].name;
    return "Device";
}

static void print_bar(const PciFunction *fn, unsigned index, GString *out)
{
    const PciBar *bar = &fn->bars[index];
    const char *kind = bar->kind == PCI_BAR_IO    ? "I/O"
                       : bar_is_64(bar->kind)     ? "64 bit memory"
                       : bar->kind == PCI_BAR_ROM ? "ROM"
                                                  : "32 bit memory";
    g_string_append_printf(out, "      BAR%u: %s, %" G_GUINT64_FORMAT " bytes, ", index, kind,
                           bar->size);
    if (bar->base == PCI_UNMAPPED)
        g_string_append(out, "not mapped\n");
    else
        g_string_append_printf(out, "at 0x%" G_GINT64_MODIFIER "x\n", bar->base);
}

static void print_function(const PciFunction *fn, GString *out)
{
    g_string_append_printf(out, "  Bus  0, device %3u, function %u:\n", fn->devfn >> 3,
                           fn->devfn & 7);
    g_string_append_printf(out, "    %s: PCI device %04x:%04x (%s)\n",
                           pci_class_name(pci_get_word(fn, PCI_CLASS)), pci_get_word(fn, PCI_VENDOR_ID),
                           pci_get_word(fn, PCI_DEVICE_ID), fn->device.cls->name);
    if (fn->config[PCI_INTERRUPT_PIN])
        g_string_append_printf(out, "      IRQ %u, pin %c%s\n", fn->config[PCI_INTERRUPT_LINE],
                               'A' + (fn->config[PCI_INTERRUPT_PIN] - 1) % 4,
                               fn->intx_on_wire ? ", asserted" : "");
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (fn->bars[i].kind != PCI_BAR_NONE)
            print_bar(fn, i, out);
}

void pci_bus_print(const PciBus *bus, GString *out)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bus->functions); i++)
        if (bus->functions[i])
            print_function(bus->functions[i], out);
}

static void pci_bus_info(Device *device, GString *out)
{
    pci_bus_print((PciBus *)device, out);
}

/* ---- device ---- */

static void pci_bus_reset(Device *device)
{
    ((PciBus *)device)->config_address = 0;
}

static const StateField pci_bus_state[] = {STATE(PciBus, config_address), STATE_END};

static const DeviceClass pci_bus_class = {
    .name = "pci-bus",
    .description = "PCI bus, configuration mechanism 1",
    .reset = pci_bus_reset,
    .state = pci_bus_state,
    .info = pci_bus_info,
};

static const RegionOps address_ops = {address_read, address_write, 1, 4};
static const RegionOps data_ops = {data_read, data_write, 1, 4};

PciBus *pci_bus_new(const DeviceBus *bus, const IrqLine pirq[PCI_PIRQS])
{
    PciBus *pci = device_register(bus, &pci_bus_class, sizeof(*pci));
    pci->as = bus->as;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        pci->pirq[i] = pirq[i];
    address_space_add_io(bus->as, "pci-config-address", 0xcf8, 4, 0, &address_ops, pci);
    address_space_add_io(bus->as, "pci-config-data", 0xcfc, 4, 0, &data_ops, pci);
    return pci;
}

void pci_bus_set_cf9(PciBus *bus, const RegionOps *ops, void *opaque)
{
    bus->cf9_ops = ops;
    bus->cf9_opaque = opaque;
}
