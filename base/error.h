/* SPDX-License-Identifier: MIT
 * The one GError domain of set-up and user errors: files, options, sockets,
 * monitor arguments. A message names the thing and the remedy. Guest faults
 * are not errors (translator/x86/fault.h). */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <glib.h>

#define DBTVM_ERROR dbtvm_error_quark()

typedef enum {
    DBTVM_ERROR_OPTION,      /* bad or unsupported option */
    DBTVM_ERROR_FILE,        /* file missing, unreadable, of the wrong kind or size */
    DBTVM_ERROR_HOST,        /* the host lacks something we need */
    DBTVM_ERROR_UNSUPPORTED, /* known, but not offered */
} DbtvmError;

GQuark dbtvm_error_quark(void);

#endif
