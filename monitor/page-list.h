/* SPDX-License-Identifier: MIT
 * All translations of the guest's page tables, in address order, without side effects. Unlike
 * softmmu/walk-x86.h it asks for no address: it visits the tables' present entries. */
#ifndef MONITOR_PAGE_LIST_H
#define MONITOR_PAGE_LIST_H

#include "softmmu/walk-x86.h"

typedef struct {
    gva_t gva;
    gpa_t gpa;
    uint64_t size;                   /* bytes */
    uint64_t entry;                  /* the last one: low bits as in SDM 3A, bit 63 no execute */
    bool user, writable, no_execute; /* of all levels */
} PageMapping;

/* false: stop. */
typedef bool (*PageVisit)(void *opaque, const PageMapping *page);

/* Paging is on. false: stopped by visit, or after `limit` entries (tables that contain themselves
 * make very many). */
bool page_list(const PagingRegs *regs, const WalkMemory *memory, uint64_t limit, PageVisit visit,
               void *opaque);

#endif
