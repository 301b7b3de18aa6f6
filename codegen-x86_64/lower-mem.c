/* SPDX-License-Identifier: MIT
 * Memory operands: address, segment, the flag-free TLB probe (softmmu/tlb-layout.h) and the cold
 * code of a miss. Register use: host-priv.h. */
#include "codegen-x86_64/host-priv.h"
#include "translator/guest.h"

static unsigned scale_log2(unsigned scale)
{
    return (unsigned)__builtin_ctz(scale | 8);
}

/* Offset of the operand before segmentation, as an LEA operand. May use R8 and R9. */
static HostOpd lower_offset(Codegen *c, const IrMem *mem)
{
    HostOpd at = host_mem(HOST_NO_REG, lower_disp(c, mem));
    if (mem->index.kind != IR_NONE) {
        at.index = (uint8_t)regalloc_read(c, mem->index, R9);
        at.scale = (uint8_t)scale_log2(mem->scale);
    }
    if (mem->base.kind != IR_NONE) {
        at.reg = (uint8_t)regalloc_read(c, mem->base, R8);
    } else if (at.index != HOST_NO_REG && at.scale == 0) {
        at.reg = at.index;
        at.index = HOST_NO_REG;
    }
    return at;
}

/* reg = offset, cut to the address width. */
static void load_offset(Codegen *c, const IrMem *mem, unsigned reg)
{
    HostOpd at = lower_offset(c, mem);
    if (at.reg == HOST_NO_REG && at.index == HOST_NO_REG) {
        uint32_t disp = (uint32_t)mem->disp;
        emit_mov_imm(&c->e, reg, mem->addr_width == 2 ? disp & 0xffff : disp);
        return;
    }
    unsigned width = mem->addr_width == 8 ? 8 : 4;
    bool plain = at.disp == 0 && at.index == HOST_NO_REG;
    if (mem->addr_width == 2) {
        if (!plain)
            emit_lea(&c->e, 4, reg, at);
        emit_movzx(&c->e, 2, reg, host_reg(plain ? at.reg : reg));
    } else if (plain) {
        emit_mov(&c->e, width, reg, at.reg);
    } else {
        emit_lea(&c->e, width, reg, at);
    }
}

void lower_lea(Codegen *c, const IrInsn *insn, const SelectRule *rule, HostOpd mem)
{
    bool spilled = insn->d.kind == IR_TEMP && temp_is_spilled(c->temp[insn->d.n]);
    unsigned d;
    if (insn->width == 2) {
        load_offset(c, &insn->mem, R8);
        d = regalloc_read(c, insn->d, R11);
        emit_mov(&c->e, 2, d, R8);
    } else {
        d = spilled ? R11 : regalloc_read(c, insn->d, R11);
        load_offset(c, &insn->mem, d);
    }
    if (spilled)
        emit_store(&c->e, 8, temp_slot(c->temp[insn->d.n]), d);
}

/* Bytes that the op touches. */
static unsigned access_size(const IrInsn *insn)
{
    if (insn->mem.size)
        return insn->mem.size;
    if (insn->op == IR_MOVZX || insn->op == IR_MOVSX)
        return insn->src_width;
    return insn->op == IR_CMPXCHG8B ? 8 : insn->width;
}

static HostOpd segment_base(const IrMem *mem)
{
    return host_mem(R15, VCPU_DISP((int32_t)(offsetof(VCpu, seg_base) + (mem->seg & 7u) * 8)));
}

/* R8 = guest->seg_check(seg | size << 8 | write << 24 | aligned << 25, R8), or a fault. */
static void call_seg_check(Codegen *c, const IrInsn *insn, uint64_t pc)
{
    Emit *e = &c->e;
    uint32_t what = insn->mem.seg | access_size(insn) << 8 | (uint32_t)ir_mem_writes(insn) << 24 |
                    (uint32_t)insn->mem.aligned << 25;
    emit_mov(e, 4, R9, R8);
    emit_mov_imm(e, R8, what);
    emit_load(e, 8, R11, VCPU_FIELD(guest));
    emit_load(e, 8, R11, host_mem(R11, offsetof(GuestOps, seg_check)));
    lower_store_pc(c, pc);
    emit_call_mem(e, VCPU_FIELD(thunk_helper));
}

/* JRCXZ over a jump to cold code. */
static void jump_cold_unless_rcx_zero(Codegen *c, ColdKind kind, const IrInsn *insn, Cold **cold)
{
    uint8_t *over = emit_jump8(&c->e, OP_JRCXZ);
    uint8_t *site = emit_jmp32(&c->e);
    *cold = codegen_add_cold(c, kind, insn, site);
    emit_set_rel8(over, c->e.at);
}

