/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <unistd.h>

#include "hw/uart16550.h"

#define COM1 UART_COM1_PORT
#define COM2 UART_COM2_PORT

static DeviceBus *bus;
static Chardev *line;
static bool irq_level;
static unsigned irq_edges;

static void on_irq(void *opaque, int number, bool level)
{
    irq_edges += level && !irq_level;
    irq_level = level;
}

static void setup(void)
{
    bus = device_bus_new_for_test(0);
    line = chardev_new_memory();
    irq_level = false;
    irq_edges = 0;
    uart16550_new(bus, COM1, (IrqLine){on_irq, NULL, 4}, line);
}

static void teardown(void)
{
    device_bus_free_for_test(bus);
    chardev_free(line);
}

static void out(unsigned reg, uint8_t value)
{
    address_space_io_write(bus->as, (uint16_t)(COM1 + reg), value, 1);
}

static unsigned in(unsigned reg)
{
    return (unsigned)address_space_io_read(bus->as, (uint16_t)(COM1 + reg), 1);
}

static void feed(const char *text)
{
    chardev_memory_feed(line, (const uint8_t *)text, strlen(text));
}

TestSuite(uart16550, .init = setup, .fini = teardown);

Test(uart16550, sends_and_receives)
{
    out(0, 'o');
    out(0, 'k');
    cr_assert_str_eq(chardev_memory_output(line)->str, "ok");
    cr_assert_eq(in(5), 0x60);
    feed("ab");
    cr_assert_eq(in(5), 0x61);
    cr_assert_eq(in(0), 'a'); /* without FIFOs the second waits outside */
    cr_assert_eq(in(0), 'b');
    cr_assert_eq(in(5), 0x60);
}

Test(uart16550, shows_divisor_behind_dlab)
{
    out(3, 0x83);
    out(0, 0x34);
    out(1, 0x12);
    cr_assert_eq(in(0), 0x34);
    cr_assert_eq(in(1), 0x12);
    out(3, 0x03);
    cr_assert_eq(in(1), 0);
    cr_assert_str_empty(chardev_memory_output(line)->str);
}

Test(uart16550, identifies_as_16550a)
{
    out(2, 0x01);
    cr_assert_eq(in(2), 0xc1);
    out(2, 0x00);
    cr_assert_eq(in(2), 0x01);
    out(7, 0xa5);
    cr_assert_eq(in(7), 0xa5);
    out(1, 0xff);
    cr_assert_eq(in(1), 0x0f);
}

Test(uart16550, thre_interrupt_follows_each_write)
{
    out(1, 0x02); /* enabling raises it: the transmitter is empty */
    cr_assert(irq_level);
    cr_assert_eq(in(2), 0x02);
    cr_assert_not(irq_level); /* reading IIR acknowledges */
    cr_assert_eq(in(2), 0x01);
    out(0, 'x');
    cr_assert(irq_level);
    cr_assert_eq(irq_edges, 2);
    out(0, 'y');
    cr_assert_eq(irq_edges, 3);
    cr_assert_eq(in(2), 0x02);
}

/* The transmitter is busy while the host is behind, and says when it is not any more. */
Test(uart16550, waits_for_the_host)
{
    int tube[2];
    cr_assert_eq(pipe(tube), 0);
    g_autofree char *spec = g_strdup_printf("file:/proc/self/fd/%d", tube[1]);
    Chardev *slow = chardev_open(spec, NULL, NULL, NULL, NULL);
    cr_assert_not_null(slow);
    uart16550_new(bus, COM2, (IrqLine){on_irq, NULL, 3}, slow);
    const uint16_t lsr = COM2 + 5;
    unsigned sent = 0;
    address_space_io_write(bus->as, COM2 + 1, 0x02, 1);
    while (address_space_io_read(bus->as, lsr, 1) == 0x60 && sent < 1000000) {
        irq_level = false;
        address_space_io_write(bus->as, COM2, 'x', 1);
        sent++;
    }
    cr_assert_lt(sent, 1000000);
    cr_assert_eq(address_space_io_read(bus->as, lsr, 1), 0);
    cr_assert_not(irq_level);
    for (unsigned i = 0; i < 16; i++, sent++) /* a FIFO's worth is taken all the same */
        address_space_io_write(bus->as, COM2, 'x', 1);
    address_space_io_write(bus->as, COM2 + 1, 0, 1);
    address_space_io_write(bus->as, COM2 + 1, 0x02, 1);
    cr_assert_not(irq_level, "the transmitter is not empty");
    static uint8_t block[4096];
    unsigned got = 0;
    while (got < sent) {
        got += (unsigned)read(tube[0], block, sizeof block);
        while (g_main_context_iteration(NULL, FALSE))
            ;
    }
    cr_assert(irq_level);
    cr_assert_eq(address_space_io_read(bus->as, lsr, 1), 0x60);
    cr_assert_eq(got, sent);
    chardev_free(slow);
}

