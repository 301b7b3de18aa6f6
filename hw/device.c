/* SPDX-License-Identifier: MIT */
#include "hw/device.h"

void *device_register(const DeviceBus *bus, const DeviceClass *cls, size_t size)
{
    g_assert(size >= sizeof(Device));
    Device *device = g_malloc0(size);
    device->cls = cls;
    g_ptr_array_add(bus->devices, device);
    return device;
}

void device_reset_all(const DeviceBus *bus)
{
    for (guint i = 0; i < bus->devices->len; i++) {
        Device *device = g_ptr_array_index(bus->devices, i);
        if (device->cls->reset)
            device->cls->reset(device);
    }
}

void device_free_all(const DeviceBus *bus)
{
    while (bus->devices->len > 0) {
        Device *device = g_ptr_array_steal_index(bus->devices, bus->devices->len - 1);
        if (device->cls->free)
            device->cls->free(device);
        else
            g_free(device);
    }
}

DeviceBus *device_bus_new_for_test(uint64_t ram_bytes)
{
    DeviceBus *bus = g_new0(DeviceBus, 1);
    Ram *ram = ram_new(ram_bytes + 32 * 1024 * 1024, NULL); /* video memory and ROMs */
    g_assert(ram);
    bus->as = address_space_new(ram);
    bus->clock = clock_new_fake();
    bus->devices = g_ptr_array_new();
    if (ram_bytes)
        address_space_add_ram(bus->as, "ram", 0, ram_bytes, 0, ram_alloc(ram, "ram", ram_bytes));
    address_space_set_a20(bus->as, true);
    return bus;
}

void device_bus_free_for_test(DeviceBus *bus)
{
    device_free_all(bus);
    g_ptr_array_free(bus->devices, TRUE);
    clock_free(bus->clock);
    Ram *ram = address_space_ram(bus->as);
    address_space_free(bus->as);
    ram_free(ram);
    g_free(bus);
}
