/* SPDX-License-Identifier: MIT
 * What a program may send to the JSON monitor; with and without the negotiation before it. */
#include <string.h>

#include "monitor/qmp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine-bed.h"

enum { TURNS_MAX = 200 };

static void feed(Chardev *chardev, const char *bytes, size_t count)
{
    chardev_memory_feed(chardev, (const uint8_t *)bytes, count);
    for (unsigned i = 0; i < TURNS_MAX && g_main_context_iteration(NULL, FALSE); i++)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const char negotiation[] = "{\"execute\":\"qmp_capabilities\"}";
    g_autofree char *text = fuzz_text(bytes, count);
    if (strstr(text, "\\u00")) /* may spell a slash */
        return 0;
    Machine *machine = machine_bed_open();
    Chardev *chardev = chardev_new_memory();
    Qmp *qmp = qmp_new(machine, chardev);
    if (count == 0 || bytes[0] != '!')
        feed(chardev, negotiation, strlen(negotiation));
    feed(chardev, text, count);
    qmp_free(qmp);
    chardev_free(chardev);
    machine_bed_close();
    return 0;
}
