/* SPDX-License-Identifier: MIT
 * Local APIC (xAPIC) of one CPU at FEE00000h. It owns the CPU's INTR and NMI
 * pins: the 8259 reaches the CPU through LINT0 (virtual wire), or directly
 * while the APIC is off in IA32_APIC_BASE. Source: SDM 3A, chapter "Advanced
 * Programmable Interrupt Controller (APIC)". All calls: io lock held. */
#ifndef HW_LAPIC_H
#define HW_LAPIC_H

#include "hw/apic-bus.h"
#include "hw/device.h"

#define LAPIC_BASE UINT64_C(0xfee00000)
/* The timer counts nanoseconds at divider 1. Guests calibrate it against the PIT or the PM timer. */

/* IA32_APIC_BASE */
#define LAPIC_BASE_BSP    (UINT64_C(1) << 8)
#define LAPIC_BASE_ENABLE (UINT64_C(1) << 11)

/* id: APIC id; id 0 is the boot processor. apic_bus outlives the device. The
 * register page is mapped for id 0 only; the pages of other CPUs are private to
 * them and reached through lapic_read and lapic_write. */
Lapic *lapic_new(const DeviceBus *bus, ApicBus *apic_bus, uint8_t id);

/* Wiring. intr follows a level; nmi and init are pulsed. */
void lapic_connect_cpu(Lapic *lapic, IrqLine intr, IrqLine nmi, IrqLine init);
/* acknowledge: the 8259's INTA cycle, returns its vector. */
void lapic_connect_pic(Lapic *lapic, int (*acknowledge)(void *opaque), void *opaque);
/* tsc_to_ns: clock time at which the TSC reaches `tsc`, rounded up; past or future.
 * Not connected: the timer has no TSC-deadline mode. */
void lapic_connect_tsc(Lapic *lapic, int64_t (*tsc_to_ns)(void *opaque, uint64_t tsc),
                       void *opaque);
/* The LINT0 (n = 0: 8259 INTR) and LINT1 (n = 1: NMI) pins. */
IrqLine lapic_lint_input(Lapic *lapic, int n);

/* The CPU's interrupt acknowledge: the vector to take. When the request went away
 * meanwhile, the spurious vector. */
int lapic_acknowledge(Lapic *lapic);

/* MSRs. The setters return false where the CPU must raise #GP. */
uint64_t lapic_base_msr(const Lapic *lapic);
bool lapic_set_base_msr(Lapic *lapic, uint64_t value);
uint64_t lapic_tsc_deadline(const Lapic *lapic);
void lapic_set_tsc_deadline(Lapic *lapic, uint64_t tsc);

/* Register page, offsets 0..FFFh. */
uint32_t lapic_read(Lapic *lapic, uint32_t offset);
void lapic_write(Lapic *lapic, uint32_t offset, uint32_t value);

/* For apic-bus.c. */
bool lapic_is_destination(const Lapic *lapic, uint8_t dest, bool logical);
uint8_t lapic_arbitration_priority(const Lapic *lapic);
bool lapic_receive(Lapic *lapic, const ApicMessage *message);

#endif
