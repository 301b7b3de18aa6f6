/* SPDX-License-Identifier: MIT
 * Runs of pushes and pops, with all that reads and writes ESP between them, in the interpreter and
 * translated, with every fourth page missing: wherever a fault comes, ESP is the guest's. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/engine-match.h"

enum { PAGE = 4096, DIRECTORY = 0x1000, TABLE = 0x2000, ENTRY = 0x63 /* accessed, dirty, present */ };

/* An instruction; `vary`: bits of its bytes that are random. */
typedef struct {
    uint8_t size, bytes[5], vary[5];
    uint8_t weight;
} Row;

static const Row rows[] = {
    {1, {0x50}, {7}, 24},                                     /* push r (esp, too) */
    {1, {0x58}, {7}, 20},                                     /* pop r */
    {2, {0x6a, 0}, {0, 0xff}, 6},                             /* push imm8 */
    {2, {0x66, 0x50}, {0, 7}, 2},                             /* push r16 */
    {2, {0x66, 0x58}, {0, 7}, 2},                             /* pop r16 */
    {4, {0xff, 0x74, 0x24, 0}, {0, 0, 0, 0xfc}, 4},           /* push [esp + disp8] */
    {4, {0x8f, 0x44, 0x24, 0}, {0, 0, 0, 0xfc}, 4},           /* pop [esp + disp8] */
    {3, {0xff, 0x76, 0}, {0, 1, 0xff}, 3},                    /* push [esi or edi + disp8] */
    {3, {0x8f, 0x46, 0}, {0, 1, 0xff}, 3},                    /* pop [esi or edi + disp8] */
    {2, {0x89, 0xe0}, {0, 7}, 4},                             /* mov r, esp */
    {2, {0x89, 0xc4}, {0, 0x38}, 1},                          /* mov esp, r */
    {2, {0x89, 0xec}, {0}, 1},                                /* mov esp, ebp */
    {4, {0x8b, 0x44, 0x24, 0}, {0, 0x38, 0, 0xff}, 6},        /* mov r, [esp + disp8] */
    {4, {0x89, 0x44, 0x24, 0}, {0, 0x38, 0, 0xff}, 6},        /* mov [esp + disp8], r */
    {4, {0x8a, 0x44, 0x24, 0}, {2, 0x38, 0, 0xff}, 4},        /* mov r8 (ah, too), [esp + disp8] or back */
    {4, {0x03, 0x44, 0x24, 0}, {2, 0x38, 0, 0xff}, 2},        /* add r, [esp + disp8]; xor */
    {4, {0x01, 0x44, 0x24, 0}, {0, 0x38, 0, 0xff}, 2},        /* add [esp + disp8], r */
    {4, {0x8b, 0x44, 0x04, 0}, {0, 0x38, 0x38, 0xff}, 3},     /* mov r, [esp + r + disp8] */
    {4, {0x8d, 0x44, 0x24, 0}, {0, 0x38, 0, 0xff}, 4},        /* lea r (esp, too), [esp + disp8] */
    {4, {0x8d, 0x64, 0x24, 0}, {0, 0, 0, 0xfc}, 4},           /* lea esp, [esp + disp8] */
    {4, {0x8d, 0x44, 0x04, 0}, {0, 0x38, 0x38, 0xff}, 1},     /* lea r, [esp + r + disp8] */
    {5, {0x67, 0x8d, 0x44, 0, 0}, {0, 0, 0x3f, 0xff, 0}, 1},  /* lea r, [16-bit address] */
    {3, {0x83, 0xc4, 0}, {0, 0x28, 0xfc}, 3},                 /* add, sub, and, cmp esp, imm8 */
    {2, {0x39, 0xe0}, {0, 7}, 1},                             /* cmp r, esp */
    {1, {0x94}, {0}, 1},                                      /* xchg eax, esp */
    {3, {0x0f, 0x44, 0xe0}, {0, 0, 7}, 1},                    /* cmove esp, r */
    {3, {0x0f, 0xb1, 0xe0}, {0, 0, 7}, 1},                    /* cmpxchg r, esp */
    {4, {0x0f, 0xc1, 0x24, 0x24}, {0}, 1},                    /* xadd [esp], esp */
    {4, {0xf7, 0x74, 0x24, 0}, {0, 0, 0, 0xff}, 2},           /* div [esp + disp8] */
    {2, {0xf7, 0xf0}, {0, 7}, 1},                             /* div r */
    {5, {0xf3, 0x0f, 0x6f, 0x44, 0x24}, {0, 0, 0, 0x38, 0}, 1}, /* movdqu xmm, [esp + ...] */
    {4, {0xdd, 0x44, 0x24, 0}, {0, 0x10, 0, 0xff}, 1},        /* fld, fst [esp + disp8] */
    {4, {0x66, 0x0f, 0x6e, 0xc4}, {0, 0, 0x10, 0x38}, 1},     /* movd xmm, esp; back */
    {4, {0x36, 0xff, 0x34, 0x24}, {0}, 1},                    /* push ss:[esp] */
    {3, {0x64, 0xff, 0x36}, {0}, 1},                          /* push fs:[esi] */
    {5, {0xc4, 0xe2, 0x58, 0xf2, 0xc0}, {0, 0, 0, 0, 0x3f}, 1}, /* andn r, esp, r */
    {1, {0xc9}, {0}, 2},                                      /* leave */
    {1, {0x9c}, {0}, 1},                                      /* pushf */
    {1, {0x60}, {1}, 1},                                      /* pusha, popa */
    {4, {0xc8, 8, 0, 0}, {0, 0, 0, 3}, 1},                    /* enter */
    {2, {0x74, 0}, {1, 0}, 3},                                /* je, jne: to the next */
    {2, {0xe3, 0}, {0}, 1},                                   /* jecxz */
    {5, {0xe8, 0, 0, 0, 0}, {0}, 1},                          /* call the next */
    {1, {0xc3}, {0}, 1},                                      /* ret */
    {3, {0xc2, 0, 0}, {0, 0xfc, 3}, 1},                       /* ret imm16 */
    {2, {0xff, 0xd0}, {0, 7}, 1},                             /* call r (esp, too) */
    {3, {0xff, 0x14, 0x24}, {0}, 1},                          /* call [esp] */
    {2, {0xff, 0xe4}, {0}, 1},                                /* jmp esp */
    {1, {0x90}, {0}, 2},                                      /* nop */
};

