/* SPDX-License-Identifier: MIT
 * Debug console ports. */
#include "hw/debug-ports.h"

enum { READBACK = 0xe9 };

struct DebugPort {
    Device device;
    Chardev *chardev;
    int front;
};

static uint64_t debug_port_read(void *opaque, uint64_t offset, unsigned size)
{
    return READBACK;
}

static void debug_port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    DebugPort *port = opaque;
    uint8_t byte = (uint8_t)value;

    if (port->chardev)
        chardev_write(port->chardev, port->front, &byte, 1);
}

static const StateField debug_port_state[] = {STATE_END};

static const DeviceClass debug_port_class = {
    .name = "isa-debugcon",
    .description = "debug console port",
    .state = debug_port_state,
};

static const RegionOps debug_port_ops = {debug_port_read, debug_port_write, 1, 1};

DebugPort *debug_port_new(const DeviceBus *bus, uint16_t port, Chardev *chardev)
{
    DebugPort *device = device_register(bus, &debug_port_class, sizeof(*device));

    device->chardev = chardev;
    if (chardev)
        device->front = chardev_attach(chardev, NULL, NULL);
    address_space_add_io(bus->as, "debugcon", port, 1, 0, &debug_port_ops, device);
    return device;
}
