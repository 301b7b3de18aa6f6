/* SPDX-License-Identifier: MIT
 * A PC serial port: National Semiconductor PC16550D with its FIFOs. */
#ifndef HW_UART16550_H
#define HW_UART16550_H

#include "hw/char/chardev.h"
#include "hw/device.h"

typedef struct Uart16550 Uart16550;

#define UART_COM1_PORT 0x3f8 /* IRQ 4 */
#define UART_COM2_PORT 0x2f8 /* IRQ 3 */

/* Eight ports from `port`. chardev: not owned, NULL when nothing is plugged in. */
Uart16550 *uart16550_new(const DeviceBus *bus, uint16_t port, IrqLine irq, Chardev *chardev);

#endif
