/* SPDX-License-Identifier: MIT
 * The two devices on a PS/2 controller's cables: plain structs without pointers, owned by the
 * controller (hw/i8042.c), which moves bytes both ways. */
#ifndef HW_PS2_H
#define HW_PS2_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes on their way to the controller; what does not fit is dropped. */
typedef struct {
    uint8_t data[256];
    uint8_t head; /* wraps by itself */
    uint8_t reserved;
    uint16_t count;
} Ps2Queue;

static inline void ps2_queue_push(Ps2Queue *q, uint8_t byte)
{
    if (q->count < sizeof(q->data)) {
        q->data[(uint8_t)(q->head + q->count)] = byte;
        q->count++;
    }
}

static inline uint8_t ps2_queue_pop(Ps2Queue *q) /* count > 0 */
{
    q->count--;
    return q->data[q->head++];
}

static inline void ps2_queue_clear(Ps2Queue *q)
{
    q->count = 0;
}

static inline bool ps2_queue_has_room(const Ps2Queue *q, unsigned bytes)
{
    return q->count + bytes <= sizeof(q->data);
}

/* Answers to commands overtake queued input on both devices. */
typedef struct {
    Ps2Queue replies;
    Ps2Queue keys;
    uint8_t command;  /* waits for its argument; 0: none */
    uint8_t scan_set; /* 1..3 */
    uint8_t scanning;
    uint8_t leds; /* bit 0 scroll, 1 num, 2 caps */
    uint8_t rate;
    uint8_t last; /* for "resend" */
    uint8_t held; /* HELD_*: keys that change what others send */
    uint8_t reserved; /* no padding: the struct is state as a whole */
} Ps2Keyboard;

typedef struct {
    Ps2Queue replies;
    Ps2Queue packets;
    int32_t dx, dy, dz; /* not reported yet; y and z as on the wire: up, towards the user */
    uint8_t buttons;
    uint8_t reported; /* buttons in the last packet */
    uint8_t command;  /* waits for its argument; 0: none */
    uint8_t id;       /* 0, 3 (wheel), 4 (wheel and five buttons) */
    uint8_t knock[2]; /* the last two sample rates */
    uint8_t rate;
    uint8_t resolution;
    uint8_t scaling; /* 2:1 */
    uint8_t enabled;
    uint8_t remote;
    uint8_t wrap;
    uint8_t last;
    uint8_t reserved[3]; /* no padding: the struct is state as a whole */
} Ps2Mouse;

void ps2_keyboard_reset(Ps2Keyboard *kbd);
void ps2_keyboard_write(Ps2Keyboard *kbd, uint8_t byte); /* from the host controller */
bool ps2_keyboard_has_data(const Ps2Keyboard *kbd);
uint8_t ps2_keyboard_read(Ps2Keyboard *kbd); /* has_data */
void ps2_keyboard_key(Ps2Keyboard *kbd, unsigned scancode, bool down);

void ps2_mouse_reset(Ps2Mouse *mouse);
void ps2_mouse_write(Ps2Mouse *mouse, uint8_t byte);
bool ps2_mouse_has_data(const Ps2Mouse *mouse);
uint8_t ps2_mouse_read(Ps2Mouse *mouse); /* has_data */
void ps2_mouse_move(Ps2Mouse *mouse, int dx, int dy, int dz, unsigned buttons);

/* The controller's scan-code translation (command byte bit 6): set 2 to set 1. */
uint8_t ps2_translate(uint8_t set2);

#endif
