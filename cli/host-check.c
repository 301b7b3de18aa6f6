/* SPDX-License-Identifier: MIT */
#include "cli/host-check.h"

#include <cpuid.h>

#include "base/error.h"

bool host_check(GError **error)
{
    unsigned a, b, c, d;
    const bool bmi2 = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_BMI2);
    const bool lahf = __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1);
    if (bmi2 && lahf)
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                "this CPU lacks %s, which the generated code needs (Intel Haswell, AMD Excavator or "
                "newer)",
                bmi2 ? "LAHF in 64-bit mode" : "BMI2");
    return false;
}
