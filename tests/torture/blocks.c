/* SPDX-License-Identifier: MIT
 * The blocks of a torture program. ECX counts blocks down, ESP is set
 * before it is used; all else is at the instructions' disposal. */
#include <string.h>

#include "tests/torture/program-priv.h"

void emit(Builder *b, unsigned count, const uint8_t *bytes)
{
    memcpy(b->image + b->at, bytes, count);
    b->at += count;
}

void emit32(Builder *b, uint32_t value)
{
    emit(b, 4, (const uint8_t *)&value);
}

void fix(Builder *b, Fixup fixup)
{
    if (b->fixup_count < MAX_FIXUPS)
        b->fixups[b->fixup_count++] = fixup;
}

void add_spot(Builder *b, SpotKind kind, unsigned at)
{
    Spots *spots = &b->spots[kind];
    bool any = kind == SPOT_IMM || kind == SPOT_BYTE || kind == SPOT_OPCODE || kind == SPOT_MOV;
    bool whole = any || at / PAGE == (at + 3) / PAGE;
    if (whole && spots->count < MAX_SPOTS)
        spots->at[spots->count++] = (uint16_t)at;
}

static const uint8_t free_regs[] = {EAX, EDX, EBX, EBP, ESI, EDI};

unsigned random_reg(Builder *b)
{
    return free_regs[rng_below(&b->rng, sizeof free_regs)];
}

/* ---- instructions that compute ---- */

uint8_t random_mov(Rng *rng)
{
    return 0xb8 | free_regs[rng_below(rng, sizeof free_regs)];
}

/* mov r8, imm8 or ALU r32, imm8, sign-extended */
static void emit_imm8(Builder *b, unsigned r)
{
    static const uint8_t bytes[] = {0, 2, 3, 4, 6, 7}; /* AL DL BL AH DH BH */
    if (rng_percent(&b->rng, 40))
        EMIT(b, 0xb0 | bytes[rng_below(&b->rng, sizeof bytes)]);
    else
        EMIT(b, 0x83, (uint8_t)(0xc0 | rng_below(&b->rng, 8) << 3 | r));
    add_spot(b, SPOT_BYTE, b->at);
    EMIT(b, (uint8_t)rng_next(&b->rng));
}

/* mov or ALU r32, imm32 */
static void emit_imm(Builder *b)
{
    unsigned r = random_reg(b);
    if (rng_percent(&b->rng, 30)) {
        emit_imm8(b, r);
        return;
    }
    if (rng_percent(&b->rng, 40)) {
        add_spot(b, SPOT_MOV, b->at);
        EMIT(b, (uint8_t)(0xb8 | r));
    } else
        EMIT(b, 0x81, (uint8_t)(0xc0 | rng_below(&b->rng, 8) << 3 | r));
    add_spot(b, SPOT_IMM, b->at);
    emit32(b, (uint32_t)rng_next(&b->rng));
}

uint8_t random_opcode(Rng *rng)
{
    static const uint8_t opcodes[] = {0x40, 0x42, 0x43, 0x45, 0x46, 0x47, 0x48, 0x4a, 0x4b,
                                      0x4d, 0x4e, 0x4f, 0x90, 0x92, 0x93, 0x95, 0x96, 0x97,
                                      0x98, 0x99, 0x9e, 0x9f, 0xf5, 0xf8, 0xf9};
    return opcodes[rng_below(rng, sizeof opcodes)];
}

static void emit_opcode(Builder *b)
{
    add_spot(b, SPOT_OPCODE, b->at);
    EMIT(b, random_opcode(&b->rng));
}

/* Readers and writers of flags on registers. */
static void emit_registers(Builder *b)
{
    static const uint8_t opcodes[] = {0x01, 0x11, 0x19, 0x29, 0x31, 0x39, 0x85};
    unsigned r = random_reg(b);
    switch (rng_below(&b->rng, 4)) {
    case 0:
        EMIT(b, 0xc1, (uint8_t)(0xc0 | rng_below(&b->rng, 6) << 3 | r), 3); /* rol..shr r, 3 */
        break;
    case 1:
        EMIT(b, 0x0f, (uint8_t)(0x40 | rng_below(&b->rng, 16)),
             (uint8_t)(0xc0 | r << 3 | random_reg(b))); /* cmovcc */
        break;
    default:
        EMIT(b, opcodes[rng_below(&b->rng, sizeof opcodes)],
             (uint8_t)(0xc0 | random_reg(b) << 3 | r));
    }
}

uint32_t random_data(Builder *b)
{
    if (b->free_count && rng_percent(&b->rng, 30)) /* beside code */
        return random_mapping(b) + b->free_at[rng_below(&b->rng, b->free_count)];
    return program_data(b->p) + DATA_FREE + rng_below(&b->rng, DATA_SIZE - DATA_FREE - 16);
}

