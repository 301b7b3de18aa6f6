/* SPDX-License-Identifier: MIT
 * A write log over RAM. While it is begun, the MMU's slow path reads through it and writes into it,
 * and RAM, page tables' accessed bits and devices stay as they are: one block can be executed
 * without effects and what it would have written compared with what another engine wrote.
 * vCPU thread only, io lock held from begin to the last comparison. */
#ifndef SOFTMMU_SHADOW_H
#define SOFTMMU_SHADOW_H

#include "softmmu/mmu.h"

/* Why an access cannot be served. */
typedef enum {
    SHADOW_FINE,
    SHADOW_DEVICE, /* it would reach a device, or write ROM */
    SHADOW_LARGE,  /* the log is full */
} ShadowVerdict;

typedef struct {
    /* The block that is executed: a store into its bytes gives up with self_modified, as the code
     * generator's blocks do. */
    bool (*own_code)(void *opaque, ram_off_t offset, unsigned size);
    /* Where a translation is cached that the other engine prefers to a walk; false: nowhere. */
    bool (*cached_page)(void *opaque, gva_t gva, bool write, ram_off_t *page);
    void *opaque;
} ShadowOps;

Shadow *shadow_new(Mmu *mmu, const ShadowOps *ops);
void shadow_free(Shadow *shadow);

void shadow_begin(Shadow *shadow); /* with an empty log */
void shadow_end(Shadow *shadow);   /* the log stays */
ShadowVerdict shadow_verdict(const Shadow *shadow);

/* The log against RAM as it is now. */
typedef struct {
    ram_off_t offset; /* of 8 bytes */
    uint64_t before, wanted, found;
    uint64_t written; /* mask of the bytes that were written */
} ShadowDiff;
/* Up to `capacity` words whose written bytes differ; returns how many there are. */
unsigned shadow_compare(const Shadow *shadow, ShadowDiff *out, unsigned capacity);
/* The i-th word that was written, in order; false: no more. */
bool shadow_list(const Shadow *shadow, unsigned i, ShadowDiff *out);
/* A page that was accessed has two translations: a cached one that the guest has not flushed yet,
 * and what its page tables say. Which one counts is the engine's choice. */
bool shadow_ambiguous(const Shadow *shadow);

/* access.c: access_begin and access_commit while it is begun */
void *shadow_access_begin(Shadow *shadow, MemAccess *access, gva_t gva, unsigned size, bool read,
                          bool write, int mode, Fault *fault);
void shadow_access_commit(Shadow *shadow, MemAccess *access);
/* RAM as it would be. */
void shadow_read(Shadow *shadow, ram_off_t offset, void *buffer, unsigned size);

/* mmu.c: mmu_translate, without the address: helpers that run in it only want to know whether there
 * would be a fault. */
bool shadow_probe(Shadow *shadow, gva_t gva, bool write, int mode, gpa_t *gpa, Fault *fault);

#endif
