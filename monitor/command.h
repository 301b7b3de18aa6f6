/* SPDX-License-Identifier: MIT
 * What a monitor command is, and how it takes its arguments. Private to monitor/. */
#ifndef MONITOR_COMMAND_H
#define MONITOR_COMMAND_H

#include "monitor/machine.h"

typedef enum { POLL_AGAIN, POLL_DONE, POLL_FAILED } PollResult;
typedef PollResult (*CommandPoll)(void *state, GString *out, GError **error);

typedef struct {
    Machine *machine;
    const char *rest; /* of the line; blanks skipped */
    char format[16];  /* what stood behind a slash: x/10i */
    GString *out;
    const GPtrArray *history; /* lines typed before; NULL: nobody types */
    bool leaving;             /* no prompt after this */
    /* The command goes on: poll is called every few milliseconds on the main loop until it is
     * done. NULL: it was done at once. */
    CommandPoll poll;
    void *poll_state;
    GDestroyNotify poll_free;
    bool awaits_exit; /* what it waits for is the end of the process */
    bool unattended;  /* it goes on even when nobody polls */
} Command;

typedef bool (*CommandRun)(Command *command, GError **error);

/* The next word ("quoted" with \\ and \n escapes); caller frees. NULL and *error: none left. `what`
 * names it in the message. */
char *command_word(Command *command, const char *what, GError **error);
/* As command_word, but a quoted word stays as it is: backslashes are the regular expression's. */
char *command_pattern(Command *command, const char *what, GError **error);
bool command_expression(Command *command, const char *what, uint64_t *value, GError **error);
/* An expression that is one word, where another may follow: "10 -5" are two. */
bool command_number(Command *command, const char *what, uint64_t *value, GError **error);
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

/* Run the line that command->rest is at. false: it failed. */
bool command_run(Command *command, GError **error);
/* One line: the instruction that is executed next. */
void command_show_code(Machine *machine, GString *out);
/* What may stand instead of the last word of `line`: whole words. */
void command_complete(Machine *machine, const char *line, GPtrArray *matches);

#define COMMAND(name, alias, run, args, help) bool run(Command *command, GError **error);
#define INFO(name, run, help)                 bool run(Command *command, GError **error);
#include "monitor/commands.def"
#include "monitor/infos.def"
#undef COMMAND
#undef INFO

#endif
