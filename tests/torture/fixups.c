/* SPDX-License-Identifier: MIT
 * Points branches at blocks and stores at spots, mostly near ones. */
#include <string.h>

#include "tests/torture/program-priv.h"

static void put32(Builder *b, unsigned at, uint32_t value)
{
    memcpy(b->image + at, &value, 4);
}

static unsigned random_block(Builder *b)
{
    return b->p->block_at[rng_below(&b->rng, b->p->blocks)];
}

static unsigned random_function(Builder *b)
{
    return b->p->function_at[rng_below(&b->rng, b->p->functions)];
}

/* What may be stored into this spot. */
static uint32_t suitable(Builder *b, SpotKind kind, unsigned at)
{
    switch (kind) {
    case SPOT_OPCODE:
        return random_opcode(&b->rng);
    case SPOT_MOV:
        return random_mov(&b->rng) | (uint32_t)rng_next(&b->rng) << 8;
    case SPOT_DISP:
        return random_data(b);
    case SPOT_BRANCH:
        return random_block(b) - (at + 4);
    case SPOT_CALL:
        return random_function(b) - (at + 4);
    case SPOT_ADDRESS:
        return random_mapping(b) + random_block(b);
    default:
        return (uint32_t)rng_next(&b->rng);
    }
}

/* One across the end of a page, or right behind it. */
static int crossing_spot(Builder *b)
{
    const Spots *spots = &b->spots[SPOT_IMM];
    unsigned start = rng_below(&b->rng, spots->count);
    for (unsigned i = 0; i < spots->count; i++) {
        unsigned at = spots->at[(start + i) % spots->count];
        if ((at + 3) % PAGE < 8)
            return (int)at;
    }
    return -1;
}

/* -1: there is none. */
static int random_spot(Builder *b, SpotKind kind, unsigned near)
{
    const Spots *spots = &b->spots[kind];
    if (!spots->count)
        return -1;
    int crossing = kind == SPOT_IMM && rng_percent(&b->rng, 20) ? crossing_spot(b) : -1;
    if (crossing >= 0)
        return crossing;
    unsigned i = rng_below(&b->rng, spots->count);
    if (rng_percent(&b->rng, 60)) /* just behind, or just before */
        i = MIN(near + rng_below(&b->rng, 5), spots->count + 1) - MIN(2, near);
    return spots->at[MIN(i, spots->count - 1)];
}

static void apply_store(Builder *b, const Fixup *f)
{
    int spot = random_spot(b, f->spot, f->near);
    if (spot < 0) {
        put32(b, f->at, program_data(b->p) + DATA_FREE);
        return;
    }
    unsigned offset = f->spot == SPOT_IMM ? rng_below(&b->rng, 5 - f->size) : 0;
    if (f->spot == SPOT_IMM &&
        (unsigned)spot % PAGE > PAGE - 4) /* the last byte alone, if it may be */
        offset = 4 - f->size;
    put32(b, f->at, random_mapping(b) + (unsigned)spot + offset);
    uint32_t value = suitable(b, f->spot, (unsigned)spot);
    if (f->imm_at)
        memcpy(b->image + f->imm_at, &value, f->size);
}

static void apply_push(Builder *b, const Fixup *f)
{
    int spot = random_spot(b, f->spot, b->spots[f->spot].count / 2);
    const uint32_t to = spot < 0 ? program_stack(b->p) : random_mapping(b) + (unsigned)spot + 4;
    put32(b, f->at, to - f->size);
    put32(b, f->imm_at, suitable(b, f->spot, spot < 0 ? 0 : (unsigned)spot));
}

/* Would copying [at, at + size) part a spot that must stay whole? */
static bool parts_spot(const Spots *spots, unsigned at, unsigned size)
{
    for (unsigned i = 0; i < spots->count; i++) {
        unsigned spot = spots->at[i];
        bool first = at > spot && at<spot + 4, last = at + size> spot && at + size < spot + 4;
        if (first || last)
            return true;
    }
    return false;
}

/* The same bytes of two mappings. */
static void apply_copy(Builder *b, const Fixup *f)
{
    unsigned at;
    do {
        at = rng_below(&b->rng, b->p->function_at[b->p->functions]);
    } while (at + f->size >= IMAGE_SIZE || parts_spot(&b->spots[SPOT_DISP], at, f->size) ||
             parts_spot(&b->spots[SPOT_BRANCH], at, f->size) ||
             parts_spot(&b->spots[SPOT_ADDRESS], at, f->size) ||
             parts_spot(&b->spots[SPOT_CALL], at, f->size));
    put32(b, f->at, random_mapping(b) + at);
    put32(b, f->imm_at, random_mapping(b) + at);
}

/* One whose first bytes lie on two pages, if there is one. */
static unsigned crossing_start(Builder *b, const uint16_t *at, unsigned count)
{
    const unsigned start = rng_below(&b->rng, count);
    for (unsigned i = 0; i < count; i++) {
        const unsigned candidate = at[(start + i) % count];
        if (candidate % PAGE > PAGE - 40)
            return candidate;
    }
    return at[start];
}

/* What is gone to next lies on the page that changes, or runs on into it. */
static void choose_flip(Builder *b, const Fixup *f)
{
    static const uint32_t mappings[] = {LINEAR_CODE, LINEAR_CODE, LINEAR_ALIAS, LINEAR_TWIN};
    const Program *p = b->p;
    const uint32_t mapping = mappings[rng_below(&b->rng, 4)];
    const unsigned space = p->kind == PROGRAM_GLOBAL ? 0 : rng_percent(&b->rng, 30);
    const bool call = f->spot == SPOT_CALL;
    const unsigned to =
        crossing_start(b, call ? p->function_at : p->block_at, call ? p->functions : p->blocks);
    const unsigned page = (to + (rng_percent(&b->rng, 70) ? 40 : 0)) / PAGE % IMAGE_PAGES;
    const uint32_t linear = mapping + page * PAGE;
    b->flip[0] = LINEAR_TABLES + space * PAGE + (linear - LINEAR) / PAGE * (p->pae ? 8 : 4);
    b->flip[1] = linear;
    b->flip[2] = mapping + to;
}

static void apply_flip(Builder *b, const Fixup *f)
{
    if (!f->near)
        choose_flip(b, f);
    put32(b, f->at, b->flip[0]);
    put32(b, f->imm_at, b->flip[1]);
    put32(b, f->at + f->size, b->flip[2]);
}

static void apply(Builder *b, const Fixup *f)
{
    switch (f->kind) {
    case FIX_BLOCK_REL:
        put32(b, f->at, suitable(b, SPOT_BRANCH, f->at));
        break;
    case FIX_BLOCK_ADDRESS:
        put32(b, f->at, suitable(b, SPOT_ADDRESS, f->at));
        break;
    case FIX_CALL:
        put32(b, f->at, suitable(b, SPOT_CALL, f->at));
        break;
    case FIX_FUNCTION:
        put32(b, f->at, random_mapping(b) + random_function(b));
        break;
    case FIX_FLIP:
        apply_flip(b, f);
        break;
    case FIX_STORE:
        apply_store(b, f);
        break;
    case FIX_COPY:
        apply_copy(b, f);
        break;
    case FIX_PUSH:
        apply_push(b, f);
        break;
    }
}

void fixups_apply(Builder *b)
{
    for (unsigned i = 0; i < b->fixup_count; i++)
        apply(b, &b->fixups[i]);
}
