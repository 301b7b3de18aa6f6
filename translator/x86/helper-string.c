/* SPDX-License-Identifier: MIT
 * String instructions, repeated or not. Work goes in runs that stay within one page on each side:
 * where both sides are plain RAM a run is one tight loop on host pointers, else an element at a
 * time through the slow path. Registers are written back after each run and before each fault, so
 * that the instruction can always be resumed (SDM 2 "REP/REPE/REPZ/REPNE/REPNZ"). */
#include "translator/x86/helpers.h"

#include <string.h>

#include "translator/x86/decode.h"
#include "translator/x86/mode.h"

enum { REP_NE = 2, REP_E = 3 };

typedef struct {
    CpuX86 *cpu;
    StringOp op;
    unsigned size, addr_width, rep, seg;
    uint32_t mask;  /* of addresses */
    int32_t step;
    uint32_t left;  /* elements that may still run in this call */
    int mode;
    bool stop;      /* REPE, REPNE: the condition has ended it */
} StringRun;

static uint32_t get_reg(const StringRun *r, unsigned reg)
{
    return cpu_reg(r->cpu, reg) & r->mask;
}

static void add_reg(StringRun *r, unsigned reg, int64_t delta)
{
    const uint32_t value = (uint32_t)(get_reg(r, reg) + delta);
    cpu_set_reg(r->cpu, reg, r->addr_width, value);
}

static void advance(StringRun *r, uint32_t count, bool si, bool di)
{
    const int64_t delta = (int64_t)r->step * count;
    if (si)
        add_reg(r, REG_ESI, delta);
    if (di)
        add_reg(r, REG_EDI, delta);
    if (r->rep)
        add_reg(r, REG_ECX, -(int64_t)count);
    r->left -= count;
}

/* ---- addresses ---- */

static gva_t element_linear(StringRun *r, unsigned seg, uint32_t offset, bool write)
{
    gva_t gva;
    Fault f;
    if (!seg_linear(r->cpu, &r->cpu->seg[seg], seg, offset, r->size, write, &gva, &f))
        cpu_raise(r->cpu, f);
    cpu_check_alignment(r->cpu, gva, r->size);
    return gva;
}

/* Host address of gva if the TLB serves the whole page for this access, else NULL. */
static uint8_t *tlb_host(const StringRun *r, gva_t gva, bool write)
{
    const TlbArrays *tlb = &r->cpu->v.mmu.tlb[r->mode];
    const uint32_t i = (gva >> GUEST_PAGE_BITS) & (TLB_ENTRIES - 1);
    const uint64_t tag = write ? tlb->write_tag[i] : tlb->read_tag[i];
    if (tag + (gva >> GUEST_PAGE_BITS) + 1 != 0)
        return NULL;
    return (uint8_t *)(uintptr_t)(gva + tlb->addend[i]);
}

/* A side of a run: where it is now and how many elements it may go in one piece. */
typedef struct {
    uint8_t *host;
    uint32_t count;
} Side;

/* Elements from `offset` on, upwards, that pass the segment's checks, do not wrap the address and
 * stay in the page; none if that is not plain RAM. */
static Side side_begin(StringRun *r, unsigned seg, uint32_t offset, bool write, uint32_t count)
{
    const Side none = {NULL, 0};
    const uint64_t room = (uint64_t)r->mask + 1 - offset;
    gva_t gva;
    Fault f;
    count = (uint32_t)MIN((uint64_t)count, room / r->size);
    if (count == 0 || !seg_linear(r->cpu, &r->cpu->seg[seg], seg, offset, r->size, write, &gva, &f))
        return none;
    const uint32_t in_page = (uint32_t)(GUEST_PAGE_SIZE - (gva & ~GUEST_PAGE_MASK));
    count = MIN(count, in_page / r->size);
    if (count == 0 || !seg_linear(r->cpu, &r->cpu->seg[seg], seg, offset, count * r->size, write,
                                  &gva, &f))
        return none;
    uint8_t *host = tlb_host(r, gva, write);
    if (!host && write && !r->cpu->v.mmu.watch_used)
        host = mmu_store_beside_code(&r->cpu->v.mmu, gva, count * r->size, r->mode);
    return (Side){host, count};
}

