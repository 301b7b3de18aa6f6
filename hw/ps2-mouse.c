/* SPDX-License-Identifier: MIT
 * A PS/2 mouse with the IntelliMouse wheel and five-button extensions, after "IBM PS/2 Hardware
 * Interface Technical Reference", chapter Mouse, and Microsoft's IntelliMouse notes. */
#include "hw/ps2.h"

#include <glib.h>

#include "base/bits.h"
#include "base/log.h"

enum { REPLY_ACK = 0xfa, REPLY_RESEND = 0xfe, REPLY_BAT_OK = 0xaa };
enum {
    CMD_SCALING_1 = 0xe6,
    CMD_SCALING_2 = 0xe7,
    CMD_RESOLUTION = 0xe8,
    CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea,
    CMD_READ_DATA = 0xeb,
    CMD_WRAP_OFF = 0xec,
    CMD_WRAP_ON = 0xee,
    CMD_REMOTE = 0xf0,
    CMD_ID = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};
enum { ID_PLAIN = 0, ID_WHEEL = 3, ID_FIVE_BUTTONS = 4 };
enum { BUTTON_LEFT = 1, BUTTON_RIGHT = 2, BUTTON_MIDDLE = 4, BUTTONS_EXTRA = 0x18 };
enum { DEFAULT_RATE = 100, DEFAULT_RESOLUTION = 2 };
enum { MAX_QUEUED = 16 }; /* more movement than this waits as a sum */
enum { MAX_MOVEMENT = 1 << 20 };

static void reply(Ps2Mouse *mouse, uint8_t byte)
{
    ps2_queue_push(&mouse->replies, byte);
}

static void mouse_forget_movement(Ps2Mouse *mouse)
{
    ps2_queue_clear(&mouse->packets);
    mouse->dx = mouse->dy = mouse->dz = 0;
    mouse->reported = mouse->buttons;
}

static void mouse_defaults(Ps2Mouse *mouse)
{
    mouse->rate = DEFAULT_RATE;
    mouse->resolution = DEFAULT_RESOLUTION;
    mouse->scaling = mouse->enabled = mouse->remote = mouse->wrap = 0;
    mouse_forget_movement(mouse);
}

void ps2_mouse_reset(Ps2Mouse *mouse)
{
    *mouse = (Ps2Mouse){.buttons = mouse->buttons};
    mouse_defaults(mouse);
}

/* Take at most [low, high] out of a sum. */
static int take(int32_t *sum, int low, int high)
{
    int v = CLAMP(*sum, low, high);
    *sum -= v;
    return v;
}

/* 2:1 scaling applies to stream mode only. */
static int scale(int v)
{
    static const int8_t small[] = {0, 1, 1, 3, 6, 9};
    int magnitude = ABS(v);
    int scaled = magnitude <= 5 ? small[magnitude] : MIN(magnitude * 2, 255);
    return v < 0 ? -scaled : scaled;
}

static void mouse_push_packet(Ps2Mouse *mouse, Ps2Queue *queue, bool scaled)
{
    int dx = take(&mouse->dx, -255, 255), dy = take(&mouse->dy, -255, 255);

    if (scaled) {
        dx = scale(dx);
        dy = scale(dy);
    }
    ps2_queue_push(
        queue, (uint8_t)(0x08 | (mouse->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0)));
    ps2_queue_push(queue, (uint8_t)dx);
    ps2_queue_push(queue, (uint8_t)dy);
    if (mouse->id == ID_WHEEL)
        ps2_queue_push(queue, (uint8_t)take(&mouse->dz, -127, 127));
    else if (mouse->id == ID_FIVE_BUTTONS)
        ps2_queue_push(queue, (uint8_t)((take(&mouse->dz, -7, 7) & 0x0f) |
                                        (mouse->buttons & BUTTONS_EXTRA) << 1));
    else
        mouse->dz = 0;
    mouse->reported = mouse->buttons;
}

/* Stream mode: report what has accumulated, as far as the guest keeps up. */
static void mouse_stream(Ps2Mouse *mouse)
{
    while (mouse->enabled && !mouse->remote && mouse->packets.count < MAX_QUEUED &&
           (mouse->dx || mouse->dy || mouse->dz || mouse->buttons != mouse->reported))
        mouse_push_packet(mouse, &mouse->packets, mouse->scaling);
}

