/* SPDX-License-Identifier: MIT
 * PCI bus, host bridge and ISA bridge by their ports. */
#include <criterion/criterion.h>

#include "hw/i440fx.h"
#include "hw/ide.h"
#include "hw/piix3.h"
#include "hw/piix4-pm.h"

enum { MIB = 1 << 20 };

typedef struct {
    DeviceBus *bus;
    AddressSpace *as;
    Piix3 *piix3;
    PciBus *pci;
    PciFunction *card;
    ram_off_t low, bios;
    unsigned levels; /* bit per IRQ */
    unsigned resets;
} Board;

static void on_irq(void *opaque, int number, bool level)
{
    Board *b = opaque;
    b->levels = level ? b->levels | 1u << number : b->levels & ~(1u << number);
}

static void on_reset(void *opaque, int number, bool level)
{
    ((Board *)opaque)->resets += level;
}

static uint64_t card_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0x40 + offset;
}

static void card_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static const RegionOps card_ops = {card_read, card_write, 1, 4};

static void card_reset(Device *device)
{
    pci_function_reset((PciFunction *)device);
}

static const DeviceClass card_class = {.name = "card", .reset = card_reset};

static void add_card(Board *b)
{
    static const PciIds ids = {0x1234, 0x5678, 0x0200, 0, 0, 0, 1, 0, 0};
    b->card = device_register(b->bus, &card_class, sizeof(*b->card));
    pci_function_init(b->card, b->pci, PCI_DEVFN(3, 0), &ids);
    address_space_begin(b->as);
    Region *io = address_space_add_io(b->as, "card-io", 0, 32, PCI_BAR_PRIORITY, &card_ops, b);
    Region *mem = address_space_add_mmio(b->as, "card", 0, 4096, PCI_BAR_PRIORITY, &card_ops, b);
    Region *big = address_space_add_mmio(b->as, "big", 0, MIB, PCI_BAR_PRIORITY, &card_ops, b);
    pci_function_add_bar(b->card, 0, PCI_BAR_IO, 32, io);
    pci_function_add_bar(b->card, 1, PCI_BAR_MEM32, 4096, mem);
    pci_function_add_bar(b->card, 2, PCI_BAR_MEM64_PREFETCH, MIB, big);
    address_space_commit(b->as);
}

static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);
    b->bus = device_bus_new_for_test(0);
    b->as = b->bus->as;
    Ram *ram = address_space_ram(b->as);
    b->low = ram_alloc(ram, "low", 2 * MIB);
    b->bios = ram_alloc(ram, "bios", 0x40000);
    memset(ram_hva(ram, b->bios), 0x11, 0x20000);
    memset(ram_hva(ram, b->bios + 0x20000), 0xbb, 0x20000);
    address_space_add_ram(b->as, "low", 0, 0xa0000, 0, b->low);
    IrqLine pirq[4];
    Piix3Wires wires = {.reset = {on_reset, b, 0}};
    for (int i = 0; i < 4; i++)
        pirq[i] = (IrqLine){piix3_pirq_handler, &b->piix3, i};
    for (int i = 0; i < 16; i++)
        wires.irq[i] = (IrqLine){on_irq, b, i};
    b->pci = pci_bus_new(b->bus, pirq);
    i440fx_new(b->bus, b->pci, &(I440fxMemory){b->low + 0xc0000, b->bios, 0x40000});
    b->piix3 = piix3_new(b->bus, b->pci, &wires);
    add_card(b);
    device_reset_all(b->bus);
    return b;
}

static void board_free(Board *b)
{
    device_bus_free_for_test(b->bus);
    g_free(b);
}

static void out(Board *b, uint16_t port, uint32_t value, unsigned size)
{
    address_space_io_write(b->as, port, value, size);
}

static uint32_t in(Board *b, uint16_t port, unsigned size)
{
    return (uint32_t)address_space_io_read(b->as, port, size);
}

static void config_write(Board *b, unsigned devfn, unsigned reg, uint32_t value, unsigned size)
{
    out(b, 0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc), 4);
    out(b, (uint16_t)(0xcfc + (reg & 3)), value, size);
}

