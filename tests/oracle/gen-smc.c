/* SPDX-License-Identifier: MIT
 * Self-modifying snippets: stores into immediates and one-byte opcodes of their
 * own block, ahead and behind, inside bounded loops. They lie in the one code
 * page that the snippet may write. */
#include <string.h>

#include "tests/oracle/gen-priv.h"
#include "tests/oracle/values.h"

enum { MAX_SPOTS = 16 };

/* Places that may be overwritten, and stores that are to be pointed at one of them. */
typedef struct {
    Snippet *s;
    struct {
        uint8_t insn, delta;
    } imm[MAX_SPOTS], opcode[MAX_SPOTS];
    unsigned imms, opcodes;
    struct {
        uint16_t at; /* of the store's disp32 */
        bool opcode;
    } store[MAX_SPOTS];
    unsigned stores;
} Smc;

static const uint8_t one_byte[] = {0x40, 0x41, 0x42, 0x43, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a,
                                   0x4b, 0x4d, 0x4e, 0x4f, 0x90, 0xf5, 0xf8, 0xf9, 0x98, 0x99};

/* The same in 64-bit mode: no INC and DEC. */
static const uint8_t one_byte_recoded[] = {0x90, 0xf5, 0xf8, 0xf9, 0x98, 0x99, 0x91,
                                           0x92, 0x93, 0x96, 0x97, 0x9e, 0x9f};

static uint8_t random_opcode(Smc *m)
{
    if (m->s->gen->recoded)
        return one_byte_recoded[rng_below(&m->s->rng, sizeof one_byte_recoded)];
    return one_byte[rng_below(&m->s->rng, sizeof one_byte)];
}

static void emit_opcode_spot(Smc *m)
{
    uint8_t byte = random_opcode(m);
    if (m->opcodes == MAX_SPOTS)
        return;
    m->opcode[m->opcodes].insn = (uint8_t)m->s->oc->insn_count;
    m->opcodes += gen_emit(m->s, &byte, 1);
}

/* mov, add, adc, sbb, xor, cmp r32, imm32 */
static void emit_imm_spot(Smc *m)
{
    static const uint8_t extensions[] = {0, 2, 3, 5, 6, 7};
    Rng *rng = &m->s->rng;
    unsigned r = rng_below(rng, 8);
    if (r == REG_ESP || m->imms == MAX_SPOTS)
        return;
    uint32_t imm = value_int32(rng);
    uint8_t bytes[6] = {(uint8_t)(0xb8 | r)};
    unsigned n = 1;
    if (rng_percent(rng, 60)) {
        bytes[0] = 0x81;
        bytes[n++] = (uint8_t)(0xc0 | extensions[rng_below(rng, sizeof extensions)] << 3 | r);
    }
    memcpy(bytes + n, &imm, 4);
    m->imm[m->imms].insn = (uint8_t)m->s->oc->insn_count;
    m->imm[m->imms].delta = (uint8_t)n;
    m->imms += gen_emit(m->s, bytes, n + 4);
}

/* mov byte [disp32], imm8; mov byte [disp32], r8; add dword [disp32], imm8; xchg */
static void emit_store(Smc *m)
{
    Rng *rng = &m->s->rng;
    uint8_t bytes[7] = {0};
    unsigned kind = rng_below(rng, 4), n, disp = 2;
    bool opcode = false;
    if (m->stores == MAX_SPOTS)
        return;
    if (kind == 0) {
        opcode = rng_percent(rng, 60);
        memcpy(bytes, (uint8_t[]){0xc6, 0x05}, 2);
        bytes[6] = opcode ? random_opcode(m) : (uint8_t)value_int32(rng);
        n = 7;
    } else if (kind == 1) {
        memcpy(bytes, (uint8_t[]){0x88, (uint8_t)(rng_below(rng, 8) << 3 | 5)}, 2);
        n = 6;
    } else if (kind == 2) {
        memcpy(bytes, (uint8_t[]){0x83, 0x05}, 2);
        bytes[6] = (uint8_t)value_int32(rng);
        n = 7;
    } else {
        memcpy(bytes, (uint8_t[]){0x89, (uint8_t)(rng_below(rng, 8) << 3 | 5)}, 2);
        n = 6;
    }
    if (!gen_emit(m->s, bytes, n))
        return;
    m->store[m->stores].at = (uint16_t)(m->s->oc->code_size - n + disp);
    m->store[m->stores++].opcode = opcode;
}

static void point_stores(Smc *m)
{
    OracleCase *oc = m->s->oc;
    for (unsigned i = 0; i < m->stores; i++) {
        unsigned spots = m->store[i].opcode ? m->opcodes : m->imms;
        uint32_t address = ORACLE_DATA + 0x200;
        if (spots) {
            unsigned k = rng_below(&m->s->rng, spots);
            address = m->store[i].opcode
                          ? oc->code_at + oc->insn_at[m->opcode[k].insn]
                          : oc->code_at + oc->insn_at[m->imm[k].insn] + m->imm[k].delta;
        }
        memcpy(oc->code + m->store[i].at, &address, 4);
    }
}

void gen_smc_body(Snippet *s, unsigned count)
{
    Smc m = {.s = s};
    for (unsigned tries = 0; s->oc->insn_count < count && tries < 40; tries++) {
        uint32_t kind = rng_below(&s->rng, 100);
        if (kind < 25)
            emit_store(&m);
        else if (kind < 50)
            emit_imm_spot(&m);
        else if (kind < 70)
            emit_opcode_spot(&m);
        else if (kind < 82)
            gen_loop_end(s);
        else
            gen_flag_reader(s);
    }
    point_stores(&m);
}
