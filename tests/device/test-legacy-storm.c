/* SPDX-License-Identifier: MIT
 * Random port traffic over the whole set of legacy devices, wired as on a PC: a hostile guest
 * must not crash, hang or overrun them (run it under the address sanitizer). */
#include <criterion/criterion.h>

#include "base/bits.h"
#include "hw/fw-cfg.h"
#include "hw/i8042.h"
#include "hw/i8237.h"
#include "hw/i8254.h"
#include "hw/i8259.h"
#include "hw/isa-debug-exit.h"
#include "hw/mc146818.h"
#include "hw/port92.h"
#include "tests/device/port-io.h"

static const struct {
    uint16_t base, count;
} ports[] = {{0x00, 16}, {0x20, 2},  {0x40, 4},  {0x60, 1},  {0x61, 1},
             {0x64, 1},  {0x70, 4},  {0x80, 16}, {0x92, 1},  {0xa0, 2},
             {0xc0, 32}, {0x4d0, 2}, {0x510, 2}, {0x514, 8}, {0xf4, 4}};

typedef struct {
    DeviceBus *bus;
    I8259 *pic;
    I8042 *kbc;
    I8237 *dma;
    Wire intr, a20, reset;
    int code;
} Machine;

static void store_code(void *opaque, int code)
{
    *(int *)opaque = code;
}

static void machine_init(Machine *m)
{
    m->bus = device_bus_new_for_test(1 << 20);
    m->pic = i8259_new(m->bus, wire_line(&m->intr));
    i8254_new(m->bus, i8259_input(m->pic, 0));
    mc146818_new(m->bus, i8259_input(m->pic, 8), 1709164798);
    I8042Wires wires = {i8259_input(m->pic, 1), i8259_input(m->pic, 12), wire_line(&m->reset),
                        wire_line(&m->a20)};
    m->kbc = i8042_new(m->bus, &wires);
    m->dma = i8237_new(m->bus);
    port92_new(m->bus, wire_line(&m->a20), wire_line(&m->reset));
    isa_debug_exit_new(m->bus, 0xf4, 4, store_code, &m->code);
    FwCfg *fw = fw_cfg_new(m->bus);
    fw_cfg_add_writable_for_test(fw, "etc/x", "0123456789", 10, NULL, NULL);
    device_reset_all(m->bus);
}

static void machine_poke(Machine *m, GRand *rand, uint8_t *buffer)
{
    guint32 r = g_rand_int(rand), i = r % G_N_ELEMENTS(ports);
    uint16_t port = (uint16_t)(ports[i].base + (r >> 8) % ports[i].count);
    unsigned size = 1u << (r >> 16) % 3;

    switch (r >> 24 & 15) {
    case 0:
        clock_fake_advance(m->bus->clock, g_rand_int_range(rand, 0, 5000000));
        break;
    case 1:
        if (m->intr.level)
            cr_assert_lt(i8259_acknowledge(m->pic), 256);
        break;
    case 2:
        i8042_key(m->kbc, g_rand_int(rand), r & 1);
        i8042_mouse(m->kbc, (int)g_rand_int(rand), (int)r, (int)(r >> 5), r);
        break;
    case 3:
        cr_assert_leq(i8237_transfer(m->dma, 2, buffer, 70000, r & 1), 65536);
        break;
    case 4:
    case 5:
    case 6:
        address_space_io_read(m->bus->as, port, size);
        break;
    default:
        address_space_io_write(m->bus->as, port, g_rand_int(rand) & width_mask(size), size);
        break;
    }
}

Test(legacy, survives_random_traffic)
{
    Machine m = {0};
    uint8_t *buffer = g_malloc0(70000);
    GRand *rand = g_rand_new_with_seed(8259);
    machine_init(&m);
    for (int i = 0; i < 100000; i++)
        machine_poke(&m, rand, buffer);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < m.bus->devices->len; i++) {
        Device *device = g_ptr_array_index(m.bus->devices, i);
        if (device->cls->info)
            device->cls->info(device, text);
    }
    cr_assert_gt(text->len, 0);
    g_string_free(text, TRUE);
    g_rand_free(rand);
    g_free(buffer);
    device_bus_free_for_test(m.bus);
}
