/* SPDX-License-Identifier: MIT
 * One conventional PCI bus: configuration mechanism 1 (CF8h/CFCh), functions with
 * their BARs, and INTx wires. PCI Local Bus Specification 2.1 (configuration space,
 * "Configuration Mechanism #1") and 2.3 (Interrupt Disable).
 *
 * A function is a device whose struct begins with PciFunction:
 *     struct Foo { PciFunction pci; ... };
 *     Foo *foo = device_register(bus, &foo_class, sizeof(*foo));
 *     pci_function_init(&foo->pci, pci, PCI_DEVFN(3, 0), &foo_ids);
 *     pci_function_add_bar(&foo->pci, 0, PCI_BAR_MEM32, size, region);
 *     foo_reset(...)                        which calls pci_function_reset
 * and whose state table contains PCI_FUNCTION_STATE(Foo, pci). */
#ifndef HW_PCI_H
#define HW_PCI_H

#include "hw/device.h"

typedef struct PciBus PciBus;
typedef struct PciFunction PciFunction;

#define PCI_DEVFN(slot, function) ((unsigned)((slot) << 3 | (function)))
#define PCI_CONFIG_SIZE           256
#define PCI_PIRQS                 4

/* Configuration header, type 0. */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS_PROG = 0x09,
    PCI_CLASS = 0x0a,
    PCI_CACHE_LINE = 0x0c,
    PCI_LATENCY = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_ROM_ADDRESS = 0x30,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};
enum {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_INTX_DISABLE = 1 << 10,
    PCI_STATUS_INTX = 1 << 3,
};

typedef enum {
    PCI_BAR_NONE,
    PCI_BAR_IO,
    PCI_BAR_MEM32,
    PCI_BAR_MEM32_PREFETCH,
    PCI_BAR_MEM64,
    PCI_BAR_MEM64_PREFETCH,
    PCI_BAR_ROM, /* the expansion ROM register */
} PciBarKind;

#define PCI_BARS          7
#define PCI_BAR_INDEX_ROM 6
/* Priority for regions behind BARs: RAM, firmware and fixed ports win over a BAR that
 * a guest has put on top of them. */
#define PCI_BAR_PRIORITY (-1)
#define PCI_UNMAPPED     UINT64_MAX

typedef struct {
    PciBarKind kind;
    uint64_t size;  /* power of two */
    Region *region; /* disabled while not decoded */
    uint64_t base;  /* where it is mapped now, or PCI_UNMAPPED */
} PciBar;

typedef struct {
    uint16_t vendor, device;
    uint16_t class_code; /* class << 8 | subclass */
    uint8_t prog_if, revision;
    uint8_t header_type;   /* 80h: multi-function */
    uint8_t interrupt_pin; /* 0 none, 1 INTA .. 4 INTD */
    uint16_t subsystem_vendor, subsystem;
} PciIds;

/* `count` config bytes from `offset` on, beyond the standard header. */
typedef struct {
    uint8_t offset, count;
    uint8_t value;        /* at reset */
    uint8_t writable;     /* mask */
    uint8_t clear_by_one; /* mask: writing 1 clears */
} PciConfigRow;

struct PciFunction {
    Device device;
    PciBus *bus;
    unsigned devfn;
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t initial[PCI_CONFIG_SIZE];  /* config at reset */
    uint8_t writable[PCI_CONFIG_SIZE]; /* masks */
    uint8_t clear_by_one[PCI_CONFIG_SIZE];
    PciBar bars[PCI_BARS];
    bool intx;         /* what the device drives */
    bool intx_on_wire; /* and what is left after Interrupt Disable */
    /* Called after a guest write to config[offset, offset+size); may be NULL. */
    void (*config_written)(PciFunction *fn, unsigned offset, unsigned size);
};

#define PCI_FUNCTION_STATE(type, field) STATE_ARRAY(type, field.config), STATE(type, field.intx)

/* pirq: where PIRQA..PIRQD end; slot s pin p drives (s - 1 + p) mod 4 as on the i440fx boards
 * that common firmware knows. */
PciBus *pci_bus_new(const DeviceBus *bus, const IrqLine pirq[PCI_PIRQS]);
/* Byte port CF9h lies inside CONFIG_ADDRESS and answers accesses that are not dwords at CF8h;
 * the ISA bridge owns it (offset is 0, size 1). */
void pci_bus_set_cf9(PciBus *bus, const RegionOps *ops, void *opaque);
/* NULL: no such function. */
PciFunction *pci_bus_find(const PciBus *bus, unsigned devfn);
/* What a class and subclass are called. */
const char *pci_class_name(uint16_t class_code);
/* Monitor's `info pci`. */
void pci_bus_print(const PciBus *bus, GString *out);
/* Configuration access by the host (tests, direct boot); size 1, 2 or 4, naturally aligned. */
uint32_t pci_config_read(PciBus *bus, unsigned devfn, unsigned offset, unsigned size);
void pci_config_write(PciBus *bus, unsigned devfn, unsigned offset, uint32_t value, unsigned size);

/* The slot must be free (asserts: the board decides). */
void pci_function_init(PciFunction *fn, PciBus *bus, unsigned devfn, const PciIds *ids);
void pci_function_add_config(PciFunction *fn, const PciConfigRow *rows, size_t count);
/* The region stays the caller's to describe; its base and enable belong to the BAR from now on.
 * Create it with PCI_BAR_PRIORITY at any base, between address_space_begin and _commit
 * together with this call. region may be NULL: address bits only. A 64-bit BAR takes index and
 * index + 1. */
void pci_function_add_bar(PciFunction *fn, unsigned index, PciBarKind kind, uint64_t size,
                          Region *region);
/* Power-on config, BARs unmapped, INTx low. */
void pci_function_reset(PciFunction *fn);
void pci_function_set_intx(PciFunction *fn, bool level);
bool pci_function_is_master(const PciFunction *fn); /* may it do DMA now */

static inline uint16_t pci_get_word(const PciFunction *fn, unsigned offset)
{
    return (uint16_t)(fn->config[offset & 0xff] | fn->config[(offset + 1) & 0xff] << 8);
}

static inline uint32_t pci_get_long(const PciFunction *fn, unsigned offset)
{
    return pci_get_word(fn, offset) | (uint32_t)pci_get_word(fn, offset + 2) << 16;
}

#endif
