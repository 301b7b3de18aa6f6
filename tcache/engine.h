/* SPDX-License-Identifier: MIT
 * The engine: finds or translates blocks, enters them, acts on why they came
 * back. One per vCPU. engine_run belongs to the vCPU thread; what other threads
 * may call says so. */
#ifndef TCACHE_ENGINE_H
#define TCACHE_ENGINE_H

#include "translator/guest.h"

typedef struct Engine Engine;

typedef struct {
    bool interp;        /* run the IR interpreter instead of host code */
    bool one_insn;      /* one guest instruction a block */
    bool no_chain;      /* every exit returns to the loop */
    bool no_opt;        /* skip the optional passes */
    bool no_window;     /* memory through the soft TLB only */
    bool window_always; /* every address space has its window from the start */
    bool count;         /* blocks count how often they run */
    uint64_t check_every; /* compare every Nth block with the interpreter; 0: none */
    bool perf_map; /* engine_open_perf_map will be called: map code where Linux perf finds it */
    uint64_t cache_bytes; /* code cache limit; 0: default */
} EngineOptions;

/* -icount: what time is made of. All callbacks come on the vCPU thread. */
typedef struct {
    unsigned shift; /* an instruction takes 1 << shift ns */
    bool sleep;     /* a halted vCPU waits for its next timer in host time; else it jumps there */
    int64_t (*next_deadline)(void *opaque); /* of the earliest timer, ns; INT64_MAX: none */
    void (*run_timers)(void *opaque);       /* fire what is due now */
    /* Every so many instructions (0: never) a digest of registers and RAM. */
    uint64_t digest_every;
    void (*digest)(void *opaque, uint64_t executed, uint64_t digest);
    void *opaque;
} EngineTime;

typedef struct {
#define COUNTER(name, help) uint64_t name;
#include "tcache/counters.def"
#undef COUNTER
} EngineCounters;

typedef enum {
    RUN_STOPPED,      /* engine_request_stop */
    RUN_TRIPLE_FAULT, /* state as it was then */
    RUN_DEBUG,        /* a breakpoint or a watchpoint: engine_debug_stop; state exact */
    RUN_STEPPED,
    RUN_CHECK, /* translated code and interpreter differ: engine_check_report */
} RunResult;

/* Takes over the vcpu's engine fields and the address space's listeners. NULL and *error when the
 * host has no room for the code cache. */
Engine *engine_new(VCpu *vcpu, AddressSpace *as, const EngineOptions *options, GError **error);
void engine_free(Engine *engine);
/* Count time in instructions from now on; before the first run. */
void engine_count_time(Engine *engine, const EngineTime *time);
/* Timers that fire on the vCPU thread while it is in engine_run. */
typedef struct {
    void (*run)(void *opaque);      /* fire what is due, and set the alarm for the next */
    void (*set_anew)(void *opaque); /* the thread has left: no alarm is set any more */
    void *opaque;
} EngineTimers;
/* Before the first run; not with counted time. */
void engine_set_timers(Engine *engine, const EngineTimers *timers);
/* Call `run` at host_ns (CLOCK_MONOTONIC), or before. Any thread, but one at a time. False: the vCPU thread is
 * not in engine_run, and will not. */
bool engine_set_alarm(Engine *engine, int64_t host_ns);
/* The same for now, whatever it was set to: a call that was due did not come. */
bool engine_remind_alarm(Engine *engine);
/* With counted time: ns by now; any thread (others than the vCPU's may see it late). */
int64_t engine_time_ns(const Engine *engine);
/* A timer is the earliest now; any thread. */
void engine_deadline_changed(Engine *engine);
/* Instructions executed; vCPU stopped or on its thread. */
uint64_t engine_executed_for_test(const Engine *engine);

/* false: not wanted, or the host has no room for them. */
bool engine_has_windows(const Engine *engine);
/* false: the host has no room (ENGINE_JUMP_SPACE bytes of addresses, not reserved); nothing is
 * chained. */
bool engine_has_jump_tables(const Engine *engine);
#define ENGINE_JUMP_SPACE (UINT64_C(65) << 34)

