/* SPDX-License-Identifier: MIT
 * The two-byte opcode map 0F xx (SDM 2D "Two-byte Opcode Map"). SSE rows without a given
 * mandatory prefix are undefined, as the manual's NP column says. */
#include "translator/x86/tables-priv.h"

#define CC16(row, base, prefix, ...)                                                               \
    [base] = row(prefix##O, __VA_ARGS__), [base + 1] = row(prefix##NO, __VA_ARGS__),               \
    [base + 2] = row(prefix##B, __VA_ARGS__), [base + 3] = row(prefix##AE, __VA_ARGS__),           \
    [base + 4] = row(prefix##E, __VA_ARGS__), [base + 5] = row(prefix##NE, __VA_ARGS__),           \
    [base + 6] = row(prefix##BE, __VA_ARGS__), [base + 7] = row(prefix##A, __VA_ARGS__),           \
    [base + 8] = row(prefix##S, __VA_ARGS__), [base + 9] = row(prefix##NS, __VA_ARGS__),           \
    [base + 10] = row(prefix##P, __VA_ARGS__), [base + 11] = row(prefix##NP, __VA_ARGS__),         \
    [base + 12] = row(prefix##L, __VA_ARGS__), [base + 13] = row(prefix##GE, __VA_ARGS__),         \
    [base + 14] = row(prefix##LE, __VA_ARGS__), [base + 15] = row(prefix##G, __VA_ARGS__)
#define CMOV_ROW(mnemonic, attributes, ...) F(mnemonic, CMOV, attributes, __VA_ARGS__)
#define HINT N(NOP, NEED_P6, 0, Ev) /* SDM 2B "NOP": 0F 18-1F are hints or nothing */
#define ZV_486(mnemonic) N(mnemonic, NEED_486, 0, Zv)
/* ps, pd, ss, sd forms of an arithmetic instruction. */
#define FLOAT4(mnemonic)                                                                           \
    BY_PREFIX(XS(mnemonic##PS, SSE, Vdq, Wdq), XS(mnemonic##PD, SSE2, Vdq, Wdq),                   \
              XS(mnemonic##SS, SSE, Vd, Wd), XS(mnemonic##SD, SSE2, Vq, Wq))
#define FLOAT_PACKED(mnemonic)                                                                     \
    BY_PREFIX(XS(mnemonic##PS, SSE, Vdq, Wdq), XS(mnemonic##PD, SSE2, Vdq, Wdq), NO, NO)
/* MMX shifts by an immediate, register form only. */
#define SHIFT_IMM(mnemonic)                                                                        \
    BY_PREFIX(MS(mnemonic, MMX, Nq, Ib), XS(mnemonic, SSE2, Udq, Ib), NO, NO)

static const OpRow group6[8] = {
    I(SLDT, ATTR_PROTECTED, RvMw),
    I(STR, ATTR_PROTECTED, RvMw),
    I(LLDT, ATTR_PROTECTED | ATTR_CPL0, Ew),
    I(LTR, ATTR_PROTECTED | ATTR_CPL0, Ew),
    I(VERR, ATTR_PROTECTED, Ew),
    I(VERW, ATTR_PROTECTED, Ew),
    NO,
    NO,
};

static const OpRow group7[8] = {
    BY_MOD(I(SGDT, 0, Ms), NO), /* VMX */
    BY_MOD(I(SIDT, 0, Ms), NO), /* MONITOR, MWAIT, SMAP */
    BY_MOD(I(LGDT, ATTR_CPL0, Ms), NO), /* XGETBV, XSETBV */
    BY_MOD(I(LIDT, ATTR_CPL0, Ms), NO), /* SVM */
    I(SMSW, 0, RvMw),
    NO,
    I(LMSW, ATTR_CPL0, Ew),
    BY_MOD(N(INVLPG, NEED_486, ATTR_CPL0, M),
           BY_RM(NO, F(RDTSCP, RDTSCP, 0), NO, NO, NO, NO, NO, NO)),
};

static const OpRow group8[8] = {
    NO, NO, NO, NO, I(BT, 0, Ev, Ib), I(BTS, LOCK, Ev, Ib), I(BTR, LOCK, Ev, Ib),
    I(BTC, LOCK, Ev, Ib),
};

static const OpRow group9[8] = {
    NO,
    F(CMPXCHG8B, CX8, LOCK, Mq),
    NO,
    NO,
    NO,
    NO,
    BY_REP(F(RDRAND, RDRAND, 0, Rv), NO, NO),
    BY_REP(F(RDSEED, RDSEED, 0, Rv), NO, NO),
};

static const OpRow group15_memory[8] = {
    F(FXSAVE, FXSR, ATTR_X87, M),
    F(FXRSTOR, FXSR, ATTR_X87, M),
    XS(LDMXCSR, SSE, Md),
    XW(STMXCSR, SSE, Md),
    NO,
    NO,
    NO,
    F(CLFLUSH, CLFLUSH, 0, Mb),
};

static const OpRow group15_register[8] = {
    NO, NO, NO, NO, NO, G(LFENCE, SSE2), G(MFENCE, SSE2), G(SFENCE, SSE),
};

static const OpRow group12[8] = {
    NO, NO, SHIFT_IMM(PSRLW), NO, SHIFT_IMM(PSRAW), NO, SHIFT_IMM(PSLLW), NO,
};

static const OpRow group13[8] = {
    NO, NO, SHIFT_IMM(PSRLD), NO, SHIFT_IMM(PSRAD), NO, SHIFT_IMM(PSLLD), NO,
};

static const OpRow group14[8] = {
    NO,
    NO,
    SHIFT_IMM(PSRLQ),
    X66(PSRLDQ, SSE2, Udq, Ib),
    NO,
    NO,
    SHIFT_IMM(PSLLQ),
    X66(PSLLDQ, SSE2, Udq, Ib),
};

static const OpRow group16[8] = {
    BY_MOD(N(PREFETCHNTA, NEED_P6, 0, Mb), HINT),
    BY_MOD(N(PREFETCHT0, NEED_P6, 0, Mb), HINT),
    BY_MOD(N(PREFETCHT1, NEED_P6, 0, Mb), HINT),
    BY_MOD(N(PREFETCHT2, NEED_P6, 0, Mb), HINT),
    HINT,
    HINT,
    HINT,
    HINT,
};

const OpRow x86_map_0f[256] = {
    [0x00] = TABLE(SUB_REG, group6),
    [0x01] = TABLE(SUB_REG, group7),
    [0x02] = I(LAR, ATTR_PROTECTED, Gv, Ew),
    [0x03] = I(LSL, ATTR_PROTECTED, Gv, Ew),
    [0x06] = I(CLTS, ATTR_CPL0),
    [0x08] = N(INVD, NEED_486, ATTR_CPL0),
    [0x09] = N(WBINVD, NEED_486, ATTR_CPL0),
    [0x0b] = I(UD2, 0),
    /* SDM 2B "PREFETCHW": other ModRM.reg values are hints too. APM 3 "PREFETCHlevel": a register
     * is #UD here, other than for 0F 18. */
    [0x0d] = BY_REG(F(PREFETCH, PREFETCHW, 0, Mb), F(PREFETCHW, PREFETCHW, 0, Mb),
                    F(PREFETCHWT1, PREFETCHW, 0, Mb), F(PREFETCH, PREFETCHW, 0, Mb),
                    F(PREFETCH, PREFETCHW, 0, Mb), F(PREFETCH, PREFETCHW, 0, Mb),
                    F(PREFETCH, PREFETCHW, 0, Mb), F(PREFETCH, PREFETCHW, 0, Mb)),

    [0x10] = BY_PREFIX(XS(MOVUPS, SSE, Vdq, Wdq), XS(MOVUPD, SSE2, Vdq, Wdq),
                       XS(MOVSS, SSE, Vd, Wd), XS(MOVSD, SSE2, Vq, Wq)),
    [0x11] = BY_PREFIX(XW(MOVUPS, SSE, Wdq, Vdq), XW(MOVUPD, SSE2, Wdq, Vdq),
                       XW(MOVSS, SSE, Wd, Vd), XW(MOVSD, SSE2, Wq, Vq)),
    [0x12] = BY_PREFIX(BY_MOD(XS(MOVLPS, SSE, Vq, Mq), XS(MOVHLPS, SSE, Vq, Uq)),
                       XS(MOVLPD, SSE2, Vq, Mq), XS(MOVSLDUP, SSE3, Vdq, Wdq),
                       XS(MOVDDUP, SSE3, Vdq, Wq)),
    [0x13] = BY_PREFIX(XW(MOVLPS, SSE, Mq, Vq), XW(MOVLPD, SSE2, Mq, Vq), NO, NO),
    [0x14] = FLOAT_PACKED(UNPCKL),
    [0x15] = FLOAT_PACKED(UNPCKH),
    [0x16] = BY_PREFIX(BY_MOD(XS(MOVHPS, SSE, Vq, Mq), XS(MOVLHPS, SSE, Vq, Uq)),
                       XS(MOVHPD, SSE2, Vq, Mq), XS(MOVSHDUP, SSE3, Vdq, Wdq), NO),
    [0x17] = BY_PREFIX(XW(MOVHPS, SSE, Mq, Vq), XW(MOVHPD, SSE2, Mq, Vq), NO, NO),
    [0x18] = TABLE(SUB_REG, group16),
    [0x19] = HINT,
    [0x1a] = HINT,
    [0x1b] = HINT,
    [0x1c] = HINT,
    [0x1d] = HINT,
    [0x1e] = HINT,
    [0x1f] = HINT,
    [0x20] = I(MOV_CR, ATTR_CPL0, Ry, Cy),
    [0x21] = I(MOV_DR, ATTR_CPL0, Ry, Dy),
    [0x22] = I(MOV_CR, ATTR_CPL0, Cy, Ry),
    [0x23] = I(MOV_DR, ATTR_CPL0, Dy, Ry),
    [0x28] = FLOAT_PACKED(MOVA),
    [0x29] = BY_PREFIX(XW(MOVAPS, SSE, Wdq, Vdq), XW(MOVAPD, SSE2, Wdq, Vdq), NO, NO),
    [0x2a] = BY_PREFIX(MX(CVTPI2PS, SSE, Vq, Qq), MX(CVTPI2PD, SSE2, Vdq, Qq),
                       XS(CVTSI2SS, SSE, Vd, Ey), XS(CVTSI2SD, SSE2, Vq, Ey)),
    [0x2b] = BY_PREFIX(XW(MOVNTPS, SSE, Mdq, Vdq), XW(MOVNTPD, SSE2, Mdq, Vdq), NO, NO),
    [0x2c] = BY_PREFIX(MX(CVTTPS2PI, SSE, Pq, Wq), MX(CVTTPD2PI, SSE2, Pq, Wdq),
                       XS(CVTTSS2SI, SSE, Gy, Wd), XS(CVTTSD2SI, SSE2, Gy, Wq)),
    [0x2d] = BY_PREFIX(MX(CVTPS2PI, SSE, Pq, Wq), MX(CVTPD2PI, SSE2, Pq, Wdq),
                       XS(CVTSS2SI, SSE, Gy, Wd), XS(CVTSD2SI, SSE2, Gy, Wq)),
    [0x2e] = BY_PREFIX(XS(UCOMISS, SSE, Vd, Wd), XS(UCOMISD, SSE2, Vq, Wq), NO, NO),
    [0x2f] = BY_PREFIX(XS(COMISS, SSE, Vd, Wd), XS(COMISD, SSE2, Vq, Wq), NO, NO),

    [0x30] = F(WRMSR, MSR, ATTR_CPL0),
    [0x31] = F(RDTSC, TSC, 0),
    [0x32] = F(RDMSR, MSR, ATTR_CPL0),
    [0x33] = N(RDPMC, NEED_P6, 0),
    [0x34] = F(SYSENTER, SEP, 0),
    [0x35] = F(SYSEXIT, SEP, 0),
    CC16(CMOV_ROW, 0x40, CMOV, 0, Gv, Ev),

    [0x50] = BY_PREFIX(XS(MOVMSKPS, SSE, Gd, Udq), XS(MOVMSKPD, SSE2, Gd, Udq), NO, NO),
    [0x51] = FLOAT4(SQRT),
    [0x52] = BY_PREFIX(XS(RSQRTPS, SSE, Vdq, Wdq), NO, XS(RSQRTSS, SSE, Vd, Wd), NO),
    [0x53] = BY_PREFIX(XS(RCPPS, SSE, Vdq, Wdq), NO, XS(RCPSS, SSE, Vd, Wd), NO),
    [0x54] = FLOAT_PACKED(AND),
    [0x55] = FLOAT_PACKED(ANDN),
    [0x56] = FLOAT_PACKED(OR),
    [0x57] = FLOAT_PACKED(XOR),
    [0x58] = FLOAT4(ADD),
    [0x59] = FLOAT4(MUL),
    [0x5a] = BY_PREFIX(XS(CVTPS2PD, SSE2, Vdq, Wq), XS(CVTPD2PS, SSE2, Vdq, Wdq),
                       XS(CVTSS2SD, SSE2, Vq, Wd), XS(CVTSD2SS, SSE2, Vd, Wq)),
    [0x5b] = BY_PREFIX(XS(CVTDQ2PS, SSE2, Vdq, Wdq), XS(CVTPS2DQ, SSE2, Vdq, Wdq),
                       XS(CVTTPS2DQ, SSE2, Vdq, Wdq), NO),
    [0x5c] = FLOAT4(SUB),
    [0x5d] = FLOAT4(MIN),
    [0x5e] = FLOAT4(DIV),
    [0x5f] = FLOAT4(MAX),
    [0x60] = PAIR(PUNPCKLBW, MMX, SSE2, Qd),
    [0x61] = PAIR(PUNPCKLWD, MMX, SSE2, Qd),
    [0x62] = PAIR(PUNPCKLDQ, MMX, SSE2, Qd),
    [0x63] = MMX_PAIR(PACKSSWB),
    [0x64] = MMX_PAIR(PCMPGTB),
    [0x65] = MMX_PAIR(PCMPGTW),
    [0x66] = MMX_PAIR(PCMPGTD),
    [0x67] = MMX_PAIR(PACKUSWB),
    [0x68] = MMX_PAIR(PUNPCKHBW),
    [0x69] = MMX_PAIR(PUNPCKHWD),
    [0x6a] = MMX_PAIR(PUNPCKHDQ),
    [0x6b] = MMX_PAIR(PACKSSDW),
    [0x6c] = X66(PUNPCKLQDQ, SSE2, Vdq, Wdq),
    [0x6d] = X66(PUNPCKHQDQ, SSE2, Vdq, Wdq),
    [0x6e] = BY_PREFIX(MS(MOVD, MMX, Pq, Ey), XS(MOVD, SSE2, Vdq, Ey), NO, NO),
    [0x6f] = BY_PREFIX(MS(MOVQ, MMX, Pq, Qq), XS(MOVDQA, SSE2, Vdq, Wdq),
                       XS(MOVDQU, SSE2, Vdq, Wdq), NO),
    [0x70] = BY_PREFIX(MS(PSHUFW, SSE, Pq, Qq, Ib), XS(PSHUFD, SSE2, Vdq, Wdq, Ib),
                       XS(PSHUFHW, SSE2, Vdq, Wdq, Ib), XS(PSHUFLW, SSE2, Vdq, Wdq, Ib)),
    [0x71] = TABLE(SUB_REG, group12),
    [0x72] = TABLE(SUB_REG, group13),
    [0x73] = TABLE(SUB_REG, group14),
    [0x74] = MMX_PAIR(PCMPEQB),
    [0x75] = MMX_PAIR(PCMPEQW),
    [0x76] = MMX_PAIR(PCMPEQD),
    [0x77] = BY_PREFIX(MS(EMMS, MMX), NO, NO, NO),
    [0x7c] = BY_PREFIX(NO, XS(HADDPD, SSE3, Vdq, Wdq), NO, XS(HADDPS, SSE3, Vdq, Wdq)),
    [0x7d] = BY_PREFIX(NO, XS(HSUBPD, SSE3, Vdq, Wdq), NO, XS(HSUBPS, SSE3, Vdq, Wdq)),
    [0x7e] = BY_PREFIX(MW(MOVD, MMX, Ey, Pq), XW(MOVD, SSE2, Ey, Vdq),
                       XS(MOVQ, SSE2, Vq, Wq), NO),
    [0x7f] = BY_PREFIX(MW(MOVQ, MMX, Qq, Pq), XW(MOVDQA, SSE2, Wdq, Vdq),
                       XW(MOVDQU, SSE2, Wdq, Vdq), NO),

    CC16(I, 0x80, J, ATTR_FORCE64, Jz),
    CC16(I, 0x90, SET, 0, Eb),
    [0xa0] = I(PUSH_SEG, ATTR_DEF64, Seg_FS),
    [0xa1] = I(POP_SEG, ATTR_DEF64, Seg_FS),
    [0xa2] = N(CPUID, NEED_CPUID, 0),
    [0xa3] = I(BT, 0, Ev, Gv),
    [0xa4] = I(SHLD, 0, Ev, Gv, Ib),
    [0xa5] = I(SHLD, 0, Ev, Gv, CL),
    [0xa8] = I(PUSH_SEG, ATTR_DEF64, Seg_GS),
    [0xa9] = I(POP_SEG, ATTR_DEF64, Seg_GS),
    [0xab] = I(BTS, LOCK, Ev, Gv),
    [0xac] = I(SHRD, 0, Ev, Gv, Ib),
    [0xad] = I(SHRD, 0, Ev, Gv, CL),
    [0xae] = BY_PREFIX(BY_MOD(TABLE(SUB_REG, group15_memory), TABLE(SUB_REG, group15_register)),
                       NO, NO, NO),
    [0xaf] = I(IMUL2, 0, Gv, Ev),
    [0xb0] = N(CMPXCHG, NEED_486, LOCK, Eb, Gb),
    [0xb1] = N(CMPXCHG, NEED_486, LOCK, Ev, Gv),
    [0xb2] = I(LSS, 0, Gv, Mp),
    [0xb3] = I(BTR, LOCK, Ev, Gv),
    [0xb4] = I(LFS, 0, Gv, Mp),
    [0xb5] = I(LGS, 0, Gv, Mp),
    [0xb6] = I(MOVZX, 0, Gv, Eb),
    [0xb7] = I(MOVZX, 0, Gv, Ew),
    [0xb8] = BY_REP(NO, G(POPCNT, POPCNT, Gv, Ev), NO),
    [0xb9] = I(UD1, 0, Gv, Ev),
    [0xba] = TABLE(SUB_REG, group8),
    [0xbb] = I(BTC, LOCK, Ev, Gv),
    /* SDM 2A "LZCNT", 2B "TZCNT": BSR and BSF where the CPU does not know them */
    [0xbc] = BY_REP(I(BSF, 0, Gv, Ev),
                    F(TZCNT, BMI1, ATTR_NATIVE | ATTR_GPR_NATIVE | ATTR_MEM_READ | ATTR_ELSE_PLAIN,
                      Gv, Ev),
                    I(BSF, 0, Gv, Ev)),
    [0xbd] = BY_REP(I(BSR, 0, Gv, Ev),
                    F(LZCNT, ABM, ATTR_NATIVE | ATTR_GPR_NATIVE | ATTR_MEM_READ | ATTR_ELSE_PLAIN,
                      Gv, Ev),
                    I(BSR, 0, Gv, Ev)),
    [0xbe] = I(MOVSX, 0, Gv, Eb),
    [0xbf] = I(MOVSX, 0, Gv, Ew),
    [0xc0] = N(XADD, NEED_486, LOCK, Eb, Gb),
    [0xc1] = N(XADD, NEED_486, LOCK, Ev, Gv),
    [0xc2] = BY_PREFIX(XS(CMPPS, SSE, Vdq, Wdq, Ib), XS(CMPPD, SSE2, Vdq, Wdq, Ib),
                       XS(CMPSS, SSE, Vd, Wd, Ib), XS(CMPSD, SSE2, Vq, Wq, Ib)),
    [0xc3] = BY_PREFIX(
        F(MOVNTI, SSE2, ATTR_NATIVE | ATTR_GPR_NATIVE | ATTR_MEM_WRITE, My, Gy), NO, NO, NO),
    [0xc4] = BY_PREFIX(MS(PINSRW, SSE, Pq, RdMw, Ib), XS(PINSRW, SSE2, Vdq, RdMw, Ib), NO, NO),
    [0xc5] = BY_PREFIX(MS(PEXTRW, SSE, Gd, Nq, Ib), XS(PEXTRW, SSE2, Gd, Udq, Ib), NO, NO),
    [0xc6] = BY_PREFIX(XS(SHUFPS, SSE, Vdq, Wdq, Ib), XS(SHUFPD, SSE2, Vdq, Wdq, Ib), NO, NO),
    [0xc7] = TABLE(SUB_REG, group9),
    [0xc8] = ZV_486(BSWAP),
    [0xc9] = ZV_486(BSWAP),
    [0xca] = ZV_486(BSWAP),
    [0xcb] = ZV_486(BSWAP),
    [0xcc] = ZV_486(BSWAP),
    [0xcd] = ZV_486(BSWAP),
    [0xce] = ZV_486(BSWAP),
    [0xcf] = ZV_486(BSWAP),

    [0xd0] = BY_PREFIX(NO, XS(ADDSUBPD, SSE3, Vdq, Wdq), NO, XS(ADDSUBPS, SSE3, Vdq, Wdq)),
    [0xd1] = MMX_PAIR(PSRLW),
    [0xd2] = MMX_PAIR(PSRLD),
    [0xd3] = MMX_PAIR(PSRLQ),
    [0xd4] = PAIR(PADDQ, SSE2, SSE2, Qq),
    [0xd5] = MMX_PAIR(PMULLW),
    [0xd6] = BY_PREFIX(NO, XW(MOVQ, SSE2, Wq, Vq), MX(MOVQ2DQ, SSE2, Vdq, Nq),
                       MX(MOVDQ2Q, SSE2, Pq, Uq)),
    [0xd7] = BY_PREFIX(MS(PMOVMSKB, SSE, Gd, Nq), XS(PMOVMSKB, SSE2, Gd, Udq), NO, NO),
    [0xd8] = MMX_PAIR(PSUBUSB),
    [0xd9] = MMX_PAIR(PSUBUSW),
    [0xda] = PAIR(PMINUB, SSE, SSE2, Qq),
    [0xdb] = MMX_PAIR(PAND),
    [0xdc] = MMX_PAIR(PADDUSB),
    [0xdd] = MMX_PAIR(PADDUSW),
    [0xde] = PAIR(PMAXUB, SSE, SSE2, Qq),
    [0xdf] = MMX_PAIR(PANDN),
    [0xe0] = PAIR(PAVGB, SSE, SSE2, Qq),
    [0xe1] = MMX_PAIR(PSRAW),
    [0xe2] = MMX_PAIR(PSRAD),
    [0xe3] = PAIR(PAVGW, SSE, SSE2, Qq),
    [0xe4] = PAIR(PMULHUW, SSE, SSE2, Qq),
    [0xe5] = MMX_PAIR(PMULHW),
    [0xe6] = BY_PREFIX(NO, XS(CVTTPD2DQ, SSE2, Vq, Wdq), XS(CVTDQ2PD, SSE2, Vdq, Wq),
                       XS(CVTPD2DQ, SSE2, Vq, Wdq)),
    [0xe7] = BY_PREFIX(MW(MOVNTQ, SSE, Mq, Pq), XW(MOVNTDQ, SSE2, Mdq, Vdq), NO, NO),
    [0xe8] = MMX_PAIR(PSUBSB),
    [0xe9] = MMX_PAIR(PSUBSW),
    [0xea] = PAIR(PMINSW, SSE, SSE2, Qq),
    [0xeb] = MMX_PAIR(POR),
    [0xec] = MMX_PAIR(PADDSB),
    [0xed] = MMX_PAIR(PADDSW),
    [0xee] = PAIR(PMAXSW, SSE, SSE2, Qq),
    [0xef] = MMX_PAIR(PXOR),
    [0xf0] = BY_PREFIX(NO, NO, NO, XS(LDDQU, SSE3, Vdq, Mdq)),
    [0xf1] = MMX_PAIR(PSLLW),
    [0xf2] = MMX_PAIR(PSLLD),
    [0xf3] = MMX_PAIR(PSLLQ),
    [0xf4] = PAIR(PMULUDQ, SSE2, SSE2, Qq),
    [0xf5] = MMX_PAIR(PMADDWD),
    [0xf6] = PAIR(PSADBW, SSE, SSE2, Qq),
    [0xf7] = BY_PREFIX(F(MASKMOVQ, SSE, ATTR_MMX, Pq, Nq), F(MASKMOVDQU, SSE2, ATTR_SSE, Vdq, Udq),
                       NO, NO),
    [0xf8] = MMX_PAIR(PSUBB),
    [0xf9] = MMX_PAIR(PSUBW),
    [0xfa] = MMX_PAIR(PSUBD),
    [0xfb] = PAIR(PSUBQ, SSE2, SSE2, Qq),
    [0xfc] = MMX_PAIR(PADDB),
    [0xfd] = MMX_PAIR(PADDW),
    [0xfe] = MMX_PAIR(PADDD),
    [0xff] = I(UD0, 0, Gv, Ev),
};
