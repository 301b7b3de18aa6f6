/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "hw/i8042.h"
#include "tests/device/port-io.h"

typedef struct {
    DeviceBus *bus;
    I8042 *kbc;
    Wire irq1, irq12, reset, a20;
} Fixture;

static Fixture *kbc_setup(void)
{
    Fixture *f = g_new0(Fixture, 1);
    f->bus = device_bus_new_for_test(0);
    I8042Wires wires = {wire_line(&f->irq1), wire_line(&f->irq12), wire_line(&f->reset),
                        wire_line(&f->a20)};
    f->kbc = i8042_new(f->bus, &wires);
    device_reset_all(f->bus);
    return f;
}

static void kbc_teardown(Fixture *f)
{
    device_bus_free_for_test(f->bus);
    g_free(f);
}

/* Wait for a byte as a polling guest does; -1: none came. */
static int poll_byte(Fixture *f)
{
    for (int i = 0; i < 10; i++) {
        if (inb(f->bus, 0x64) & 1)
            return inb(f->bus, 0x60);
        clock_fake_advance(f->bus->clock, 100000);
    }
    return -1;
}

static void expect(Fixture *f, const char *hex)
{
    GString *seen = g_string_new(NULL);
    for (int byte; (byte = poll_byte(f)) >= 0;)
        g_string_append_printf(seen, "%s%02x", seen->len ? " " : "", byte);
    cr_assert_str_eq(seen->str, hex);
    g_string_free(seen, TRUE);
}

static void set_mode(Fixture *f, unsigned mode)
{
    outb(f->bus, 0x64, 0x60);
    outb(f->bus, 0x60, mode);
}

static void to_mouse(Fixture *f, unsigned byte)
{
    outb(f->bus, 0x64, 0xd4);
    outb(f->bus, 0x60, byte);
}

Test(i8042, answers_controller_commands)
{
    Fixture *f = kbc_setup();
    outb(f->bus, 0x64, 0xaa);
    expect(f, "55");
    cr_assert(inb(f->bus, 0x64) & 4);
    outb(f->bus, 0x64, 0xab);
    expect(f, "00");
    outb(f->bus, 0x64, 0xa9);
    expect(f, "00");
    set_mode(f, 0x47);
    outb(f->bus, 0x64, 0x20);
    expect(f, "47");
    outb(f->bus, 0x64, 0xd3);
    outb(f->bus, 0x60, 0x5a);
    cr_assert_eq(inb(f->bus, 0x64) & 0x21, 0x21);
    expect(f, "5a");
    kbc_teardown(f);
}

Test(i8042, a20_and_reset)
{
    Fixture *f = kbc_setup();
    cr_assert(f->a20.level);
    outb(f->bus, 0x64, 0xdd);
    cr_assert_not(f->a20.level);
    outb(f->bus, 0x64, 0xd1);
    outb(f->bus, 0x60, 0xdf);
    cr_assert(f->a20.level);
    outb(f->bus, 0x64, 0xd0);
    expect(f, "cf");
    outb(f->bus, 0x64, 0xff);
    cr_assert_eq(f->reset.rises, 0);
    outb(f->bus, 0x64, 0xfe);
    cr_assert_eq(f->reset.rises, 1);
    kbc_teardown(f);
}

Test(i8042, translates_to_set_1)
{
    Fixture *f = kbc_setup();
    set_mode(f, 0x41);
    i8042_key(f->kbc, 0x1e, true);
    cr_assert(f->irq1.level);
    cr_assert(i8042_key_pending(f->kbc));
    i8042_key(f->kbc, 0x1e, false);
    i8042_key(f->kbc, 0xe048, true);
    i8042_key(f->kbc, 0xe048, false);
    i8042_key(f->kbc, 0x41, true);
    expect(f, "1e 9e e0 48 e0 c8 41");
    cr_assert_eq(f->irq1.rises, 7);
    cr_assert_not(i8042_key_pending(f->kbc));
    i8042_key(f->kbc, I8042_KEY_PAUSE, true);
    i8042_key(f->kbc, I8042_KEY_PAUSE, false);
    expect(f, "e1 1d 45 e1 9d c5");
    kbc_teardown(f);
}