/* R8 += segment base. */
static void add_segment_base(Codegen *c, const IrMem *mem)
{
    emit_load(&c->e, 4, R9, segment_base(mem));
    emit_lea(&c->e, 4, R8, host_mem_index(R8, R9, 0, 0));
}

/* The last byte's offset must be below 64 KiB: RCX = its bits from 16 up, counting the carry out of
 * 32 bits. R11 holds RCX after. */
static void check_64k(Codegen *c, const IrInsn *insn)
{
    Emit *e = &c->e;
    unsigned size = access_size(insn);
    emit_mov(e, 8, R11, RCX);
    emit_lea(e, 8, RCX, host_mem(R8, (int32_t)size - 1));
    emit_rorx(e, true, RCX, RCX, 16);
    emit_mov(e, 4, RCX, RCX);
    Cold *cold;
    jump_cold_unless_rcx_zero(c, COLD_SEGMENT, insn, &cold);
    add_segment_base(c, &insn->mem);
    cold->resume = e->at;
}

/* The op may exchange AH..BH of this register with its low byte before it uses the address. */
static bool is_high_operand(const IrInsn *insn, unsigned n)
{
    return (insn->d.kind == IR_REGH && insn->d.n == n) ||
           (insn->a.kind == IR_REGH && insn->a.n == n);
}

/* Register with the linear address; *rcx_saved: R11 holds RCX already, RCX is free. */
static unsigned lower_linear(Codegen *c, const IrInsn *insn, bool *rcx_saved)
{
    const IrMem *mem = &insn->mem;
    bool plain = mem->base.kind == IR_REG && mem->index.kind == IR_NONE &&
                 lower_disp(c, mem) == 0 && !is_high_operand(insn, mem->base.n);
    *rcx_saved = false;
    if (plain && mem->seg_use == IR_SEG_FLAT && mem->addr_width == 4)
        return regalloc_read(c, mem->base, R8);
    load_offset(c, mem, R8);
    switch ((IrSegUse)mem->seg_use) {
    case IR_SEG_FLAT:
        break;
    case IR_SEG_BASE:
        add_segment_base(c, mem);
        break;
    case IR_SEG_64K:
        if (mem->addr_width == 2 && access_size(insn) == 1) {
            add_segment_base(c, mem);
        } else {
            check_64k(c, insn);
            *rcx_saved = true;
        }
        break;
    case IR_SEG_CHECK:
        call_seg_check(c, insn, c->pc);
        c->fp_ready = false;
        break;
    }
    return R8;
}

static HostOpd tlb_array(const IrInsn *insn, size_t array, unsigned index)
{
    size_t mode = insn->mem.user ? MMU_USER : MMU_SUPERVISOR;
    size_t offset = offsetof(VCpu, tlb) + mode * sizeof(TlbArrays) + array;
    return host_mem_index(R15, index, 3, VCPU_DISP((int32_t)offset));
}

/* R10 = addend of the page, or on to cold code. See softmmu/tlb-layout.h. */
static Cold *emit_probe(Codegen *c, const IrInsn *insn, unsigned addr, bool rcx_saved)
{
    Emit *e = &c->e;
    unsigned size = access_size(insn);
    size_t tags =
        ir_mem_writes(insn) ? offsetof(TlbArrays, write_tag) : offsetof(TlbArrays, read_tag);
    if (size > 1) {
        emit_lea(e, 4, R9, host_mem(addr, (int32_t)size - 1));
        emit_shift(e, EMIT_SHRX, false, R10, host_reg(addr), R15);
        emit_shift(e, EMIT_SHRX, false, R9, host_reg(R9), R15);
        emit_movzx(e, 2, R10, host_reg(R10));
    } else {
        emit_shift(e, EMIT_SHRX, false, R9, host_reg(addr), R15);
        emit_movzx(e, 2, R10, host_reg(R9));
    }
    if (!rcx_saved)
        emit_mov(e, 8, R11, RCX);
    emit_load(e, 8, RCX, tlb_array(insn, tags, R10));
    emit_lea(e, 8, RCX, host_mem_index(RCX, R9, 0, 1));
    Cold *cold;
    jump_cold_unless_rcx_zero(c, COLD_MEM, insn, &cold);
    cold->addr = (uint8_t)addr;
    emit_mov(e, 8, RCX, R11);
    emit_load(e, 8, R10, tlb_array(insn, offsetof(TlbArrays, addend), R10));
    return cold;
}

static bool needs_fp(const IrInsn *insn)
{
    return insn->op == IR_NATIVE && insn->native.fpu;
}

/* May the guest's own operand, base register + displacement, follow the window's base? Where that
 * does not wrap at 4 GiB as it should, it hits a guard and the instruction is demoted; so not for
 * displacements that look like kernel addresses. */