static const Row *pick_row(GRand *rand)
{
    unsigned all = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        all += rows[i].weight;
    unsigned at = g_rand_int(rand) % all;
    const Row *row = rows;
    while (at >= row->weight)
        at -= row++->weight;
    return row;
}

static void fill_code(Match *m)
{
    for (unsigned at = 0; at < MATCH_CODE;) {
        const Row *row = pick_row(m->rand);
        for (unsigned i = 0; i < row->size && at < MATCH_CODE; i++)
            m->code[at++] = (uint8_t)(row->bytes[i] ^ (g_rand_int(m->rand) & row->vary[i]));
    }
}

static bool is_present(unsigned page)
{
    return page % 4 && page < FIXTURE_RAM / PAGE;
}

/* Pages are where they would be without paging; accessed and dirty, so that nothing writes to tables. */
static void start_paging(Match *m)
{
    uint32_t table[1024] = {0};
    for (unsigned page = 0; page < 1024; page++)
        if (is_present(page))
            table[page] = page * PAGE | ENTRY;
    memset(m->f.ram + DIRECTORY, 0, PAGE);
    memcpy(m->f.ram + DIRECTORY, &(uint32_t){TABLE | ENTRY}, 4);
    memcpy(m->f.ram + TABLE, table, PAGE);
    m->cpu->cr0 |= CR0_PG;
    m->cpu->cr3 = DIRECTORY;
    cpu_sync_paging(m->cpu);
}

