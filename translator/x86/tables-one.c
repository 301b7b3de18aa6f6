/* SPDX-License-Identifier: MIT
 * The one-byte opcode map (SDM 2D "One-Byte Opcode Map"). Prefix bytes never get here. */
#include "translator/x86/tables-priv.h"

#define ALU(base, mnemonic, attributes)                                                            \
    [base] = I(mnemonic, attributes, Eb, Gb), [base + 1] = I(mnemonic, attributes, Ev, Gv),        \
    [base + 2] = I(mnemonic, 0, Gb, Eb), [base + 3] = I(mnemonic, 0, Gv, Ev),                      \
    [base + 4] = I(mnemonic, 0, AL, Ib), [base + 5] = I(mnemonic, 0, rAX, Iz)
#define EIGHT(base, mnemonic, attributes, ...)                                                     \
    [base] = I(mnemonic, attributes, ##__VA_ARGS__),                                               \
    [base + 1] = I(mnemonic, attributes, ##__VA_ARGS__),                                           \
    [base + 2] = I(mnemonic, attributes, ##__VA_ARGS__),                                           \
    [base + 3] = I(mnemonic, attributes, ##__VA_ARGS__),                                           \
    [base + 4] = I(mnemonic, attributes, ##__VA_ARGS__),                                           \
    [base + 5] = I(mnemonic, attributes, ##__VA_ARGS__),                                           \
    [base + 6] = I(mnemonic, attributes, ##__VA_ARGS__),                                           \
    [base + 7] = I(mnemonic, attributes, ##__VA_ARGS__)
#define GROUP1(attributes, ...)                                                                    \
    BY_REG(I(ADD, LOCK | attributes, __VA_ARGS__), I(OR, LOCK | attributes, __VA_ARGS__),          \
           I(ADC, LOCK | attributes, __VA_ARGS__), I(SBB, LOCK | attributes, __VA_ARGS__),         \
           I(AND, LOCK | attributes, __VA_ARGS__), I(SUB, LOCK | attributes, __VA_ARGS__),         \
           I(XOR, LOCK | attributes, __VA_ARGS__), I(CMP, attributes, __VA_ARGS__))
/* MANUAL: /6 is left out; every CPU executes it as SHL (SAL). */
#define GROUP2(...)                                                                                \
    BY_REG(I(ROL, 0, __VA_ARGS__), I(ROR, 0, __VA_ARGS__), I(RCL, 0, __VA_ARGS__),                 \
           I(RCR, 0, __VA_ARGS__), I(SHL, 0, __VA_ARGS__), I(SHR, 0, __VA_ARGS__),                 \
           I(SHL, 0, __VA_ARGS__), I(SAR, 0, __VA_ARGS__))
/* MANUAL: /1 is left out; every CPU executes it as TEST. */
#define GROUP3(operand, imm)                                                                       \
    BY_REG(I(TEST, 0, operand, imm), I(TEST, 0, operand, imm), I(NOT, LOCK, operand),              \
           I(NEG, LOCK, operand), I(MUL, 0, operand), I(IMUL, 0, operand), I(DIV, 0, operand),     \
           I(IDIV, 0, operand))

const OpRow x86_map_one[256] = {
    ALU(0x00, ADD, LOCK),
    [0x06] = I(PUSH_SEG, ATTR_NO64, Seg_ES),
    [0x07] = I(POP_SEG, ATTR_NO64, Seg_ES),
    ALU(0x08, OR, LOCK),
    [0x0e] = I(PUSH_SEG, ATTR_NO64, Seg_CS),
    ALU(0x10, ADC, LOCK),
    [0x16] = I(PUSH_SEG, ATTR_NO64, Seg_SS),
    [0x17] = I(POP_SEG, ATTR_NO64, Seg_SS),
    ALU(0x18, SBB, LOCK),
    [0x1e] = I(PUSH_SEG, ATTR_NO64, Seg_DS),
    [0x1f] = I(POP_SEG, ATTR_NO64, Seg_DS),
    ALU(0x20, AND, LOCK),
    [0x27] = I(DAA, ATTR_NO64),
    ALU(0x28, SUB, LOCK),
    [0x2f] = I(DAS, ATTR_NO64),
    ALU(0x30, XOR, LOCK),
    [0x37] = I(AAA, ATTR_NO64),
    ALU(0x38, CMP, 0),
    [0x3f] = I(AAS, ATTR_NO64),
    EIGHT(0x40, INC, 0, Zv), /* REX in 64-bit mode */
    EIGHT(0x48, DEC, 0, Zv),
    EIGHT(0x50, PUSH, ATTR_DEF64, Zv),
    EIGHT(0x58, POP, ATTR_DEF64, Zv),
    [0x60] = I(PUSHA, ATTR_NO64),
    [0x61] = I(POPA, ATTR_NO64),
    [0x62] = I(BOUND, ATTR_NO64, Gv, Ma),
    [0x63] = I(ARPL, ATTR_NO64 | ATTR_PROTECTED, Ew, Gw), /* MOVSXD: x86_row_movsxd */
    [0x68] = I(PUSH, ATTR_DEF64, Iz),
    [0x69] = I(IMUL2, 0, Gv, Ev, Iz),
    [0x6a] = I(PUSH, ATTR_DEF64, sIb),
    [0x6b] = I(IMUL2, 0, Gv, Ev, sIb),
    [0x6c] = I(INS, 0),
    [0x6d] = I(INS, 0),
    [0x6e] = I(OUTS, 0),
    [0x6f] = I(OUTS, 0),
    [0x70] = I(JO, ATTR_FORCE64, Jb),
    [0x71] = I(JNO, ATTR_FORCE64, Jb),
    [0x72] = I(JB, ATTR_FORCE64, Jb),
    [0x73] = I(JAE, ATTR_FORCE64, Jb),
    [0x74] = I(JE, ATTR_FORCE64, Jb),
    [0x75] = I(JNE, ATTR_FORCE64, Jb),
    [0x76] = I(JBE, ATTR_FORCE64, Jb),
    [0x77] = I(JA, ATTR_FORCE64, Jb),
    [0x78] = I(JS, ATTR_FORCE64, Jb),
    [0x79] = I(JNS, ATTR_FORCE64, Jb),
    [0x7a] = I(JP, ATTR_FORCE64, Jb),
    [0x7b] = I(JNP, ATTR_FORCE64, Jb),
    [0x7c] = I(JL, ATTR_FORCE64, Jb),
    [0x7d] = I(JGE, ATTR_FORCE64, Jb),
    [0x7e] = I(JLE, ATTR_FORCE64, Jb),
    [0x7f] = I(JG, ATTR_FORCE64, Jb),
    [0x80] = GROUP1(0, Eb, Ib),
    [0x81] = GROUP1(0, Ev, Iz),
    [0x82] = GROUP1(ATTR_NO64, Eb, Ib), /* alias of 80 */
    [0x83] = GROUP1(0, Ev, sIb),
    [0x84] = I(TEST, 0, Eb, Gb),
    [0x85] = I(TEST, 0, Ev, Gv),
    [0x86] = I(XCHG, LOCK, Eb, Gb),
    [0x87] = I(XCHG, LOCK, Ev, Gv),
    [0x88] = I(MOV, 0, Eb, Gb),
    [0x89] = I(MOV, 0, Ev, Gv),
    [0x8a] = I(MOV, 0, Gb, Eb),
    [0x8b] = I(MOV, 0, Gv, Ev),
    [0x8c] = I(MOV_FROM_SEG, 0, RvMw, Sw),
    [0x8d] = I(LEA, 0, Gv, M),
    [0x8e] = I(MOV_TO_SEG, 0, Sw, Ew),
    [0x8f] = BY_REG(I(POP, ATTR_DEF64, Ev), NO, NO, NO, NO, NO, NO, NO),
    [0x90] = BY_REP(I(NOP, 0), I(PAUSE, 0), I(NOP, 0)),
    [0x91] = I(XCHG, 0, Zv, rAX),
    [0x92] = I(XCHG, 0, Zv, rAX),
    [0x93] = I(XCHG, 0, Zv, rAX),
    [0x94] = I(XCHG, 0, Zv, rAX),
    [0x95] = I(XCHG, 0, Zv, rAX),
    [0x96] = I(XCHG, 0, Zv, rAX),
    [0x97] = I(XCHG, 0, Zv, rAX),
    [0x98] = BY_OPSIZE(I(CBW, 0), I(CWDE, 0), I(CDQE, 0)),
    [0x99] = BY_OPSIZE(I(CWD, 0), I(CDQ, 0), I(CQO, 0)),
    [0x9a] = I(CALL_FAR, ATTR_NO64, Ap),
    [0x9b] = I(WAIT, ATTR_NATIVE | ATTR_X87),
    [0x9c] = I(PUSHF, ATTR_DEF64),
    [0x9d] = I(POPF, ATTR_DEF64),
    [0x9e] = I(SAHF, 0),
    [0x9f] = I(LAHF, 0),
    [0xa0] = I(MOV, 0, AL, Ob),
    [0xa1] = I(MOV, 0, rAX, Ov),
    [0xa2] = I(MOV, 0, Ob, AL),
    [0xa3] = I(MOV, 0, Ov, rAX),
    [0xa4] = I(MOVS, 0),
    [0xa5] = I(MOVS, 0),
    [0xa6] = I(CMPS, 0),
    [0xa7] = I(CMPS, 0),
    [0xa8] = I(TEST, 0, AL, Ib),
    [0xa9] = I(TEST, 0, rAX, Iz),
    [0xaa] = I(STOS, 0),
    [0xab] = I(STOS, 0),
    [0xac] = I(LODS, 0),
    [0xad] = I(LODS, 0),
    [0xae] = I(SCAS, 0),
    [0xaf] = I(SCAS, 0),
    EIGHT(0xb0, MOV, 0, Zb, Ib),
    EIGHT(0xb8, MOV, 0, Zv, Iv),
    [0xc0] = GROUP2(Eb, Ib),
    [0xc1] = GROUP2(Ev, Ib),
    [0xc2] = I(RET, ATTR_FORCE64, Iw),
    [0xc3] = I(RET, ATTR_FORCE64),
    [0xc4] = I(LES, ATTR_NO64, Gv, Mp), /* or VEX, see decode.c */
    [0xc5] = I(LDS, ATTR_NO64, Gv, Mp),
    [0xc6] = BY_REG(I(MOV, 0, Eb, Ib), NO, NO, NO, NO, NO, NO, NO),
    [0xc7] = BY_REG(I(MOV, 0, Ev, Iz), NO, NO, NO, NO, NO, NO, NO),
    [0xc8] = I(ENTER, ATTR_DEF64, Iw, Ib),
    [0xc9] = I(LEAVE, ATTR_DEF64),
    [0xca] = I(RET_FAR, 0, Iw),
    [0xcb] = I(RET_FAR, 0),
    [0xcc] = I(INT3, 0),
    [0xcd] = I(INT, 0, Ib),
    [0xce] = I(INTO, ATTR_NO64),
    [0xcf] = I(IRET, 0),
    [0xd0] = GROUP2(Eb, One),
    [0xd1] = GROUP2(Ev, One),
    [0xd2] = GROUP2(Eb, CL),
    [0xd3] = GROUP2(Ev, CL),
    [0xd4] = I(AAM, ATTR_NO64, Ib),
    [0xd5] = I(AAD, ATTR_NO64, Ib),
    [0xd6] = I(SALC, ATTR_NO64),
    [0xd7] = I(XLAT, 0),
    [0xd8] = TABLE(SUB_MOD, x86_x87_d8),
    [0xd9] = TABLE(SUB_MOD, x86_x87_d9),
    [0xda] = TABLE(SUB_MOD, x86_x87_da),
    [0xdb] = TABLE(SUB_MOD, x86_x87_db),
    [0xdc] = TABLE(SUB_MOD, x86_x87_dc),
    [0xdd] = TABLE(SUB_MOD, x86_x87_dd),
    [0xde] = TABLE(SUB_MOD, x86_x87_de),
    [0xdf] = TABLE(SUB_MOD, x86_x87_df),
    [0xe0] = I(LOOPNE, ATTR_FORCE64, Jb),
    [0xe1] = I(LOOPE, ATTR_FORCE64, Jb),
    [0xe2] = I(LOOP, ATTR_FORCE64, Jb),
    [0xe3] = I(JCXZ, ATTR_FORCE64, Jb),
    [0xe4] = I(IN, 0, AL, Ib),
    [0xe5] = I(IN, 0, eAX, Ib),
    [0xe6] = I(OUT, 0, Ib, AL),
    [0xe7] = I(OUT, 0, Ib, eAX),
    [0xe8] = I(CALL, ATTR_FORCE64, Jz),
    [0xe9] = I(JMP, ATTR_FORCE64, Jz),
    [0xea] = I(JMP_FAR, ATTR_NO64, Ap),
    [0xeb] = I(JMP, ATTR_FORCE64, Jb),
    [0xec] = I(IN, 0, AL, DX),
    [0xed] = I(IN, 0, eAX, DX),
    [0xee] = I(OUT, 0, DX, AL),
    [0xef] = I(OUT, 0, DX, eAX),
    [0xf1] = I(ICEBP, 0),
    [0xf4] = I(HLT, ATTR_CPL0),
    [0xf5] = I(CMC, 0),
    [0xf6] = GROUP3(Eb, Ib),
    [0xf7] = GROUP3(Ev, Iz),
    [0xf8] = I(CLC, 0),
    [0xf9] = I(STC, 0),
    [0xfa] = I(CLI, 0),
    [0xfb] = I(STI, 0),
    [0xfc] = I(CLD, 0),
    [0xfd] = I(STD, 0),
    [0xfe] = BY_REG(I(INC, LOCK, Eb), I(DEC, LOCK, Eb), NO, NO, NO, NO, NO, NO),
    [0xff] = BY_REG(I(INC, LOCK, Ev), I(DEC, LOCK, Ev), I(CALL, ATTR_FORCE64, Ev),
                    I(CALL_FAR, 0, Mp), I(JMP, ATTR_FORCE64, Ev), I(JMP_FAR, 0, Mp),
                    I(PUSH, ATTR_DEF64, Ev), NO),
};

/* 63 in 64-bit mode. */
const OpRow x86_row_movsxd = I(MOVSXD, 0, Gv, Ed);
