/* SPDX-License-Identifier: MIT
 * The engine's own state; private to tcache. */
#ifndef TCACHE_ENGINE_PRIV_H
#define TCACHE_ENGINE_PRIV_H

#include <pthread.h>
#include <stdio.h>

#include "tcache/tb.h"
#include "softmmu/window.h"
#include "translator/ir/interp.h"

#define FETCH_CACHE_SIZE 64
#define OTHER_PAGES      4096
#define RECENT_BLOCKS    16
#define NO_STORE         ((gva_t)-1)

/* Attention bits in vcpu->attention. */
enum { ATTENTION_KICK = 1, ATTENTION_STOP = 2, ATTENTION_POSTS = 4, ATTENTION_SAMPLE = 8, ATTENTION_TIMERS = 16 };

/* An instruction that faulted in a window, how often in a row it did at the same page, and how often at
 * another one than before. */
typedef struct {
    gva_t pc, page;
    unsigned same, spread;
} FaultSite;

/* How often is the instruction at `at` executed for each of its faults? Blocks with it count. */
typedef struct {
    ram_off_t at;
    uint64_t executions;
    unsigned faults;
    unsigned waiting; /* times that another instruction wanted a trial */
    bool runs;
    bool repeats; /* it is a repeated string instruction */
} FaultTrial;
#define FAULT_SITES 64

typedef struct {
    gva_t page;
    int mode;
    uint64_t generation;
    FetchPage target;
} FetchEntry;

typedef struct {
    ram_off_t offset;
    uint64_t size;
} PostedWrite;

/* What clone.c last found out: is this place of an address space another one's, or nobody's, by now? */
typedef struct {
    uint64_t generation, space;
    gva_t page;
    ram_off_t ram_page;
    bool gone;
} MovedCheck;

typedef struct Check Check;
typedef struct Icount Icount;
typedef struct Alarm Alarm;

struct Engine {
    Cache cache;
    VCpu *vcpu;
    const GuestOps *guest;
    EngineOptions options;
    IrBlock ir;                  /* scratch for translation */
    GArray *pcmap, *pc_fields;   /* scratch */
    TranslationBlock *interp_tb; /* what the interpreter runs */
    bool interp_stop;
    InterpEnv interp_env;
    FetchEntry fetch[FETCH_CACHE_SIZE];
    uint64_t generation; /* of mappings; entries of another one are stale */
    const void *exit_pc; /* host_pc as the last block left it */
    /* shortcuts.c: pages whose code is reached by shortcuts, as bitmaps by page number. */
    uint64_t *global_pages[MMU_MODES], *other_pages;
    GArray *global_list; /* of GlobalPage */
    bool validate_global;
    gva_t other_list[OTHER_PAGES]; /* whose bits in other_pages are set */
    unsigned other_count;
    /* Address windows; NULL: soft TLB only. */
    WindowSet *windows;
    Window *window;        /* what `window` blocks use now */
    GHashTable *demoted;   /* ram offsets of instructions that take the TLB, with their first bytes */
    uint8_t *demoted_page; /* by RAM page: has any */
    gva_t trapped_store;   /* EXIT_SMC from a window: the address of the store */
    gva_t trapped_fault;   /* EXIT_FAULT from a window: the address that the guest may not access */
    FaultSite fault_sites[FAULT_SITES];
    FaultTrial trial;
    GHashTable *tried;     /* ram offsets of instructions that do too much else */
    uint8_t *smc_traps;    /* by RAM page: stores caught by write protection */
    GHashTable *native_thunks;
    CodeBuf native_buf;
    size_t native_used;
    BlockState recent[RECENT_BLOCKS]; /* entered from the loop; a ring */
    unsigned recent_count;
    TopTable top_faults, top_smc; /* linear pc; RAM page */
    void (*sampler)(void *opaque);
    void *sampler_opaque;
    FILE *perf_map; /* NULL: not wanted */
    EngineNamer name; /* NULL: nothing has a name */
    void *name_opaque;
    pthread_t thread;
    bool running;
    GMutex lock; /* posts, wake-ups */
    GCond wake;
    GArray *posts;
    uint8_t *signal_stack;
    GArray *breaks;     /* of gva_t, sorted */
    GArray *kept_apart; /* those that no kept block runs over */
    bool breaks_changed;
    bool leave_break; /* stopped at a breakpoint: run on past it */
    EngineStop debug_stop;
    Check *check;    /* --check; NULL: off */
    Icount *icount;  /* -icount; NULL: off */
    Alarm *alarm;    /* timers that the vCPU thread fires; NULL: none */
    bool outside;    /* what lift_block lifted last is one instruction that reaches outside */
    MovedCheck moved_check; /* clone.c */
    GPtrArray *moving;      /* clone.c: scratch */
    unsigned pauses;     /* relax.c: since */
    int64_t pauses_from; /* host's monotonic clock, us */
    IrBlock *lifted; /* --check: a copy of the IR before passes, for the block being made */
};

/* find.c: the block for the vCPU's state; NULL: vcpu->fault is set, or *alone: the code lies
 * where it cannot be cached. */
TranslationBlock *engine_find_block(Engine *engine, bool *alone);
/* clone.c: blocks made out of the same code at another EIP */
/* May blocks at state be copied, or be copied from? */
bool clone_is_possible(const Engine *engine, const BlockState *state);
/* A block for state, whose code is at phys, out of one for another EIP: moved, if no address space has
 * that one any more, else copied. NULL: there is none, or no room. */
