/* SPDX-License-Identifier: MIT
 * The PC's two cascaded 8259A interrupt controllers with the ELCR. Ports 20h-21h, A0h-A1h,
 * 4D0h-4D1h. */
#ifndef HW_I8259_H
#define HW_I8259_H

#include "hw/device.h"

typedef struct I8259 I8259;

/* intr: the INT output of the master (CPU INTR pin, or LINT0 of the local APIC). */
I8259 *i8259_new(const DeviceBus *bus, IrqLine intr);

/* Input wire irq 0..15; 2 is the cascade and leads nowhere. */
IrqLine i8259_input(I8259 *pic, int irq);

/* Is INT asserted? Any state change already went to the intr wire; this is for polling. */
bool i8259_pending(const I8259 *pic);

/* The CPU's INTA cycle: the vector, 0..255. Spurious when nothing is pending any more. */
int i8259_acknowledge(I8259 *pic);

#endif
