/* SPDX-License-Identifier: MIT
 * The x87 escape opcodes D8-DF (SDM 2D "Escape Opcode Instructions"). Each is a pair: memory
 * forms by ModRM.reg, register forms by ModRM.reg and, where needed, ModRM.rm.
 * Undocumented aliases that every CPU executes are rows like all others; MANUAL marks them. */
#include "translator/x86/tables-priv.h"

#define ATTRS_X87 (ATTR_NATIVE | ATTR_X87)
/* FP reads its memory operand, FW writes it; FC: conditional moves and compares of the P6. */
#define FP(mnemonic, ...) I(mnemonic, ATTRS_X87 | ATTR_MEM_READ, ##__VA_ARGS__)
#define FW(mnemonic, ...) I(mnemonic, ATTRS_X87 | ATTR_MEM_WRITE, ##__VA_ARGS__)
#define FC(mnemonic, ...) F(mnemonic, CMOV, ATTRS_X87, ##__VA_ARGS__)
#define FISTTP_ROW(operand) F(FISTTP, SSE3, ATTRS_X87 | ATTR_MEM_WRITE, operand)
#define IMAGE(mnemonic) I(mnemonic, ATTR_X87, M)

const OpRow x86_x87_d8[2] = {
    BY_REG(FP(FADD, Md), FP(FMUL, Md), FP(FCOM, Md), FP(FCOMP, Md), FP(FSUB, Md), FP(FSUBR, Md),
           FP(FDIV, Md), FP(FDIVR, Md)),
    BY_REG(FP(FADD, ST0, STi), FP(FMUL, ST0, STi), FP(FCOM, STi), FP(FCOMP, STi),
           FP(FSUB, ST0, STi), FP(FSUBR, ST0, STi), FP(FDIV, ST0, STi), FP(FDIVR, ST0, STi)),
};

const OpRow x86_x87_d9[2] = {
    BY_REG(FP(FLD, Md), NO, FW(FST, Md), FW(FSTP, Md), IMAGE(FLDENV), FP(FLDCW, Mw),
           IMAGE(FNSTENV), FW(FNSTCW, Mw)),
    BY_REG(FP(FLD, STi), FP(FXCH, STi), BY_RM(FP(FNOP), NO, NO, NO, NO, NO, NO, NO),
           FP(FSTP, STi), /* MANUAL: reserved; pops without an underflow (FSTPNCE) */
           BY_RM(FP(FCHS), FP(FABS), NO, NO, FP(FTST), FP(FXAM), NO, NO),
           BY_RM(FP(FLD1), FP(FLDL2T), FP(FLDL2E), FP(FLDPI), FP(FLDLG2), FP(FLDLN2), FP(FLDZ), NO),
           BY_RM(FP(F2XM1), FP(FYL2X), FP(FPTAN), FP(FPATAN), FP(FXTRACT), FP(FPREM1),
                 FP(FDECSTP), FP(FINCSTP)),
           BY_RM(FP(FPREM), FP(FYL2XP1), FP(FSQRT), FP(FSINCOS), FP(FRNDINT), FP(FSCALE), FP(FSIN),
                 FP(FCOS))),
};

const OpRow x86_x87_da[2] = {
    BY_REG(FP(FIADD, Md), FP(FIMUL, Md), FP(FICOM, Md), FP(FICOMP, Md), FP(FISUB, Md),
           FP(FISUBR, Md), FP(FIDIV, Md), FP(FIDIVR, Md)),
    BY_REG(FC(FCMOVB, ST0, STi), FC(FCMOVE, ST0, STi), FC(FCMOVBE, ST0, STi),
           FC(FCMOVU, ST0, STi), NO, BY_RM(NO, FP(FUCOMPP), NO, NO, NO, NO, NO, NO), NO, NO),
};

const OpRow x86_x87_db[2] = {
    BY_REG(FP(FILD, Md), FISTTP_ROW(Md), FW(FIST, Md), FW(FISTP, Md), NO, FP(FLD, Mt), NO,
           FW(FSTP, Mt)),
    BY_REG(FC(FCMOVNB, ST0, STi), FC(FCMOVNE, ST0, STi), FC(FCMOVNBE, ST0, STi),
           FC(FCMOVNU, ST0, STi),
           /* SDM 1 "Intel 8087 ...": FENI, FDISI, FSETPM of older units do nothing */
           BY_RM(FP(FNOP), FP(FNOP), FP(FNCLEX), FP(FNINIT), FP(FNOP), NO, NO, NO),
           FC(FUCOMI, ST0, STi), FC(FCOMI, ST0, STi), NO),
};

const OpRow x86_x87_dc[2] = {
    BY_REG(FP(FADD, Mq), FP(FMUL, Mq), FP(FCOM, Mq), FP(FCOMP, Mq), FP(FSUB, Mq), FP(FSUBR, Mq),
           FP(FDIV, Mq), FP(FDIVR, Mq)),
    BY_REG(FP(FADD, STi, ST0), FP(FMUL, STi, ST0), FP(FCOM, STi), /* MANUAL: aliases of D8 */
           FP(FCOMP, STi), FP(FSUBR, STi, ST0), FP(FSUB, STi, ST0), FP(FDIVR, STi, ST0),
           FP(FDIV, STi, ST0)),
};

const OpRow x86_x87_dd[2] = {
    BY_REG(FP(FLD, Mq), FISTTP_ROW(Mq), FW(FST, Mq), FW(FSTP, Mq), IMAGE(FRSTOR), NO,
           IMAGE(FNSAVE), FW(FNSTSW, Mw)),
    BY_REG(FP(FFREE, STi), FP(FXCH, STi), /* MANUAL: alias of D9 */
           FP(FST, STi), FP(FSTP, STi), FP(FUCOM, STi), FP(FUCOMP, STi), NO, NO),
};

const OpRow x86_x87_de[2] = {
    BY_REG(FP(FIADD, Mw), FP(FIMUL, Mw), FP(FICOM, Mw), FP(FICOMP, Mw), FP(FISUB, Mw),
           FP(FISUBR, Mw), FP(FIDIV, Mw), FP(FIDIVR, Mw)),
    BY_REG(FP(FADDP, STi, ST0), FP(FMULP, STi, ST0), FP(FCOMP, STi), /* MANUAL: alias of D8 */
           BY_RM(NO, FP(FCOMPP), NO, NO, NO, NO, NO, NO), FP(FSUBRP, STi, ST0),
           FP(FSUBP, STi, ST0), FP(FDIVRP, STi, ST0), FP(FDIVP, STi, ST0)),
};

const OpRow x86_x87_df[2] = {
    BY_REG(FP(FILD, Mw), FISTTP_ROW(Mw), FW(FIST, Mw), FW(FISTP, Mw), FP(FBLD, Mt), FP(FILD, Mq),
           FW(FBSTP, Mt), FW(FISTP, Mq)),
    BY_REG(FP(FFREEP, STi), FP(FXCH, STi), FP(FSTP, STi), FP(FSTP, STi), /* MANUAL: aliases */
           BY_RM(FP(FNSTSW, AX), NO, NO, NO, NO, NO, NO, NO), FC(FUCOMIP, ST0, STi),
           FC(FCOMIP, ST0, STi), NO),
};
