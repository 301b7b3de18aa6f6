/* SPDX-License-Identifier: MIT */
#include "cli/check-report.h"

#include <stdio.h>
#include <unistd.h>

static char *report_file(const Config *config)
{
    return config->check_report ? g_strdup(config->check_report)
                                : g_strdup_printf("dbtvm-check-%d.txt", (int)getpid());
}

void check_report_write(const Config *config, const char *text)
{
    g_autofree char *file = report_file(config);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_string_append_printf(out,
                           "dbtvm: --check: translated code and the interpreter differ; the guest "
                           "was stopped\nBuild: dbtvm " DBTVM_VERSION ", " __VERSION__
                           "\nMachine: -cpu %s, %" G_GUINT64_FORMAT " MiB\n",
                           config->cpu, config->ram_bytes >> 20);
    g_string_append(out, text);
    fputs(out->str, stderr);
    if (g_file_set_contents(file, out->str, (gssize)out->len, &error))
        fprintf(stderr, "dbtvm: this report is in '%s'\n", file);
    else
        fprintf(stderr, "dbtvm: --check-report: %s\n", error->message);
}
