/* SPDX-License-Identifier: MIT
 * Local APIC: acceptance and delivery of interrupts, the CPU's INTR and NMI pins,
 * inter-processor interrupts. Source: SDM 3A, chapter "Advanced Programmable Interrupt
 * Controller (APIC)"; "table" below means a table of that chapter. */
#include "hw/lapic.h"
#include "base/bits.h"
#include "base/log.h"
#include "hw/lapic-priv.h"

#define BASE_MSR_RESERVED (~(BIT(36) - 1) | 0x6ff) /* 36 address bits; no x2APIC */

#define PAGE_SIZE UINT64_C(0x1000)
#define DFR_CLUSTER 0x0u

/* Interrupt command register, low half */
#define ICR_LOGICAL  (1u << 11)
#define ICR_ASSERT   (1u << 14)
#define ICR_LEVEL    (1u << 15)
#define ICR_WRITABLE 0x000ccfffu

static int vector_set_highest(const uint32_t set[8])
{
    for (int i = 7; i >= 0; i--) {
        if (set[i])
            return i * 32 + 31 - __builtin_clz(set[i]);
    }
    return -1;
}

bool lapic_vector_test(const uint32_t set[8], uint8_t vector)
{
    return set[vector >> 5] & (1u << (vector & 31));
}

static void vector_set_put(uint32_t set[8], uint8_t vector, bool on)
{
    uint32_t bit = 1u << (vector & 31);
    set[vector >> 5] = on ? set[vector >> 5] | bit : set[vector >> 5] & ~bit;
}

static bool lapic_hw_enabled(const Lapic *lapic)
{
    return lapic->base_msr & LAPIC_BASE_ENABLE;
}

/* The priority class of what is in service, 0 when nothing is. */
static uint32_t lapic_service_class(const Lapic *lapic)
{
    int vector = vector_set_highest(lapic->isr);
    return vector < 0 ? 0 : (uint32_t)vector & 0xf0;
}

uint32_t lapic_ppr(const Lapic *lapic)
{
    uint32_t service = lapic_service_class(lapic);
    return (lapic->tpr & 0xf0) >= service ? lapic->tpr : service;
}

/* The highest request above the processor priority, or -1. */
static int lapic_deliverable(const Lapic *lapic)
{
    if (!(lapic->svr & SVR_ENABLE))
        return -1;
    int vector = vector_set_highest(lapic->irr);
    return vector >= 0 && ((uint32_t)vector & 0xf0) > (lapic_ppr(lapic) & 0xf0) ? vector : -1;
}

static bool lapic_extint_pending(const Lapic *lapic)
{
    if (!lapic_hw_enabled(lapic))
        return lapic->lint_level[0];
    uint32_t lint0 = lapic->lvt[LVT_LINT0];
    bool wired = !(lint0 & LVT_MASKED) && LVT_MODE(lint0) == APIC_MODE_EXTINT;
    return lapic->extint_latched || (wired && lapic->lint_level[0]);
}

void lapic_update(Lapic *lapic)
{
    bool level =
        lapic_extint_pending(lapic) || (lapic_hw_enabled(lapic) && lapic_deliverable(lapic) >= 0);
    if (level != lapic->intr_level) {
        lapic->intr_level = level;
        irq_set(&lapic->intr, level);
    }
}

void lapic_error(Lapic *lapic, uint32_t error)
{
    bool again = lapic->esr_pending & error;
    lapic->esr_pending |= error;
    /* An error LVT with an illegal vector must not raise itself for ever. */
    if (!again)
        lapic_local_interrupt(lapic, LVT_ERROR);
}

/* Take a fixed interrupt into the IRR. */
static bool lapic_accept(Lapic *lapic, uint8_t vector, bool level_triggered)
{
    if (!(lapic->svr & SVR_ENABLE))
        return false;
    if (vector < 16) {
        lapic_error(lapic, ESR_RECEIVE_VECTOR);
        return false;
    }
    vector_set_put(lapic->tmr, vector, level_triggered);
    vector_set_put(lapic->irr, vector, true);
    lapic_update(lapic);
    return true;
}

/* A level-triggered fixed LINT pin requests once until its EOI. */
static void lapic_lint_fixed(Lapic *lapic, int index)
{
    uint32_t *lvt = &lapic->lvt[index];
    bool level_triggered = *lvt & LVT_LEVEL;
    if (level_triggered && (*lvt & LVT_REMOTE_IRR))
        return;
    if (lapic_accept(lapic, (uint8_t)*lvt, level_triggered) && level_triggered)
        *lvt |= LVT_REMOTE_IRR;
}

