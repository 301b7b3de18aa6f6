/* SPDX-License-Identifier: MIT
 * I/O APIC 82093AA at FEC00000h: 24 inputs, each with a redirection entry that
 * turns it into a message to local APICs. Source: Intel 82093AA data sheet
 * (290566); the EOI register of version 20h: ICH data sheets. */
#ifndef HW_IOAPIC_H
#define HW_IOAPIC_H

#include "hw/apic-bus.h"
#include "hw/device.h"

#define IOAPIC_BASE UINT64_C(0xfec00000)
#define IOAPIC_PINS 24

/* Version register values: 11h is the 82093AA, 20h has the EOI register. */
#define IOAPIC_VERSION_82093AA 0x11
#define IOAPIC_VERSION_EOI     0x20

typedef struct Ioapic Ioapic;

/* apic_bus outlives the device. */
Ioapic *ioapic_new(const DeviceBus *bus, ApicBus *apic_bus, uint8_t version);
/* Input `pin` (0..23). The line carries "asserted", whatever the polarity. */
IrqLine ioapic_input(Ioapic *ioapic, int pin);

#endif
