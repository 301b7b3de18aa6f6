/* SPDX-License-Identifier: MIT
 * Registers as gdb sees them: one table makes the description (target.xml) and the g, G, p and P
 * packets. EIP is linear, CS base and IP added up, so that what gdb reads at $pc is the code that
 * runs in real and virtual-8086 mode too. The names and the order of the core and SSE features are
 * gdb's ("Debugging with GDB", "i386 Features"). */
#include <string.h>

#include "monitor/gdb-priv.h"
#include "translator/fx-image.h"

typedef enum {
    KIND_GPR,
    KIND_PC,
    KIND_EFLAGS,
    KIND_SELECTOR,
    KIND_FPU,
    KIND_FTAG,
    KIND_POINTER,
    KIND_ZERO,
    KIND_MXCSR,
    KIND_BASE,
    KIND_CONTROL
} Kind;
typedef enum { FEATURE_CORE, FEATURE_SSE, FEATURE_SYSTEM, FEATURES } Feature;

typedef struct {
    const char *name;
    Feature feature;
    Kind kind;
    uint32_t at;    /* register number, offset in the FXSAVE image or in CpuX86 */
    uint8_t stored; /* bytes there */
    uint8_t size;   /* bytes for gdb */
    const char *type, *group;
} Row;

/* clang-format off */
#define GPR(name, n) {name, FEATURE_CORE, KIND_GPR, n, 4, 4, "int32", NULL}
#define POINTER(name, n) {name, FEATURE_CORE, KIND_GPR, n, 4, 4, "data_ptr", NULL}
#define SELECTOR(name, n) {name, FEATURE_CORE, KIND_SELECTOR, n, 2, 4, "int32", NULL}
#define ST(name, n) {name, FEATURE_CORE, KIND_FPU, FX_ST + 16 * n, 10, 10, "i387_ext", NULL}
#define FPU(name, kind, at, bytes) {name, FEATURE_CORE, kind, at, bytes, 4, "int", "float"}
#define XMM(name, n) {name, FEATURE_SSE, KIND_FPU, FX_XMM + 16 * n, 16, 16, "vec128", NULL}
#define BASE(name, n) {name, FEATURE_SYSTEM, KIND_BASE, n, 4, 4, "uint32", "system"}
#define CONTROL(name, field)                                                                       \
    {name, FEATURE_SYSTEM, KIND_CONTROL, offsetof(CpuX86, field), 4, 4, "uint32", "system"}

static const Row rows[] = {
    GPR("eax", REG_EAX), GPR("ecx", REG_ECX), GPR("edx", REG_EDX), GPR("ebx", REG_EBX),
    POINTER("esp", REG_ESP), POINTER("ebp", REG_EBP), GPR("esi", REG_ESI), GPR("edi", REG_EDI),
    {"eip", FEATURE_CORE, KIND_PC, 0, 4, 4, "code_ptr", NULL},
    {"eflags", FEATURE_CORE, KIND_EFLAGS, 0, 4, 4, "i386_eflags", NULL},
    SELECTOR("cs", SEG_CS), SELECTOR("ss", SEG_SS), SELECTOR("ds", SEG_DS), SELECTOR("es", SEG_ES),
    SELECTOR("fs", SEG_FS), SELECTOR("gs", SEG_GS),
    ST("st0", 0), ST("st1", 1), ST("st2", 2), ST("st3", 3),
    ST("st4", 4), ST("st5", 5), ST("st6", 6), ST("st7", 7),
    FPU("fctrl", KIND_FPU, FX_FCW, 2), FPU("fstat", KIND_FPU, FX_FSW, 2),
    FPU("ftag", KIND_FTAG, FX_TAG, 2), FPU("fiseg", KIND_ZERO, 0, 0),
    FPU("fioff", KIND_POINTER, FX_FIP, 4), FPU("foseg", KIND_ZERO, 0, 0),
    FPU("fooff", KIND_POINTER, FX_FDP, 4), FPU("fop", KIND_FPU, FX_FOP, 2),
    XMM("xmm0", 0), XMM("xmm1", 1), XMM("xmm2", 2), XMM("xmm3", 3),
    XMM("xmm4", 4), XMM("xmm5", 5), XMM("xmm6", 6), XMM("xmm7", 7),
    {"mxcsr", FEATURE_SSE, KIND_MXCSR, FX_MXCSR, 4, 4, "i386_mxcsr", "vector"},
    BASE("cs_base", SEG_CS), BASE("ss_base", SEG_SS), BASE("ds_base", SEG_DS),
    BASE("es_base", SEG_ES), BASE("fs_base", SEG_FS), BASE("gs_base", SEG_GS),
    CONTROL("cr0", cr0), CONTROL("cr2", cr2), CONTROL("cr3", cr3), CONTROL("cr4", cr4),
    CONTROL("efer", efer),
};
/* clang-format on */

