/* SPDX-License-Identifier: MIT
 * Between options.c (the table and the walk over argv) and the files that handle
 * one subject each. */
#ifndef CLI_OPTIONS_PRIV_H
#define CLI_OPTIONS_PRIV_H

#include "cli/config.h"
#include "cli/key-values.h"

typedef struct OptionRow OptionRow;

/* What is known only while the command line is read. */
typedef struct {
    Config *config;
    bool leave; /* a help text was printed: exit 0 */
    bool no_defaults, vga_given;
    const char *accel_refused; /* one that is not there was asked for: its name */
    bool accel_found;
    uint16_t debugcon_port; /* -global; 0: not given */
    unsigned serials;
    GArray *chardevs;     /* of ConsoleConfig; NULL: none yet */
    GPtrArray *drive_ids; /* NULL: none yet */
} Parser;

typedef bool (*OptionHandler)(Parser *parser, const OptionRow *row, const char *argument,
                              GError **error);

struct OptionRow {
    const char *name;
    const char *argument;  /* its name in the help; NULL: takes none */
    OptionHandler handler; /* NULL: a section title (name) */
    size_t data;           /* the handler's: an offset into Config, an index */
    const char *help;      /* refused options: why */
};

#define SECTION(title)
#define OPTION(name, argument, handler, data, help)                                                \
    bool handler(Parser *parser, const OptionRow *row, const char *text, GError **error);
#define REFUSED(name, argument, why)
#include "cli/options.def"
#undef SECTION
#undef OPTION
#undef REFUSED

void option_chardevs_clear(Parser *parser);
void option_drives_clear(Parser *parser);
/* After the last option: defaults, references, contradictions. */
bool option_chardevs_finish(Parser *parser, GError **error);
bool option_drives_finish(Parser *parser, GError **error);
bool option_machine_finish(Parser *parser, GError **error);
void option_data_dirs_finish(Parser *parser); /* the built-in directories come last */
bool option_add_drive_file(Parser *parser, const char *file, GError **error);
/* For -device isa-debugcon: spec as for -debugcon, or chardev:ID; port 0: the default. */
bool option_add_debugcon(Parser *parser, const char *spec, uint16_t port, GError **error);
/* The help of a -NAME help: to stdout, then leave with 0. */
bool option_print(Parser *parser, const char *text);

#endif