Test(uart16550, higher_priority_hides_thre)
{
    out(1, 0x03);
    feed("a");
    cr_assert_eq(in(2), 0x04);
    cr_assert_eq(in(2), 0x04); /* not acknowledged by IIR */
    in(0);
    cr_assert_eq(in(2), 0x02); /* still pending */
    cr_assert_eq(in(2), 0x01);
}

Test(uart16550, fifo_trigger_and_timeout)
{
    out(3, 0x83);
    out(0, 1);
    out(1, 0);
    out(3, 0x03);
    out(2, 0x41); /* FIFOs on, trigger at 4 */
    out(1, 0x01);
    feed("abc");
    cr_assert_not(irq_level);
    clock_fake_advance(bus->clock, 1000 * 1000);
    cr_assert_eq(in(2), 0xcc);
    cr_assert_eq(in(0), 'a');
    cr_assert_not(irq_level); /* a read restarts the time */
    feed("de");
    cr_assert_eq(in(2), 0xc4);
    for (const char *c = "bcde"; *c; c++)
        cr_assert_eq(in(0), (unsigned)*c);
    clock_fake_advance(bus->clock, 1000 * 1000);
    cr_assert_not(irq_level);
}

Test(uart16550, fifo_takes_sixteen_and_the_rest_waits)
{
    out(2, 0xc1);
    feed("0123456789abcdefXYZ");
    for (const char *c = "0123456789abcdefXYZ"; *c; c++)
        cr_assert_eq(in(0), (unsigned)*c);
    cr_assert_eq(in(5) & 0x03, 0);
}

Test(uart16550, loopback_wires_modem_lines)
{
    cr_assert_eq(in(6), 0xb0);
    out(4, 0x1a); /* LOOP OUT2 RTS: what Linux probes with */
    cr_assert_eq(in(6) & 0xf0, 0x90);
    out(4, 0x15); /* LOOP OUT1 DTR */
    cr_assert_eq(in(6) & 0xf0, 0x60);
    out(4, 0x11);
    cr_assert(in(6) & 0x04, "trailing edge of RI");
    out(0, 0xe1);
    cr_assert_eq(in(0), 0x01, "five data bits");
    out(3, 0x03);
    out(0, 0xe1);
    cr_assert_eq(in(0), 0xe1);
    cr_assert_eq(chardev_memory_output(line)->len, 0);
}

Test(uart16550, loopback_overrun)
{
    out(1, 0x04);
    out(4, 0x10);
    out(3, 0x03);
    out(0, 'a');
    out(0, 'b');
    cr_assert_eq(in(2), 0x06);
    cr_assert_eq(in(5), 0x63);
    cr_assert_eq(in(5), 0x61);
    cr_assert_eq(in(0), 'b');
    out(2, 0x01);
    for (unsigned i = 0; i < 20; i++)
        out(0, (uint8_t)i);
    cr_assert_eq(in(5) & 0x03, 0x03);
    for (unsigned i = 0; i < 16; i++)
        cr_assert_eq(in(0), i);
    cr_assert_eq(in(5) & 0x01, 0);
}

Test(uart16550, word_access_reaches_two_registers)
{
    address_space_io_write(bus->as, COM1 + 6, 0x5a00, 2);
    cr_assert_eq(in(7), 0x5a);
}
