/* SPDX-License-Identifier: MIT
 * Functions of a torture program, and calls of them: nested and recursive, through any mapping;
 * callees that patch or remap their callers, or return behind the instruction they should
 * return to, to the same place in another mapping, to a block, or with something left on the stack.
 * Five bytes behind each call may be skipped. */
#include "tests/torture/program-priv.h"

/* mov reg, imm32 */
static void emit_skippable(Builder *b)
{
    EMIT(b, (uint8_t)(0xb8 | random_reg(b)));
    add_spot(b, SPOT_IMM, b->at);
    emit32(b, (uint32_t)rng_next(&b->rng));
}

static void emit_call_rel(Builder *b)
{
    EMIT(b, 0xe8);
    add_spot(b, SPOT_CALL, b->at);
    fix(b, (Fixup){.kind = FIX_CALL, .at = (uint16_t)b->at});
    emit32(b, 0);
}

/* mov reg, function; call reg */
static void emit_call_reg(Builder *b)
{
    unsigned r = random_reg(b);
    EMIT(b, (uint8_t)(0xb8 | r));
    fix(b, (Fixup){.kind = FIX_FUNCTION, .at = (uint16_t)b->at});
    emit32(b, 0);
    EMIT(b, 0xff, (uint8_t)(0xd0 | r));
}

static void emit_call_memory(Builder *b)
{
    EMIT(b, 0xff, 0x15);
    emit32(b, program_kernel(b->p) + KERNEL_FUNCTIONS + 4 * rng_below(&b->rng, ENTRY_COUNT));
}

static void emit_any_call(Builder *b)
{
    uint32_t kind = rng_below(&b->rng, 100);
    if (kind < 70)
        emit_call_rel(b);
    else if (kind < 85)
        emit_call_reg(b);
    else
        emit_call_memory(b);
    emit_skippable(b);
}

void emit_call(Builder *b)
{
    if (b->in_function) {
        emit_skippable(b);
        return;
    }
    emit_stack(b);
    if (rng_percent(&b->rng, 70)) { /* mov dword [depth], n */
        EMIT(b, 0xc7, 0x05);
        emit32(b, program_data(b->p) + DATA_DEPTH);
        emit32(b, rng_below(&b->rng, rng_percent(&b->rng, 20) ? 60 : 8));
    }
    emit_any_call(b);
}

/* ---- a page mapped to its other copy ---- */

/* Both ways: the entry's address, the page's, and that of code, 18 bytes behind the start. */
static void emit_flip(Builder *b, unsigned r, SpotKind what, bool again)
{
    keep_on_page(b, 17);
    const unsigned start = b->at;
    if (b->p->kind == PROGRAM_USER) { /* mov eax, entry; mov edx, change; mov ebx, page; int */
        EMIT(b, 0xb8 | EAX, 0, 0, 0, 0, 0xb8 | EDX);
        emit32(b, OTHER_COPY);
        EMIT(b, 0xb8 | EBX, 0, 0, 0, 0, 0xcd, INT_FLIP_PTE);
    } else { /* xor dword [entry], change; invlpg [page] */
        EMIT(b, 0x81, 0x35, 0, 0, 0, 0);
        emit32(b, OTHER_COPY);
        EMIT(b, 0x0f, 0x01, 0x3d, 0, 0, 0, 0);
    }
    EMIT(b, (uint8_t)(0xb8 | r), 0, 0, 0, 0);
    const unsigned entry_at = start + (b->p->kind == PROGRAM_USER ? 1 : 2);
    fix(b, (Fixup){.kind = FIX_FLIP,
                   .spot = what,
                   .near = again,
                   .size = (uint8_t)(start + 18 - entry_at),
                   .at = (uint16_t)entry_at,
                   .imm_at = (uint16_t)(start + (b->p->kind == PROGRAM_USER ? 11 : 13))});
}

