/* SPDX-License-Identifier: MIT */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/check-inputs.h"
#include "cli/config.h"
#include "cli/doctor.h"
#include "cli/exit-codes.h"
#include "cli/host-check.h"
#include "cli/vm.h"
#include "hw/char/chardev.h"

static int fail(GError *error, bool strict)
{
    const bool host = g_error_matches(error, DBTVM_ERROR, DBTVM_ERROR_HOST);
    fprintf(stderr, "dbtvm: %s\n", error->message);
    g_error_free(error);
    return strict && host ? CODE_HOST : CODE_USER_ERROR;
}

static void on_internal_error(int number)
{
    chardev_restore_terminal();
    _exit(CODE_INTERNAL);
}

/* --strict-exit: a crash of ours is a code, not a signal. */
static void catch_internal_errors(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        signal(signals[i], on_internal_error);
}

/* Of the user's locale we take how characters are written, if that is UTF-8. In any other charset GLib
 * converts each error's text by iconv, which loads a module when it is first needed: that is new code,
 * for which the sandbox ends the process. Names of files are bytes and stay what they are. Messages stay
 * English, for their catalogs are files, in any charset, that the sandbox may hide; numbers keep their
 * point, for programs read them. */
static void set_locale(void)
{
    static const char *const glib_charsets[] = {"CHARSET", "G_FILENAME_ENCODING",
                                                "G_BROKEN_FILENAMES"};
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
            setlocale(LC_CTYPE, "C"); /* ASCII, which iconv knows without a module */
    for (size_t i = 0; i < G_N_ELEMENTS(glib_charsets); i++)
        g_unsetenv(glib_charsets[i]); /* come before the locale there */
}

int main(int argc, char **argv)
{
    set_locale();
    if (argc == 2 && !strcmp(argv[1], "doctor"))
        return doctor_run();
    Config config = {0};
    GError *error = NULL;
    int code = CODE_USER_ERROR;
    if (!config_parse(&config, argc, argv, &code, &error)) {
        config_clear(&config);
        return error ? fail(error, false) : code;
    }
    Vm *vm = NULL;
    const bool strict = config.strict_exit;
    if (strict)
        catch_internal_errors();
    if (!host_check(&error) || !check_inputs(&config, &error) ||
        !log_open(config.log_items, config.log_file, &error) || !(vm = vm_new(&config, &error))) {
        config_clear(&config);
        return fail(error, strict);
    }
    code = vm_run(vm);
    vm_free(vm);
    config_clear(&config);
    return code;
}
