/* SPDX-License-Identifier: MIT
 * A CPU with some RAM and an engine, without a board: what the oracle and the
 * torture test run code on. */
#ifndef TESTS_ORACLE_BARE_H
#define TESTS_ORACLE_BARE_H

#include "tcache/engine.h"
#include "translator/x86/cpu.h"

enum { BARE_MAX_RAM = 3 };

typedef struct {
    const char *name;
    uint32_t base, size;
} BareRam;

typedef struct {
    Ram *ram;
    AddressSpace *as;
    CpuX86 *cpu;
    GuestOps ops; /* the CPU's own copy: to be changed before it runs */
    Engine *engine;
    uint8_t *hva[BARE_MAX_RAM];
} Bare;

/* false and *error: no memory. bare_free takes what is half made. */
bool bare_init(Bare *bare, const BareRam *rams, unsigned count, const CpuModel *model,
               const EngineOptions *options, GError **error);
void bare_free(Bare *bare);

#endif
