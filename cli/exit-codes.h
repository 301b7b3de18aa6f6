/* SPDX-License-Identifier: MIT
 * How the process ends. Without --strict-exit what ends the guest is 0, as in QEMU; isa-debug-exit's
 * odd codes, --timeout's and errors at the start (1) are the same either way. */
#ifndef CLI_EXIT_CODES_H
#define CLI_EXIT_CODES_H

enum {
    CODE_POWER_OFF = 0,
    CODE_USER_ERROR = 1,
    CODE_TRIPLE_FAULT = 80,
    CODE_PANIC = 81,
    CODE_RESET_LOOP = 82,
    CODE_DEAD_HALT = 83,
    CODE_CHECK = 84, /* with --check only, whatever --strict-exit says */
    CODE_TIMEOUT = 124,
    CODE_INTERNAL = 125,
    CODE_HOST = 126,
};

#endif
