/* SPDX-License-Identifier: MIT
 * The debug-exit port. Reads as 0. */
#include "hw/isa-debug-exit.h"

struct IsaDebugExit {
    Device device;
    IsaDebugExitFn fn;
    void *opaque;
};

static uint64_t debug_exit_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void debug_exit_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    IsaDebugExit *exit = opaque;
    exit->fn(exit->opaque, (int)((uint32_t)value << 1 | 1));
}

static const StateField debug_exit_state[] = {STATE_END};

static const DeviceClass debug_exit_class = {
    .name = "isa-debug-exit",
    .description = "port that ends the machine with an exit code",
    .state = debug_exit_state,
};

static const RegionOps debug_exit_ops = {debug_exit_read, debug_exit_write, 1, 4};

IsaDebugExit *isa_debug_exit_new(const DeviceBus *bus, uint16_t iobase, unsigned iosize,
                                 IsaDebugExitFn fn, void *opaque)
{
    IsaDebugExit *exit = device_register(bus, &debug_exit_class, sizeof(*exit));

    exit->fn = fn;
    exit->opaque = opaque;
    address_space_add_io(bus->as, "isa-debug-exit", iobase, iosize, 0, &debug_exit_ops, exit);
    return exit;
}
