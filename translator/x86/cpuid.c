/* SPDX-License-Identifier: MIT
 * CPU models and CPUID (SDM 2 "CPUID"; AMD APM 3 appendix E). */
#include "translator/x86/cpuid.h"

#include <cpuid.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"

enum { REG_A_, REG_B_, REG_C_, REG_D_ };

typedef struct {
    const char *name;
    uint32_t leaf;
    uint8_t reg, bit;
} FeatureRow;

static const FeatureRow feature_rows[FEAT_COUNT] = {
#define FEATURE(id, name, leaf, reg, bit) [FEAT_##id] = {name, leaf, REG_##reg##_, bit},
#include "translator/x86/features.def"
#undef FEATURE
};

/* Features that our own code provides: the host need not have them. */
static const uint8_t emulated[] = {
    FEAT_FPU, FEAT_VME, FEAT_DE, FEAT_PSE, FEAT_TSC, FEAT_MSR, FEAT_PAE, FEAT_MCE, FEAT_APIC,
    FEAT_SEP, FEAT_MTRR, FEAT_PGE, FEAT_MCA, FEAT_PAT, FEAT_PSE36, FEAT_FXSR, FEAT_TSC_DEADLINE,
    FEAT_HYPERVISOR, FEAT_NX, FEAT_RDTSCP, FEAT_LAHF_LM, FEAT_ERMS,
    FEAT_ZERO_FCS_FDS,
};

typedef struct {
    const char *name, *help;
    const char *vendor, *brand;
    unsigned family, model, stepping, level, phys_bits;
    const char *base;     /* model whose features it has as well */
    const char *features; /* option names */
} ModelRow;

static const ModelRow model_rows[] = {
    {"486", "Intel 486 DX4", "GenuineIntel", "", 4, 8, 0, 1, 32, NULL, "fpu vme pse"},
    {"pentium", "Intel Pentium MMX", "GenuineIntel", "", 5, 4, 3, 1, 32, "486",
     "de tsc msr mce cx8 apic mmx"},
    {"pentium2", "Intel Pentium II", "GenuineIntel", "", 6, 5, 2, 2, 36, "pentium",
     "pae sep mtrr pge mca cmov pat pse36 fxsr"},
    {"pentium3", "Intel Pentium III", "GenuineIntel", "", 6, 8, 3, 2, 36, "pentium2", "sse"},
    {"qemu32", "the model of this name in QEMU", "GenuineIntel", "dbtvm virtual CPU (qemu32)", 6, 6,
     3, 4, 36, "pentium3", "clflush sse2 sse3 hypervisor"},
    /* The signature of an in-order Atom, which does not speculate: so guests leave out page table
     * isolation and retpolines, which guard against nothing here and cost much. */
    {"max", "all that this host and dbtvm can do (default)", "GenuineIntel", "dbtvm virtual CPU",
     6, 28, 10, 7, 40, NULL, "all"},
};

static void set_feature(CpuModel *model, unsigned feature, bool on)
{
    if (on)
        model->features[feature / 64] |= BIT(feature % 64);
    else
        model->features[feature / 64] &= ~BIT(feature % 64);
}

static bool is_emulated(unsigned feature)
{
    return memchr(emulated, (int)feature, sizeof(emulated)) != NULL;
}

static bool host_has(unsigned feature)
{
    uint32_t regs[4];
    const FeatureRow *row = &feature_rows[feature];
    if (is_emulated(feature))
        return true;
    if (!__get_cpuid_count(row->leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]))
        return false;
    return (regs[row->reg] >> row->bit) & 1;
}

static int find_feature(const char *name, size_t length)
{
    for (unsigned i = 0; i < FEAT_COUNT; i++) {
        if (strlen(feature_rows[i].name) == length && !strncmp(feature_rows[i].name, name, length))
            return (int)i;
    }
    return -1;
}

static const ModelRow *find_model(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(model_rows); i++) {
        if (!strcmp(model_rows[i].name, name))
            return &model_rows[i];
    }
    return NULL;
}

