/* SPDX-License-Identifier: MIT
 * The decoder: prefixes, opcode, row, legality. What an opcode is stands in tables-*.c, what an
 * operand letter is in decode-operands.c; this file knows only how an instruction is put
 * together (SDM 2A "Instruction Format"). */
#include "translator/x86/decode-priv.h"

static const OpRow row_undefined = NO;

const char *x86_insn_name(InsnId id)
{
    static const char *const names[INSN_COUNT] = {
#define INSN(id, text, ...) [INSN_##id] = text,
#include "translator/x86/insns.def"
#undef INSN
    };
    return id < INSN_COUNT ? names[id] : "?";
}

/* --- prefixes --- */

static void override_segment(Decoder *d, unsigned seg)
{
    if (decode_long(d) && seg < SEG_FS)
        return;
    d->insn->seg = seg;
    d->insn->seg_override = true;
}

/* false: not a prefix. The last of a group counts. */
static bool take_prefix(Decoder *d, uint8_t byte, bool *address_prefix)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        override_segment(d, (byte >> 3) & 3);
        return true;
    case 0x64:
    case 0x65:
        override_segment(d, SEG_FS + (byte & 1));
        return true;
    case 0x66:
        d->insn->opsize_prefix = true;
        return true;
    case 0x67:
        *address_prefix = true;
        return true;
    case 0xf0:
        d->insn->lock = true;
        return true;
    case 0xf2:
    case 0xf3:
        d->insn->rep = byte;
        return true;
    default:
        return false;
    }
}

static void set_sizes(Decoder *d, bool address_prefix)
{
    X86Insn *insn = d->insn;
    if (decode_long(d)) {
        insn->op_size = insn->rex & 8 ? 8 : insn->opsize_prefix ? 2 : 4;
        insn->addr_size = address_prefix ? 4 : 8;
    } else {
        bool code32 = d->mode & MODE_CODE32;
        insn->op_size = code32 != insn->opsize_prefix ? 4 : 2;
        insn->addr_size = code32 != address_prefix ? 4 : 2;
    }
}

/* -> first opcode byte. A REX that another prefix follows does not count. */
static uint8_t take_prefixes(Decoder *d)
{
    bool address_prefix = false;
    uint8_t byte = decode_byte(d);
    while (d->status == DECODE_OK) {
        if (decode_long(d) && (byte & 0xf0) == 0x40)
            d->insn->rex = byte;
        else if (take_prefix(d, byte, &address_prefix))
            d->insn->rex = 0;
        else
            break;
        byte = decode_byte(d);
    }
    set_sizes(d, address_prefix);
    d->simd_prefix = d->insn->rep == 0xf3 ? 2 : d->insn->rep == 0xf2 ? 3 : d->insn->opsize_prefix;
    return byte;
}

/* --- opcode -> row --- */

static const OpRow *map_row(Decoder *d, unsigned map, uint8_t opcode)
{
    static const OpRow *const maps[4] = {x86_map_one, x86_map_0f, x86_map_0f38, x86_map_0f3a};
    d->insn->map = map;
    d->insn->opcode = opcode;
    return &maps[map][opcode];
}

/* C4 and C5 are VEX in 64-bit mode, and elsewhere when they would be LES, LDS with a register.
 * SDM 2A "Intel AVX": never in real and V86 mode. */
static bool is_vex(Decoder *d, uint8_t opcode)
{
    if ((opcode & 0xfe) != 0xc4)
        return false;
    if (decode_long(d))
        return true;
    if ((d->mode & (MODE_PROTECTED | MODE_VM86)) != MODE_PROTECTED)
        return false;
    return d->pos < d->count && d->bytes[d->pos] >= 0xc0;
}

/* The prefix's last bytes: W vvvv L pp. Outside 64-bit mode W and the top bit of vvvv count not. */
static bool take_vex_payload(Decoder *d, uint8_t first, uint8_t last)
{
    X86Insn *insn = d->insn;
    insn->vex = true;
    insn->vex_v = (~last >> 3) & 0xf;
    if (decode_long(d)) {
        insn->vex_w = last & 0x80;
        insn->rex = 0x40 | (insn->vex_w ? 8 : 0) | ((~first >> 5) & 7);
    } else {
        insn->vex_v &= 7;
    }
    d->simd_prefix = last & 3;
    /* L: all our VEX instructions are LZ */
    return !(last & 4);
}

static const OpRow *vex_row(Decoder *d, uint8_t prefix)
{
    X86Insn *insn = d->insn;
    bool legal = !insn->opsize_prefix && !insn->rep && !insn->lock && !insn->rex;
    uint8_t first = decode_byte(d);
    unsigned map = 1;
    if (prefix == 0xc4) {
        map = first & 0x1f;
        legal &= take_vex_payload(d, first, decode_byte(d));
    } else {
        legal &= take_vex_payload(d, first | 0x60, first & 0x7f);
    }
    insn->opcode = decode_byte(d);
    insn->map = map & 3;
    if (!legal || (map != 2 && map != 3))
        return &row_undefined;
    return map == 2 ? &x86_map_vex_0f38[insn->opcode] : &x86_map_vex_0f3a[insn->opcode];
}

