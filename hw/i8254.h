/* SPDX-License-Identifier: MIT
 * The PC's 8254 interval timer (ports 40h-43h) with system control port B (61h): refresh
 * toggle, speaker gate, OUT of channel 2. */
#ifndef HW_I8254_H
#define HW_I8254_H

#include "hw/device.h"

#define I8254_HZ 1193182

typedef struct I8254 I8254;

/* out0: OUT of channel 0, IRQ 0 on a PC. */
I8254 *i8254_new(const DeviceBus *bus, IrqLine out0);

#endif
