/* SPDX-License-Identifier: MIT
 * The port by which a guest says that its kernel has panicked (pvpanic, ISA form). */
#ifndef HW_PVPANIC_H
#define HW_PVPANIC_H

#include "hw/device.h"

#define PVPANIC_IOBASE 0x505

/* crash_loaded: a crash kernel will take over; else the guest is gone. */
typedef void (*PvpanicFn)(void *opaque, bool crash_loaded);

void pvpanic_new(const DeviceBus *bus, uint16_t iobase, PvpanicFn fn, void *opaque);

#endif