Test(i8042, every_key_survives_translation)
{
    Fixture *f = kbc_setup();
    set_mode(f, 0x40);
    for (unsigned code = 1; code <= 0x58; code++) {
        char text[8];
        i8042_key(f->kbc, code, true);
        g_snprintf(text, sizeof(text), "%02x %02x", code, code | 0x80);
        i8042_key(f->kbc, code, false);
        expect(f, text);
    }
    kbc_teardown(f);
}

Test(i8042, scan_sets_untranslated)
{
    Fixture *f = kbc_setup();
    set_mode(f, 0x00);
    i8042_key(f->kbc, 0x1e, true);
    i8042_key(f->kbc, 0xe048, false);
    expect(f, "1c e0 f0 75");
    outb(f->bus, 0x60, 0xf0);
    expect(f, "fa");
    outb(f->bus, 0x60, 0x03);
    expect(f, "fa");
    outb(f->bus, 0x60, 0xf0);
    outb(f->bus, 0x60, 0x00);
    expect(f, "fa fa 03"); /* the first acknowledge stood in the buffer already */
    i8042_key(f->kbc, 0xe048, true);
    expect(f, "63");
    kbc_teardown(f);
}

static void press(Fixture *f, unsigned modifier, unsigned key)
{
    i8042_key(f->kbc, modifier, true);
    i8042_key(f->kbc, key, true);
    i8042_key(f->kbc, key, false);
    i8042_key(f->kbc, modifier, false);
}

/* Keys 124 and 126 of the scan code tables: with Alt SysRq, with Ctrl Break. */
Test(i8042, sysrq_and_break)
{
    static const struct {
        unsigned set, modifier, key;
        const char *bytes;
    } keys[] = {
        {1, 0x1d, I8042_KEY_PAUSE, "1d e0 46 e0 c6 9d"},
        {1, 0xe01d, I8042_KEY_PAUSE, "e0 1d e0 46 e0 c6 e0 9d"},
        {1, 0x2a, I8042_KEY_PAUSE, "2a e1 1d 45 e1 9d c5 aa"},
        {1, 0x38, 0xe037, "38 54 d4 b8"},
        {1, 0x1d, 0xe037, "1d e0 37 e0 b7 9d"},
        {2, 0x1d, I8042_KEY_PAUSE, "14 e0 7e e0 f0 7e f0 14"},
        {2, 0x38, 0xe037, "11 84 f0 84 f0 11"},
        {2, 0xe038, 0xe037, "e0 11 84 f0 84 e0 f0 11"},
        {3, 0x1d, I8042_KEY_PAUSE, "11 62 f0 62 f0 11"},
        {3, 0x38, 0xe037, "19 57 f0 57 f0 19"},
    };
    Fixture *f = kbc_setup();
    set_mode(f, 0x00);
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        outb(f->bus, 0x60, 0xf0);
        expect(f, "fa");
        outb(f->bus, 0x60, keys[i].set);
        expect(f, "fa");
        press(f, keys[i].modifier, keys[i].key);
        expect(f, keys[i].bytes);
    }
    kbc_teardown(f);
}

Test(i8042, sysrq_stays_sysrq_until_released)
{
    Fixture *f = kbc_setup();
    set_mode(f, 0x41);
    i8042_key(f->kbc, 0x38, true);
    i8042_key(f->kbc, 0xe037, true);
    i8042_key(f->kbc, 0x38, false);
    i8042_key(f->kbc, 0xe037, true);
    i8042_key(f->kbc, 0xe037, false);
    expect(f, "38 54 b8 54 d4");
    i8042_key(f->kbc, 0xe037, true);
    expect(f, "e0 37");
    kbc_teardown(f);
}

