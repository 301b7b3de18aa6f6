/* SPDX-License-Identifier: MIT
 * The DSDT: devices that a guest cannot find by itself, and how PCI interrupts are
 * routed. Sources: ACPI specification; "82371FB (PIIX) and 82371SB (PIIX3)" data sheet,
 * registers 60h-63h (PIRQRC). */
#include "hw/acpi-tables.h"
#include "hw/aml.h"
#include "hw/uart16550.h"

#define PCI_SLOTS       32
#define PCI_WINDOW_LAST 0xfebfffffu /* below the I/O APIC */
#define HPET_ADDRESS    0xfed00000u
#define PIRQ_DISABLED   0x80

static const char *const link_names[4] = {"\\_SB.LNKA", "\\_SB.LNKB", "\\_SB.LNKC", "\\_SB.LNKD"};
static const char *const pirq_names[4] = {"\\_SB.PCI0.ISA.PRQA", "\\_SB.PCI0.ISA.PRQB",
                                          "\\_SB.PCI0.ISA.PRQC", "\\_SB.PCI0.ISA.PRQD"};

static void dsdt_host_bridge_resources(Aml *aml, const AcpiConfig *config)
{
    aml_name(aml, "_CRS");
    aml_begin_resources(aml);
    aml_bus_range(aml, 0, 0xff);
    aml_io(aml, 0xcf8, 8);
    aml_io_range(aml, 0, 0xcf7);
    aml_io_range(aml, 0xd00, 0xffff);
    aml_memory_range(aml, 0xa0000, 0xbffff);
    if (config->low_ram <= PCI_WINDOW_LAST)
        aml_memory_range(aml, (uint32_t)config->low_ram, PCI_WINDOW_LAST);
    aml_end_resources(aml);
}

/* Slot s, pin p (0 is INTA) reaches PIRQ (s + p - 1) mod 4: the swizzle of hw/pc.c. The
 * power management function in slot 1 is wired to the SCI instead of PIRQA. */
static void dsdt_interrupt_routing(Aml *aml)
{
    aml_name(aml, "_PRT");
    aml_begin_package(aml, PCI_SLOTS * 4);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            aml_begin_package(aml, 4);
            aml_integer(aml, slot << 16 | 0xffff);
            aml_integer(aml, pin);
            aml_ref(aml, slot == 1 && pin == 0 ? "\\_SB.LNKS" : link_names[(slot + pin + 3) % 4]);
            aml_integer(aml, 0);
            aml_end(aml);
        }
    }
    aml_end(aml);
}

static void dsdt_interrupt_resources(Aml *aml, const char *name, const uint32_t *irqs,
                                     unsigned count)
{
    aml_name(aml, name);
    aml_begin_resources(aml);
    aml_interrupts(aml, irqs, count);
    aml_end_resources(aml);
}

/* Method _STA: 0Bh while routed, 09h while disabled. */
static void dsdt_link_status(Aml *aml, const char *pirq)
{
    aml_begin_method(aml, "_STA", 0);
    aml_begin_if(aml);
    aml_op(aml, AML_OP_AND);
    aml_ref(aml, pirq);
    aml_integer(aml, PIRQ_DISABLED);
    aml_no_target(aml);
    aml_op(aml, AML_OP_RETURN);
    aml_integer(aml, 0x09);
    aml_end(aml);
    aml_op(aml, AML_OP_RETURN);
    aml_integer(aml, 0x0b);
    aml_end(aml);
}

/* The interrupt number stands at byte 5 of an extended interrupt descriptor. */
static void dsdt_create_irq_field(Aml *aml, const char *buffer)
{
    aml_op(aml, AML_OP_CREATE_DWORD_FIELD);
    if (buffer)
        aml_ref(aml, buffer);
    else
        aml_arg(aml, 0);
    aml_integer(aml, 5);
    aml_ref(aml, "IRQN");
}

