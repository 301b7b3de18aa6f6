/* SPDX-License-Identifier: MIT
 * Keyboard controller, after "IBM PS/2 Hardware Interface Technical Reference", chapter Keyboard
 * and Auxiliary Device Controller. Owns the cables: the devices are hw/ps2-*.c.
 *
 * One byte at a time stands in the output buffer. As on the serial cable, the next device byte
 * follows a moment after the last one was read, so that handlers that read a byte twice see the
 * same one, and each byte has its own interrupt edge. */
#include "hw/i8042.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/trace.h"
#include "hw/ps2.h"

enum {
    STATUS_OBF = 0x01,
    STATUS_SYSTEM = 0x04,
    STATUS_COMMAND = 0x08,
    STATUS_UNLOCKED = 0x10,
    STATUS_AUX = 0x20,
};
enum {
    MODE_IRQ1 = 0x01,
    MODE_IRQ12 = 0x02,
    MODE_SYSTEM = 0x04,
    MODE_NO_KEYBOARD = 0x10,
    MODE_NO_MOUSE = 0x20,
    MODE_TRANSLATE = 0x40,
};
enum { OUT_NO_RESET = 0x01, OUT_A20 = 0x02, OUT_IRQ1 = 0x10, OUT_IRQ12 = 0x20, OUT_IDLE = 0xcf };
enum {
    CMD_READ_RAM_FIRST = 0x20,
    CMD_READ_RAM_LAST = 0x3f,
    CMD_WRITE_RAM_FIRST = 0x60,
    CMD_WRITE_RAM_LAST = 0x7f,
    CMD_TEST_PASSWORD = 0xa4,
    CMD_LOAD_PASSWORD = 0xa5,
    CMD_ENABLE_PASSWORD = 0xa6,
    CMD_DISABLE_MOUSE = 0xa7,
    CMD_ENABLE_MOUSE = 0xa8,
    CMD_TEST_MOUSE = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_TEST_KEYBOARD = 0xab,
    CMD_DISABLE_KEYBOARD = 0xad,
    CMD_ENABLE_KEYBOARD = 0xae,
    CMD_READ_INPUT = 0xc0,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_FAKE_KEYBOARD = 0xd2,
    CMD_FAKE_MOUSE = 0xd3,
    CMD_WRITE_MOUSE = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_READ_TEST_INPUTS = 0xe0,
    CMD_PULSE_FIRST = 0xf0,
    CMD_PULSE_LAST = 0xff,
};
enum { SELF_TEST_OK = 0x55, PORT_TEST_OK = 0x00, NO_PASSWORD = 0xf1, INPUT_UNLOCKED = 0x80 };
enum { SET2_BREAK = 0xf0, SET1_BREAK = 0x80 };
enum { FROM_NOBODY, FROM_CONTROLLER, FROM_KEYBOARD, FROM_MOUSE };

#define BYTE_NS 250000 /* from reading a device's byte to its next one */

struct I8042 {
    Device device;
    Ps2Keyboard keyboard;
    Ps2Mouse mouse;
    uint8_t ram[32]; /* [0]: the command byte */
    uint8_t command; /* waits for its argument; 0: none */
    uint8_t last_was_command;
    uint8_t output_port;
    uint8_t source; /* FROM_*: whose byte stands in the output buffer */
    uint8_t output_aux;
    uint8_t output; /* stays readable after it was read */
    uint8_t answer; /* the controller's own next byte */
    uint8_t answer_ready;
    uint8_t answer_aux;
    uint8_t break_seen; /* translation: F0h came, the code follows */
    int64_t next_byte;  /* clock time before which the cables are quiet */
    Clock *clock;
    Timer *timer;
    I8042Wires wires;
};

static uint8_t kbc_mode(const I8042 *kbc)
{
    return kbc->ram[0];
}

/* ---- output buffer ---- */

static void kbc_put(I8042 *kbc, uint8_t byte, uint8_t source, bool aux)
{
    kbc->output = byte;
    kbc->source = source;
    kbc->output_aux = aux;
}

