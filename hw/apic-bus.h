/* SPDX-License-Identifier: MIT
 * The wires between I/O APICs, message-signalled interrupts and local APICs:
 * finds the destinations of an interrupt message and carries EOIs back.
 * Follows SDM 3A "Local APIC Overview" and "Message Signalled Interrupts". */
#ifndef HW_APIC_BUS_H
#define HW_APIC_BUS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Lapic Lapic;
typedef struct ApicBus ApicBus;

#define APIC_BUS_MAX_LAPICS  8
#define APIC_BUS_MAX_IOAPICS 2

/* Delivery modes, as encoded in the ICR, and redirection entries. */
enum {
    APIC_MODE_FIXED = 0,
    APIC_MODE_LOWEST = 1,
    APIC_MODE_SMI = 2,
    APIC_MODE_RESERVED = 3,
    APIC_MODE_NMI = 4,
    APIC_MODE_INIT = 5,
    APIC_MODE_SIPI = 6,
    APIC_MODE_EXTINT = 7,
};

typedef struct {
    uint8_t vector;
    uint8_t mode; /* APIC_MODE_* */
    uint8_t dest; /* physical id, or logical mask */
    bool logical;
    bool level_triggered;
} ApicMessage;

typedef void (*ApicEoiFn)(void *opaque, uint8_t vector);

ApicBus *apic_bus_new(void);
void apic_bus_free(ApicBus *bus); /* after its devices */

/* Called by the constructors of lapic.c and ioapic.c. */
void apic_bus_add_lapic(ApicBus *bus, Lapic *lapic);
void apic_bus_add_eoi_listener(ApicBus *bus, ApicEoiFn fn, void *opaque);

/* True when at least one local APIC took the message. io lock held. */
bool apic_bus_send(ApicBus *bus, const ApicMessage *message);
/* To all but `self` (self may be NULL: to all). */
bool apic_bus_broadcast(ApicBus *bus, const ApicMessage *message, const Lapic *self);
/* A local APIC ended the service of a level-triggered vector. */
void apic_bus_eoi(ApicBus *bus, uint8_t vector);

#endif
