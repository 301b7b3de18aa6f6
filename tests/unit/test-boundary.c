/* SPDX-License-Identifier: MIT
 * Boundaries between instructions: each is one, however often the loop comes by it, and an
 * instruction that has to begin anew finds memory as it was. */
#include <string.h>

#include "tcache/icount.h"
#include "tests/unit/pte-bits.h"
#include "tests/unit/x86-bed.h"

enum { INT_GATE = 14, HANDLER = BED_CODE + 0x1000, COUNTER = 0x30000, DEVICE = 0x200000 };

/* The vCPU is asked for attention before each instruction, as often as can be. */
typedef struct {
    Bed bed;
    Engine *engine;
    uint64_t length;
    int64_t deadline;
} Busy;

static int64_t next_deadline(void *opaque)
{
    return ((Busy *)opaque)->deadline;
}

static void sample(void *opaque)
{
}

static void run_timers(void *opaque)
{
    Busy *busy = opaque;
    busy->deadline = engine_time_ns(busy->engine) + 1;
    engine_request_sample(busy->engine);
    if (engine_executed_for_test(busy->engine) >= busy->length)
        engine_request_stop(busy->engine);
}

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    return 1;
}

static const RegionOps device = {.read = device_read};

static void busy_init(Busy *busy, EngineOptions options)
{
    const EngineTime time = {
        .next_deadline = next_deadline, .run_timers = run_timers, .opaque = busy};
    busy->bed = bed_new("max");
    address_space_add_mmio(busy->bed.as, "device", DEVICE, 0x1000, 1, &device, NULL);
    bed_protected(&busy->bed, 0);
    options.cache_bytes = 1 << 20;
    busy->engine = engine_new(&busy->bed.cpu->v, busy->bed.as, &options, NULL);
    cr_assert_not_null(busy->engine);
    engine_set_sampler(busy->engine, sample, NULL);
    engine_count_time(busy->engine, &time);
}

static void busy_free(Busy *busy)
{
    engine_free(busy->engine);
    bed_free(&busy->bed);
}

/* Each of ten instructions traps once; two of them reach a device, which a window cannot serve. */
static void count_single_steps(EngineOptions options)
{
    static const uint8_t program[] = {0x43, 0x43, 0x43, 0x43,             /* inc ebx */
                                      0xa1, 0x00, 0x00, 0x20, 0x00,       /* mov eax, [200000h] */
                                      0x01, 0xc3,                         /* add ebx, eax */
                                      0x03, 0x1d, 0x00, 0x00, 0x20, 0x00, /* add ebx, [200000h] */
                                      0x43, 0x43, 0x43, 0xeb, 0xfe};
    static const uint8_t handler[] = {0xff, 0x05, 0x00, 0x00, 0x03, 0x00, 0xcf}; /* inc; iret */
    Busy busy = {.length = 10 * 3};
    busy_init(&busy, options);
    CpuX86 *cpu = busy.bed.cpu;
    bed_gate(&busy.bed, VEC_DB, CODE0, HANDLER, INT_GATE, 0);
    memcpy(busy.bed.mem + BED_CODE, program, sizeof program);
    memcpy(busy.bed.mem + HANDLER, handler, sizeof handler);
    cpu_set_eflags(cpu, EFLAGS_TF, EFLAGS_TF);
    cr_assert_eq(engine_run(busy.engine), RUN_STOPPED);
    cr_assert_eq(bed_read(&busy.bed, COUNTER, 4), 10);
    cr_assert_eq(cpu_reg(cpu, REG_EBX), 9);
    cr_assert_eq(cpu->v.pc, BED_CODE + sizeof program - 2);
    busy_free(&busy);
}

Test(boundary, each_instruction_traps_once)
{
    count_single_steps((EngineOptions){0});
    count_single_steps((EngineOptions){.no_window = true});
    count_single_steps((EngineOptions){.window_always = true});
    count_single_steps((EngineOptions){.interp = true});
}

