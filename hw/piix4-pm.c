/* SPDX-License-Identifier: MIT
 * Power management function, see piix4-pm.h. Sources: Intel 82371AB (PIIX4) data sheet,
 * "Power Management" and "SMBus" registers; ACPI specification 1.0b, "ACPI Register Model".
 * GPE0 lies at AFE0h and S5 is sleep type 0, as the ACPI tables of common PC firmware for
 * virtual machines say. There is no system management mode and no suspend. */
#include "hw/piix4-pm.h"

#include "base/bits.h"
#include "base/log.h"

enum {
    REG_PMBASE = 0x40,
    REG_DEVACTB_TOP = 0x5b,
    APMC_ENABLE = 0x02, /* firmware takes it for "SMM is set up" and does not wait for an SMI */
    REG_PMREGMISC = 0x80,
    REG_SMBBASE = 0x90,
    REG_SMBHSTCFG = 0xd2,

    PM_PORTS = 64,
    SMBUS_PORTS = 16,
    GPE0_BASE = 0xafe0,
    GPE0_PORTS = 4,
    APM_BASE = 0xb2,
    SCI_IRQ = 9,
};

/* Offsets in the power management block. */
enum { PMSTS = 0, PMEN = 2, PMCNTRL = 4, PMTMR = 8 };

enum {
    STS_TIMER = 1 << 0,
    STS_GLOBAL = 1 << 5,
    STS_POWER_BUTTON = 1 << 8,
    STS_RTC = 1 << 10,
    STS_RESUME = 1 << 15,
    STS_ALL = STS_TIMER | STS_GLOBAL | STS_POWER_BUTTON | STS_RTC | STS_RESUME,
    EN_ALL = STS_TIMER | STS_GLOBAL | STS_POWER_BUTTON | STS_RTC,

    CNT_SCI_EN = 1 << 0,
    CNT_SLP_EN = 1 << 13, /* write-only */
    CNT_WRITABLE = 0x1c03,
    SLEEP_TYPE_S5 = 0,

    APM_ACPI_DISABLE = 0xf0,
    APM_ACPI_ENABLE = 0xf1,
};

#define TIMER_HZ   3579545
#define TIMER_MASK 0xffffff
#define TIMER_HALF INT64_C(0x800000) /* TMROF_STS: the top bit of the 24 changed */

/* SMBus host controller registers. */
enum { SMBHSTSTS = 0, SMBHSTCNT = 2, SMBUS_STORED = 8 };
enum { SMB_START = 0x40, SMB_DEVICE_ERROR = 0x04, SMB_STATUS_MASK = 0x1e };

struct Piix4Pm {
    PciFunction pci;
    AddressSpace *as;
    Clock *clock;
    IrqLine sci;
    IrqLine power_off;
    Region *pm_region;
    Region *smbus_region;
    Timer *overflow_timer;
    int64_t overflow_tick; /* the next tick that sets TMROF_STS */
    uint16_t status, enable, control;
    uint16_t gpe_status, gpe_enable;
    uint8_t smbus[SMBUS_STORED];
    uint8_t apm[2];
};

/* ---- timer and SCI ---- */

static int64_t timer_ticks(const Piix4Pm *pm)
{
    return muldiv64(clock_now(pm->clock), TIMER_HZ, (uint32_t)NS_PER_SEC);
}

/* Status with the timer's overflow brought up to date. */
static uint16_t status_now(Piix4Pm *pm)
{
    if (timer_ticks(pm) >= pm->overflow_tick)
        pm->status |= STS_TIMER;
    return pm->status;
}

static void sci_update(Piix4Pm *pm)
{
    bool event = (status_now(pm) & pm->enable & EN_ALL) || (pm->gpe_status & pm->gpe_enable);
    irq_set(&pm->sci, event && (pm->control & CNT_SCI_EN));
    if ((pm->enable & STS_TIMER) && !(pm->status & STS_TIMER)) {
        /* The first ns whose tick is reached: round up. */
        int64_t ns = muldiv64(pm->overflow_tick, (uint32_t)NS_PER_SEC, TIMER_HZ) + 1;
        timer_arm(pm->overflow_timer, ns);
    } else {
        timer_cancel(pm->overflow_timer);
    }
}

static void overflow_fired(void *opaque)
{
    sci_update(opaque);
}

static void timer_restart(Piix4Pm *pm)
{
    pm->overflow_tick = (timer_ticks(pm) / TIMER_HALF + 1) * TIMER_HALF;
}

void piix4_pm_power_button(Piix4Pm *pm)
{
    pm->status |= STS_POWER_BUTTON;
    sci_update(pm);
}

/* ---- power management block ---- */

static void status_clear(Piix4Pm *pm, uint16_t bits)
{
    status_now(pm);
    pm->status &= (uint16_t)~bits;
    if (bits & STS_TIMER)
        timer_restart(pm);
}