static bool fast_usable(const StringRun *r)
{
    return r->step > 0 && r->left > 1 && !(r->cpu->mode & MODE_ALIGN_CHECK);
}

/* ---- elements ---- */

static uint64_t load_element(StringRun *r, unsigned seg, uint32_t offset)
{
    return cpu_load(r->cpu, element_linear(r, seg, offset, false), r->size, r->mode);
}

static void store_element(StringRun *r, uint32_t offset, uint64_t value)
{
    cpu_store(r->cpu, element_linear(r, SEG_ES, offset, true), r->size, r->mode, value);
}

static uint64_t read_host(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;
    switch (size) {
    case 1:
        return *p;
    case 2:
        memcpy(&value, p, 2);
        return value;
    default:
        memcpy(&value, p, 4);
        return value;
    }
}

/* Note a comparison; true if REPE/REPNE ends with it. */
static bool compared(StringRun *r, uint64_t left, uint64_t right)
{
    VCpu *v = &r->cpu->v;
    v->flags = (v->flags & ~FLAGS_ARITH) | cpu_sum_flags(left, right, r->size, true);
    r->stop = (r->rep == REP_E && left != right) || (r->rep == REP_NE && left == right);
    return r->stop;
}

static uint64_t accumulator(const StringRun *r)
{
    return r->cpu->v.gpr[REG_EAX] & width_mask(r->size);
}

/* ---- runs: as many elements as one piece allows; 0: one through the slow path ---- */

