/* SPDX-License-Identifier: MIT
 * Command lines: each line of the input is one argument. */
#include <string.h>

#include "cli/config.h"
#include "tests/fuzz/fuzz.h"

enum { ARGUMENTS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    fuzz_enter_sandbox();
    g_autofree char *text = fuzz_text(bytes, count);
    g_autofree char *line = g_strconcat("dbtvm\n", text, NULL);
    g_auto(GStrv) argv = g_strsplit(line, "\n", ARGUMENTS_MAX);
    g_autoptr(GError) error = NULL;
    Config config;
    int code = -1;
    if (config_parse(&config, (int)g_strv_length(argv), argv, &code, &error))
        config_clear(&config);
    else
        g_assert(code == 0 ? !error : error && error->message[0]);
    return 0;
}