/* One byte off the keyboard's cable; false: translation needs the next one. */
static bool kbc_take_keyboard(I8042 *kbc)
{
    uint8_t byte = ps2_keyboard_read(&kbc->keyboard);

    if (kbc_mode(kbc) & MODE_TRANSLATE) {
        if (byte == SET2_BREAK) {
            kbc->break_seen = 1;
            return false;
        }
        byte = ps2_translate(byte);
        if (kbc->break_seen)
            byte |= SET1_BREAK;
    }
    kbc->break_seen = 0;
    kbc_put(kbc, byte, FROM_KEYBOARD, false);
    return true;
}

static void kbc_fill(I8042 *kbc)
{
    bool keyboard = !(kbc_mode(kbc) & MODE_NO_KEYBOARD);
    bool mouse = !(kbc_mode(kbc) & MODE_NO_MOUSE);

    if (kbc->answer_ready) {
        kbc->answer_ready = 0;
        kbc_put(kbc, kbc->answer, FROM_CONTROLLER, kbc->answer_aux);
        return;
    }
    if (clock_now(kbc->clock) < kbc->next_byte) {
        timer_arm(kbc->timer, kbc->next_byte);
        return;
    }
    while (keyboard && ps2_keyboard_has_data(&kbc->keyboard))
        if (kbc_take_keyboard(kbc))
            return;
    if (mouse && ps2_mouse_has_data(&kbc->mouse))
        kbc_put(kbc, ps2_mouse_read(&kbc->mouse), FROM_MOUSE, true);
}

/* After any change: fill the output buffer and drive the interrupt wires. */
static void kbc_update(I8042 *kbc)
{
    if (kbc->source == FROM_NOBODY)
        kbc_fill(kbc);
    bool full = kbc->source != FROM_NOBODY;
    irq_set(&kbc->wires.keyboard, full && !kbc->output_aux && (kbc_mode(kbc) & MODE_IRQ1));
    irq_set(&kbc->wires.mouse, full && kbc->output_aux && (kbc_mode(kbc) & MODE_IRQ12));
}

static void kbc_timer_fired(void *opaque)
{
    kbc_update(opaque);
}

static uint8_t kbc_read_data(I8042 *kbc)
{
    if (kbc->source == FROM_KEYBOARD || kbc->source == FROM_MOUSE)
        kbc->next_byte = clock_now(kbc->clock) + BYTE_NS;
    kbc->source = FROM_NOBODY;
    /* Both wires low, so that the next byte makes an edge. */
    irq_set(&kbc->wires.keyboard, false);
    irq_set(&kbc->wires.mouse, false);
    uint8_t byte = kbc->output;
    trace(key_byte, byte);
    kbc_update(kbc);
    return byte;
}

static uint8_t kbc_status(const I8042 *kbc)
{
    bool full = kbc->source != FROM_NOBODY;
    return (uint8_t)(STATUS_UNLOCKED | (full ? STATUS_OBF : 0) |
                     (full && kbc->output_aux ? STATUS_AUX : 0) |
                     (kbc_mode(kbc) & MODE_SYSTEM ? STATUS_SYSTEM : 0) |
                     (kbc->last_was_command ? STATUS_COMMAND : 0));
}

/* ---- commands ---- */

static void kbc_answer(I8042 *kbc, uint8_t byte, bool aux)
{
    kbc->answer = byte;
    kbc->answer_aux = aux;
    kbc->answer_ready = 1;
}

static uint8_t kbc_output_port(const I8042 *kbc)
{
    bool full = kbc->source != FROM_NOBODY;
    return (uint8_t)((kbc->output_port & (uint8_t) ~(OUT_IRQ1 | OUT_IRQ12)) |
                     (full && !kbc->output_aux ? OUT_IRQ1 : 0) |
                     (full && kbc->output_aux ? OUT_IRQ12 : 0));
}

