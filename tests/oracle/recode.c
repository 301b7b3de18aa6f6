/* SPDX-License-Identifier: MIT
 * Sources: SDM 2A "Instruction Format", APM 3 "Instruction Encoding". */
#include <assert.h>
#include <glib.h>
#include <string.h>

#include "tests/oracle/recode-priv.h"

enum { ANY, REG, MEM, S16, S32 };

enum {
    REASON_NONE,
#define REASON(name, text) REASON_##name,
#include "tests/oracle/recode.def"
    REASON_COUNT
};

static const char *const reasons[REASON_COUNT] = {
#define REASON(name, text) [REASON_##name] = text,
#include "tests/oracle/recode.def"
};

/* ---- taking apart ---- */

/* Which opcodes have a ModRM byte: SDM 2D "Opcode Map"; bit n of row r: opcode 16 r + n. */
static const uint16_t modrm_maps[2][16] = {
    {0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0, 0, 0x0a0c, 0, 0xffff, 0, 0, 0, 0x00f3, 0xff0f, 0, 0xc0c0},
    {0xa00f, 0xffff, 0xff0f, 0, 0xffff, 0xffff, 0xffff, 0xff7f, 0, 0xffff, 0xf838, 0xffff, 0x00ff,
     0xffff, 0xffff, 0xffff},
};

static bool take_prefix(Insn *in, uint8_t byte)
{
    switch (byte) {
    case CS_OVERRIDE:
    case 0x26:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65: /* the last one counts */
        in->segment = byte == 0x64 || byte == 0x65 ? byte : 0;
        in->code_segment = byte == CS_OVERRIDE;
        return true;
    case OPERAND_SIZE:
        return in->size16 = true;
    case ADDRESS_SIZE:
        return in->addr16 = true;
    case LOCK:
        return in->lock = true;
    default:
        return byte == REPNE || byte == REP;
    }
}

static Insn take_apart(const uint8_t *bytes, unsigned size)
{
    Insn in = {.bytes = bytes, .size = size, .modrm = 0xc0};
    unsigned n = 0;
    while (n + 1 < size && take_prefix(&in, bytes[n]))
        n++;
    in.opcode_at = n;
    in.vex = (bytes[n] & 0xfe) == 0xc4 && n + 3 < size && bytes[n + 1] >= 0xc0;
    if (in.vex) {
        in.map = bytes[n] == 0xc4 ? bytes[n + 1] & 31 : 1;
        n += bytes[n] == 0xc4 ? 3 : 2;
    } else if (bytes[n] == 0x0f && n + 2 < size && (bytes[n + 1] & 0xfd) == 0x38) {
        in.map = bytes[n + 1] == 0x38 ? 2 : 3;
        n += 2;
    } else if (bytes[n] == 0x0f && n + 1 < size) {
        in.map = 1;
        n += 1;
    }
    in.opcode = bytes[n];
    in.tail = n + 1;
    bool has_modrm = in.map > 1 || modrm_maps[in.map][in.opcode >> 4] >> (in.opcode & 15) & 1;
    if (has_modrm && in.tail < size)
        in.modrm = bytes[in.tail];
    in.memory = in.modrm < 0xc0;
    return in;
}

/* ---- putting together ---- */

void recode_put(Out *out, unsigned count, const uint8_t *bytes)
{
    memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
}

void recode_put32(Out *out, uint32_t value)
{
    recode_put(out, 4, (const uint8_t *)&value);
}

/* An address of disp32 alone needs a SIB byte: without one it is relative to RIP. */
void recode_put_operand(Out *out, const Insn *in, unsigned reg)
{
    unsigned modrm = (in->modrm & 0xc7u) | (reg & 7) << 3;
    if ((modrm & 0xc7) == 5)
        PUT(out, (uint8_t)(modrm - 1), 0x25);
    else
        PUT(out, (uint8_t)modrm);
    recode_put(out, in->size - in->tail - 1, in->bytes + in->tail + 1);
}

static void put_prefixes(Out *out, const Insn *in, bool address)
{
    for (unsigned i = 0; i < in->opcode_at; i++) {
        uint8_t byte = in->bytes[i];
        if (byte == OPERAND_SIZE || byte == LOCK || byte == REPNE || byte == REP)
            PUT(out, byte);
    }
    if (in->segment)
        PUT(out, in->segment);
    if (address)
        PUT(out, ADDRESS_SIZE);
}

static void put_insn(Out *out, const Insn *in, bool address)
{
    put_prefixes(out, in, address);
    recode_put(out, in->tail - in->opcode_at, in->bytes + in->opcode_at);
    if (in->vex && in->bytes[in->opcode_at] == 0xc4)
        out->bytes[out->count - 2] &= 0x7f; /* W: ignored in 32-bit mode, 64-bit operands here */
    if (in->memory)
        recode_put_operand(out, in, in->modrm >> 3);
    else
        recode_put(out, in->size - in->tail, in->bytes + in->tail);
}

