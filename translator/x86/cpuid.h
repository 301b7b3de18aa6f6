/* SPDX-License-Identifier: MIT
 * CPU models: what CPUID says, which instructions the decoder accepts. */
#ifndef TRANSLATOR_X86_CPUID_H
#define TRANSLATOR_X86_CPUID_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* FEATURE(NAME, "cpu option name", leaf word, bit): one row each in features.def; the enum is the
 * bit index in CpuModel.features. */
typedef enum {
#define FEATURE(name, ...) FEAT_##name,
#include "translator/x86/features.def"
#undef FEATURE
    FEAT_COUNT
} CpuFeature;

/* One subleaf of leaf 4: bytes are ways * line * sets. */
typedef struct {
    unsigned level, type, ways, line, sets;
} CpuCache;
enum { CPU_CACHES = 4 };

typedef struct {
    char name[24];
    char vendor[13];
    char brand[49];
    unsigned family, model, stepping;
    unsigned level;        /* highest basic leaf; 0 and no CPUID if has_cpuid is false */
    bool has_cpuid;
    unsigned phys_bits;
    uint64_t features[2];  /* bit FEAT_x */
    CpuCache caches[CPU_CACHES];
    unsigned cache_count;
} CpuModel;

static inline bool cpu_has(const CpuModel *model, CpuFeature feature)
{
    return (model->features[feature / 64] >> (feature % 64)) & 1;
}

/* "NAME,+feat,-feat" or "NAME,feat=on". Features the host or dbtvm lacks are refused by name. */
bool cpu_model_parse(CpuModel *model, const char *spec, GError **error);
/* Text of `-cpu help`; caller frees. */
char *cpu_model_help(void);
/* Leaf 1's EAX, which is also in EDX after a reset. */
uint32_t cpu_model_signature(const CpuModel *model);
/* CPUID leaf/subleaf -> regs[4] EAX EBX ECX EDX. osxsave etc. depend on cr4; apic_on on the APIC base. */
void cpu_model_cpuid(const CpuModel *model, uint32_t leaf, uint32_t subleaf, uint64_t cr4,
                     bool apic_on, uint32_t regs[4]);

/* cpuid-cache.c: the host's caches become the model's; its caches in leaves 4, 2 and 80000006H (ECX). */
void cpu_caches_of_host(CpuModel *model);
void cpu_cache_leaf(const CpuModel *model, uint32_t subleaf, uint32_t regs[4]);
void cpu_cache_descriptors(const CpuModel *model, uint32_t regs[4]);
uint32_t cpu_cache_l2(const CpuModel *model);

#endif