static void emit_memory(Builder *b)
{
    static const uint8_t opcodes[] = {0x01, 0x03, 0x11, 0x13, 0x29, 0x31, 0x39, 0x89, 0x8b, 0x8b};
    EMIT(b, opcodes[rng_below(&b->rng, sizeof opcodes)], (uint8_t)(random_reg(b) << 3 | 5));
    add_spot(b, SPOT_DISP, b->at);
    emit32(b, random_data(b));
}

/* ---- stores into code ---- */

static void fix_store(Builder *b, SpotKind spot, unsigned disp_at, unsigned imm_at, unsigned size)
{
    fix(b, (Fixup){.kind = FIX_STORE,
                   .spot = spot,
                   .size = (uint8_t)size,
                   .near = (uint8_t)MIN(b->spots[spot].count, 255),
                   .at = (uint16_t)disp_at,
                   .imm_at = (uint16_t)imm_at});
}

/* mov [spot], imm */
static void emit_store_imm(Builder *b)
{
    SpotKind spot = rng_below(&b->rng, SPOT_KINDS);
    if (spot == SPOT_OPCODE || spot == SPOT_BYTE) {
        EMIT(b, 0xc6, 0x05, 0, 0, 0, 0, 0);
        fix_store(b, spot, b->at - 5, b->at - 1, 1);
    } else {
        EMIT(b, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0);
        fix_store(b, spot, b->at - 8, b->at - 4, 4);
    }
}

/* mov, add, xor, xchg, lock xadd [spot], reg of 1, 2 or 4 bytes */
static void emit_store_reg(Builder *b)
{
    static const uint8_t opcodes[] = {0x88, 0x88, 0x89, 0x89, 0x01, 0x31, 0x87, 0x29, 0x86};
    uint8_t opcode = opcodes[rng_below(&b->rng, sizeof opcodes)],
            modrm = (uint8_t)(random_reg(b) << 3 | 5);
    if (rng_percent(&b->rng, 15))
        EMIT(b, 0x66);
    if ((opcode & 1) && rng_percent(&b->rng, 15)) {
        modrm &= 0x1d; /* EAX to EBX: not ECX */
        modrm = (modrm >> 3) == ECX ? 5 : modrm;
        EMIT(b, 0xf0, 0x0f, 0xc1, modrm);
    } else {
        modrm = (opcode | 1) == 0x87 && (modrm >> 3 & 3) == ECX ? 5 : modrm; /* XCHG: CL, CH too */
        EMIT(b, opcode, modrm);
    }
    emit32(b, 0);
    fix_store(b, SPOT_IMM, b->at - 4, 0, opcode & 1 ? 4 : 1);
}

/* add dword [spot], imm8; inc byte [spot] */
static void emit_store_change(Builder *b)
{
    if (rng_percent(&b->rng, 50)) {
        EMIT(b, 0x83, 0x05, 0, 0, 0, 0, (uint8_t)rng_next(&b->rng));
        fix_store(b, SPOT_IMM, b->at - 5, 0, 4);
    } else {
        EMIT(b, 0xfe, 0x05, 0, 0, 0, 0);
        fix_store(b, SPOT_IMM, b->at - 4, 0, 1);
    }
}

static void fix_copy(Builder *b, unsigned from_at, unsigned to_at, unsigned size)
{
    fix(b, (Fixup){.kind = FIX_COPY,
                   .size = (uint8_t)size,
                   .at = (uint16_t)from_at,
                   .imm_at = (uint16_t)to_at});
}

/* From one copy of the code to another: by XMM and MMX registers and by string instructions. */
static void emit_copy(Builder *b)
{
    unsigned at = b->at;
    switch (rng_below(&b->rng, 4)) {
    case 0: /* movups */
        EMIT(b, 0x0f, 0x10, 0x05, 0, 0, 0, 0, 0x0f, 0x11, 0x05, 0, 0, 0, 0);
        fix_copy(b, at + 3, at + 10, 16);
        break;
    case 1: /* movq mm0 */
        EMIT(b, 0x0f, 0x6f, 0x05, 0, 0, 0, 0, 0x0f, 0x7f, 0x05, 0, 0, 0, 0);
        fix_copy(b, at + 3, at + 10, 8);
        break;
    case 2: /* mov esi; mov edi; movsd */
        EMIT(b, 0xbe, 0, 0, 0, 0, 0xbf, 0, 0, 0, 0, 0xa5);
        fix_copy(b, at + 1, at + 6, 4);
        break;
    default: { /* mov [save], ecx; mov ecx; mov esi; mov edi; rep movsb; mov ecx, [save] */
        uint8_t size = (uint8_t)(1 + rng_below(&b->rng, 60));
        uint32_t save = program_data(b->p) + DATA_SAVE_ECX;
        EMIT(b, 0x89, 0x0d);
        emit32(b, save);
        EMIT(b, 0xb9, size, 0, 0, 0, 0xbe, 0, 0, 0, 0, 0xbf, 0, 0, 0, 0, 0xf3, 0xa4, 0x8b, 0x0d);
        emit32(b, save);
        fix_copy(b, at + 12, at + 17, size);
    }
    }
}

