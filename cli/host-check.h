/* SPDX-License-Identifier: MIT
 * Whether this host can run us. */
#ifndef CLI_HOST_CHECK_H
#define CLI_HOST_CHECK_H

#include <glib.h>
#include <stdbool.h>

/* The baseline that generated code uses: BMI2 and LAHF in 64-bit mode. */
bool host_check(GError **error);

#endif
