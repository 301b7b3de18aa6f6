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
    /* All on the main-loop thread, io lock not held. */
    bool (*running)(Machine *m);
    void (*stop)(Machine *m); /* vCPU and clock stand still when it returns */
    void (*cont)(Machine *m);
    /* Go on for one instruction; the devices' clock goes on as well if timers (in any case if the
     * CPU waits in HLT, for an interrupt). Then stopped is called. */
    void (*step)(Machine *m, bool interrupts, bool timers);
    /* Called when the machine has come to a stop, by whatever; NULL: nobody listens. */
    void (*stopped)(void *opaque, RunResult why);
    void *stopped_opaque;
    void (*reset)(Machine *m); /* asks; done by the vCPU thread */
    void (*power_button)(Machine *m);
    void (*quit)(Machine *m, int code);
    /* Between these the vCPU is outside translated code, its state in CpuX86; nestable. */
    void (*pause)(Machine *m);
    void (*resume)(Machine *m);
};

#endif