/* A push whose stack is code, often at the end of a run: mov [save], esp; mov esp, spot + 4, less what
 * is popped; pop reg...; push imm32; mov esp, [save] */
static void emit_push(Builder *b)
{
    uint32_t save = program_data(b->p) + DATA_SAVE_ESP;
    const unsigned pops = rng_below(&b->rng, 4);
    EMIT(b, 0x89, 0x25);
    emit32(b, save);
    EMIT(b, 0xbc, 0, 0, 0, 0);
    const unsigned at = b->at - 4;
    for (unsigned i = 0; i < pops; i++)
        EMIT(b, (uint8_t)(0x58 + random_reg(b)));
    EMIT(b, 0x68, 0, 0, 0, 0, 0x8b, 0x25);
    fix(b, (Fixup){.kind = FIX_PUSH,
                   .spot = rng_percent(&b->rng, 60) ? SPOT_IMM : SPOT_BRANCH,
                   .size = (uint8_t)(4 * pops),
                   .at = (uint16_t)at,
                   .imm_at = (uint16_t)(b->at - 6)});
    emit32(b, save);
}

/* ---- paging ---- */

/* Address of the entry, its value, and the linear address it maps. */
static void random_remap(Builder *b, bool present, uint32_t out[3])
{
    unsigned page =
        MIN(rng_below(&b->rng, b->at / PAGE + 2), IMAGE_PAGES - 1); /* with blocks on it */
    static const uint32_t mappings[] = {LINEAR_CODE, LINEAR_CODE, LINEAR_ALIAS, LINEAR_TWIN};
    uint32_t linear = mappings[rng_below(&b->rng, 4)] + page * PAGE;
    unsigned space = b->p->kind == PROGRAM_GLOBAL ? 0 : rng_below(&b->rng, 2);
    out[0] = LINEAR_TABLES + space * PAGE + (linear - LINEAR) / PAGE * (b->p->pae ? 8 : 4);
    out[1] = random_image_pte(b, page, present);
    out[2] = linear;
}

void keep_on_page(Builder *b, unsigned count)
{
    while (b->at / PAGE != (b->at + count - 1) / PAGE)
        EMIT(b, 0x90);
}

/* mov dword [entry], value; invlpg [linear]: what stands between must be the same on every page */
static void emit_remap_inline(Builder *b)
{
    uint32_t remap[3];
    random_remap(b, true, remap);
    keep_on_page(b, 17);
    EMIT(b, 0xc7, 0x05);
    emit32(b, remap[0]);
    emit32(b, remap[1]);
    EMIT(b, 0x0f, 0x01, 0x3d);
    emit32(b, remap[2]);
}

static void emit_remap_by_kernel(Builder *b)
{
    uint32_t remap[3];
    random_remap(b, false, remap);
    keep_on_page(b, 17);
    EMIT(b, 0xb8 | EAX);
    emit32(b, remap[0]);
    EMIT(b, 0xb8 | EDX);
    emit32(b, remap[1]);
    EMIT(b, 0xb8 | EBX);
    emit32(b, remap[2]);
    EMIT(b, 0xcd, INT_SET_PTE);
}

static void emit_cr3(Builder *b)
{
    unsigned space = b->p->kind == PROGRAM_GLOBAL ? 0 : rng_below(&b->rng, 2);
    EMIT(b, 0xb8 | EAX);
    emit32(b, b->p->cr3[space]);
    if (b->p->kind == PROGRAM_USER)
        EMIT(b, 0xcd, INT_SET_CR3);
    else
        EMIT(b, 0x0f, 0x22, 0xd8);
}

static void emit_paging(Builder *b)
{
    uint32_t kind = rng_below(&b->rng, 100);
    if (b->p->kind == PROGRAM_FLAT)
        emit_memory(b);
    else if (kind < 35 && b->p->kind != PROGRAM_USER)
        emit_remap_inline(b);
    else if (kind < 65)
        emit_remap_by_kernel(b);
    else if (kind < 90)
        emit_cr3(b);
    else
        EMIT(b, 0xcd, INT_FLIP_PGE);
}

/* ---- branches ---- */

void emit_rel(Builder *b)
{
    add_spot(b, SPOT_BRANCH, b->at);
    fix(b, (Fixup){.kind = FIX_BLOCK_REL, .at = (uint16_t)b->at});
    emit32(b, 0);
}

