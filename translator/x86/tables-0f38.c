/* SPDX-License-Identifier: MIT
 * The three-byte opcode maps 0F 38 and 0F 3A (SDM 2D "Three-Byte Opcode Map") and the VEX forms
 * on general registers (BMI1, BMI2) of both. */
#include "translator/x86/tables-priv.h"

#define SSSE3_PAIR(mnemonic) PAIR(mnemonic, SSSE3, SSSE3, Qq)
#define X41(mnemonic, ...) X66(mnemonic, SSE41, ##__VA_ARGS__)
#define X_NONE(mnemonic, ...) BY_PREFIX(XS(mnemonic, SHA, ##__VA_ARGS__), NO, NO, NO)
#define XU42(mnemonic)                                                                             \
    BY_PREFIX(NO, XS(mnemonic, SSE42, Vdq, Wdq, Ib), NO, NO)
#define STORE41(mnemonic, ...) BY_PREFIX(NO, XW(mnemonic, SSE41, ##__VA_ARGS__), NO, NO)

const OpRow x86_map_0f38[256] = {
    [0x00] = SSSE3_PAIR(PSHUFB),
    [0x01] = SSSE3_PAIR(PHADDW),
    [0x02] = SSSE3_PAIR(PHADDD),
    [0x03] = SSSE3_PAIR(PHADDSW),
    [0x04] = SSSE3_PAIR(PMADDUBSW),
    [0x05] = SSSE3_PAIR(PHSUBW),
    [0x06] = SSSE3_PAIR(PHSUBD),
    [0x07] = SSSE3_PAIR(PHSUBSW),
    [0x08] = SSSE3_PAIR(PSIGNB),
    [0x09] = SSSE3_PAIR(PSIGNW),
    [0x0a] = SSSE3_PAIR(PSIGND),
    [0x0b] = SSSE3_PAIR(PMULHRSW),
    [0x10] = X41(PBLENDVB, Vdq, Wdq, XMM0),
    [0x14] = X41(BLENDVPS, Vdq, Wdq, XMM0),
    [0x15] = X41(BLENDVPD, Vdq, Wdq, XMM0),
    [0x17] = X41(PTEST, Vdq, Wdq),
    [0x1c] = SSSE3_PAIR(PABSB),
    [0x1d] = SSSE3_PAIR(PABSW),
    [0x1e] = SSSE3_PAIR(PABSD),
    [0x20] = X41(PMOVSXBW, Vdq, Wq),
    [0x21] = X41(PMOVSXBD, Vdq, Wd),
    [0x22] = X41(PMOVSXBQ, Vdq, Ww),
    [0x23] = X41(PMOVSXWD, Vdq, Wq),
    [0x24] = X41(PMOVSXWQ, Vdq, Wd),
    [0x25] = X41(PMOVSXDQ, Vdq, Wq),
    [0x28] = X41(PMULDQ, Vdq, Wdq),
    [0x29] = X41(PCMPEQQ, Vdq, Wdq),
    [0x2a] = X41(MOVNTDQA, Vdq, Mdq),
    [0x2b] = X41(PACKUSDW, Vdq, Wdq),
    [0x30] = X41(PMOVZXBW, Vdq, Wq),
    [0x31] = X41(PMOVZXBD, Vdq, Wd),
    [0x32] = X41(PMOVZXBQ, Vdq, Ww),
    [0x33] = X41(PMOVZXWD, Vdq, Wq),
    [0x34] = X41(PMOVZXWQ, Vdq, Wd),
    [0x35] = X41(PMOVZXDQ, Vdq, Wq),
    [0x37] = X66(PCMPGTQ, SSE42, Vdq, Wdq),
    [0x38] = X41(PMINSB, Vdq, Wdq),
    [0x39] = X41(PMINSD, Vdq, Wdq),
    [0x3a] = X41(PMINUW, Vdq, Wdq),
    [0x3b] = X41(PMINUD, Vdq, Wdq),
    [0x3c] = X41(PMAXSB, Vdq, Wdq),
    [0x3d] = X41(PMAXSD, Vdq, Wdq),
    [0x3e] = X41(PMAXUW, Vdq, Wdq),
    [0x3f] = X41(PMAXUD, Vdq, Wdq),
    [0x40] = X41(PMULLD, Vdq, Wdq),
    [0x41] = X41(PHMINPOSUW, Vdq, Wdq),
    [0xc8] = X_NONE(SHA1NEXTE, Vdq, Wdq),
    [0xc9] = X_NONE(SHA1MSG1, Vdq, Wdq),
    [0xca] = X_NONE(SHA1MSG2, Vdq, Wdq),
    [0xcb] = X_NONE(SHA256RNDS2, Vdq, Wdq, XMM0),
    [0xcc] = X_NONE(SHA256MSG1, Vdq, Wdq),
    [0xcd] = X_NONE(SHA256MSG2, Vdq, Wdq),
    [0xdb] = X66(AESIMC, AES, Vdq, Wdq),
    [0xdc] = X66(AESENC, AES, Vdq, Wdq),
    [0xdd] = X66(AESENCLAST, AES, Vdq, Wdq),
    [0xde] = X66(AESDEC, AES, Vdq, Wdq),
    [0xdf] = X66(AESDECLAST, AES, Vdq, Wdq),
    [0xf0] = BY_REP(G(MOVBE, MOVBE, Gv, Mv), NO, G(CRC32, SSE42, Gd, Eb)),
    [0xf1] = BY_REP(F(MOVBE, MOVBE, ATTR_NATIVE | ATTR_GPR_NATIVE | ATTR_MEM_WRITE, Mv, Gv), NO,
                    G(CRC32, SSE42, Gd, Ev)),
    [0xf6] = BY_PREFIX(NO, G(ADCX, ADX, Gy, Ey), G(ADOX, ADX, Gy, Ey), NO),
};

