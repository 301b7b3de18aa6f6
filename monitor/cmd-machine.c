/* SPDX-License-Identifier: MIT
 * Commands that run, stop and log the machine and look at its screen. */
#include <string.h>

#include "base/log.h"
#include "base/trace.h"
#include "monitor/command.h"

enum { STEPS_MAX = 1000 };

bool command_quit(Command *command, GError **error)
{
    if (!command_end(command, error))
        return false;
    command->leaving = true;
    command->machine->quit(command->machine, 0);
    return true;
}

static bool simple(Command *command, void (*act)(Machine *machine), GError **error)
{
    if (!command_end(command, error))
        return false;
    act(command->machine);
    return true;
}

bool command_stop(Command *command, GError **error)
{
    return simple(command, command->machine->stop, error);
}

bool command_cont(Command *command, GError **error)
{
    if (command->machine->state(command->machine) == MACHINE_OFF)
        return command_error(error, "the guest has switched itself off; system_reset starts it");
    return simple(command, command->machine->cont, error);
}

/* Stepping */

typedef struct {
    Machine *machine;
    unsigned left; /* steps after the one that runs */
} Steps;

static PollResult poll_steps(void *state, GString *out, GError **error)
{
    Steps *steps = state;
    Machine *machine = steps->machine;
    if (machine->running(machine))
        return POLL_AGAIN;
    command_show_code(machine, out);
    if (steps->left == 0)
        return POLL_DONE;
    steps->left--;
    machine->step(machine, true, false);
    return POLL_AGAIN;
}

bool command_step(Command *command, GError **error)
{
    uint64_t count = 1;
    Machine *machine = command->machine;
    if (command_has_more(command) && !command_number(command, "count", &count, error))
        return false;
    if (!command_end(command, error))
        return false;
    if (machine->state(machine) == MACHINE_RUNNING || machine->state(machine) == MACHINE_OFF)
        return command_error(error, "the machine must be stopped (stop), not running or off");
    if (count < 1 || count > STEPS_MAX)
        return command_error(error, "from 1 to %d steps", STEPS_MAX);
    Steps *steps = g_new(Steps, 1);
    *steps = (Steps){machine, (unsigned)count - 1};
    command->poll = poll_steps;
    command->poll_state = steps;
    command->poll_free = g_free;
    machine->step(machine, true, false);
    return true;
}

bool command_system_reset(Command *command, GError **error)
{
    return simple(command, command->machine->reset, error);
}

bool command_system_powerdown(Command *command, GError **error)
{
    return simple(command, command->machine->power_button, error);
}

bool command_nmi(Command *command, GError **error)
{
    if (!command_end(command, error))
        return false;
    cpu_set_line(command->machine->cpu, CPU_LINE_NMI, true); /* an edge */
    return true;
}

/* Screen */

static bool write_screen(Machine *machine, const char *path, bool png, GError **error)
{
    Surface surface = {0};
    Vga *vga = pc_vga(machine->pc);
    if (!vga)
        return command_error(error, "the machine has no display");
    machine_enter(machine);
    vga_render(vga, &surface);
    machine_leave(machine);
    bool done = surface.pixels
                    ? (png ? surface_write_png : surface_write_ppm)(&surface, path, error)
                    : command_error(error, "the screen is dark");
    surface_clear(&surface);
    return done;
}

bool command_screendump(Command *command, GError **error)
{
    g_autofree char *path = command_word(command, "file", error);
    if (!path)
        return false;
    bool png = g_str_has_suffix(path, ".png");
    if (command_has_more(command)) {
        png = !strcmp(command->rest, "-f png");
        if (!png && strcmp(command->rest, "-f ppm") != 0)
            return command_error(error, "expected -f png or -f ppm, not '%s'", command->rest);
        command->rest += strlen(command->rest);
    }
    return command_end(command, error) && write_screen(command->machine, path, png, error);
}

bool command_screentext(Command *command, GError **error)
{
    Vga *vga = pc_vga(command->machine->pc);
    if (!command_end(command, error))
        return false;
    if (!vga)
        return command_error(error, "the machine has no display");
    machine_enter(command->machine);
    g_autofree char *text = vga_screen_text(vga);
    machine_leave(command->machine);
    if (!text)
        return command_error(error, "the screen shows graphics, not text");
    g_string_append(command->out, text);
    return true;
}

/* Log */

bool command_log(Command *command, GError **error)
{
    uint32_t mask = 0;
    g_autofree char *items = command_word(command, "list of items", error);
    if (!items || !command_end(command, error))
        return false;
    if (!strcmp(items, "help")) {
        g_autofree char *help = log_help();
        g_string_append(command->out, help);
        return true;
    }
    if (strcmp(items, "none") != 0 && !log_parse_items(items, &mask, error))
        return false;
    if (!strcmp(items, "none"))
        trace_set("*", false);
    machine_enter(command->machine);
    log_mask = mask;
    machine_leave(command->machine);
    return true;
}

bool command_logfile(Command *command, GError **error)
{
    g_autofree char *path = command_has_more(command) ? command_word(command, "file", error) : NULL;
    if ((error && *error) || !command_end(command, error))
        return false;
    machine_enter(command->machine);
    bool done = log_open(log_mask, path, error);
    machine_leave(command->machine);
    return done;
}

bool command_trace_event(Command *command, GError **error)
{
    g_autofree char *glob = command_word(command, "event", error);
    g_autofree char *state = glob ? command_word(command, "on or off", error) : NULL;
    if (!state || !command_end(command, error))
        return false;
    const bool on = !strcmp(state, "on");
    if (!on && strcmp(state, "off") != 0)
        return command_error(error, "must be on or off, not '%s'", state);
    return trace_set(glob, on) > 0 ||
           command_error(error, "no trace event is called '%s'; info trace-events lists them", glob);
}

bool info_trace_events(Command *command, GError **error)
{
    trace_list(command->out);
    return true;
}
