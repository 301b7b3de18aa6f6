/* SPDX-License-Identifier: MIT
 * I/O APIC: redirection table and delivery. Owns the input levels; the local
 * APICs are behind hw/apic-bus.h. Source: Intel 82093AA data sheet (290566). */
#include "hw/ioapic.h"
#include "base/bits.h"
#include "base/log.h"

#define IOAPIC_SIZE UINT64_C(0x1000)

/* Memory-mapped registers */
#define IOREGSEL 0x00
#define IOWIN    0x10
#define IOEOI    0x40

/* Indirect registers */
#define IOAPICID  0x00
#define IOAPICVER 0x01
#define IOAPICARB 0x02
#define IOREDTBL  0x10

/* Redirection entry */
#define RED_LOGICAL    BIT(11)
#define RED_STATUS     BIT(12)
#define RED_REMOTE_IRR BIT(14)
#define RED_LEVEL      BIT(15)
#define RED_MASKED     BIT(16)
#define RED_READ_ONLY  (RED_STATUS | RED_REMOTE_IRR)
#define RED_WRITABLE   (UINT64_C(0xff00000000000000) | 0x1afff)

struct Ioapic {
    Device device;
    ApicBus *apic_bus;
    uint8_t version;
    uint8_t select;
    uint32_t id; /* in bits 27:24 */
    uint32_t levels;
    uint64_t entries[IOAPIC_PINS];
};

/* DEVIATES: the polarity bit is kept but not applied. The board's lines carry
 * "asserted", and systems that follow old tables program PCI inputs active low. */

/* Only fixed and lowest priority wait for an EOI; the others are edges by nature. */
static bool entry_is_level(uint64_t entry)
{
    return (entry & RED_LEVEL) && bits_get(entry, 8, 3) <= APIC_MODE_LOWEST;
}

static bool ioapic_deliver(Ioapic *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->entries[pin];
    ApicMessage message = {
        .vector = (uint8_t)entry,
        .mode = (uint8_t)bits_get(entry, 8, 3),
        .dest = (uint8_t)(entry >> 56),
        .logical = entry & RED_LOGICAL,
        .level_triggered = entry_is_level(entry),
    };
    if (message.mode == APIC_MODE_RESERVED || message.mode == APIC_MODE_SIPI) {
        log_guest_error("ioapic: pin %u has reserved delivery mode %u", pin, message.mode);
        return false;
    }
    return apic_bus_send(ioapic->apic_bus, &message);
}

/* A level input requests while it is asserted and no EOI is outstanding. */
static void ioapic_service_level(Ioapic *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->entries[pin];
    if (!entry_is_level(entry) || (entry & (RED_MASKED | RED_REMOTE_IRR)))
        return;
    if ((ioapic->levels & BIT(pin)) && ioapic_deliver(ioapic, pin))
        ioapic->entries[pin] |= RED_REMOTE_IRR;
}

static void ioapic_set(void *opaque, int pin, bool level)
{
    Ioapic *ioapic = opaque;
    bool rising = level && !(ioapic->levels & BIT(pin));
    ioapic->levels = (uint32_t)bits_set(ioapic->levels, (unsigned)pin, 1, level);
    if (!rising)
        return;
    uint64_t entry = ioapic->entries[pin];
    if (entry_is_level(entry))
        ioapic_service_level(ioapic, (unsigned)pin);
    else if (!(entry & RED_MASKED)) /* data sheet: an edge on a masked input is lost */
        ioapic_deliver(ioapic, (unsigned)pin);
}

IrqLine ioapic_input(Ioapic *ioapic, int pin)
{
    g_assert(pin >= 0 && pin < IOAPIC_PINS);
    return (IrqLine){ioapic_set, ioapic, pin};
}

static void ioapic_eoi(void *opaque, uint8_t vector)
{
    Ioapic *ioapic = opaque;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = ioapic->entries[pin];
        if ((uint8_t)entry != vector || !(entry & RED_REMOTE_IRR))
            continue;
        ioapic->entries[pin] &= ~RED_REMOTE_IRR;
        ioapic_service_level(ioapic, pin);
    }
}

