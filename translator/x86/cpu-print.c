/* SPDX-License-Identifier: MIT
 * Registers as text, in the layout of QEMU's `info registers`, so that tools that parse it work. */
#include "translator/x86/cpu-priv.h"

#include <inttypes.h>
#include <string.h>

static void print_general(const CpuX86 *cpu, GString *out)
{
    static const struct {
        const char *name;
        uint8_t reg;
    } order[] = {{"EAX", REG_EAX}, {"EBX", REG_EBX}, {"ECX", REG_ECX}, {"EDX", REG_EDX},
                 {"ESI", REG_ESI}, {"EDI", REG_EDI}, {"EBP", REG_EBP}, {"ESP", REG_ESP}};
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
        g_string_append_printf(out, "%s=%08x%c", order[i].name, cpu_reg(cpu, order[i].reg),
                               i % 4 == 3 ? '\n' : ' ');
}

static void print_flags(const CpuX86 *cpu, GString *out)
{
    static const struct {
        uint32_t bit;
        char letter;
    } letters[] = {{EFLAGS_DF, 'D'}, {FLAG_OF, 'O'}, {FLAG_SF, 'S'}, {FLAG_ZF, 'Z'},
                   {FLAG_AF, 'A'},   {FLAG_PF, 'P'}, {FLAG_CF, 'C'}};
    const uint32_t flags = cpu_eflags(cpu);
    g_string_append_printf(out, "EIP=%08x EFL=%08x [", (uint32_t)cpu->v.pc, flags);
    for (unsigned i = 0; i < G_N_ELEMENTS(letters); i++)
        g_string_append_c(out, flags & letters[i].bit ? letters[i].letter : '-');
    g_string_append_printf(out, "] CPL=%u II=%d A20=%d SMM=0 HLT=%d\n", cpu->cpl, cpu->shadow,
                           address_space_a20(cpu->v.mmu.as), cpu->v.halted);
}

static void print_segment(const char *name, const SegReg *seg, GString *out)
{
    g_string_append_printf(out, "%-3s=%04x %08x %08x %08x\n", name, seg->selector,
                           (uint32_t)seg->base, seg->limit, (uint32_t)seg->attr << 8);
}

static void print_fpu(const CpuX86 *cpu, GString *out)
{
    const uint8_t *area = cpu->v.fp_area;
    uint16_t fcw, fsw;
    uint32_t mxcsr;
    memcpy(&fcw, area, 2);
    memcpy(&fsw, area + 2, 2);
    memcpy(&mxcsr, area + 24, 4);
    g_string_append_printf(out, "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n", fcw, fsw,
                           (fsw >> 11) & 7, area[4], mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa;
        uint16_t exponent;
        memcpy(&mantissa, area + 32 + 16 * i, 8);
        memcpy(&exponent, area + 32 + 16 * i + 8, 2);
        g_string_append_printf(out, "FPR%u=%016" PRIx64 " %04x%c", i, mantissa, exponent,
                               i % 2 ? '\n' : ' ');
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t half[2];
        memcpy(half, area + 160 + 16 * i, 16);
        g_string_append_printf(out, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%c", i, half[1], half[0],
                               i % 2 ? '\n' : ' ');
    }
}

void cpu_print_registers(const CpuX86 *cpu, bool fpu, GString *out)
{
    static const char *const names[SEG_COUNT] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    print_general(cpu, out);
    print_flags(cpu, out);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        print_segment(names[i], &cpu->seg[i], out);
    print_segment("LDT", &cpu->ldtr, out);
    print_segment("TR", &cpu->tr, out);
    g_string_append_printf(out, "GDT=     %08x %08x\nIDT=     %08x %08x\n",
                           (uint32_t)cpu->gdtr.base, cpu->gdtr.limit, (uint32_t)cpu->idtr.base,
                           cpu->idtr.limit);
    g_string_append_printf(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", (uint32_t)cpu->cr0,
                           (uint32_t)cpu->cr2, (uint32_t)cpu->cr3, (uint32_t)cpu->cr4);
    g_string_append_printf(out, "DR0=%08x DR1=%08x DR2=%08x DR3=%08x\nDR6=%08x DR7=%08x\n",
                           (uint32_t)cpu->dr[0], (uint32_t)cpu->dr[1], (uint32_t)cpu->dr[2],
                           (uint32_t)cpu->dr[3], (uint32_t)cpu->dr[6], (uint32_t)cpu->dr[7]);
    g_string_append_printf(out, "EFER=%016" PRIx64 "\n", cpu->efer);
    if (fpu)
        print_fpu(cpu, out);
}
