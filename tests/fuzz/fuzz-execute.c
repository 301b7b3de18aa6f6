/* SPDX-License-Identifier: MIT
 * A short program that the input makes (program.h), executed in three ways: one instruction a
 * block, whole blocks through address windows, and by the interpreter. All must end the same: what
 * a guest can do to segments, tasks, gates, interrupts, control registers and its own code is more
 * than tests/oracle and tests/torture say. */
#include <stdio.h>
#include <string.h>

#include "tcache/check.h"
#include "tcache/icount.h"
#include "tests/fuzz/program.h"
#include "tests/oracle/bare.h"
#include "translator/x86/cpu-priv.h"

/* LENGTH instructions; a repeated one counts as one. */
enum { LENGTH = 120, REPEAT_BYTES = 4096, CACHE_BYTES = 1 << 20 };

typedef struct {
    CheckState cpu;
    uint8_t ram[PROGRAM_RAM];
    uint64_t device; /* all that devices saw */
    int64_t time;
    bool shut_down, changed_paging;
    uint64_t digest; /* of what depends on the program alone */
} End;

typedef struct {
    const char *name;
    Bare bare;
    const Program *program;
    int64_t length;           /* instructions to execute, if nothing ends them */
    int64_t start, interrupt; /* ns; when the next interrupt comes */
    uint64_t device;
    bool done;
    End end;
    GString *state; /* where it ended, as text; NULL: nobody wants it */
} Way;

static int64_t now(const Way *way)
{
    return engine_time_ns(way->bare.engine) - way->start;
}

/* ---- devices: what they answer tells how often and in what order they were asked ---- */

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    Way *way = opaque;
    way->device = way->device * 31 + offset * 8 + size;
    return way->device ^ way->device >> 17;
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Way *way = opaque;
    way->device = way->device * 37 + (value * 131 + offset * 8 + size);
}

static int acknowledge(void *opaque)
{
    Way *way = opaque;
    cpu_set_line(way->bare.cpu, CPU_LINE_INTR, false);
    return way->program->vector;
}

static uint64_t tsc(void *opaque)
{
    return (uint64_t)now(opaque);
}

/* ---- time ---- */

static void print_state(const Way *way)
{
    const CpuX86 *cpu = way->bare.cpu;
    const gva_t at = cpu->seg[SEG_CS].base + cpu->v.pc;
    cpu_print_registers(cpu, false, way->state);
    g_string_append(way->state, "code");
    for (unsigned i = 0; i < 16 && at + i < PROGRAM_RAM; i++)
        g_string_append_printf(way->state, " %02x", way->bare.hva[0][at + i]);
    g_string_append_c(way->state, '\n');
}

static void save_end(Way *way)
{
    End *end = &way->end;
    if (way->state)
        print_state(way);
    check_save(&way->bare.cpu->v, &end->cpu);
    end->cpu.reason = EXIT_LOOKUP;
    end->cpu.fault = (Fault){0};
    memcpy(end->ram, way->bare.hva[0], PROGRAM_RAM);
    end->device = way->device;
    end->time = now(way);
    end->shut_down = !way->done;
    end->digest = fuzz_digest ? engine_digest(way->bare.engine) : 0;
    end->changed_paging = program_changed_paging(way->program, way->bare.cpu, end->ram);
}

static int64_t next_deadline(void *opaque)
{
    const Way *way = opaque;
    return way->start + (way->done ? now(way) + 1 : MIN(way->interrupt, way->length));
}

static void run_timers(void *opaque)
{
    Way *way = opaque;
    if (way->interrupt <= now(way)) {
        way->interrupt = now(way) + way->program->interrupt_every;
        cpu_set_line(way->bare.cpu, CPU_LINE_INTR, true);
    }
    if (now(way) < way->length || way->done)
        return;
    way->done = true;
    save_end(way); /* as it is now: the loop goes on a little */
    engine_request_stop(way->bare.engine);
}

/* ---- ways ---- */

static void way_init(Way *way, const char *name, const EngineOptions *options)
{
    static const BareRam ram = {"ram", 0, PROGRAM_RAM};
    static const RegionOps device = {.read = device_read, .write = device_write};
    const EngineTime time = {
        .next_deadline = next_deadline, .run_timers = run_timers, .opaque = way};
    CpuModel model;
    GError *error = NULL;
    way->name = name;
    g_assert(cpu_model_parse(&model, "max", NULL));
    fuzz_leaks_expected(true);
    if (!bare_init(&way->bare, &ram, 1, &model, options, &error))
        g_error("%s", error->message);
    way->bare.cpu->v.repeat_bytes = REPEAT_BYTES;
    way->bare.cpu->board = (CpuBoard){.opaque = way, .acknowledge = acknowledge, .tsc = tsc};
    address_space_add_mmio(way->bare.as, "device", PROGRAM_MMIO, 0x1000, 1, &device, way);
    address_space_add_io(way->bare.as, "ports", PROGRAM_PORT, PROGRAM_PORTS, 1, &device, way);
    engine_count_time(way->bare.engine, &time);
    fuzz_leaks_expected(false);
}

