/* SPDX-License-Identifier: MIT
 * High precision event timers at FED00000h: a 100 MHz counter read from the guest clock
 * and three comparators. In legacy replacement mode it takes IRQ 0 and IRQ 8 over, so the
 * 8254's and the real-time clock's lines run through it. Source: "IA-PC HPET (High
 * Precision Event Timers) Specification" 1.0a. */
#ifndef HW_HPET_H
#define HW_HPET_H

#include "hw/device.h"

#define HPET_BASE UINT64_C(0xfed00000)
/* I/O APIC inputs that a comparator may be routed to: 20..23, which nothing else uses. */
#define HPET_ROUTES 0x00f00000u

typedef struct Hpet Hpet;

typedef struct {
    IrqLine irq0;    /* the system timer's: 8259 input 0 and I/O APIC input 2 */
    IrqLine irq8;    /* the real-time clock's: 8259 and I/O APIC input 8 */
    IrqLine gsi[24]; /* I/O APIC inputs; those outside HPET_ROUTES are not driven */
} HpetWires;

Hpet *hpet_new(const DeviceBus *bus, const HpetWires *wires);
/* irq 0: where the 8254's output ends; irq 8: the real-time clock's. */
IrqLine hpet_legacy_input(Hpet *hpet, int irq);

#endif