void lapic_local_interrupt(Lapic *lapic, int index)
{
    uint32_t lvt = lapic->lvt[index];
    if (!lapic_hw_enabled(lapic) || (lvt & LVT_MASKED))
        return;
    if (index == LVT_TIMER || index == LVT_ERROR) {
        lapic_accept(lapic, (uint8_t)lvt, false);
        return;
    }
    switch (LVT_MODE(lvt)) {
    case APIC_MODE_FIXED:
        lapic_lint_fixed(lapic, index);
        break;
    case APIC_MODE_NMI:
        irq_pulse(&lapic->nmi);
        break;
    case APIC_MODE_INIT:
        irq_pulse(&lapic->init);
        break;
    case APIC_MODE_EXTINT:
        lapic_update(lapic);
        break;
    default:
        log_unimp("lapic: LVT %d requests with delivery mode %u", index, LVT_MODE(lvt));
    }
}

static void lapic_lint_set(void *opaque, int n, bool level)
{
    Lapic *lapic = opaque;
    bool rising = level && !lapic->lint_level[n];
    lapic->lint_level[n] = level;
    if (!lapic_hw_enabled(lapic)) {
        /* SDM 3A "Enabling or Disabling the Local APIC": the pins are INTR and NMI. */
        if (n == 1 && rising)
            irq_pulse(&lapic->nmi);
    } else if (rising) {
        lapic_local_interrupt(lapic, LVT_LINT0 + n);
    }
    lapic_update(lapic);
}

IrqLine lapic_lint_input(Lapic *lapic, int n)
{
    g_assert(n == 0 || n == 1);
    return (IrqLine){lapic_lint_set, lapic, n};
}

/* After an EOI or an LVT write: a level that is still high requests again. */
void lapic_lint_poll(Lapic *lapic, int n)
{
    uint32_t lvt = lapic->lvt[LVT_LINT0 + n];
    if (lapic->lint_level[n] && (lvt & LVT_LEVEL) && LVT_MODE(lvt) == APIC_MODE_FIXED)
        lapic_local_interrupt(lapic, LVT_LINT0 + n);
}

/* Power-on and INIT state; the id and the base address stay. */
static void lapic_reset_registers(Lapic *lapic)
{
    lapic->tpr = lapic->ldr = lapic->esr = lapic->esr_pending = 0;
    lapic->icr_low = lapic->icr_high = 0;
    lapic->dfr = 0xffffffff;
    lapic->svr = 0xff;
    memset(lapic->irr, 0, sizeof(lapic->irr));
    memset(lapic->isr, 0, sizeof(lapic->isr));
    memset(lapic->tmr, 0, sizeof(lapic->tmr));
    for (int i = 0; i < LVT_COUNT; i++)
        lapic->lvt[i] = LVT_MASKED;
    /* DEVIATES: at power-on LINT0 is masked and firmware sets up the virtual wire.
     * Firmware that knows no APIC would then get no timer tick, so we start with it. */
    if (lapic->base_msr & LAPIC_BASE_BSP)
        lapic->lvt[LVT_LINT0] = APIC_MODE_EXTINT << 8;
    lapic->extint_latched = false;
    lapic_timer_reset(lapic);
    lapic_update(lapic);
}

bool lapic_receive(Lapic *lapic, const ApicMessage *message)
{
    if (!lapic_hw_enabled(lapic))
        return false;
    switch (message->mode) {
    case APIC_MODE_FIXED:
    case APIC_MODE_LOWEST:
        return lapic_accept(lapic, message->vector, message->level_triggered);
    case APIC_MODE_NMI:
        irq_pulse(&lapic->nmi);
        return true;
    case APIC_MODE_INIT:
        lapic_reset_registers(lapic);
        irq_pulse(&lapic->init);
        return true;
    case APIC_MODE_EXTINT:
        lapic->extint_latched = true;
        lapic_update(lapic);
        return true;
    case APIC_MODE_SIPI:
        /* Only a CPU that waits for it takes a SIPI; the boot processor never does. */
        log_unimp("lapic %u: start-up IPI %02x: application processors are not offered",
                  lapic->id >> 24, message->vector);
        return false;
    default:
        log_unimp("lapic %u: delivery mode %u", lapic->id >> 24, message->mode);
        return false;
    }
}