static void emit_address(Builder *b)
{
    add_spot(b, SPOT_ADDRESS, b->at);
    fix(b, (Fixup){.kind = FIX_BLOCK_ADDRESS, .at = (uint16_t)b->at});
    emit32(b, 0);
}

static void emit_jcc(Builder *b)
{
    EMIT(b, 0x0f, (uint8_t)(0x80 | rng_below(&b->rng, 16)));
    emit_rel(b);
}

void emit_stack(Builder *b)
{
    EMIT(b, 0xb8 | ESP);
    emit32(b, program_stack(b->p));
}

static void emit_end(Builder *b)
{
    unsigned r = random_reg(b);
    switch (rng_below(&b->rng, 13)) {
    case 12: /* push address; ret: no call of this CPL's, but perhaps of the handler's */
        emit_stack(b);
        EMIT(b, 0x68);
        emit32(b, program_kernel(b->p) + KERNEL_BEHIND_CALL);
        EMIT(b, 0xc3);
        break;
    case 10:
        emit_flip_jump(b);
        break;
    case 11: /* mov eax, [index]; inc eax; and eax, 15; mov [index], eax; jmp [entries + 4 * eax] */
        EMIT(b, 0xa1);
        emit32(b, program_data(b->p) + DATA_INDEX);
        EMIT(b, 0x40, 0x83, 0xe0, ENTRY_COUNT - 1, 0xa3);
        emit32(b, program_data(b->p) + DATA_INDEX);
        EMIT(b, 0xff, 0x24, 0x85);
        emit32(b, program_kernel(b->p) + KERNEL_ENTRIES);
        break;
    case 0: /* mov reg, address; jmp reg */
        EMIT(b, (uint8_t)(0xb8 | r));
        emit_address(b);
        EMIT(b, 0xff, (uint8_t)(0xe0 | r));
        break;
    case 1: /* push address; ret */
        emit_stack(b);
        EMIT(b, 0x68);
        emit_address(b);
        EMIT(b, 0xc3);
        break;
    case 2:
        emit_stack(b);
        EMIT(b, 0xe8);
        emit_rel(b);
        break;
    case 3:
        EMIT(b, 0x0f, 0x0b); /* ud2: the handler goes on elsewhere */
        break;
    default:
        EMIT(b, 0xe9);
        emit_rel(b);
    }
}

/* ---- blocks ---- */

/* jecxz +2; loop +6; jmp [exit]: absolute, since the block runs in every mapping. */
static void emit_start(Builder *b)
{
    EMIT(b, 0xe3, 2, 0xe2, 6, 0xff, 0x25);
    emit32(b, program_kernel(b->p) + KERNEL_EXIT_POINTER);
}

void emit_any_insn(Builder *b)
{
    static const struct {
        uint8_t percent;
        void (*emit)(Builder *b);
    } kinds[] = {
        {17, emit_imm},       {12, emit_opcode},   {9, emit_registers},    {9, emit_memory},
        {14, emit_store_imm}, {8, emit_store_reg}, {4, emit_store_change}, {6, emit_copy},
        {2, emit_push},       {7, emit_paging},    {6, emit_jcc},          {4, emit_call},
        {2, emit_flip_call},
    };
    uint32_t kind = rng_below(&b->rng, 100);
    unsigned i = 0;
    while (kind >= kinds[i].percent)
        kind -= kinds[i++].percent;
    kinds[i].emit(b);
}

/* Near the last block, or across the end of its page. */
static void place_block(Builder *b)
{
    unsigned end = (b->at | (PAGE - 1)) + 1;
    if (rng_percent(&b->rng, 30) && end - b->at > 80 && end < IMAGE_SIZE)
        b->at = end - 10 - rng_below(&b->rng, 30); /* its first instructions are 10 bytes */
    else if (rng_percent(&b->rng, 50)) {
        b->free_at[b->free_count++] = (uint16_t)b->at;
        b->at += 4 + rng_below(&b->rng, 90);
    }
}

void blocks_emit(Builder *b)
{
    enum { MAX_BLOCK = 400 };
    Program *p = b->p;
    unsigned wanted = 3 + rng_below(&b->rng, MAX_BLOCKS - 2);
    b->at = rng_below(&b->rng, 64);
    while (p->blocks < wanted && b->at + MAX_BLOCK + FUNCTION_ROOM < IMAGE_SIZE) {
        unsigned count = 1 + rng_below(&b->rng, 10);
        place_block(b);
        p->block_at[p->blocks++] = (uint16_t)b->at;
        emit_start(b);
        while (count--)
            emit_any_insn(b);
        emit_end(b);
    }
    p->block_at[p->blocks] = (uint16_t)b->at;
    functions_emit(b);
}
