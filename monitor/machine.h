/* SPDX-License-Identifier: MIT
 * The machine as the monitor, the displays and the gdb stub see it: its parts
 * and what one may ask of it. cli/vm.c fills it. */
#ifndef MONITOR_MACHINE_H
#define MONITOR_MACHINE_H

#include "hw/pc.h"
#include "tcache/engine.h"
#include "translator/x86/cpu.h"

typedef struct Machine Machine;

struct Machine {
    CpuX86 *cpu;
    Engine *engine;
    AddressSpace *as;
    Clock *clock;
    Pc *pc;
    uint64_t ram_bytes;
    struct KeyQueue *keys; /* the monitor's, NULL at first; key_queue_free before the rest */
    const struct Symbols *symbols; /* --symbols, or NULL */
    char *death;                   /* the last death report, or NULL; read while paused */
    /* All on the main-loop thread, io lock not held. */
    bool (*running)(Machine *m);
    void (*stop)(Machine *m); /* vCPU and clock stand still when it returns */
    void (*cont)(Machine *m);
    void (*reset)(Machine *m); /* asks; done by the vCPU thread */
    void (*power_button)(Machine *m);
    void (*quit)(Machine *m, int code);
    /* Between these the vCPU is outside translated code, its state in CpuX86; nestable. */
    void (*pause)(Machine *m);
    void (*resume)(Machine *m);
};

#endif