static void control_write(Piix4Pm *pm, uint16_t value)
{
    pm->control = value & CNT_WRITABLE;
    if (!(value & CNT_SLP_EN))
        return;
    unsigned type = value >> 10 & 7;
    if (type == SLEEP_TYPE_S5)
        irq_pulse(&pm->power_off);
    else
        log_unimp("piix4-pm: no suspend: sleep type %u ignored", type);
}

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    Piix4Pm *pm = opaque;
    switch (offset) {
    case PMSTS:
        return status_now(pm);
    case PMEN:
        return pm->enable;
    case PMCNTRL:
        return pm->control;
    case PMTMR:
        return (uint64_t)timer_ticks(pm) & 0xffff;
    case PMTMR + 2:
        return (uint64_t)timer_ticks(pm) >> 16 & (TIMER_MASK >> 16);
    default:
        return 0;
    }
}

static void pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;
    switch (offset) {
    case PMSTS:
        status_clear(pm, value & STS_ALL);
        break;
    case PMEN:
        pm->enable = value & EN_ALL;
        break;
    case PMCNTRL:
        control_write(pm, (uint16_t)value);
        break;
    default:
        return;
    }
    sci_update(pm);
}

/* Registers are 16 bits wide; a dword read of PMTMR must not tear. */
static uint64_t pm_read_any(void *opaque, uint64_t offset, unsigned size)
{
    if (offset == PMTMR && size == 4)
        return (uint64_t)timer_ticks(opaque) & TIMER_MASK;
    uint64_t base = offset & ~UINT64_C(1);
    uint64_t value = pm_read(opaque, base, 2);
    if (size == 4)
        return value | pm_read(opaque, base + 2, 2) << 16;
    return value >> (8 * (offset & 1)) & width_mask(size);
}

/* A byte write leaves the other byte of its register alone. */
static void pm_write_any(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    uint64_t base = offset & ~UINT64_C(1);
    if (size == 1) {
        unsigned lane = 8 * (offset & 1);
        uint64_t rest = base == PMSTS ? 0 : pm_read(opaque, base, 2) & ~(UINT64_C(0xff) << lane);
        value = rest | value << lane;
    }
    pm_write(opaque, base, value & 0xffff, 2);
    if (size == 4)
        pm_write(opaque, base + 2, value >> 16, 2);
}

/* ---- GPE0: two status bytes, two enable bytes ---- */

static uint64_t gpe_read(void *opaque, uint64_t offset, unsigned size)
{
    Piix4Pm *pm = opaque;
    uint16_t value = offset < 2 ? pm->gpe_status : pm->gpe_enable;
    return value >> (8 * (offset & 1)) & 0xff;
}

static void gpe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;
    unsigned lane = 8 * (offset & 1);
    if (offset < 2)
        pm->gpe_status &= (uint16_t) ~(value << lane);
    else
        pm->gpe_enable = (uint16_t)bits_set(pm->gpe_enable, lane, 8, value);
    sci_update(pm);
}

/* ---- APM ports ---- */

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((Piix4Pm *)opaque)->apm[offset & 1];
}

/* Firmware would do this in its SMI handler; without SMM the chip does. */
static void apm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;
    pm->apm[offset & 1] = (uint8_t)value;
    if (offset != 0)
        return;
    if (value == APM_ACPI_ENABLE)
        pm->control |= CNT_SCI_EN;
    else if (value == APM_ACPI_DISABLE)
        pm->control &= (uint16_t)~CNT_SCI_EN;
    sci_update(pm);
}

/* ---- SMBus: no device answers, so each transaction ends in an error ---- */

static uint64_t smbus_read(void *opaque, uint64_t offset, unsigned size)
{
    Piix4Pm *pm = opaque;
    return offset < SMBUS_STORED ? pm->smbus[offset] : 0;
}

static void smbus_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;
    if (offset >= SMBUS_STORED)
        return;
    if (offset == SMBHSTSTS) {
        pm->smbus[SMBHSTSTS] &= (uint8_t) ~(value & SMB_STATUS_MASK);
        return;
    }
    pm->smbus[offset] = (uint8_t)value;
    if (offset == SMBHSTCNT && (value & SMB_START)) {
        pm->smbus[SMBHSTCNT] &= (uint8_t)~SMB_START;
        pm->smbus[SMBHSTSTS] |= SMB_DEVICE_ERROR;
    }
}

/* ---- configuration ---- */

static void block_map(Region *region, uint16_t base, bool enabled)
{
    region_set_enabled(region, false);
    if (!enabled || base == 0)
        return;
    region_move(region, base);
    region_set_enabled(region, true);
}

static void blocks_update(Piix4Pm *pm)
{
    const uint8_t *config = pm->pci.config;
    address_space_begin(pm->as);
    block_map(pm->pm_region, pci_get_word(&pm->pci, REG_PMBASE) & 0xffc0,
              config[REG_PMREGMISC] & 1);
    block_map(pm->smbus_region, pci_get_word(&pm->pci, REG_SMBBASE) & 0xfff0,
              (config[REG_SMBHSTCFG] & 1) && (config[PCI_COMMAND] & PCI_COMMAND_IO));
    address_space_commit(pm->as);
}

