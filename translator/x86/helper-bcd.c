/* SPDX-License-Identifier: MIT
 * Decimal adjustments of AL and AX (SDM 2 "AAA" .. "DAS").
 * MANUAL: calls most flags undefined. CPUs (checked on one of AMD's over all inputs) set them as the
 * addition or subtraction does that the adjustment is: of 16 bits for AAA and AAS, else of 8. */
#include "translator/x86/helpers.h"

static void set_flags(VCpu *vcpu, uint32_t flags)
{
    vcpu->flags = (vcpu->flags & ~FLAGS_ARITH) | flags;
}

static void set_ax(VCpu *vcpu, uint32_t ax)
{
    vcpu->gpr[REG_EAX] = (vcpu->gpr[REG_EAX] & 0xffff0000u) | (ax & 0xffff);
}

static uint64_t ascii_adjust(VCpu *vcpu, bool subtract)
{
    const uint32_t ax = (uint32_t)vcpu->gpr[REG_EAX] & 0xffff;
    const bool adjust = (ax & 15) > 9 || (vcpu->flags & FLAG_AF);
    const uint32_t by = adjust ? 0x106 : 0; /* as 16 bits: AL's carry runs into AH */
    const uint32_t flags = cpu_sum_flags(ax, by, 2, subtract) & ~(FLAG_AF | FLAG_CF);
    set_ax(vcpu, (subtract ? ax - by : ax + by) & 0xff0f);
    set_flags(vcpu, flags | (adjust ? FLAG_AF | FLAG_CF : 0));
    return 0;
}

uint64_t helper_aaa(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return ascii_adjust(vcpu, false);
}

uint64_t helper_aas(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return ascii_adjust(vcpu, true);
}

uint64_t helper_aam(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    const uint8_t base = (uint8_t)a, al = (uint8_t)vcpu->gpr[REG_EAX];
    if (base == 0)
        cpu_raise_plain(cpu_x86(vcpu), VEC_DE);
    set_ax(vcpu, (uint32_t)(al / base) << 8 | al % base);
    set_flags(vcpu, cpu_sum_flags(al % base, 0, 1, false));
    return 0;
}

uint64_t helper_aad(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    const uint8_t al = (uint8_t)vcpu->gpr[REG_EAX], ah = (uint8_t)(vcpu->gpr[REG_EAX] >> 8);
    const uint8_t add = (uint8_t)(ah * (uint8_t)a);
    set_ax(vcpu, (uint8_t)(al + add));
    set_flags(vcpu, cpu_sum_flags(al, add, 1, false));
    return 0;
}

static uint64_t decimal_adjust(VCpu *vcpu, bool subtract)
{
    const uint8_t old = (uint8_t)vcpu->gpr[REG_EAX];
    uint32_t by = 0, out = 0;
    if ((old & 15) > 9 || (vcpu->flags & FLAG_AF)) {
        by = 6;
        out |= FLAG_AF;
        if (subtract && old < 6) /* the borrow of this step is a carry */
            out |= FLAG_CF;
    }
    if (old > 0x99 || (vcpu->flags & FLAG_CF)) {
        by += 0x60;
        out |= FLAG_CF;
    }
    const uint8_t al = (uint8_t)(subtract ? old - by : old + by);
    const uint32_t flags = cpu_sum_flags(old, by, 1, subtract) & ~(FLAG_AF | FLAG_CF);
    vcpu->gpr[REG_EAX] = (vcpu->gpr[REG_EAX] & 0xffffff00u) | al;
    set_flags(vcpu, flags | out);
    return 0;
}

uint64_t helper_daa(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return decimal_adjust(vcpu, false);
}

uint64_t helper_das(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    return decimal_adjust(vcpu, true);
}
