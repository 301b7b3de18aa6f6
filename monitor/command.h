/* SPDX-License-Identifier: MIT
 * What a monitor command is, and how it takes its arguments. Private to monitor/. */
#ifndef MONITOR_COMMAND_H
#define MONITOR_COMMAND_H

#include "monitor/machine.h"

typedef struct {
    Machine *machine;
    const char *rest; /* of the line; blanks skipped */
    char format[16];  /* what stood behind a slash: x/10i */
    GString *out;
    bool leaving; /* no prompt after this */
} Command;

typedef bool (*CommandRun)(Command *command, GError **error);

/* The next word ("quoted" with \\ and \n escapes); caller frees. NULL and *error: none left. `what`
 * names it in the message. */
char *command_word(Command *command, const char *what, GError **error);
bool command_expression(Command *command, const char *what, uint64_t *value, GError **error);
/* SELECTOR:OFFSET or a linear address. */
bool command_address(Command *command, uint64_t *value, GError **error);
bool command_has_more(const Command *command);
bool command_end(const Command *command, GError **error);
bool command_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Text with \n \t \\ \" \e escapes resolved, or NULL and *error; caller frees. */
char *command_unescape(const char *text, size_t length, GError **error);

/* The vCPU out of translated code and the devices still, from enter to leave. */
void machine_enter(Machine *machine);
void machine_leave(Machine *machine);
bool machine_register(const Machine *machine, const char *name, uint64_t *value);
int machine_code_bits(const Machine *machine);

/* monitor_execute; false: this was quit. */
bool command_execute(Machine *machine, const char *line, GString *out);

#define COMMAND(name, alias, run, args, help) bool run(Command *command, GError **error);
#define INFO(name, run, help)                 bool run(Command *command, GError **error);
#include "monitor/commands.def"
#include "monitor/infos.def"
#undef COMMAND
#undef INFO

#endif