static void dsdt_link_current(Aml *aml, const char *pirq)
{
    const uint32_t none[] = {0};
    aml_begin_method(aml, "_CRS", 0);
    dsdt_interrupt_resources(aml, "BUFF", none, 1);
    dsdt_create_irq_field(aml, "BUFF");
    aml_op(aml, AML_OP_AND);
    aml_ref(aml, pirq);
    aml_integer(aml, 0x0f);
    aml_ref(aml, "IRQN");
    aml_op(aml, AML_OP_RETURN);
    aml_ref(aml, "BUFF");
    aml_end(aml);
}

static void dsdt_link(Aml *aml, unsigned n)
{
    static const uint32_t possible[] = {5, 10, 11};
    const char *pirq = pirq_names[n];
    aml_begin_device(aml, link_names[n]);
    aml_name_eisa_id(aml, "_HID", "PNP0C0F");
    aml_name_integer(aml, "_UID", n + 1);
    dsdt_interrupt_resources(aml, "_PRS", possible, G_N_ELEMENTS(possible));
    dsdt_link_status(aml, pirq);
    dsdt_link_current(aml, pirq);

    aml_begin_method(aml, "_DIS", 0);
    aml_op(aml, AML_OP_OR);
    aml_ref(aml, pirq);
    aml_integer(aml, PIRQ_DISABLED);
    aml_ref(aml, pirq);
    aml_end(aml);

    aml_begin_method(aml, "_SRS", 1);
    dsdt_create_irq_field(aml, NULL);
    aml_op(aml, AML_OP_STORE);
    aml_ref(aml, "IRQN");
    aml_ref(aml, pirq);
    aml_end(aml);
    aml_end(aml);
}

/* The SCI, as a link that cannot be moved. */
static void dsdt_sci_link(Aml *aml)
{
    static const uint32_t sci[] = {ACPI_SCI_IRQ};
    aml_begin_device(aml, "\\_SB.LNKS");
    aml_name_eisa_id(aml, "_HID", "PNP0C0F");
    aml_name_integer(aml, "_UID", 5);
    dsdt_interrupt_resources(aml, "_PRS", sci, 1);
    dsdt_interrupt_resources(aml, "_CRS", sci, 1);
    aml_name_integer(aml, "_STA", 0x0b);
    aml_begin_method(aml, "_DIS", 0);
    aml_end(aml);
    aml_begin_method(aml, "_SRS", 1);
    aml_end(aml);
    aml_end(aml);
}

/* One row a device of the ISA bus. */
typedef struct {
    const char *name;
    const char *id;
    int uid; /* -1: none */
    struct {
        uint16_t base;
        uint8_t length;
    } ports[4];
    int irq; /* -1: none */
    int dma;
} IsaRow;

static const IsaRow isa_rows[] = {
    {"RTC", "PNP0B00", -1, {{0x70, 2}}, 8, -1},
    {"KBD", "PNP0303", -1, {{0x60, 1}, {0x64, 1}}, 1, -1},
    {"MOU", "PNP0F13", -1, {{0}}, 12, -1},
    {"FDC0", "PNP0700", -1, {{0x3f2, 4}, {0x3f7, 1}}, 6, 2},
    {"COM1", "PNP0501", 1, {{UART_COM1_PORT, 8}}, 4, -1},
    {"COM2", "PNP0501", 2, {{UART_COM2_PORT, 8}}, 3, -1},
    /* Reserved: power management, SMBus, general purpose events, SMI command. */
    {"PMIO",
     "PNP0C02",
     -1,
     {{ACPI_PM_BASE, 0x40},
      {0x700, 0x10},
      {ACPI_GPE0_BASE, ACPI_GPE0_LENGTH},
      {ACPI_SMI_COMMAND, 2}},
     -1,
     -1},
};

