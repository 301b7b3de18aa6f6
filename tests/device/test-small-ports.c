/* SPDX-License-Identifier: MIT
 * Port 92h, the debug-exit port and debug consoles. */
#include <criterion/criterion.h>

#include "hw/debug-ports.h"
#include "hw/isa-debug-exit.h"
#include "hw/port92.h"
#include "tests/device/port-io.h"

Test(port92, gates_a20_and_resets_on_the_rising_bit)
{
    DeviceBus *bus = device_bus_new_for_test(0);
    Wire a20 = {.level = true}, reset = {0};
    port92_new(bus, wire_line(&a20), wire_line(&reset));
    device_reset_all(bus);
    cr_assert(a20.level);
    cr_assert_eq(inb(bus, 0x92), 2);
    outb(bus, 0x92, 0);
    cr_assert_not(a20.level);
    outb(bus, 0x92, 3);
    outb(bus, 0x92, 3);
    cr_assert(a20.level);
    cr_assert_eq(reset.rises, 1);
    device_bus_free_for_test(bus);
}

static void store_code(void *opaque, int code)
{
    *(int *)opaque = code;
}

Test(isa_debug_exit, makes_odd_codes)
{
    DeviceBus *bus = device_bus_new_for_test(0);
    int code = 0;
    isa_debug_exit_new(bus, 0xf4, 4, store_code, &code);
    outb(bus, 0xf4, 0x10);
    cr_assert_eq(code, 33);
    address_space_io_write(bus->as, 0xf4, 0, 4);
    cr_assert_eq(code, 1);
    cr_assert_eq(inb(bus, 0xf4), 0);
    device_bus_free_for_test(bus);
}

Test(debug_port, each_has_its_own_port_and_output)
{
    DeviceBus *bus = device_bus_new_for_test(0);
    Chardev *bochs = chardev_new_memory(), *seabios = chardev_new_memory();
    debug_port_new(bus, DEBUG_PORT_BOCHS, bochs);
    debug_port_new(bus, DEBUG_PORT_SEABIOS, seabios);
    outb(bus, 0xe9, 'k');
    outb(bus, 0x402, 'b');
    cr_assert_str_eq(chardev_memory_output(bochs)->str, "k");
    cr_assert_str_eq(chardev_memory_output(seabios)->str, "b");
    cr_assert_eq(inb(bus, 0x402), 0xe9);
    device_bus_free_for_test(bus);
    chardev_free(bochs);
    chardev_free(seabios);
}
