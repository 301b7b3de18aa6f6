/* SPDX-License-Identifier: MIT
 * What device tests share: byte port accesses on a bare bus, and a wire that records. */
#ifndef TESTS_DEVICE_PORT_IO_H
#define TESTS_DEVICE_PORT_IO_H

#include "hw/device.h"

static inline void outb(const DeviceBus *bus, uint16_t port, unsigned value)
{
    address_space_io_write(bus->as, port, value & 0xff, 1);
}

static inline uint8_t inb(const DeviceBus *bus, uint16_t port)
{
    return (uint8_t)address_space_io_read(bus->as, port, 1);
}

/* Low byte, then high byte of one port. */
static inline unsigned inb_twice(const DeviceBus *bus, uint16_t port)
{
    unsigned low = inb(bus, port);
    return low | (unsigned)inb(bus, port) << 8;
}

typedef struct {
    bool level;
    unsigned rises;
} Wire;

static inline void wire_set(void *opaque, int number, bool level)
{
    Wire *wire = opaque;
    wire->rises += level && !wire->level;
    wire->level = level;
}

static inline IrqLine wire_line(Wire *wire)
{
    return (IrqLine){wire_set, wire, 0};
}

#endif
