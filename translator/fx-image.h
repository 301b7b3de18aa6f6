/* SPDX-License-Identifier: MIT
 * Offsets in VCpu.fp_area, an FXSAVE64 image (SDM 1 "FXSAVE Area", table "Layout of the 64-bit-Mode
 * FXSAVE64 Map"): 64-bit FIP and FDP without selectors, the abridged tag byte. */
#ifndef TRANSLATOR_FX_IMAGE_H
#define TRANSLATOR_FX_IMAGE_H

enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_TAG = 4,
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FDP = 16,
    FX_MXCSR = 24,
    FX_MXCSR_MASK = 28,
    FX_ST = 32,   /* 8 registers, 10 bytes in 16 */
    FX_XMM = 160, /* 16 in 16 */
};

#endif
