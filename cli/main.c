/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <stdio.h>

#include "base/log.h"
#include "cli/config.h"
#include "cli/host-check.h"
#include "cli/vm.h"

static int fail(GError *error)
{
    fprintf(stderr, "dbtvm: %s\n", error->message);
    g_error_free(error);
    return 1;
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    Config config = {0};
    GError *error = NULL;
    int code = 1;
    if (!config_parse(&config, argc, argv, &code, &error)) {
        config_clear(&config);
        return error ? fail(error) : code;
    }
    Vm *vm = NULL;
    if (!host_check(&error) || !log_open(config.log_items, config.log_file, &error) ||
        !(vm = vm_new(&config, &error))) {
        config_clear(&config);
        return fail(error);
    }
    code = vm_run(vm);
    vm_free(vm);
    config_clear(&config);
    return code;
}