/* A loop of two instructions, the first with a breakpoint whose handler sets RF. */
Test(boundary, rf_holds_until_its_instruction_is_executed)
{
    static const uint8_t program[] = {0x43, 0xeb, 0xfd}; /* inc ebx; jmp */
    static const uint8_t handler[] = {0xff, 0x05, 0x00, 0x00, 0x03, 0x00, /* inc [counter] */
                                      0x80, 0x4c, 0x24, 0x0a, 0x01,       /* or byte [esp+10], 1 */
                                      0xcf};
    Busy busy = {.length = 5 * 10};
    busy_init(&busy, (EngineOptions){0});
    CpuX86 *cpu = busy.bed.cpu;
    bed_gate(&busy.bed, VEC_DB, CODE0, HANDLER, INT_GATE, 0);
    memcpy(busy.bed.mem + BED_CODE, program, sizeof program);
    memcpy(busy.bed.mem + HANDLER, handler, sizeof handler);
    bed_run(&busy.bed, mov_to_dr, 0, BED_CODE, 0);
    bed_run(&busy.bed, mov_to_dr, 7, 2, 0);
    cr_assert_eq(engine_run(busy.engine), RUN_STOPPED);
    cr_assert_eq(bed_read(&busy.bed, COUNTER, 4), 10);
    cr_assert_eq(cpu_reg(cpu, REG_EBX), 10);
    busy_free(&busy);
}

/* STI; the instruction behind it is executed whatever asks for attention there. */
static int acknowledge(void *opaque)
{
    cpu_set_line(opaque, CPU_LINE_INTR, false);
    return 0x40;
}

Test(boundary, a_shadow_covers_one_instruction)
{
    static const uint8_t program[] = {0xfb, 0x43, 0x43, 0xeb, 0xfe}; /* sti; inc ebx, twice */
    static const uint8_t handler[] = {0x89, 0x1d, 0x00, 0x00, 0x03, 0x00, 0xeb, 0xfe};
    Busy busy = {.length = 6};
    busy_init(&busy, (EngineOptions){0});
    CpuX86 *cpu = busy.bed.cpu;
    cpu->board.acknowledge = acknowledge;
    cpu->board.opaque = cpu;
    bed_gate(&busy.bed, 0x40, CODE0, HANDLER, INT_GATE, 0);
    memcpy(busy.bed.mem + BED_CODE, program, sizeof program);
    memcpy(busy.bed.mem + HANDLER, handler, sizeof handler);
    cpu_set_line(cpu, CPU_LINE_INTR, true);
    cr_assert_eq(engine_run(busy.engine), RUN_STOPPED);
    cr_assert_eq(bed_read(&busy.bed, COUNTER, 4), 1);
    busy_free(&busy);
}

/* A page fault whose handler's page is absent: time goes by while the guest executes nothing. */
Test(boundary, a_fetch_that_faults_counts)
{
    enum { DIRECTORY = 0x40000, ABSENT_PAGE = 0x400000 };
    Busy busy = {.length = 100};
    busy_init(&busy, (EngineOptions){0});
    CpuX86 *cpu = busy.bed.cpu;
    bed_gate(&busy.bed, VEC_PF, CODE0, ABSENT_PAGE, INT_GATE, 0);
    bed_write(&busy.bed, DIRECTORY, 4, P | RW | A | D | PS);
    cpu->cr3 = DIRECTORY;
    cpu->cr4 |= CR4_PSE;
    cpu->cr0 |= CR0_PG;
    cpu->v.pc = ABSENT_PAGE;
    cpu_sync_paging(cpu);
    cr_assert_eq(engine_run(busy.engine), RUN_STOPPED);
    cr_assert_eq(cpu->v.pc, ABSENT_PAGE);
    cr_assert_lt(cpu_reg(cpu, REG_ESP), BED_STACK0 - 90 * 16);
    busy_free(&busy);
}

/* ---- instructions that overwrite their own block ---- */

typedef struct {
    uint8_t memory[0x200];
    uint32_t esp, eip;
} End;

/* After the first instruction, which `code` begins with; it leads to a loop. */
static void run_first(EngineOptions options, const uint8_t *code, unsigned size, uint32_t esp,
                      uint32_t ebp, End *end)
{
    Busy busy = {.length = 1};
    busy_init(&busy, options);
    for (uint32_t i = 0; i < 0x80; i++) /* all different, and each a loop: jmp $ */
        bed_write(&busy.bed, BED_CODE - 0x100 + 4 * i, 4, i << 16 | 0xfeeb);
    bed_write(&busy.bed, HANDLER, 2, 0xfeeb);
    memcpy(busy.bed.mem + BED_CODE, code, size);
    busy.bed.cpu->v.gpr[REG_ESP] = esp;
    busy.bed.cpu->v.gpr[REG_EBP] = ebp;
    cr_assert_eq(engine_run(busy.engine), RUN_STOPPED);
    memcpy(end->memory, busy.bed.mem + BED_CODE - 0x100, sizeof end->memory);
    end->esp = cpu_reg(busy.bed.cpu, REG_ESP);
    end->eip = (uint32_t)busy.bed.cpu->v.pc;
    busy_free(&busy);
}

