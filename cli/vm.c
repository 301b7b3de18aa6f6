/* SPDX-License-Identifier: MIT
 * Builds and runs the machine. Threads: the main thread has the GLib main loop
 * (sockets, timers, display, monitor); one thread is the vCPU. The vCPU thread runs
 * the engine while `wanted` says so and nobody has paused it. */
#include "cli/vm-priv.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/main-loop.h"
#include "cli/check-report.h"
#include "cli/drives.h"
#include "cli/exit-codes.h"
#include "cli/host-signals.h"
#include "cli/pid-file.h"
#include "cli/sandbox.h"
#include "cli/stats.h"
#include "cli/window.h"
#include "monitor/death.h"
#include "monitor/gdbstub.h"
#include "monitor/keys.h"
#include "monitor/profile.h"

static void io_lock(void *as)
{
    address_space_lock(as);
}

static void io_unlock(void *as)
{
    address_space_unlock(as);
}

/* ---- requests, any thread ---- */

static gboolean quit_loop(gpointer opaque)
{
    Vm *vm = opaque;
    g_main_loop_quit(vm->loop);
    return G_SOURCE_REMOVE;
}

/* Leave vm_run with `code`; any thread. The first one decides about the code. */
static void vm_quit(Vm *vm, int code)
{
    g_mutex_lock(&vm->lock);
    if (!vm->quitting)
        vm->exit_code = code;
    vm->quitting = true;
    g_mutex_unlock(&vm->lock);
    main_loop_post(quit_loop, vm);
}

typedef struct {
    Vm *vm;
    MachineEvent event;
} PostedEvent;

static gboolean emit_posted(gpointer opaque)
{
    PostedEvent *posted = opaque;
    machine_emit(&posted->vm->machine, &posted->event);
    g_free(posted);
    return G_SOURCE_REMOVE;
}

/* Any thread. Events keep their order, also with vm_quit. */
static void post_event(Vm *vm, MachineEventKind kind, bool guest, const char *reason)
{
    PostedEvent posted = {vm, {kind, guest, reason}};
    main_loop_post(emit_posted, g_memdup2(&posted, sizeof(posted)));
}

static void quit_by_host(Vm *vm, const char *reason)
{
    post_event(vm, MACHINE_EVENT_SHUTDOWN, false, reason);
    vm_quit(vm, 0);
}

void vm_close(void *vm)
{
    quit_by_host(vm, "host-ui");
}

static void request_vcpu(Vm *vm)
{
    if (vm->engine)
        engine_request_stop(vm->engine);
    g_cond_broadcast(&vm->changed);
}

/* Any thread, io lock held. The guest stands still, but nothing else does. */
static void hold_guest(void *opaque, bool hold)
{
    Vm *vm = opaque;
    g_mutex_lock(&vm->lock);
    vm->held = hold ? vm->held + 1 : vm->held - 1;
    request_vcpu(vm); /* or wake it */
    g_mutex_unlock(&vm->lock);
}

/* An exit code that QEMU does not have: only for who asked for it. */
static void quit_strictly(Vm *vm, int code)
{
    vm_quit(vm, vm->config->strict_exit ? code : CODE_POWER_OFF);
}

void vm_request_reset(void *opaque, const char *cause)
{
    Vm *vm = opaque;
    g_mutex_lock(&vm->lock);
    vm->reset_requested = true;
    vm->reset_cause = cause;
    request_vcpu(vm);
    g_mutex_unlock(&vm->lock);
}

static gboolean tell_stop(gpointer opaque);

/* vm->lock held. */
static void stop_by_itself(Vm *vm, MachineState state, RunResult why)
{
    vm->wanted = vm->step = false;
    vm->stopped = state;
    vm->stop_untold = true;
    vm->stop_why = why;
    g_idle_add_full(G_PRIORITY_HIGH, tell_stop, vm, NULL);
}

