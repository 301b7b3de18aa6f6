/* SPDX-License-Identifier: MIT
 * The panic port: reads give the events it takes, a write is an event. */
#include "hw/pvpanic.h"

enum { PANICKED = 1, CRASH_LOADED = 2 };

typedef struct {
    Device device;
    PvpanicFn fn;
    void *opaque;
} Pvpanic;

static uint64_t pvpanic_read(void *opaque, uint64_t offset, unsigned size)
{
    return PANICKED | CRASH_LOADED;
}

static void pvpanic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    const Pvpanic *pvpanic = opaque;
    if (value & (PANICKED | CRASH_LOADED))
        pvpanic->fn(pvpanic->opaque, !(value & PANICKED));
}

static const StateField pvpanic_state[] = {STATE_END};

static const DeviceClass pvpanic_class = {
    .name = "pvpanic",
    .description = "port by which the guest reports a panic",
    .state = pvpanic_state,
};

static const RegionOps pvpanic_ops = {pvpanic_read, pvpanic_write, 1, 1};

void pvpanic_new(const DeviceBus *bus, uint16_t iobase, PvpanicFn fn, void *opaque)
{
    Pvpanic *pvpanic = device_register(bus, &pvpanic_class, sizeof(*pvpanic));
    pvpanic->fn = fn;
    pvpanic->opaque = opaque;
    address_space_add_io(bus->as, "pvpanic", iobase, 1, 0, &pvpanic_ops, pvpanic);
}
