/* SPDX-License-Identifier: MIT
 * A 102-key PS/2 keyboard, after "IBM PS/2 Hardware Interface Technical Reference", chapters
 * Keyboard and Keyboard Controller. Typematic repeat comes from whoever presses the keys. */
#include "hw/ps2.h"

#include <stddef.h>

#include "base/log.h"

enum { REPLY_ACK = 0xfa, REPLY_RESEND = 0xfe, REPLY_BAT_OK = 0xaa };
enum { PREFIX_EXTENDED = 0xe0, PREFIX_PAUSE = 0xe1, SET2_BREAK = 0xf0, SET1_BREAK = 0x80 };
enum {
    CMD_LEDS = 0xed,
    CMD_ECHO = 0xee,
    CMD_SCAN_SET = 0xf0,
    CMD_ID = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_ALL_TYPES_FIRST = 0xf7, /* key types of set 3: accepted, all keys stay typematic */
    CMD_ALL_TYPES_LAST = 0xfa,
    CMD_KEY_TYPE_FIRST = 0xfb,
    CMD_KEY_TYPE_LAST = 0xfd,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};
enum { DEFAULT_RATE = 0x2b };
enum { LONGEST_KEY = 8 };
enum { KEY_PRINT = 0xe037, KEY_SYSRQ = 0x54 };
enum { HELD_CTRL = 0x03, HELD_ALT = 0x0c, HELD_SYSRQ = 0x10 };

static const struct {
    uint16_t set1;
    uint8_t held;
} modifiers[] = {{0x1d, 0x01}, {0xe01d, 0x02}, {0x38, 0x04}, {0xe038, 0x08}};

/* Set 2 to set 1; the rest, from 85h on, is the same in both. */
static const uint8_t set2_to_set1[0x85] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29,
    0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11,
    0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14,
    0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
    0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35,
    0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36,
    0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c,
    0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, 0x80, 0x81, 0x82, 0x41, 0x54,
};

/* Keys whose set 3 code is not their set 2 code. */
static const struct {
    uint16_t set1;
    uint8_t set3;
} set3_codes[] = {
    {0x01, 0x08},   {0x3b, 0x07},   {0x3c, 0x0f},   {0x3d, 0x17},   {0x3e, 0x1f},   {0x3f, 0x27},
    {0x40, 0x2f},   {0x41, 0x37},   {0x42, 0x3f},   {0x43, 0x47},   {0x44, 0x4f},   {0x57, 0x56},
    {0x58, 0x5e},   {0x54, 0x57},   {0xe037, 0x57}, {0x46, 0x5f},   {0x2b, 0x5c},   {0x3a, 0x14},
    {0x1d, 0x11},   {0x38, 0x19},   {0xe038, 0x39}, {0xe01d, 0x58}, {0xe052, 0x67}, {0xe047, 0x6e},
    {0xe049, 0x6f}, {0xe053, 0x64}, {0xe04f, 0x65}, {0xe051, 0x6d}, {0xe048, 0x63}, {0xe04b, 0x61},
    {0xe050, 0x60}, {0xe04d, 0x6a}, {0x45, 0x76},   {0xe035, 0x4a}, {0x37, 0x7e},   {0x4a, 0x84},
    {0x4e, 0x7c},   {0xe01c, 0x79}, {0xe05b, 0x8b}, {0xe05c, 0x8c}, {0xe05d, 0x8d}, {0x56, 0x13},
};

uint8_t ps2_translate(uint8_t set2)
{
    return set2 < sizeof(set2_to_set1) ? set2_to_set1[set2] : set2;
}

/* The inverse; F7 (83h) and SysRq (84h) are the last of two candidates. */
static uint8_t set1_to_set2(uint8_t set1)
{
    unsigned i = sizeof(set2_to_set1) - 1;
    while (i > 0 && set2_to_set1[i] != set1)
        i--;
    return (uint8_t)i;
}

static uint8_t set1_to_set3(unsigned scancode)
{
    for (size_t i = 0; i < sizeof(set3_codes) / sizeof(set3_codes[0]); i++)
        if (set3_codes[i].set1 == scancode)
            return set3_codes[i].set3;
    return set1_to_set2(scancode & 0x7f);
}

static void push_key(Ps2Keyboard *kbd, unsigned scancode, bool down)
{
    uint8_t set1 = scancode & 0x7f;

    if (kbd->scan_set != 3 && scancode >> 8 == PREFIX_EXTENDED)
        ps2_queue_push(&kbd->keys, PREFIX_EXTENDED);
    if (kbd->scan_set == 1) {
        ps2_queue_push(&kbd->keys, down ? set1 : set1 | SET1_BREAK);
        return;
    }
    if (!down)
        ps2_queue_push(&kbd->keys, SET2_BREAK);
    ps2_queue_push(&kbd->keys, kbd->scan_set == 2 ? set1_to_set2(set1) : set1_to_set3(scancode));
}

/* Pause sends make and break at once and nothing on release; with Ctrl it is Break, another key but
 * for set 3. */