static void config_written(PciFunction *fn, unsigned offset, unsigned size)
{
    blocks_update((Piix4Pm *)fn);
}

static const PciIds ids = {
    .vendor = 0x8086,
    .device = 0x7113,
    .class_code = 0x0680,
    .revision = 3,
    .interrupt_pin = 1,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
};

static const PciConfigRow config_rows[] = {
    {PCI_COMMAND, 1, 0, PCI_COMMAND_IO, 0},
    {PCI_INTERRUPT_LINE, 1, SCI_IRQ, 0xff, 0},
    {REG_PMBASE, 1, 0x01, 0xc0, 0},
    {REG_PMBASE + 1, 1, 0, 0xff, 0},
    {0x44, 0x17, 0, 0xff, 0}, /* device monitors: stored only */
    {REG_DEVACTB_TOP, 1, APMC_ENABLE, 0x02, 0},
    {0x5c, 0x24, 0, 0xff, 0}, /* device resources: stored only */
    {REG_PMREGMISC, 1, 0, 0x01, 0},
    {REG_SMBBASE, 1, 0x01, 0xf0, 0},
    {REG_SMBBASE + 1, 1, 0, 0xff, 0},
    {REG_SMBHSTCFG, 1, 0x08, 0x0f, 0}, /* interrupt select: IRQ 9 */
    {REG_SMBHSTCFG + 1, 3, 0, 0xff, 0},
};

/* ---- device ---- */

static void piix4_pm_reset(Device *device)
{
    Piix4Pm *pm = (Piix4Pm *)device;
    pci_function_reset(&pm->pci);
    pm->status = pm->enable = pm->control = 0;
    pm->gpe_status = pm->gpe_enable = 0;
    memset(pm->smbus, 0, sizeof(pm->smbus));
    memset(pm->apm, 0, sizeof(pm->apm));
    timer_restart(pm);
    blocks_update(pm);
    sci_update(pm);
}

static void piix4_pm_free(Device *device)
{
    timer_free(((Piix4Pm *)device)->overflow_timer);
    g_free(device);
}

static const StateField piix4_pm_state[] = {
    PCI_FUNCTION_STATE(Piix4Pm, pci),
    STATE_TIMER(Piix4Pm, overflow_timer),
    STATE(Piix4Pm, overflow_tick),
    STATE(Piix4Pm, status),
    STATE(Piix4Pm, enable),
    STATE(Piix4Pm, control),
    STATE(Piix4Pm, gpe_status),
    STATE(Piix4Pm, gpe_enable),
    STATE_ARRAY(Piix4Pm, smbus),
    STATE_ARRAY(Piix4Pm, apm),
    STATE_END,
};

static const DeviceClass piix4_pm_class = {
    .name = "piix4-pm",
    .description = "82371AB power management (ACPI)",
    .reset = piix4_pm_reset,
    .free = piix4_pm_free,
    .state = piix4_pm_state,
};

static const RegionOps pm_ops = {pm_read_any, pm_write_any, 1, 4};
static const RegionOps smbus_ops = {smbus_read, smbus_write, 1, 1};
static const RegionOps gpe_ops = {gpe_read, gpe_write, 1, 1};
static const RegionOps apm_ops = {apm_read, apm_write, 1, 1};

Piix4Pm *piix4_pm_new(const DeviceBus *bus, PciBus *pci, const IrqLine *sci,
                      const IrqLine *power_off)
{
    Piix4Pm *pm = device_register(bus, &piix4_pm_class, sizeof(*pm));
    AddressSpace *as = bus->as;
    pm->as = as;
    pm->clock = bus->clock;
    if (sci)
        pm->sci = *sci;
    if (power_off)
        pm->power_off = *power_off;
    pm->overflow_timer = timer_new(bus->clock, overflow_fired, pm);
    pci_function_init(&pm->pci, pci, PCI_DEVFN(1, 3), &ids);
    pci_function_add_config(&pm->pci, config_rows, G_N_ELEMENTS(config_rows));
    pm->pci.config_written = config_written;
    address_space_begin(as);
    pm->pm_region =
        address_space_add_io(as, "piix4-pm", 0, PM_PORTS, PCI_BAR_PRIORITY, &pm_ops, pm);
    pm->smbus_region =
        address_space_add_io(as, "piix4-smbus", 0, SMBUS_PORTS, PCI_BAR_PRIORITY, &smbus_ops, pm);
    address_space_add_io(as, "piix4-gpe0", GPE0_BASE, GPE0_PORTS, 0, &gpe_ops, pm);
    address_space_add_io(as, "apm", APM_BASE, 2, 0, &apm_ops, pm);
    blocks_update(pm);
    address_space_commit(as);
    return pm;
}