static void kbc_set_output_port(I8042 *kbc, uint8_t value)
{
    kbc->output_port = value;
    irq_set(&kbc->wires.a20, value & OUT_A20);
    if (!(value & OUT_NO_RESET)) {
        kbc->output_port |= OUT_NO_RESET; /* the machine that comes back is not held in reset */
        irq_pulse(&kbc->wires.reset);
    }
}

static void kbc_command(I8042 *kbc, uint8_t command)
{
    kbc->command = 0;
    switch (command) {
    case CMD_READ_RAM_FIRST ... CMD_READ_RAM_LAST:
        kbc_answer(kbc, kbc->ram[command & 31], false);
        break;
    case CMD_WRITE_RAM_FIRST ... CMD_WRITE_RAM_LAST:
    case CMD_LOAD_PASSWORD:
    case CMD_WRITE_OUTPUT:
    case CMD_FAKE_KEYBOARD:
    case CMD_FAKE_MOUSE:
    case CMD_WRITE_MOUSE:
        kbc->command = command;
        break;
    case CMD_TEST_PASSWORD:
        kbc_answer(kbc, NO_PASSWORD, false);
        break;
    case CMD_ENABLE_PASSWORD: /* there is none: no effect */
        break;
    case CMD_DISABLE_MOUSE:
        kbc->ram[0] |= MODE_NO_MOUSE;
        break;
    case CMD_ENABLE_MOUSE:
        kbc->ram[0] &= (uint8_t)~MODE_NO_MOUSE;
        break;
    case CMD_TEST_MOUSE:
    case CMD_TEST_KEYBOARD:
        kbc_answer(kbc, PORT_TEST_OK, false);
        break;
    case CMD_SELF_TEST:
        kbc->ram[0] |= MODE_SYSTEM;
        kbc_answer(kbc, SELF_TEST_OK, false);
        break;
    case CMD_DISABLE_KEYBOARD:
        kbc->ram[0] |= MODE_NO_KEYBOARD;
        break;
    case CMD_ENABLE_KEYBOARD:
        kbc->ram[0] &= (uint8_t)~MODE_NO_KEYBOARD;
        break;
    case CMD_READ_INPUT:
        kbc_answer(kbc, INPUT_UNLOCKED, false);
        break;
    case CMD_READ_OUTPUT:
        kbc_answer(kbc, kbc_output_port(kbc), false);
        break;
    case CMD_A20_OFF:
        kbc_set_output_port(kbc, kbc->output_port & (uint8_t)~OUT_A20);
        break;
    case CMD_A20_ON:
        kbc_set_output_port(kbc, kbc->output_port | OUT_A20);
        break;
    case CMD_READ_TEST_INPUTS:
        kbc_answer(kbc, 0, false);
        break;
    case CMD_PULSE_FIRST ... CMD_PULSE_LAST: /* low bits 0: pulse that output; only reset counts */
        if (!(command & OUT_NO_RESET))
            irq_pulse(&kbc->wires.reset);
        break;
    default:
        log_unimp("i8042: command %02x", command);
        break;
    }
}

static void kbc_write_data(I8042 *kbc, uint8_t byte)
{
    uint8_t command = kbc->command;

    kbc->command = 0;
    switch (command) {
    case 0:
        kbc->ram[0] &= (uint8_t)~MODE_NO_KEYBOARD; /* sending to it enables its cable */
        ps2_keyboard_write(&kbc->keyboard, byte);
        break;
    case CMD_WRITE_RAM_FIRST ... CMD_WRITE_RAM_LAST:
        kbc->ram[command & 31] = byte;
        break;
    case CMD_LOAD_PASSWORD: /* ends with a zero; nothing is kept */
        kbc->command = byte ? CMD_LOAD_PASSWORD : 0;
        break;
    case CMD_WRITE_OUTPUT:
        kbc_set_output_port(kbc, byte);
        break;
    case CMD_FAKE_KEYBOARD:
    case CMD_FAKE_MOUSE:
        kbc_answer(kbc, byte, command == CMD_FAKE_MOUSE);
        break;
    case CMD_WRITE_MOUSE:
        kbc->ram[0] &= (uint8_t)~MODE_NO_MOUSE;
        ps2_mouse_write(&kbc->mouse, byte);
        break;
    }
}