static void request_stop(Vm *vm, MachineState state)
{
    g_mutex_lock(&vm->lock);
    stop_by_itself(vm, state, RUN_STOPPED);
    request_vcpu(vm);
    g_mutex_unlock(&vm->lock);
}

/* The same without a word to the debugger: the process is about to end. */
static void halt_vcpu(Vm *vm, MachineState state)
{
    g_mutex_lock(&vm->lock);
    vm->wanted = false;
    vm->stopped = state;
    request_vcpu(vm);
    g_mutex_unlock(&vm->lock);
}

/* Stop for good or exit: what -no-shutdown decides. */
void vm_request_power_off(void *opaque)
{
    Vm *vm = opaque;
    post_event(vm, MACHINE_EVENT_SHUTDOWN, true, "guest-shutdown");
    request_stop(vm, MACHINE_OFF);
    if (!vm->config->no_shutdown)
        vm_quit(vm, 0);
}

void vm_request_exit(void *opaque, int code)
{
    Vm *vm = opaque;
    post_event(vm, MACHINE_EVENT_SHUTDOWN, true, "guest-shutdown");
    halt_vcpu(vm, MACHINE_OFF);
    vm_quit(vm, code);
}

/* No room on the host for what the guest writes: the user makes some, cont writes again. */
void vm_disk_full(void *opaque, const Block *block, int err)
{
    Vm *vm = opaque;
    fprintf(stderr, "dbtvm: cannot write '%s': %s; the machine is stopped, cont tries again\n",
            block_path(block), g_strerror(err));
    request_stop(vm, MACHINE_IO_ERROR);
}

/* On the vCPU thread, io lock held; the guest stands at its OUT. */
void vm_request_panic(void *opaque, bool crash_loaded)
{
    Vm *vm = opaque;
    const int action = vm->config->panic_action;
    const char *text =
        death_report(&vm->machine, DEATH_PANIC, crash_loaded ? "a crash kernel takes over" : NULL);
    if (!vm->panicked)
        fputs(text, stderr);
    vm->panicked = true;
    const bool goes_on = crash_loaded || action == PANIC_NONE;
    post_event(vm, crash_loaded ? MACHINE_EVENT_CRASH_KERNEL : MACHINE_EVENT_PANIC, true,
               goes_on                 ? "run"
               : action == PANIC_PAUSE ? "pause"
                                       : "poweroff");
    if (goes_on)
        return;
    if (action == PANIC_PAUSE) {
        request_stop(vm, MACHINE_PANICKED);
        return;
    }
    post_event(vm, MACHINE_EVENT_SHUTDOWN, true, "guest-panic");
    halt_vcpu(vm, MACHINE_OFF);
    if (action == PANIC_SHUTDOWN)
        quit_strictly(vm, CODE_PANIC);
    else
        vm_quit(vm, CODE_USER_ERROR);
}

/* ---- the vCPU thread ---- */

static void stop_for_good(Vm *vm, int strict_code)
{
    halt_vcpu(vm, MACHINE_OFF);
    quit_strictly(vm, strict_code);
}

/* false: it goes round and round, and --strict-exit takes that for the end. */
static bool note_reset(Vm *vm, const char *why)
{
    int64_t now = g_get_monotonic_time();
    int64_t *oldest = &vm->reset_times[vm->resets % RESET_LOOP_COUNT];
    const bool loops = vm->resets >= RESET_LOOP_COUNT && now - *oldest < RESET_LOOP_US;
    if (loops) {
        fprintf(stderr, "dbtvm: the guest was reset %d times in 5 seconds (last cause: %s)\n",
                RESET_LOOP_COUNT, why);
        vm->resets = 0;
    }
    vm->reset_times[vm->resets++ % RESET_LOOP_COUNT] = now;
    return !loops || !vm->config->strict_exit;
}

