/* SPDX-License-Identifier: MIT
 * Routing of interrupt messages. Owns the list of APICs, no interrupt state.
 * Source: SDM 3A "Determining IPI Destination". */
#include "hw/apic-bus.h"
#include <glib.h>
#include "base/bits.h"
#include "hw/lapic.h"

struct ApicBus {
    Lapic *lapics[APIC_BUS_MAX_LAPICS];
    unsigned lapic_count;
    struct {
        ApicEoiFn fn;
        void *opaque;
    } eoi[APIC_BUS_MAX_IOAPICS];
    unsigned eoi_count;
};

ApicBus *apic_bus_new(void)
{
    return g_new0(ApicBus, 1);
}

void apic_bus_free(ApicBus *bus)
{
    g_free(bus);
}

void apic_bus_add_lapic(ApicBus *bus, Lapic *lapic)
{
    g_assert(bus->lapic_count < APIC_BUS_MAX_LAPICS);
    bus->lapics[bus->lapic_count++] = lapic;
}

void apic_bus_add_eoi_listener(ApicBus *bus, ApicEoiFn fn, void *opaque)
{
    g_assert(bus->eoi_count < APIC_BUS_MAX_IOAPICS);
    bus->eoi[bus->eoi_count].fn = fn;
    bus->eoi[bus->eoi_count++].opaque = opaque;
}

/* Lowest priority: the destination that is doing the least important work. */
static bool apic_bus_send_lowest(ApicBus *bus, const ApicMessage *message)
{
    Lapic *best = NULL;
    for (unsigned i = 0; i < bus->lapic_count; i++) {
        Lapic *lapic = bus->lapics[i];
        if (!lapic_is_destination(lapic, message->dest, message->logical))
            continue;
        if (!best || lapic_arbitration_priority(lapic) < lapic_arbitration_priority(best))
            best = lapic;
    }
    return best && lapic_receive(best, message);
}

bool apic_bus_send(ApicBus *bus, const ApicMessage *message)
{
    if (message->mode == APIC_MODE_LOWEST)
        return apic_bus_send_lowest(bus, message);
    bool taken = false;
    for (unsigned i = 0; i < bus->lapic_count; i++) {
        if (lapic_is_destination(bus->lapics[i], message->dest, message->logical))
            taken |= lapic_receive(bus->lapics[i], message);
    }
    return taken;
}

bool apic_bus_broadcast(ApicBus *bus, const ApicMessage *message, const Lapic *self)
{
    bool taken = false;
    for (unsigned i = 0; i < bus->lapic_count; i++) {
        if (bus->lapics[i] != self)
            taken |= lapic_receive(bus->lapics[i], message);
    }
    return taken;
}

void apic_bus_eoi(ApicBus *bus, uint8_t vector)
{
    for (unsigned i = 0; i < bus->eoi_count; i++)
        bus->eoi[i].fn(bus->eoi[i].opaque, vector);
}
