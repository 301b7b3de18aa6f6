/* SPDX-License-Identifier: MIT
 * IN and OUT, and the I/O permission rules (SDM 1 "Input/Output"). */
#include "translator/x86/helpers.h"

enum { TSS_IO_MAP = 0x66 };

bool io_check(CpuX86 *cpu, uint16_t port, unsigned size, Fault *f)
{
    const uint32_t mask = (1u << size) - 1;
    uint64_t base, bits;
    if (!(cpu->cr0 & CR0_PE) || (!cpu_vm86(cpu) && cpu->cpl <= cpu_iopl(cpu)))
        return true;
    const unsigned type = cpu->tr.attr & SEG_ATTR_TYPE & ~(unsigned)SYS_BUSY;
    if (!(cpu->tr.attr & SEG_ATTR_P) || type != SYS_TSS32 || cpu->tr.limit < TSS_IO_MAP + 1)
        return fault_code(f, VEC_GP, 0);
    if (!mem_read(cpu, cpu->tr.base + TSS_IO_MAP, 2, MMU_SUPERVISOR, &base, f))
        return false;
    /* Two bytes are always read, so the map must be followed by one more byte. */
    const uint32_t at = (uint32_t)base + port / 8u;
    if (at + 1 > cpu->tr.limit)
        return fault_code(f, VEC_GP, 0);
    if (!mem_read(cpu, cpu->tr.base + at, 2, MMU_SUPERVISOR, &bits, f))
        return false;
    if ((bits >> (port & 7)) & mask)
        return fault_code(f, VEC_GP, 0);
    return true;
}

uint64_t helper_in(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint16_t port = (uint16_t)a;
    const unsigned size = b & 7;
    Fault f;
    if (!io_check(cpu, port, size, &f))
        cpu_raise(cpu, f);
    debug_io_access(cpu, port, size);
    return address_space_io_read(vcpu->mmu.as, port, size);
}

uint64_t helper_out(VCpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    CpuX86 *cpu = cpu_x86(vcpu);
    const uint16_t port = (uint16_t)a;
    const unsigned size = c & 7;
    Fault f;
    if (!io_check(cpu, port, size, &f))
        cpu_raise(cpu, f);
    debug_io_access(cpu, port, size);
    address_space_io_write(vcpu->mmu.as, port, b & width_mask(size), size);
    return 0;
}