static const OpRow *opcode_row(Decoder *d, uint8_t opcode)
{
    if (is_vex(d, opcode))
        return vex_row(d, opcode);
    if (opcode == 0x63 && decode_long(d)) {
        map_row(d, 0, opcode);
        return &x86_row_movsxd;
    }
    if (opcode != 0x0f)
        return map_row(d, 0, opcode);
    opcode = decode_byte(d);
    if (opcode == 0x38)
        return map_row(d, 2, decode_byte(d));
    if (opcode == 0x3a)
        return map_row(d, 3, decode_byte(d));
    return map_row(d, 1, opcode);
}

/* --- row -> instruction --- */

static bool model_offers(const CpuModel *model, unsigned need)
{
    switch (need) {
    case NEED_NONE:
        return true;
    case NEED_486:
        return model->family >= 4;
    case NEED_P6:
        return model->family >= 6;
    case NEED_CPUID:
        return model->has_cpuid;
    default:
        return cpu_has(model, need - NEED_FEATURE);
    }
}

static const OpRow *rep_row(Decoder *d, const OpRow *rows)
{
    static const uint8_t index_of_simd[4] = {0, 0, 1, 2};
    const OpRow *row = &rows[index_of_simd[d->simd_prefix]];
    if ((row->attrs & ATTR_ELSE_PLAIN) && !model_offers(d->model, row->need))
        return rows;
    if (row != rows)
        d->insn->mandatory = d->insn->rep;
    return row;
}

static const OpRow *sub_row(Decoder *d, const OpRow *row)
{
    static const uint8_t prefix_of_simd[4] = {0, 0x66, 0xf3, 0xf2};
    switch (row->sub) {
    case SUB_REG:
        return &row->rows[(decode_modrm(d) >> 3) & 7];
    case SUB_RM:
        return &row->rows[decode_modrm(d) & 7];
    case SUB_MOD:
        return &row->rows[decode_modrm(d) >= 0xc0];
    case SUB_PREFIX:
        d->insn->mandatory = prefix_of_simd[d->simd_prefix];
        return &row->rows[d->simd_prefix];
    case SUB_REP:
        return rep_row(d, row->rows);
    default: /* SUB_OPSIZE: 2, 4, 8 */
        return &row->rows[d->insn->op_size >> 2];
    }
}

static bool row_is_legal(const Decoder *d, const OpRow *row)
{
    if (row->need != NEED_NONE && !model_offers(d->model, row->need))
        return false;
    if ((row->attrs & ATTR_NO64) && decode_long(d))
        return false;
    if ((row->attrs & ATTR_PROTECTED) && (d->mode & (MODE_PROTECTED | MODE_VM86)) != MODE_PROTECTED)
        return false;
    return true;
}

static void use_row(Decoder *d, const OpRow *row)
{
    X86Insn *insn = d->insn;
    insn->id = row->id;
    insn->attrs = row->attrs;
    if (decode_long(d) &&
        ((row->attrs & ATTR_FORCE64) || ((row->attrs & ATTR_DEF64) && insn->op_size == 4)))
        insn->op_size = 8;
    for (unsigned i = 0; i < X86_MAX_OPERANDS && row->opd[i] && !d->undefined; i++)
        decode_operand(d, row->opd[i]);
    /* SDM 2A "LOCK": only listed instructions, only with a memory destination */
    if (insn->lock && !((row->attrs & ATTR_LOCK) && insn->opd[0].kind == OPD_MEM))
        d->undefined = true;
    if (insn->vex && !d->vex_v_used && insn->vex_v != 0)
        d->undefined = true;
}

DecodeResult x86_decode(X86Insn *insn, const uint8_t *bytes, unsigned count, uint32_t mode,
                        const CpuModel *model)
{
    *insn = (X86Insn){.seg = SEG_DS, .base = 0xff, .index = 0xff, .scale = 1};
    Decoder d = {.insn = insn, .bytes = bytes, .count = count, .mode = mode, .model = model};

    const OpRow *row = opcode_row(&d, take_prefixes(&d));
    while (row->sub != SUB_NONE)
        row = sub_row(&d, row);
    use_row(&d, row);
    if (!row_is_legal(&d, row))
        d.undefined = true;
    if (d.undefined) {
        insn->id = INSN_UD;
        insn->attrs = 0;
        insn->opd_count = 0;
    }
    insn->length = d.pos;
    return d.status;
}