static uint32_t config_read(Board *b, unsigned devfn, unsigned reg, unsigned size)
{
    out(b, 0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc), 4);
    return in(b, (uint16_t)(0xcfc + (reg & 3)), size);
}

Test(pci, finds_functions_and_nothing_else)
{
    Board *b = board_new();
    cr_assert_eq(config_read(b, 0, 0, 4), 0x12378086);
    cr_assert_eq(config_read(b, PCI_DEVFN(1, 0), 2, 2), 0x7000);
    cr_assert_eq(config_read(b, PCI_DEVFN(1, 0), 0x0e, 1), 0x80);
    cr_assert_eq(config_read(b, PCI_DEVFN(2, 0), 0, 4), 0xffffffff);
    out(b, 0xcf8, 0x00000000, 4); /* not enabled */
    cr_assert_eq(in(b, 0xcfc, 4), 0xffffffff);
    out(b, 0xcf8, 0x80010000, 4); /* bus 1 */
    cr_assert_eq(in(b, 0xcfc, 4), 0xffffffff);
    GString *text = g_string_new(NULL);
    pci_bus_print(b->pci, text);
    cr_assert_not_null(strstr(text->str, "Host bridge: PCI device 8086:1237"));
    g_string_free(text, TRUE);
    board_free(b);
}

Test(pci, sizes_and_maps_bars)
{
    Board *b = board_new();
    unsigned devfn = PCI_DEVFN(3, 0);
    config_write(b, devfn, 0x10, 0xffffffff, 4);
    config_write(b, devfn, 0x14, 0xffffffff, 4);
    config_write(b, devfn, 0x18, 0xffffffff, 4);
    config_write(b, devfn, 0x1c, 0xffffffff, 4);
    cr_assert_eq(config_read(b, devfn, 0x10, 4), 0xffffffe1);
    cr_assert_eq(config_read(b, devfn, 0x14, 4), 0xfffff000);
    cr_assert_eq(config_read(b, devfn, 0x18, 4), 0xfff0000c);
    cr_assert_eq(config_read(b, devfn, 0x1c, 4), 0xffffffff);
    config_write(b, devfn, 4, 3, 2); /* decoding all ones maps nothing and harms nothing */
    config_write(b, devfn, 0x10, 0xc000, 4);
    config_write(b, devfn, 0x14, 0xe0000000, 4);
    config_write(b, devfn, 0x18, 0x00000000, 4);
    config_write(b, devfn, 0x1c, 0x00000001, 4);
    cr_assert_eq(in(b, 0xc004, 1), 0x44);
    cr_assert_eq(address_space_read(b->as, 0xe0000010, 1), 0x50);
    cr_assert_eq(address_space_read(b->as, 0x100000020, 1), 0x60);
    config_write(b, devfn, 0x14, 0xe0001000, 4);
    cr_assert_eq(address_space_read(b->as, 0xe0000010, 1), 0xff);
    config_write(b, devfn, 4, 2, 2); /* memory only */
    cr_assert_eq(in(b, 0xc004, 1), 0xff);
    cr_assert_eq(address_space_read(b->as, 0xe0001010, 1), 0x50);
    config_write(b, devfn, 0x14, 0x1000, 4); /* on top of RAM: RAM wins */
    cr_assert_eq(address_space_read(b->as, 0x1010, 1), 0);
    board_free(b);
}

Test(pci, routes_intx)
{
    Board *b = board_new();
    config_write(b, PCI_DEVFN(1, 0), 0x62, 11, 1); /* slot 3 pin A is PIRQC */
    pci_function_set_intx(b->card, true);
    cr_assert_eq(b->levels, 1u << 11);
    cr_assert(config_read(b, PCI_DEVFN(3, 0), 6, 2) & PCI_STATUS_INTX);
    config_write(b, PCI_DEVFN(1, 0), 0x62, 10, 1);
    cr_assert_eq(b->levels, 1u << 10);
    config_write(b, PCI_DEVFN(1, 0), 0x62, 2, 1); /* reserved */
    cr_assert_eq(b->levels, 0);
    config_write(b, PCI_DEVFN(1, 0), 0x62, 10, 1);
    config_write(b, PCI_DEVFN(3, 0), 4, PCI_COMMAND_INTX_DISABLE, 2);
    cr_assert_eq(b->levels, 0);
    config_write(b, PCI_DEVFN(3, 0), 4, 0, 2);
    cr_assert_eq(b->levels, 1u << 10);
    device_reset_all(b->bus);
    cr_assert_eq(b->levels, 0);
    board_free(b);
}

