/* SPDX-License-Identifier: MIT
 * A port that ends the machine with an exit code, for tests that run inside a guest. */
#ifndef HW_ISA_DEBUG_EXIT_H
#define HW_ISA_DEBUG_EXIT_H

#include "hw/device.h"

#define ISA_DEBUG_EXIT_IOBASE 0x501
#define ISA_DEBUG_EXIT_IOSIZE 2

typedef struct IsaDebugExit IsaDebugExit;
typedef void (*IsaDebugExitFn)(void *opaque, int code);

/* A write of v calls fn with (v << 1) | 1, which is never 0. fn must not free the device. */
IsaDebugExit *isa_debug_exit_new(const DeviceBus *bus, uint16_t iobase, unsigned iosize,
                                 IsaDebugExitFn fn, void *opaque);

#endif
