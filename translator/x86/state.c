/* SPDX-License-Identifier: MIT
 * The guest's state besides what the neutral VCpu holds, as a table: what a block executed on a
 * copy must not leave behind, and what two runs of a guest must agree about. */
#include "translator/x86/cpu-priv.h"

#define SIZE(field)          sizeof(((CpuX86 *)NULL)->field)
#define FIELD(name, field)   {name, offsetof(CpuX86, field), SIZE(field), false}
#define DERIVED(name, field) {name, offsetof(CpuX86, field), SIZE(field), true}

const GuestField x86_state_fields[X86_STATE_FIELDS] = {
    FIELD("es", seg[SEG_ES]),
    FIELD("cs", seg[SEG_CS]),
    FIELD("ss", seg[SEG_SS]),
    FIELD("ds", seg[SEG_DS]),
    FIELD("fs", seg[SEG_FS]),
    FIELD("gs", seg[SEG_GS]),
    FIELD("ldtr", ldtr),
    FIELD("tr", tr),
    FIELD("gdtr.base", gdtr.base),
    FIELD("gdtr.limit", gdtr.limit),
    FIELD("idtr.base", idtr.base),
    FIELD("idtr.limit", idtr.limit),
    FIELD("eflags", eflags),
    FIELD("cpl", cpl),
    FIELD("cr0", cr0),
    FIELD("cr2", cr2),
    FIELD("cr3", cr3),
    FIELD("cr4", cr4),
    FIELD("efer", efer),
    FIELD("dr", dr),
    DERIVED("mode", mode),
    FIELD("shadow", shadow),
    FIELD("shadow_ss", shadow_ss),
    FIELD("shadow_fresh", shadow_fresh),
    DERIVED("kernel_uses_gs", kernel_uses_gs),
    DERIVED("kernel_gs_accesses", kernel_gs_accesses),
    FIELD("step_armed", step_armed),
    FIELD("shutdown", shutdown),
    FIELD("nmi_masked", nmi_masked),
    FIELD("ignne", ignne),
    FIELD("x87_ignored", x87_ignored),
    FIELD("in_delivery", in_delivery),
    FIELD("pending_db", pending_db),
    FIELD("sysenter_cs", sysenter_cs),
    FIELD("sysenter_esp", sysenter_esp),
    FIELD("sysenter_eip", sysenter_eip),
    FIELD("pat", pat),
    FIELD("misc_enable", misc_enable),
    FIELD("mtrr_def_type", mtrr_def_type),
    FIELD("tsc_offset", tsc_offset),
    FIELD("bios_sign", bios_sign),
    FIELD("mtrr_phys", mtrr_phys),
    FIELD("mtrr_fixed", mtrr_fixed),
    FIELD("tsc_aux", tsc_aux),
};
