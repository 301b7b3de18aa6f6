/* SPDX-License-Identifier: MIT
 * What a device is: a struct that begins with Device, a class that says its
 * name, reset and state, and a constructor of its own
 *     FooDevice *foo_new(const DeviceBus *bus, ...wires and addresses...);
 * that maps its regions. One file per chip; hw/pc.c wires them; tests drive
 * them on a bare bus with a fake clock.
 *
 * All callbacks run with the io lock held. Guests are hostile: every index,
 * length, DMA address and count is checked, FIFO indices are masked, no loop
 * runs longer than 65,536 steps without yielding (docs/testing.md, "Hostile guests"). */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include <glib.h>
#include "base/types.h"
#include "hw/clock.h"
#include "hw/irq.h"
#include "softmmu/address-space.h"

typedef struct Device Device;

/* One piece of a device's state, so that all of it can be enumerated (snapshots,
 * digests, `info qtree`). Pointers, wires and timers are not state; a timer's
 * deadline is (StateField with .timer = true on a Timer*). */
typedef struct {
    const char *name;
    uint32_t offset;
    uint32_t size; /* bytes of one element */
    uint32_t count;
    bool timer;
} StateField;

#define STATE(type, field) {#field, offsetof(type, field), sizeof(((type *)0)->field), 1, false}
#define STATE_ARRAY(type, field)                                                                   \
    {#field, offsetof(type, field), sizeof(((type *)0)->field[0]),                                 \
     sizeof(((type *)0)->field) / sizeof(((type *)0)->field[0]), false}
#define STATE_TIMER(type, field) {#field, offsetof(type, field), sizeof(Timer *), 1, true}
#define STATE_END {NULL, 0, 0, 0, false}

typedef struct {
    const char *name;         /* as users know it: "i8259", "isa-serial" */
    const char *description;  /* one line for -device help */
    void (*reset)(Device *);  /* power-on state; may be NULL */
    void (*free)(Device *);   /* releases what the constructor took; NULL: g_free(device) */
    const StateField *state;  /* ends with STATE_END */
    void (*info)(Device *, GString *out); /* monitor text; may be NULL */
} DeviceClass;

struct Device {
    const DeviceClass *cls;
};

/* What every constructor gets. */
typedef struct {
    AddressSpace *as;
    Clock *clock;
    GPtrArray *devices; /* all devices of the machine; device_register appends */
} DeviceBus;

/* A bare bus (RAM of `ram_bytes` at 0, fake clock) for device tests. */
DeviceBus *device_bus_new_for_test(uint64_t ram_bytes);
void device_bus_free_for_test(DeviceBus *bus);

/* Allocate (zeroed), set the class, append to the bus. */
void *device_register(const DeviceBus *bus, const DeviceClass *cls, size_t size);
void device_reset_all(const DeviceBus *bus);
void device_free_all(const DeviceBus *bus); /* in reverse order */

#endif