/* ---- ports ---- */

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    return kbc_read_data(opaque);
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *kbc = opaque;

    kbc->last_was_command = 0;
    kbc_write_data(kbc, (uint8_t)value);
    kbc_update(kbc);
}

static uint64_t status_read(void *opaque, uint64_t offset, unsigned size)
{
    return kbc_status(opaque);
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *kbc = opaque;

    kbc->last_was_command = 1;
    kbc_command(kbc, (uint8_t)value);
    kbc_update(kbc);
}

/* ---- input and device ---- */

void i8042_key(I8042 *kbc, unsigned scancode, bool down)
{
    ps2_keyboard_key(&kbc->keyboard, scancode, down);
    kbc_update(kbc);
}

void i8042_mouse(I8042 *kbc, int dx, int dy, int dz, unsigned buttons)
{
    ps2_mouse_move(&kbc->mouse, dx, dy, dz, buttons);
    kbc_update(kbc);
}

bool i8042_key_pending(const I8042 *kbc)
{
    return kbc->source == FROM_KEYBOARD || ps2_keyboard_has_data(&kbc->keyboard);
}

unsigned i8042_leds_for_test(const I8042 *kbc)
{
    return kbc->keyboard.leds;
}

static void i8042_reset(Device *device)
{
    I8042 *kbc = (I8042 *)device;

    ps2_keyboard_reset(&kbc->keyboard);
    ps2_mouse_reset(&kbc->mouse);
    for (unsigned i = 0; i < sizeof(kbc->ram); i++)
        kbc->ram[i] = 0;
    kbc->ram[0] = MODE_IRQ1 | MODE_IRQ12;
    kbc->command = kbc->last_was_command = 0;
    kbc->source = FROM_NOBODY;
    kbc->output_aux = kbc->answer_ready = kbc->break_seen = 0;
    kbc->next_byte = 0;
    kbc->output_port = OUT_IDLE;
    timer_cancel(kbc->timer);
    irq_set(&kbc->wires.a20, true);
    kbc_update(kbc);
}

static void i8042_free(Device *device)
{
    I8042 *kbc = (I8042 *)device;

    timer_free(kbc->timer);
    g_free(kbc);
}

static const StateField i8042_state[] = {
    STATE(I8042, keyboard),         STATE(I8042, mouse),
    STATE_ARRAY(I8042, ram),        STATE(I8042, command),
    STATE(I8042, last_was_command), STATE(I8042, output_port),
    STATE(I8042, source),           STATE(I8042, output_aux),
    STATE(I8042, output),           STATE(I8042, answer),
    STATE(I8042, answer_ready),     STATE(I8042, answer_aux),
    STATE(I8042, break_seen),       STATE(I8042, next_byte),
    STATE_TIMER(I8042, timer),      STATE_END,
};

static const DeviceClass i8042_class = {
    .name = "i8042",
    .description = "keyboard controller with PS/2 keyboard and mouse",
    .reset = i8042_reset,
    .free = i8042_free,
    .state = i8042_state,
};

static const RegionOps data_ops = {data_read, data_write, 1, 1};
static const RegionOps command_ops = {status_read, command_write, 1, 1};

I8042 *i8042_new(const DeviceBus *bus, const I8042Wires *wires)
{
    I8042 *kbc = device_register(bus, &i8042_class, sizeof(*kbc));

    kbc->clock = bus->clock;
    kbc->wires = *wires;
    kbc->timer = timer_new(bus->clock, kbc_timer_fired, kbc);
    address_space_add_io(bus->as, "i8042-data", 0x60, 1, 0, &data_ops, kbc);
    address_space_add_io(bus->as, "i8042-command", 0x64, 1, 0, &command_ops, kbc);
    return kbc;
}
