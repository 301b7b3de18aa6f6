/* SPDX-License-Identifier: MIT
 * One random instruction: prefixes, ModRM, displacement and immediate, chosen so
 * that memory operands mostly lie in the data pages and branches mostly go to
 * instructions. The decoder tells what was built; this file knows no opcodes but
 * for a few implicit operands. */
#include "tests/oracle/gen-priv.h"
#include "tests/oracle/recode.h"
#include "tests/oracle/values.h"

#include <string.h>

/* Bytes of an instruction while it is put together. */
typedef struct {
    uint8_t bytes[24];
    unsigned count;
    unsigned disp_at, disp_size; /* size 0: no displacement */
} Bytes;

static void put(Bytes *b, unsigned byte)
{
    b->bytes[b->count++] = (uint8_t)byte;
}

static void put_value(Bytes *b, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        put(b, value >> (8 * i));
}

/* ---- where memory operands go ---- */

uint32_t gen_pick_target(Snippet *s, unsigned size)
{
    Rng *rng = &s->rng;
    uint32_t slack = rng_below(rng, size ? size : 1);
    uint32_t kind = rng_below(rng, 100);
    if (s->class == GEN_BLOCK && kind >= 88 && rng_percent(rng, 70))
        kind = 0;
    if (kind < 60) /* leave the last bytes: operand sizes are not always known */
        return ORACLE_DATA + (rng_below(rng, ORACLE_DATA_RW - 640) & ~15u);
    if (kind < 78)
        return ORACLE_DATA + rng_below(rng, ORACLE_DATA_RW - 640);
    if (kind < 88)
        return ORACLE_DATA + 0x1000 - slack;
    if (kind < 92)
        return ORACLE_DATA + ORACLE_DATA_RW - slack;
    if (kind < 95)
        return ORACLE_DATA + ORACLE_DATA_RW + rng_below(rng, 0x1000 - 512);
    if (kind < 98)
        return ORACLE_DATA + ORACLE_DATA_SIZE - slack;
    return ORACLE_DATA + ORACLE_DATA_SIZE + rng_below(rng, 0x1000);
}

void gen_assign(Snippet *s, unsigned r, uint32_t value)
{
    if (s->knowledge[r] != REG_FREE)
        return;
    s->oc->in.gpr[r] = s->value[r] = value;
    s->knowledge[r] = REG_KNOWN;
}

/* The value of a register, fixed from now on if it was free. */
static uint32_t use_value(Snippet *s, unsigned r)
{
    if (s->knowledge[r] == REG_FREE)
        s->knowledge[r] = REG_KNOWN;
    return s->value[r];
}

static unsigned pick_base(Snippet *s)
{
    for (unsigned tries = 0; tries < 6; tries++) {
        unsigned r = rng_below(&s->rng, 8);
        if (s->knowledge[r] != REG_UNKNOWN)
            return r;
    }
    return rng_below(&s->rng, 8);
}

static void add_patch(Snippet *s, uint32_t address, const uint8_t *bytes, unsigned size)
{
    OracleCase *oc = s->oc;
    uint32_t offset = address - ORACLE_DATA;
    if (offset >= ORACLE_DATA_RW || offset + size > ORACLE_DATA_RW ||
        oc->patch_count == ORACLE_MAX_PATCHES)
        return;
    OraclePatch *patch = &oc->patches[oc->patch_count++];
    patch->offset = (uint16_t)offset;
    patch->size = (uint8_t)size;
    memcpy(patch->bytes, bytes, size);
}

static void patch_value(Snippet *s, uint32_t address)
{
    uint8_t bytes[16];
    value_vector(&s->rng, bytes);
    if (rng_percent(&s->rng, 75))
        add_patch(s, address, bytes, sizeof bytes);
}

/* A code address in memory: of a later instruction or the end. */
static void patch_code_address(Snippet *s, uint32_t address)
{
    unsigned before = s->oc->patch_count;
    uint8_t bytes[4] = {0};
    add_patch(s, address, bytes, 4);
    if (s->oc->patch_count > before)
        gen_add_fixup(s, (Fixup){.kind = FIX_ABS_PATCH, .at = (uint16_t)before,
                                 .target = ORACLE_MAX_INSNS});
}

/* ---- building ---- */

/* SDM 2A "Instruction Prefixes": REP is reserved here; AMD turns LOOPE and LOOPNE round by it. */
static bool is_loop_cc(const GenRow *row)
{
    return row->map == 0 && (row->opcode == 0xe0 || row->opcode == 0xe1);
}

/* APM 3 "MOV CRn": LOCK MOV CR0 is CR8 on AMD's CPUs. */
static bool is_mov_cr(const GenRow *row)
{
    return row->map == 1 && (row->opcode == 0x20 || row->opcode == 0x22);
}

