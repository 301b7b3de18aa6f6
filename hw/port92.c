/* SPDX-License-Identifier: MIT
 * System control port A, after "IBM PS/2 Hardware Interface Technical Reference". */
#include "hw/port92.h"

enum { FAST_RESET = 0x01, FAST_A20 = 0x02 };

struct Port92 {
    Device device;
    uint8_t value;
    IrqLine a20;
    IrqLine reset;
};

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((Port92 *)opaque)->value;
}

static void port92_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Port92 *port = opaque;
    uint8_t old = port->value;

    port->value = (uint8_t)value;
    irq_set(&port->a20, value & FAST_A20);
    if (value & ~old & FAST_RESET)
        irq_pulse(&port->reset);
}

/* Does not touch the A20 wire: a CPU reset opens the gate, wherever it came from. */
static void port92_reset(Device *device)
{
    ((Port92 *)device)->value = FAST_A20;
}

static const StateField port92_state[] = {STATE(Port92, value), STATE_END};

static const DeviceClass port92_class = {
    .name = "port92",
    .description = "system control port A: A20 gate and reset",
    .reset = port92_reset,
    .state = port92_state,
};

static const RegionOps port92_ops = {port92_read, port92_write, 1, 1};

Port92 *port92_new(const DeviceBus *bus, IrqLine a20, IrqLine reset)
{
    Port92 *port = device_register(bus, &port92_class, sizeof(*port));

    port->a20 = a20;
    port->reset = reset;
    address_space_add_io(bus->as, "port92", 0x92, 1, 0, &port92_ops, port);
    return port;
}
