/* SPDX-License-Identifier: MIT
 * The local APIC's register page as the guest and the monitor see it. Source:
 * SDM 3A "Local APIC Register Address Map" and the sections of its registers. */
#include <inttypes.h>
#include "base/log.h"
#include "hw/lapic-priv.h"

/* Version register: xAPIC 14h, highest LVT entry 5, no EOI-broadcast suppression. */
#define LAPIC_VERSION 0x00050014u

static void lapic_write_tpr(Lapic *lapic, uint32_t value)
{
    lapic->tpr = value & 0xff;
    lapic_update(lapic);
}

static void lapic_write_svr(Lapic *lapic, uint32_t value)
{
    lapic->svr = value & 0x1ff; /* no focus processor checking, no EOI suppression */
    if (!(value & SVR_ENABLE)) {
        for (int i = 0; i < LVT_COUNT; i++)
            lapic->lvt[i] |= LVT_MASKED;
        lapic_timer_rearm(lapic);
    }
    lapic_update(lapic);
}

static void lapic_write_dfr(Lapic *lapic, uint32_t value)
{
    lapic->dfr = value | 0x0fffffff;
}

static void lapic_write_esr(Lapic *lapic, uint32_t value)
{
    lapic->esr = lapic->esr_pending;
    lapic->esr_pending = 0;
}

static uint32_t lapic_read_ppr(const Lapic *lapic)
{
    return lapic_ppr(lapic);
}

static uint32_t lapic_read_apr(const Lapic *lapic)
{
    return lapic_arbitration_priority(lapic);
}

