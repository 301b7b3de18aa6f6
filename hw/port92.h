/* SPDX-License-Identifier: MIT
 * System control port A (92h): fast A20 gate and fast reset. */
#ifndef HW_PORT92_H
#define HW_PORT92_H

#include "hw/device.h"

typedef struct Port92 Port92;

/* a20: driven when the guest writes; the last writer of the board's A20 sources wins.
 * reset: pulsed when bit 0 rises. */
Port92 *port92_new(const DeviceBus *bus, IrqLine a20, IrqLine reset);

#endif