static void add_features(CpuModel *model, const ModelRow *row)
{
    if (row->base)
        add_features(model, find_model(row->base));
    g_auto(GStrv) words = g_strsplit(row->features, " ", -1);
    for (unsigned i = 0; words[i]; i++) {
        const int feature = find_feature(words[i], strlen(words[i]));
        if (feature >= 0 && host_has((unsigned)feature))
            set_feature(model, (unsigned)feature, true);
    }
    for (unsigned i = 0; !strcmp(row->features, "all") && i < FEAT_COUNT; i++)
        set_feature(model, i, host_has(i));
}

static void init_model(CpuModel *model, const ModelRow *row)
{
    *model = (CpuModel){
        .family = row->family,
        .model = row->model,
        .stepping = row->stepping,
        .level = row->level,
        .has_cpuid = true,
        .phys_bits = row->phys_bits,
    };
    g_strlcpy(model->name, row->name, sizeof(model->name));
    g_strlcpy(model->vendor, row->vendor, sizeof(model->vendor));
    g_strlcpy(model->brand, row->brand, sizeof(model->brand));
    add_features(model, row);
    if (!strcmp(row->features, "all"))
        cpu_caches_of_host(model);
}

/* "+feat", "-feat", "feat=on", "feat=off", "feat" */
static bool apply_option(CpuModel *model, const char *word, GError **error)
{
    const char *name = word;
    bool on = true;
    if (*name == '+' || *name == '-')
        on = *name++ == '+';
    const char *equals = strchr(name, '=');
    const size_t length = equals ? (size_t)(equals - name) : strlen(name);
    if (equals && strcmp(equals, "=on") != 0 && strcmp(equals, "=off") != 0) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION, "'%s' is neither on nor off",
                    word);
        return false;
    }
    if (equals)
        on = !strcmp(equals, "=on");
    const int feature = find_feature(name, length);
    if (feature < 0) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                    "unknown feature '%.*s' (-cpu help lists them)", (int)length, name);
        return false;
    }
    if (on && !host_has((unsigned)feature)) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                    "this host has no '%s'; leave it out", feature_rows[feature].name);
        return false;
    }
    set_feature(model, (unsigned)feature, on);
    return true;
}

static bool any_of_leaf(const CpuModel *model, uint32_t leaf)
{
    for (unsigned i = 0; i < FEAT_COUNT; i++) {
        if (feature_rows[i].leaf == leaf && cpu_has(model, (CpuFeature)i))
            return true;
    }
    return false;
}

bool cpu_model_parse(CpuModel *model, const char *spec, GError **error)
{
    g_auto(GStrv) words = g_strsplit(spec && *spec ? spec : "max", ",", -1);
    const ModelRow *row = find_model(!strcmp(words[0], "host") ? "max" : words[0]);
    if (!row) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                    "unknown model '%s' (-cpu help lists them)", words[0]);
        return false;
    }
    init_model(model, row);
    for (unsigned i = 1; words[i]; i++) {
        if (*words[i] && !apply_option(model, words[i], error))
            return false;
    }
    if (any_of_leaf(model, 7))
        model->level = MAX(model->level, 7u);
    return true;
}