/* The state before the reset, if somebody wants to know how it came to it. */
static void report_reset(Vm *vm, Death death, const char *why)
{
    const char *text = death_report(&vm->machine, death, death == DEATH_RESET ? why : NULL);
    if (vm->config->no_reboot)
        fputs(text, stderr);
    else if (log_enabled(LOG_CPU_RESET))
        log_printf(LOG_CPU_RESET, "%s", text);
}

/* Without vm->lock: devices are reset under the io lock, whose holders may want vm->lock.
 * why: NULL: the user wants it. */
static void do_reset(Vm *vm, Death death, const char *why)
{
    const bool triple = death == DEATH_TRIPLE_FAULT;
    post_event(vm, vm->config->no_reboot ? MACHINE_EVENT_SHUTDOWN : MACHINE_EVENT_RESET, why,
               why ? "guest-reset" : "host-qmp-system-reset");
    if (why)
        report_reset(vm, death, why);
    if (vm->config->no_reboot && vm->config->no_shutdown) {
        request_stop(vm, MACHINE_OFF); /* as it was: somebody wants to look */
        return;
    }
    if (vm->config->no_reboot) {
        stop_for_good(vm, triple ? CODE_TRIPLE_FAULT : CODE_POWER_OFF);
        return;
    }
    if (why && !note_reset(vm, why)) {
        fputs(vm->machine.death, stderr);
        stop_for_good(vm, CODE_RESET_LOOP);
        return;
    }
    pc_reset(vm->pc);
    cpu_reset(vm->cpu);
    engine_flush(vm->engine);
    log_printf(LOG_CPU_RESET, "CPU reset (%s)", why ? why : "monitor");
}

static void report_check(Vm *vm)
{
    check_report_write(vm->config, engine_check_report(vm->engine));
    halt_vcpu(vm, MACHINE_OFF);
    vm_quit(vm, CODE_CHECK);
}

/* Outside vm->lock. */
static RunResult run_engine(Vm *vm, bool step, bool interrupts)
{
    RunResult result = step ? engine_step(vm->engine, interrupts) : engine_run(vm->engine);
    if (result == RUN_TRIPLE_FAULT) {
        do_reset(vm, DEATH_TRIPLE_FAULT, "triple fault");
        return step ? RUN_STEPPED : RUN_STOPPED;
    }
    if (result == RUN_CHECK)
        report_check(vm);
    return result;
}

static bool may_run(const Vm *vm)
{
    return vm->wanted && vm->paused == 0 && (vm->held == 0 || vm->step);
}

static gpointer vcpu_thread(gpointer opaque)
{
    Vm *vm = opaque;
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    vm->machine.vcpu_thread_id = gettid();
    g_mutex_lock(&vm->lock);
    while (!vm->quit_thread) {
        if (vm->reset_requested) {
            vm->reset_requested = false;
            const char *cause = vm->reset_cause;
            vm->in_engine = true;
            g_mutex_unlock(&vm->lock);
            do_reset(vm, DEATH_RESET, cause);
            g_mutex_lock(&vm->lock);
            vm->in_engine = false;
            g_cond_broadcast(&vm->changed);
            continue;
        }
        if (!may_run(vm)) {
            g_cond_wait(&vm->changed, &vm->lock);
            continue;
        }
        vm->in_engine = true;
        const bool step = vm->step, interrupts = vm->step_interrupts;
        g_mutex_unlock(&vm->lock);
        const RunResult result = run_engine(vm, step, interrupts);
        g_mutex_lock(&vm->lock);
        vm->in_engine = false;
        if (result == RUN_DEBUG || result == RUN_STEPPED)
            stop_by_itself(vm, vm->wanted ? MACHINE_PAUSED : vm->stopped, result); /* a device may have */
        g_cond_broadcast(&vm->changed);
    }
    g_mutex_unlock(&vm->lock);
    return NULL;
}

/* ---- Machine ---- */

static Vm *vm_of(Machine *m)
{
    return (Vm *)m; /* machine is the first member */
}

