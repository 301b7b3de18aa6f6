/* SPDX-License-Identifier: MIT */
#include "cli/watch.h"

#include <stdio.h>

#include "base/main-loop.h"
#include "cli/exit-codes.h"
#include "monitor/death.h"

/* SETTLE_MS: an NMI may follow a HLT at once. NEAR: a loop as large counts as one place. */
enum { SETTLE_MS = 200, SPIN_SAMPLE_MS = 100, NEAR = 64 };

struct Watch {
    Machine *machine;
    const Config *config;
    gint halts, storms; /* set by the vCPU thread; reported at most once each */
    bool said_halt, said_storm, said_spin;
    gva_t spin_pc;
    unsigned spin_samples;
};

static void report(Watch *watch, Death death, const char *detail)
{
    watch->machine->pause(watch->machine);
    fputs(death_report(watch->machine, death, detail), stderr);
    watch->machine->resume(watch->machine);
}

static gboolean on_timeout(gpointer opaque)
{
    Watch *watch = opaque;
    g_autofree char *detail = g_strdup_printf("--timeout %u", watch->config->timeout_seconds);
    report(watch, DEATH_TIMEOUT, detail);
    watch->machine->quit(watch->machine, CODE_TIMEOUT);
    return G_SOURCE_REMOVE;
}

/* ---- spinning ---- */

static gva_t sample_pc(Watch *watch, bool *halted)
{
    Machine *machine = watch->machine;
    machine->pause(machine);
    const gva_t pc = (uint32_t)(machine->cpu->seg[SEG_CS].base + machine->cpu->v.pc);
    *halted = machine->cpu->v.halted;
    machine->resume(machine);
    return pc;
}

/* A guest may stand still for that, or poll its serial port. */
static bool output_waits(const Machine *machine)
{
    for (unsigned i = 0; i < MACHINE_CHARDEVS; i++)
        if (machine->chardevs[i].chardev && chardev_is_full(machine->chardevs[i].chardev))
            return true;
    return false;
}

static gboolean on_spin_sample(gpointer opaque)
{
    Watch *watch = opaque;
    bool halted;
    const gva_t pc = sample_pc(watch, &halted);
    const bool same = !halted && watch->machine->running(watch->machine) &&
                      !output_waits(watch->machine) && pc - watch->spin_pc + NEAR / 2 < NEAR;
    watch->spin_samples = same ? watch->spin_samples + 1 : 0;
    if (!same) {
        watch->spin_pc = pc;
        watch->said_spin = false;
    }
    if (!watch->said_spin &&
        watch->spin_samples * SPIN_SAMPLE_MS >= watch->config->spin_seconds * 1000) {
        watch->said_spin = true;
        report(watch, DEATH_SPIN, NULL);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- what the CPU says ---- */

static gboolean on_halted(gpointer opaque)
{
    Watch *watch = opaque;
    const CpuX86 *cpu = watch->machine->cpu;
    watch->machine->pause(watch->machine);
    const bool dead = cpu->v.halted && !(cpu->eflags & EFLAGS_IF);
    watch->machine->resume(watch->machine);
    g_atomic_int_set(&watch->halts, 0);
    if (!dead || watch->said_halt)
        return G_SOURCE_REMOVE;
    watch->said_halt = true;
    report(watch, DEATH_HALT, NULL);
    if (watch->config->strict_exit)
        watch->machine->quit(watch->machine, CODE_DEAD_HALT);
    return G_SOURCE_REMOVE;
}

static gboolean on_storm(gpointer opaque)
{
    Watch *watch = opaque;
    g_atomic_int_set(&watch->storms, 0);
    if (!watch->said_storm)
        report(watch, DEATH_STORM, NULL);
    watch->said_storm = true;
    return G_SOURCE_REMOVE;
}

void watch_distress(Watch *watch, CpuDistress what)
{
    switch (what) {
    case CPU_DEAD_HALT:
        if (g_atomic_int_compare_and_exchange(&watch->halts, 0, 1))
            g_timeout_add(SETTLE_MS, on_halted, watch);
        break;
    case CPU_FAULT_STORM:
        if (g_atomic_int_compare_and_exchange(&watch->storms, 0, 1))
            main_loop_post(on_storm, watch);
        break;
    }
}

/* ---- life ---- */

Watch *watch_new(Machine *machine, const Config *config)
{
    Watch *watch = g_new0(Watch, 1);
    watch->machine = machine;
    watch->config = config;
    return watch;
}

void watch_start(Watch *watch)
{
    if (watch->config->timeout_seconds)
        g_timeout_add(watch->config->timeout_seconds * 1000, on_timeout, watch);
    if (watch->config->spin_seconds)
        g_timeout_add(SPIN_SAMPLE_MS, on_spin_sample, watch);
}

/* The vCPU thread is gone, so no source is added any more. */
void watch_free(Watch *watch)
{
    while (g_source_remove_by_user_data(watch))
        continue;
    g_free(watch);
}
