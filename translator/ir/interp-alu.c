/* SPDX-License-Identifier: MIT */
#include "translator/ir/interp-alu.h"

#include "base/bits.h"

/* Load the flags, run one instruction, read them back. The stack pointer steps over the red zone. */
#define FLAGS_AROUND(text)                                                                         \
    "lea -128(%%rsp), %%rsp\n\tpushq %[f]\n\tpopfq\n\t" text                                       \
    "\n\tpushfq\n\tpopq %[f]\n\tlea 128(%%rsp), %%rsp"

#define DEFINE_ALU(name, insn, suffix, mod)                                                        \
    static uint64_t name##_##suffix(uint64_t d, uint64_t a, uint64_t *flags)                       \
    {                                                                                              \
        uint64_t f = (*flags & FLAGS_ARITH) | 2;                                                   \
        asm volatile(FLAGS_AROUND(insn " %" mod "[a], %" mod "[d]")                                \
                     : [d] "+r"(d), [f] "+r"(f)                                                    \
                     : [a] "r"(a)                                                                  \
                     : "cc", "memory");                                                            \
        *flags = f & FLAGS_ARITH;                                                                  \
        return d;                                                                                  \
    }
#define DEFINE_UNARY(name, insn, suffix, mod)                                                      \
    static uint64_t name##_##suffix(uint64_t d, uint64_t a, uint64_t *flags)                       \
    {                                                                                              \
        uint64_t f = (*flags & FLAGS_ARITH) | 2;                                                   \
        (void)a;                                                                                   \
        asm volatile(FLAGS_AROUND(insn " %" mod "[d]")                                             \
                     : [d] "+r"(d), [f] "+r"(f)                                                    \
                     :                                                                             \
                     : "cc", "memory");                                                            \
        *flags = f & FLAGS_ARITH;                                                                  \
        return d;                                                                                  \
    }
#define DEFINE_SHIFT(name, insn, suffix, mod)                                                      \
    static uint64_t name##_##suffix(uint64_t d, uint64_t a, uint64_t *flags)                       \
    {                                                                                              \
        uint64_t f = (*flags & FLAGS_ARITH) | 2;                                                   \
        asm volatile(FLAGS_AROUND(insn " %%cl, %" mod "[d]")                                       \
                     : [d] "+r"(d), [f] "+r"(f)                                                    \
                     : "c"(a)                                                                      \
                     : "cc", "memory");                                                            \
        *flags = f & FLAGS_ARITH;                                                                  \
        return d;                                                                                  \
    }

#define ALL_WIDTHS(define, name, insn)                                                             \
    define(name, insn "b", b, "b") define(name, insn "w", w, "w") define(name, insn "l", l, "k")   \
        define(name, insn "q", q, "q")
#define WORD_WIDTHS(define, name, insn)                                                            \
    define(name, insn "w", w, "w") define(name, insn "l", l, "k") define(name, insn "q", q, "q")

ALL_WIDTHS(DEFINE_ALU, add, "add")
ALL_WIDTHS(DEFINE_ALU, or, "or")
ALL_WIDTHS(DEFINE_ALU, adc, "adc")
ALL_WIDTHS(DEFINE_ALU, sbb, "sbb")
ALL_WIDTHS(DEFINE_ALU, and, "and")
ALL_WIDTHS(DEFINE_ALU, sub, "sub")
ALL_WIDTHS(DEFINE_ALU, xor, "xor")
ALL_WIDTHS(DEFINE_ALU, cmp, "cmp")
ALL_WIDTHS(DEFINE_ALU, test, "test")
WORD_WIDTHS(DEFINE_ALU, imul2, "imul")
WORD_WIDTHS(DEFINE_ALU, bt, "bt")
WORD_WIDTHS(DEFINE_ALU, bts, "bts")
WORD_WIDTHS(DEFINE_ALU, btr, "btr")
WORD_WIDTHS(DEFINE_ALU, btc, "btc")
WORD_WIDTHS(DEFINE_ALU, bsf, "bsf")
WORD_WIDTHS(DEFINE_ALU, bsr, "bsr")
ALL_WIDTHS(DEFINE_UNARY, inc, "inc")
ALL_WIDTHS(DEFINE_UNARY, dec, "dec")
ALL_WIDTHS(DEFINE_UNARY, neg, "neg")
ALL_WIDTHS(DEFINE_SHIFT, rol, "rol")
ALL_WIDTHS(DEFINE_SHIFT, ror, "ror")
ALL_WIDTHS(DEFINE_SHIFT, rcl, "rcl")
ALL_WIDTHS(DEFINE_SHIFT, rcr, "rcr")
ALL_WIDTHS(DEFINE_SHIFT, shl, "shl")
ALL_WIDTHS(DEFINE_SHIFT, shr, "shr")
ALL_WIDTHS(DEFINE_SHIFT, sar, "sar")

#define ROW(ir, name) [IR_##ir] = {name##_b, name##_w, name##_l, name##_q}
#define WORD_ROW(ir, name) [IR_##ir] = {NULL, name##_w, name##_l, name##_q}

