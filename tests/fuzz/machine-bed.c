/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/machine-bed.h"

#include <xxhash.h>

#include "base/log.h"
#include "base/trace.h"
#include "monitor/gdbstub.h"
#include "monitor/keys.h"
#include "monitor/profile.h"
#include "tests/fuzz/board.h"
#include "tests/fuzz/fuzz.h"
#include "translator/x86/cpu-priv.h"

enum { CACHE_BYTES = 1 << 20 };

static bool running;
static Board board;     /* keeps its memory */
static Machine machine; /* keeps its CPU and engine, whose tables are large */

static bool is_running(Machine *machine)
{
    return running;
}

static MachineState state_of(Machine *machine)
{
    return running ? MACHINE_RUNNING : MACHINE_PAUSED;
}

static void on_stop(Machine *machine)
{
    running = false;
}

static void on_cont(Machine *machine)
{
    running = true;
}

static void on_step(Machine *machine, bool interrupts, bool timers)
{
    running = false;
}

static void on_event(Machine *machine)
{
}

static void on_quit(Machine *machine, int code)
{
}

/* All of the process that a monitor's user can set. */
static void forget_logs(void)
{
    g_assert(log_open(0, NULL, NULL));
    trace_set("*", false);
}

/* New, or as a reset leaves it. */
static void open_cpu(void)
{
    CpuModel model;
    const EngineOptions options = {.interp = true, .count = true, .cache_bytes = CACHE_BYTES};
    if (!machine.cpu) {
        g_assert(cpu_model_parse(&model, "max", NULL));
        fuzz_leaks_expected(true);
        machine.cpu = cpu_new(board.as, &model, &(CpuBoard){0}, NULL);
        fuzz_leaks_expected(false);
        g_assert(machine.cpu);
        machine.engine = engine_new(&machine.cpu->v, board.as, &options, NULL);
        g_assert(machine.engine);
    }
    engine_flush(machine.engine);
    cpu_reset(machine.cpu);
}

Machine *machine_bed_open(void)
{
    static MachineChardev chardevs[MACHINE_CHARDEVS];
    fuzz_enter_sandbox();
    running = false;
    board_open(&board);
    chardev_keep_tap(board.serial);
    chardevs[0] = (MachineChardev){"serial0", g_strdup("null"), board.serial, 0};
    open_cpu();
    machine = (Machine){.cpu = machine.cpu,
                        .engine = machine.engine,
                        .as = board.as,
                        .clock = board.clock,
                        .pc = board.pc,
                        .ram_bytes = BOARD_RAM,
                        .chardevs = chardevs,
                        .running = is_running,
                        .state = state_of,
                        .stop = on_stop,
                        .cont = on_cont,
                        .step = on_step,
                        .reset = on_event,
                        .power_button = on_event,
                        .quit = on_quit,
                        .pause = on_event,
                        .resume = on_event};
    return &machine;
}

/* What the board has, and the CPU's registers. */
static uint64_t digest(void)
{
    CpuX86 *cpu = machine.cpu;
    const uint64_t parts[] = {board_digest(&board),
                              running,
                              cpu->v.pc,
                              cpu_eflags(cpu),
                              cpu->cr0,
                              cpu->cr2,
                              cpu->cr3,
                              cpu->cr4,
                              XXH3_64bits(cpu->v.gpr, sizeof(cpu->v.gpr)),
                              XXH3_64bits(cpu->v.fp_area, sizeof(cpu->v.fp_area))};
    return XXH3_64bits(parts, sizeof(parts));
}

void machine_bed_close(void)
{
    if (fuzz_digest)
        *fuzz_digest = digest();
    gdb_stub_free(machine.gdb, 0);
    g_clear_pointer(&machine.profile, profile_free);
    g_clear_pointer(&machine.keys, key_queue_free);
    board_close(&board);
    g_free(machine.chardevs[0].filename);
    g_free(machine.death);
    if (machine.listeners)
        g_array_free(machine.listeners, TRUE);
    forget_logs();
}
