/* SPDX-License-Identifier: MIT
 * wait: the command ends when a console or the screen shows a text. Seconds are the host's. */
#include <string.h>

#include "monitor/command.h"

enum { SECONDS = 60, SECONDS_MAX = 1000000, LOOK_US = 100000, SHOWN_MAX = 120 };

typedef struct Wait Wait;

struct Wait {
    Machine *machine;
    char *place; /* screen, exit or the label of a chardev */
    char *pattern;
    GRegex *regex;
    int64_t seconds, deadline_us;
    bool (*look)(Wait *wait);
    int64_t next_look_us;
    MachineChardev *chardev;
    uint64_t looked_at; /* its tap's total then */
};

static void wait_free(void *opaque)
{
    Wait *wait = opaque;
    g_clear_pointer(&wait->regex, g_regex_unref);
    g_free(wait->place);
    g_free(wait->pattern);
    g_free(wait);
}

/* Where the first match ends, or -1. A pattern that takes too long matches nothing. */
static int match_end(const Wait *wait, const char *text, gssize length)
{
    GMatchInfo *match;
    int end = -1;
    if (g_regex_match_full(wait->regex, text, length, 0, 0, &match, NULL))
        g_match_info_fetch_pos(match, 0, NULL, &end);
    g_match_info_free(match);
    return end;
}

/* What came since the last match. */
static bool look_at_chardev(Wait *wait)
{
    MachineChardev *place = wait->chardev;
    address_space_lock(wait->machine->as);
    uint64_t total = chardev_tap_total(place->chardev), from = place->seen;
    GString *text =
        total != wait->looked_at ? chardev_tap_read(place->chardev, &from) : g_string_new(NULL);
    address_space_unlock(wait->machine->as);
    int end = match_end(wait, text->str, (gssize)text->len);
    g_string_free(text, TRUE);
    wait->looked_at = total;
    if (end >= 0)
        place->seen = from + (uint64_t)end;
    return end >= 0;
}

static char *screen_text(Machine *machine)
{
    machine_enter(machine);
    char *text = vga_screen_text(pc_vga(machine->pc));
    machine_leave(machine);
    return text;
}

static bool look_at_screen(Wait *wait)
{
    int64_t now = g_get_monotonic_time();
    if (now < wait->next_look_us)
        return false;
    wait->next_look_us = now + LOOK_US;
    g_autofree char *text = screen_text(wait->machine);
    return text && match_end(wait, text, -1) >= 0;
}

static bool look_for_exit(Wait *wait)
{
    return false; /* nobody asks any more when it happens */
}

/* Its last line with something in it. */
static char *last_line(Wait *wait)
{
    uint64_t from = 0;
    address_space_lock(wait->machine->as);
    GString *text = chardev_tap_read(wait->chardev->chardev, &from);
    address_space_unlock(wait->machine->as);
    while (text->len && g_ascii_isspace(text->str[text->len - 1]))
        g_string_truncate(text, text->len - 1);
    const char *line = strrchr(text->str, '\n');
    line = line ? line + 1 : text->str;
    size_t length = strlen(line);
    char *shown = g_strescape(line + (length > SHOWN_MAX ? length - SHOWN_MAX : 0), NULL);
    g_string_free(text, TRUE);
    return shown;
}

static void explain_timeout(Wait *wait, GString *out, GError **error)
{
    int seconds = (int)wait->seconds;
    if (wait->chardev) {
        g_autofree char *line = last_line(wait);
        command_error(error, "%s did not show /%s/ within %d s; its last line is \"%s\"",
                      wait->place, wait->pattern, seconds, line);
    } else if (!strcmp(wait->place, "screen")) {
        g_autofree char *text = screen_text(wait->machine);
        g_string_append(out, text ? text : "the screen shows graphics, not text\n");
        command_error(error, "the screen did not show /%s/ within %d s", wait->pattern, seconds);
    } else {
        command_error(error, "the machine did not end within %d s", seconds);
    }
}

static PollResult poll_wait(void *state, GString *out, GError **error)
{
    Wait *wait = state;
    if (wait->look(wait))
        return POLL_DONE;
    if (g_get_monotonic_time() < wait->deadline_us)
        return POLL_AGAIN;
    explain_timeout(wait, out, error);
    return POLL_FAILED;
}

static bool find_place(Command *command, Wait *wait, GError **error)
{
    Machine *machine = command->machine;
    if (!strcmp(wait->place, "exit")) {
        wait->look = look_for_exit;
        command->awaits_exit = true;
        return true;
    }
    if (!strcmp(wait->place, "screen")) {
        wait->look = look_at_screen;
        return pc_vga(machine->pc) || command_error(error, "the machine has no display");
    }
    const char *label = !strcmp(wait->place, "serial") ? "serial0" : wait->place;
    wait->chardev = machine_chardev(machine, label);
    wait->look = look_at_chardev;
    return (wait->chardev && chardev_is_tapped(wait->chardev->chardev)) ||
           command_error(error,
                         "nothing can be read from '%s'; wait knows serial, serial1, "
                         "debugcon, debugcon1, screen and exit where the machine has them",
                         wait->place);
}

static bool take_pattern(Command *command, Wait *wait, GError **error)
{
    g_autoptr(GError) bad = NULL;
    wait->pattern = command_pattern(command, "regular expression", error);
    if (!wait->pattern)
        return false;
    /* Bytes, because a guest may send anything. */
    /* Not G_REGEX_OPTIMIZE: its JIT wants memory that is writable and executable. */
    wait->regex = g_regex_new(wait->pattern, G_REGEX_RAW | G_REGEX_MULTILINE,
                              G_REGEX_MATCH_NEWLINE_ANYCRLF, &bad);
    return wait->regex || command_error(error, "%s", bad->message);
}

static bool take_seconds(Command *command, Wait *wait, GError **error)
{
    uint64_t seconds = SECONDS;
    if (command_has_more(command) && !command_number(command, "time", &seconds, error))
        return false;
    if (seconds > SECONDS_MAX)
        return command_error(error, "at most %d seconds", SECONDS_MAX);
    wait->seconds = (int64_t)seconds;
    wait->deadline_us = g_get_monotonic_time() + wait->seconds * G_USEC_PER_SEC;
    return command_end(command, error);
}

bool command_wait(Command *command, GError **error)
{
    Wait *wait = g_new0(Wait, 1);
    wait->machine = command->machine;
    wait->looked_at = UINT64_MAX;
    wait->place = command_word(command, "place (serial, screen, exit)", error);
    if (!wait->place || !find_place(command, wait, error) ||
        (!command->awaits_exit && !take_pattern(command, wait, error)) ||
        !take_seconds(command, wait, error)) {
        wait_free(wait);
        return false;
    }
    command->poll = poll_wait;
    command->poll_state = wait;
    command->poll_free = wait_free;
    return true;
}
