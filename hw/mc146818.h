/* SPDX-License-Identifier: MIT
 * The PC's MC146818 real-time clock and CMOS memory: 128 bytes behind ports 70h-71h, 128 more
 * behind 72h-73h, century in byte 32h. */
#ifndef HW_MC146818_H
#define HW_MC146818_H

#include "hw/device.h"

typedef struct Mc146818 Mc146818;

/* unix_seconds: the date (as the guest shall see it, local or UTC) at the clock's zero. */
Mc146818 *mc146818_new(const DeviceBus *bus, IrqLine irq, int64_t unix_seconds);

/* For the board: memory size, drive types, boot order... index 0..255; not the clock's own
 * registers (0-Dh, 32h). */
void mc146818_set_cmos(Mc146818 *rtc, unsigned index, uint8_t value);

/* Bit 7 of port 70h: the guest masks NMI.
 * DEVIATES: nobody asks. The board has no source of NMI but the monitor's command, which stands for a
 * debugger's wish: firmware leaves the mask on, and it is to work in guests that know nothing of it. */
bool mc146818_nmi_masked(const Mc146818 *rtc);

#endif
