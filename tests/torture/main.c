/* SPDX-License-Identifier: MIT
 * torture: self-modifying, remapping, chaining programs in several configurations
 * of the engine; all must end in the state that one instruction at a time ends in. Speaks TAP, one
 * test a configuration. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/torture/machine.h"

enum { HANG_SECONDS = 30, SMALL_CACHE = 1 << 20 };

static const struct {
    const char *name;
    EngineOptions options;
    bool windows; /* only where the host has them */
    bool user;    /* the same as the one before it for programs that are not in user mode */
} configs[] = {
    {"jit", {.cache_bytes = SMALL_CACHE, .no_window = true}, false},
    {"window", {.cache_bytes = SMALL_CACHE}, true},
    {"window-always", {.cache_bytes = SMALL_CACHE, .window_always = true}, true, true},
    {"no-chain", {.cache_bytes = SMALL_CACHE, .no_chain = true, .no_window = true}, false},
    {"one", {.cache_bytes = SMALL_CACHE, .one_insn = true, .no_window = true}, false},
    {"interp", {.cache_bytes = SMALL_CACHE, .interp = true}, false},
};

typedef struct {
    gint64 programs, seed, only;
    int show;
    char *config;
    gboolean print, stats;
} Options;

typedef struct {
    const char *name;
    Machine *machine;
    bool user;
    uint64_t programs, failed;
} Candidate;

typedef struct {
    Options options;
    Machine *stepper; /* what the others are compared with */
    Candidate candidates[G_N_ELEMENTS(configs)];
    unsigned count;
    uint64_t ended, endless;
    EndState expected, got;
    Program program;
} Torture;

static volatile uint64_t running;

/* Counts time on the CPU: a busy host makes no program hang. */
static void set_alarm(unsigned seconds)
{
    const struct itimerval timer = {.it_value = {.tv_sec = seconds}};
    setitimer(ITIMER_PROF, &timer, NULL);
}

static void on_alarm(int sig)
{
    char text[80];
    int n = snprintf(text, sizeof text, "\nBail out! program %llu hangs\n",
                     (unsigned long long)running);
    (void)!write(STDOUT_FILENO, text, (size_t)n);
    _exit(99);
}

/* ---- failures ---- */

static void say(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    for (unsigned i = 0; lines[i]; i++) {
        if (*lines[i])
            printf("# %s\n", lines[i]);
    }
    fflush(stdout);
}

static bool agrees(Torture *t, const Candidate *c, uint32_t blocks, GString *text)
{
    machine_run(t->stepper, &t->program, blocks, &t->expected);
    machine_run(c->machine, &t->program, blocks, &t->got);
    return end_states_equal(&t->expected, &t->got, text);
}

/* The fewest blocks after which the states differ: what ran last is to blame. */
static uint32_t shortest(Torture *t, const Candidate *c)
{
    for (uint32_t blocks = 1; blocks < t->program.gpr[1]; blocks++) {
        if (!agrees(t, c, blocks, NULL))
            return blocks;
    }
    return 0;
}

static void report(Torture *t, const Candidate *c)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint32_t blocks = shortest(t, c);
    printf("# FAIL %s: program %" G_GUINT64_FORMAT " (%s), after %u blocks\n", c->name,
           t->program.seed, program_kinds[t->program.kind], blocks);
    if (agrees(t, c, blocks, text))
        g_string_append(text, "  not reproducible alone\n");
    program_print(&t->program, text);
    say(text->str);
}

/* ---- runs ---- */

static void run_program(Torture *t, uint64_t seed)
{
    running = seed;
    set_alarm(HANG_SECONDS);
    program_generate(&t->program, seed);
    if (t->options.print) {
        g_autoptr(GString) text = g_string_new(NULL);
        program_print(&t->program, text);
        say(text->str);
    }
    machine_run(t->stepper, &t->program, 0, &t->expected);
    t->ended += t->expected.ended;
    t->endless += t->expected.endless;
    for (unsigned i = 0; i < t->count && !t->expected.endless; i++) {
        Candidate *c = &t->candidates[i];
        if (c->user && t->program.kind != PROGRAM_USER)
            continue;
        c->programs++;
        machine_run(c->machine, &t->program, 0, &t->got);
        if (end_states_equal(&t->expected, &t->got, NULL))
            continue;
        if (c->failed++ < (uint64_t)t->options.show) {
            report(t, c);
            machine_run(t->stepper, &t->program, 0, &t->expected);
        }
    }
    set_alarm(0);
}

