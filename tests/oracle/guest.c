/* SPDX-License-Identifier: MIT
 * A bare CPU: RAM where the snippets and their data are, page tables, flat
 * segments. Every fault ends a run: the guest's deliver_fault is replaced. */
#include "tests/oracle/guest.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/oracle/bare.h"
#include "translator/x86/cpu-priv.h"

enum {
    PDPT = 0x1000,
    PD = 0x2000,
    PT = 0x3000,
    LOW_SIZE = 0x10000,
    PTE_P = 1,
    PTE_RW = 2,
    PTE_US = 4,
    PTE_A = 0x20,
    PTE_D = 0x40,
    WATCH_US = 200000,
    HANG_US = 500000, /* a case that has used so much hangs */
};
#define PTE_NX (UINT64_C(1) << 63)

struct Guest {
    Bare bare;
    uint8_t *data; /* the data pages in RAM */
    uint8_t background[ORACLE_DATA_SIZE];
    pthread_t watcher;
    clockid_t cpu_clock; /* of the thread that made it, which runs the cases */
    atomic_uint runs, running, quit;
};

/* Leaving the loop by "triple fault" costs nothing; vcpu->fault and pc stay as they are. */
static bool end_at_fault(VCpu *vcpu)
{
    return false;
}

/* #DB does not come by deliver_fault; there is no IDT, so delivering it shuts the CPU down. */
static bool end_at_debug_trap(VCpu *vcpu)
{
    bool moved = x86_guest_ops.debug_boundary(vcpu);
    if (cpu_x86(vcpu)->shutdown)
        vcpu->fault = (Fault){.vector = VEC_DB};
    return moved;
}

