/* SPDX-License-Identifier: MIT
 * Commands that press keys and move the mouse. */
#include <string.h>

#include "monitor/command.h"
#include "monitor/keys.h"

enum { HOLD_MS = 100, HOLD_MAX_MS = 10000, TYPE_HOLD_MS = 0, TYPE_MAX = 4096 };
enum { MOVE_MAX = 10000, BUTTONS = 3, SEND_PATIENCE_US = 10 * G_USEC_PER_SEC };

/* Keys */

static bool press(Command *command, const KeyCombination *keys, unsigned hold_ms, GError **error)
{
    return key_queue_push(command->machine, keys, hold_ms) ||
           command_error(error, "too many keys wait for the guest already");
}

static PollResult poll_keys(void *state, GString *out, GError **error)
{
    Machine *machine = state;
    switch (key_queue_state(machine)) {
    case KEYS_READ:
        return POLL_DONE;
    case KEYS_WAITING:
        if (machine->running(machine))
            return POLL_AGAIN;
        g_string_append(out, "the machine is stopped; the keys wait\n");
        return POLL_DONE;
    case KEYS_DROPPED:
        break;
    }
    command_error(error, "the guest does not read its keyboard; keys were dropped");
    return POLL_FAILED;
}

/* The command is done when the guest has read the keys. */
static void wait_for_keys(Command *command)
{
    command->poll = poll_keys;
    command->poll_state = command->machine;
    command->unattended = true;
}

bool command_sendkey(Command *command, GError **error)
{
    KeyCombination keys;
    uint64_t hold = HOLD_MS;
    g_autofree char *word = command_word(command, "key", error);
    if (!word || !keys_parse(word, &keys, error))
        return false;
    if (command_has_more(command) && !command_expression(command, "time", &hold, error))
        return false;
    if (hold > HOLD_MAX_MS)
        return command_error(error, "keys can be held for %d ms at most", HOLD_MAX_MS);
    if (!command_end(command, error))
        return false;
    wait_for_keys(command);
    return press(command, &keys, (unsigned)hold, error);
}

static bool check_text(const char *text, GError **error)
{
    KeyCombination keys;
    if (strlen(text) > TYPE_MAX)
        return command_error(error, "more than %d characters", TYPE_MAX);
    for (const char *p = text; *p; p++)
        if (!keys_for_character(*p, &keys))
            return command_error(error, "no key types character 0x%02x", (uint8_t)*p);
    return true;
}

/* All the rest of the line, or one quoted word; NULL and *error. */
static char *take_text(Command *command, GError **error)
{
    if (*command->rest == '"') {
        char *text = command_word(command, "text", error);
        if (text && !command_end(command, error))
            g_clear_pointer(&text, g_free);
        return text;
    }
    if (command_has_more(command))
        return command_unescape(command->rest, strlen(command->rest), error);
    command_error(error, "text is missing");
    return NULL;
}

bool command_type(Command *command, GError **error)
{
    g_autofree char *text = take_text(command, error);
    if (!text || !check_text(text, error))
        return false;
    wait_for_keys(command);
    for (const char *p = text; *p; p++) {
        KeyCombination keys;
        keys_for_character(*p, &keys);
        if (!press(command, &keys, TYPE_HOLD_MS, error))
            return false;
    }
    return true;
}

/* Serial ports */

typedef struct {
    Machine *machine;
    Chardev *chardev;
    char *text;
    size_t sent, length;
    int64_t last_us; /* when some was taken */
} Send;

static void send_free(void *opaque)
{
    Send *send = opaque;
    g_free(send->text);
    g_free(send);
}

static PollResult poll_send(void *state, GString *out, GError **error)
{
    Send *send = state;
    int64_t now = g_get_monotonic_time();
    address_space_lock(send->machine->as);
    size_t taken = chardev_inject(send->chardev, (const uint8_t *)send->text + send->sent,
                                  send->length - send->sent);
    address_space_unlock(send->machine->as);
    send->sent += taken;
    if (send->sent == send->length)
        return POLL_DONE;
    if (taken > 0)
        send->last_us = now;
    if (now - send->last_us < SEND_PATIENCE_US)
        return POLL_AGAIN;
    command_error(error, "the guest does not read the port; %zu bytes were not sent",
                  send->length - send->sent);
    return POLL_FAILED;
}

bool command_send(Command *command, GError **error)
{
    g_autofree char *name = command_word(command, "port", error);
    g_autofree char *text = name ? take_text(command, error) : NULL;
    if (!text)
        return false;
    MachineChardev *port =
        machine_chardev(command->machine, strcmp(name, "serial") != 0 ? name : "serial0");
    if (!port || !g_str_has_prefix(port->label, "serial"))
        return command_error(error, "there is no serial port '%s'", name);
    Send *send = g_new0(Send, 1);
    *send = (Send){.machine = command->machine,
                   .chardev = port->chardev,
                   .text = g_steal_pointer(&text),
                   .last_us = g_get_monotonic_time()};
    send->length = strlen(send->text);
    command->poll = poll_send;
    command->poll_state = send;
    command->poll_free = send_free;
    return true;
}

/* Mouse */

static bool take_step(Command *command, const char *what, int *step, GError **error)
{
    uint64_t value;
    if (!command_number(command, what, &value, error))
        return false;
    *step = (int)CLAMP((int64_t)value, -MOVE_MAX, MOVE_MAX);
    return *step == (int64_t)value ||
           command_error(error, "%s must be from -%d to %d", what, MOVE_MAX, MOVE_MAX);
}

static bool move_mouse(Machine *machine, int dx, int dy, int dz)
{
    address_space_lock(machine->as);
    i8042_mouse(pc_keyboard(machine->pc), dx, dy, dz, machine->mouse_buttons);
    address_space_unlock(machine->as);
    return true;
}

bool command_mouse_move(Command *command, GError **error)
{
    int dx, dy, dz = 0;
    if (!take_step(command, "x", &dx, error) || !take_step(command, "y", &dy, error) ||
        (command_has_more(command) && !take_step(command, "z", &dz, error)))
        return false;
    return command_end(command, error) && move_mouse(command->machine, dx, dy, dz);
}

/* Users say 1 left, 2 middle, 4 right; the device has right and middle the other way round. */
bool command_mouse_button(Command *command, GError **error)
{
    uint64_t value;
    if (!command_number(command, "button state", &value, error) || !command_end(command, error))
        return false;
    if (value >= 1u << BUTTONS)
        return command_error(error, "buttons are 1 (left) + 2 (middle) + 4 (right)");
    unsigned held = (unsigned)value;
    command->machine->mouse_buttons = (held & 1) | (held & 2) << 1 | (held & 4) >> 1;
    return move_mouse(command->machine, 0, 0, 0);
}