static void print_stats(const Torture *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        const EngineCounters *counters = machine_counters(t->candidates[i].machine);
        printf("# %s:", t->candidates[i].name);
#define COUNTER(name, help)                                                                        \
    if (counters->name)                                                                            \
        printf(" %s %" G_GUINT64_FORMAT, #name, (uint64_t)counters->name);
#include "tcache/counters.def"
#undef COUNTER
        printf("\n");
    }
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool run(Torture *t)
{
    double start = now();
    bool ok = true;
    uint64_t seed = (uint64_t)t->options.seed << 32, count = (uint64_t)t->options.programs;
    if (t->options.only >= 0) {
        seed = (uint64_t)t->options.only;
        count = 1;
    }
    for (uint64_t i = 0; i < count; i++)
        run_program(t, seed + i);
    for (unsigned i = 0; i < t->count; i++) {
        const Candidate *c = &t->candidates[i];
        ok &= !c->failed;
        printf("%sok - %s: %" G_GUINT64_FORMAT " programs, %" G_GUINT64_FORMAT " differ\n",
               c->failed ? "not " : "", c->name, c->programs, c->failed);
    }
    printf("1..%u\n# %" G_GUINT64_FORMAT " ran to their end, %" G_GUINT64_FORMAT
           " have none, the others to a triple fault or a HLT; %.1f s\n",
           t->count, t->ended, t->endless, now() - start);
    if (t->options.stats)
        print_stats(t);
    return ok;
}

/* ---- set-up ---- */

static bool parse(Options *options, int argc, char **argv, GError **error)
{
    *options = (Options){.programs = 1000, .seed = 1, .only = -1, .show = 3};
    const GOptionEntry entries[] = {
        {"programs", 'n', 0, G_OPTION_ARG_INT64, &options->programs, "how many", "N"},
        {"seed", 's', 0, G_OPTION_ARG_INT64, &options->seed, "which ones", "S"},
        {"only", 0, 0, G_OPTION_ARG_INT64, &options->only, "one program, by its printed number",
         "N"},
        {"config", 'c', 0, G_OPTION_ARG_STRING, &options->config, "only this configuration",
         "NAME"},
        {"show", 0, 0, G_OPTION_ARG_INT, &options->show, "failures shown in full", "N"},
        {"print", 0, 0, G_OPTION_ARG_NONE, &options->print, "print each program", NULL},
        {"stats", 0, 0, G_OPTION_ARG_NONE, &options->stats, "what the engines did", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return false;
    return true;
}

static bool set_up(Torture *t, GError **error)
{
    const EngineOptions options = {.cache_bytes = SMALL_CACHE,
                                   .interp = true,
                                   .one_insn = true,
                                   .no_window = true,
                                   .no_opt = true};
    t->stepper = machine_new(&options, true, error);
    for (unsigned i = 0; t->stepper && i < G_N_ELEMENTS(configs); i++) {
        if (t->options.config && strcmp(t->options.config, configs[i].name))
            continue;
        Machine *machine = machine_new(&configs[i].options, false, error);
        if (!machine)
            return false;
        if (configs[i].windows && !machine_has_windows(machine)) {
            printf("# no address windows on this host: %s is left out\n", configs[i].name);
            machine_free(machine);
            continue;
        }
        t->candidates[t->count++] =
            (Candidate){.name = configs[i].name, .machine = machine, .user = configs[i].user};
    }
    if (t->stepper && t->count)
        return true;
    if (t->stepper)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "nothing to run");
    return false;
}

int main(int argc, char **argv)
{
    static Torture t;
    g_autoptr(GError) error = NULL;
    puts("TAP version 13");
    signal(SIGPROF, on_alarm);
    if (!parse(&t.options, argc, argv, &error) || !set_up(&t, &error)) {
        fprintf(stderr, "torture: %s\n", error->message);
        return 2;
    }
    bool ok = run(&t);
    machine_free(t.stepper);
    for (unsigned i = 0; i < t.count; i++)
        machine_free(t.candidates[i].machine);
    return ok ? 0 : 1;
}