static void copy_forward(uint8_t *to, const uint8_t *from, uint32_t bytes, unsigned size)
{
    /* The host's own instruction: exact where source and destination overlap. */
    uint64_t count = bytes / size;
    if (size == 1)
        asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    else if (size == 2)
        asm volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    else
        asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static uint32_t run_movs(StringRun *r)
{
    const uint32_t si = get_reg(r, REG_ESI), di = get_reg(r, REG_EDI);
    if (fast_usable(r)) {
        Side from = side_begin(r, r->seg, si, false, r->left);
        Side to = side_begin(r, SEG_ES, di, true, from.count);
        if (from.host && to.host) {
            copy_forward(to.host, from.host, to.count * r->size, r->size);
            return to.count;
        }
    }
    store_element(r, di, load_element(r, r->seg, si));
    return 1;
}

static void fill_forward(uint8_t *to, uint64_t value, uint32_t count, unsigned size)
{
    uint64_t n = count;
    if (size == 1)
        asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    else if (size == 2)
        asm volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    else
        asm volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

static uint32_t run_stos(StringRun *r)
{
    const uint32_t di = get_reg(r, REG_EDI);
    if (fast_usable(r)) {
        Side to = side_begin(r, SEG_ES, di, true, r->left);
        if (to.host) {
            fill_forward(to.host, accumulator(r), to.count, r->size);
            return to.count;
        }
    }
    store_element(r, di, accumulator(r));
    return 1;
}

static uint32_t run_lods(StringRun *r)
{
    const uint32_t si = get_reg(r, REG_ESI);
    const uint64_t value = load_element(r, r->seg, si);
    uint64_t *eax = &r->cpu->v.gpr[REG_EAX];
    const uint64_t mask = width_mask(r->size);
    *eax = (*eax & ~mask) | (value & mask);
    return 1;
}

#define SCAN(type)                                                                                 \
    for (; i < count; i++) {                                                                       \
        type element;                                                                              \
        memcpy(&element, p + i * sizeof(type), sizeof(type));                                      \
        if ((element == (type)value) != while_equal)                                               \
            return i + 1;                                                                          \
    }

/* Elements looked at until one ends the scan, it included; `count` if none does. */
static uint32_t scan_forward(const uint8_t *p, uint64_t value, uint32_t count, unsigned size,
                             bool while_equal)
{
    uint32_t i = 0;
    if (size == 1 && !while_equal) {
        const uint8_t *found = memchr(p, (int)value, count);
        return found ? (uint32_t)(found - p) + 1 : count;
    }
    if (size == 1) {
        SCAN(uint8_t)
    } else if (size == 2) {
        SCAN(uint16_t)
    } else {
        SCAN(uint32_t)
    }
    return count;
}

static uint32_t run_scas(StringRun *r)
{
    const uint32_t di = get_reg(r, REG_EDI);
    const uint64_t left = accumulator(r);
    Side from = {NULL, 0};
    if (fast_usable(r))
        from = side_begin(r, SEG_ES, di, false, r->left);
    if (!from.host) {
        compared(r, left, load_element(r, SEG_ES, di));
        return 1;
    }
    const uint32_t i = scan_forward(from.host, left, from.count, r->size, r->rep == REP_E);
    compared(r, left, read_host(from.host + (i - 1) * r->size, r->size));
    return i;
}

static uint32_t run_cmps(StringRun *r)
{
    const uint32_t si = get_reg(r, REG_ESI), di = get_reg(r, REG_EDI);
    Side a = {NULL, 0}, b = {NULL, 0};
    if (fast_usable(r)) {
        a = side_begin(r, r->seg, si, false, r->left);
        b = side_begin(r, SEG_ES, di, false, a.count);
    }
    if (!a.host || !b.host) {
        const uint64_t left = load_element(r, r->seg, si);
        compared(r, left, load_element(r, SEG_ES, di));
        return 1;
    }
    uint32_t i = 0;
    uint64_t left, right;
    do {
        left = read_host(a.host + i * r->size, r->size);
        right = read_host(b.host + i++ * r->size, r->size);
    } while (i < b.count && (left == right) == (r->rep == REP_E));
    compared(r, left, right);
    return i;
}

/* ---- ports ---- */

static uint16_t check_port(const StringRun *r)
{
    const uint16_t port = (uint16_t)cpu_reg(r->cpu, REG_EDX);
    Fault f;
    if (!io_check(r->cpu, port, r->size, &f))
        cpu_raise(r->cpu, f);
    return port;
}

/* The destination is made sure of before the port is read: a read may have effects. Breakpoints come
 * last: they are traps. */
static uint32_t run_ins(StringRun *r)
{
    Mmu *mmu = &r->cpu->v.mmu;
    const uint16_t port = check_port(r);
    const gva_t gva = element_linear(r, SEG_ES, get_reg(r, REG_EDI), true);
    MemAccess access;
    Fault f;
    void *host = access_begin(mmu, &access, gva, r->size, false, true, r->mode, &f);
    if (!host) {
        if (mmu->self_modified)
            fault_plain(&f, FAULT_SMC);
        cpu_raise(r->cpu, f);
    }
    const uint64_t value = address_space_io_read(mmu->as, port, r->size);
    memcpy(host, &value, r->size);
    access_commit(mmu, &access);
    debug_io_access(r->cpu, port, r->size);
    return 1;
}

static uint32_t run_outs(StringRun *r)
{
    const uint16_t port = check_port(r);
    const uint64_t value = load_element(r, r->seg, get_reg(r, REG_ESI));
    address_space_io_write(r->cpu->v.mmu.as, port, value, r->size);
    debug_io_access(r->cpu, port, r->size);
    return 1;
}

/* What a device does for an element may take long, and 65536 times as long is too long for whoever waits. */
static bool port_gives_way(const StringRun *r)
{
    const VCpu *vcpu = &r->cpu->v;
    return (r->op == STRING_INS || r->op == STRING_OUTS) && atomic_load(&vcpu->attention) &&
           !vcpu->steadfast;
}

/* ---- the instruction ---- */

typedef struct {
    uint32_t (*run)(StringRun *r);
    bool si, di;
} StringRow;

static const StringRow string_rows[] = {
    [STRING_MOVS] = {run_movs, true, true},  [STRING_CMPS] = {run_cmps, true, true},
    [STRING_STOS] = {run_stos, false, true}, [STRING_LODS] = {run_lods, true, false},
    [STRING_SCAS] = {run_scas, false, true}, [STRING_INS] = {run_ins, false, true},
    [STRING_OUTS] = {run_outs, true, false},
};

/* REP MOVS and REP STOS, forwards, 32-bit addresses in flat segments, within a page on each side:
 * most of what guests do. True if it was done. */
static bool string_quick(CpuX86 *cpu, StringOp op, unsigned size, unsigned seg)
{
    VCpu *v = &cpu->v;
    const uint64_t count = v->gpr[REG_ECX], bytes = count * size;
    const uint32_t mode = cpu->mode;
    if (bytes > GUEST_PAGE_SIZE || count == 0 || v->dir[0] < 0 || v->stepping ||
        v->mmu.watch_used || mode_seg_use(mode, SEG_ES) > IR_SEG_BASE ||
        mode_seg_use(mode, seg) > IR_SEG_BASE || (cpu->eflags & EFLAGS_TF) ||
        (mode & MODE_ALIGN_CHECK))
        return false;
    const StringRun r = {.cpu = cpu, .mode = mode & MODE_USER ? MMU_USER : MMU_SUPERVISOR};
    const uint32_t to = (uint32_t)(v->gpr[REG_EDI] + v->seg_base[SEG_ES]);
    const uint32_t from = (uint32_t)(v->gpr[REG_ESI] + v->seg_base[seg]);
    const bool copies = op == STRING_MOVS;
    if ((to & ~GUEST_PAGE_MASK) + bytes > GUEST_PAGE_SIZE ||
        (copies && (from & ~GUEST_PAGE_MASK) + bytes > GUEST_PAGE_SIZE))
        return false;
    uint8_t *to_host = tlb_host(&r, to, true);
    const uint8_t *from_host = copies ? tlb_host(&r, from, false) : NULL;
    if (!to_host || (copies && !from_host))
        return false;
    if (copies) {
        copy_forward(to_host, from_host, (uint32_t)bytes, size);
        v->gpr[REG_ESI] = (uint32_t)(v->gpr[REG_ESI] + bytes);
    } else {
        fill_forward(to_host, v->gpr[REG_EAX], (uint32_t)count, size);
    }
    v->gpr[REG_EDI] = (uint32_t)(v->gpr[REG_EDI] + bytes);
    v->gpr[REG_ECX] = 0;
    return true;
}

uint64_t helper_string(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const StringOp op = (StringOp)(a & 15);
    if ((op == STRING_MOVS || op == STRING_STOS) && ((a >> 8) & 15) == 4 && ((a >> 12) & 15) &&
        string_quick(cpu, op, (a >> 4) & 15, (a >> 16) & 7))
        return 0;
    StringRun r = {
        .cpu = cpu,
        .op = (StringOp)(a & 15),
        .size = (a >> 4) & 15,
        .addr_width = (a >> 8) & 15,
        .rep = (a >> 12) & 15,
        .seg = (a >> 16) & 7,
        .mode = cpu_mmu_mode(cpu),
    };
    g_assert(r.op < G_N_ELEMENTS(string_rows) && r.seg < SEG_COUNT && r.size >= 1 && r.size <= 4);
    const StringRow *row = &string_rows[r.op];
    r.mask = (uint32_t)width_mask(r.addr_width);
    r.step = cpu->eflags & EFLAGS_DF ? -(int32_t)r.size : (int32_t)r.size;
    /* With TF every iteration traps (SDM 3B "Single-Step Exception Condition"); so do those that
     * a data or I/O breakpoint watches. */
    const uint32_t chunk = cpu->eflags & EFLAGS_TF || vcpu->stepping ? 1 : vcpu->repeat_bytes / r.size;
    const uint32_t count = get_reg(&r, REG_ECX);
    /* Up to where the count is a multiple of `chunk`, so that calls end at the same elements whatever
     * interrupted one of them: -icount counts calls. */
    r.left = !r.rep ? 1 : count ? (count - 1) % chunk + 1 : 0;
    if (r.left == 0 && (r.op == STRING_INS || r.op == STRING_OUTS))
        check_port(&r); /* hardware looks at the permission first, whatever the count */
    while (r.left > 0 && !r.stop) {
        advance(&r, row->run(&r), row->si, row->di);
        if (vcpu->mmu.watch_hits || cpu->pending_db || port_gives_way(&r))
            break;
    }
    const bool again = r.rep && !r.stop && get_reg(&r, REG_ECX) != 0;
    if (again) /* a code breakpoint has had its say (SDM 3B "Instruction-Breakpoint Exception Condition") */
        cpu->eflags |= debug_rf_mask(cpu);
    return again;
}

uint64_t helper_string_io(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return helper_string(vcpu, a, b, c);
}