void emit_flip_call(Builder *b)
{
    unsigned r = random_reg(b);
    if (b->p->kind == PROGRAM_FLAT || b->in_function) {
        emit_call(b);
        return;
    }
    emit_stack(b);
    bool again = false;
    do {
        emit_flip(b, r, SPOT_CALL, again);
        EMIT(b, 0xff, (uint8_t)(0xd0 | r));
        emit_skippable(b);
        EMIT(b, 0x01, 0x25); /* add [sum], esp */
        emit32(b, program_data(b->p) + DATA_SUM);
        again = !again;
    } while (again && rng_percent(&b->rng, 60));
}

void emit_flip_jump(Builder *b)
{
    unsigned r = random_reg(b);
    if (b->p->kind == PROGRAM_FLAT) {
        EMIT(b, 0xe9);
        emit_rel(b);
        return;
    }
    emit_flip(b, r, SPOT_BRANCH, false);
    EMIT(b, 0xff, (uint8_t)(0xe0 | r));
}

/* ---- the ends of functions ---- */

static void end_plain(Builder *b)
{
    EMIT(b, 0xc3);
}

/* add dword [esp], 5; ret */
static void end_skip(Builder *b)
{
    EMIT(b, 0x83, 0x04, 0x24, 5, 0xc3);
}

/* pop reg; jmp reg */
static void end_pop(Builder *b)
{
    unsigned r = random_reg(b);
    EMIT(b, (uint8_t)(0x58 | r), 0xff, (uint8_t)(0xe0 | r));
}

/* mov dword [esp], block; ret */
static void end_replaced(Builder *b)
{
    EMIT(b, 0xc7, 0x04, 0x24);
    fix(b, (Fixup){.kind = FIX_BLOCK_ADDRESS, .at = (uint16_t)b->at});
    emit32(b, 0);
    EMIT(b, 0xc3);
}

/* mov eax, [esp]; a change of the immediate there; ret */
static void end_patched(Builder *b)
{
    EMIT(b, 0x8b, 0x04, 0x24);
    switch (rng_below(&b->rng, 3)) {
    case 0:
        EMIT(b, 0xfe, 0x40, (uint8_t)(1 + rng_below(&b->rng, 4))); /* inc byte [eax + n] */
        break;
    case 1:
        EMIT(b, 0x89, 0x50, 1); /* mov [eax + 1], edx */
        break;
    default:
        EMIT(b, 0x01, 0x58, 1); /* add [eax + 1], ebx */
    }
    EMIT(b, 0xc3);
}

/* xor dword [esp], change; ret: to the same place in another mapping, if the caller's has one */
static void end_elsewhere(Builder *b)
{
    EMIT(b, 0x81, 0x34, 0x24);
    emit32(b, b->p->kind == PROGRAM_FLAT ? OTHER_COPY : OTHER_MAPPING);
    EMIT(b, 0xc3);
}

/* The page that is returned to shows its other copy; in the large mapping, another page does. What
 * is changed and what is invalidated must be the same, or the outcome depended on the TLB. */
static void end_remapped(Builder *b)
{
    const uint8_t scale = b->p->pae ? 0xc0 : 0x80;
    const unsigned space = b->p->kind == PROGRAM_GLOBAL ? 0 : rng_below(&b->rng, 2);
    const uint32_t tables = LINEAR_TABLES + space * PAGE;
    if (b->p->kind == PROGRAM_FLAT) {
        end_patched(b);
        return;
    }
    /* mov ebx, [esp]; and ebx, 1f000h; mov eax, ebx; shr eax, 12; add ebx, LINEAR */
    EMIT(b, 0x8b, 0x1c, 0x24, 0x81, 0xe3);
    emit32(b, (MAPPED_PAGES - 1) * PAGE);
    EMIT(b, 0x8b, 0xc3, 0xc1, 0xe8, 12, 0x81, 0xc3);
    emit32(b, LINEAR);
    if (b->p->kind == PROGRAM_USER) { /* lea eax, [tables + eax * scale]; mov edx, change; int */
        EMIT(b, 0x8d, 0x04, scale | 5);
        emit32(b, tables);
        EMIT(b, 0xb8 | EDX);
        emit32(b, OTHER_COPY);
        EMIT(b, 0xcd, INT_FLIP_PTE);
    } else { /* xor dword [tables + eax * scale], change; invlpg [ebx] */
        keep_on_page(b, 14);
        EMIT(b, 0x81, 0x34, scale | 5);
        emit32(b, tables);
        emit32(b, OTHER_COPY);
        EMIT(b, 0x0f, 0x01, 0x3b);
    }
    EMIT(b, 0xc3);
}

