/* SPDX-License-Identifier: MIT
 * The JSON monitor on a chardev in memory; real machines are tests/monitor/run's. */
#include <criterion/criterion.h>
#include <string.h>

#include "monitor/qmp.h"

static bool ran;

static MachineState state(Machine *machine)
{
    return MACHINE_PAUSED;
}

static void act(Machine *machine)
{
    ran = true;
}

static void exchange(Chardev *chardev, const char *bytes, const char *expected)
{
    GString *out = chardev_memory_output(chardev);
    g_string_truncate(out, 0);
    chardev_memory_feed(chardev, (const uint8_t *)bytes, strlen(bytes));
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_expect_str_eq(out->str, expected, "%s gave %s", bytes, out->str);
}

Test(qmp, exchanges)
{
    DeviceBus *bus = device_bus_new_for_test(1 << 16);
    Machine machine = {.as = bus->as, .state = state, .stop = act};
    Chardev *chardev = chardev_new_memory();
    Qmp *qmp = qmp_new(&machine, chardev);
    cr_expect(g_str_has_prefix(chardev_memory_output(chardev)->str, "{\"QMP\":{\"version\":"));
    exchange(chardev, "{\"execute\":\"stop\",\"id\":[1]}",
             "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"Expecting capabilities "
             "negotiation with 'qmp_capabilities'\"},\"id\":[1]}\r\n");
    machine_emit(&machine, &(MachineEvent){MACHINE_EVENT_STOP, false, NULL});
    exchange(chardev, "{\"execute\":\"qmp_capabilities\"}", "{\"return\":{}}\r\n");
    exchange(chardev, "{\"execute\":\"stop\"}{\"exe", "{\"return\":{}}\r\n");
    cr_expect(ran);
    exchange(chardev, "cute\":\"query-status\",\"id\":null}",
             "{\"return\":{\"status\":\"paused\",\"singlestep\":false,\"running\":false},"
             "\"id\":null}\r\n");
    exchange(chardev, "nonsense\n",
             "{\"error\":{\"class\":\"GenericError\",\"desc\":\"JSON parse error, an object was "
             "expected\"}}\r\n");
    exchange(chardev,
             "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"p 6*7\"}}",
             "{\"return\":\"0x2a\\r\\n\"}\r\n");
    g_string_truncate(chardev_memory_output(chardev), 0);
    machine_emit(&machine, &(MachineEvent){MACHINE_EVENT_RESET, true, "guest-reset"});
    const char *event = chardev_memory_output(chardev)->str;
    cr_expect_not_null(strstr(event, "\"event\":\"RESET\",\"data\":{\"guest\":true,\"reason\":"
                                     "\"guest-reset\"}"),
                       "%s", event);
    qmp_free(qmp);
    cr_expect_null(machine.listeners);
    chardev_free(chardev);
    device_bus_free_for_test(bus);
}
