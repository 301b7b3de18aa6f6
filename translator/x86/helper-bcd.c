/* SPDX-License-Identifier: MIT
 * Decimal adjustments of AL and AX (SDM 2 "AAA" .. "DAS"). Flags that the manual leaves undefined
 * are as modern CPUs set them: of the result for SF, ZF, PF; OF clear. */
#include "translator/x86/helpers.h"

static uint32_t result_flags(uint8_t al)
{
    return (al == 0 ? FLAG_ZF : 0) | (al & 0x80 ? FLAG_SF : 0) |
           (__builtin_parity(al) ? 0 : FLAG_PF);
}

static void set_flags(VCpu *vcpu, uint32_t flags)
{
    vcpu->flags = (vcpu->flags & ~FLAGS_ARITH) | flags;
}

static void set_ax(VCpu *vcpu, uint32_t ax)
{
    vcpu->gpr[REG_EAX] = (vcpu->gpr[REG_EAX] & 0xffff0000u) | (ax & 0xffff);
}

static uint64_t ascii_adjust(VCpu *vcpu, int sign)
{
    uint32_t ax = (uint32_t)vcpu->gpr[REG_EAX] & 0xffff;
    const bool adjust = (ax & 15) > 9 || (vcpu->flags & FLAG_AF);
    if (adjust)
        ax += (uint32_t)(sign * 0x106); /* as 16 bits: AL's carry runs into AH */
    ax &= 0xff0f;
    set_ax(vcpu, ax);
    set_flags(vcpu, result_flags((uint8_t)ax) | (adjust ? FLAG_AF | FLAG_CF : 0));
    return 0;
}

uint64_t helper_aaa(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return ascii_adjust(vcpu, 1);
}

uint64_t helper_aas(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return ascii_adjust(vcpu, -1);
}

uint64_t helper_aam(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    const uint8_t base = (uint8_t)a, al = (uint8_t)vcpu->gpr[REG_EAX];
    if (base == 0)
        cpu_raise_plain(cpu_x86(vcpu), VEC_DE);
    set_ax(vcpu, (uint32_t)(al / base) << 8 | al % base);
    set_flags(vcpu, result_flags(al % base));
    return 0;
}

/* AAD adds AH * base to AL: the flags are those of that 8-bit addition. */
uint64_t helper_aad(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    const uint8_t al = (uint8_t)vcpu->gpr[REG_EAX], ah = (uint8_t)(vcpu->gpr[REG_EAX] >> 8);
    const uint8_t add = (uint8_t)(ah * (uint8_t)a), sum = (uint8_t)(al + add);
    set_ax(vcpu, sum);
    set_flags(vcpu, result_flags(sum));
    return 0;
}

static uint64_t decimal_adjust(VCpu *vcpu, int sign)
{
    const uint8_t old = (uint8_t)vcpu->gpr[REG_EAX];
    const uint32_t flags = vcpu->flags;
    uint8_t al = old;
    uint32_t out = 0;
    if ((old & 15) > 9 || (flags & FLAG_AF)) {
        al = (uint8_t)(al + sign * 6);
        out |= FLAG_AF;
        if (sign < 0 && old < 6) /* DAS: the borrow of this step is the carry */
            out |= FLAG_CF;
    }
    if (old > 0x99 || (flags & FLAG_CF)) {
        al = (uint8_t)(al + sign * 0x60);
        out |= FLAG_CF;
    }
    vcpu->gpr[REG_EAX] = (vcpu->gpr[REG_EAX] & 0xffffff00u) | al;
    set_flags(vcpu, result_flags(al) | out);
    return 0;
}

uint64_t helper_daa(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return decimal_adjust(vcpu, 1);
}

uint64_t helper_das(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return decimal_adjust(vcpu, -1);
}