static void put_prefixes(Snippet *s, const GenRow *row, Bytes *b)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    Rng *rng = &s->rng;
    uint8_t list[6];
    unsigned n = 0;
    if (row->vex && rng_percent(rng, 95)) { /* only segments and 67 may stand before VEX */
        if (rng_percent(rng, 8))
            put(b, segments[rng_below(rng, sizeof segments)]);
        if (rng_percent(rng, 4))
            put(b, 0x67);
        return;
    }
    if (row->prefix && !row->vex)
        list[n++] = row->prefix;
    else if (rng_percent(rng, 3) && !is_loop_cc(row))
        list[n++] = rng_percent(rng, 50) ? 0xf2 : 0xf3;
    if (!row->map && row->opcode >= 0xa4 && row->opcode <= 0xaf && rng_percent(rng, 50))
        list[n++] = rng_percent(rng, 30) ? 0xf2 : 0xf3;
    if (row->prefix != 0x66 && !(row->map && !row->prefix) && rng_percent(rng, row->map ? 3 : 18))
        list[n++] = 0x66;
    if (rng_percent(rng, 8))
        list[n++] = segments[rng_below(rng, sizeof segments)];
    if (rng_percent(rng, 4))
        list[n++] = 0x67;
    if (rng_percent(rng, s->class == GEN_SINGLE ? 4 : 1) && !is_mov_cr(row))
        list[n++] = 0xf0;
    while (n) { /* in any order */
        unsigned i = rng_below(rng, n);
        put(b, list[i]);
        list[i] = list[--n];
    }
}

static void put_mem32(Snippet *s, Bytes *b, unsigned reg)
{
    Rng *rng = &s->rng;
    unsigned style = rng_below(rng, 100);
    unsigned mod = style < 60 ? 2 : style < 80 ? 1 : 0;
    unsigned base = pick_base(s);
    bool sib = rng_percent(rng, 30) || base == REG_ESP;
    if (style >= 92) { /* absolute */
        put(b, reg << 3 | 5);
        mod = 0;
        base = REG_EBP;
    } else {
        put(b, mod << 6 | reg << 3 | (sib ? 4 : base));
        if (sib) {
            unsigned index = rng_percent(rng, 30) ? 4 : pick_base(s);
            put(b, rng_below(rng, 4) << 6 | index << 3 | base);
        }
    }
    b->disp_at = b->count;
    b->disp_size = mod == 1 ? 1 : mod == 2 || base == REG_EBP ? 4 : 0;
    put_value(b, value_int32(rng), b->disp_size);
}

static void put_mem16(Snippet *s, Bytes *b, unsigned reg)
{
    unsigned rm = rng_below(&s->rng, 8);
    unsigned mod = rng_percent(&s->rng, 70) ? 2 : rng_below(&s->rng, 2);
    put(b, mod << 6 | reg << 3 | rm);
    b->disp_at = b->count;
    b->disp_size = mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0;
    put_value(b, value_int32(&s->rng), b->disp_size);
}

static unsigned pick_bit(Rng *rng, uint64_t mask)
{
    unsigned n = rng_below(rng, (uint32_t)__builtin_popcountll(mask));
    while (n--)
        mask &= mask - 1;
    return (unsigned)__builtin_ctzll(mask);
}

static void put_modrm(Snippet *s, const GenRow *row, Bytes *b, bool addr16)
{
    bool memory = row->mem_regs && (!row->reg_forms || rng_percent(&s->rng, 55));
    if (!memory)
        put(b, 0xc0 | pick_bit(&s->rng, row->reg_forms));
    else if (addr16)
        put_mem16(s, b, pick_bit(&s->rng, row->mem_regs));
    else
        put_mem32(s, b, pick_bit(&s->rng, row->mem_regs));
}

/* Padding is put in front now: fixups count from the start. */
static bool make_room(const Gen *gen, Bytes *b)
{
    int padding = gen_padding(gen, b->bytes, b->count);
    if (padding < 0)
        return false;
    memmove(b->bytes + padding, b->bytes, b->count);
    memset(b->bytes, RECODE_PAD32, (unsigned)padding);
    b->count += (unsigned)padding;
    b->disp_at += (unsigned)padding;
    return true;
}

