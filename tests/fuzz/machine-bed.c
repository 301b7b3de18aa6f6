/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/machine-bed.h"

#include "tests/fuzz/board.h"
#include "tests/fuzz/fuzz.h"

enum { CACHE_BYTES = 1 << 20 };

static bool running; /* one machine a process */

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

Machine *machine_bed(void)
{
    static Board board;
    static Machine machine;
    static MachineChardev chardevs[MACHINE_CHARDEVS];
    CpuModel model;
    if (machine.cpu)
        return &machine;
    fuzz_enter_sandbox();
    board_open(&board);
    chardev_keep_tap(board.serial);
    chardevs[0] = (MachineChardev){"serial0", g_strdup("null"), board.serial, 0};
    g_assert(cpu_model_parse(&model, "max", NULL));
    fuzz_leaks_expected(true);
    CpuX86 *cpu = cpu_new(board.as, &model, &(CpuBoard){0}, NULL);
    fuzz_leaks_expected(false);
    g_assert(cpu);
    cpu_reset(cpu);
    const EngineOptions options = {.interp = true, .count = true, .cache_bytes = CACHE_BYTES};
    machine = (Machine){.cpu = cpu,
                        .engine = engine_new(&cpu->v, board.as, &options, NULL),
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
    g_assert(machine.engine);
    return &machine;
}
