/* SPDX-License-Identifier: MIT
 * What vm.c and vm-build.c share: the machine, and what its devices ask for. */
#ifndef CLI_VM_PRIV_H
#define CLI_VM_PRIV_H

#include "cli/consoles.h"
#include "cli/vm.h"
#include "cli/watch.h"
#include "hw/display/display.h"
#include "monitor/script.h"
#include "monitor/symbols.h"

#define RESET_LOOP_COUNT 10
#define RESET_LOOP_US    (5 * G_USEC_PER_SEC)

struct Vm {
    Machine machine;
    const Config *config;
    GMainLoop *loop;
    Ram *ram;
    AddressSpace *as;
    Clock *clock;
    Pc *pc;
    CpuX86 *cpu;
    Engine *engine;
    Consoles consoles;
    Script *script;
    struct PidFile *pidfile; /* NULL: none */
    bool said_slow; /* what say_slow says */
    SdlDisplay *display;
    GBytes *bios, *vga_bios;
    Watch *watch;
    Symbols *symbols;
    int exit_code; /* of the first vm_quit; guarded by lock like all that follows */
    bool quitting;
    MachineState stopped; /* why, if it is not wanted */
    /* vCPU thread */
    GThread *thread;
    GMutex lock;
    GCond changed;
    bool wanted;     /* the user wants it to run */
    unsigned paused; /* pause() calls outstanding */
    unsigned held;   /* consoles whose readers it waits for */
    bool in_engine, quit_thread;
    bool step, step_interrupts; /* while wanted: for one instruction only */
    bool stop_untold;           /* it stopped by itself; the main thread does not know yet */
    RunResult stop_why;
    bool reset_requested;
    const char *reset_cause; /* static text; the last request's */
    bool panicked;           /* and was reported */
    int64_t reset_times[RESET_LOOP_COUNT];
    unsigned resets;
};

/* vm-build.c: parts of vm_new. NULL fields of *vm are filled; on failure those that were stay. */
bool vm_build_board(Vm *vm, GError **error);
bool vm_build_cpu(Vm *vm, GError **error);

/* vm.c: called by devices; any thread. opaque: the Vm. cause: static text. */
void vm_request_reset(void *opaque, const char *cause);
void vm_request_power_off(void *opaque);
void vm_request_exit(void *opaque, int code);
void vm_request_panic(void *opaque, bool crash_loaded);
void vm_disk_full(void *opaque, const Block *block, int err);

#endif