void ps2_mouse_move(Ps2Mouse *mouse, int dx, int dy, int dz, unsigned buttons)
{
    mouse->buttons = buttons & (BUTTON_LEFT | BUTTON_RIGHT | BUTTON_MIDDLE | BUTTONS_EXTRA);
    if (!mouse->enabled && !mouse->remote) {
        mouse->reported = mouse->buttons;
        return;
    }
    dx = CLAMP(dx, -MAX_MOVEMENT, MAX_MOVEMENT);
    dy = CLAMP(dy, -MAX_MOVEMENT, MAX_MOVEMENT);
    dz = CLAMP(dz, -MAX_MOVEMENT, MAX_MOVEMENT);
    mouse->dx = CLAMP(mouse->dx + dx, -MAX_MOVEMENT, MAX_MOVEMENT);
    mouse->dy = CLAMP(mouse->dy - dy, -MAX_MOVEMENT, MAX_MOVEMENT);
    mouse->dz = mouse->id ? CLAMP(mouse->dz - dz, -MAX_MOVEMENT, MAX_MOVEMENT) : 0;
    mouse_stream(mouse);
}

/* Three sample rates in a row are the knock that turns extensions on. */
static void mouse_set_rate(Ps2Mouse *mouse, uint8_t rate)
{
    const uint8_t *knock = mouse->knock;

    if (knock[0] == 200 && knock[1] == 100 && rate == 80)
        mouse->id = ID_WHEEL;
    else if (knock[0] == 200 && knock[1] == 200 && rate == 80)
        mouse->id = ID_FIVE_BUTTONS;
    mouse->knock[0] = mouse->knock[1];
    mouse->knock[1] = rate;
    mouse->rate = rate;
}

static void mouse_reply_status(Ps2Mouse *mouse)
{
    uint8_t buttons = (mouse->buttons & BUTTON_LEFT ? 4 : 0) |
                      (mouse->buttons & BUTTON_MIDDLE ? 2 : 0) |
                      (mouse->buttons & BUTTON_RIGHT ? 1 : 0);
    reply(mouse,
          (uint8_t)(mouse->remote << 6 | mouse->enabled << 5 | mouse->scaling << 4 | buttons));
    reply(mouse, mouse->resolution);
    reply(mouse, mouse->rate);
}

static void mouse_argument(Ps2Mouse *mouse, uint8_t command, uint8_t arg)
{
    reply(mouse, REPLY_ACK);
    if (command == CMD_RATE)
        mouse_set_rate(mouse, arg);
    else
        mouse->resolution = arg & 3;
}

/* false: not a command */
static bool mouse_command(Ps2Mouse *mouse, uint8_t command)
{
    if (command == CMD_RESEND) {
        reply(mouse, mouse->last);
        return true;
    }
    if (command == CMD_RESET)
        ps2_mouse_reset(mouse);
    reply(mouse, REPLY_ACK);
    switch (command) {
    case CMD_SCALING_1:
    case CMD_SCALING_2:
        mouse->scaling = command == CMD_SCALING_2;
        break;
    case CMD_RESOLUTION:
    case CMD_RATE:
        mouse->command = command;
        break;
    case CMD_STATUS:
        mouse_reply_status(mouse);
        break;
    case CMD_STREAM:
    case CMD_REMOTE:
        mouse->remote = command == CMD_REMOTE;
        mouse_forget_movement(mouse);
        break;
    case CMD_READ_DATA:
        mouse_push_packet(mouse, &mouse->replies, false);
        break;
    case CMD_WRAP_ON:
    case CMD_WRAP_OFF:
        mouse->wrap = command == CMD_WRAP_ON;
        mouse_forget_movement(mouse);
        break;
    case CMD_ID:
        reply(mouse, mouse->id);
        break;
    case CMD_ENABLE:
    case CMD_DISABLE:
        mouse->enabled = command == CMD_ENABLE;
        mouse_forget_movement(mouse);
        break;
    case CMD_DEFAULTS:
        mouse_defaults(mouse);
        break;
    case CMD_RESET:
        reply(mouse, REPLY_BAT_OK);
        reply(mouse, ID_PLAIN);
        break;
    default:
        return false;
    }
    return true;
}

void ps2_mouse_write(Ps2Mouse *mouse, uint8_t byte)
{
    uint8_t command = mouse->command;

    ps2_queue_clear(&mouse->replies);
    mouse->command = 0;
    if (mouse->wrap && byte != CMD_WRAP_OFF && byte != CMD_RESET) {
        reply(mouse, byte);
    } else if (command) {
        mouse_argument(mouse, command, byte);
    } else if (!mouse_command(mouse, byte)) {
        ps2_queue_clear(&mouse->replies);
        reply(mouse, REPLY_RESEND);
        log_unimp("ps2: mouse command %02x", byte);
    }
}

bool ps2_mouse_has_data(const Ps2Mouse *mouse)
{
    return mouse->replies.count || mouse->packets.count;
}

uint8_t ps2_mouse_read(Ps2Mouse *mouse)
{
    mouse->last = ps2_queue_pop(mouse->replies.count ? &mouse->replies : &mouse->packets);
    mouse_stream(mouse);
    return mouse->last;
}