/* ret 4 */
static void end_unbalanced(Builder *b)
{
    EMIT(b, 0xc2, 4, 0);
}

static void emit_function_end(Builder *b)
{
    static const struct {
        uint8_t percent;
        void (*emit)(Builder *b);
    } ends[] = {
        {40, end_plain},   {12, end_skip},     {8, end_pop},      {8, end_replaced},
        {15, end_patched}, {7, end_elsewhere}, {7, end_remapped}, {3, end_unbalanced},
    };
    uint32_t kind = rng_below(&b->rng, 100);
    unsigned i = 0;
    while (kind >= ends[i].percent)
        kind -= ends[i++].percent;
    ends[i].emit(b);
}

static void emit_insns(Builder *b, unsigned below)
{
    for (unsigned count = rng_below(&b->rng, below); count; count--)
        emit_any_insn(b);
}

/* sub dword [depth], 1; js +n; call some function */
static void emit_nested(Builder *b)
{
    EMIT(b, 0x83, 0x2d);
    emit32(b, program_data(b->p) + DATA_DEPTH);
    EMIT(b, 1, 0x78, 0);
    const unsigned from = b->at;
    emit_any_call(b);
    b->image[from - 1] = (uint8_t)(b->at - from);
}

/* Close behind what is before, or with some of its bytes on the next page; which: of the first. */
static void place_function(Builder *b, unsigned which)
{
    unsigned end = (b->at | (PAGE - 1)) + 1;
    if (rng_percent(&b->rng, 40) && end - b->at > 40 && end < IMAGE_SIZE - PAGE / 2)
        b->at = end - 1 - rng_below(&b->rng, which);
    else
        b->at += rng_below(&b->rng, 40);
}

/* All that is known of its second page may be that this block runs on into it. */
static void emit_tiny_function(Builder *b)
{
    place_function(b, 4);
    b->p->function_at[b->p->functions++] = (uint16_t)b->at;
    emit_skippable(b);
    end_plain(b);
}

/* ret 4 or 8, which the copies differ in, across the end of a page: the last in the image. A block
 * ends with its first page, so that only of one that ends there anyway nothing else on the second
 * is ever run. */
static void emit_last_function(Builder *b)
{
    const unsigned end = (b->at | (PAGE - 1)) + 1;
    if (end + FUNCTION_ROOM > IMAGE_SIZE || end - b->at < 20)
        return;
    b->at = end - 1;
    b->p->function_at[b->p->functions++] = (uint16_t)b->at;
    b->differs_at = b->at + 1;
    EMIT(b, 0xc2, 4, 0);
}

static void emit_function(Builder *b)
{
    place_function(b, 30);
    b->p->function_at[b->p->functions++] = (uint16_t)b->at;
    emit_insns(b, 4);
    if (rng_percent(&b->rng, 60))
        emit_nested(b);
    emit_insns(b, 3);
    emit_function_end(b);
}

void functions_emit(Builder *b)
{
    Program *p = b->p;
    const unsigned wanted = 1 + rng_below(&b->rng, MAX_FUNCTIONS - 1);
    b->in_function = true;
    do {
        if (rng_percent(&b->rng, 35))
            emit_tiny_function(b);
        else
            emit_function(b);
    } while (p->functions < wanted && b->at + FUNCTION_ROOM < IMAGE_SIZE);
    if (rng_percent(&b->rng, 50))
        emit_last_function(b);
    p->function_at[p->functions] = (uint16_t)b->at;
}