/* The stack pointer, and some registers that instructions above use, near where a page is missing. */
static void aim_registers(Match *m)
{
    static const uint8_t aimed[] = {4, 5, 6, 7};
    for (unsigned i = 0; i < G_N_ELEMENTS(aimed); i++) {
        const uint32_t page = 8 + 4 * (g_rand_int(m->rand) % 12) + g_rand_int(m->rand) % 2;
        const int32_t off = g_rand_int_range(m->rand, -12, 12) * 4;
        m->cpu->v.gpr[aimed[i]] = page * PAGE + (uint32_t)off + !(g_rand_int(m->rand) % 8);
    }
}

/* The window of the present pages, guards on both sides. */
static void make_window(Match *m)
{
    enum { GIB_SHIFT = 30, ALIGN_SHIFT = 32 };
    const size_t guard = (size_t)2 << GIB_SHIFT, align = (size_t)1 << ALIGN_SHIFT;
    uint8_t *area = mmap(NULL, 2 * guard + 2 * align, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(area != MAP_FAILED);
    uint8_t *base = (uint8_t *)(((uintptr_t)area + guard + align - 1) & ~(align - 1));
    const off_t ram = m->f.ram - ram_hva(m->f.ram_owner, 0);
    for (unsigned page = 0; page < FIXTURE_RAM / PAGE; page++)
        if (is_present(page))
            cr_assert(mmap(base + page * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                           ram_fd(m->f.ram_owner), ram + page * PAGE) != MAP_FAILED);
    m->cpu->v.window_base = (uint64_t)(uintptr_t)base;
    m->f.options.memory = MEM_WINDOW;
}

/* As after a demotion. */
static void check_some(Match *m)
{
    for (unsigned i = 0; i < m->f.ir.count; i++)
        if (m->f.ir.insns[i].op == IR_INSN)
            m->f.ir.insns[i].checked = !(g_rand_int(m->rand) % 4);
}

/* Was ESP put off where this fault left the code? */
static bool in_a_run(const Match *m)
{
    for (unsigned i = 0; i < m->f.out.pcmap->len; i++) {
        const CodegenPcEntry entry = g_array_index(m->f.out.pcmap, CodegenPcEntry, i);
        if (entry.pc_offset == m->got.head.pc - FIXTURE_PC)
            return entry.stack != 0;
    }
    return false;
}

static void run_stack(Match *m, unsigned rounds)
{
    static const bool stop = false;
    const InterpEnv env = {match_run_native, m};
    const uint64_t window = m->cpu->v.window_base;
    unsigned faults_in_runs = 0;
    for (unsigned round = 0; round < rounds; round++) {
        match_init_mode(m, true);
        match_random_state(m);
        start_paging(m);
        aim_registers(m);
        m->cpu->v.window_base = window;
        fill_code(m);
        cr_assert(match_lift_at(m, FIXTURE_PC, 1 + g_rand_int(m->rand) % 12));
        check_some(m);
        mmu_flush_all(&m->cpu->v.mmu);
        match_save(m, &m->start);
        const ExitReason want = interp_run(&env, &m->cpu->v, &m->f.ir, &stop);
        match_save(m, &m->want);
        fixture_generate(&m->f, 0);
        mmu_flush_all(&m->cpu->v.mmu);
        for (unsigned warm = 0; warm < 2; warm++) {
            match_load(m, &m->start);
            const ExitReason got = fixture_run(&m->f);
            match_save(m, &m->got);
            match_compare(m, want, got);
        }
        faults_in_runs += want == EXIT_FAULT && in_a_run(m);
    }
    cr_assert_gt(faults_in_runs, rounds / 16);
}

Test(codegen_stack, by_the_tlb)
{
    run_stack(match_new(1), 12000);
}

Test(codegen_stack, by_a_window)
{
    Match *m = match_new(2);
    make_window(m);
    run_stack(m, 12000);
}
