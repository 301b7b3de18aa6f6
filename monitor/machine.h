/* SPDX-License-Identifier: MIT
 * The machine as the monitor, the displays and the gdb stub see it: its parts
 * and what one may ask of it. cli/vm.c fills it. */
#ifndef MONITOR_MACHINE_H
#define MONITOR_MACHINE_H

#include "hw/pc.h"
#include "tcache/engine.h"
#include "translator/x86/cpu.h"

typedef struct Machine Machine;

typedef enum {
    MACHINE_RUNNING,
    MACHINE_PAUSED,
    MACHINE_PRELAUNCH, /* -S: did not run yet */
    MACHINE_OFF,       /* the guest switched itself off, -no-shutdown keeps it here */
    MACHINE_PANICKED,  /* the guest said so, -action panic=pause */
    MACHINE_IO_ERROR,  /* the host's disk is full; cont tries again */
} MachineState;

typedef enum {
    MACHINE_EVENT_STOP,
    MACHINE_EVENT_RESUME,
    MACHINE_EVENT_RESET,
    MACHINE_EVENT_SHUTDOWN,
    MACHINE_EVENT_POWERDOWN,
    MACHINE_EVENT_PANIC,
    MACHINE_EVENT_CRASH_KERNEL, /* a panic, too: it goes on in another kernel */
} MachineEventKind;

typedef struct {
    MachineEventKind kind;
    bool guest;         /* RESET, SHUTDOWN: the guest's doing */
    const char *reason; /* a literal; of those two: "guest-reset"; of panics: what happens now */
} MachineEvent;

typedef void (*MachineListener)(void *opaque, const MachineEvent *event);

/* A host end of a console. */
typedef struct {
    const char *label; /* serial0, serial1, debugcon, monitor, qmp; of spare ones the id */
    char *filename;    /* the spec it was opened with, or which pty it is */
    Chardev *chardev;
    uint64_t seen; /* of its tap: where the last `wait` has found its text */
} MachineChardev;

enum { MACHINE_CHARDEVS = 24 };

struct Machine {
    CpuX86 *cpu;
    Engine *engine;
    AddressSpace *as;
    Clock *clock;
    Pc *pc;
    uint64_t ram_bytes;
    int64_t vcpu_thread_id;    /* the host's */
    const char *name;          /* -name; NULL: none */
    bool sandboxed;            /* no system call is left to look up names, to connect */
    BlockOptions floppy_options[FDC_DRIVES]; /* how their next image is opened */
    MachineChardev *chardevs;  /* MACHINE_CHARDEVS, empty ones have no label */
    GArray *listeners;         /* machine_listen's; NULL: none */
    unsigned mouse_buttons;    /* held by mouse_button, as i8042_mouse takes them */
    struct GdbStub *gdb;   /* NULL: no gdb is served */
    struct KeyQueue *keys; /* the monitor's, NULL at first; key_queue_free before the rest */
    const struct Symbols *symbols; /* --symbols, or NULL */
    struct Profile *profile;       /* samples being taken, or NULL; profile_free before the engine */
    char *death;                   /* the last death report, or NULL; read while paused */
    /* All on the main-loop thread, io lock not held. */
    bool (*running)(Machine *m);
    MachineState (*state)(Machine *m);
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

/* Be told of events. All on the main-loop thread, io lock not held. */
void machine_listen(Machine *machine, MachineListener fn, void *opaque);
void machine_unlisten(Machine *machine, MachineListener fn, void *opaque);
void machine_emit(Machine *machine, const MachineEvent *event);
/* NULL if there is none. */
MachineChardev *machine_chardev(Machine *machine, const char *label);

#endif