static void way_run(Way *way, const Program *program, int64_t length)
{
    way->program = program;
    way->length = length;
    engine_flush(way->bare.engine);
    memcpy(way->bare.hva[0], program->ram, PROGRAM_RAM);
    program_set_cpu(program, way->bare.cpu);
    way->start = engine_time_ns(way->bare.engine);
    way->interrupt = program->interrupt_every ? program->interrupt_every : INT64_MAX;
    way->device = 1;
    way->done = false;
    engine_deadline_changed(way->bare.engine);
    /* A program that shut down at its end has left the request to stop. */
    while (engine_run(way->bare.engine) == RUN_STOPPED && !way->done)
        ;
    if (!way->done)
        save_end(way);
}

/* ---- comparing ---- */

/* text: becomes what of the CPU differs. */
static bool same(const Way *wanted, const Way *found, GString *text)
{
    const End *a = &wanted->end, *b = &found->end;
    g_string_truncate(text, 0);
    const bool cpu = check_compare(&wanted->bare.ops, &a->cpu, &b->cpu, 0, text);
    return (cpu && a->time == b->time && a->device == b->device && a->shut_down == b->shut_down &&
            memcmp(a->ram, b->ram, PROGRAM_RAM) == 0) ||
           a->changed_paging || b->changed_paging;
}

static void print_difference(const Way *wanted, const Way *found, const GString *text)
{
    const End *a = &wanted->end, *b = &found->end;
    fprintf(stderr, "%s differs from %s after %lld instructions:\n%s", found->name, wanted->name,
            (long long)wanted->length, text->str);
    fprintf(stderr, "  time %lld, %lld  shut down %d, %d  devices %llx, %llx\n", (long long)a->time,
            (long long)b->time, a->shut_down, b->shut_down, (unsigned long long)a->device,
            (unsigned long long)b->device);
    for (unsigned i = 0, shown = 0; i < PROGRAM_RAM && shown < 16; i++)
        if (a->ram[i] != b->ram[i] && ++shown)
            fprintf(stderr, "  memory %05x: %02x, %02x\n", i, a->ram[i], b->ram[i]);
}

static void print_run(Way *way, const Program *program, int64_t length)
{
    way->state = g_string_new(NULL);
    way_run(way, program, length);
    fprintf(stderr, "%s, after %lld:\n%s", way->name, (long long)length, way->state->str);
}

/* The programs are run again for 1, 2... instructions, until they differ. */
static _Noreturn void report(Way *wanted, Way *found, const Program *program, GString *text)
{
    int64_t length = 0;
    bool alike;
    print_difference(wanted, found, text);
    do {
        way_run(wanted, program, ++length);
        way_run(found, program, length);
        alike = same(wanted, found, text);
    } while (length < LENGTH && alike);
    if (alike)
        fprintf(stderr, "but not when executed again\n");
    else
        print_difference(wanted, found, text);
    for (int64_t at = MAX(0, length - 3); at < length; at++)
        print_run(wanted, program, at);
    print_run(wanted, program, length);
    print_run(found, program, length);
    abort();
}

static void compare(Way *wanted, Way *found, const Program *program)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (!same(wanted, found, text))
        report(wanted, found, program, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static Way one, blocks, interpreter; /* kept: CPUs are large */
    static Program program;
    if (!one.name) {
        way_init(&one, "one instruction a block",
                 &(EngineOptions){
                     .one_insn = true, .no_window = true, .no_chain = true, .cache_bytes = CACHE_BYTES});
        way_init(&blocks, "whole blocks",
                 &(EngineOptions){.window_always = true, .cache_bytes = CACHE_BYTES});
        way_init(&interpreter, "the interpreter",
                 &(EngineOptions){.interp = true, .no_window = true, .cache_bytes = CACHE_BYTES});
    }
    program_read(&program, bytes, count);
    way_run(&one, &program, LENGTH);
    way_run(&blocks, &program, LENGTH);
    way_run(&interpreter, &program, LENGTH);
    compare(&one, &blocks, &program);
    compare(&one, &interpreter, &program);
    if (fuzz_digest)
        *fuzz_digest = one.end.changed_paging ? 1 : one.end.digest;
    return 0;
}
