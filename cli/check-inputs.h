/* SPDX-License-Identifier: MIT
 * Looks at every file that the machine will be built from, before anything is written. */
#ifndef CLI_CHECK_INPUTS_H
#define CLI_CHECK_INPUTS_H

#include "cli/config.h"

/* Firmware, kernel, drives: those that building the machine would refuse are refused here, when no
 * log, socket or output file exists yet. */
bool check_inputs(const Config *config, GError **error);

#endif
