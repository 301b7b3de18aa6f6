/* SPDX-License-Identifier: MIT
 * x86 code, lifted, run by the interpreter and by translated code from the same random state:
 * registers, flags, FP state, system state, memory, faults and exits must agree. */
#ifndef TESTS_UNIT_ENGINE_MATCH_H
#define TESTS_UNIT_ENGINE_MATCH_H

#include <assert.h>

#include "tests/unit/codegen-fixture.h"
#include "translator/ir/interp.h"
#include "translator/x86/cpu-priv.h"

enum { MATCH_CODE = 48 };

/* The guest's fields of VCpu, from pc on. */
typedef struct {
    uint64_t pc;
    uint32_t flags, fp_loaded;
    uint64_t seg_base[8];
    int64_t dir[4];
    uint64_t gpr[VCPU_GPRS];
} MatchHead;
static_assert(offsetof(VCpu, pc) + sizeof(MatchHead) == offsetof(VCpu, host_rsp), "as in VCpu");

/* What a block can change. */
typedef struct {
    MatchHead head;
    uint8_t fp[416]; /* legacy part of the FXSAVE image */
    uint8_t tail[sizeof(CpuX86) - sizeof(VCpu)];
    Fault fault;
    uint8_t ram[FIXTURE_RAM], mmio[4096];
} MatchState;

typedef struct {
    Fixture f;
    CpuX86 *cpu;
    GRand *rand;
    uint8_t code[MATCH_CODE];
    MatchState start, want, got;
} Match;

Match *match_new(unsigned seed);
/* Flat 32-bit ring 0 with SSE, as an operating system would have it; or real mode. */
void match_init_mode(Match *m, bool protected);
/* Registers point into RAM more often than not; small floats in the FP registers. */
void match_random_state(Match *m);
/* Lift m->code as it lies at pc. */
bool match_lift_at(Match *m, uint64_t pc, unsigned max_insns);
void match_save(Match *m, MatchState *s);
void match_load(Match *m, const MatchState *s);
/* For InterpEnv. */
void match_run_native(void *opaque, VCpu *vcpu, const IrInsn *insn, void *mem);
/* What differs in m->want and m->got fails the test. */
void match_compare(Match *m, ExitReason want, ExitReason got);
void match_describe(Match *m, GString *text, const char *what);

#endif