/* SDM 3A "Logical Destination Mode". */
bool lapic_is_destination(const Lapic *lapic, uint8_t dest, bool logical)
{
    if (dest == 0xff)
        return true;
    if (!logical)
        return dest == lapic->id >> 24;
    uint8_t ldr = (uint8_t)(lapic->ldr >> 24);
    if (lapic->dfr >> 28 == DFR_CLUSTER)
        return (dest >> 4) == (ldr >> 4) && (dest & ldr & 0xf);
    return dest & ldr;
}

/* SDM 3A "Arbitration Priority Register". */
uint8_t lapic_arbitration_priority(const Lapic *lapic)
{
    int request = vector_set_highest(lapic->irr);
    uint32_t request_class = request < 0 ? 0 : (uint32_t)request & 0xf0;
    uint32_t service_class = lapic_service_class(lapic);
    uint32_t task_class = lapic->tpr & 0xf0;
    if (task_class >= request_class && task_class > service_class)
        return (uint8_t)lapic->tpr;
    return (uint8_t)MAX(task_class & service_class, request_class);
}

static int lapic_pic_vector(Lapic *lapic)
{
    return lapic->pic_acknowledge ? lapic->pic_acknowledge(lapic->pic_opaque) & 0xff : 0xff;
}

int lapic_acknowledge(Lapic *lapic)
{
    int vector = lapic_hw_enabled(lapic) ? lapic_deliverable(lapic) : -1;
    if (vector >= 0) {
        vector_set_put(lapic->irr, (uint8_t)vector, false);
        vector_set_put(lapic->isr, (uint8_t)vector, true);
    } else if (!lapic_hw_enabled(lapic) || lapic_extint_pending(lapic)) {
        lapic->extint_latched = false;
        vector = lapic_pic_vector(lapic);
    } else {
        vector = lapic->svr & 0xff; /* SDM 3A "Spurious Interrupt" */
    }
    lapic_update(lapic);
    return vector;
}

void lapic_end_of_interrupt(Lapic *lapic, uint32_t value)
{
    int vector = vector_set_highest(lapic->isr);
    if (vector < 0)
        return;
    vector_set_put(lapic->isr, (uint8_t)vector, false);
    if (lapic_vector_test(lapic->tmr, (uint8_t)vector)) {
        for (int n = 0; n < 2; n++) {
            uint32_t *lvt = &lapic->lvt[LVT_LINT0 + n];
            if ((*lvt & LVT_REMOTE_IRR) && (*lvt & 0xff) == (uint32_t)vector) {
                *lvt &= ~LVT_REMOTE_IRR;
                lapic_lint_poll(lapic, n);
            }
        }
        apic_bus_eoi(lapic->apic_bus, (uint8_t)vector);
    }
    lapic_update(lapic);
}

/* ---- inter-processor interrupts ---- */

void lapic_send_ipi(Lapic *lapic, uint32_t low)
{
    lapic->icr_low = low & ICR_WRITABLE;
    ApicMessage message = {
        .vector = (uint8_t)low,
        .mode = (uint8_t)bits_get(low, 8, 3),
        .dest = (uint8_t)(lapic->icr_high >> 24),
        .logical = low & ICR_LOGICAL,
    };
    if (message.mode == APIC_MODE_RESERVED || message.mode == APIC_MODE_EXTINT) {
        log_guest_error("lapic: IPI with reserved delivery mode %u", message.mode);
        return;
    }
    /* Table "Valid Combinations for the Pentium 4 ...": the INIT level de-assert
     * message only synchronises arbitration ids, which nothing here uses. */
    if (message.mode == APIC_MODE_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT))
        return;
    if (message.mode <= APIC_MODE_LOWEST && message.vector < 16) {
        lapic_error(lapic, ESR_SEND_VECTOR);
        return;
    }
    switch (bits_get(low, 18, 2)) {
    case 0:
        apic_bus_send(lapic->apic_bus, &message);
        break;
    case 1:
        lapic_receive(lapic, &message);
        break;
    case 2:
        apic_bus_broadcast(lapic->apic_bus, &message, NULL);
        break;
    case 3:
        apic_bus_broadcast(lapic->apic_bus, &message, lapic);
        break;
    }
}

static uint64_t lapic_mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    return lapic_read(opaque, (uint32_t)offset);
}

static void lapic_mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    lapic_write(opaque, (uint32_t)offset, (uint32_t)value);
}

static const RegionOps lapic_ops = {lapic_mmio_read, lapic_mmio_write, 4, 4};

/* ---- reset, IA32_APIC_BASE, construction ---- */