static bool machine_running(Machine *m)
{
    return vm_of(m)->wanted;
}

static void wait_out_of_engine(Vm *vm)
{
    while (vm->in_engine) {
        engine_request_stop(vm->engine);
        g_cond_wait_until(&vm->changed, &vm->lock, g_get_monotonic_time() + 10000);
    }
}

/* Main thread: the vCPU has stopped by itself, or was told to. */
static gboolean tell_stop(gpointer opaque)
{
    Vm *vm = opaque;
    Machine *m = &vm->machine;
    g_mutex_lock(&vm->lock);
    const bool untold = vm->stop_untold;
    const RunResult why = vm->stop_why;
    vm->stop_untold = false;
    g_mutex_unlock(&vm->lock);
    if (untold) {
        clock_stop(vm->clock);
        post_event(vm, MACHINE_EVENT_STOP, false, NULL);
        if (m->stopped)
            m->stopped(m->stopped_opaque, why);
    }
    return G_SOURCE_REMOVE;
}

static MachineState machine_state(Machine *m)
{
    Vm *vm = vm_of(m);
    g_mutex_lock(&vm->lock);
    MachineState state = vm->wanted ? MACHINE_RUNNING : vm->stopped;
    g_mutex_unlock(&vm->lock);
    return state;
}

static void machine_stop(Machine *m)
{
    Vm *vm = vm_of(m);
    g_mutex_lock(&vm->lock);
    const bool ran = vm->wanted;
    vm->wanted = false;
    wait_out_of_engine(vm);
    if (ran && !vm->stop_untold) {
        vm->stopped = MACHINE_PAUSED;
        vm->stop_untold = true;
        vm->stop_why = RUN_STOPPED;
    }
    vm->step = false;
    g_mutex_unlock(&vm->lock);
    tell_stop(vm);
    clock_stop(vm->clock);
}

/* Once, when the guest first runs: who only asked for something impossible is not told. */
static void say_slow(Vm *vm)
{
    const EngineOptions *wanted = &vm->config->engine;
    const bool jumps = engine_has_jump_tables(vm->engine) || wanted->no_chain;
    const bool windows = engine_has_windows(vm->engine) || wanted->no_window;
    if (!vm->said_slow && !wanted->interp && !(windows && jumps))
        fprintf(stderr, "dbtvm: no %s here ('dbtvm doctor' says why); guests run %s\n",
                windows ? "jump tables" : "address windows",
                jumps ? "on the slower soft TLB" : "slowly, every jump is looked up");
    vm->said_slow = true;
}

static void machine_go(Vm *vm, bool step, bool interrupts, bool timers)
{
    say_slow(vm);
    tell_stop(vm);
    if (timers || vm->cpu->v.halted)
        clock_start(vm->clock);
    g_mutex_lock(&vm->lock);
    const bool resumed = !vm->wanted;
    const bool write_again = resumed && vm->stopped == MACHINE_IO_ERROR;
    if (resumed)
        vm->stopped = MACHINE_PAUSED; /* unless something stops it for another reason */
    vm->wanted = true;
    vm->step = step;
    vm->step_interrupts = interrupts;
    g_cond_broadcast(&vm->changed);
    g_mutex_unlock(&vm->lock);
    if (resumed)
        post_event(vm, MACHINE_EVENT_RESUME, false, NULL);
    if (write_again) { /* another failure stops it again */
        address_space_lock(vm->as);
        ide_retry(pc_ide(vm->pc));
        address_space_unlock(vm->as);
    }
}

/* A guest that has switched itself off stays off, until it is reset. */
static void machine_cont(Machine *m)
{
    if (machine_state(m) != MACHINE_OFF)
        machine_go(vm_of(m), false, false, true);
}

static void machine_step(Machine *m, bool interrupts, bool timers)
{
    if (machine_state(m) != MACHINE_OFF)
        machine_go(vm_of(m), true, interrupts, timers);
}