static void inline_copy(Out *out, const Insn *in)
{
    put_insn(out, in, in->memory);
}

/* An address, or a count in ECX, that no ModRM byte tells of. */
static void inline_implicit(Out *out, const Insn *in)
{
    put_insn(out, in, true);
}

/* The one-byte forms are REX prefixes. */
static void inline_inc_dec(Out *out, const Insn *in)
{
    put_prefixes(out, in, false);
    PUT(out, 0xff, (uint8_t)(0xc0 | (in->opcode & 15)));
}

/* ---- rows ---- */

typedef struct {
    uint8_t map, first, last;
    int8_t reg;
    uint8_t form, operand;
    uint8_t reason;
    RecodeFn in_line, stub;
} Row;

static const Row rows[] = {
#define LEAVE_OUT(map, first, last, reg, form, operand, reason)                                    \
    {map, first, last, reg, form, operand, REASON_##reason, NULL, NULL},
#define INLINE(map, first, last, reg, form, operand, name)                                         \
    {map, first, last, reg, form, operand, REASON_NONE, inline_##name, NULL},
#define STUB(map, first, last, reg, form, operand, name)                                           \
    {map, first, last, reg, form, operand, REASON_NONE, NULL, recode_stub_##name},
#include "tests/oracle/recode.def"
};

static const Row plain = {.in_line = inline_copy};

static const Row *find_row(const Insn *in)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows) && !in->vex; i++) {
        const Row *row = &rows[i];
        if (row->map == in->map && in->opcode >= row->first && in->opcode <= row->last &&
            (row->reg < 0 || row->reg == (in->modrm >> 3 & 7)) &&
            (row->form == ANY || (row->form == MEM) == in->memory) &&
            (row->operand == ANY || (row->operand == S16) == in->size16))
            return row;
    }
    return &plain;
}

/* JMP rel32 to the stub. LOCK makes all of them undefined, here as there. */
static void put_stub(const Row *row, const Insn *in, uint32_t stub_at, Out *out, Recoded *recoded)
{
    Out stub = {.bytes = recoded->stub, .at = stub_at};
    if (in->lock) {
        inline_copy(out, in);
        return;
    }
    row->stub(&stub, in);
    assert(stub.count <= sizeof recoded->stub);
    recoded->stub_size = (uint8_t)stub.count;
    PUT(out, 0xe9);
    recode_put32(
        out, stub_at -
                 (in->next + in->shift)); /* it ends where the original does: padding is in front */
}

void recode_insn(const uint8_t *insn, unsigned size, RecodePlace place, Recoded *out)
{
    Insn in = take_apart(insn, size);
    in.next = place.at + size;
    in.shift = place.shift;
    const Row *row = find_row(&in);
    unsigned reason = row->reason;
    Out bytes = {.bytes = out->bytes};
    out->stub_size = 0;
    bool address = in.memory || row->in_line == inline_implicit;
    if (!reason && address && (in.addr16 || in.code_segment))
        reason = in.addr16 ? REASON_ADDR16 : REASON_CODE_SEGMENT;
    if (!reason && row->in_line)
        row->in_line(&bytes, &in);
    else if (!reason)
        put_stub(row, &in, place.stub, &bytes, out);
    bool no_stub = row->stub && !in.lock && !out->stub_size;
    if (!reason && (bytes.count > RECODE_MAX || no_stub))
        reason = REASON_LENGTH;
    out->size = (uint8_t)bytes.count;
    out->reason = reasons[reason];
}

uint32_t recode_shift(const OracleCase *oc)
{
    return oc->code_at < ORACLE_CODE + ORACLE_CODE_RW ? HOST_SHIFT : 0;
}

void recode_case(const OracleCase *oc, uint8_t *code, uint8_t *stubs)
{
    for (unsigned i = 0; i < oc->insn_count; i++) {
        unsigned start = oc->insn_at[i], size = oc->insn_at[i + 1] - start;
        RecodePlace place = {oc->code_at + start, recode_shift(oc), HOST_STUBS + RECODE_STUB * i};
        Recoded insn;
        recode_insn(oc->code + start, size, place, &insn);
        g_assert(!insn.reason && insn.size <= size);
        memset(code + start, RECODE_PAD64, size - insn.size);
        memcpy(code + start + size - insn.size, insn.bytes, insn.size);
        memcpy(stubs + RECODE_STUB * i, insn.stub, insn.stub_size);
    }
}
