/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "hw/i8237.h"
#include "tests/device/port-io.h"

typedef struct {
    DeviceBus *bus;
    I8237 *dma;
} Fixture;

static Fixture *dma_setup(void)
{
    Fixture *f = g_new0(Fixture, 1);
    f->bus = device_bus_new_for_test(1 << 20);
    f->dma = i8237_new(f->bus);
    device_reset_all(f->bus);
    return f;
}

static void dma_teardown(Fixture *f)
{
    device_bus_free_for_test(f->bus);
    g_free(f);
}

/* As a floppy driver programs channel 2. */
static void program(Fixture *f, unsigned mode, uint32_t address, unsigned count)
{
    outb(f->bus, 0x0a, 0x06);
    outb(f->bus, 0x0c, 0);
    outb(f->bus, 0x04, address);
    outb(f->bus, 0x04, address >> 8);
    outb(f->bus, 0x81, address >> 16);
    outb(f->bus, 0x05, count - 1);
    outb(f->bus, 0x05, (count - 1) >> 8);
    outb(f->bus, 0x0b, mode | 2);
    outb(f->bus, 0x0a, 0x02);
}

Test(i8237, moves_to_memory_until_terminal_count)
{
    Fixture *f = dma_setup();
    uint8_t sector[512], seen[512];
    memset(sector, 0xa5, sizeof(sector));
    cr_assert_eq(i8237_transfer(f->dma, 2, sector, 512, true), 0); /* masked at reset */
    program(f, 0x44, 0x23456, 700);
    cr_assert_eq(i8237_transfer(f->dma, 2, sector, 512, true), 512);
    cr_assert_not(i8237_reached_tc(f->dma, 2));
    cr_assert_eq(inb_twice(f->bus, 0x05), 187);
    cr_assert_eq(i8237_transfer(f->dma, 2, sector, 512, true), 188);
    cr_assert(i8237_reached_tc(f->dma, 2));
    cr_assert_eq(inb(f->bus, 0x08), 0x04);
    cr_assert_eq(inb(f->bus, 0x08), 0);
    cr_assert_not(i8237_ready(f->dma, 2));
    address_space_dma_read(f->bus->as, 0x23456 + 188, seen, 512);
    cr_assert_eq(memcmp(seen, sector, 512), 0);
    dma_teardown(f);
}

Test(i8237, reads_memory_and_checks_the_direction)
{
    Fixture *f = dma_setup();
    char text[6] = "";
    address_space_dma_write(f->bus->as, 0x1000, "hello", 5);
    program(f, 0x48, 0x1000, 5);
    cr_assert_eq(i8237_transfer(f->dma, 2, text, 5, true), 0);
    cr_assert_eq(i8237_transfer(f->dma, 2, text, 5, false), 5);
    cr_assert_str_eq(text, "hello");
    program(f, 0x68, 0x1004, 5); /* downwards */
    cr_assert_eq(i8237_transfer(f->dma, 2, text, 5, false), 5);
    cr_assert_str_eq(text, "olleh");
    dma_teardown(f);
}

Test(i8237, wraps_in_its_page_and_reloads)
{
    Fixture *f = dma_setup();
    uint8_t byte = 0;
    program(f, 0x54, 0x1ffff, 2); /* auto-init */
    cr_assert_eq(i8237_transfer(f->dma, 2, (uint8_t[]){1, 2, 3}, 3, true), 2);
    cr_assert(i8237_reached_tc(f->dma, 2));
    address_space_dma_read(f->bus->as, 0x10000, &byte, 1);
    cr_assert_eq(byte, 2);
    cr_assert(i8237_ready(f->dma, 2));
    cr_assert_eq(i8237_transfer(f->dma, 2, (uint8_t[]){7}, 1, true), 1);
    address_space_dma_read(f->bus->as, 0x1ffff, &byte, 1);
    cr_assert_eq(byte, 7);
    dma_teardown(f);
}

Test(i8237, words_on_channel_5)
{
    Fixture *f = dma_setup();
    uint8_t seen[4];
    Wire ready = {0};
    i8237_set_ready_line(f->dma, 5, wire_line(&ready));
    outb(f->bus, 0xd8, 0);
    outb(f->bus, 0xc4, 0x00);
    outb(f->bus, 0xc4, 0x10); /* word 1000h: byte 2000h */
    outb(f->bus, 0x8b, 0x03); /* bit 0 does not count */
    outb(f->bus, 0xc6, 1);
    outb(f->bus, 0xc6, 0);
    outb(f->bus, 0xd6, 0x45);
    cr_assert_not(ready.level);
    outb(f->bus, 0xd4, 0x01);
    cr_assert(ready.level);
    cr_assert_eq(i8237_transfer(f->dma, 5, (uint8_t[]){1, 2, 3, 4}, 4, true), 4);
    address_space_dma_read(f->bus->as, 0x22000, seen, 4);
    cr_assert_eq(seen[3], 4);
    dma_teardown(f);
}

Test(i8237, full_count_and_missing_memory)
{
    Fixture *f = dma_setup();
    uint8_t *buffer = g_malloc0(70000);
    program(f, 0x44, 0xff0000, 65536);
    cr_assert_eq(i8237_transfer(f->dma, 2, buffer, 70000, true), 65536);
    program(f, 0x64, 0x8000, 65536);
    cr_assert_eq(i8237_transfer(f->dma, 2, buffer, 70000, true), 65536);
    cr_assert_eq(inb(f->bus, 0x81), 0);
    g_free(buffer);
    dma_teardown(f);
}