const OpRow x86_map_0f3a[256] = {
    [0x08] = X41(ROUNDPS, Vdq, Wdq, Ib),
    [0x09] = X41(ROUNDPD, Vdq, Wdq, Ib),
    [0x0a] = X41(ROUNDSS, Vd, Wd, Ib),
    [0x0b] = X41(ROUNDSD, Vq, Wq, Ib),
    [0x0c] = X41(BLENDPS, Vdq, Wdq, Ib),
    [0x0d] = X41(BLENDPD, Vdq, Wdq, Ib),
    [0x0e] = X41(PBLENDW, Vdq, Wdq, Ib),
    [0x0f] = BY_PREFIX(MS(PALIGNR, SSSE3, Pq, Qq, Ib), XS(PALIGNR, SSSE3, Vdq, Wdq, Ib), NO, NO),
    [0x14] = STORE41(PEXTRB, RdMb, Vdq, Ib),
    [0x15] = STORE41(PEXTRW, RdMw, Vdq, Ib),
    [0x16] = STORE41(PEXTRD, Ey, Vdq, Ib),
    [0x17] = STORE41(EXTRACTPS, Ed, Vdq, Ib),
    [0x20] = X41(PINSRB, Vdq, RdMb, Ib),
    [0x21] = X41(INSERTPS, Vdq, Wd, Ib),
    [0x22] = X41(PINSRD, Vdq, Ey, Ib),
    [0x40] = X41(DPPS, Vdq, Wdq, Ib),
    [0x41] = X41(DPPD, Vdq, Wdq, Ib),
    [0x42] = X41(MPSADBW, Vdq, Wdq, Ib),
    [0x44] = X66(PCLMULQDQ, PCLMULQDQ, Vdq, Wdq, Ib),
    [0x60] = XU42(PCMPESTRM),
    [0x61] = XU42(PCMPESTRI),
    [0x62] = XU42(PCMPISTRM),
    [0x63] = XU42(PCMPISTRI),
    [0xcc] = X_NONE(SHA1RNDS4, Vdq, Wdq, Ib),
    [0xdf] = X66(AESKEYGENASSIST, AES, Vdq, Wdq, Ib),
};

const OpRow x86_map_vex_0f38[256] = {
    [0xf2] = BY_PREFIX(G(ANDN, BMI1, Gy, By, Ey), NO, NO, NO),
    [0xf3] = BY_PREFIX(BY_REG(NO, G(BLSR, BMI1, By, Ey), G(BLSMSK, BMI1, By, Ey),
                              G(BLSI, BMI1, By, Ey), NO, NO, NO, NO),
                       NO, NO, NO),
    [0xf5] = BY_PREFIX(G(BZHI, BMI2, Gy, Ey, By), NO, G(PEXT, BMI2, Gy, By, Ey),
                       G(PDEP, BMI2, Gy, By, Ey)),
    [0xf6] = BY_PREFIX(NO, NO, NO, G(MULX, BMI2, Gy, By, Ey)),
    [0xf7] = BY_PREFIX(G(BEXTR, BMI1, Gy, Ey, By), G(SHLX, BMI2, Gy, Ey, By),
                       G(SARX, BMI2, Gy, Ey, By), G(SHRX, BMI2, Gy, Ey, By)),
};

const OpRow x86_map_vex_0f3a[256] = {
    [0xf0] = BY_PREFIX(NO, NO, NO, G(RORX, BMI2, Gy, Ey, Ib)),
};
