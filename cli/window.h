/* SPDX-License-Identifier: MIT
 * The machine's window on the host's desktop. */
#ifndef CLI_WINDOW_H
#define CLI_WINDOW_H

#include "cli/vm.h"
#include "hw/display/display.h"

/* NULL: none is wanted, or there can be none (it says so). */
SdlDisplay *window_open(Vm *vm, const Config *config);

#endif