static const AluFn functions[IR_OP_COUNT][4] = {
    ROW(ADD, add), ROW(OR, or),   ROW(ADC, adc),   ROW(SBB, sbb), ROW(AND, and), ROW(SUB, sub),
    ROW(XOR, xor), ROW(CMP, cmp), ROW(TEST, test), ROW(INC, inc), ROW(DEC, dec), ROW(NEG, neg),
    ROW(ROL, rol), ROW(ROR, ror), ROW(RCL, rcl),   ROW(RCR, rcr), ROW(SHL, shl), ROW(SHR, shr),
    ROW(SAR, sar),
    WORD_ROW(IMUL2, imul2), WORD_ROW(BT, bt),   WORD_ROW(BTS, bts), WORD_ROW(BTR, btr),
    WORD_ROW(BTC, btc),     WORD_ROW(BSF, bsf), WORD_ROW(BSR, bsr),
};

static AluFn function_of(IrOp op, unsigned width)
{
    return functions[op][width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3];
}

AluFn interp_alu2(IrOp op, unsigned width)
{
    return function_of(op, width);
}

AluFn interp_unary(IrOp op, unsigned width)
{
    return function_of(op, width);
}

AluFn interp_shift(IrOp op, unsigned width)
{
    return function_of(op, width);
}

#define SHIFTD(insn, mod)                                                                          \
    asm volatile(FLAGS_AROUND(insn " %%cl, %" mod "[a], %" mod "[d]")                              \
                 : [d] "+r"(d), [f] "+r"(f)                                                        \
                 : [a] "r"(a), "c"(count)                                                          \
                 : "cc", "memory")

uint64_t interp_shiftd(IrOp op, unsigned width, uint64_t d, uint64_t a, uint64_t count,
                       uint64_t *flags)
{
    uint64_t f = (*flags & FLAGS_ARITH) | 2;
    const bool left = op == IR_SHLD;
    if (width == 2 && left)
        SHIFTD("shldw", "w");
    else if (width == 2)
        SHIFTD("shrdw", "w");
    else if (width == 4 && left)
        SHIFTD("shldl", "k");
    else if (width == 4)
        SHIFTD("shrdl", "k");
    else if (left)
        SHIFTD("shldq", "q");
    else
        SHIFTD("shrdq", "q");
    *flags = f & FLAGS_ARITH;
    return d;
}

#define MULDIV(insn, mod)                                                                          \
    asm volatile(FLAGS_AROUND(insn " %" mod "[a]")                                                 \
                 : "+a"(lo), "+d"(hi), [f] "+r"(f)                                                 \
                 : [a] "r"(a)                                                                      \
                 : "cc", "memory")
#define MULDIV_WIDTHS(insn)                                                                        \
    do {                                                                                           \
        if (width == 1)                                                                            \
            MULDIV(insn "b", "b");                                                                 \
        else if (width == 2)                                                                       \
            MULDIV(insn "w", "w");                                                                 \
        else if (width == 4)                                                                       \
            MULDIV(insn "l", "k");                                                                 \
        else                                                                                       \
            MULDIV(insn "q", "q");                                                                 \
    } while (0)

static bool unsigned_fits(unsigned width, const uint64_t acc[2], uint64_t a)
{
    uint64_t mask = width_mask(width);
    a &= mask;
    uint64_t high = width == 1 ? (acc[0] >> 8) & 0xff : acc[1] & mask;
    return a != 0 && high < a;
}

static bool signed_fits(unsigned width, const uint64_t acc[2], uint64_t a)
{
    uint64_t mask = width_mask(width);
    const unsigned __int128 high = (unsigned __int128)(__int128)sign_extend(acc[1], width);
    const __int128 dividend = width == 1 ? (__int128)(int16_t)acc[0]
                                         : (__int128)(high << (8 * width) | (acc[0] & mask));
    int64_t divisor = sign_extend(a, width);
    if (divisor == 0)
        return false;
    if (divisor == -1 && dividend == (__int128)((unsigned __int128)1 << 127))
        return false;
    __int128 quotient = dividend / divisor;
    __int128 limit = (__int128)1 << (8 * width - 1);
    return quotient >= -limit && quotient < limit;
}

bool interp_muldiv(IrOp op, unsigned width, uint64_t acc[2], uint64_t a, uint64_t *flags)
{
    uint64_t f = (*flags & FLAGS_ARITH) | 2;
    uint64_t lo = acc[0], hi = acc[1];
    if (op == IR_MUL) {
        MULDIV_WIDTHS("mul");
    } else if (op == IR_IMUL) {
        MULDIV_WIDTHS("imul");
    } else if (op == IR_DIV) {
        if (!unsigned_fits(width, acc, a))
            return false;
        MULDIV_WIDTHS("div");
    } else {
        if (!signed_fits(width, acc, a))
            return false;
        MULDIV_WIDTHS("idiv");
    }
    acc[0] = lo;
    acc[1] = hi;
    *flags = f & FLAGS_ARITH;
    return true;
}

bool interp_condition(unsigned cond, uint64_t flags)
{
    const bool cf = flags & FLAG_CF, zf = flags & FLAG_ZF, sf = flags & FLAG_SF,
               of = flags & FLAG_OF, pf = flags & FLAG_PF;
    const bool result[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};
    return result[cond >> 1] != (cond & 1);
}
