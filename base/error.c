/* SPDX-License-Identifier: MIT */
#include "base/error.h"

G_DEFINE_QUARK(dbtvm-error, dbtvm_error)