static void ioapic_write_entry(Ioapic *ioapic, unsigned index, uint32_t value)
{
    unsigned pin = index >> 1;
    uint64_t old = ioapic->entries[pin];
    uint64_t entry = bits_set(old, index & 1 ? 32 : 0, 32, value) & RED_WRITABLE;
    entry |= old & RED_READ_ONLY;
    /* Switching to edge drops remote IRR: how systems end a level interrupt on
     * an I/O APIC without an EOI register. */
    if (!(entry & RED_LEVEL))
        entry &= ~RED_REMOTE_IRR;
    ioapic->entries[pin] = entry;
    ioapic_service_level(ioapic, pin);
}

static uint32_t ioapic_read_window(const Ioapic *ioapic)
{
    unsigned index = ioapic->select - IOREDTBL;
    switch (ioapic->select) {
    case IOAPICID:
    case IOAPICARB:
        return ioapic->id;
    case IOAPICVER:
        return ioapic->version | (IOAPIC_PINS - 1) << 16;
    default:
        if (ioapic->select < IOREDTBL || index >= 2 * IOAPIC_PINS)
            return 0;
        return (uint32_t)(ioapic->entries[index >> 1] >> (index & 1 ? 32 : 0));
    }
}

static uint64_t ioapic_read(void *opaque, uint64_t offset, unsigned size)
{
    const Ioapic *ioapic = opaque;
    switch (offset) {
    case IOREGSEL:
        return ioapic->select;
    case IOWIN:
        return ioapic_read_window(ioapic);
    default:
        return 0;
    }
}

static void ioapic_write_window(Ioapic *ioapic, uint32_t value)
{
    unsigned index = ioapic->select - IOREDTBL;
    if (ioapic->select == IOAPICID)
        ioapic->id = value & 0x0f000000;
    else if (ioapic->select >= IOREDTBL && index < 2 * IOAPIC_PINS)
        ioapic_write_entry(ioapic, index, value);
    else
        log_guest_error("ioapic: write of %08x to register %02x", value, ioapic->select);
}

static void ioapic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Ioapic *ioapic = opaque;
    switch (offset) {
    case IOREGSEL:
        ioapic->select = (uint8_t)value;
        break;
    case IOWIN:
        ioapic_write_window(ioapic, (uint32_t)value);
        break;
    case IOEOI:
        if (ioapic->version >= IOAPIC_VERSION_EOI)
            ioapic_eoi(ioapic, (uint8_t)value);
        break;
    }
}

static const RegionOps ioapic_ops = {ioapic_read, ioapic_write, 4, 4};

static void ioapic_reset(Device *device)
{
    Ioapic *ioapic = (Ioapic *)device;
    ioapic->select = 0;
    ioapic->id = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->entries[pin] = RED_MASKED;
}

static void ioapic_info(Device *device, GString *out)
{
    const Ioapic *ioapic = (const Ioapic *)device;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = ioapic->entries[pin];
        g_string_append_printf(
            out, "pin %2u: vector %02x mode %u dest %02x %s %s%s%s%s\n", pin, (uint8_t)entry,
            (unsigned)bits_get(entry, 8, 3), (unsigned)(entry >> 56),
            entry & RED_LOGICAL ? "logical" : "physical", entry & RED_LEVEL ? "level" : "edge",
            entry & RED_MASKED ? " masked" : "", entry & RED_REMOTE_IRR ? " remote-irr" : "",
            ioapic->levels & BIT(pin) ? " asserted" : "");
    }
}

static const StateField ioapic_state[] = {
    STATE(Ioapic, select),        STATE(Ioapic, id), STATE(Ioapic, levels),
    STATE_ARRAY(Ioapic, entries), STATE_END,
};

static const DeviceClass ioapic_class = {
    .name = "ioapic",
    .description = "I/O APIC 82093AA with 24 inputs",
    .reset = ioapic_reset,
    .state = ioapic_state,
    .info = ioapic_info,
};

Ioapic *ioapic_new(const DeviceBus *bus, ApicBus *apic_bus, uint8_t version)
{
    Ioapic *ioapic = device_register(bus, &ioapic_class, sizeof(*ioapic));
    ioapic->apic_bus = apic_bus;
    ioapic->version = version;
    address_space_add_mmio(bus->as, "ioapic", IOAPIC_BASE, IOAPIC_SIZE, 0, &ioapic_ops, ioapic);
    apic_bus_add_eoi_listener(apic_bus, ioapic_eoi, ioapic);
    ioapic_reset(&ioapic->device);
    return ioapic;
}
