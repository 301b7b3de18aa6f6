/* SPDX-License-Identifier: MIT
 * A debug console port: bytes written go to the host, reading returns e9h, which tells firmware
 * that somebody listens. SeaBIOS uses 402h, Bochs-style guests E9h. One device a port. */
#ifndef HW_DEBUG_PORTS_H
#define HW_DEBUG_PORTS_H

#include "hw/char/chardev.h"
#include "hw/device.h"

#define DEBUG_PORT_SEABIOS 0x402
#define DEBUG_PORT_BOCHS   0xe9

typedef struct DebugPort DebugPort;

/* chardev: NULL drops what is written; front: the number chardev_attach gave. */
DebugPort *debug_port_new(const DeviceBus *bus, uint16_t port, Chardev *chardev, int front);

#endif
