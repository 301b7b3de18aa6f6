/* SPDX-License-Identifier: MIT
 * 82371SB (PIIX3) PCI-to-ISA bridge at 00:01.0, 8086:7000: routes PIRQA-D to ISA interrupts
 * and owns the reset control register CF9h and the coprocessor error register F0h. */
#ifndef HW_PIIX3_H
#define HW_PIIX3_H

#include "hw/pci.h"

typedef struct Piix3 Piix3;

typedef struct {
    /* The interrupt inputs: each is driven with the OR of the PIRQs routed to it (only the lines
     * that a route can name: 3-7, 9-12, 14, 15), 13 by FERR#. */
    IrqLine irq[16];
    IrqLine reset; /* pulsed by CF9h */
    IrqLine ignne; /* the CPU's IGNNE# */
} Piix3Wires;

Piix3 *piix3_new(const DeviceBus *bus, PciBus *pci, const Piix3Wires *wires);
/* The CPU's FERR#. */
IrqLine piix3_ferr_input(Piix3 *piix);
/* The receiver of the PCI bus's four wires; create the bus with
 * {piix3_pirq_handler, &piix3_pointer, n}: the bridge is born after the bus. */
void piix3_pirq_handler(void *piix3_pointer, int number, bool level);

#endif