static void expect_same(const uint8_t *code, unsigned size, uint32_t esp, uint32_t ebp)
{
    End wanted, found;
    run_first((EngineOptions){.interp = true}, code, size, esp, ebp, &wanted);
    run_first((EngineOptions){.one_insn = true}, code, size, esp, ebp, &found);
    cr_assert_eq(found.esp, wanted.esp);
    cr_assert_eq(found.eip, wanted.eip);
    cr_assert_arr_eq(found.memory, wanted.memory, sizeof wanted.memory);
}

/* ENTER copies pointers that later pushes overwrite, then runs into its own bytes. */
Test(boundary, enter_over_its_own_block)
{
    static const uint8_t enter[] = {0xc8, 0, 0, 12};
    expect_same(enter, sizeof enter, BED_CODE + 0x24, BED_CODE + 0x18);
}

/* The pointer lies where CS is pushed. */
Test(boundary, far_call_over_its_own_block)
{
    static const uint8_t call[] = {0xff, 0x5c, 0x24, 0xfc,            /* call far [esp-4] */
                                   0,    0x10, 1,    0,    CODE0, 0}; /* HANDLER */
    expect_same(call, sizeof call, BED_CODE + 8, 0);
}

/* The jump lies where the old task's busy bit is cleared, after the new one's is set. */
static void jump_to_task(EngineOptions options)
{
    enum { OLD_TASK = 0x70 };
    static const uint8_t jump[] = {0xea, 0, 0, 0, 0, TSS2, 0};
    Busy busy = {.length = 1};
    busy_init(&busy, options);
    bed_write(&busy.bed, BED_TSS2 + 32, 4, HANDLER);
    for (unsigned i = 0; i < 6; i++)
        bed_write(&busy.bed, BED_TSS2 + 72 + 4 * i, 2, i == SEG_CS ? CODE0 : DATA0);
    bed_write(&busy.bed, HANDLER, 2, 0xfeeb);
    memcpy(busy.bed.mem + BED_GDT + OLD_TASK, jump, sizeof jump);
    busy.bed.cpu->tr.selector = OLD_TASK;
    busy.bed.cpu->v.pc = BED_GDT + OLD_TASK;
    cr_assert_eq(engine_run(busy.engine), RUN_STOPPED);
    cr_assert_eq(busy.bed.cpu->v.pc, HANDLER);
    busy_free(&busy);
}

Test(boundary, task_switch_over_its_own_block)
{
    jump_to_task((EngineOptions){.interp = true});
    jump_to_task((EngineOptions){.one_insn = true});
}

/* A repeated instruction is counted by where its elements lie, not by what interrupted it. */
static uint64_t count_repeat(EngineOptions options)
{
    static const uint8_t program[] = {0xf3, 0xaa, 0xeb, 0xfe}; /* rep stosb; jmp */
    Busy busy = {.length = 4};
    busy_init(&busy, options);
    CpuX86 *cpu = busy.bed.cpu;
    memcpy(busy.bed.mem + BED_CODE, program, sizeof program);
    cpu->v.gpr[REG_EAX] = 0xaa; /* leaves the instruction half there: f3 aa */
    cpu->v.gpr[REG_ECX] = 0x28000;
    cpu->v.gpr[REG_EDI] = BED_CODE + 1 - 0x8000;
    cr_assert_eq(engine_run(busy.engine), RUN_STOPPED);
    const uint64_t left = cpu_reg(cpu, REG_ECX);
    busy_free(&busy);
    return left;
}

Test(boundary, repeats_are_counted_alike)
{
    const uint64_t left = count_repeat((EngineOptions){.interp = true});
    cr_assert_eq(count_repeat((EngineOptions){0}), left);
    cr_assert_eq(count_repeat((EngineOptions){.no_window = true, .one_insn = true}), left);
}
