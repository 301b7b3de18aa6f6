/* SPDX-License-Identifier: MIT
 * What --check found, as a report for whoever mends it. */
#ifndef CLI_CHECK_REPORT_H
#define CLI_CHECK_REPORT_H

#include "cli/config.h"

/* To stderr and to the file that --check-report names. text: the engine's. */
void check_report_write(const Config *config, const char *text);

#endif