Test(i8042, keyboard_commands)
{
    Fixture *f = kbc_setup();
    set_mode(f, 0x00);
    outb(f->bus, 0x60, 0xff);
    expect(f, "fa aa");
    outb(f->bus, 0x60, 0xf2);
    expect(f, "fa ab 83");
    outb(f->bus, 0x60, 0xee);
    expect(f, "ee");
    outb(f->bus, 0x60, 0xed);
    expect(f, "fa");
    outb(f->bus, 0x60, 0x05);
    expect(f, "fa");
    cr_assert_eq(i8042_leds_for_test(f->kbc), 5);
    outb(f->bus, 0x60, 0xf5);
    expect(f, "fa");
    i8042_key(f->kbc, 0x1e, true);
    expect(f, "");
    outb(f->bus, 0x60, 0x10);
    expect(f, "fe");
    outb(f->bus, 0x60, 0xf4);
    expect(f, "fa");
    set_mode(f, 0x40);
    outb(f->bus, 0x60, 0xf2);
    expect(f, "fa ab 41"); /* as translating controllers show it */
    kbc_teardown(f);
}

Test(i8042, disabled_keyboard_waits)
{
    Fixture *f = kbc_setup();
    outb(f->bus, 0x64, 0xad);
    i8042_key(f->kbc, 0x1e, true);
    cr_assert_eq(inb(f->bus, 0x64) & 1, 0);
    outb(f->bus, 0x64, 0xae);
    cr_assert_eq(inb(f->bus, 0x64) & 1, 1);
    kbc_teardown(f);
}

Test(i8042, a_byte_can_be_read_twice)
{
    Fixture *f = kbc_setup();
    i8042_key(f->kbc, 0x1e, true);
    i8042_key(f->kbc, 0x1f, true);
    cr_assert_eq(inb(f->bus, 0x60), 0x1c);
    cr_assert_not(f->irq1.level);
    cr_assert_eq(inb(f->bus, 0x60), 0x1c);
    clock_fake_advance(f->bus->clock, 1000000);
    cr_assert(f->irq1.level);
    cr_assert_eq(inb(f->bus, 0x60), 0x1b);
    kbc_teardown(f);
}

Test(i8042, mouse_resets_and_streams)
{
    Fixture *f = kbc_setup();
    to_mouse(f, 0xff);
    cr_assert(f->irq12.level);
    expect(f, "fa aa 00");
    i8042_mouse(f->kbc, 5, 5, 0, 1);
    expect(f, "");
    i8042_mouse(f->kbc, 0, 0, 0, 0);
    to_mouse(f, 0xf4);
    expect(f, "fa");
    i8042_mouse(f->kbc, 3, 2, 0, 1);
    expect(f, "29 03 fe");
    i8042_mouse(f->kbc, -300, 0, 0, 1);
    expect(f, "19 01 00 19 d3 00");
    to_mouse(f, 0xe9);
    expect(f, "fa 24 02 64");
    kbc_teardown(f);
}

Test(i8042, mouse_wheel_knock)
{
    static const uint8_t knock[] = {0xf3, 200, 0xf3, 100, 0xf3, 80};
    Fixture *f = kbc_setup();
    for (unsigned i = 0; i < sizeof(knock); i++) {
        to_mouse(f, knock[i]);
        expect(f, "fa");
    }
    to_mouse(f, 0xf2);
    expect(f, "fa 03");
    to_mouse(f, 0xf4);
    expect(f, "fa");
    i8042_mouse(f->kbc, 0, 0, 1, 0);
    expect(f, "08 00 00 ff");
    to_mouse(f, 0xf6);
    expect(f, "fa");
    to_mouse(f, 0xeb);
    expect(f, "fa 08 00 00 00");
    kbc_teardown(f);
}

Test(i8042, floods_are_bounded)
{
    Fixture *f = kbc_setup();
    to_mouse(f, 0xf4);
    expect(f, "fa");
    for (int i = 0; i < 100000; i++) {
        i8042_key(f->kbc, 0xe048, i & 1);
        i8042_mouse(f->kbc, INT_MAX, INT_MIN, i, (unsigned)i);
        outb(f->bus, 0x60, i);
        outb(f->bus, 0x64, (i * 7) | 1);
    }
    unsigned bytes = 0;
    outb(f->bus, 0x64, 0xae);
    outb(f->bus, 0x64, 0xa8);
    for (; bytes < 100000 && poll_byte(f) >= 0; bytes++)
        ;
    cr_assert_lt(bytes, 100000);
    kbc_teardown(f);
}