/* Of the thread that runs cases: a busy host makes none of them hang. */
static int64_t cpu_us(const Guest *guest)
{
    struct timespec ts;
    clock_gettime(guest->cpu_clock, &ts);
    return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

static void *watch(void *opaque)
{
    Guest *guest = opaque;
    unsigned seen = 0;
    int64_t since = cpu_us(guest);
    while (!atomic_load(&guest->quit)) {
        usleep(WATCH_US);
        unsigned now = atomic_load(&guest->runs);
        if (now != seen || !atomic_load(&guest->running))
            since = cpu_us(guest);
        else if (cpu_us(guest) - since > HANG_US)
            engine_request_stop(guest->bare.engine);
        seen = now;
    }
    return NULL;
}

/* ---- set-up ---- */

static void map_pages(Guest *guest, uint32_t linear, uint32_t size, uint64_t flags)
{
    for (uint32_t at = linear; at < linear + size; at += 0x1000)
        address_space_write(guest->bare.as, PT + 8 * (at >> 12 & 511),
                            at | flags | PTE_P | PTE_US | PTE_A, 8);
}

static void build_page_tables(Guest *guest)
{
    address_space_write(guest->bare.as, PDPT, PD | PTE_P, 8);
    address_space_write(guest->bare.as, PD + 8 * (ORACLE_CODE >> 21 & 511),
                        PT | PTE_P | PTE_RW | PTE_US | PTE_A, 8);
    map_pages(guest, ORACLE_CODE, ORACLE_CODE_RW, 0);
    map_pages(guest, ORACLE_CODE + ORACLE_CODE_RW, ORACLE_CODE_SIZE - ORACLE_CODE_RW,
              PTE_RW | PTE_D);
    map_pages(guest, ORACLE_DATA, ORACLE_DATA_RW, PTE_RW | PTE_D | PTE_NX);
    map_pages(guest, ORACLE_DATA + ORACLE_DATA_RW, ORACLE_DATA_SIZE - ORACLE_DATA_RW, PTE_NX);
}

static void set_segments(CpuX86 *cpu)
{
    const uint16_t data = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DPL | SEG_ATTR_RW | SEG_ATTR_ACCESSED |
                          SEG_ATTR_DB | SEG_ATTR_G;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        cpu->seg[i] = (SegReg){0x2b, data, 0xffffffff, 0};
    cpu->seg[SEG_CS].selector = 0x23;
    cpu->seg[SEG_CS].attr |= SEG_ATTR_CODE;
    cpu->seg[SEG_FS].base = ORACLE_FS_BASE;
    cpu->seg[SEG_GS].base = ORACLE_GS_BASE;
    cpu->gdtr = cpu->idtr = (DescTable){0, 0};
    cpu->ldtr = cpu->tr = (SegReg){0}; /* not there */
}

static void set_system_state(CpuX86 *cpu)
{
    cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    cpu->cr3 = PDPT;
    cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu->efer = EFER_NXE;
    cpu->cpl = 3;
    cpu_sync_paging(cpu);
    cpu_load_pdptes(cpu, &cpu->v.mmu.paging);
    set_segments(cpu);
    cpu_update_mode(cpu);
    mmu_flush_all(&cpu->v.mmu);
}

Guest *guest_new(const CpuModel *model, const EngineOptions *options, GError **error)
{
    static const BareRam rams[] = {
        {"low", 0, LOW_SIZE},
        {"code", ORACLE_CODE, ORACLE_CODE_SIZE},
        {"data", ORACLE_DATA, ORACLE_DATA_SIZE},
    };
    Guest *guest = g_new0(Guest, 1);
    if (!bare_init(&guest->bare, rams, G_N_ELEMENTS(rams), model, options, error)) {
        bare_free(&guest->bare);
        g_free(guest);
        return NULL;
    }
    guest->bare.ops.deliver_fault = end_at_fault;
    guest->bare.ops.debug_boundary = end_at_debug_trap;
    memset(guest->bare.hva[1], ORACLE_FILLER, ORACLE_CODE_SIZE);
    guest->data = guest->bare.hva[2];
    oracle_fill_background(guest->background);
    build_page_tables(guest);
    set_system_state(guest->bare.cpu);
    pthread_getcpuclockid(pthread_self(), &guest->cpu_clock);
    pthread_create(&guest->watcher, NULL, watch, guest);
    return guest;
}

bool guest_has_windows(const Guest *guest)
{
    return engine_has_windows(guest->bare.engine);
}

void guest_free(Guest *guest)
{
    atomic_store(&guest->quit, 1);
    pthread_join(guest->watcher, NULL);
    bare_free(&guest->bare);
    g_free(guest);
}

/* ---- one case ---- */

static void load_state(CpuX86 *cpu, const OracleState *in)
{
    for (unsigned i = 0; i < 8; i++)
        cpu->v.gpr[i] = in->gpr[i];
    cpu->v.pc = in->eip;
    memcpy(cpu->v.fp_area, in->fx, sizeof in->fx);
    cpu->shutdown = cpu->step_armed = cpu->shadow = cpu->shadow_ss = cpu->in_delivery = false;
    cpu->pending_db = 0;
    cpu_set_eflags(cpu, in->eflags | EFLAGS_IF, ~0u);
}

static void save_state(const CpuX86 *cpu, OracleState *out)
{
    for (unsigned i = 0; i < 8; i++)
        out->gpr[i] = (uint32_t)cpu->v.gpr[i];
    out->eip = (uint32_t)cpu->v.pc;
    out->eflags = cpu_eflags(cpu);
    memcpy(out->fx, cpu->v.fp_area, sizeof out->fx);
}

/* The snippet and the host's end marker, a far jump, which faults here; as a device would write
 * it, so that translations go. */
static void write_code(Guest *guest, const OracleCase *oc)
{
    uint8_t bytes[ORACLE_MAX_CODE + ORACLE_END_SIZE];
    memcpy(bytes, oc->code, oc->code_size);
    oracle_fill_end(bytes + oc->code_size);
    address_space_dma_write(guest->bare.as, oc->code_at, bytes, oc->code_size + ORACLE_END_SIZE);
}

static void clear_code(Guest *guest, const OracleCase *oc)
{
    uint8_t bytes[ORACLE_MAX_CODE + ORACLE_END_SIZE];
    memset(bytes, ORACLE_FILLER, sizeof bytes);
    address_space_dma_write(guest->bare.as, oc->code_at, bytes, oc->code_size + ORACLE_END_SIZE);
}

static void save_end(const Guest *guest, const OracleCase *oc, RunResult result, OracleOutcome *o)
{
    const Fault *fault = &guest->bare.cpu->v.fault;
    o->vector = o->error = o->cr2 = 0;
    if (result == RUN_STOPPED) {
        o->end = END_HANG;
    } else if (fault->vector == VEC_GP && o->out.eip == oc->code_at + oc->code_size) {
        o->end = END_NORMAL;
    } else {
        o->end = END_FAULT;
        o->vector = fault->vector;
        o->error = fault->has_error ? fault->error_code : 0;
        o->cr2 = fault->vector == VEC_PF ? (uint32_t)fault->address : 0;
    }
}

static void run_once(Guest *guest, const OracleCase *oc, OracleOutcome *o)
{
    oracle_fill_data(oc, guest->background, guest->data);
    write_code(guest, oc);
    load_state(guest->bare.cpu, &oc->in);
    atomic_store(&guest->running, 1);
    RunResult result = engine_run(guest->bare.engine);
    atomic_fetch_add(&guest->runs, 1);
    atomic_store(&guest->running, 0);
    save_state(guest->bare.cpu, &o->out);
    save_end(guest, oc, result, o);
    memcpy(o->data, guest->data, ORACLE_DATA_SIZE);
    clear_code(guest, oc);
}

/* The watcher may be late and stop the next case: a hang must happen twice. */
static void run_one(Guest *guest, const OracleCase *oc, OracleOutcome *o)
{
    run_once(guest, oc, o);
    if (o->end == END_HANG)
        run_once(guest, oc, o);
}

void guest_run(Guest *guest, const OracleCase *cases, unsigned count, OracleOutcome *outcomes)
{
    for (unsigned i = 0; i < count; i++)
        run_one(guest, &cases[i], &outcomes[i]);
}
