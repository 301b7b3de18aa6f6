/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "hw/i8259.h"
#include "tests/device/port-io.h"

typedef struct {
    DeviceBus *bus;
    I8259 *pic;
    Wire intr;
} Fixture;

/* As a PC BIOS does: master at 8, slave at 70h, all unmasked. */
static Fixture *pic_setup(unsigned icw4)
{
    static const uint8_t icw[2][3] = {{0x11, 0x08, 0x04}, {0x11, 0x70, 0x02}};
    Fixture *f = g_new0(Fixture, 1);
    f->bus = device_bus_new_for_test(0);
    f->pic = i8259_new(f->bus, wire_line(&f->intr));
    device_reset_all(f->bus);
    for (int i = 0; i < 2; i++) {
        uint16_t port = i ? 0xa0 : 0x20;
        outb(f->bus, port, icw[i][0]);
        outb(f->bus, port + 1, icw[i][1]);
        outb(f->bus, port + 1, icw[i][2]);
        outb(f->bus, port + 1, icw4);
        outb(f->bus, port + 1, 0);
    }
    return f;
}

static void pic_teardown(Fixture *f)
{
    device_bus_free_for_test(f->bus);
    g_free(f);
}

static void set_irq(Fixture *f, int irq, bool level)
{
    IrqLine line = i8259_input(f->pic, irq);
    irq_set(&line, level);
}

Test(i8259, delivers_by_priority_and_nests)
{
    Fixture *f = pic_setup(1);
    set_irq(f, 4, true);
    set_irq(f, 3, true);
    cr_assert(f->intr.level);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0b);
    cr_assert_not(f->intr.level); /* IRQ4 waits for the end of IRQ3 */
    set_irq(f, 1, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x09);
    outb(f->bus, 0x20, 0x20); /* ends IRQ1 */
    cr_assert_not(f->intr.level);
    outb(f->bus, 0x20, 0x20); /* ends IRQ3 */
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0c);
    cr_assert_not(i8259_pending(f->pic)); /* edges: lines still high */
    pic_teardown(f);
}

Test(i8259, cascades)
{
    Fixture *f = pic_setup(1);
    set_irq(f, 8, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x70);
    outb(f->bus, 0x20, 0x0b);
    outb(f->bus, 0xa0, 0x0b);
    cr_assert_eq(inb(f->bus, 0x20), 0x04);
    cr_assert_eq(inb(f->bus, 0xa0), 0x01);
    outb(f->bus, 0xa0, 0x20);
    outb(f->bus, 0x20, 0x20);
    cr_assert_eq(inb(f->bus, 0x20), 0);
    cr_assert_not(f->intr.level);
    pic_teardown(f);
}

Test(i8259, level_triggered_repeats_and_goes_spurious)
{
    Fixture *f = pic_setup(1);
    outb(f->bus, 0x4d0, 0xff);
    outb(f->bus, 0x4d1, 0xff);
    cr_assert_eq(inb(f->bus, 0x4d0), 0xf8);
    cr_assert_eq(inb(f->bus, 0x4d1), 0xde);
    set_irq(f, 5, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0d);
    outb(f->bus, 0x20, 0x65);
    cr_assert(f->intr.level);
    set_irq(f, 5, false);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0f); /* spurious: no ISR bit */
    outb(f->bus, 0x20, 0x0b);
    cr_assert_eq(inb(f->bus, 0x20), 0);
    pic_teardown(f);
}

Test(i8259, mask_hides_and_unmask_shows)
{
    Fixture *f = pic_setup(1);
    outb(f->bus, 0x21, 0x02);
    set_irq(f, 1, true);
    cr_assert_not(f->intr.level);
    outb(f->bus, 0x20, 0x0a);
    cr_assert_eq(inb(f->bus, 0x20), 0x02);
    outb(f->bus, 0x21, 0);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x09);
    pic_teardown(f);
}

Test(i8259, automatic_end_rotates)
{
    Fixture *f = pic_setup(3);
    outb(f->bus, 0x20, 0x80);
    set_irq(f, 3, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0b);
    set_irq(f, 3, false);
    set_irq(f, 3, true);
    set_irq(f, 4, true); /* now IRQ4 is highest, IRQ3 lowest */
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0c);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0b);
    pic_teardown(f);
}

Test(i8259, special_mask_lets_lower_through)
{
    Fixture *f = pic_setup(1);
    set_irq(f, 1, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x09);
    outb(f->bus, 0x21, 0x02);
    outb(f->bus, 0x20, 0x68);
    set_irq(f, 6, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x0e);
    outb(f->bus, 0x20, 0x20); /* non-specific: not the masked one */
    outb(f->bus, 0x20, 0x0b);
    cr_assert_eq(inb(f->bus, 0x20), 0x02);
    pic_teardown(f);
}

Test(i8259, poll_acknowledges)
{
    Fixture *f = pic_setup(1);
    outb(f->bus, 0x20, 0x0c);
    cr_assert_eq(inb(f->bus, 0x20), 0);
    set_irq(f, 7, true);
    outb(f->bus, 0x20, 0x0c);
    cr_assert_eq(inb(f->bus, 0x20), 0x87);
    cr_assert_not(f->intr.level);
    pic_teardown(f);
}

/* A slave in service lets more of its own through, but nothing below it. */
Test(i8259, special_fully_nested_mode)
{
    Fixture *f = pic_setup(0x11);
    set_irq(f, 12, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x74);
    set_irq(f, 4, true);
    cr_assert_not(f->intr.level, "IR4 waits for IR2");
    set_irq(f, 8, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x70);
    cr_assert_not(f->intr.level);
    set_irq(f, 1, true);
    cr_assert_eq(i8259_acknowledge(f->pic), 0x09);
    set_irq(f, 13, true);
    cr_assert_not(f->intr.level, "the slave's own order");
    pic_teardown(f);
}