Test(pci, cf9_resets)
{
    Board *b = board_new();
    out(b, 0xcf9, 2, 1);
    cr_assert_eq(b->resets, 0);
    cr_assert_eq(in(b, 0xcf9, 1), 2);
    out(b, 0xcf9, 6, 1);
    cr_assert_eq(b->resets, 1);
    out(b, 0xcf8, 0xffffffff, 4); /* CONFIG_ADDRESS does not */
    cr_assert_eq(b->resets, 1);
    board_free(b);
}

Test(i440fx, pam_chooses_rom_or_ram)
{
    Board *b = board_new();
    AddressSpace *as = b->as;
    cr_assert_eq(address_space_read(as, 0xf0000, 1), 0xbb);
    cr_assert_eq(address_space_read(as, 0xe0000, 1), 0xbb);
    cr_assert_eq(address_space_read(as, 0xc0000, 1), 0xff);
    address_space_write(as, 0xf0000, 0x55, 1); /* dropped */
    config_write(b, 0, 0x59, 0x20, 1);         /* read ROM, write RAM */
    cr_assert_eq(address_space_read(as, 0xffff0, 1), 0xbb);
    address_space_write(as, 0xffff0, 0x1234, 2);
    cr_assert_eq(address_space_read(as, 0xffff0, 2), 0xbbbb);
    config_write(b, 0, 0x59, 0x10, 1); /* read RAM, writes dropped */
    cr_assert_eq(address_space_read(as, 0xffff0, 2), 0x1234);
    cr_assert_eq(address_space_read(as, 0xf0000, 1), 0);
    address_space_write(as, 0xffff0, 0, 2);
    cr_assert_eq(address_space_read(as, 0xffff0, 2), 0x1234);
    config_write(b, 0, 0x5a, 0x30, 1); /* C4000 RAM */
    address_space_write(as, 0xc4000, 7, 1);
    address_space_write(as, 0xc3fff, 7, 1);
    cr_assert_eq(address_space_read(as, 0xc4000, 1), 7);
    cr_assert_eq(address_space_read(as, 0xc3fff, 1), 0xff);
    device_reset_all(b->bus);
    cr_assert_eq(address_space_read(as, 0xffff0, 1), 0xbb);
    cr_assert_eq(address_space_read(as, 0xc4000, 1), 0xff);
    board_free(b);
}

Test(i440fx, smram_locks)
{
    Board *b = board_new();
    config_write(b, 0, 0x72, 0x5a, 1);
    cr_assert_eq(config_read(b, 0, 0x72, 1), 0x1a);
    config_write(b, 0, 0x72, 0x40, 1);
    cr_assert_eq(config_read(b, 0, 0x72, 1), 0x1a);
    board_free(b);
}

Test(pci, survives_noise)
{
    Board *b = board_new();
    GRand *rand = g_rand_new_with_seed(5);
    piix4_pm_new(b->bus, b->pci, NULL, NULL);
    ide_new(b->bus, b->pci, (IrqLine[2]){{0}});
    for (int i = 0; i < 50000; i++) {
        static const uint8_t devfns[] = {0, 8, 9, 11, 24};
        uint32_t dice = g_rand_int(rand), value = g_rand_int(rand);
        unsigned devfn = devfns[dice % sizeof(devfns)];
        config_write(b, devfn, dice >> 8 & 0xff, value, 1u << (dice >> 16) % 3);
        config_read(b, devfn, dice >> 20 & 0xff, 1u << (value >> 5) % 3);
        out(b, (uint16_t)(0xcf8 + value % 8), g_rand_int(rand), 1u << (value >> 9) % 3);
        out(b, (uint16_t)value, value >> 16, 1u << (value >> 9) % 3);
        address_space_write(b->as, 0xc0000 + value % 0x40000, value, 4);
        if (i % 1000 == 0)
            device_reset_all(b->bus);
    }
    g_rand_free(rand);
    board_free(b);
}