/* ---- target.xml ---- */

static const char core_types[] =
    "<flags id=\"i386_eflags\" size=\"4\">"
    "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>"
    "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
    "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
    "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
    "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
    "<field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
    "<field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/>"
    "<field name=\"VIF\" start=\"19\" end=\"19\"/><field name=\"VIP\" start=\"20\" end=\"20\"/>"
    "<field name=\"ID\" start=\"21\" end=\"21\"/></flags>\n";

static const char sse_types[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
    "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
    "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
    "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>\n"
    "<flags id=\"i386_mxcsr\" size=\"4\">"
    "<field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
    "<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/>"
    "<field name=\"UE\" start=\"4\" end=\"4\"/><field name=\"PE\" start=\"5\" end=\"5\"/>"
    "<field name=\"DAZ\" start=\"6\" end=\"6\"/><field name=\"IM\" start=\"7\" end=\"7\"/>"
    "<field name=\"DM\" start=\"8\" end=\"8\"/><field name=\"ZM\" start=\"9\" end=\"9\"/>"
    "<field name=\"OM\" start=\"10\" end=\"10\"/><field name=\"UM\" start=\"11\" end=\"11\"/>"
    "<field name=\"PM\" start=\"12\" end=\"12\"/><field name=\"FZ\" start=\"15\" end=\"15\"/>"
    "</flags>\n";

static const struct {
    const char *name, *types;
} features[FEATURES] = {
    [FEATURE_CORE] = {"org.gnu.gdb.i386.core", core_types},
    [FEATURE_SSE] = {"org.gnu.gdb.i386.sse", sse_types},
    [FEATURE_SYSTEM] = {"org.dbtvm.i386.system", ""},
};

static void describe_row(const Row *row, GString *xml)
{
    g_string_append_printf(xml, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"", row->name,
                           row->size * 8u, row->type);
    if (row->group)
        g_string_append_printf(xml, " group=\"%s\"", row->group);
    g_string_append(xml, "/>\n");
}

void gdb_describe_target(const CpuX86 *cpu, GString *xml)
{
    const bool code32 = cpu->seg[SEG_CS].attr & SEG_ATTR_DB;
    g_string_append_printf(xml,
                           "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                           "<target version=\"1.0\">\n<architecture>%s</architecture>\n%s",
                           code32 ? "i386" : "i8086", code32 ? "" : "<osabi>none</osabi>\n");
    for (unsigned f = 0; f < FEATURES; f++) {
        g_string_append_printf(xml, "<feature name=\"%s\">\n%s", features[f].name,
                               features[f].types);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
            if (rows[i].feature == f)
                describe_row(&rows[i], xml);
        g_string_append(xml, "</feature>\n");
    }
    g_string_append(xml, "</target>\n");
}

/* ---- reading ---- */

/* Two bits a physical register (SDM 1 "x87 FPU Tag Word") from the abridged form. */
static uint16_t full_tags(const uint8_t *area)
{
    enum { VALID, ZERO, SPECIAL, EMPTY };
    const unsigned top = (area[FX_FSW + 1] >> 3) & 7;
    unsigned tags = 0;
    for (unsigned n = 0; n < 8; n++) {
        const uint8_t *st = area + FX_ST + 16 * ((n - top) & 7);
        uint64_t mantissa;
        unsigned tag = EMPTY;
        memcpy(&mantissa, st, sizeof(mantissa));
        const unsigned exponent = (st[8] | st[9] << 8) & 0x7fff;
        if (area[FX_TAG] & 1u << n) {
            if (exponent == 0 && mantissa == 0)
                tag = ZERO;
            else
                tag = exponent == 0x7fff || !(mantissa >> 63) ? SPECIAL : VALID;
        }
        tags |= tag << (2 * n);
    }
    return (uint16_t)tags;
}

static uint8_t abridged_tags(unsigned tags)
{
    unsigned abridged = 0;
    for (unsigned n = 0; n < 8; n++)
        abridged |= ((tags >> (2 * n)) & 3) != 3 ? 1u << n : 0;
    return (uint8_t)abridged;
}

/* The register's bytes, zero extended to row->size. */
static void read_row(const CpuX86 *cpu, const Row *row, uint8_t bytes[16])
{
    const uint8_t *area = cpu->v.fp_area;
    uint64_t value = 0;
    memset(bytes, 0, 16);
    switch (row->kind) {
    case KIND_FPU:
    case KIND_MXCSR:
        memcpy(bytes, area + row->at, row->stored);
        return;
    case KIND_POINTER: /* 64 bits; above 32 it is none of the guest's */
        memcpy(&value, area + row->at, 8);
        value = value > UINT32_MAX ? 0 : value;
        break;
    case KIND_GPR:
        value = cpu->v.gpr[row->at];
        break;
    case KIND_PC:
        value = cpu->seg[SEG_CS].base + cpu->v.pc;
        break;
    case KIND_EFLAGS:
        value = cpu_eflags(cpu);
        break;
    case KIND_SELECTOR:
        value = cpu->seg[row->at].selector;
        break;
    case KIND_FTAG:
        value = full_tags(area);
        break;
    case KIND_BASE:
        value = cpu->seg[row->at].base;
        break;
    case KIND_CONTROL:
        memcpy(&value, (const char *)cpu + row->at, sizeof(value));
        break;
    case KIND_ZERO:
        break;
    }
    memcpy(bytes, &value, row->size); /* little endian like the host */
}

unsigned gdb_register_count(void)
{
    return G_N_ELEMENTS(rows);
}

bool gdb_read_register(const CpuX86 *cpu, unsigned n, GString *out)
{
    uint8_t bytes[16];
    if (n >= G_N_ELEMENTS(rows))
        return false;
    read_row(cpu, &rows[n], bytes);
    gdb_append_hex(out, bytes, rows[n].size);
    return true;
}

/* ---- writing ---- */

void gdb_set_pc(CpuX86 *cpu, uint32_t linear)
{
    uint32_t pc = linear - (uint32_t)cpu->seg[SEG_CS].base;
    if (pc == (uint32_t)cpu->v.pc)
        return;
    cpu->v.pc = pc;
    cpu->v.halted = false;
}

/* A segment register in protected mode is more than its selector, and a load could fault. */
static bool write_selector(CpuX86 *cpu, unsigned which, uint16_t selector)
{
    if (cpu->seg[which].selector == selector)
        return true;
    if ((cpu->cr0 & CR0_PE) && !(cpu->eflags & EFLAGS_VM))
        return false;
    cpu->seg[which].selector = selector;
    cpu->seg[which].base = (uint32_t)selector << 4;
    cpu_update_mode(cpu);
    return true;
}

static bool write_fpu(CpuX86 *cpu, const Row *row, const uint8_t *bytes, uint32_t value)
{
    uint8_t *area = cpu->v.fp_area;
    if (row->kind == KIND_FPU)
        memcpy(area + row->at, bytes, row->stored);
    else if (row->kind == KIND_FTAG)
        area[FX_TAG] = abridged_tags(value);
    else if (row->kind == KIND_POINTER)
        memcpy(area + row->at, &(uint64_t){value}, 8);
    else if (value & 0xffff0000u)
        return false; /* reserved bits of MXCSR: loading them would fault */
    else
        memcpy(area + row->at, bytes, 4);
    return true;
}

static bool write_row(CpuX86 *cpu, const Row *row, const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, 4);
    switch (row->kind) {
    case KIND_GPR:
        cpu->v.gpr[row->at] = value;
        return true;
    case KIND_PC:
        gdb_set_pc(cpu, value);
        return true;
    case KIND_EFLAGS: /* VM changes what segments mean */
        cpu_set_eflags(cpu, value, ~EFLAGS_VM);
        return ((value ^ cpu_eflags(cpu)) & EFLAGS_VM) == 0;
    case KIND_SELECTOR:
        return write_selector(cpu, row->at, (uint16_t)value);
    case KIND_FPU:
    case KIND_FTAG:
    case KIND_POINTER:
    case KIND_MXCSR:
        return write_fpu(cpu, row, bytes, value);
    case KIND_ZERO:
    case KIND_BASE:
    case KIND_CONTROL: {
        uint8_t now[16];
        read_row(cpu, row, now);
        return memcmp(now, bytes, row->size) == 0;
    }
    }
    g_assert_not_reached();
}

bool gdb_write_register(CpuX86 *cpu, unsigned n, const char **at, bool *refused)
{
    uint8_t bytes[16] = {0};
    if (n >= G_N_ELEMENTS(rows))
        return false;
    if (gdb_parse_bytes(at, bytes, rows[n].size) != rows[n].size)
        return false;
    *refused = !write_row(cpu, &rows[n], bytes);
    return true;
}