static void machine_pause(Machine *m)
{
    Vm *vm = vm_of(m);
    g_mutex_lock(&vm->lock);
    vm->paused++;
    wait_out_of_engine(vm);
    g_mutex_unlock(&vm->lock);
}

static void machine_resume(Machine *m)
{
    Vm *vm = vm_of(m);
    g_mutex_lock(&vm->lock);
    vm->paused--;
    g_cond_broadcast(&vm->changed);
    g_mutex_unlock(&vm->lock);
}

static void machine_reset(Machine *m)
{
    Vm *vm = vm_of(m);
    g_mutex_lock(&vm->lock);
    if (vm->stopped == MACHINE_OFF)
        vm->stopped = MACHINE_PAUSED;
    g_mutex_unlock(&vm->lock);
    vm_request_reset(vm, NULL);
}

static void machine_power_button(Machine *m)
{
    post_event(vm_of(m), MACHINE_EVENT_POWERDOWN, false, NULL);
    pc_power_button(vm_of(m)->pc);
}

static void machine_quit(Machine *m, int code)
{
    post_event(vm_of(m), MACHINE_EVENT_SHUTDOWN, false, "host-qmp-quit");
    vm_quit(vm_of(m), code);
}

Machine *vm_machine(Vm *vm)
{
    return &vm->machine;
}

/* ---- building ---- */

static void fill_machine(Vm *vm)
{
    vm->machine = (Machine){
        .cpu = vm->cpu,
        .engine = vm->engine,
        .as = vm->as,
        .clock = vm->clock,
        .pc = vm->pc,
        .ram_bytes = vm->config->ram_bytes,
        .symbols = vm->symbols,
        .name = vm->config->name,
        .chardevs = vm->consoles.list,
        .running = machine_running,
        .state = machine_state,
        .stop = machine_stop,
        .cont = machine_cont,
        .step = machine_step,
        .reset = machine_reset,
        .power_button = machine_power_button,
        .quit = machine_quit,
        .pause = machine_pause,
        .resume = machine_resume,
    };
    for (unsigned i = 0; i < FDC_DRIVES; i++)
        vm->machine.floppy_options[i].snapshot = vm->config->snapshot;
    for (guint i = 0; i < vm->config->drives->len; i++) {
        const DriveConfig *d = &g_array_index(vm->config->drives, DriveConfig, i);
        if (d->interface == DRIVE_FLOPPY)
            vm->machine.floppy_options[d->index] = drive_block_options(vm->config, d);
    }
}

static bool open_gdb(Vm *vm, GError **error)
{
    vm->machine.gdb = gdb_stub_new(&vm->machine, vm->config->console[CONSOLE_GDB].spec, error);
    if (vm->machine.gdb)
        chardev_announce(gdb_stub_chardev(vm->machine.gdb), "gdb");
    else
        g_prefix_error(error, "-gdb: ");
    return vm->machine.gdb != NULL;
}

Vm *vm_new(const Config *config, GError **error)
{
    Vm *vm = g_new0(Vm, 1);
    vm->config = config;
    g_mutex_init(&vm->lock);
    g_cond_init(&vm->changed);
    vm->loop = g_main_loop_new(NULL, FALSE);
    vm->watch = watch_new(&vm->machine, config);
    if (config->symbols &&
        !(vm->symbols = symbols_load(config->symbols, config->symbols_offset, error))) {
        g_prefix_error(error, "-symbols: ");
        goto fail;
    }
    vm->ram = ram_new(pc_ram_capacity(config->ram_bytes), error);
    if (!vm->ram)
        goto fail;
    vm->as = address_space_new(vm->ram);
    vm->clock = clock_new(io_lock, io_unlock, vm->as);
    vm->stopped = MACHINE_PRELAUNCH;
    if (!consoles_open(&vm->consoles, config, vm->as, vm_close, hold_guest, vm, error) ||
        !vm_build_board(vm, error) || !vm_build_cpu(vm, error))
        goto fail;
    fill_machine(vm);
    if (!consoles_open_monitors(&vm->consoles, &vm->machine, error))
        goto fail;
    if (config->script && !(vm->script = script_new(&vm->machine, config->script, error)))
        goto fail;
    if (config->pidfile && !(vm->pidfile = pid_file_new(config->pidfile, error)))
        goto fail;
    if (!console_absent(&config->console[CONSOLE_GDB]) && !open_gdb(vm, error))
        goto fail;
    vm->display = window_open(vm, config);
    return vm;
fail:
    vm_free(vm);
    return NULL;
}