char *cpu_model_help(void)
{
    GString *out = g_string_new("CPU models:\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(model_rows); i++)
        g_string_append_printf(out, "  %-10s %s\n", model_rows[i].name, model_rows[i].help);
    g_string_append(out, "Features (+name, -name, name=on, name=off):\n ");
    for (unsigned i = 0, column = 1; i < FEAT_COUNT; i++) {
        const unsigned length = (unsigned)strlen(feature_rows[i].name) + 1;
        if (column + length > 78) {
            g_string_append(out, "\n ");
            column = 1;
        }
        g_string_append_printf(out, " %s", feature_rows[i].name);
        column += length;
    }
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

/* ---- CPUID ---- */

uint32_t cpu_model_signature(const CpuModel *m)
{
    const unsigned family = MIN(m->family, 15u);
    return (m->family - family) << 20 | (m->model >> 4) << 16 | family << 8 | (m->model & 15) << 4 |
           m->stepping;
}

static void feature_words(const CpuModel *model, uint32_t leaf, uint32_t regs[4])
{
    for (unsigned i = 0; i < FEAT_COUNT; i++) {
        const FeatureRow *row = &feature_rows[i];
        if (row->leaf == leaf && cpu_has(model, (CpuFeature)i))
            regs[row->reg] |= 1u << row->bit;
    }
}

static bool is_amd(const CpuModel *model)
{
    return !strcmp(model->vendor, "AuthenticAMD");
}

static uint32_t highest_extended(const CpuModel *model)
{
    if (is_amd(model) || *model->brand)
        return 0x80000008u;
    return any_of_leaf(model, 0x80000001u) ? 0x80000001u : 0;
}

/* 12 characters in the register order that vendor leaves use. */
static void put_text(uint32_t *first, uint32_t *second, uint32_t *third, const char *text)
{
    char padded[13] = {0};
    g_strlcpy(padded, text, sizeof(padded));
    memcpy(first, padded, 4);
    memcpy(second, padded + 4, 4);
    memcpy(third, padded + 8, 4);
}

static void basic_leaf(const CpuModel *model, uint32_t leaf, uint32_t subleaf, bool apic_on,
                       uint32_t regs[4])
{
    switch (leaf) {
    case 0:
        regs[0] = model->level;
        put_text(&regs[1], &regs[3], &regs[2], model->vendor);
        break;
    case 1:
        feature_words(model, leaf, regs);
        regs[0] = cpu_model_signature(model);
        regs[1] = 1u << 16 | (cpu_has(model, FEAT_CLFLUSH) ? 8u << 8 : 0);
        if (!apic_on)
            regs[3] &= ~(1u << feature_rows[FEAT_APIC].bit);
        break;
    case 2:
        cpu_cache_descriptors(model, regs);
        break;
    case 4:
        cpu_cache_leaf(model, subleaf, regs);
        break;
    case 7:
        if (subleaf == 0)
            feature_words(model, leaf, regs);
        break;
    default:
        break;
    }
}

static void extended_leaf(const CpuModel *model, uint32_t leaf, uint32_t regs[4])
{
    uint32_t one[4] = {0};
    switch (leaf) {
    case 0x80000000u:
        regs[0] = highest_extended(model);
        put_text(&regs[1], &regs[3], &regs[2], is_amd(model) ? model->vendor : "");
        break;
    case 0x80000001u:
        feature_words(model, leaf, regs);
        regs[0] = cpu_model_signature(model);
        feature_words(model, 1, one);
        if (is_amd(model)) /* APM 3: these bits repeat leaf 1 */
            regs[3] |= one[3] & 0x0183f3ff;
        break;
    case 0x80000002u:
    case 0x80000003u:
    case 0x80000004u: {
        char brand[48] = {0};
        memcpy(brand, model->brand, MIN(strlen(model->brand), sizeof(brand)));
        memcpy(regs, brand + 16 * (leaf - 0x80000002u), 16);
        break;
    }
    case 0x80000006u:
        regs[2] = cpu_cache_l2(model);
        break;
    case 0x80000007u: /* invariant TSC */
        regs[3] = cpu_has(model, FEAT_TSC) ? 1u << 8 : 0;
        break;
    case 0x80000008u:
        regs[0] = model->phys_bits | 32u << 8;
        break;
    default:
        break;
    }
}

static bool is_unknown(const CpuModel *model, uint32_t leaf)
{
    if (leaf >= 0x80000000u)
        return leaf > MAX(highest_extended(model), 0x80000000u);
    if (leaf >= 0x40000000u && cpu_has(model, FEAT_HYPERVISOR))
        return false;
    return leaf > model->level;
}

/* Beyond the highest leaf of its kind, Intel's CPUs answer with the highest basic one (SDM 2
 * "CPUID"), AMD's with zeros. */
void cpu_model_cpuid(const CpuModel *model, uint32_t leaf, uint32_t subleaf, uint64_t cr4,
                     bool apic_on, uint32_t regs[4])
{
    (void)cr4; /* OSXSAVE would follow it: XSAVE is not offered */
    memset(regs, 0, 4 * sizeof(regs[0]));
    if (is_unknown(model, leaf)) {
        if (is_amd(model))
            return;
        leaf = model->level;
    }
    if (leaf >= 0x80000000u) {
        extended_leaf(model, leaf, regs);
    } else if (leaf >= 0x40000000u && cpu_has(model, FEAT_HYPERVISOR)) {
        if (leaf == 0x40000000u) {
            regs[0] = 0x40000000u;
            put_text(&regs[1], &regs[2], &regs[3], "dbtvmdbtvm");
        }
    } else {
        basic_leaf(model, leaf, subleaf, apic_on, regs);
    }
}