TranslationBlock *clone_block(Engine *engine, const BlockState *state, ram_off_t phys);
/* tb was translated (its fields are in engine->pc_fields): it may be copied and moved. */
void clone_allow(Engine *engine, TranslationBlock *tb);
/* Execute the one instruction at pc by the interpreter. */
ExitReason engine_execute_alone(Engine *engine);
/* The instruction at pc could not be fetched, and vcpu->fault says why. */
ExitReason engine_fetch_fault(Engine *engine);

/* split.c: how many instructions a block may have so that those that reach outside
 * (HELPER_OUTSIDE) are alone in theirs, and, if `branches`, none follows a conditional branch.
 * *outside: it begins with one that reaches outside. */
unsigned block_split(const IrBlock *block, bool branches, bool *outside);

/* shortcuts.c: keeping chains and jump tables true when mappings change */
void shortcuts_init(Engine *engine);
void shortcuts_destroy(Engine *engine);
void shortcuts_flushed(Engine *engine, MmuFlush what, gva_t gva);
/* Code in a global page is about to be reached by shortcuts. */
void shortcuts_note_page(Engine *engine, gva_t gva, ram_off_t page);
void shortcuts_note_other(Engine *engine, gva_t gva);
/* Before the next block is found: if global mappings may have changed, see whether they did. */
void shortcuts_validate(Engine *engine);
void shortcuts_forget(Engine *engine);

/* exec.c */
void engine_request_attention(Engine *engine, unsigned bits); /* any thread */
/* The same without waking a halted vCPU; from a signal handler, too. */
void engine_break_out(Engine *engine, unsigned bits);
void engine_enter(Engine *engine); /* this thread runs the vCPU, from here to engine_leave */
void engine_leave(Engine *engine);
/* Serve what other threads asked for; true: to stop. */
bool engine_attend(Engine *engine);
void engine_wait_halted(Engine *engine);
/* A halted vCPU: until something may be due, or, with -icount, as if it had been. */
void engine_idle(Engine *engine);
/* false: triple fault. */
bool engine_handle_exit(Engine *engine, ExitReason reason);
/* Before an instruction: guest->debug_boundary, and after interrupts guest->begin_instruction, unless
 * they have been called for this one. True if pc changed. */
bool engine_debug_boundary(Engine *engine);
bool engine_begin_instruction(Engine *engine);

/* alarm.c */
void alarm_begin(Engine *engine); /* this thread fires timers, from here to alarm_end */
void alarm_end(Engine *engine);
void alarm_fire(Engine *engine);
bool alarm_is_firing(const Engine *engine);
int64_t alarm_due(const Engine *engine); /* host ns; INT64_MAX: not set */
void alarm_free(Alarm *alarm);

/* relax.c: VCpu.relax */
void engine_relax(VCpu *vcpu);

/* debug.c */
void engine_debug_init(Engine *engine);
void engine_debug_destroy(Engine *engine);
/* Drop the blocks that new breakpoints lie in; before blocks are looked up. */
void engine_apply_breakpoints(Engine *engine);
/* Bytes that a block at gva may have: at most room, and up to the next breakpoint. */
unsigned engine_room_to_breakpoint(const Engine *engine, gva_t gva, unsigned room);
bool engine_at_breakpoint(Engine *engine);
bool engine_at_watchpoint(Engine *engine);
/* If the vCPU stands at the breakpoint that stopped it, execute that instruction. False: triple
 * fault. */
bool engine_leave_breakpoint(Engine *engine);
bool engine_watch_access(void *opaque);

/* demote.c: instructions that do not use the window */
void demote_init(Engine *engine);
void demote_destroy(Engine *engine);
/* The instruction at pc takes the TLB from now on. */
void demote_instruction(Engine *engine);
/* EXIT_SMC came from a window: after many such stores to one page their sites are demoted. */
void demote_note_trap(Engine *engine);
/* EXIT_FAULT came from a window: an instruction that does little else is demoted. The TLB finds a fault
 * without a host signal. */
void demote_note_fault(Engine *engine);
/* What tb, whose IR is in engine->ir, counts its executions in; NULL: nothing. */
uint64_t *demote_trial_counter(Engine *engine, const TranslationBlock *tb);
void demote_mark_block(Engine *engine, ram_off_t phys);
/* RAM offset of the instruction at pc, RAM_OFF_NONE if it cannot be fetched. */
ram_off_t engine_ram_of_pc(Engine *engine);

/* native.c: InterpNativeFn of the engine */
void engine_native(void *opaque, VCpu *vcpu, const IrInsn *insn, void *mem);

/* host-fault.c: signals of the vCPU thread */
void host_fault_attach(Engine *engine);
void host_fault_detach(Engine *engine);

/* inspect.c */
void engine_append_name(const Engine *engine, gva_t gva, GString *out);
void perf_map_add(Engine *engine, const TranslationBlock *tb);

/* log-block.c: -d op, op_opt, in_asm, out_asm, and the same as text. guest_code: the bytes at the
 * block's start. */
void log_block_ir(Engine *engine, uint32_t item, const char *title);
void log_block_code(const Engine *engine, const TranslationBlock *tb, const uint8_t *guest_code);
void block_append_guest(const TranslationBlock *tb, const uint8_t *guest_code, GString *out);
void block_append_host(const TranslationBlock *tb, const uint8_t *guest_code, GString *out);

#endif