static gboolean on_signal(gpointer opaque)
{
    quit_by_host(opaque, "host-signal");
    return G_SOURCE_CONTINUE;
}

static void write_profile(Vm *vm)
{
    g_autoptr(GError) error = NULL;
    if (vm->config->profile && vm->machine.profile &&
        !profile_write(vm->machine.profile, vm->config->profile, &error))
        fprintf(stderr, "dbtvm: -profile: %s\n", error->message);
}

int vm_run(Vm *vm)
{
    host_signals_attach(on_signal, vm);
    signal(SIGPIPE, SIG_IGN);
    pc_reset(vm->pc);
    cpu_reset(vm->cpu);
    clock_attach_main_loop(vm->clock);
    vm->thread = g_thread_new("vcpu", vcpu_thread, vm);
    if (vm->config->profile)
        vm->machine.profile = profile_new(&vm->machine);
    /* Every thread that may meet the guest is there. */
    if (!sandbox_start(vm->config, vm->display != NULL, &vm->machine.sandboxed))
        return vm->config->strict_exit ? CODE_HOST : CODE_USER_ERROR;
    watch_start(vm->watch);
    if (!vm->config->start_stopped)
        machine_cont(&vm->machine);
    g_main_loop_run(vm->loop);
    gdb_stub_free(vm->machine.gdb, vm->exit_code); /* while its client can be told of the end */
    vm->machine.gdb = NULL;
    machine_stop(&vm->machine);
    write_profile(vm);
    stats_write(vm->config, vm->engine);
    return script_exit_code(vm->script, vm->exit_code);
}

static void stop_thread(Vm *vm)
{
    if (!vm->thread)
        return;
    g_mutex_lock(&vm->lock);
    vm->quit_thread = true;
    g_cond_broadcast(&vm->changed);
    g_mutex_unlock(&vm->lock);
    g_thread_join(vm->thread);
}

void vm_free(Vm *vm)
{
    stop_thread(vm);
    gdb_stub_free(vm->machine.gdb, 0);
    g_clear_pointer(&vm->watch, watch_free);
    g_clear_pointer(&vm->machine.profile, profile_free);
    g_clear_pointer(&vm->display, sdl_display_free);
    g_clear_pointer(&vm->script, script_free);
    consoles_close_monitors(&vm->consoles);
    g_clear_pointer(&vm->machine.keys, key_queue_free);
    g_clear_pointer(&vm->pc, pc_free);
    consoles_close(&vm->consoles);
    g_clear_pointer(&vm->engine, engine_free);
    g_clear_pointer(&vm->cpu, cpu_free);
    g_clear_pointer(&vm->clock, clock_free);
    g_clear_pointer(&vm->as, address_space_free);
    g_clear_pointer(&vm->ram, ram_free);
    g_clear_pointer(&vm->bios, g_bytes_unref);
    g_clear_pointer(&vm->vga_bios, g_bytes_unref);
    g_clear_pointer(&vm->symbols, symbols_free);
    g_clear_pointer(&vm->machine.death, g_free);
    g_clear_pointer(&vm->pidfile, pid_file_free);
    g_main_loop_unref(vm->loop);
    g_mutex_clear(&vm->lock);
    g_cond_clear(&vm->changed);
    g_free(vm);
}