/* Opcode and operands, with more immediate bytes than any instruction has; decoding cuts. */
static bool build(Snippet *s, const GenRow *row, Bytes *b, X86Insn *insn)
{
    *b = (Bytes){0};
    put_prefixes(s, row, b);
    bool addr16 = memchr(b->bytes, 0x67, b->count);
    if (addr16 && rng_percent(&s->rng, 85)) /* 16-bit addresses reach the data by FS and GS only */
        put(b, 0x64 | rng_below(&s->rng, 2));
    b->count += gen_row_bytes(row, (uint8_t)rng_next(&s->rng), b->bytes + b->count);
    unsigned after_opcode = b->count;
    if (row->modrm)
        put_modrm(s, row, b, addr16);
    unsigned imm_at = b->count;
    put_value(b, value_int32(&s->rng), 4);
    put_value(b, value_int32(&s->rng), 3);
    DecodeResult result = x86_decode(insn, b->bytes, MIN(b->count, X86_MAX_INSN), GEN_MODE,
                                     &s->gen->model);
    if (result != DECODE_OK || insn->length < imm_at)
        return false;
    if (!row->modrm && insn->base == GEN_ABSENT && insn->index == GEN_ABSENT) {
        b->disp_at = after_opcode; /* MOV moffs */
        b->disp_size = insn->addr_size;
    }
    b->count = insn->length;
    return make_room(s->gen, b);
}

/* ---- operands ---- */

static int mem_operand(const X86Insn *insn)
{
    for (int k = 0; k < insn->opd_count; k++) {
        if (insn->opd[k].kind == OPD_MEM)
            return k;
    }
    return -1;
}

static uint32_t segment_base(unsigned seg)
{
    return seg == SEG_FS ? ORACLE_FS_BASE : seg == SEG_GS ? ORACLE_GS_BASE : 0;
}

static unsigned operand_size(const X86Insn *insn, int k)
{
    switch (insn->id) {
    case INSN_FXSAVE:
    case INSN_FXRSTOR:
        return 512;
    case INSN_FNSAVE:
    case INSN_FRSTOR:
        return 108;
    case INSN_FNSTENV:
    case INSN_FLDENV:
        return 28;
    default:
        return insn->opd[k].size ? insn->opd[k].size : 4;
    }
}

/* Half of an FXRSTOR image with valid control words. */
static void patch_fx_image(Snippet *s, uint32_t address)
{
    uint8_t fx[512];
    value_fx(&s->rng, fx, rng_percent(&s->rng, 60));
    for (unsigned i = 0; i < 256; i += 16)
        add_patch(s, address + i, fx + i, 16);
}

static bool is_indirect_branch(const X86Insn *insn)
{
    return (insn->id == INSN_JMP || insn->id == INSN_CALL) && insn->opd[0].kind != OPD_REL;
}

static void patch_operand(Snippet *s, const X86Insn *insn, uint32_t target)
{
    if (insn->id == INSN_FXRSTOR)
        patch_fx_image(s, target);
    else if (is_indirect_branch(insn) && rng_percent(&s->rng, 85))
        patch_code_address(s, target);
    else
        patch_value(s, target);
}

/* Let base + index * scale + disp be an address in the data pages. */
static void place_memory(Snippet *s, const X86Insn *insn, Bytes *b)
{
    int k = mem_operand(insn);
    if (k < 0 || insn->id == INSN_LEA)
        return;
    bool bit_string = insn->id >= INSN_BT && insn->id <= INSN_BTC && insn->opd[1].kind == OPD_GPR;
    if (bit_string && rng_percent(&s->rng, 80))
        gen_assign(s, insn->opd[1].reg, rng_below(&s->rng, 8000) - 4000);
    unsigned size = operand_size(insn, k);
    uint32_t target = gen_pick_target(s, size);
    if ((insn->id == INSN_FXSAVE || insn->id == INSN_FXRSTOR) && rng_percent(&s->rng, 85))
        target &= ~15u;
    uint32_t base = segment_base(insn->seg);
    if (s->gen->recoded && target < base) /* base and offset do not wrap in 64-bit mode */
        target = base + (target & 0xfff);
    uint32_t offset = target - base;
    if (insn->index < 8) {
        gen_assign(s, insn->index, rng_below(&s->rng, 3) ? rng_below(&s->rng, 256)
                                                         : (uint32_t)rng_next(&s->rng));
        offset -= use_value(s, insn->index) * insn->scale;
    }
    if (b->disp_size >= 2) {
        if (insn->base < 8)
            offset -= use_value(s, insn->base);
        for (unsigned i = 0; i < b->disp_size; i++)
            b->bytes[b->disp_at + i] = (uint8_t)(offset >> (8 * i));
    } else if (insn->base < 8 && insn->base != insn->index) {
        gen_assign(s, insn->base, offset - (uint32_t)insn->disp);
    }
    patch_operand(s, insn, target);
}

static void point(Snippet *s, unsigned r, unsigned size)
{
    gen_assign(s, r, gen_pick_target(s, size));
    if (s->knowledge[r] == REG_KNOWN)
        patch_value(s, s->value[r]);
}

