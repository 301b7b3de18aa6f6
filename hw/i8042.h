/* SPDX-License-Identifier: MIT
 * The PC's 8042 keyboard controller (ports 60h, 64h) with a PS/2 keyboard and a PS/2 wheel
 * mouse plugged in. */
#ifndef HW_I8042_H
#define HW_I8042_H

#include "hw/device.h"

typedef struct I8042 I8042;

#define I8042_KEY_PAUSE 0xe11d45

typedef struct {
    IrqLine keyboard; /* IRQ 1 */
    IrqLine mouse;    /* IRQ 12 */
    IrqLine reset;    /* pulsed */
    IrqLine a20;      /* driven when the guest writes; the last writer on the board wins */
} I8042Wires;

I8042 *i8042_new(const DeviceBus *bus, const I8042Wires *wires);

/* A key went down (again: typematic repeat) or up. scancode: set 1 make code, e0xxh for
 * extended keys, or I8042_KEY_PAUSE. Ignored while the guest has the keyboard switched off. */
void i8042_key(I8042 *kbc, unsigned scancode, bool down);
/* Movement in screen direction (x right, y down, z: wheel steps away from the user) and the
 * buttons now held: bit 0 left, 1 right, 2 middle, 3 and 4 side buttons. */
void i8042_mouse(I8042 *kbc, int dx, int dy, int dz, unsigned buttons);

/* The guest has not read all keyboard bytes yet. */
bool i8042_key_pending(const I8042 *kbc);
/* Lights as the guest set them: bit 0 scroll, 1 num, 2 caps lock. */
unsigned i8042_leds_for_test(const I8042 *kbc);

#endif