static void lapic_write_lvt(Lapic *lapic, unsigned index, uint32_t value)
{
    /* Writable bits; delivery status reads idle, remote IRR is ours. */
    static const uint32_t writable[LVT_COUNT] = {
        [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
        [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
    };
    uint32_t lvt = value & writable[index];
    if (!(lapic->svr & SVR_ENABLE))
        lvt |= LVT_MASKED;
    if (index == LVT_TIMER) {
        if (!lapic->tsc_to_ns)
            lvt &= ~(TIMER_TSC_DEADLINE << 17);
        lapic_timer_write_lvt(lapic, lvt);
        return;
    }
    if ((lvt & LVT_LEVEL) && LVT_MODE(lvt) == APIC_MODE_FIXED)
        lvt |= lapic->lvt[index] & LVT_REMOTE_IRR;
    lapic->lvt[index] = lvt;
    if (index == LVT_LINT0 || index == LVT_LINT1)
        lapic_lint_poll(lapic, (int)index - LVT_LINT0);
    lapic_update(lapic);
}

/* One row a register at offset 16 * index. A register without `write` is
 * stored under `mask`; one without either ignores writes. */
typedef struct {
    const char *name;
    uint32_t field; /* offset in Lapic, 0: none */
    uint32_t mask;
    uint32_t (*read)(const Lapic *lapic);
    void (*write)(Lapic *lapic, uint32_t value);
} LapicRegister;

#define FIELD(f) offsetof(struct Lapic, f)

static const LapicRegister registers[64] = {
    [0x02] = {"id", FIELD(id), 0xff000000},
    [0x03] = {"version"},
    [0x08] = {"tpr", FIELD(tpr), 0, NULL, lapic_write_tpr},
    [0x09] = {"apr", 0, 0, lapic_read_apr},
    [0x0a] = {"ppr", 0, 0, lapic_read_ppr},
    [0x0b] = {"eoi", 0, 0, NULL, lapic_end_of_interrupt},
    [0x0c] = {"remote read"},
    [0x0d] = {"ldr", FIELD(ldr), 0xff000000},
    [0x0e] = {"dfr", FIELD(dfr), 0, NULL, lapic_write_dfr},
    [0x0f] = {"svr", FIELD(svr), 0, NULL, lapic_write_svr},
    [0x28] = {"esr", FIELD(esr), 0, NULL, lapic_write_esr},
    [0x30] = {"icr low", FIELD(icr_low), 0, NULL, lapic_send_ipi},
    [0x31] = {"icr high", FIELD(icr_high), 0xff000000},
    [0x38] = {"initial count", FIELD(initial_count), 0, NULL, lapic_timer_write_initial},
    [0x39] = {"current count", 0, 0, lapic_timer_current},
    [0x3e] = {"divide", FIELD(divide), 0, NULL, lapic_timer_write_divide},
};

static void lapic_bad_register(Lapic *lapic, uint32_t offset)
{
    log_guest_error("lapic: no register at offset %03x", offset);
    lapic_error(lapic, ESR_REGISTER);
}

uint32_t lapic_read(Lapic *lapic, uint32_t offset)
{
    unsigned index = offset >> 4;
    if (offset & 15)
        return 0; /* bytes 4..15 of a register are undefined */
    if (index >= 0x10 && index < 0x28) {
        const uint32_t *sets[] = {lapic->isr, lapic->tmr, lapic->irr};
        return sets[(index - 0x10) >> 3][index & 7];
    }
    if (index >= 0x32 && index < 0x32 + LVT_COUNT)
        return lapic->lvt[index - 0x32];
    if (index >= G_N_ELEMENTS(registers) || !registers[index].name) {
        lapic_bad_register(lapic, offset);
        return 0;
    }
    const LapicRegister *reg = &registers[index];
    if (index == 0x03)
        return LAPIC_VERSION;
    if (reg->read)
        return reg->read(lapic);
    return reg->field ? *(const uint32_t *)((const char *)lapic + reg->field) : 0;
}

void lapic_write(Lapic *lapic, uint32_t offset, uint32_t value)
{
    unsigned index = offset >> 4;
    if (offset & 15)
        return;
    if (index >= 0x10 && index < 0x28)
        return; /* ISR, TMR, IRR are read-only */
    if (index >= 0x32 && index < 0x32 + LVT_COUNT) {
        lapic_write_lvt(lapic, index - 0x32, value);
        return;
    }
    if (index >= G_N_ELEMENTS(registers) || !registers[index].name) {
        lapic_bad_register(lapic, offset);
        return;
    }
    const LapicRegister *reg = &registers[index];
    if (reg->write)
        reg->write(lapic, value);
    else if (reg->field && reg->mask)
        *(uint32_t *)((char *)lapic + reg->field) = value & reg->mask;
}

static void lapic_print_set(GString *out, const char *name, const uint32_t set[8])
{
    g_string_append_printf(out, "%s:", name);
    for (int vector = 0; vector < 256; vector++) {
        if (lapic_vector_test(set, (uint8_t)vector))
            g_string_append_printf(out, " %02x", vector);
    }
    g_string_append_c(out, '\n');
}

void lapic_info(Device *device, GString *out)
{
    static const char *const lvt_names[LVT_COUNT] = {"timer", "thermal", "perf",
                                                     "lint0", "lint1",   "error"};
    const Lapic *lapic = (const Lapic *)device;
    g_string_append_printf(out, "id %u base %" PRIx64 " svr %03x tpr %02x ppr %02x esr %02x\n",
                           lapic->id >> 24, lapic->base_msr, lapic->svr, lapic->tpr,
                           lapic_ppr(lapic), lapic->esr);
    for (int i = 0; i < LVT_COUNT; i++)
        g_string_append_printf(out, "lvt %-7s %05x%s\n", lvt_names[i], lapic->lvt[i],
                               lapic->lvt[i] & LVT_MASKED ? " masked" : "");
    g_string_append_printf(out, "timer initial %08x current %08x divide %x\n", lapic->initial_count,
                           lapic_timer_current(lapic), lapic->divide);
    lapic_print_set(out, "irr", lapic->irr);
    lapic_print_set(out, "isr", lapic->isr);
    lapic_print_set(out, "tmr", lapic->tmr);
}