/* Instructions that reach memory, or take counts, without saying so in an operand. */
static void place_implicit(Snippet *s, const X86Insn *insn)
{
    Rng *rng = &s->rng;
    if (insn->id >= INSN_MOVS && insn->id <= INSN_OUTS) {
        if (insn->rep && rng_percent(rng, 85))
            gen_assign(s, REG_ECX, rng_below(rng, 40));
        point(s, REG_ESI, insn->op_size);
        point(s, REG_EDI, insn->op_size);
    } else if (insn->id == INSN_MASKMOVQ || insn->id == INSN_MASKMOVDQU) {
        point(s, REG_EDI, 16);
    } else if (insn->id == INSN_XLAT) {
        point(s, REG_EBX, 1);
    } else if (insn->id == INSN_LEAVE || insn->id == INSN_ENTER) {
        point(s, REG_EBP, 64);
    } else if (insn->id == INSN_RET && rng_percent(rng, 85)) {
        patch_code_address(s, s->value[REG_ESP]);
    } else if (insn->id == INSN_POPF) {
        uint32_t flags = (uint32_t)rng_next(rng);
        flags &= rng_percent(rng, 10) ? ~0u : ~(EFLAGS_TF | EFLAGS_AC);
        add_patch(s, s->value[REG_ESP], (const uint8_t *)&flags, 4);
    }
}

static void place_branch(Snippet *s, const X86Insn *insn, Bytes *b)
{
    if (is_indirect_branch(insn) && insn->opd[0].kind == OPD_GPR) {
        gen_assign(s, insn->opd[0].reg, 0);
        gen_add_fixup(s, (Fixup){.kind = FIX_ABS_GPR, .at = insn->opd[0].reg,
                                 .target = ORACLE_MAX_INSNS});
    }
    if (!insn->opd_count || insn->opd[0].kind != OPD_REL)
        return;
    bool near8 = (insn->map == 0 && (insn->opcode & 0xf0) == 0x70) || insn->opcode == 0xeb ||
                 (insn->opcode >= 0xe0 && insn->opcode <= 0xe3);
    unsigned size = near8 ? 1 : insn->op_size;
    if (!near8 && rng_percent(&s->rng, 6)) { /* far off: the fetch faults */
        b->bytes[b->count - 1] ^= 0x40;
        if (s->gen->recoded) /* below 4 GiB, and not to what is ours */
            b->bytes[b->count - 1] = 0x40 | (b->bytes[b->count - 1] & 0x1f);
        return;
    }
    gen_add_fixup(s, (Fixup){.kind = near8 ? FIX_REL8 : size == 2 ? FIX_REL16 : FIX_REL32,
                             .at = (uint16_t)(s->oc->code_size + b->count - size),
                             .target = ORACLE_MAX_INSNS});
}

/* What the instruction writes is unknown from here on. */
static void forget_written(Snippet *s, const X86Insn *insn)
{
    for (unsigned k = 0; k < insn->opd_count && k < 2; k++) {
        const Operand *opd = &insn->opd[k];
        if (opd->kind == OPD_GPR && (k == 0 || insn->id == INSN_XCHG || insn->id == INSN_XADD))
            s->knowledge[opd->high8 ? opd->reg & 3 : opd->reg & 7] = REG_UNKNOWN;
    }
    if ((insn->id >= INSN_MUL && insn->id <= INSN_CQO) || insn->id == INSN_CMPXCHG8B ||
        insn->id == INSN_CMPXCHG || insn->id == INSN_LAHF ||
        (insn->id >= INSN_AAA && insn->id <= INSN_XLAT))
        s->knowledge[REG_EAX] = s->knowledge[REG_EDX] = REG_UNKNOWN;
    if (insn->id >= INSN_MOVS && insn->id <= INSN_OUTS)
        s->knowledge[REG_ESI] = s->knowledge[REG_EDI] = s->knowledge[REG_ECX] = REG_UNKNOWN;
    if (insn->id == INSN_POPA)
        memset(s->knowledge, REG_UNKNOWN, sizeof s->knowledge);
}

bool gen_random_insn(Snippet *s, const GenRow *row)
{
    X86Insn insn;
    Bytes b;
    for (unsigned tries = 0; tries < 4; tries++) {
        if (!build(s, row, &b, &insn))
            continue;
        if (s->oc->code_size + b.count + 32 > ORACLE_MAX_CODE)
            return false;
        place_memory(s, &insn, &b);
        place_implicit(s, &insn);
        place_branch(s, &insn, &b);
        forget_written(s, &insn);
        s->fpu_used |= (insn.attrs & (ATTR_X87 | ATTR_MMX | ATTR_SSE)) != 0;
        s->gen->generated[insn.id]++;
        return gen_emit(s, b.bytes, b.count);
    }
    return false;
}
