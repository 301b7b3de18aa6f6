/* SPDX-License-Identifier: MIT
 * A debug console port: bytes written go to the host, reading returns e9h, which tells firmware
 * that somebody listens. SeaBIOS logs to 402h, Bochs-style guests use E9h. One device a port. */
#ifndef HW_DEBUG_PORTS_H
#define HW_DEBUG_PORTS_H

#include "hw/char/chardev.h"
#include "hw/device.h"

#define DEBUG_PORT_SEABIOS 0x402
#define DEBUG_PORT_BOCHS   0xe9

typedef struct DebugPort DebugPort;

/* chardev: NULL drops what is written. */
DebugPort *debug_port_new(const DeviceBus *bus, uint16_t port, Chardev *chardev);

#endif