static bool isa_row_present(const IsaRow *row, const AcpiConfig *config)
{
    if (g_str_equal(row->name, "KBD") || g_str_equal(row->name, "MOU"))
        return config->ps2;
    if (g_str_equal(row->name, "FDC0"))
        return config->floppy;
    if (g_str_equal(row->id, "PNP0501"))
        return config->serial[row->uid - 1];
    return true;
}

static void dsdt_isa_row(Aml *aml, const IsaRow *row)
{
    aml_begin_device(aml, row->name);
    aml_name_eisa_id(aml, "_HID", row->id);
    if (row->uid >= 0)
        aml_name_integer(aml, "_UID", (uint32_t)row->uid);
    aml_name(aml, "_CRS");
    aml_begin_resources(aml);
    for (size_t i = 0; i < G_N_ELEMENTS(row->ports) && row->ports[i].length; i++)
        aml_io(aml, row->ports[i].base, row->ports[i].length);
    if (row->irq >= 0)
        aml_irq(aml, (unsigned)row->irq);
    if (row->dma >= 0)
        aml_dma(aml, (unsigned)row->dma);
    aml_end_resources(aml);
    aml_end(aml);
}

/* PIIX3 in slot 1, function 0, with its PIRQ registers. */
static void dsdt_isa_bridge(Aml *aml, const AcpiConfig *config)
{
    aml_begin_device(aml, "ISA");
    aml_name_integer(aml, "_ADR", 0x00010000);
    aml_pci_config_region(aml, "PIRQ", 0x60, 4);
    aml_begin_byte_fields(aml, "PIRQ");
    for (unsigned n = 0; n < 4; n++)
        aml_byte_field(aml, pirq_names[n] + strlen("\\_SB.PCI0.ISA."));
    aml_end(aml);
    for (size_t i = 0; i < G_N_ELEMENTS(isa_rows); i++) {
        if (isa_row_present(&isa_rows[i], config))
            dsdt_isa_row(aml, &isa_rows[i]);
    }
    aml_end(aml);
}

static void dsdt_hpet(Aml *aml)
{
    aml_begin_device(aml, "HPET");
    aml_name_eisa_id(aml, "_HID", "PNP0103");
    aml_name_integer(aml, "_UID", 0);
    aml_name(aml, "_CRS");
    aml_begin_resources(aml);
    aml_memory_fixed(aml, HPET_ADDRESS, 0x400);
    aml_end_resources(aml);
    aml_end(aml);
}

void acpi_dsdt_append(GByteArray *out, const AcpiConfig *config)
{
    Aml aml;
    aml_init(&aml, out);

    aml_begin_scope(&aml, "\\_PR");
    for (unsigned i = 0; i < config->cpus; i++) {
        const char name[5] = {'C', 'P', 'U', (char)('0' + i), 0};
        aml_begin_processor(&aml, name, (uint8_t)i);
        aml_end(&aml);
    }
    aml_end(&aml);

    aml_begin_scope(&aml, "\\_SB");
    aml_begin_device(&aml, "PCI0");
    aml_name_eisa_id(&aml, "_HID", "PNP0A03");
    aml_name_integer(&aml, "_ADR", 0);
    aml_name_integer(&aml, "_UID", 0);
    dsdt_host_bridge_resources(&aml, config);
    dsdt_interrupt_routing(&aml);
    dsdt_isa_bridge(&aml, config);
    aml_end(&aml);
    for (unsigned n = 0; n < 4; n++)
        dsdt_link(&aml, n);
    dsdt_sci_link(&aml);
    if (config->hpet)
        dsdt_hpet(&aml);
    aml_end(&aml);

    /* Power off only: SLP_TYP 0 in the PIIX4. There is no sleep state S3 or S4. */
    aml_name(&aml, "\\_S5");
    aml_begin_package(&aml, 4);
    for (int i = 0; i < 4; i++)
        aml_integer(&aml, 0);
    aml_end(&aml);
    g_assert(aml.depth == 0);
}