static void push_pause(Ps2Keyboard *kbd)
{
    static const struct {
        uint8_t count, bytes[LONGEST_KEY];
    } codes[2][3] = {
        {{6, {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5}},
         {8, {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}},
         {3, {0x62, 0xf0, 0x62}}},
        {{4, {0xe0, 0x46, 0xe0, 0xc6}},
         {5, {0xe0, 0x7e, 0xe0, 0xf0, 0x7e}},
         {3, {0x62, 0xf0, 0x62}}},
    };
    unsigned is_break = (kbd->held & HELD_CTRL) != 0, set = kbd->scan_set - 1u;

    for (unsigned i = 0; i < codes[is_break][set].count; i++)
        ps2_queue_push(&kbd->keys, codes[is_break][set].bytes[i]);
}

static void hold(Ps2Keyboard *kbd, uint8_t bit, bool down)
{
    kbd->held = (uint8_t)(down ? kbd->held | bit : kbd->held & ~bit);
}

static void note_modifier(Ps2Keyboard *kbd, unsigned scancode, bool down)
{
    for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
        if (modifiers[i].set1 == scancode)
            hold(kbd, modifiers[i].held, down);
}

/* With Alt, Print Screen is SysRq, and remains so until it is released. */
static unsigned print_or_sysrq(Ps2Keyboard *kbd, bool down)
{
    bool sysrq = kbd->held & (down ? HELD_SYSRQ | HELD_ALT : HELD_SYSRQ);
    hold(kbd, HELD_SYSRQ, down && sysrq);
    return sysrq ? KEY_SYSRQ : KEY_PRINT;
}

void ps2_keyboard_key(Ps2Keyboard *kbd, unsigned scancode, bool down)
{
    note_modifier(kbd, scancode, down);
    if (scancode == KEY_PRINT)
        scancode = print_or_sysrq(kbd, down);
    if (!kbd->scanning || !ps2_queue_has_room(&kbd->keys, LONGEST_KEY))
        return;
    if (scancode >> 8 == PREFIX_PAUSE || scancode >> 16 == PREFIX_PAUSE) {
        if (down)
            push_pause(kbd);
    } else {
        push_key(kbd, scancode, down);
    }
}

static void keyboard_defaults(Ps2Keyboard *kbd)
{
    ps2_queue_clear(&kbd->keys);
    kbd->scan_set = 2;
    kbd->rate = DEFAULT_RATE;
}

void ps2_keyboard_reset(Ps2Keyboard *kbd)
{
    *kbd = (Ps2Keyboard){.scanning = 1};
    keyboard_defaults(kbd);
}

static void reply(Ps2Keyboard *kbd, uint8_t byte)
{
    ps2_queue_push(&kbd->replies, byte);
}

static void keyboard_argument(Ps2Keyboard *kbd, uint8_t command, uint8_t arg)
{
    reply(kbd, REPLY_ACK);
    switch (command) {
    case CMD_LEDS:
        kbd->leds = arg & 7;
        break;
    case CMD_RATE:
        kbd->rate = arg & 0x7f;
        break;
    case CMD_SCAN_SET:
        if (arg == 0)
            reply(kbd, kbd->scan_set);
        else if (arg <= 3)
            kbd->scan_set = arg;
        else
            log_guest_error("ps2: scan set %u", arg);
        break;
    default: /* key type of one key of set 3; more keys follow until a command does */
        kbd->command = command;
        break;
    }
}

static void keyboard_command(Ps2Keyboard *kbd, uint8_t command)
{
    if (command == CMD_RESEND) {
        reply(kbd, kbd->last);
        return;
    }
    if (command == CMD_ECHO) {
        reply(kbd, CMD_ECHO);
        return;
    }
    if (command < CMD_LEDS || command == 0xef || command == 0xf1) {
        reply(kbd, REPLY_RESEND);
        return;
    }
    if (command == CMD_RESET)
        ps2_keyboard_reset(kbd);
    reply(kbd, REPLY_ACK);
    switch (command) {
    case CMD_LEDS:
    case CMD_RATE:
    case CMD_SCAN_SET:
    case CMD_KEY_TYPE_FIRST ... CMD_KEY_TYPE_LAST:
        kbd->command = command;
        break;
    case CMD_ID:
        reply(kbd, 0xab);
        reply(kbd, 0x83);
        break;
    case CMD_ENABLE:
        ps2_queue_clear(&kbd->keys);
        kbd->scanning = 1;
        break;
    case CMD_DISABLE:
    case CMD_DEFAULTS:
        keyboard_defaults(kbd);
        kbd->scanning = command == CMD_DEFAULTS;
        break;
    case CMD_RESET:
        reply(kbd, REPLY_BAT_OK);
        break;
    default: /* CMD_ALL_TYPES_FIRST..LAST */
        break;
    }
}

void ps2_keyboard_write(Ps2Keyboard *kbd, uint8_t byte)
{
    uint8_t command = kbd->command;

    /* A new byte makes the keyboard drop what it was about to answer. */
    ps2_queue_clear(&kbd->replies);
    kbd->command = 0;
    if (command && byte < CMD_LEDS)
        keyboard_argument(kbd, command, byte);
    else
        keyboard_command(kbd, byte);
}

bool ps2_keyboard_has_data(const Ps2Keyboard *kbd)
{
    return kbd->replies.count || kbd->keys.count;
}

uint8_t ps2_keyboard_read(Ps2Keyboard *kbd)
{
    kbd->last = ps2_queue_pop(kbd->replies.count ? &kbd->replies : &kbd->keys);
    return kbd->last;
}
