/* SPDX-License-Identifier: MIT
 * 82371AB (PIIX4) power management function at 00:01.3, 8086:7113: ACPI fixed registers,
 * GPE0, SMBus host without devices, and the APM ports B2h/B3h. */
#ifndef HW_PIIX4_PM_H
#define HW_PIIX4_PM_H

#include "hw/pci.h"

typedef struct Piix4Pm Piix4Pm;

/* sci: IRQ 9. power_off: pulsed when the guest enters S5; number is kept. */
Piix4Pm *piix4_pm_new(const DeviceBus *bus, PciBus *pci, const IrqLine *sci,
                      const IrqLine *power_off);
/* The user pressed the power button. */
void piix4_pm_power_button(Piix4Pm *pm);

#endif
