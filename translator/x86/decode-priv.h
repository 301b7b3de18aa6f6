/* SPDX-License-Identifier: MIT
 * State of one decode, shared by decode.c (prefixes, rows) and decode-operands.c. */
#ifndef TRANSLATOR_X86_DECODE_PRIV_H
#define TRANSLATOR_X86_DECODE_PRIV_H

#include "translator/x86/mode.h"
#include "translator/x86/tables-priv.h"

typedef struct {
    X86Insn *insn;
    const uint8_t *bytes;
    unsigned pos, count;
    uint32_t mode;
    const CpuModel *model;
    DecodeResult status; /* sticky: after a short fetch all bytes read as 0 */
    bool undefined;      /* operands that do not exist make it so */
    bool mem_done;       /* SIB and displacement are read */
    bool vex_v_used;
    uint8_t simd_prefix; /* index for SUB_PREFIX: none, 66, F3, F2 */
} Decoder;

static inline uint8_t decode_byte(Decoder *d)
{
    if (d->status != DECODE_OK)
        return 0;
    /* the limit is looked at first: no 16th byte is ever fetched */
    if (d->pos >= X86_MAX_INSN)
        d->status = DECODE_TOO_LONG;
    else if (d->pos >= d->count)
        d->status = DECODE_MORE;
    else
        return d->bytes[d->pos++];
    return 0;
}

static inline uint8_t decode_modrm(Decoder *d)
{
    if (!d->insn->has_modrm) {
        d->insn->has_modrm = true;
        d->insn->modrm = decode_byte(d);
    }
    return d->insn->modrm;
}

static inline bool decode_long(const Decoder *d)
{
    return d->mode & MODE_LONG64;
}

/* Read the operand that an OPERAND row (operands.def) describes as the insn's next one. */
void decode_operand(Decoder *d, unsigned letters);

#endif