static bool fits_window(const Codegen *c, const IrMem *mem)
{
    enum { LOWEST_DISP = -(1 << 20) };
    return mem->seg_use == IR_SEG_FLAT && mem->addr_width == 4 && mem->index.kind == IR_NONE &&
           mem->base.kind == IR_REG && lower_disp(c, mem) >= LOWEST_DISP;
}

static HostOpd window_operand(Codegen *c, const IrInsn *insn)
{
    const IrMem *mem = &insn->mem;
    bool rcx_saved;
    if (fits_window(c, mem))
        return host_mem_index(HOST_WINDOW_BASE, regalloc_read(c, mem->base, R8), 0,
                              lower_disp(c, mem));
    unsigned addr = lower_linear(c, insn, &rcx_saved);
    if (rcx_saved)
        emit_mov(&c->e, 8, RCX, R11);
    return host_mem_index(HOST_WINDOW_BASE, addr, 0, 0);
}

/* The base register costs a REX prefix, which AH..BH cannot meet. Where they are written, the op
 * runs between two exchanges of AH and AL, and a fault, as the window takes it, would find them
 * exchanged: so load first. (XCHG and XADD with AH..BH take the TLB.) */
static bool window_load_first(const IrInsn *insn)
{
    return insn->a.kind == IR_MEM && insn->d.kind == IR_REGH &&
           (ir_op_info[insn->op].shape & IR_SHAPE_D_WRITE);
}

static bool window_serves(const Codegen *c, const IrInsn *insn)
{
    const bool exchanges = insn->a.kind == IR_REGH && (insn->op == IR_XCHG || insn->op == IR_XADD);
    return c->options->memory == MEM_WINDOW && !c->checked && insn->mem.seg_use != IR_SEG_CHECK &&
           !exchanges;
}

void lower_mem_op(Codegen *c, const IrInsn *insn)
{
    bool rcx_saved;
    if (window_serves(c, insn)) {
        if (needs_fp(insn))
            lower_fp_ensure(c);
        HostOpd mem = window_operand(c, insn);
        if (window_load_first(insn)) {
            emit_movzx(&c->e, 1, R9, mem);
            mem = host_reg(R9);
        }
        select_emit(c, insn, mem);
        return;
    }
    unsigned addr = lower_linear(c, insn, &rcx_saved);
    if (needs_fp(insn))
        lower_fp_ensure(c);
    Cold *cold = emit_probe(c, insn, addr, rcx_saved);
    select_emit(c, insn, host_mem_index(addr, R10, 0, 0));
    cold->resume = c->e.at;
}

/* The way to the slow path, by what it can do without C. */
static HostOpd begin_thunk(const IrInsn *insn)
{
    if (!ir_mem_writes(insn) || insn->mem.aligned || access_size(insn) > CODE_LINE)
        return VCPU_FIELD(thunk_mem_begin);
    return insn->mem.user ? VCPU_FIELD(thunk_mem_store[MMU_USER])
                          : VCPU_FIELD(thunk_mem_store[MMU_SUPERVISOR]);
}

void lower_cold_mem(Codegen *c, const Cold *cold)
{
    Emit *e = &c->e;
    const IrInsn *insn = cold->insn;
    bool writes = ir_mem_writes(insn);
    uint32_t descriptor =
        access_size(insn) | (writes ? MEM_DESC_WRITE : 0) |
        (ir_mem_reads(insn) || !writes ? MEM_DESC_READ : 0) | (insn->mem.user ? MEM_DESC_USER : 0) |
        (insn->mem.aligned ? MEM_DESC_ALIGNED : 0) | (insn->mem.waits ? MEM_DESC_WAITS : 0);
    emit_mov(e, 8, RCX, R11);
    if (cold->addr != R8)
        emit_mov(e, 4, R8, cold->addr);
    emit_mov_imm(e, R9, descriptor);
    emit_call_mem(e, begin_thunk(insn));
    if (needs_fp(insn))
        emit_call_mem(e, VCPU_FIELD(fp_ensure));
    select_emit(c, insn, host_mem(R8, 0));
    if (writes)
        emit_call_mem(e, VCPU_FIELD(thunk_mem_commit));
    if (cold->fp_ready && (writes || !needs_fp(insn)))
        emit_call_mem(e, VCPU_FIELD(fp_ensure));
}

void lower_cold_segment(Codegen *c, const Cold *cold)
{
    Emit *e = &c->e;
    emit_mov(e, 8, RCX, R11);
    call_seg_check(c, cold->insn, cold->pc);
    if (cold->fp_ready)
        emit_call_mem(e, VCPU_FIELD(fp_ensure));
    emit_mov(e, 8, R11, RCX);
}