static void lapic_map(Lapic *lapic)
{
    if (!lapic->region)
        return;
    region_move(lapic->region, lapic->base_msr & ~UINT64_C(0xfff));
    region_set_enabled(lapic->region, lapic_hw_enabled(lapic));
}

static void lapic_reset(Device *device)
{
    Lapic *lapic = (Lapic *)device;
    bool moved = lapic->base_msr >> 12 != LAPIC_BASE >> 12 || !lapic_hw_enabled(lapic);
    lapic->base_msr = LAPIC_BASE | LAPIC_BASE_ENABLE | (lapic->initial_id ? 0 : LAPIC_BASE_BSP);
    lapic->id = (uint32_t)lapic->initial_id << 24;
    lapic_reset_registers(lapic);
    if (moved)
        lapic_map(lapic);
}

uint64_t lapic_base_msr(const Lapic *lapic)
{
    return lapic->base_msr;
}

bool lapic_set_base_msr(Lapic *lapic, uint64_t value)
{
    if (value & BASE_MSR_RESERVED)
        return false;
    uint64_t changed = value ^ lapic->base_msr;
    lapic->base_msr = (value & ~LAPIC_BASE_BSP) | (lapic->base_msr & LAPIC_BASE_BSP);
    /* SDM 3A "Local APIC Status and Location": off and on again is as after reset. */
    if (changed & LAPIC_BASE_ENABLE)
        lapic_reset_registers(lapic);
    if (changed & ~LAPIC_BASE_BSP)
        lapic_map(lapic);
    lapic_update(lapic);
    return true;
}

void lapic_connect_cpu(Lapic *lapic, IrqLine intr, IrqLine nmi, IrqLine init)
{
    lapic->intr = intr;
    lapic->nmi = nmi;
    lapic->init = init;
}

void lapic_connect_pic(Lapic *lapic, int (*acknowledge)(void *opaque), void *opaque)
{
    lapic->pic_acknowledge = acknowledge;
    lapic->pic_opaque = opaque;
}

void lapic_connect_tsc(Lapic *lapic, int64_t (*tsc_to_ns)(void *opaque, uint64_t tsc), void *opaque)
{
    lapic->tsc_to_ns = tsc_to_ns;
    lapic->tsc_opaque = opaque;
}

static void lapic_free(Device *device)
{
    timer_free(((Lapic *)device)->timer);
    g_free(device);
}

static const StateField lapic_state[] = {
    STATE(Lapic, base_msr),
    STATE(Lapic, id),
    STATE(Lapic, tpr),
    STATE(Lapic, ldr),
    STATE(Lapic, dfr),
    STATE(Lapic, svr),
    STATE(Lapic, esr),
    STATE(Lapic, esr_pending),
    STATE(Lapic, icr_low),
    STATE(Lapic, icr_high),
    STATE_ARRAY(Lapic, lvt),
    STATE_ARRAY(Lapic, irr),
    STATE_ARRAY(Lapic, isr),
    STATE_ARRAY(Lapic, tmr),
    STATE(Lapic, initial_count),
    STATE(Lapic, divide),
    STATE(Lapic, count_start),
    STATE(Lapic, tsc_deadline),
    STATE_ARRAY(Lapic, lint_level),
    STATE(Lapic, extint_latched),
    STATE(Lapic, intr_level),
    STATE_TIMER(Lapic, timer),
    STATE_END,
};

static const DeviceClass lapic_class = {
    .name = "apic",
    .description = "local APIC of a CPU",
    .reset = lapic_reset,
    .free = lapic_free,
    .state = lapic_state,
    .info = lapic_info,
};

Lapic *lapic_new(const DeviceBus *bus, ApicBus *apic_bus, uint8_t id)
{
    Lapic *lapic = device_register(bus, &lapic_class, sizeof(*lapic));
    lapic->apic_bus = apic_bus;
    lapic->clock = bus->clock;
    lapic->initial_id = id;
    lapic->timer = timer_new(bus->clock, lapic_timer_fire, lapic);
    /* Above RAM and PCI windows; a relocated page hides what lies below it. */
    if (id == 0)
        lapic->region =
            address_space_add_mmio(bus->as, "apic", LAPIC_BASE, PAGE_SIZE, 100, &lapic_ops, lapic);
    apic_bus_add_lapic(apic_bus, lapic);
    lapic->base_msr = LAPIC_BASE | LAPIC_BASE_ENABLE;
    lapic_reset(&lapic->device);
    return lapic;
}