/* Run until something stops it; never RUN_STEPPED. */
RunResult engine_run(Engine *engine);
void engine_request_stop(Engine *engine); /* any thread */
/* Drop every translation (reset, options changed). vCPU stopped or on its thread. */
void engine_flush(Engine *engine);

/* Breakpoints at linear addresses. They stop before the instruction, except the one that the vCPU
 * was stopped at when engine_run goes on. vCPU stopped or on its thread. */
void engine_set_breakpoint(Engine *engine, gva_t gva);
void engine_clear_breakpoint(Engine *engine, gva_t gva);
/* Execute one instruction, one iteration of a repeated one, or deliver its fault; breakpoints do
 * not count. interrupts: deliver one instead if it is due. A halted vCPU waits for one in any case.
 * RUN_STEPPED, RUN_DEBUG (only watchpoints), RUN_TRIPLE_FAULT, or RUN_STOPPED: nothing was done. */
RunResult engine_step(Engine *engine, bool interrupts);
/* So many in a row, as long as each is RUN_STEPPED; entering and leaving take ten times as long as a
 * step. */
RunResult engine_steps(Engine *engine, uint64_t count, bool interrupts);
/* Why the last engine_run or engine_step returned RUN_DEBUG. */
typedef struct {
    unsigned watches; /* bit i: watch slot i of the MMU, in MMU_WATCH_STOPS; 0: a breakpoint */
    gva_t gva;        /* of the breakpoint */
} EngineStop;
EngineStop engine_debug_stop(const Engine *engine);

/* What differed, after RUN_CHECK; else NULL. */
const char *engine_check_report(const Engine *engine);

const EngineCounters *engine_counters(const Engine *engine);
void engine_print_stats(Engine *engine, GString *out);
/* name -> value of every counter, for JSON; ends with NULL name. */
typedef struct {
    const char *name, *help;
    uint64_t value;
} EngineCounter;
unsigned engine_list_counters(const Engine *engine, EngineCounter *out, unsigned capacity);

/* ---- looking inside: vCPU stopped or on its thread ---- */

typedef struct {
    uint64_t pc, cs_base;
    uint32_t mode; /* the guest's mode bits; bit 0: 32-bit code */
} EngineBlock;

/* The blocks that the loop entered last, newest first; returns how many. Chained blocks run
 * without the loop. */
unsigned engine_recent_blocks(const Engine *engine, EngineBlock *out, unsigned capacity);

/* Where the slow paths come from. */
typedef enum { TOP_PORTS, TOP_MMIO, TOP_SMC_PAGES, TOP_FAULTS, TOP_KINDS } EngineTop;
extern const char *const engine_top_names[TOP_KINDS];
/* Most frequent first; key: port, physical address, RAM offset of the page, linear address. */
unsigned engine_list_top(const Engine *engine, EngineTop which, TopEntry *out, unsigned capacity);

/* The blocks that executed the most instructions, those first; needs EngineOptions.count. A block
 * that is left by a branch in its middle counts in full. */
typedef struct {
    EngineBlock block;
    uint64_t executions;
    unsigned insns, host_bytes;
} EngineHot;
unsigned engine_list_hot(const Engine *engine, EngineHot *out, unsigned capacity);
/* Guest and host code of the blocks at a linear address; false: there is none. */
bool engine_append_code(const Engine *engine, gva_t gva, GString *out);

/* sampler: called on the vCPU thread between blocks, state exact, after each request; NULL: none.
 * Set while the vCPU is stopped. */
void engine_set_sampler(Engine *engine, void (*sampler)(void *opaque), void *opaque);
void engine_request_sample(Engine *engine); /* any thread */

/* What logs and Linux perf call guest code, besides its address: name appends "name+0x1f" or
 * nothing. */
typedef void (*EngineNamer)(void *opaque, gva_t gva, GString *out);
void engine_set_namer(Engine *engine, EngineNamer name, void *opaque);
/* Name translated code for Linux perf in /tmp/perf-PID.map, from now on. */
bool engine_open_perf_map(Engine *engine, GError **error);

#endif
