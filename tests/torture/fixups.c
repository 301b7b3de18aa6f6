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
    put32(b, f->at, spot < 0 ? program_stack(b->p) : random_mapping(b) + (unsigned)spot + 4);
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
        at = rng_below(&b->rng, b->p->block_at[b->p->blocks]);
    } while (at + f->size >= IMAGE_SIZE || parts_spot(&b->spots[SPOT_DISP], at, f->size) ||
             parts_spot(&b->spots[SPOT_BRANCH], at, f->size) ||
             parts_spot(&b->spots[SPOT_ADDRESS], at, f->size));
    put32(b, f->at, random_mapping(b) + at);
    put32(b, f->imm_at, random_mapping(b) + at);
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
