/* SPDX-License-Identifier: MIT
 * GuestOps.translate: decodes and lifts one block. Owns where a block ends; knows no
 * instruction. */
#include "translator/x86/translate.h"

#include "translator/x86/lift.h"

enum { BLOCK_MAX_SIDE_EXITS = 3 };

/* The guest bytes of the block, in one or two pages. */
typedef struct {
    const uint8_t *first, *second;
    unsigned first_size, second_size;
} Source;

typedef enum {
    FETCH_OK,
    FETCH_FAULT,    /* #GP: past the CS limit, or too long */
    FETCH_NEXT_PAGE /* bytes of the second page are needed */
} FetchResult;

/* Up to 15 bytes at `offset`; where they lie in two pages, in `buffer`. */
static const uint8_t *gather(const Source *source, unsigned offset, uint8_t *buffer,
                             unsigned *count)
{
    unsigned in_first = source->first_size - offset;
    if (in_first >= X86_MAX_INSN || !source->second) {
        *count = MIN(in_first, X86_MAX_INSN);
        return source->first + offset;
    }
    unsigned in_second = MIN(X86_MAX_INSN - in_first, source->second_size);
    memcpy(buffer, source->first + offset, in_first);
    memcpy(buffer + in_first, source->second, in_second);
    *count = in_first + in_second;
    return buffer;
}

/* *seen: bytes that a fault of the fetch depends on, at least one. */
static FetchResult fetch_insn(const Lift *l, const Source *source, unsigned offset, X86Insn *insn,
                              unsigned *seen)
{
    uint8_t buffer[X86_MAX_INSN];
    unsigned count;
    *seen = 1;
    if (!lift_target_ok(l, l->pc))
        return FETCH_FAULT;
    const uint8_t *bytes = gather(source, offset, buffer, &count);
    bool limited = false;
    if (!(l->mode & MODE_LONG64) && (uint64_t)l->cs_limit - l->pc + 1 <= count) {
        count = (unsigned)(l->cs_limit - l->pc) + 1;
        limited = true;
    }
    *seen = MAX(count, 1);
    switch (x86_decode(insn, bytes, count, l->mode, l->model)) {
    case DECODE_OK:
        return FETCH_OK;
    case DECODE_MORE:
        return limited || source->second ? FETCH_FAULT : FETCH_NEXT_PAGE;
    case DECODE_TOO_LONG:
        return FETCH_FAULT;
    }
    g_assert_not_reached();
}

/* The fetch itself faults: #GP(0) at l->pc. The block covers all `seen` bytes, as others in their
 * place may be an instruction. */
static void lift_fetch_fault(Lift *l, unsigned seen)
{
    IrInsn *mark = ir_append(l->ir, IR_INSN, 0);
    mark->imm = (int64_t)l->pc;
    mark->aux = 1;
    l->temps = 0;
    lift_raise(l, VEC_GP, true, 0);
    l->ir->guest_bytes += seen;
    l->ir->guest_insns += 1;
}

/* Beyond 64 KiB 16-bit code meets its limit and does not wrap. MANUAL: silent; processors do so. */
static uint64_t next_pc(const Lift *l, uint64_t pc)
{
    return l->mode & MODE_LONG64 ? pc : pc & 0xffffffff;
}

static unsigned count_side_exits(const IrBlock *block, unsigned from)
{
    unsigned exits = 0;
    for (unsigned k = from; k < block->count; k++) {
        unsigned attrs = ir_op_info[block->insns[k].op].attrs;
        exits += (attrs & IR_ATTR_EXIT) && !(attrs & IR_ATTR_END);
    }
    return exits;
}

/* Go on where the last instruction ended. */
static void lift_fall_through(Lift *l, uint64_t pc)
{
    ir_append(l->ir, IR_EXIT, 0)->imm = (int64_t)pc;
    l->end = true;
}

static bool block_is_full(const Lift *l, const TranslateLimits *limits, unsigned first_size,
                          unsigned side_exits)
{
    const IrBlock *block = l->ir;
    return block->solo || block->guest_insns >= limits->max_insns ||
           side_exits >= BLOCK_MAX_SIDE_EXITS || block->guest_bytes >= first_size ||
           l->next_pc < l->pc;
}

/* Will any instruction that follows this one still be part of the block? */
static bool goes_on(const Lift *l, const TranslateLimits *limits, unsigned first_size,
                    unsigned side_exits)
{
    const IrBlock *block = l->ir;
    return !block->solo && block->guest_insns + 1 < limits->max_insns &&
           side_exits < BLOCK_MAX_SIDE_EXITS && l->next_pc > l->pc &&
           block->guest_bytes + l->insn->length + X86_MAX_INSN <= MIN(first_size, limits->max_bytes);
}

bool x86_translate(VCpu *vcpu, const BlockState *state, const TranslateLimits *limits,
                   const uint8_t *code, unsigned code_size, const uint8_t *second,
                   unsigned second_size, IrBlock *block, bool *need_second)
{
    const Source source = {code, second, code_size, second_size};
    X86Insn insn;
    Lift l = {.ir = block,
              .insn = &insn,
              .mode = state->mode,
              .pc = state->pc,
              .next_pc = state->pc,
              .cs_limit = state->cs_limit,
              .model = &cpu_x86(vcpu)->model,
              .limits = limits};
    unsigned side_exits = 0;
    *need_second = false;
    block->movable = state->mode & MODE_CODE32; /* IP of 16-bit code wraps */
    block->solo = state->mode & (MODE_SINGLE_STEP | MODE_SHADOW | MODE_BREAKPOINTS);
    while (!l.end) {
        l.pc = l.next_pc;
        unsigned seen;
        FetchResult result = fetch_insn(&l, &source, block->guest_bytes, &insn, &seen);
        bool fits = result == FETCH_OK && block->guest_bytes + insn.length <= limits->max_bytes;
        if (block->guest_insns && !fits) {
            lift_fall_through(&l, l.pc); /* its fault or its page is the next block's */
            l.next_pc = l.pc;
            break;
        }
        if (result == FETCH_NEXT_PAGE) {
            *need_second = true;
            return false;
        }
        if (result == FETCH_FAULT) {
            lift_fetch_fault(&l, seen);
            break;
        }
        unsigned before = block->count;
        l.next_pc = next_pc(&l, l.pc + insn.length);
        l.in_first = block->guest_bytes + insn.length <= code_size;
        l.goes_on = goes_on(&l, limits, code_size, side_exits);
        lift_insn(&l);
        block->guest_insns++;
        block->guest_bytes += insn.length;
        side_exits += count_side_exits(block, before);
        if (!l.end && block_is_full(&l, limits, code_size, side_exits))
            lift_fall_through(&l, l.next_pc);
    }
    block->next_pc = l.next_pc;
    return true;
}
