/* SPDX-License-Identifier: MIT
 * State shared by lapic.c (acceptance and delivery), lapic-regs.c and lapic-timer.c. */
#ifndef HW_LAPIC_PRIV_H
#define HW_LAPIC_PRIV_H

#include "hw/lapic.h"

/* Order of the LVT registers from offset 320h. */
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

#define LVT_MASKED          (1u << 16)
#define LVT_LEVEL           (1u << 15)
#define LVT_REMOTE_IRR      (1u << 14)
#define LVT_MODE(lvt)       (((lvt) >> 8) & 7)
#define LVT_TIMER_MODE(lvt) (((lvt) >> 17) & 3)

#define SVR_ENABLE (1u << 8)

enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE, TIMER_RESERVED };

struct Lapic {
    Device device;
    ApicBus *apic_bus;
    Clock *clock;
    Region *region;
    Timer *timer;
    IrqLine intr;
    IrqLine nmi;
    IrqLine init;
    int (*pic_acknowledge)(void *opaque);
    void *pic_opaque;
    int64_t (*tsc_to_ns)(void *opaque, uint64_t tsc);
    void *tsc_opaque;
    uint8_t initial_id;

    uint64_t base_msr;
    uint32_t id; /* in bits 31:24 */
    uint32_t tpr;
    uint32_t ldr;
    uint32_t dfr;
    uint32_t svr;
    uint32_t esr;         /* as the guest reads it */
    uint32_t esr_pending; /* collected since the last write */
    uint32_t icr_low;
    uint32_t icr_high;
    uint32_t lvt[LVT_COUNT];
    uint32_t irr[8];
    uint32_t isr[8];
    uint32_t tmr[8];
    uint32_t initial_count;
    uint32_t divide;
    int64_t count_start; /* clock ns at which the count was initial_count */
    uint64_t tsc_deadline;
    uint8_t lint_level[2];
    uint8_t extint_latched; /* an ExtINT message arrived */
    uint8_t intr_level;
};

/* Error status register */
#define ESR_SEND_VECTOR    (1u << 5)
#define ESR_RECEIVE_VECTOR (1u << 6)
#define ESR_REGISTER       (1u << 7)

/* lapic.c */
bool lapic_vector_test(const uint32_t set[8], uint8_t vector);
uint32_t lapic_ppr(const Lapic *lapic);
void lapic_update(Lapic *lapic); /* drive INTR after any change of state */
void lapic_error(Lapic *lapic, uint32_t error);
void lapic_lint_poll(Lapic *lapic, int n); /* a LINT level that is still high requests again */
void lapic_end_of_interrupt(Lapic *lapic, uint32_t value);
void lapic_send_ipi(Lapic *lapic, uint32_t low);
/* The local source `index` requests its interrupt. */
void lapic_local_interrupt(Lapic *lapic, int index);

/* lapic-timer.c */
void lapic_timer_fire(void *opaque);
void lapic_timer_reset(Lapic *lapic);
/* Arm or cancel after mode, mask, count or divider changed. */
void lapic_timer_rearm(Lapic *lapic);
void lapic_timer_write_initial(Lapic *lapic, uint32_t value);
void lapic_timer_write_divide(Lapic *lapic, uint32_t value);
void lapic_timer_write_lvt(Lapic *lapic, uint32_t value);
uint32_t lapic_timer_current(const Lapic *lapic);

/* lapic-regs.c */
void lapic_info(Device *device, GString *out);

#endif
